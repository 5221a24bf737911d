// SMG's least_load: the least time to drain the queue plus a barrier before a full KV cache.
//
//   score = queued tokens / throughput + 0.15 s k / (1 - k);  the first of the least
//   k     = tokens in KV / KV tokens of the pool, at most 0.999
//
// Source: github.com/lightseekorg/smg at 73da68c (2026-08-07, v1.9.0-48), model_gateway/src/policies/least_load.rs with
// kv_pressure_weight 0.15 s; what is sent since the last poll is added to the queue, the request itself is not.
// Throughput is what the worker generates per second at present: a token of each running sequence per decode step, by
// its cost table; 2,000 where none runs (default_throughput). Kind to it: queue and rate are fresh (polled every ten
// seconds there), and the queue is net of what is cached and holds what open prefills still have to read. Left out:
// workers that report nothing. A rate of the kind's own instead (full, or half full, or its prefill's) changes
// attainment by 0.6 points at most on the generated Azure traces over a mixed fleet: the barrier decides. Rounding:
// each term down to a nanosecond.
#include <algorithm>
#include <cstdint>
#include <limits>

#include "scheduler/base/hash.h"
#include "scheduler/policy/scorers.h"

namespace yard::policy {
namespace {

constexpr std::int64_t kPressure = 150'000'000;                                 // ns
constexpr std::int64_t kIdlePerToken = 500'000;                                 // ns: 2,000 tokens a second
constexpr std::int64_t kMostTokens = 1'000'000'000, kMostStep = 1'000'000'000;  // of which the product is below 2^63

// `running` sequences that hold `kv` tokens generate one token each per step.
std::int64_t drain(const StepCost& cost, std::int64_t tokens, std::uint32_t running, std::int64_t kv) {
  tokens = std::min(tokens, kMostTokens);
  if (running == 0) return tokens * kIdlePerToken;
  const std::int64_t step = (cost.c0(std::min(running, cost.max_sequences())) + cost.c2() * kv).count() / 1000;  // ns
  return tokens * std::min(step, kMostStep) / running;
}

std::int64_t barrier(std::int64_t used, std::int64_t capacity) {
  const std::int64_t k = std::min(used, capacity * 999 / 1000);
  return static_cast<std::int64_t>(static_cast<Wide>(kPressure) * static_cast<Wide>(k) /
                                   static_cast<Wide>(capacity - k));
}

}  // namespace

std::uint32_t smg_least_load(std::span<const std::uint32_t> eligible, const DeviceColumns& devices,
                             const FleetView& fleet, const CostTables& tables, const Ask&, PolicyState&) noexcept {
  std::uint32_t best = 0;
  std::int64_t least = std::numeric_limits<std::int64_t>::max();
  for (std::uint32_t k = 0; k < eligible.size(); ++k) {
    const std::uint32_t d = eligible[k];
    const PoolView& pool = fleet.pools[devices.pool[d]];
    const std::int64_t capacity = std::int64_t{pool.kv_blocks.count()} * pool.block_tokens.count();
    const std::int64_t score =
        drain(tables[pool.cost], devices.prefill_tokens[d], devices.running[d], devices.kv_tokens[d]) +
        barrier(devices.kv_tokens[d], capacity);
    if (score < least) least = score, best = k;
  }
  return best;
}

}  // namespace yard::policy
