#include "scheduler/core/core.h"

#include <algorithm>
#include <utility>

#include "scheduler/core/state.h"

namespace yard {
namespace {

// A sequence that the pool has no place for waits among the arrivals like any other and is refused at the door.
std::size_t pool_size(const Bounds& b) { return std::size_t{b.sequences} + b.events_per_tick; }

}  // namespace

Core::State::State(const Bounds& b, const FleetView& f, const CostTables& t, const PolicySet& p, Seed seed)
    : bounds(b),
      fleet(f),
      costs_as_said(t),
      tables{.rows = t.rows},
      at_quantile{.rows = p.quantile == Quantile::none ? std::vector<StepCost>{} : t.rows},
      corrected_by(t.rows.size()),
      policies(p),
      pool(static_cast<std::uint32_t>(pool_size(b))),
      prefixes({.holdings = b.prefix_blocks, .devices = f.devices()}),
      evictions(prefixes, f.signals_age, b.prefix_blocks),
      reports(prefixes),
      kv(f, b.prefix_blocks, evictions),
      shares(f),
      devices(f, kv, shares),
      foreign(f),
      signals(f, tables, devices, foreign),
      served(f, pool, devices, foreign),
      power(f),
      money(f),
      handoff(f, b.moves_per_link),
      deadlines(f, tables, pool_size(b)),
      placement(f, p.quantile == Quantile::none ? tables : at_quantile, policies, seed, devices, signals, served, power,
                prefixes, handoff, deadlines),
      batcher(f, tables, pool, devices, b.steps_per_run),
      occupancy(f),
      tenants(f),
      waiters(f),
      groups(pool_size(b)),
      by_request(pool_size(b)),
      queues(f.models.size()),
      unbound(f.models.size()),
      patient(f.classes.size()),
      latest_expiry(f.classes.size()),
      neighbours(f.steal, pool_size(b)),
      overdue_at_home(neighbours.some() ? static_cast<std::uint32_t>(pool_size(b)) : 0),
      slots([&] {
        std::size_t n = 0;
        for (const PoolView& facts : f.pools) n += std::size_t{facts.devices} * facts.max_sequences;
        return std::min(n, pool_size(b));
      }()),
      steps_as_were(f.devices()),
      commands(3 * pool_size(b) + 2 * std::size_t{f.devices()} +
               (f.steal.some() ? 2 * pool_size(b) + b.events_per_tick + 2 : 0)) {
  if (neighbours.some()) {
    cancels_to_pass_on.reserve(b.events_per_tick);
    open.resize(f.devices());
    for (std::uint32_t d = 0; d < f.devices(); ++d) recount_open(d, Time::never());
  }
  kv.tell(policies.blocks);
  devices.show_prices(money.marginal_price()), signals.show_prices(money.marginal_price());
  CHECK(policies.scorer && policies.order && b.sequences > 0 && b.events_per_tick > 0 && b.steps_per_run > 0);
  for (std::size_t row = 0; row < t.rows.size(); ++row) {
    corrected_by[row].error_permille = t.rows[row].error_permille();
    if (p.quantile != Quantile::none)
      at_quantile.rows[row].correct(t.rows[row], yard::at_quantile(corrected_by[row], p.quantile));
  }
  CHECK(!f.classes.empty() && !f.tenants.empty() && !f.regions.empty() && f.regions.size() <= 64);
  for (const PoolView& facts : f.pools) {
    CHECK_WHY(facts.max_sequences >= 1 && static_cast<std::int32_t>(facts.max_sequences) <= facts.token_budget.count(),
              "1 <= max_sequences <= token_budget (V2)");
    CHECK_WHY(facts.max_context.count() - 1 <= std::int64_t{facts.kv_blocks.count()} * facts.block_tokens.count(),
              "a sequence of max_context fits an empty KV pool");
    CHECK(facts.max_sequences <= tables[facts.cost].max_sequences());
  }
}

// What is known by now is known before anything else happens now: a tick that had no other reason to be changes
// nothing. It is news to those only who wait unbound; for them Core wakes as soon as it comes (next_wakeup).
void Core::State::hear() {
  if (!signals.differ()) return;
  const bool signals_heard = signals.hear(now), evictions_heard = evictions.hear(now);
  unbound_changed |= (signals_heard || evictions_heard) && any_unbound();
}

bool Core::State::any_unbound() const {
  return std::ranges::any_of(unbound, [](const SequenceList& list) { return !list.empty(); });
}

// ---- facts --------------------------------------------------------------------------------------------------------

std::uint32_t Core::State::find(RequestId request) const {
  if (request.index >= by_request.size()) return kNobody;
  const std::uint32_t i = by_request[request.index] - 1;
  return i != kNobody && pool[i].request == request ? i : kNobody;
}

// What was asked, as far as it is the request's own.
void Core::State::ask_of(Sequence& s, const Submitted& e) const {
  s.request = e.request;
  s.arrival = e.arrival;
  s.regions = RegionMask{e.regions.bits & fleet.tenants[e.tenant.value].regions.bits};
  s.providers = e.providers;
  s.primary = e.primary;
  s.model = e.model;
  s.slo = e.slo;
  s.tenant = e.tenant;
  s.prompt = s.to_read = e.prompt.count();
  s.max_output = e.max_output.count();
  s.admit = s.first_token = s.last_token = Time::never();
  s.prefix = e.prefix.data();
  s.prefix_blocks = static_cast<std::uint32_t>(e.prefix.size());
  s.session = e.session;
  s.adapter = e.adapter;
  s.answers = e.max_output.count() > 0 ? e.answers : 1;  // a score is one, however often it is asked for
}

void Core::State::apply(const Submitted& e) {
  ++ledger.submitted;
  arrives(e);
}

// Returns: its sequence.
std::uint32_t Core::State::arrives(const Submitted& e) {
  CHECK_WHY(e.request.index < by_request.size() && by_request[e.request.index] == 0,
            "a request id is below sequences + events_per_tick and not in use");
  CHECK(e.arrival <= now && e.slo.value < fleet.classes.size() && e.tenant.value < fleet.tenants.size());
  CHECK(e.answers >= 1);
  const std::uint32_t i = pool.take();
  Sequence& s = pool[i];
  ask_of(s, e);
  s.number = ++submissions;
  s.device = DeviceId{};
  move_to(s, SequenceState::arrived);
  by_request[e.request.index] = i + 1;
  arrivals.push_back(pool, i);
  if (const Duration patience = fleet.classes[e.slo.value].patience; patience.count() > 0) {
    s.expiry = latest_expiry[e.slo.value] = std::max(latest_expiry[e.slo.value], e.arrival + patience);
    patient[e.slo.value].push_back(pool, i);
  }
  ++ledger.in_flight;
  retry_permits = std::min(retry_permits + kPermitsPerRequest, kMostPermits);
  return i;
}

void Core::State::apply(const CancelAsked& e) {
  bool some = false;  // of its answers still went on
  for (std::uint32_t i = find(e.request); i != kNobody; i = pool[i].group == 0 ? kNobody : pool[i].next_answer)
    some |= ask_to_end(i);
  if (some) return;
  if (const ShardId thief = neighbours.thief_of(e.request); thief.some())
    cancels_to_pass_on.push_back({.request = e.request, .thief = thief});
  else
    ++ledger.late_cancels;
}

// It ends as cancelled: now, or if it is in a run by that run's end at the latest. Returns: false where it was asked
// before, or has ended.
bool Core::State::ask_to_end(std::uint32_t i) {
  Sequence& s = pool[i];
  if (s.state == SequenceState::cancelling || s.state == SequenceState::ended) return false;
  if (s.state == SequenceState::parting) {  // ended here, or about to be a thief's, who is then told
    s.why = Reason::none;
    return std::exchange(s.outcome, Outcome::cancelled) != Outcome::cancelled;
  }
  const bool runs = s.state == SequenceState::running;
  if (runs && !served.serves(s.device.value) && s.planned > 0 && !devices[s.device.value].idle()) {
    move_to(s, SequenceState::cancelling);
    devices[s.device.value].cancel_asked = true;
    devices.touch(s.device.value);
    return true;
  }
  if (s.state == SequenceState::moving) {
    move_to(s, SequenceState::cancelling);
    return true;
  }
  s.aborted = runs && served.serves(s.device.value);  // said with its Finish
  end(i, Outcome::cancelled, Reason::none);
  return true;
}

void Core::State::apply(const DeviceChanged& e) {
  CHECK(e.device.value < devices.size());
  Device& device = devices[e.device.value];
  if (device.state == e.state) {
    ++ledger.same_states;
    return;
  }
  if ((device.state == DeviceState::up) != (e.state == DeviceState::up))
    placement.device_changed(e.device.value, e.state == DeviceState::up);
  device.state = e.state;
  devices.touch(e.device.value);
  unbound_changed = true;
  touch_where_panics(fleet.pools[devices.pool_of(e.device.value)].model);
  if (e.state == DeviceState::up) return;
  devices_went = stranded = true;
  empty_line(e.device.value);
  if (e.state != DeviceState::down) return;
  lose_moves(e.device.value);
  if (device.idle())
    lose_running(e.device.value);
  else
    device.lost = true;
}

// Its line goes back among the arrivals, in order, to be bound elsewhere by the next poll.
void Core::State::empty_line(std::uint32_t d) {
  while (!devices[d].line.empty()) {
    const std::uint32_t i = devices.first(pool, d);
    devices.leaves_line(pool, d, i);
    if (neighbours.some()) overdue_at_home.clear(i);
    signals.read(pool[i], now);
    move_to(pool[i], SequenceState::arrived);
    arrivals.push_back(pool, i);
  }
}

void Core::State::lose_running(std::uint32_t d) {
  while (!devices[d].running.empty()) {
    const std::uint32_t i = devices[d].running.first();
    if (served.serves(d)) {
      attempt_failed(i, Reason::device_lost);
      continue;
    }
    const bool cancelled = pool[i].state == SequenceState::cancelling;
    end(i, cancelled ? Outcome::cancelled : Outcome::failed, cancelled ? Reason::none : Reason::device_lost);
  }
  kv.clear(d, now);
  devices.adapters().clear(d);
  prefixes.clear(DeviceId{d}, now, PrefixIndex::Source::report);
}

// ---- decisions ----------------------------------------------------------------------------------------------------

void Core::State::say_ends() {
  stop_the_others();
  while (!ended.empty()) say_finish(ended.pop_front(pool));
}

void Core::State::shed() {
  for (;;) {
    std::uint32_t first = kNobody;
    for (const PatientList& list : patient) {
      const std::uint32_t i = list.first();
      if (i == kNobody || pool[i].expiry > now) continue;
      if (first == kNobody ||
          std::pair(pool[i].expiry, pool[i].number) < std::pair(pool[first].expiry, pool[first].number))
        first = i;
    }
    if (first == kNobody) return;
    end(first, Outcome::rejected, Reason::shed);
    say_ends();
  }
}

void Core::State::drive_devices() {
  std::vector<std::uint32_t>& touched = devices.touched();
  const bool caps_changed = power.limited() && share_power();
  std::sort(touched.begin(), touched.end());
  for (std::size_t k = 0;; ++k) {
    if (k == touched.size() && power.limited()) wake_held();  // some had power given to them for nothing
    if (k == touched.size()) break;
    const std::uint32_t d = touched[k];
    if (served.serves(d))
      send_waiting(d);
    else if (devices[d].idle())
      launch(d);
    else
      interrupt_if_needed(d);
    if (served.serves(d)) foreign.holds(d, served.own(d), now);
    placement.recount_cached(d);
    devices.changes(d);
    if (neighbours.some()) recount_open(d, now);
    devices[d].touched = false;
    CHECK_WHY(!devices[d].idle() || devices[d].line.empty() || served.serves(d) || power.held(d) ||
                  devices[d].moves() || pool[devices.first(pool, d)].claimed,
              "no device idles beside a sequence in its line unless held by a power domain, its KV by moves, or while "
              "its shelf is asked for it (I7)");
    CHECK_WHY(!power.leased(d) || !(served.serves(d) ? devices.running(d) == 0 : devices[d].idle()),
              "who has power works");
  }
  if (caps_changed) power.check([&](std::uint32_t d) { return ends_soon(d); });
  if (signals.differ()) {
    signals.note(touched, now);
    devices.take_changed();  // noted
  }
  touched.clear();
}

// ---- what becomes of a sequence -----------------------------------------------------------------------------------

void Core::State::end(std::uint32_t i, Outcome outcome, Reason why) {
  Sequence& s = pool[i];
  switch (s.state) {
    case SequenceState::arrived: arrivals.remove(pool, i); break;
    case SequenceState::unbound:
      queues[s.model.value].remove(pool, i);
      unbound[s.model.value].remove(pool, i);
      unbound_changed = true;
      break;
    case SequenceState::offered: offered.remove(pool, i); break;
    case SequenceState::bound: devices.leaves_line(pool, s.device.value, i); break;
    case SequenceState::read:
      handoff.read(devices.pool_of(s.device.value)).remove(pool, i);
      devices.has_left(pool, s.device.value, i);
      break;
    case SequenceState::running:
    case SequenceState::cancelling:
      if (s.link.some()) break;  // it was cancelled while it moved: both ends have their blocks back
      if (served.serves(s.device.value)) {
        served.leaves(s.device.value, i);
        if (devices.running(s.device.value) == 0) turns_idle(s.device.value);
      } else {
        devices.leaves_running(pool, s.device.value, i);
      }
      devices.touch(s.device.value);
      break;
    case SequenceState::none:
    case SequenceState::parting:
    case SequenceState::moving:
    case SequenceState::ended: CHECK_WHY(false, "a sequence ends once, and not while it moves");
  }
  signals.read(s, now);
  const bool waited = s.state < SequenceState::running;
  if (waited && s.passed_door) occupancy.waits_no_more(s.model);
  leave_patience(i);
  if (outcome == Outcome::done) placement.ended(s);
  if (deadlines.some()) deadlines.ends(i, s, outcome);
  shares.ended(s);
  if (s.group != 0) {
    AnswerGroup& group = groups.of(s);
    const std::uint32_t never_come = group.first == i ? std::exchange(group.to_come, 0) : 0;
    through_the_door -= never_come;
    if (outcome != Outcome::done) groups.stop(s.group, outcome, why);
    if (never_come > 0) groups.stop(s.group, Outcome::cancelled, Reason::none);  // it ended in the run of its cancel
    if (group.first != i) --through_the_door;
  } else {
    if (s.passed_door) --through_the_door;
    tenants.settle(s, outcome, s.generated, now);
  }
  s.outcome = outcome;
  s.why = why;
  move_to(s, s.on_shelf ? SequenceState::parting : SequenceState::ended);
  (s.on_shelf ? parting : ended).push_back(pool, i);
}

void Core::State::leave_patience(std::uint32_t i) {
  Sequence& s = pool[i];
  waiters.leaves(pool, i);
  if (neighbours.some()) overdue_at_home.clear(i);
  if (s.expiry == Time()) return;
  patient[s.slo.value].remove(pool, i);
  s.expiry = Time();
}

// The request's end, once the last of its answers has ended.
void Core::State::say_finish(std::uint32_t i) {
  Sequence& s = pool[i];
  if (s.aborted) say(Abort{.sequence = pool.id(i), .request = s.request, .device = s.device, .attempt = s.attempt});
  Account account{.arrival = s.arrival,
                  .admit = s.admit,
                  .first_token = s.first_token,
                  .last_token = s.last_token,
                  .finish = now,
                  .prompt = Tokens(s.prompt),
                  .output = Tokens(s.generated),
                  .cached = Tokens(s.cached),
                  .preemptions = s.preemptions,
                  .moves = s.moves,
                  .device = s.device,
                  .slo = s.slo,
                  .model = s.model,
                  .tenant = s.tenant,
                  .answers = s.answers,
                  .longest = Tokens(s.generated),
                  .no_output = s.max_output == 0};
  if (s.group == 0) return say_finish(i, s.outcome, s.why, account);
  const std::uint32_t g = s.group;
  AnswerGroup& group = groups[g];
  group.adds(s);
  if (group.first != i) {
    groups.leave(pool, i);
    pool.give_back(i);
  }
  if (--group.unsaid > 0) return;
  Sequence& first = pool[group.first];
  account.admit = first.admit;
  account.first_token = group.first_token, account.last_token = group.last_token;
  account.output = Tokens(group.output), account.longest = Tokens(group.longest);
  account.cached = Tokens(first.cached);
  account.preemptions = group.preemptions, account.moves = group.moves;
  account.device = first.device;
  tenants.settle(first, group.outcome, group.output, now);
  --through_the_door;
  say_finish(group.first, group.outcome, group.why, account);
  groups.give_back(g);
}

void Core::State::say_finish(std::uint32_t i, Outcome outcome, Reason why, const Account& account) {
  const Account& a = account;
  CHECK_WHY(a.admit == Time::never() || a.arrival <= a.admit, "arrival <= admit (I5)");
  CHECK_WHY(a.first_token == Time::never() ||
                (a.admit <= a.first_token && a.first_token <= a.last_token && a.last_token <= now),
            "admit <= first token <= last token <= finish (I5)");
  const Finish finish{.request = pool[i].request,
                      .outcome = outcome,
                      .why = why,
                      .retry_after = pool[i].retry_after,
                      .account = account};
  by_request[finish.request.index] = 0;
  ++ledger.ended[static_cast<std::size_t>(outcome)];
  if (outcome != Outcome::done) ++ledger.reasons[static_cast<std::size_t>(why)];
  --ledger.in_flight;
  pool.give_back(i);
  say(finish);
}

// ---- commands -----------------------------------------------------------------------------------------------------

void Core::State::say(const Command& command) {
  CHECK(commands_used < commands.size());
  commands[commands_used++] = command;
  add(decisions, command, now);
}

// ---- the door -----------------------------------------------------------------------------------------------------

Core::Core(const Bounds& bounds, const FleetView& fleet, const CostTables& tables, const PolicySet& policies, Seed seed)
    : state_(std::make_unique<State>(bounds, fleet, tables, policies, seed)) {}
Core::~Core() = default;
Core::Core(Core&&) noexcept = default;
Core& Core::operator=(Core&&) noexcept = default;

void Core::apply(const Event& event, Time now) noexcept {
  State& s = *state_;
  CHECK_WHY(now >= s.now, "time never goes back (I3)");
  CHECK_WHY(++s.applied <= s.bounds.events_per_tick, "a tick applies at most Bounds::events_per_tick events");
  s.now = now;
  s.money.advance(now);
  s.hear();
  std::visit([&](const auto& e) { s.apply(e); }, event);
}

std::span<const Command> Core::poll(Time now) noexcept {
  State& s = *state_;
  CHECK_WHY(now >= s.now, "time never goes back (I3)");
  s.now = now;
  s.applied = 0;
  s.money.advance(now);
  s.slots_used = s.commands_used = 0;
  s.hear();
  s.say_ends();
  s.shed();
  s.end_offers();
  s.give_up_overdue();
  s.read_stranded_anew();
  s.place_arrivals();
  s.unbound_changed |= !s.devices.touched().empty();
  s.place_unbound();
  s.start_moves();
  s.drive_devices();
  s.say_to_neighbours();
  s.reports.note(now);
  s.occupancy.end_of_tick(now);
  ++s.ledger.ticks;
  s.ledger.commands += s.commands_used;
  CHECK_WHY(s.ledger.balances(), "submitted + taken == ended + given + in flight (I1)");
  CHECK_WHY(s.tenants.leases() <= s.through_the_door, "a reservation belongs to a sequence in flight (U3)");
  return {s.commands.data(), s.commands_used};
}

Time Core::next_wakeup() const noexcept {
  Time first = Time::never();
  for (const PatientList& list : state_->patient)
    if (!list.empty()) first = std::min(first, state_->pool[list.first()].expiry);
  // Who waits unbound is looked at again when something more is known.
  if (state_->any_unbound()) first = std::min({first, state_->signals.next(), state_->evictions.next()});
  if (!state_->offered.empty()) first = std::min(first, state_->pool[state_->offered.first()].offered_until);
  if (state_->open_now > 0) first = std::min(first, state_->neighbours.next());
  first = std::min(first, state_->overdue_at_home.next());
  return std::min({first, state_->served.next_overdue(), state_->served.next_wake()});
}

}  // namespace yard
