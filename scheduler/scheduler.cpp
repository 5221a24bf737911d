// The front door, put together: one shard, its loop and its host devices.
#include <switchyard/scheduler.h>
#include <switchyard/step.h>

#include <algorithm>
#include <limits>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "scheduler/backend/host.h"
#include "scheduler/backend/request_slab.h"
#include "scheduler/base/input_error.h"
#include "scheduler/core/core.h"
#include "scheduler/loop/live_loop.h"
#include "scheduler/policy/registry.h"

namespace switchyard {

struct Device::Facts {
  std::string name;
  std::function<void(StepView&)> step;
  HostOptions host;
};

namespace {

using std::chrono::nanoseconds;
using yard::InputError;

constexpr std::int32_t kManyTokens = (1 << 30) - 1;  // prompt and answer together stay below 2^31
constexpr std::uint32_t kMostSlots = 1 << 16, kMostWaiting = 1 << 24;

// ---- options into what Core takes ----------------------------------------------------------------------------------

void require(bool holds, std::string key, std::string found, std::string accepted) {
  if (!holds) throw InputError("", 0, std::move(key), std::move(found), std::move(accepted));
}

void require_within(const std::string& key, std::uint64_t n, std::uint64_t least, std::uint64_t most) {
  require(least <= n && n <= most, key, fmt::format("{}", n), fmt::format("{} to {}", least, most));
}

void check(const std::vector<Device>& devices) {
  require(!devices.empty(), "devices", "none", "at least one, as by host_device()");
  for (std::size_t i = 0; i < devices.size(); ++i) {
    const Device::Facts& facts = devices[i].facts();
    const HostOptions& host = facts.host;
    const auto key = [&](const char* field) { return fmt::format("devices[{}].{}", i, field); };
    require(!facts.name.empty(), key("name"), "an empty name", "a name of its own");
    for (std::size_t j = 0; j < i; ++j)
      require(devices[j].facts().name != facts.name, key("name"),
              fmt::format("'{}' twice", yard::printable(facts.name)), "a name of its own");
    require(facts.step != nullptr, key("step"), "an empty function", "a function over the slots of a step");
    require(!host.model.empty(), key("model"), "an empty name", "the name that requests give");
    require_within(key("slots"), host.slots, 1, kMostSlots);
    require_within(key("token_budget"), host.token_budget, host.slots, kManyTokens);
    require_within(key("kv_blocks"), host.kv_blocks, 1, kManyTokens);
    require_within(key("block_tokens"), host.block_tokens, 1, kManyTokens);
    require_within(key("max_context"), host.max_context, 0, std::numeric_limits<std::uint32_t>::max());
  }
}

// Steps of unknown cost: see HostOptions. One row for all, up to the most slots of any.
yard::CostTables default_costs(const std::vector<Device>& devices) {
  std::uint32_t slots = 1;
  for (const Device& device : devices) slots = std::max(slots, device.facts().host.slots);
  yard::CostTables tables;
  tables.rows.emplace_back(std::vector{yard::BatchBucket{slots, yard::Picoseconds(1'000'000'000)}},
                           yard::Picoseconds(10'000'000), yard::Picoseconds(10'000), slots);
  return tables;
}

std::vector<SloClass> default_classes() {
  using namespace std::chrono_literals;
  return {{.name = "standard", .rank = 1, .ttft = 5s, .tpot = 100ms},
          {.name = "interactive", .rank = 0, .ttft = 1s, .ttft_per_token = 300us, .tpot = 50ms},
          {.name = "batch", .rank = 2, .e2e = 1h}};
}

yard::Duration non_negative(const char* key, nanoseconds d) {
  require(d.count() >= 0, key, fmt::format("{} ns", d.count()), "zero or more");
  return yard::Duration(d.count());
}

yard::ModelId model_named(const yard::FleetView& fleet, std::string_view name) {
  for (std::uint32_t m = 0; m < fleet.models.size(); ++m)
    if (fleet.models[m].name == name) return {m};
  return {};
}

yard::FleetView fleet_of(const std::vector<Device>& devices, const std::vector<SloClass>& classes) {
  yard::FleetView fleet{.name = "embedded",
                        .pools = {},
                        .models = {},
                        .classes = {},
                        .tenants = {{.name = "default"}},
                        .regions = {"local"},
                        .pue_thousandths = 1000};
  for (const SloClass& c : classes) {
    for (const yard::SloClass& other : fleet.classes)
      require(other.name != c.name, "classes.name", fmt::format("'{}' twice", yard::printable(c.name)), "its own name");
    fleet.classes.push_back({.name = c.name,
                             .rank = c.rank,
                             .ttft = non_negative("classes.ttft", c.ttft),
                             .ttft_per_token = non_negative("classes.ttft_per_token", c.ttft_per_token),
                             .tpot = non_negative("classes.tpot", c.tpot),
                             .e2e = non_negative("classes.e2e", c.e2e),
                             .patience = non_negative("classes.patience", c.patience)});
  }
  for (const Device& device : devices) {
    const HostOptions& host = device.facts().host;
    yard::ModelId model = model_named(fleet, host.model);
    if (!model.some()) {
      model = {static_cast<std::uint32_t>(fleet.models.size())};
      fleet.models.push_back({host.model});
    }
    const std::uint64_t holds = std::uint64_t{host.kv_blocks} * host.block_tokens + 1;  // the last one needs no KV
    const std::uint64_t wanted = host.max_context == 0 ? holds : host.max_context;
    const auto context = static_cast<std::int32_t>(std::min({holds, wanted, std::uint64_t{kManyTokens}}));
    yard::PoolView pool;
    pool.name = device.facts().name;
    pool.provider = "embedder", pool.region_name = "local", pool.accelerator = "host";
    pool.model = model, pool.region = {0}, pool.cost = {0};
    pool.first_device = fleet.devices(), pool.devices = 1;
    pool.kv_blocks = yard::Blocks(host.kv_blocks), pool.block_tokens = yard::Tokens(host.block_tokens);
    pool.max_sequences = host.slots, pool.token_budget = yard::Tokens(host.token_budget);
    pool.max_context = yard::Tokens(context);
    fleet.pools.push_back(std::move(pool));
  }
  return fleet;
}

yard::Bounds bounds_of(const Options& options) {
  require_within("max_waiting", options.max_waiting, 1, kMostWaiting);
  std::uint64_t slots = 0;
  for (const Device& device : options.devices) slots += device.facts().host.slots;
  require_within("devices, their slots together", slots, 1, kMostWaiting);
  yard::Bounds bounds;
  bounds.sequences = options.max_waiting + static_cast<std::uint32_t>(slots);
  return bounds;
}

// ---- ends ----------------------------------------------------------------------------------------------------------

End end_of(yard::Outcome outcome) {
  switch (outcome) {
    case yard::Outcome::done: return End::done;
    case yard::Outcome::cancelled: return End::cancelled;
    case yard::Outcome::rejected: return End::rejected;
    case yard::Outcome::failed: break;
  }
  return End::failed;
}

Outcome outcome_of(const yard::RequestSlab::Ended& ended) {
  return {.end = end_of(ended.outcome),
          .why = ended.why == yard::Reason::none ? std::string_view() : yard::name_of(ended.why),
          .retry_after = nanoseconds(ended.retry_after.count()),
          .ttft = nanoseconds(ended.ttft.count()),
          .e2e = nanoseconds(ended.e2e.count()),
          .tokens = static_cast<std::uint32_t>(ended.tokens.count())};
}

Outcome rejected(std::string_view why) { return {.end = End::rejected, .why = why}; }

}  // namespace

Device host_device(std::string name, std::function<void(StepView&)> step, HostOptions options) {
  return Device(
      std::make_shared<const Device::Facts>(Device::Facts{std::move(name), std::move(step), std::move(options)}));
}

ConfigError::ConfigError(std::string in_file, int at_line, std::string at_key, std::string was_found,
                         std::string is_accepted)
    : file(std::move(in_file)),
      line(at_line),
      key(std::move(at_key)),
      found(std::move(was_found)),
      accepted(std::move(is_accepted)),
      message(InputError(file, line, key, found, accepted).what()) {}

// ---- the scheduler -------------------------------------------------------------------------------------------------

struct Scheduler::State {
  explicit State(Options);
  ~State();

  Reply submit(const Request&);

  const yard::FleetView fleet;  // Core refers to these two
  const yard::CostTables tables;
  std::function<void(std::string_view)> log;
  std::size_t longest_prompt = 0;  // that any device could read

  std::unique_ptr<yard::LiveLoop> loop;
  std::shared_ptr<yard::RequestSlab> slab;  // replies hold it too, and may outlive the rest
  std::vector<std::unique_ptr<yard::HostDevice>> devices;
};

Scheduler::State::State(Options options)
    : fleet((check(options.devices),
             fleet_of(options.devices, options.classes.empty() ? default_classes() : options.classes))),
      tables(default_costs(options.devices)),
      log(options.log) {
  const yard::Bounds bounds = bounds_of(options);
  const yard::PolicySet policies = yard::find_policies(options.policy, options.order, options.bind);
  std::unique_ptr<yard::Recorder> recorder;
  if (!options.record_to.empty()) {
    recorder = std::make_unique<yard::Recorder>(options.record_to);
    recorder->head(fleet, tables, policies, bounds, options.seed);
  }
  // As many as Core has ids for: those it may hold, and a tick's worth at its door. A reply that is held after its end
  // keeps its slot.
  const std::uint32_t slots = bounds.sequences + bounds.events_per_tick;
  loop = std::make_unique<yard::LiveLoop>(
      yard::Core(bounds, fleet, tables, policies, options.seed),
      yard::LiveLoopOptions{.events_per_tick = bounds.events_per_tick,
                            .news = yard::RequestSlab::kNewsPerSlot * slots + options.devices.size(),
                            .log = options.log},
      std::move(recorder));
  slab = std::make_shared<yard::RequestSlab>(slots, *loop);
  std::vector<yard::SteppedDevice*> ports;
  for (std::size_t i = 0; i < options.devices.size(); ++i) {
    const yard::PoolView& pool = fleet.pools[i];
    longest_prompt = std::max(longest_prompt, static_cast<std::size_t>(pool.max_context.count()));
    devices.push_back(std::make_unique<yard::HostDevice>(yard::HostFacts{.name = pool.name,
                                                                         .step = options.devices[i].facts().step,
                                                                         .max_sequences = pool.max_sequences,
                                                                         .token_budget = pool.token_budget,
                                                                         .block_tokens = pool.block_tokens,
                                                                         .log = options.log},
                                                         *slab, *loop));
    ports.push_back(devices.back().get());
  }
  loop->start(std::move(ports), [this](const yard::Finish& finish) { slab->finish(finish); });
}

Scheduler::State::~State() {
  slab->close();
  slab->cancel_all();
  slab->wait_until_idle();
  // Nothing is in flight, hence no run either: every run has a sequence in it that ends when the run does.
  loop->stop();
  devices.clear();
}

Reply Scheduler::State::submit(const Request& request) {
  yard::Submitted facts{};
  facts.model =
      request.model.empty() && fleet.models.size() == 1 ? yard::ModelId{0} : model_named(fleet, request.model);
  facts.tenant = {0};
  facts.slo = {0};
  if (!request.slo.empty()) {
    const auto named = std::find_if(fleet.classes.begin(), fleet.classes.end(),
                                    [&](const yard::SloClass& c) { return c.name == request.slo; });
    if (named == fleet.classes.end())
      facts.slo = {};
    else
      facts.slo = {static_cast<std::uint32_t>(named - fleet.classes.begin())};
  }
  facts.prompt = yard::Tokens(std::min(request.prompt.size(), std::size_t{kManyTokens}));
  facts.max_output = request.max_tokens > kManyTokens ? yard::Tokens::max() : yard::Tokens(request.max_tokens);
  if (!facts.slo.some()) {
    slab->refuse();
    return Reply(rejected("no_such_class"));
  }
  yard::RequestId id;
  switch (slab->enter(request.prompt, request.prompt.size() <= longest_prompt, facts, id)) {
    case yard::RequestSlab::Refusal::none: return Reply(slab, id.index, id.generation);
    case yard::RequestSlab::Refusal::full: return Reply(rejected(yard::name_of(yard::Reason::queue_full)));
    case yard::RequestSlab::Refusal::closed: return Reply(rejected("draining"));
    case yard::RequestSlab::Refusal::no_memory: break;
  }
  return Reply(rejected("no_memory"));
}

namespace {

[[noreturn]] void throw_config_error(const InputError& e) {
  throw ConfigError(e.file, e.line, e.key, e.found, e.accepted);
}
[[noreturn]] void throw_config_error(const std::system_error& e) {
  throw ConfigError("", 0, "devices", e.what(), "fewer devices, or a higher limit of threads");
}

}  // namespace

Scheduler::Scheduler(Options options) {
  try {
    state_ = std::make_unique<State>(std::move(options));
  } catch (const InputError& e) {
    throw_config_error(e);
  } catch (const std::system_error& e) {
    throw_config_error(e);
  }
}

Scheduler::Scheduler(std::unique_ptr<State> state) noexcept : state_(std::move(state)) {}
Scheduler::Scheduler(Scheduler&&) noexcept = default;
Scheduler& Scheduler::operator=(Scheduler&&) noexcept = default;
Scheduler::~Scheduler() = default;

std::variant<Scheduler, ConfigError> Scheduler::open(Options options) noexcept {
  try {
    return Scheduler(std::move(options));
  } catch (const ConfigError& e) {
    return e;
  } catch (const std::exception& e) {
    return ConfigError("", 0, "", e.what(), "more memory");
  }
}

Reply Scheduler::submit(const Request& request) noexcept {
  return state_ ? state_->submit(request) : Reply(rejected("moved_from"));
}

void Scheduler::set(std::string_view device, Wish wish) noexcept {
  if (!state_) return;
  const auto& pools = state_->fleet.pools;
  const auto named = std::find_if(pools.begin(), pools.end(), [&](const auto& pool) { return pool.name == device; });
  if (named == pools.end()) {
    if (state_->log) state_->log(fmt::format("set: there is no device '{}'", yard::printable(device)));
    return;
  }
  yard::DeviceState state = yard::DeviceState::up;
  if (wish == Wish::drain) state = yard::DeviceState::draining;
  if (wish == Wish::remove) state = yard::DeviceState::down;
  state_->loop->change({yard::DeviceId{named->first_device}, state});
}

bool Scheduler::drain(nanoseconds patience) noexcept {
  if (!state_) return true;
  state_->slab->close();
  return state_->slab->wait_until_idle(patience);
}

Counts Scheduler::counts() const noexcept {
  if (!state_) return {};
  // In this order: whatever Core counts has entered before.
  const yard::Ledger ledger = state_->loop->ledger();
  const yard::RequestSlab::Totals door = state_->slab->totals();
  Counts counts{.submitted = door.entered + door.refused,
                .done = ledger.of(yard::Outcome::done),
                .cancelled = ledger.of(yard::Outcome::cancelled),
                .rejected = ledger.of(yard::Outcome::rejected) + door.refused,
                .failed = ledger.of(yard::Outcome::failed)};
  counts.in_flight = counts.submitted - counts.done - counts.cancelled - counts.rejected - counts.failed;
  return counts;
}

// ---- the reply -----------------------------------------------------------------------------------------------------

Reply::Reply(Reply&& other) noexcept
    : slab_(std::move(other.slab_)),
      index_(other.index_),
      generation_(other.generation_),
      at_the_door_(other.at_the_door_) {}

Reply& Reply::operator=(Reply&& other) noexcept {
  if (this == &other) return *this;
  if (slab_) slab_->drop({index_, generation_});
  slab_ = std::move(other.slab_);
  index_ = other.index_;
  generation_ = other.generation_;
  at_the_door_ = other.at_the_door_;
  return *this;
}

Reply::~Reply() {
  if (slab_) slab_->drop({index_, generation_});
}

Reply::Iterator& Reply::Iterator::operator++() {
  token_ = reply_->slab_ ? reply_->slab_->wait_for_token({reply_->index_, reply_->generation_}) : std::nullopt;
  return *this;
}

std::size_t Reply::take(std::span<Token> out) noexcept { return slab_ ? slab_->take({index_, generation_}, out) : 0; }

void Reply::notify(std::function<void()> wake) {
  if (slab_) slab_->notify({index_, generation_}, std::move(wake));
}

void Reply::cancel() noexcept {
  if (slab_) slab_->cancel({index_, generation_});
}

std::optional<Outcome> Reply::outcome() const noexcept {
  if (!slab_) return at_the_door_;
  const std::optional<yard::RequestSlab::Ended> ended = slab_->ended({index_, generation_});
  if (!ended) return std::nullopt;
  return outcome_of(*ended);
}

}  // namespace switchyard
