#include "topology/adapters_yaml.h"

#include <array>

#include <fmt/format.h>

namespace yard {

using yaml::Field;

void read_adapter_slots(const Field& entry, const Accelerator& chip, FleetPool& pool) {
  entry.only({"slots", "load_ms", "gb_s", "affinity"});
  if (pool.role != PoolRole::both)
    entry.refuse("found it at a pool that reads for others or goes on for them", "accepted: with role both only");
  pool.adapter_slots = static_cast<std::uint32_t>(entry.need("slots").integer(1, kMostAdapterSlots));
  const auto load = entry.get("load_ms"), rate = entry.get("gb_s");
  if (load) pool.adapter_load = Duration(load->decimal(6, 0, kMostAdapterSeconds * 1'000'000'000));
  if (load && rate) rate->refuse("found it beside load_ms", "accepted: one of both");
  if (rate) pool.adapter_bytes_per_s = rate->decimal(3, 1, 1'000'000'000) * 1'000'000;
  if (!load && !rate) pool.adapter_bytes_per_s = chip.host_link_bytes_per_s;
  if (!load && pool.adapter_bytes_per_s == 0)
    entry.refuse(fmt::format("found no host link of {} in the catalogue", chip.id), "add gb_s or load_ms");
  constexpr std::array<std::string_view, 2> kOffOn = {"off", "on"};
  if (const auto affinity = entry.get("affinity")) pool.adapter_affinity = affinity->one_of(kOffOn) == 1;
}

void read_adapters(const Field& root, Fleet& fleet) {
  const auto list = root.get("adapters");
  if (!list) return;
  std::uint64_t sum = 0;
  for (const Field& entry : list->items(kMostAdapters)) {
    entry.only({"model", "name", "count", "mb"});
    FleetAdapters adapters;
    adapters.line = entry.line();
    adapters.path = entry.path();
    adapters.model = entry.need("model").name();
    const auto name = entry.get("name"), count = entry.get("count");
    if (name && count) count->refuse("found it beside name", "accepted: one of both");
    if (name) adapters.name = name->name();
    if (count) adapters.count = static_cast<std::uint32_t>(count->integer(1, kMostAdapters));
    if (!name && !count) entry.need("name");
    adapters.bytes = entry.need("mb").decimal(3, 0, kMostAdapterBytes / 1000) * 1000;
    sum += adapters.count;
    if (sum > kMostAdapters)
      entry.refuse(fmt::format("found {} adapters so far", sum),
                   fmt::format("accepted: at most {} in all", kMostAdapters));
    fleet.adapters.push_back(std::move(adapters));
  }
}

}  // namespace yard
