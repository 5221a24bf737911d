// A fleet in cells: which replicas of which pool stand in which serving cluster.
//
// A value. Each cell is decided by itself (scheduler/loop/cells.h); what it knows of the others is as old as the
// control lag.
//
// N1  a cell's view has every pool, model, class, tenant and region of the fleet, so that all ids but those of devices
//     mean the same everywhere; a pool of which no replica stands in the cell has no device there.
// N2  every replica of the fleet stands in exactly one cell; every cell has at least one.
// N3  what a tenant may ask for and spend is handed out in slices, by replicas, that sum up to the whole; a contract
//     covers in each cell those of its devices that stand there; a power domain lies within one cell (fleet_cells.cpp).
#pragma once
#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "scheduler/base/check.h"
#include "scheduler/base/hash.h"
#include "topology/fleet_view.h"

namespace yard {

struct CellView {
  std::string name;
  FleetView view;
  std::vector<std::uint32_t> first;  // by pool: the number, within the whole pool, of its first replica here

  // Requires: a device of this cell. Returns: its id in the whole fleet.
  DeviceId in_fleet(const FleetView& fleet, DeviceId device) const {
    const auto behind = std::upper_bound(view.pools.begin(), view.pools.end(), device.value,
                                         [](std::uint32_t d, const PoolView& pool) { return d < pool.first_device; });
    const auto p = static_cast<std::size_t>(behind - view.pools.begin()) - 1;
    return {fleet.pools[p].first_device + first[p] + (device.value - view.pools[p].first_device)};
  }
};

// Returns: the part of `total` for `here` devices of `all`, behind `before` that have theirs; parts sum up to it.
inline std::int64_t slice_of(std::int64_t total, std::uint32_t before, std::uint32_t here, std::uint32_t all) {
  const auto up_to = [&](std::uint32_t devices) {
    return static_cast<std::int64_t>(static_cast<Wide>(total) * devices / all);
  };
  return up_to(before + here) - up_to(before);
}

// Calls `of(limit)` with each limit of a tenant, in 64 bits, and takes its answer.
template <class Of>
void change_limits(TenantView& tenant, const Of& of) {
  for (QuotaRate* rate : {&tenant.requests, &tenant.tokens}) {
    rate->per_s_thousandths = of(rate->per_s_thousandths);
    rate->burst = of(rate->burst);
  }
  tenant.per_day = NanoDollars(of(tenant.per_day.count()));
}

// Returns: whether each limit that the tenant has leaves some for those devices.
inline bool shares_out(TenantView tenant, std::uint32_t before, std::uint32_t here, std::uint32_t all) {
  bool some = true;
  change_limits(tenant, [&](std::int64_t total) {
    some &= total <= 0 || slice_of(total, before, here, all) > 0;
    return total;
  });
  return some;
}

namespace in_cells {

// The devices of pool p that stand in the cell are the fleet's from first[p] on.
inline void keep_contracts(const FleetView& fleet, CellView& cell) {
  for (ContractView& contract : cell.view.contracts) {
    const std::uint32_t p = contract.pool.value;
    const PoolView& here = cell.view.pools[p];
    const std::uint32_t begin = fleet.pools[p].first_device + cell.first[p];
    const std::uint32_t from = std::clamp(contract.first_device, begin, begin + here.devices);
    const std::uint32_t to = std::clamp(contract.first_device + contract.devices, begin, begin + here.devices);
    contract.first_device = here.first_device + (from - begin);
    contract.devices = to - from;
  }
}

}  // namespace in_cells

// `replicas[p][c]`: how many of pool p stand in cell c. Returns: none where there are no names.
inline std::vector<CellView> cells_of(const FleetView& fleet, const std::vector<std::string>& names,
                                      const std::vector<std::vector<std::uint32_t>>& replicas) {
  std::vector<CellView> cells(names.size());
  if (cells.empty()) return cells;
  for (std::size_t c = 0; c < names.size(); ++c) cells[c] = {names[c], fleet, {}};
  for (std::size_t p = 0; p < fleet.pools.size(); ++p) {
    std::uint32_t before = 0;
    for (std::size_t c = 0; c < names.size(); ++c) {
      PoolView& pool = cells[c].view.pools[p];
      const PoolView* left = p > 0 ? &cells[c].view.pools[p - 1] : nullptr;
      pool.first_device = left ? left->first_device + left->devices : 0;
      pool.devices = replicas[p][c];
      cells[c].first.push_back(before);
      before += pool.devices;
    }
    CHECK(before == fleet.pools[p].devices);
  }
  std::uint32_t before = 0;
  for (CellView& cell : cells) {
    const std::uint32_t here = cell.view.devices();
    CHECK(here > 0);
    for (TenantView& tenant : cell.view.tenants)
      change_limits(tenant, [&](std::int64_t total) { return slice_of(total, before, here, fleet.devices()); });
    before += here;
    in_cells::keep_contracts(fleet, cell);
  }
  return cells;
}

}  // namespace yard
