// Least expected time to first token plus time to last token, from the device's own step costs and what it has to do.
//
// All in integer picoseconds; the formula stands in core/README.md. Sizes: below 10^5 sequences in a line, 10^9 tokens
// waiting and c1 <= 10^9 ps the largest term stays below 2^62.
#include <algorithm>
#include <cstdint>
#include <limits>

#include "scheduler/policy/scorers.h"

namespace yard::policy {
namespace {

struct Work {
  std::int64_t waiting, running, prefill, kv, waiting_tokens;
};

std::int64_t cost_on(const PoolView& facts, const StepCost& cost, const Work& work, std::int64_t p, std::int64_t o) {
  const std::int64_t most = facts.max_sequences, budget = facts.token_budget.count();
  const std::int64_t capacity = std::int64_t{facts.kv_blocks.count()} * facts.block_tokens.count();
  const std::int64_t together = work.waiting + work.running + 1;
  const std::int64_t c0 = cost.c0(static_cast<std::uint32_t>(std::min(together, most))).count();
  const std::int64_t c1 = cost.c1().count(), c2 = cost.c2().count();

  const std::int64_t held = work.kv + work.waiting_tokens + p;
  const std::int64_t tpot = c0 + c2 * (held + o / 2);
  std::int64_t wait = 0;
  if (together > most) wait += (together - most) * (o * tpot / most);
  if (held > capacity) wait += (held - capacity) * (o * tpot / capacity);
  const std::int64_t steps = (work.prefill + p + budget - 1) / budget;
  const std::int64_t first = c1 * (work.prefill + p) + steps * (c0 + c2 * work.kv) + wait;
  const std::int64_t last = first + o * tpot;
  return first + last;
}

}  // namespace

std::uint32_t expected_cost(std::span<const std::uint32_t> eligible, const DeviceColumns& devices,
                            const FleetView& fleet, const CostTables& tables, const Ask& ask, PolicyState&) noexcept {
  std::uint32_t best = 0;
  std::int64_t least = std::numeric_limits<std::int64_t>::max();
  for (std::uint32_t k = 0; k < eligible.size(); ++k) {
    const std::uint32_t d = eligible[k];
    const PoolView& facts = fleet.pools[devices.pool[d]];
    const Work work{.waiting = devices.waiting[d],
                    .running = devices.running[d],
                    .prefill = devices.prefill_tokens[d],
                    .kv = devices.kv_tokens[d],
                    .waiting_tokens = devices.waiting_tokens[d]};
    const std::int64_t cost = cost_on(facts, tables[facts.cost], work, ask.prompt.count(), ask.expected_output.count());
    if (cost < least) least = cost, best = k;
  }
  return best;
}

}  // namespace yard::policy
