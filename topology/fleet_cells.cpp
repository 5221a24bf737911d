#include "topology/fleet_cells.h"

#include <fmt/format.h>

#include <algorithm>

#include "topology/cells.h"

namespace yard {
namespace {

using yaml::Field;

constexpr std::int64_t kMostCells = 256, kMostCellPools = 65'536;

// Cells, or shards: what a fleet's replicas are divided among.
struct Parts {
  const char *one, *all;  // keys: of a pool, of the fleet
  std::int64_t most;
  std::vector<std::string>& names;
  std::vector<std::uint32_t> FleetPool::* by;  // replicas in each
};

// Evenly; what is left over goes round, so that pools of one replica do not all stand in the first.
void split_evenly(const Field& field, Fleet& fleet, const Parts& parts) {
  const auto n = static_cast<std::uint32_t>(field.integer(1, parts.most));
  std::uint64_t replicas = 0;
  for (const FleetPool& pool : fleet.pools) replicas += pool.replicas;
  if (replicas < n)
    field.refuse(fmt::format("found {} {} for {} replicas", n, parts.all, replicas),
                 fmt::format("accepted: at most one {} a replica", parts.one));
  for (std::uint32_t c = 0; c < n; ++c) parts.names.push_back(fmt::format("{}", c));
  std::uint32_t next = 0;
  for (FleetPool& pool : fleet.pools) {
    (pool.*parts.by).assign(n, pool.replicas / n);
    for (std::uint32_t left = pool.replicas % n; left > 0; --left, next = (next + 1) % n) ++(pool.*parts.by)[next];
  }
}

// Each pool whole in the one that it names; in the order in which they are first named.
void stand_where_named(const std::vector<Field>& entries, Fleet& fleet, const Parts& parts) {
  std::vector<std::size_t> place_of;
  for (const Field& entry : entries) {
    const Field field = entry.need(parts.one);
    const std::string name = field.name();
    const auto known = std::ranges::find(parts.names, name);
    place_of.push_back(static_cast<std::size_t>(known - parts.names.begin()));
    if (known != parts.names.end()) continue;
    if (std::ssize(parts.names) == parts.most)
      field.refuse(fmt::format("found one {} more", parts.one), fmt::format("accepted: at most {}", parts.most));
    parts.names.push_back(name);
  }
  for (std::size_t p = 0; p < fleet.pools.size(); ++p) {
    (fleet.pools[p].*parts.by).assign(parts.names.size(), 0);
    (fleet.pools[p].*parts.by)[place_of[p]] = fleet.pools[p].replicas;
  }
}

// The caps of a domain are one shard's leases: no cell knows what those of another draw.
void keep_domains_whole(const Field& root, const Fleet& fleet, const Parts& parts) {
  std::vector<std::vector<bool>> in(fleet.domains.size(), std::vector<bool>(parts.names.size()));
  for (std::uint32_t d = 0; d < fleet.domains.size(); ++d)
    for (const std::uint32_t p : fleet.domains[d].pools)
      for (DomainId above{d}; above.some(); above = fleet.domains[above.value].parent)
        for (std::size_t c = 0; c < parts.names.size(); ++c)
          if ((fleet.pools[p].*parts.by)[c] > 0) in[above.value][c] = true;
  for (std::size_t d = 0; d < in.size(); ++d)
    if (const auto cells = std::ranges::count(in[d], true); cells > 1)
      root.need("power_domains")
          .refuse(fmt::format("found the pools of {} in {} {}", fleet.domains[d].name, cells, parts.all),
                  fmt::format("accepted: each domain within one {}", parts.one));
}

void keep_limits_some(const Field& root, const Fleet& fleet, const Parts& parts) {
  std::uint32_t all = 0, before = 0;
  for (const FleetPool& pool : fleet.pools) all += pool.replicas;
  for (std::size_t c = 0; c < parts.names.size(); ++c) {
    std::uint32_t here = 0;
    for (const FleetPool& pool : fleet.pools) here += (pool.*parts.by)[c];
    for (const TenantView& tenant : fleet.tenants)
      if (!shares_out(tenant, before, here, all))
        root.need("tenants").refuse(fmt::format("found a limit of {} too small to share between {} {}", tenant.name,
                                                parts.names.size(), parts.all),
                                    fmt::format("accepted: limits of which every {} has at least one", parts.one));
    before += here;
  }
}

// Returns: whether the fleet is divided so.
bool read_parts(const Field& root, Fleet& fleet, const Parts& parts) {
  const auto number = root.get(parts.all);
  const std::vector<Field> entries = root.need("pools").items(fleet.pools.size());
  const auto named =
      std::ranges::find_if(entries, [&](const Field& entry) { return entry.get(parts.one).has_value(); });
  const bool by_name = named != entries.end();
  if (number && by_name)
    named->need(parts.one).refuse(fmt::format("found a pool's own {} beside {}", parts.one, parts.all),
                                  "accepted: one of the two");
  if (number) split_evenly(*number, fleet, parts);
  if (by_name) stand_where_named(entries, fleet, parts);
  if (static_cast<std::int64_t>(parts.names.size() * fleet.pools.size()) > kMostCellPools)
    (number ? *number : entries.back())
        .refuse(fmt::format("found {} {} and {} pools", parts.names.size(), parts.all, fleet.pools.size()),
                fmt::format("accepted: at most {} for the one times the other", kMostCellPools));
  if (!fleet.domains.empty()) keep_domains_whole(root, fleet, parts);
  keep_limits_some(root, fleet, parts);
  return !parts.names.empty();
}

// Returns: whether the shards steal.
bool read_steal(const Field& field, Fleet& fleet) {
  if (field.is_text()) return field.flag();
  field.only({"distance_us", "worth_percent", "offer_at_percent", "offer_ms", "patience_ms", "least_gain_ms", "shelf"});
  StealView& steal = fleet.steal;
  const auto time = [&](std::string_view key, int digits, std::int64_t least, Duration& into) {
    if (const auto entry = field.get(key)) into = Duration(entry->decimal(digits, least, 60'000'000'000));
  };
  time("distance_us", 3, 1, fleet.shard_distance);
  time("offer_ms", 6, 0, steal.stands);
  time("patience_ms", 6, 0, steal.patience);
  time("least_gain_ms", 6, 0, steal.least_gain);
  if (const auto entry = field.get("worth_percent"))
    steal.worth_permille = static_cast<std::uint32_t>(entry->decimal(1, 0, 100'000));
  if (const auto entry = field.get("offer_at_percent"))
    steal.offer_permille = static_cast<std::uint32_t>(entry->decimal(1, 0, 100'000));
  if (const auto entry = field.get("shelf")) steal.shelf = static_cast<std::uint32_t>(entry->integer(1, 512));
  return true;
}

}  // namespace

void read_cells(const Field& root, Fleet& fleet) {
  const Parts parts{"cell", "cells", kMostCells, fleet.cells, &FleetPool::by_cell};
  const bool some = read_parts(root, fleet, parts);
  if (const auto lag = root.get("control_lag_ms")) {
    if (!some) lag->refuse("found no cells beside it", "add cells, or cell to every pool");
    fleet.control_lag = Duration(lag->decimal(6, 1'000'000, 60'000'000'000));
  }
}

void read_shards(const Field& root, Fleet& fleet) {
  const Parts parts{"shard", "shards", kMostShards, fleet.shards, &FleetPool::by_shard};
  const bool some = read_parts(root, fleet, parts);
  if (some && !fleet.cells.empty())
    (root.get("shards") ? root.need("shards") : root.need("pools"))
        .refuse("found shards beside cells", "accepted: one of the two");
  for (const char* key : {"door_lag_ms", "steal"})
    if (const auto entry = root.get(key); entry && !some)
      entry->refuse("found no shards beside it", "add shards, or shard to every pool");
  if (const auto lag = root.get("door_lag_ms")) fleet.door_lag = Duration(lag->decimal(6, 1'000, 60'000'000'000));
  if (const auto steal = root.get("steal")) fleet.steals = read_steal(*steal, fleet);
}

}  // namespace yard
