// Served devices, as Core decides about them: sending what waits, and what an attempt's end means for its request.
#include <algorithm>
#include <utility>

#include "scheduler/core/state.h"

namespace yard {

// Returns: the sequence in flight in this attempt; kNobody, and counts it, where that attempt is over.
std::uint32_t Core::State::answering(SequenceId id, std::uint32_t attempt) {
  const std::uint32_t i = id.index;
  if (i < pool.capacity() && pool.id(i) == id && pool[i].state == SequenceState::running &&
      pool[i].attempt == attempt && served.serves(pool[i].device.value))
    return i;
  ++ledger.late_answers;
  return kNobody;
}

void Core::State::apply(const Accepted& e) { answering(e.sequence, e.attempt); }

void Core::State::apply(const FirstToken& e) {
  const std::uint32_t i = answering(e.sequence, e.attempt);
  if (i == kNobody) return;
  Sequence& s = pool[i];
  CHECK_WHY(s.reading() && e.at <= now, "an attempt gives its first token once");
  devices.spent_on_prefill(s.device.value, time_to_read(s.device.value, s.rest(), prefill_pairs(s.rest(), s.hit)), now);
  const Duration step(tables[fleet.pools[devices.pool_of(s.device.value)].cost].c0(1).count() / 1000);
  const Duration wire = fleet.pools[devices.pool_of(s.device.value)].wire_delay * 2;
  served.begins(s.device.value, i, e.at,
                time_to_read(s.device.value, s.rest(), prefill_pairs(s.rest(), s.hit)) + step + wire);
  signals.read(s, now);
  served.endpoint(s.device.value).health.gave_token();
  s.cached = e.cached.count();
  s.generated = 1;
  s.first_token = s.last_token = e.at;
  if (deadlines.some()) deadlines.has_first_token(i, s);
  devices.touch(s.device.value);
  fork(i);
}

void Core::State::apply(const Ended& e) {
  const std::uint32_t i = answering(e.sequence, e.attempt);
  if (i == kNobody) return;
  Sequence& s = pool[i];
  CHECK_WHY(e.generated.count() >= s.generated && e.generated.count() <= std::max(s.output_limit, 0) &&
                (e.generated.count() > 1 ? !s.reading() : true),
            "an answer has its first token before its second, and no more than was asked");
  served.endpoint(s.device.value).health.gave_token();
  s.generated = e.generated.count();
  s.cached = std::max(s.cached, e.cached.count());
  if (s.generated > 0) {
    s.last_token = e.last_token;
    if (s.first_token == Time::never()) s.first_token = e.last_token;
    if (deadlines.some()) deadlines.has_first_token(i, s);
  }
  fork(i);  // unless its first token was told before
  end(i, Outcome::done, Reason::none);
}

void Core::State::apply(const Failed& e) {
  const std::uint32_t i = answering(e.sequence, e.attempt);
  if (i == kNobody) return;
  const std::uint32_t d = pool[i].device.value;
  Endpoint& endpoint = served.endpoint(d);
  if (e.retry_after.count() > 0) endpoint.closed_until = std::max(endpoint.closed_until, now + e.retry_after);
  if (e.why == Failure::bad_request) {
    end(i, Outcome::failed, Reason::bad_request);  // no other endpoint would like it better
    return;
  }
  attempt_failed(i, Reason::retries_spent);
  if (e.why != Failure::throttled) failed_at(d);
}

// An engine's own word of its load: what of it is not ours counts besides, while it is news.
void Core::State::apply(const LoadReport& e) {
  CHECK(e.device.value < devices.size());
  if (!foreign.report(e, now)) {
    ++ledger.useless_reports;
    return;
  }
  signals.others(e.device.value, now);
  devices.touch(e.device.value);
  unbound_changed = true;
}

void Core::State::apply(const BlocksChanged& e) {
  CHECK(e.device.value < devices.size());
  const PoolView& facts = fleet.pools[devices.pool_of(e.device.value)];
  if (facts.kind != PoolKind::served || !facts.prefix_cache) {
    ++ledger.useless_reports;
    return;
  }
  reports.apply(e, now);
  devices.touch(e.device.value);
}

// An attempt on a device failed for a reason that speaks against it. Where that ejects it, others may now be needed
// that were ejected before.
void Core::State::failed_at(std::uint32_t d) {
  if (!served.failed(d, now)) return;
  ++ledger.ejections;
  empty_line(d);
  touch_where_panics(fleet.pools[devices.pool_of(d)].model);
}

void Core::State::touch_where_panics(ModelId m) {
  if (!served.panics(m, now)) return;
  for (const std::uint32_t p : placement.pools_of(m))
    for (std::uint32_t d = fleet.pools[p].first_device; d < fleet.pools[p].first_device + fleet.pools[p].devices; ++d)
      devices.touch(d);
}

// An attempt came to nothing. Whoever has had a token already cannot have another one from elsewhere; else it is bound
// again, to another device if there is one, while its own retries and the budget of all last.
void Core::State::attempt_failed(std::uint32_t i, Reason in_the_end) {
  Sequence& s = pool[i];
  const std::uint32_t d = s.device.value;
  if (!s.reading()) {
    end(i, Outcome::failed, Reason::broken_stream);
    return;
  }
  if (s.attempt > bounds.retries || retry_permits < kPermitsPerRetry) {
    end(i, Outcome::failed, in_the_end);
    return;
  }
  retry_permits -= kPermitsPerRetry;
  ++ledger.retries;
  served.leaves(d, i);
  signals.read(s, now);
  if (devices.running(d) == 0) turns_idle(d);
  occupancy.waits(s.model);
  s.avoid = s.device;
  move_to(s, SequenceState::arrived);
  arrivals.push_back(pool, i);
}

// An engine that does not begin in time loses the sequence, whatever it does with it.
void Core::State::give_up_overdue() {
  for (std::uint32_t i; (i = served.overdue(now)) != kNobody;) {
    const std::uint32_t d = pool[i].device.value;
    say(Abort{
        .sequence = pool.id(i), .request = pool[i].request, .device = pool[i].device, .attempt = pool[i].attempt});
    attempt_failed(i, Reason::retries_spent);
    failed_at(d);
  }
  say_ends();
  while (served.next_wake() <= now) devices.touch(served.take_wake());
}

// Who waits unbound for an engine that is closed, ejected or full of others is looked at again when it opens, or when
// the word of these others fades.
void Core::State::wake_when_one_opens(ModelId m) {
  for (const std::uint32_t p : placement.pools_of(m)) {
    const PoolView& facts = fleet.pools[p];
    if (facts.kind != PoolKind::served) continue;
    for (std::uint32_t d = facts.first_device; d < facts.first_device + facts.devices; ++d)
      if (const Time opens = opens_at(d); opens != Time::never()) served.wake_at(d, opens);
  }
}

void Core::State::send_waiting(std::uint32_t d) {
  Device& device = devices[d];
  while (!device.line.empty()) {
    const std::uint32_t i = devices.first(pool, d);
    Sequence& s = pool[i];
    if (s.on_shelf) {
      unshelve(i);
      break;
    }
    const Tokens expected = placement.expected_output(s);
    if (!served.admits(d, s, expected, now)) break;
    CHECK_WHY(placement.allowed(d, s), "a sequence is sent only where its regions, providers and licences allow");
    if (power.must_end(d)) break;  // it drains, until its domain fits its cap
    if (devices.running(d) == 0) {
      if (power.limited() && !power.leased(d) && !power.ask(d, now)) break;
      turns_busy(d);
    }
    occupancy.waits_no_more(s.model);
    leave_patience(i);
    shares.serves(s, expected);
    move_to(s, SequenceState::running);
    if (s.admit == Time::never()) s.admit = now;
    ++s.attempt;
    served.send(d, i, expected, now);
    ++ledger.sends;
    say(Send{.sequence = pool.id(i),
             .request = s.request,
             .device = {d},
             .attempt = s.attempt,
             .prompt = Tokens(s.to_read),
             .output_limit = Tokens(s.output_limit),
             .adapter = s.adapter});
  }
  if (device.line.empty()) return;
  if (const Time opens = opens_at(d); opens != Time::never()) served.wake_at(d, opens);
}

// Returns: when a device may be sent more though nothing happens; never where that is not known.
Time Core::State::opens_at(std::uint32_t d) const {
  const Time opens = served.endpoint(d).opens_at();
  return opens > now ? opens : foreign.fades_at(d, now);
}

}  // namespace yard
