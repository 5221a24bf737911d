#include "topology/handoff_yaml.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "topology/fleet_names.h"

namespace yard {
namespace {

using yaml::Field;

constexpr std::array<std::string_view, 3> kRoles = {"both", "prefill", "decode"};
constexpr std::size_t kMostLinks = 10'000, kMostPoints = 64;
constexpr std::int64_t kKib = 1024, kMostTokens = 1 << 20;

// What a transfer from GPU to GPU over the network comes to by its size: Mooncake's transfer engine over AWS EFA,
// between two p5en.48xlarge (8 x H200, 16 x 200 Gbit/s), writes, block_size sweep with 16 threads and batches of 128
// (docs/source/design/transfer-engine/efa_transport.md): 97.11, 190.82, 324.90, 357.62, 352.59 and 366.87 GB/s an
// instance; here an eighth, one accelerator's part.
const std::vector<FleetHandoffLink::Bandwidth> kMooncake = {
    {64 * kKib, 12'138'750'000},  {128 * kKib, 23'852'500'000},  {256 * kKib, 40'612'500'000},
    {512 * kKib, 44'702'500'000}, {1024 * kKib, 44'073'750'000}, {2048 * kKib, 45'858'750'000}};

std::vector<FleetHandoffLink::Bandwidth> read_bandwidth(const Field& list) {
  std::vector<FleetHandoffLink::Bandwidth> points;
  for (const Field& entry : list.items(kMostPoints)) {
    entry.only({"transfer_kib", "gb_s"});
    const Field size = entry.need("transfer_kib");
    points.push_back({size.integer(1, 1 << 20) * kKib, entry.need("gb_s").decimal(3, 1, 1'000'000'000) * 1'000'000});
    if (points.size() > 1 && points[points.size() - 2].transfer_bytes >= points.back().transfer_bytes)
      size.refuse_value("sizes that rise");
  }
  if (points.empty())
    list.refuse("found an empty list", "accepted: at least one {transfer_kib, gb_s}, or no bandwidth");
  return points;
}

std::uint32_t read_end(const Field& field, const Fleet& fleet, bool source) {
  const std::uint32_t p = find(field, "a pool", names_of(fleet.pools));
  const FleetPool& pool = fleet.pools[p];
  if (source != (pool.role == PoolRole::prefill))
    field.refuse(fmt::format("found '{}', whose role is {}", pool.name, kRoles[static_cast<std::size_t>(pool.role)]),
                 source ? "accepted: from a pool of role prefill" : "accepted: to a pool of role decode or both");
  if (pool.kind == PoolKind::served)
    field.refuse(fmt::format("found '{}', a served pool", pool.name), "accepted: pools that are stepped");
  return p;
}

void read_links(const Field& list, Fleet& fleet) {
  for (const Field& entry : list.items(kMostLinks)) {
    entry.only({"from", "to", "latency_ms", "at_once", "transfer_kib", "bandwidth", "source"});
    FleetHandoffLink link;
    link.line = entry.line();
    link.path = entry.path();
    link.from = read_end(entry.need("from"), fleet, true);
    link.to = read_end(entry.need("to"), fleet, false);
    link.latency = Duration(entry.need("latency_ms").decimal(6, 0, 60'000'000'000));
    const std::uint32_t fewest = std::min(fleet.pools[link.from].replicas, fleet.pools[link.to].replicas);
    const auto at_once = entry.get("at_once");
    link.at_once = at_once ? static_cast<std::uint32_t>(at_once->integer(1, 1 << 16)) : std::min(fewest, 1u << 16);
    if (const auto field = entry.get("transfer_kib")) link.transfer_bytes = field->integer(1, 1 << 20) * kKib;
    const auto bandwidth = entry.get("bandwidth");
    link.bandwidth = bandwidth ? read_bandwidth(*bandwidth) : kMooncake;
    for (const FleetHandoffLink& before : fleet.handoff_links)
      if (before.from == link.from && before.to == link.to)
        entry.refuse(
            fmt::format("found a second link from {} to {}", fleet.pools[link.from].name, fleet.pools[link.to].name),
            "accepted: one of each");
    fleet.handoff_links.push_back(std::move(link));
  }
}

// A prefill pool gives all away and a decode pool takes: neither is of use alone.
void link_every_role(const Field& root, const Fleet& fleet) {
  const std::vector<Field> entries = root.need("pools").items(fleet.pools.size());
  for (std::uint32_t p = 0; p < fleet.pools.size(); ++p) {
    const FleetPool& pool = fleet.pools[p];
    if (pool.role == PoolRole::both) continue;
    const bool linked = std::ranges::any_of(fleet.handoff_links, [&](const FleetHandoffLink& link) {
      return (pool.role == PoolRole::prefill ? link.from : link.to) == p;
    });
    if (linked) continue;
    const Field role = entries[p].need("role");
    if (pool.role == PoolRole::prefill)
      role.refuse("found role prefill and no link from it", "add an entry to handoff.links, to a decode pool");
    role.refuse("found role decode and no link to it", "add an entry to handoff.links, or role both");
  }
}

}  // namespace

void read_role(const Field& entry, FleetPool& pool) {
  if (const auto field = entry.get("role")) {
    pool.role = static_cast<PoolRole>(field->one_of(kRoles));
    if (pool.role != PoolRole::both && pool.kind == PoolKind::served)
      field->refuse("found a role beside served: such an engine keeps its KV to itself", "accepted: role both");
  }
  if (const auto field = entry.get("kv_bytes_per_token")) pool.kv_token_bytes = field->integer(1, 1 << 30);
}

void read_handoff(const Field& root, Fleet& fleet) {
  const auto entry = root.get("handoff");
  if (entry) {
    entry->only({"stay_tokens", "links"});
    if (!fleet.cells.empty())
      entry->refuse("found it beside cells", "accepted: one of the two; a cell decides alone what moves in it");
    if (const auto field = entry->get("stay_tokens")) fleet.stay_tokens = Tokens(field->integer(0, kMostTokens));
    read_links(entry->need("links"), fleet);
  }
  link_every_role(root, fleet);
}

}  // namespace yard
