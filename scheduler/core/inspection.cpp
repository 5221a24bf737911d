// What whoever watches a shard may ask of it between two ticks.
#include "scheduler/core/state.h"

namespace yard {

const Ledger& Core::ledger() const noexcept { return state_->ledger; }
DeviceLoad Core::load(DeviceId id, Time now) const noexcept {
  const Health& health = state_->served.endpoint(id.value).health;
  return {.waiting = state_->devices.waiting(id.value),
          .running = state_->devices.running(id.value),
          .kv_tokens = state_->devices.columns().kv_tokens[id.value],
          .state = state_->devices[id.value].state,
          .ejected = health.ejected(now),
          .half_open = health.half_open() && !health.ejected(now),
          .others = state_->foreign.on(id.value, now).sequences(),
          .said_ago = state_->foreign.age(id.value, now)};
}
Duration Core::idle(PoolId pool, Time now) const noexcept { return state_->occupancy.idle(pool, now); }
Duration Core::idle_beside_work(PoolId pool, Time now) const noexcept {
  return state_->occupancy.idle_beside_work(pool, now);
}
Duration Core::held_by_power(PoolId pool, Time now) const noexcept { return state_->power.held_time(pool, now); }
Duration Core::oldest_signal(PoolId pool) const noexcept { return state_->signals.oldest_used(pool); }
Milliwatts Core::peak_draw(DomainId domain) const noexcept { return state_->power.peak(domain); }
ContractUse Core::use_of_contract(std::uint32_t contract, Time now) const noexcept {
  return state_->money.use(contract, now);
}
const StepCost& Core::cost(CostRow row) const noexcept { return state_->tables[row]; }
const StepCost& Core::cost_to_placement(CostRow row) const noexcept {
  return (state_->policies.quantile == Quantile::none ? state_->tables : state_->at_quantile)[row];
}
PlacementWays Core::placements() const noexcept { return state_->placement.ways(); }
const DeadlineCounts& Core::deadlines() const noexcept { return state_->deadlines.counts(); }
void Core::audit() const { state_->placement.audit(); }
std::uint64_t Core::hash() const noexcept { return state_->decisions.value(); }

}  // namespace yard
