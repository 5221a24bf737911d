// What an embedder gave, as what Core takes: devices into a fleet of one pool each, options into bounds.
//
// Threads: whoever opens a Scheduler. Errors: InputError, naming the option, what was found and what is accepted.
#pragma once
#include <switchyard/scheduler.h>

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "scheduler/core/core.h"
#include "scheduler/cost/step_cost.h"
#include "topology/cells.h"
#include "topology/distance.h"
#include "topology/fleet_view.h"

namespace switchyard {

// stepped: by us, with its function; pulled: by a loop of the embedder's; placed: an engine that the embedder talks to.
enum class DeviceKind : std::uint8_t { stepped, pulled, placed };

struct Device::Facts {
  DeviceKind kind;
  std::string name;
  std::function<void(StepView&)> step;  // of a stepped one
  HostOptions host;                     // of a stepped or pulled one
  EndpointOptions endpoint;             // of a placed one
};

}  // namespace switchyard

namespace yard {

constexpr std::int32_t kManyTokens = (1 << 30) - 1;  // prompt and answer together stay below 2^31

constexpr std::uint32_t kMostThreads = 256;  // that a device's step is shared among

[[noreturn]] void refuse_option(std::string key, std::string found, std::string accepted);
void check(const std::vector<switchyard::Device>&);
FleetView fleet_of(const std::vector<switchyard::Device>&, const std::vector<switchyard::SloClass>&);  // none: ours
CostTables costs_of(const switchyard::Options&);
Bounds bounds_of(const switchyard::Options&);
// Returns: the shard of a device, by its place in the list.
constexpr std::uint32_t shard_of(std::size_t device, std::size_t devices, std::uint32_t shards) {
  return static_cast<std::uint32_t>(device * shards / devices);
}
// Its devices in shards, in equal parts as they are listed, and how those steal. Errors: also std::bad_alloc.
std::vector<CellView> shards_of(const FleetView&, const switchyard::Options&);
// Those that steal are as far apart as their threads. Requires: a row for each shard, or none at all.
void set_distances(std::vector<CellView>& shards, const std::vector<std::vector<HostLevel>>& between);
// Its tenants and power domains, into the fleet made of its devices.
void add_terms(FleetView&, const switchyard::Options&);
Milliwatts milliwatts(const std::string& key, double watts);
bool idles_within(const FleetView&, DomainId, Milliwatts cap);

// None if there is none.
ModelId model_named(const FleetView&, std::string_view);
// Returns: one beyond the fleet's where the model has none of that name.
AdapterId adapter_named(const FleetView&, ModelId, std::string_view);
SloClassId class_named(const FleetView&, std::string_view);
DomainId domain_named(const FleetView&, std::string_view);
TenantId tenant_named(const FleetView&, std::string_view);  // the first one if there is none
RegionMask regions_named(const FleetView&, switchyard::Names);
ProviderMask providers_named(const FleetView&, switchyard::Names);

}  // namespace yard
