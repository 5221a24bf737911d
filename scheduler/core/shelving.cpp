// What a shard offers to others, and what it takes from them (README.md, "A steal").
#include <algorithm>
#include <utility>

#include "scheduler/core/state.h"

namespace yard {
namespace {

constexpr std::uint8_t kShut = 0, kOpen = 1, kVacant = 2;

}  // namespace

// ---- the victim -----------------------------------------------------------------------------------------------------

// A request of several answers is several sequences of one device, and a lease on its tenant's quota is its shard's.
bool Core::State::may_be_offered(const Sequence& s) const {
  return neighbours.some() && !s.shown && s.answers == 1 && !s.lease && s.attempt == 0 && s.admit == Time::never();
}

Duration Core::State::may_wait(const Sequence& s) const {
  return neighbours.waits_at_most(fleet.classes[s.slo.value].ttft_objective(Tokens(s.prompt)));
}

// That with the most at stake stands first: it is wanted most, and a thief takes the leading ones alone.
void Core::State::offer(std::uint32_t i, Time there, std::int64_t at_stake) {
  constexpr std::int64_t kMost = 2 * kOnePromise, kApart = 10'000;  // ns: more than a shelf's order tells apart
  Sequence& s = pool[i];
  s.on_shelf = s.shown = true;
  ++on_shelf, ++ledger.offered;
  say(Shelve{.sequence = pool.id(i),
             .request = s.request,
             .order = Time((kMost - std::clamp<std::int64_t>(at_stake, 0, kMost)) * kApart),
             .tokens = Tokens(s.prompt),
             .there = there,
             .at_stake = at_stake});
}

// Of a class that would have it end: it stands on the shelf for a while first, and is then asked about once more.
// Returns: whether.
bool Core::State::offer_before_refusal(std::uint32_t i) {
  return fleet.classes[pool[i].slo.value].on_overload == Overload::reject && offer_before_end(i);
}

// Nothing is left here that could serve it, or it is refused. Returns: whether it stands on the shelf for a while.
bool Core::State::offer_before_end(std::uint32_t i) {
  Sequence& s = pool[i];
  if (!may_be_offered(s)) return false;
  if (s.state == SequenceState::unbound) {
    queues[s.model.value].remove(pool, i);
    unbound[s.model.value].remove(pool, i);
  } else {
    arrivals.remove(pool, i);
  }
  move_to(s, SequenceState::offered);
  s.offered_until = now + neighbours.stands();
  offered.push_back(pool, i);
  offer(i, Time::never());
  return true;
}

void Core::State::end_offers() {
  while (!offered.empty() && pool[offered.first()].offered_until <= now) {
    const std::uint32_t i = offered.pop_front(pool);
    move_to(pool[i], SequenceState::arrived);
    arrivals.push_back(pool, i);
  }
}

void Core::State::unshelve(std::uint32_t i) {
  Sequence& s = pool[i];
  if (!s.on_shelf || std::exchange(s.claimed, true)) return;
  say(Unshelve{.sequence = pool.id(i), .request = s.request});
}

// The device is about to begin with its line. Asks for all that may come in at once. Returns: whether the first of it
// has to be asked for before.
bool Core::State::unshelve_for(std::uint32_t d) {
  const PoolView& facts = fleet.pools[devices.pool_of(d)];
  const std::uint32_t first = devices.first(pool, d);
  if (first == kNobody || devices.running(d) >= facts.max_sequences) return false;
  std::uint32_t places = facts.max_sequences - devices.running(d);
  std::int64_t budget = facts.token_budget.count();
  unshelve(first);
  devices[d].line.for_leading(pool, [&](std::uint32_t i) {
    unshelve(i);
    budget -= pool[i].rest();
    return --places > 0 && budget > 0;
  });
  return pool[first].on_shelf;
}

void Core::State::apply(const Unshelved& e) {
  const std::uint32_t i = e.sequence.index;
  CHECK_WHY(pool.id(i) == e.sequence && pool[i].on_shelf, "an Unshelved names what is on the shelf");
  Sequence& s = pool[i];
  if (e.gone) {
    s.claimed = true;
    if (s.state != SequenceState::parting) end(i, Outcome::rejected, Reason::none);
    return;
  }
  s.on_shelf = s.claimed = false;
  --on_shelf;
  switch (s.state) {
    case SequenceState::parting:
      parting.remove(pool, i);
      move_to(s, SequenceState::ended);
      ended.push_back(pool, i);
      break;
    case SequenceState::offered:  // nobody will take it
      offered.remove(pool, i);
      move_to(s, SequenceState::arrived);
      arrivals.push_back(pool, i);
      break;
    case SequenceState::bound: devices.touch(s.device.value); break;
    default: unbound_changed = true;
  }
}

// It is another's from now on: so are its end, and who asks to cancel it.
void Core::State::apply(const Taken& e) {
  const std::uint32_t i = e.sequence.index;
  CHECK_WHY(pool.id(i) == e.sequence && pool[i].on_shelf, "a Taken names what is on the shelf");
  Sequence& s = pool[i];
  if (s.state != SequenceState::parting) end(i, Outcome::rejected, Reason::none);
  parting.remove(pool, i);
  --on_shelf;
  if (s.outcome == Outcome::cancelled) cancels_to_pass_on.push_back({.request = s.request, .thief = e.thief});
  neighbours.gone(s.request, e.thief);
  by_request[s.request.index] = 0;
  ++ledger.given, --ledger.in_flight;
  pool.give_back(i);
}

// ---- the thief ------------------------------------------------------------------------------------------------------

void Core::State::apply(const ShelfFilled& e) { neighbours.fills(e.victim); }

void Core::State::apply(const OfferSeen& e) {
  CHECK_WHY(neighbours.asking == Neighbours::Asking::look && neighbours.asked == e.victim, "an answer to a Look");
  CHECK(neighbours.seen < kOffersSeen);
  if (neighbours.wanted == neighbours.seen && wants(e)) ++neighbours.wanted;  // only the leading ones can be had
  ++neighbours.seen;
}

// Returns: whether so much less would be at stake here, by the scorer that would place it; or no more, and it would be
// started so much sooner. What is overdue at home has more at stake than was said.
bool Core::State::wants(const OfferSeen& e) {
  const std::uint32_t others = neighbours.wanted;  // that would come with it
  if (others == 0 ? open_now == 0 : vacant_now <= others) return false;
  if (bounds.sequences - through_the_door <= others) return false;
  Sequence s{};
  ask_of(s, e.facts);
  s.shown = true;
  if (placement.at_the_door(s) != Reason::none) return false;
  const auto [device, refused] = placement.place(s, now, policies.bind == Bind::room);
  if (refused || !device.some() || open[device.value] == kShut) return false;
  if (e.there == Time::never()) return true;
  const std::int64_t stake = placement.promises_on(s, device.value, now);
  if (stake + neighbours.worth() <= e.at_stake) return true;
  if (stake > e.at_stake && e.there >= now) return false;
  const Time here = now + 2 * neighbours.way(e.victim) + placement.first_token_in(s, device.value, now);
  // Who is later than was expected will be as late again, as far as anybody knows.
  const Time there = e.there < now ? now + (now - e.there) : e.there;
  return here + neighbours.least_gain() <= there;
}

void Core::State::apply(const OffersSeen& e) {
  CHECK_WHY(neighbours.asking == Neighbours::Asking::look && neighbours.asked == e.victim, "an answer to a Look");
  neighbours.asking = Neighbours::Asking::nobody;
  if (e.offered == 0)
    neighbours.empty(e.victim);
  else if (neighbours.wanted == 0)
    neighbours.declined(e.victim, now);
}

void Core::State::apply(const Handed& e) {
  CHECK_WHY(neighbours.asking == Neighbours::Asking::take && neighbours.asked == e.victim, "what a Take brought");
  ++ledger.taken;
  Sequence& s = pool[arrives(e.facts)];
  s.shown = s.let_in = true;  // it was priced, and goes no further
}

void Core::State::apply(const TakeEnded& e) {
  CHECK_WHY(neighbours.asking == Neighbours::Asking::take && neighbours.asked == e.victim, "an answer to a Take");
  neighbours.asking = Neighbours::Asking::nobody;
  neighbours.wanted = 0;
  if (e.how == TakeOutcome::lost) ++ledger.takes_lost;
}

// ---- both -----------------------------------------------------------------------------------------------------------

// Whether a device takes anybody, and whether it has nothing: what is offered is then worth a look. (Looking only while
// a line is empty left half of what could be won at full load: a scorer that refuses by promises finds room behind a
// short line, too.)
void Core::State::recount_open(std::uint32_t d, Time at) {
  const auto count = [&](std::uint8_t was, std::uint32_t by) {
    if (was >= kOpen) open_now += by;
    if (was == kVacant) vacant_now += by;
  };
  const bool takes = devices[d].state == DeviceState::up && !power.held(d) &&
                     devices.running(d) < fleet.pools[devices.pool_of(d)].max_sequences && !served.shut(d, at);
  count(open[d], 0u - 1);
  open[d] = !takes ? kShut : devices.running(d) == 0 ? kVacant : kOpen;
  count(open[d], 1);
}

// Little was at stake, but the device does not come to it: for all that is known it never does.
void Core::State::offer_overdue() {
  while (overdue_at_home.next() <= now) {
    const std::uint32_t i = overdue_at_home.first();
    const Time due = overdue_at_home.next();
    overdue_at_home.remove(i);
    if (may_be_offered(pool[i])) offer(i, due - may_wait(pool[i]));
  }
}

void Core::State::say_to_neighbours() {
  if (!neighbours.some()) return;
  offer_overdue();
  for (std::uint32_t i = parting.first(); i != kNobody; i = pool[i].next) unshelve(i);
  for (const PassOn& cancel : cancels_to_pass_on) say(cancel);
  cancels_to_pass_on.clear();
  look_around();
}

// Asks the nearest whose shelf may have something, one at a time.
void Core::State::look_around() {
  if (neighbours.asking != Neighbours::Asking::nobody) return;
  if (neighbours.wanted > 0) {
    neighbours.asking = Neighbours::Asking::take;
    say(Take{.victim = neighbours.asked, .offers = neighbours.wanted});
    return;
  }
  const ShardId victim = open_now > 0 ? neighbours.nearest(now) : ShardId{};
  if (!victim.some()) return;
  neighbours.asking = Neighbours::Asking::look;
  neighbours.asked = victim;
  neighbours.seen = neighbours.wanted = 0;
  ++ledger.looks;
  say(Look{.victim = victim});
}

}  // namespace yard
