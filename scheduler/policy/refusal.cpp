#include "scheduler/policy/refusal.h"

#include "scheduler/policy/kept_promises.h"

namespace yard::policy {

std::int64_t promises_on(std::uint32_t device, const DeviceColumns& devices, const FleetView& fleet,
                         const CostTables& tables, const Ask& ask) noexcept {
  const PoolView& pool = fleet.pools[devices.pool[device]];
  const kept_promises::Request request(fleet, ask, 0);  // how scarce time is learns expected_cost alone
  return kept_promises::terms_on(pool, tables[pool.cost], fleet, devices, device, request).misses();
}

}  // namespace yard::policy
