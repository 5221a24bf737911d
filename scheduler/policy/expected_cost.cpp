// Where the expected number of missed promises that a request adds, its own and those of everybody there already, is
// smallest; expected seconds break ties. Refused where it would cost at least as many promises as it is worth itself:
// one. kept_promises.h has the formula.
#include <cstdint>
#include <limits>

#include "scheduler/policy/kept_promises.h"
#include "scheduler/policy/scorers.h"

namespace yard::policy {

std::uint32_t expected_cost(std::span<const std::uint32_t> eligible, const DeviceColumns& devices,
                            const FleetView& fleet, const CostTables& tables, const Ask& ask, PolicyState&) noexcept {
  const kept_promises::Request request(fleet, ask, kept_promises::worth_of_reading(eligible, devices, ask));
  std::uint32_t best = 0;
  kept_promises::Cost least{.misses = 0, .total = std::numeric_limits<std::int64_t>::max()};
  for (std::uint32_t k = 0; k < eligible.size(); ++k) {
    const PoolView& pool = fleet.pools[devices.pool[eligible[k]]];
    const kept_promises::Cost cost =
        kept_promises::cost_on(pool, tables[pool.cost], fleet, devices, eligible[k], request);
    if (cost.total < least.total) least = cost, best = k;
  }
  return ask.may_refuse && least.loses() ? kRefused : best;
}

}  // namespace yard::policy
