// What a shard tells those above it at an exchange: its columns, summed pool by pool.
//
// Threads: whoever holds it. Every figure is as of one instant of the shard; whoever reads it later knows how old it is
// (I9).
#pragma once
#include <cstdint>
#include <vector>

#include "scheduler/core/policy.h"
#include "scheduler/cost/correction.h"
#include "topology/fleet_view.h"

namespace yard {

struct PoolSummary {
  std::int64_t up = 0;  // devices
  std::int64_t waiting = 0, running = 0;
  std::int64_t prefill_tokens = 0, kv_tokens = 0, waiting_tokens = 0;
  std::int64_t prefill_share = 0, prefill_burst = 0;  // 1/65536 of a device's time; ns
  std::int64_t marginal_price = 0;                    // nano-dollars an hour
  CorrectedBy costs;                                  // of its steps
};

struct ShardSummary {
  ShardSummary() = default;
  explicit ShardSummary(const FleetView& fleet)
      : pools(fleet.pools.size()),
        by_class(fleet.pools.size() * fleet.classes.size()),
        unbound(fleet.models.size()),
        expected_output(fleet.models.size() * fleet.classes.size()),
        answers(fleet.models.size() * fleet.classes.size()) {}

  std::uint64_t submitted = 0;  // requests that it was told of so far
  std::vector<PoolSummary> pools;
  std::vector<std::int64_t> by_class;         // [pool * classes + class]: bound sequences
  std::vector<std::int64_t> unbound;          // by model: sequences that wait, bound to no device
  std::vector<std::int64_t> expected_output;  // [model * classes + class], tokens
  std::vector<AnswerLengths> answers;         // likewise
};

}  // namespace yard
