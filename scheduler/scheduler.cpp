// The front door, put together: the shards, their loops and their devices.
#include <algorithm>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "scheduler/base/check.h"
#include "scheduler/base/input_error.h"
#include "scheduler/embedded.h"
#include "scheduler/loop/live_spin.h"
#include "scheduler/policy/registry.h"
#include "scheduler/scheduler_state.h"

namespace switchyard {

namespace {

using std::chrono::nanoseconds;
using yard::InputError;
using Refusal = yard::RequestSlab::Refusal;

End end_of(yard::Outcome outcome) {
  switch (outcome) {
    case yard::Outcome::done: return End::done;
    case yard::Outcome::cancelled: return End::cancelled;
    case yard::Outcome::rejected: return End::rejected;
    case yard::Outcome::failed: break;
  }
  return End::failed;
}

// A shard's inbox holds all that can be on the way: of every request, and of every device a run's end and, twice, that
// its lane is gone.
std::size_t news_of(const std::vector<Device>& devices, std::size_t shards, const yard::Bounds& bounds,
                    std::uint32_t slots) {
  const bool placed =
      std::any_of(devices.begin(), devices.end(), [](const Device& d) { return d.facts().kind == DeviceKind::placed; });
  std::size_t each = placed ? yard::RequestSlab::news_per_placed(bounds.retries) : yard::RequestSlab::kNewsPerSlot;
  if (shards > 1) each += yard::RequestSlab::kNewsBetweenShards;
  return each * slots + 3 * devices.size();
}

// Slots of one step take unlike times: more parts than threads even that out.
constexpr std::uint32_t kPartsPerThread = 2;

std::uint64_t busy_here() {
  return std::clamp<std::uint64_t>(yard::usable_thousandths_here() / 1000, 1, yard::kMostThreads);
}

// Of each device, as asked, or as many as may be busy here.
std::vector<std::uint32_t> threads_of(const std::vector<Device>& devices) {
  const std::uint64_t busy = busy_here();
  std::vector<std::uint32_t> threads;
  for (const Device& d : devices) {
    const std::uint32_t asked = d.facts().kind == DeviceKind::stepped ? d.facts().host.threads : 1;
    threads.push_back(asked == 0 ? static_cast<std::uint32_t>(busy) : asked);
  }
  return threads;
}

// Beside the devices' own; devices that step at the same time share them.
std::uint32_t members_for(const std::vector<std::uint32_t>& threads) { return *std::ranges::max_element(threads) - 1; }

}  // namespace

Outcome outcome_of(const yard::RequestSlab::Ended& ended) {
  return {.end = end_of(ended.outcome),
          .why = ended.why == yard::Reason::none ? std::string_view() : yard::name_of(ended.why),
          .retry_after = nanoseconds(ended.retry_after.count()),
          .ttft = nanoseconds(ended.ttft.count()),
          .e2e = nanoseconds(ended.e2e.count()),
          .tokens = static_cast<std::uint32_t>(ended.tokens.count())};
}

Outcome outcome_of(Refusal why) { return {.end = End::rejected, .why = yard::name_of(why)}; }

ConfigError::ConfigError(std::string in_file, int at_line, std::string at_key, std::string was_found,
                         std::string is_accepted)
    : file(std::move(in_file)),
      line(at_line),
      key(std::move(at_key)),
      found(std::move(was_found)),
      accepted(std::move(is_accepted)),
      message(InputError(file, line, key, found, accepted).what()) {}

// ---- the scheduler -------------------------------------------------------------------------------------------------

Scheduler::State::State(Options options)
    : fleet([&] {
        yard::check(options.devices);
        yard::FleetView described = yard::fleet_of(options.devices, options.classes);
        yard::add_terms(described, options);
        return described;
      }()),
      tables(yard::costs_of(options)),
      shards(yard::shards_of(fleet, options)),
      log(options.log),
      doors(fleet.models.size()),
      spinning([] {
        const yard::SpinPlan plan = yard::plan_spin_here();
        return yard::Spinning(plan.pauses, plan.at_once, plan.ns);
      }()),
      threads(threads_of(options.devices)),
      binder(options.pin, options.devices, options.shards, members_for(threads), options.log) {
  yard::set_distances(shards, binder.levels_between_shards());
  const yard::Bounds bounds = yard::bounds_of(options);
  const yard::PolicySet policies = yard::find_policies(options.policy, options.order, options.bind);
  // As many as Core has ids for: those it may hold, and a tick's worth at its door. A reply that is held after its end
  // keeps its slot.
  const std::uint32_t slots = bounds.sequences + bounds.events_per_tick;
  yard::LiveCellOptions how{.bounds = bounds,
                            .seed = options.seed,
                            .news = news_of(options.devices, shards.size(), bounds, slots),
                            .record_to = options.record_to,
                            .learn_costs = options.learn_costs,
                            .learnt = options.learnt_costs,
                            .log = options.log,
                            .spinning = &spinning,
                            .at_start = {}};
  for (std::uint32_t s = 0; s < shards.size(); ++s) how.at_start.push_back(binder.of_shard(s));
  if (const std::uint64_t busy = busy_here(); shards.size() > busy)
    say(fmt::format("shards: {} where {} thread{} may be busy: they take turns", shards.size(), busy,
                    busy == 1 ? "" : "s"));
  cell = std::make_unique<yard::LiveCell>(fleet, shards, tables, policies, std::move(how));
  slab = std::make_shared<yard::RequestSlab>(slots, cell->shards());
  make_crew(options.devices);
  for (std::size_t i = 0; i < options.devices.size(); ++i) make_device(options.devices[i], i, fleet.pools[i]);
  cell->start(ports, *slab, [this](const yard::Finish& finish) { slab->finish(finish); });
}

void Scheduler::State::make_crew(const std::vector<Device>& devices) {
  std::vector<std::size_t> seated;
  for (std::size_t i = 0; i < devices.size(); ++i)
    if (threads[i] > 1) seated.push_back(i);
  if (seated.empty()) return;
  crew = std::make_unique<yard::Crew>(yard::CrewOptions{.members = members_for(threads),
                                                        .seats = static_cast<std::uint32_t>(seated.size()),
                                                        .deque = kPartsPerThread * *std::ranges::max_element(threads),
                                                        .hatch = 1,  // all comes from seats
                                                        .victims = binder.victims(seated),
                                                        .at_start = binder.of_members(),
                                                        .log = log,
                                                        .spinning = &spinning});
}

void Scheduler::State::make_device(const Device& device, std::size_t index, const yard::PoolView& pool) {
  longest_prompt = std::max(longest_prompt, static_cast<std::size_t>(pool.max_context.count()));
  doors[pool.model.value] = pool.kind;
  const yard::LiveCell::Place& place = cell->at({pool.first_device});
  pulled.emplace_back();
  if (device.facts().kind == DeviceKind::placed) {
    endpoints.push_back(std::make_unique<yard::PlacedDevice>(pool.name, *slab));
    ports.push_back({.stepped = nullptr, .served = endpoints.back().get()});
    return;
  }
  yard::StepperFacts facts{.name = pool.name,
                           .max_sequences = pool.max_sequences,
                           .token_budget = pool.token_budget,
                           .block_tokens = pool.block_tokens,
                           .adapters = {},
                           .log = log};
  for (const yard::AdapterView& adapter : fleet.adapters) facts.adapters.push_back(adapter.name);
  if (device.facts().kind == DeviceKind::pulled) {
    pulled.back() = std::make_shared<yard::PulledDevice>(place.device, std::move(facts), *slab, *place.loop);
    ports.push_back({.stepped = pulled.back().get(), .served = nullptr});
    return;
  }
  const bool alone = threads[index] == 1;
  yard::HostThreads runs_on{.spinning = &spinning,
                            .at_start = binder.of_device(index),
                            .crew = alone ? nullptr : crew.get(),
                            .seat = alone ? 0 : seats++,
                            .parts = alone ? 1 : kPartsPerThread * threads[index]};
  hosts.push_back(std::make_unique<yard::HostDevice>(device.facts().step, std::move(facts), *slab, *place.loop,
                                                     std::move(runs_on)));
  ports.push_back({.stepped = hosts.back().get(), .served = nullptr});
}

yard::DeviceId Scheduler::State::device_named(std::string_view name) const noexcept {
  for (const yard::PoolView& pool : fleet.pools)
    if (pool.name == name) return {pool.first_device};
  return {};
}

void Scheduler::State::say(std::string_view line) const noexcept {
  if (!log) return;
  try {
    log(line);
  } catch (...) {  // the user's function: what it throws is no business of ours
  }
}

Scheduler::State::~State() {
  CHECK_WHY(!cell->lent_any(), "a Submitter goes before its Scheduler");
  slab->close();
  slab->cancel_all();
  for (const auto& device : pulled)
    if (device) device->close();
  slab->wait_until_idle();
  for (const auto& device : pulled)
    if (device) device->settle();
  // Nothing is in flight, hence no run either: every run has a sequence in it that ends when the run does.
  cell->stop();
}

yard::Submitted Scheduler::State::facts_of(std::string_view model, std::string_view slo, std::size_t prompt,
                                           std::uint32_t max_tokens, yard::PoolKind door,
                                           Refusal& refused) const noexcept {
  yard::Submitted facts{};
  refused = Refusal::none;
  facts.model = model.empty() && fleet.models.size() == 1 ? yard::ModelId{0} : yard::model_named(fleet, model);
  facts.tenant = {0};
  facts.prompt = yard::Tokens(std::min(prompt, std::size_t{yard::kManyTokens}));
  facts.max_output = max_tokens > yard::kManyTokens ? yard::Tokens::max() : yard::Tokens(max_tokens);
  if (facts.model.some() && doors[facts.model.value] != door)
    refused = door == yard::PoolKind::served ? Refusal::no_endpoint : Refusal::only_endpoints;
  facts.slo = slo.empty() ? yard::SloClassId{0} : yard::class_named(fleet, slo);
  if (!facts.slo.some()) refused = Refusal::no_such_class;
  return facts;
}

void Scheduler::State::say_where(yard::Submitted& facts, std::string_view tenant, Names regions,
                                 Names providers) const noexcept {
  facts.tenant = yard::tenant_named(fleet, tenant);
  facts.regions = yard::regions_named(fleet, regions);
  facts.providers = yard::providers_named(fleet, providers);
}

yard::ShardId Scheduler::State::door(const yard::Submitted& facts) const noexcept {
  slab->check_process();
  return cell->door(facts);
}

Reply Scheduler::State::submit(const Request& request, std::optional<std::uint32_t> lane) {
  Refusal refused;
  yard::Submitted facts =
      facts_of(request.model, request.slo, request.prompt.size(), request.max_tokens, yard::PoolKind::stepped, refused);
  say_where(facts, request.tenant, request.regions, request.providers);
  yard::Submitted asked = facts;
  asked.answers = std::max(request.n, 1u);
  if (!request.adapter.empty()) asked.adapter = yard::adapter_named(fleet, facts.model, request.adapter);
  yard::RequestId id;
  if (refused != Refusal::none)
    slab->refuse(refused);
  else
    refused =
        slab->enter(door(asked), request.prompt, request.prompt.size() <= longest_prompt, asked, id, request.tag, lane);
  return refused == Refusal::none ? Reply(slab, id.index, id.generation) : Reply(outcome_of(refused));
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
  return state_ ? state_->submit(request, {}) : Reply({.end = End::rejected, .why = "moved_from"});
}

Submitter Scheduler::submitter() noexcept {
  if (!state_) return {};
  state_->slab->check_process();
  try {
    return {state_.get(), state_->cell->lend_lane()};
  } catch (const std::bad_alloc&) {
    return {state_.get(), {}};
  }
}

Submitter::Submitter(Submitter&& other) noexcept
    : state_(std::exchange(other.state_, nullptr)), lane_(std::exchange(other.lane_, {})) {}

Submitter& Submitter::operator=(Submitter&& other) noexcept {
  std::swap(state_, other.state_), std::swap(lane_, other.lane_);
  return *this;
}

Submitter::~Submitter() {
  if (lane_) state_->cell->give_back_lane(*lane_);
}

Reply Submitter::submit(const Request& request) noexcept {
  return state_ ? state_->submit(request, lane_) : Reply({.end = End::rejected, .why = "moved_from"});
}

std::string Scheduler::learnt_costs() const noexcept {
  if (!state_) return {};
  state_->slab->check_process();
  try {
    return state_->cell->learnt_costs();
  } catch (const std::bad_alloc&) {
    return {};
  }
}

void Scheduler::set(std::string_view device, Wish wish) noexcept {
  if (!state_) return;
  state_->slab->check_process();
  const yard::DeviceId id = state_->device_named(device);
  if (!id.some()) return state_->say(fmt::format("set: there is no device '{}'", yard::printable(device)));
  if (const auto& pulled = state_->pulled[id.value]; pulled && pulled->gone())
    return state_->say(fmt::format("set: the lane of device '{}' is gone", yard::printable(device)));
  yard::DeviceState state = yard::DeviceState::up;
  if (wish == Wish::drain) state = yard::DeviceState::draining;
  if (wish == Wish::remove) state = yard::DeviceState::down;
  const yard::LiveCell::Place& place = state_->cell->at(id);
  place.loop->change(yard::DeviceChanged{place.device, state});
}

void Scheduler::set_cap(std::string_view power_domain, double watts) noexcept {
  if (!state_) return;
  state_->slab->check_process();
  const yard::DomainId domain = yard::domain_named(state_->fleet, power_domain);
  if (!domain.some())
    return state_->say(fmt::format("set_cap: there is no power domain '{}'", yard::printable(power_domain)));
  const double most = 1e9;
  const yard::Milliwatts cap(static_cast<std::int64_t>((watts > 0 ? std::min(watts, most) : 0.0) * 1000));
  if (!yard::idles_within(state_->fleet, domain, cap))
    return state_->say(
        fmt::format("set_cap: {} W is below what the devices of '{}' draw idle", watts, yard::printable(power_domain)));
  state_->cell->of_domain(domain).change(yard::CapChanged{domain, cap});
}

void Scheduler::report(std::string_view device, const LoadReport& said) noexcept {
  if (!state_) return;
  state_->slab->check_process();
  const yard::DeviceId id = state_->device_named(device);
  if (!id.some()) return state_->say(fmt::format("report: there is no device '{}'", yard::printable(device)));
  const yard::PoolView& pool = state_->fleet.pools[id.value];
  if (pool.kind != yard::PoolKind::served)
    return state_->say(fmt::format("report: device '{}' is no endpoint", yard::printable(device)));
  const double share = said.kv_used > 0 ? std::min(said.kv_used, 1.0) : 0.0;  // what is no number counts as none
  const yard::Duration age(std::max<std::int64_t>(0, said.age.count()));
  const yard::Blocks used(static_cast<std::int32_t>(share * pool.kv_blocks.count()));
  const yard::LiveCell::Place& place = state_->cell->at(id);
  place.loop->change(yard::LoadReport{.device = place.device,
                                      .load = {.running = said.running, .waiting = said.waiting, .kv_used = used},
                                      .measured = std::max(yard::Time(), state_->cell->now() - age)});
}

bool Scheduler::drain(nanoseconds patience) noexcept {
  if (!state_) return true;
  state_->slab->close();
  return state_->slab->wait_until_idle(patience);
}

Counts Scheduler::counts() const noexcept {
  if (!state_) return {};
  state_->slab->check_process();
  // In this order: whatever Core counts has entered before.
  const yard::Ledger ledger = state_->cell->ledger();
  const yard::RequestSlab::Totals door = state_->slab->totals();
  const std::uint64_t refused = door.all_refused();
  Counts counts{.submitted = door.entered + refused,
                .done = ledger.of(yard::Outcome::done),
                .cancelled = ledger.of(yard::Outcome::cancelled),
                .rejected = ledger.of(yard::Outcome::rejected) + refused,
                .failed = ledger.of(yard::Outcome::failed)};
  counts.in_flight = counts.submitted - counts.done - counts.cancelled - counts.rejected - counts.failed;
  return counts;
}

}  // namespace switchyard
