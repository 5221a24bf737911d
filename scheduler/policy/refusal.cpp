#include "scheduler/policy/refusal.h"

#include "scheduler/policy/kept_promises.h"

namespace yard::policy {

bool costs_a_promise(std::uint32_t device, const DeviceColumns& devices, const FleetView& fleet,
                     const CostTables& tables, const Ask& ask) noexcept {
  const PoolView& pool = fleet.pools[devices.pool[device]];
  const kept_promises::Request request(fleet, ask, 0);  // how scarce time is learns expected_cost alone
  return kept_promises::terms_on(pool, tables[pool.cost], fleet, devices, device, request).loses();
}

}  // namespace yard::policy
