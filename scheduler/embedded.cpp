#include "scheduler/embedded.h"

#include <algorithm>
#include <limits>
#include <utility>

#include <fmt/format.h>

#include "scheduler/base/input_error.h"

namespace yard {
namespace {

using std::chrono::nanoseconds;
using switchyard::Device;
using switchyard::DeviceKind;
using switchyard::EndpointOptions;
using switchyard::HostOptions;

constexpr std::uint32_t kMostSlots = 1 << 16, kMostWaiting = 1 << 24;

void require(bool holds, std::string key, std::string found, std::string accepted) {
  if (!holds) refuse_option(std::move(key), std::move(found), std::move(accepted));
}

void require_within(const std::string& key, std::uint64_t n, std::uint64_t least, std::uint64_t most) {
  require(least <= n && n <= most, key, fmt::format("{}", n), fmt::format("{} to {}", least, most));
}

bool is_placed(const Device& device) { return device.facts().kind == DeviceKind::placed; }
const std::string& model_of(const Device& device) {
  return is_placed(device) ? device.facts().endpoint.model : device.facts().host.model;
}
const std::vector<std::string>& adapters_of(const Device& device) {
  return is_placed(device) ? device.facts().endpoint.adapters : device.facts().host.adapters;
}
bool only_embeds(const Device& device) {
  return is_placed(device) ? device.facts().endpoint.only_embeds : device.facts().host.only_embeds;
}
// A name as a word of a CostKey: what is no such character as %XX.
std::string word_of(std::string_view name) {
  std::string word;
  for (const char c : name)
    if (c > ' ' && c != '%' && c != '\x7f' && (c & 0x80) == 0)
      word += c;
    else
      word += fmt::format("%{:02X}", static_cast<unsigned char>(c));
  return word.empty() ? "%" : word;
}

std::uint32_t slots_of(const Device& device) {
  return is_placed(device) ? device.facts().endpoint.concurrency : device.facts().host.slots;
}

// What both kinds of options have.
template <class Key>
void check_memory(const auto& options, const Key& key) {
  require(!options.model.empty(), key("model"), "an empty name", "the name that requests give");
  require_within(key("kv_blocks"), options.kv_blocks, 1, kManyTokens);
  require_within(key("block_tokens"), options.block_tokens, 1, kManyTokens);
  require(!options.region.empty(), key("region"), "an empty name", "a name");
  require(!options.provider.empty(), key("provider"), "an empty name", "a name");
  require(milliwatts(key("busy_w"), options.busy_w) >= milliwatts(key("idle_w"), options.idle_w), key("busy_w"),
          fmt::format("{}", options.busy_w), "at least idle_w");
  require_within(key("adapter_slots"), options.adapter_slots, options.adapters.empty() ? 0 : 1, kMostAdapterSlots);
  require(options.adapters.size() <= kMostAdapters, key("adapters"), fmt::format("{}", options.adapters.size()),
          fmt::format("at most {}", kMostAdapters));
  for (const std::string& name : options.adapters)
    require(!name.empty(), key("adapters"), "an empty name", "the names that requests give");
  require(options.adapter_load.count() >= 0 && options.adapter_load <= std::chrono::seconds(kMostAdapterSeconds),
          key("adapter_load"), fmt::format("{} ns", options.adapter_load.count()),
          fmt::format("0 to {} s", kMostAdapterSeconds));
}

template <class Key>
void check_one(const Device::Facts& facts, const Key& key) {
  require(!facts.name.empty(), key("name"), "an empty name", "a name of its own");
  if (facts.kind == DeviceKind::placed) {
    const EndpointOptions& endpoint = facts.endpoint;
    check_memory(endpoint, key);
    require_within(key("concurrency"), endpoint.concurrency, 1, kMostSlots);
    require_within(key("unread_tokens"), endpoint.unread_tokens, 1, kManyTokens);
    require(endpoint.start_timeout >= std::chrono::milliseconds(1), key("start_timeout"),
            fmt::format("{} ns", endpoint.start_timeout.count()), "1 ms or more");
    require(endpoint.use_by >= std::chrono::milliseconds(1) && endpoint.use_by <= std::chrono::hours(1), key("use_by"),
            fmt::format("{} ns", endpoint.use_by.count()), "1 ms to 1 h");
    return;
  }
  const HostOptions& host = facts.host;
  if (facts.kind == DeviceKind::stepped)
    require(facts.step != nullptr, key("step"), "an empty function", "a function over the slots of a step");
  check_memory(host, key);
  require(host.role == "both", key("role"), fmt::format("'{}'", printable(host.role)),
          "both: KV of host and pulled devices is not moved; a replay's fleets have prefill and decode pools");
  require_within(key("slots"), host.slots, 1, kMostSlots);
  require_within(key("token_budget"), host.token_budget, host.slots, kManyTokens);
  require_within(key("threads"), host.threads, 0, kMostThreads);
  require(facts.kind == DeviceKind::stepped || host.threads == 1, key("threads"), fmt::format("{}", host.threads),
          "1: a pulled device's threads are its loop's");
}

std::vector<switchyard::SloClass> default_classes() {
  using namespace std::chrono_literals;
  return {{.name = "standard", .rank = 1, .ttft = 5s, .tpot = 100ms},
          {.name = "interactive", .rank = 0, .ttft = 1s, .ttft_per_token = 300us, .tpot = 50ms},
          {.name = "batch", .rank = 2, .e2e = 1h}};
}

Duration non_negative(const char* key, nanoseconds d) {
  require(d.count() >= 0, key, fmt::format("{} ns", d.count()), "zero or more");
  return Duration(d.count());
}

Quantile sure_of(const switchyard::SloClass& c) {
  if (c.sure_percent == 0) return Quantile::none;
  require(c.sure_percent == 50 || c.sure_percent == 90 || c.sure_percent == 99, "classes.sure_percent",
          fmt::format("{}", c.sure_percent), "0, 50, 90 or 99");
  require(c.ttft.count() > 0 || c.e2e.count() > 0, "classes.sure_percent", "neither ttft nor e2e",
          "one of them beside it");
  return c.sure_percent == 50 ? Quantile::q50 : c.sure_percent == 90 ? Quantile::q90 : Quantile::q99;
}

SloClass class_of(const switchyard::SloClass& c) {
  return {.name = c.name,
          .rank = c.rank,
          .ttft = non_negative("classes.ttft", c.ttft),
          .ttft_per_token = non_negative("classes.ttft_per_token", c.ttft_per_token),
          .tpot = non_negative("classes.tpot", c.tpot),
          .e2e = non_negative("classes.e2e", c.e2e),
          .patience = non_negative("classes.patience", c.patience),
          .on_overload =
              c.ttft.count() > 0 || c.tpot.count() > 0 || c.sure_percent > 0 ? Overload::reject : Overload::defer,
          .sure = sure_of(c)};
}

void set_memory(PoolView& pool, const auto& options) {
  const std::uint64_t holds = std::uint64_t{options.kv_blocks} * options.block_tokens + 1;  // the last one needs no KV
  const std::uint64_t wanted = options.max_context == 0 ? holds : options.max_context;
  pool.region_name = options.region, pool.provider = options.provider;
  pool.idle = milliwatts("idle_w", options.idle_w), pool.busy = milliwatts("busy_w", options.busy_w);
  pool.kv_blocks = Blocks(options.kv_blocks), pool.block_tokens = Tokens(options.block_tokens);
  pool.max_context = Tokens(std::min({holds, wanted, std::uint64_t{kManyTokens}}));
  pool.adapter_slots = options.adapter_slots;
  pool.adapter_load = Duration(options.adapter_load.count());
}

PoolView pool_of(const Device& device) {
  PoolView pool;
  pool.name = device.facts().name;
  pool.devices = 1;
  pool.max_sequences = slots_of(device);
  if (is_placed(device)) {
    const EndpointOptions& endpoint = device.facts().endpoint;
    set_memory(pool, endpoint);
    pool.accelerator = "endpoint";
    pool.kind = PoolKind::served;
    pool.token_budget = Tokens(std::max(endpoint.concurrency, pool.token_budget.count() + 0u));
    pool.window.unread = Tokens(endpoint.unread_tokens);
    pool.window.start_timeout = Duration(endpoint.start_timeout.count());
    pool.window.use_by = Duration(endpoint.use_by.count());
  } else {
    set_memory(pool, device.facts().host);
    pool.accelerator = "host";
    pool.token_budget = Tokens(device.facts().host.token_budget);
  }
  return pool;
}

}  // namespace

void refuse_option(std::string key, std::string found, std::string accepted) {
  throw InputError("", 0, std::move(key), std::move(found), std::move(accepted));
}

void check(const std::vector<Device>& devices) {
  require(!devices.empty(), "devices", "none", "at least one, as by host_device()");
  for (std::size_t i = 0; i < devices.size(); ++i) {
    const Device::Facts& facts = devices[i].facts();
    const auto key = [&](const char* field) { return fmt::format("devices[{}].{}", i, field); };
    check_one(facts, key);
    for (std::size_t j = 0; j < i; ++j) {
      require(devices[j].facts().name != facts.name, key("name"), fmt::format("'{}' twice", printable(facts.name)),
              "a name of its own");
      require(model_of(devices[j]) != model_of(devices[i]) || is_placed(devices[j]) == is_placed(devices[i]),
              key("model"), fmt::format("'{}' on an endpoint and on a stepped device", printable(model_of(devices[i]))),
              "a model of one kind of device: place() is for endpoints, submit() for the others");
      require(model_of(devices[j]) != model_of(devices[i]) || only_embeds(devices[j]) == only_embeds(devices[i]),
              key("only_embeds"), fmt::format("'{}' with it and without", printable(model_of(devices[i]))),
              "the same at every device of a model");
    }
  }
}

// Steps of unknown cost: see HostOptions. A row for all endpoints, up to the most slots of any, and one for each of
// the others, in their order: what is learnt of one says little of another.
CostTables costs_of(const switchyard::Options& options) {
  CostTables tables;
  const auto add = [&](std::uint32_t slots, bool learn, CostKey key) {
    tables.rows.emplace_back(std::vector{BatchBucket{slots, Picoseconds(1'000'000'000)}}, Picoseconds(10'000'000),
                             Picoseconds(10'000), slots, Picoseconds(), learn ? StepCost::kUnknown : 100);
    tables.keys.push_back(std::move(key));
  };
  std::uint32_t most = 1;
  for (const Device& device : options.devices)
    if (is_placed(device)) most = std::max(most, slots_of(device));
  add(most, false, {"endpoint", "served", "unknown", "any", "unknown"});
  for (const Device& device : options.devices) {
    if (is_placed(device)) continue;
    add(slots_of(device), options.learn_costs,
        {"embedded", "stepped", "unknown", word_of(model_of(device)), word_of(device.facts().name)});
  }
  return tables;
}

AdapterId adapter_named(const FleetView& fleet, ModelId model, std::string_view name) {
  for (std::uint32_t a = 0; a < fleet.adapters.size(); ++a)
    if (fleet.adapters[a].model == model && fleet.adapters[a].name == name) return {a};
  return {AdapterId::kNone - 1};  // one that nobody has
}

ModelId model_named(const FleetView& fleet, std::string_view name) {
  for (std::uint32_t m = 0; m < fleet.models.size(); ++m)
    if (fleet.models[m].name == name) return {m};
  return {};
}

SloClassId class_named(const FleetView& fleet, std::string_view name) {
  for (std::uint32_t c = 0; c < fleet.classes.size(); ++c)
    if (fleet.classes[c].name == name) return {c};
  return {};
}

namespace {

// Returns: the index of the name among `names`, where it is put if it is new. `key`: of the option.
std::uint32_t numbered(std::vector<std::string>& names, const std::string& name, const char* key) {
  const auto at = std::ranges::find(names, name);
  if (at != names.end()) return static_cast<std::uint32_t>(at - names.begin());
  require(names.size() < 64, key, fmt::format("'{}', the 65th", printable(name)), "at most 64 names");
  names.push_back(name);
  return static_cast<std::uint32_t>(names.size() - 1);
}

template <class Mask>
Mask mask_of(const std::vector<std::string>& all, switchyard::Names names) {
  if (names.empty()) return {};
  Mask mask{0};
  for (std::size_t i = 0; i < all.size(); ++i)
    if (std::ranges::find(names, all[i]) != names.end()) mask.bits |= std::uint64_t{1} << i;
  return mask;
}

}  // namespace

TenantId tenant_named(const FleetView& fleet, std::string_view name) {
  for (std::uint32_t t = 0; t < fleet.tenants.size(); ++t)
    if (fleet.tenants[t].name == name) return {t};
  return {0};
}

RegionMask regions_named(const FleetView& fleet, switchyard::Names names) {
  return mask_of<RegionMask>(fleet.regions, names);
}
ProviderMask providers_named(const FleetView& fleet, switchyard::Names names) {
  return mask_of<ProviderMask>(fleet.providers, names);
}

FleetView fleet_of(const std::vector<Device>& devices, const std::vector<switchyard::SloClass>& classes) {
  FleetView fleet{.name = "embedded",
                  .pools = {},
                  .models = {},
                  .classes = {},
                  .tenants = {{.name = "default"}},
                  .regions = {},
                  .providers = {},
                  .pue_thousandths = 1000};
  for (const switchyard::SloClass& c : classes.empty() ? default_classes() : classes) {
    for (const SloClass& other : fleet.classes)
      require(other.name != c.name, "classes.name", fmt::format("'{}' twice", printable(c.name)), "its own name");
    fleet.classes.push_back(class_of(c));
  }
  std::uint32_t rows = 1;  // of costs_of()
  for (const Device& device : devices) {
    PoolView pool = pool_of(device);
    pool.cost = CostRow{is_placed(device) ? 0 : rows++};
    pool.model = model_named(fleet, model_of(device));
    if (!pool.model.some()) {
      pool.model = {static_cast<std::uint32_t>(fleet.models.size())};
      fleet.models.push_back({.name = model_of(device), .embeds = only_embeds(device)});
    }
    pool.region = {numbered(fleet.regions, pool.region_name, "devices.region")};
    pool.provider_id = {numbered(fleet.providers, pool.provider, "devices.provider")};
    for (const std::string& name : adapters_of(device))
      if (adapter_named(fleet, pool.model, name).value >= fleet.adapters.size())
        fleet.adapters.push_back({name, pool.model, 0});
    pool.first_device = fleet.devices();
    fleet.pools.push_back(std::move(pool));
  }
  return fleet;
}

Bounds bounds_of(const switchyard::Options& options) {
  require_within("max_waiting", options.max_waiting, 1, kMostWaiting);
  std::uint64_t slots = 0;
  for (const Device& device : options.devices) slots += slots_of(device);
  require_within("devices, their slots together", slots, 1, kMostWaiting);
  Bounds bounds;
  bounds.sequences = options.max_waiting + static_cast<std::uint32_t>(slots);
  return bounds;
}

}  // namespace yard

namespace switchyard {

Device host_device(std::string name, std::function<void(StepView&)> step, HostOptions options) {
  return Device(std::make_shared<const Device::Facts>(Device::Facts{.kind = DeviceKind::stepped,
                                                                    .name = std::move(name),
                                                                    .step = std::move(step),
                                                                    .host = std::move(options),
                                                                    .endpoint = {}}));
}

Device pulled_device(std::string name, HostOptions options) {
  return Device(std::make_shared<const Device::Facts>(Device::Facts{
      .kind = DeviceKind::pulled, .name = std::move(name), .step = {}, .host = std::move(options), .endpoint = {}}));
}

Device endpoint(std::string name, EndpointOptions options) {
  return Device(std::make_shared<const Device::Facts>(Device::Facts{
      .kind = DeviceKind::placed, .name = std::move(name), .step = {}, .host = {}, .endpoint = std::move(options)}));
}

}  // namespace switchyard
