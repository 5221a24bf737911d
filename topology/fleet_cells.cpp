#include "topology/fleet_cells.h"

#include <fmt/format.h>

#include <algorithm>

#include "topology/cells.h"

namespace yard {
namespace {

using yaml::Field;

constexpr std::int64_t kMostCells = 256, kMostCellPools = 65'536;

// Evenly; what is left over goes round, so that pools of one replica do not all stand in the first cell.
void split_evenly(const Field& field, Fleet& fleet) {
  const auto n = static_cast<std::uint32_t>(field.integer(1, kMostCells));
  std::uint64_t replicas = 0;
  for (const FleetPool& pool : fleet.pools) replicas += pool.replicas;
  if (replicas < n)
    field.refuse(fmt::format("found {} cells for {} replicas", n, replicas), "accepted: at most one cell a replica");
  for (std::uint32_t c = 0; c < n; ++c) fleet.cells.push_back(fmt::format("{}", c));
  std::uint32_t next = 0;
  for (FleetPool& pool : fleet.pools) {
    pool.by_cell.assign(n, pool.replicas / n);
    for (std::uint32_t left = pool.replicas % n; left > 0; --left, next = (next + 1) % n) ++pool.by_cell[next];
  }
}

// Each pool whole in the cell that it names; cells in the order in which they are first named.
void stand_where_named(const std::vector<Field>& entries, Fleet& fleet) {
  std::vector<std::size_t> cell_of;
  for (const Field& entry : entries) {
    const Field field = entry.need("cell");
    const std::string name = field.name();
    const auto known = std::ranges::find(fleet.cells, name);
    cell_of.push_back(static_cast<std::size_t>(known - fleet.cells.begin()));
    if (known != fleet.cells.end()) continue;
    if (fleet.cells.size() == kMostCells)
      field.refuse("found one cell more", fmt::format("accepted: at most {}", kMostCells));
    fleet.cells.push_back(name);
  }
  for (std::size_t p = 0; p < fleet.pools.size(); ++p) {
    fleet.pools[p].by_cell.assign(fleet.cells.size(), 0);
    fleet.pools[p].by_cell[cell_of[p]] = fleet.pools[p].replicas;
  }
}

// The caps of a domain are one shard's leases: no cell knows what those of another draw.
void keep_domains_whole(const Field& root, const Fleet& fleet) {
  std::vector<std::vector<bool>> in(fleet.domains.size(), std::vector<bool>(fleet.cells.size()));
  for (std::uint32_t d = 0; d < fleet.domains.size(); ++d)
    for (const std::uint32_t p : fleet.domains[d].pools)
      for (DomainId above{d}; above.some(); above = fleet.domains[above.value].parent)
        for (std::size_t c = 0; c < fleet.cells.size(); ++c)
          if (fleet.pools[p].by_cell[c] > 0) in[above.value][c] = true;
  for (std::size_t d = 0; d < in.size(); ++d)
    if (const auto cells = std::ranges::count(in[d], true); cells > 1)
      root.need("power_domains")
          .refuse(fmt::format("found the pools of {} in {} cells", fleet.domains[d].name, cells),
                  "accepted: each domain within one cell");
}

void keep_limits_some(const Field& root, const Fleet& fleet) {
  std::uint32_t all = 0, before = 0;
  for (const FleetPool& pool : fleet.pools) all += pool.replicas;
  for (std::size_t c = 0; c < fleet.cells.size(); ++c) {
    std::uint32_t here = 0;
    for (const FleetPool& pool : fleet.pools) here += pool.by_cell[c];
    for (TenantView tenant : fleet.tenants)
      change_limits(tenant, [&](std::int64_t total) {
        if (total > 0 && slice_of(total, before, here, all) == 0)
          root.need("tenants").refuse(
              fmt::format("found a limit of {} too small to share between {} cells", tenant.name, fleet.cells.size()),
              "accepted: limits of which every cell has at least one");
        return total;
      });
    before += here;
  }
}

}  // namespace

void read_cells(const Field& root, Fleet& fleet) {
  const auto number = root.get("cells");
  const std::vector<Field> entries = root.need("pools").items(fleet.pools.size());
  const auto named = std::ranges::find_if(entries, [](const Field& entry) { return entry.get("cell").has_value(); });
  const bool by_name = named != entries.end();
  if (number && by_name) named->need("cell").refuse("found a pool's own cell beside cells", "accepted: one of the two");
  if (number) split_evenly(*number, fleet);
  if (by_name) stand_where_named(entries, fleet);
  if (static_cast<std::int64_t>(fleet.cells.size() * fleet.pools.size()) > kMostCellPools)
    (number ? *number : entries.back())
        .refuse(fmt::format("found {} cells and {} pools", fleet.cells.size(), fleet.pools.size()),
                fmt::format("accepted: at most {} for the one times the other", kMostCellPools));
  if (!fleet.domains.empty()) keep_domains_whole(root, fleet);
  keep_limits_some(root, fleet);
  if (const auto lag = root.get("control_lag_ms")) {
    if (fleet.cells.empty()) lag->refuse("found no cells beside it", "add cells, or cell to every pool");
    fleet.control_lag = Duration(lag->decimal(6, 1'000'000, 60'000'000'000));
  }
}

}  // namespace yard
