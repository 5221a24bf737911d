// A fleet of devices in shards, as an embedder asks for them.
#include <algorithm>

#include <fmt/format.h>

#include "scheduler/base/input_error.h"
#include "scheduler/embedded.h"

namespace yard {
namespace {

// Between threads of one machine, one way, where nothing is known of their places: a look at a shelf takes as long as
// some lines need from one cache to another.
constexpr Duration kDistance = microseconds(1);

// A round trip of one line is 0.1 us within a cache (bench/results, sync); between packages some times that. What
// counts is the order.
constexpr Duration distance_of(HostLevel level) {
  switch (level) {
    case HostLevel::same_thread:
    case HostLevel::core: return nanoseconds(200);
    case HostLevel::l2: return nanoseconds(300);
    case HostLevel::l3: return nanoseconds(500);
    case HostLevel::numa: return nanoseconds(700);
    case HostLevel::package: return microseconds(1);
    case HostLevel::host: break;
  }
  return microseconds(2);
}

void keep_domains_whole(const FleetView& fleet, std::uint32_t shards) {
  for (std::uint32_t d = 0; d < fleet.domains.size(); ++d) {
    std::vector<std::uint32_t> in;
    for (std::size_t p = 0; p < fleet.pools.size(); ++p)
      for (DomainId above = fleet.pools[p].domain; above.some(); above = fleet.domains[above.value].parent)
        if (const std::uint32_t s = shard_of(p, fleet.pools.size(), shards);
            above.value == d && std::ranges::find(in, s) == in.end())
          in.push_back(s);
    if (in.size() > 1)
      refuse_option(fmt::format("power_domains[{}].devices", d),
                    fmt::format("those of '{}' in {} shards", printable(fleet.domains[d].name), in.size()),
                    "each domain within one shard: list its devices side by side, or have fewer shards");
  }
}

void keep_limits_some(const FleetView& fleet, const std::vector<CellView>& shards) {
  std::uint32_t before = 0;
  for (const CellView& shard : shards) {
    const std::uint32_t here = shard.view.devices();
    for (std::size_t t = 0; t < fleet.tenants.size(); ++t)
      if (!shares_out(fleet.tenants[t], before, here, fleet.devices()))
        refuse_option(fmt::format("tenants[{}]", t),
                      fmt::format("a limit of '{}' too small to share between {} shards",
                                  printable(fleet.tenants[t].name), shards.size()),
                      "limits of which every shard has some, or fewer shards");
    before += here;
  }
}

}  // namespace

std::vector<CellView> shards_of(const FleetView& fleet, const switchyard::Options& options) {
  const std::uint32_t n = options.shards, devices = fleet.devices();
  if (n < 1 || n > std::min(devices, kMostShards))
    refuse_option(
        "shards", fmt::format("{}", n),
        fmt::format("1 to {}: at most one for each device, and {}", std::min(devices, kMostShards), kMostShards));
  std::vector<std::string> names;
  for (std::uint32_t s = 0; s < n; ++s) names.push_back(fmt::format("shard{}", s));
  std::vector<std::vector<std::uint32_t>> replicas;  // each device is a pool
  for (std::uint32_t d = 0; d < devices; ++d) replicas.emplace_back(n)[shard_of(d, devices, n)] = 1;
  std::vector<CellView> shards = cells_of(fleet, names, replicas);
  keep_domains_whole(fleet, n);
  keep_limits_some(fleet, shards);
  if (n == 1 || !options.steal) return shards;
  for (std::uint32_t s = 0; s < n; ++s) {
    StealView& steal = shards[s].view.steal;
    steal.self = ShardId{s};
    steal.distance.assign(n, kDistance);
    steal.distance[s] = Duration();
  }
  return shards;
}

void set_distances(std::vector<CellView>& shards, const std::vector<std::vector<HostLevel>>& between) {
  for (std::size_t a = 0; a < between.size(); ++a)
    for (std::size_t b = 0; b < between.size(); ++b)
      if (StealView& steal = shards[a].view.steal; steal.some() && a != b)
        steal.distance[b] = distance_of(between[a][b]);
}

}  // namespace yard
