// Who comes in, and which device each is bound to: the door, those that arrive, those that wait bound to none.
#include <utility>

#include "scheduler/core/drain.h"
#include "scheduler/core/state.h"

namespace yard {

// Returns: why it is not let in; else there are places for it, and it holds what it may take of its tenant's quotas.
// Where too few are free, the least important of those who wait give way, but only to one that can be served.
Reason Core::State::at_the_door(Sequence& s) {
  if (s.answers > bounds.answers) return Reason::too_many_answers;
  const std::uint32_t free = bounds.sequences - through_the_door;
  if (s.answers > free && !waiters.give_way_to(pool, s, s.answers - free)) {
    s.retry_after = placement.at_the_door(s) == Reason::none ? placement.come_back_in(s, now) : kSoonest;
    return Reason::queue_full;
  }
  if (const Reason why = placement.at_the_door(s); why != Reason::none) return why;
  const auto [let_in, retry_after] = tenants.reserve(s, placement.expected_output(s), now);
  s.retry_after = retry_after;
  if (!let_in) return Reason::quota;
  while (s.answers > bounds.sequences - through_the_door) {
    const std::uint32_t gives_way = waiters.gives_way_to(pool, s);
    CHECK(gives_way != kNobody);
    pool[gives_way].retry_after = placement.come_back_in(pool[gives_way], now);
    end(gives_way, Outcome::rejected, Reason::shed);
    say_ends();
  }
  return Reason::none;
}

void Core::State::place_arrivals() {
  while (!arrivals.empty()) {
    const std::uint32_t i = arrivals.first();
    Sequence& s = pool[i];
    const bool returns = s.passed_door;
    if (!returns) {
      const Reason why = at_the_door(s);
      if (why != Reason::none) {
        end(i, Outcome::rejected, why);
        say_ends();
        continue;
      }
      through_the_door += s.answers;  // the others' places are kept
      if (s.answers > 1) groups.make(pool, i, s.answers);
      enters(i);
      waiters.joins(pool, i);
    }
    if (policies.bind == Bind::room) {
      arrivals.remove(pool, i);
      move_to(s, SequenceState::unbound);
      queues[s.model.value].join(pool, i);
      unbound[s.model.value].push_back(pool, i);
      unbound_changed = true;
      devices_went |= returns;  // since it passed the door some may have: is anything left that could serve it?
      continue;
    }
    const auto [device, refused] = placement.place(s, now, false);
    if (refused) {
      if (!offer_before_refusal(i) && !turned_away(i)) put_off(i);
      continue;
    }
    if (!device.some()) {  // bound before, and nothing is left that could serve it
      if (offer_before_end(i)) continue;
      end(i, Outcome::failed, Reason::device_lost);
      say_ends();
      continue;
    }
    arrivals.remove(pool, i);
    bind(i, device);
  }
}

// It is inside, and waits.
void Core::State::enters(std::uint32_t i) {
  Sequence& s = pool[i];
  s.passed_door = true;
  occupancy.waits(s.model);
  const SloClass& slo = fleet.classes[s.slo.value];
  const std::uint32_t rank = fleet.tenants[s.tenant.value].rank(slo.rank);
  shares.waits(s, rank);
  s.key = policies.order({.arrival = s.arrival,
                          .deadline = slo.deadline(s.arrival, Tokens(s.prompt)),
                          .rank = rank,
                          .prompt = Tokens(s.prompt)});
}

void Core::State::place_unbound() {
  if (!std::exchange(unbound_changed, false)) return;
  if (std::exchange(devices_went, false))
    for (SequenceList& list : unbound)
      for (std::uint32_t i = list.first(), next; i != kNobody; i = next) {
        next = pool[i].next;
        if (!placement.eligible_anywhere(pool[i]) && !offer_before_end(i)) end(i, Outcome::failed, Reason::device_lost);
      }
  say_ends();
  for (std::size_t m = 0; m < queues.size(); ++m)
    while (!queues[m].empty()) {
      const std::uint32_t i = queues[m].first(pool, shares);
      const auto [device, refused] = placement.place(pool[i], now, policies.bind == Bind::room);
      if (refused && (offer_before_refusal(i) || turned_away(i))) continue;
      if (!device.some()) {
        wake_when_one_opens(ModelId{static_cast<std::uint32_t>(m)});
        if (may_be_offered(pool[i])) offer(i, Time::never());
        break;
      }
      if (pool[i].on_shelf) {
        unshelve(i);
        break;
      }
      queues[m].remove(pool, i);
      unbound[m].remove(pool, i);
      shares.serves(pool[i], placement.expected_output(pool[i]));
      bind(i, device);
    }
  // Who was turned away meanwhile held nothing: that it is gone is no news to those behind it, who were just asked.
  unbound_changed = false;
}

// Served now, it would cost more promises than it keeps. Returns: whether its class has it end, told to come back.
bool Core::State::turned_away(std::uint32_t i) {
  Sequence& s = pool[i];
  if (fleet.classes[s.slo.value].on_overload != Overload::reject) return false;
  s.retry_after = placement.come_back_in(s, now);
  end(i, Outcome::rejected, Reason::overloaded);
  say_ends();
  return true;
}

// It waits until it harms nobody.
void Core::State::put_off(std::uint32_t i) {
  Sequence& s = pool[i];
  arrivals.remove(pool, i);
  move_to(s, SequenceState::unbound);
  queues[s.model.value].join(pool, i);
  unbound[s.model.value].push_back(pool, i);
  if (may_be_offered(s)) offer(i, Time::never());
}

void Core::State::bind(std::uint32_t i, DeviceId device) {
  Sequence& s = pool[i];
  CHECK_WHY(placement.allowed(device.value, s), "a sequence goes only where its regions, providers and licences allow");
  s.let_in = true;
  const bool movable = may_be_offered(s);
  const Time there = movable ? now + placement.first_token_in(s, device.value, now) : now;
  const std::int64_t at_stake = movable ? placement.promises_on(s, device.value, now) : 0;
  s.hit = placement.expects_hit(s, device.value, now);
  if (deadlines.some()) placement.foretells(i, s, device.value, now);
  if (s.adapter.some()) devices.adapters().expect(device.value, s.adapter);
  const Duration reading = time_to_read(device.value, s.rest(), prefill_pairs(s.rest(), s.hit));
  devices.brings_prefill(device.value, reading);
  move_to(s, SequenceState::bound);
  s.device = device;
  s.output_limit = placement.output_limit(device.value, s);
  devices.joins_line(pool, device.value, i);
  signals.bound(device.value, s, placement.expected_output(s), now);
  if (!movable) return;
  const Duration waits = there - now - reading, most = may_wait(s);  // for others
  if (at_stake >= neighbours.worth() || waits > most)
    offer(i, there, at_stake);
  else
    overdue_at_home.set(i, there + most);
}

}  // namespace yard
