// Where the expected number of missed promises that a request adds, its own and those of everybody there already, is
// smallest; expected seconds break ties. Refused where it would cost at least as many promises as it is worth itself:
// one. kept_promises.h has the formula.
#include <cstdint>
#include <limits>

#include "scheduler/policy/kept_promises.h"
#include "scheduler/policy/scorers.h"

namespace yard::policy {
namespace {

// Inlined by force: with the defaults, which are known here, they are constants of the loop.
[[gnu::always_inline]] inline std::uint32_t choose(const Settings& by, std::span<const std::uint32_t> eligible,
                                                   const DeviceColumns& devices, const FleetView& fleet,
                                                   const CostTables& tables, const Ask& ask,
                                                   PolicyState& state) noexcept {
  using namespace kept_promises;
  const Request request(fleet, ask, price_of_reading(eligible, devices, ask, by));
  struct {
    std::int64_t total = std::numeric_limits<std::int64_t>::max(), misses = 0, own = 0;
    std::uint32_t at = 0;
  } least;
  for (std::uint32_t k = 0; k < eligible.size(); ++k) {
    const PoolView& pool = fleet.pools[devices.pool[eligible[k]]];
    const Terms cost = terms_on(pool, tables[pool.cost], fleet, devices, eligible[k], request, by);
    if (cost.total() < least.total) least = {cost.total(), cost.misses(), cost.own, k};
  }
  if (!ask.may_refuse) return least.at;
  std::int32_t& scarcity = state.scarcity[ask.model.value];
  if (ask.counts) scarcity = scarcity_after(scarcity, least.own, by);
  return least.misses >= by.refused_from ? kRefused : least.at;
}

}  // namespace

std::uint32_t expected_cost(std::span<const std::uint32_t> eligible, const DeviceColumns& devices,
                            const FleetView& fleet, const CostTables& tables, const Ask& ask,
                            PolicyState& state) noexcept {
  return choose(kSettings, eligible, devices, fleet, tables, ask, state);
}

std::uint32_t expected_cost_by_settings(std::span<const std::uint32_t> eligible, const DeviceColumns& devices,
                                        const FleetView& fleet, const CostTables& tables, const Ask& ask,
                                        PolicyState& state) noexcept {
  return choose(*state.settings, eligible, devices, fleet, tables, ask, state);
}

}  // namespace yard::policy
