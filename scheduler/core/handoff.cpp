// Sequences that were read on a prefill device go on elsewhere: where to, when, and what becomes of them on the way.
#include "scheduler/core/handoff.h"

#include <utility>

#include "scheduler/core/state.h"

namespace yard {

void Core::State::has_read(std::uint32_t d, std::uint32_t i) {
  devices.has_read(pool, d, i);
  move_to(pool[i], SequenceState::read);
  handoff.read(devices.pool_of(d)).push_back(pool, i);
  stranded |= !placement.goes_on(devices.pool_of(d), pool[i]);
}

// What it had read is lost, or can go nowhere: it is bound again, to be read anew, while its own retries and the budget
// of all last. Requires: it is read, or its move is over and both ends have their blocks back.
void Core::State::read_anew(std::uint32_t i, Reason in_the_end) {
  Sequence& s = pool[i];
  if (s.state == SequenceState::read) {
    handoff.read(devices.pool_of(s.device.value)).remove(pool, i);
    devices.has_left(pool, s.device.value, i);
    ++s.attempt;
  }
  const bool spent = s.attempt > bounds.retries || retry_permits < kPermitsPerRetry;
  s.context = 0;
  s.to_read = s.prompt + s.generated;
  occupancy.waits(s.model);
  move_to(s, SequenceState::arrived);
  arrivals.push_back(pool, i);
  if (spent) {
    end(i, Outcome::failed, in_the_end);
    return;
  }
  retry_permits -= kPermitsPerRetry;
  ++ledger.retries;
}

// Nowhere that it could go on is up any more.
void Core::State::read_stranded_anew() {
  if (!handoff.any() || !std::exchange(stranded, false)) return;
  for (std::uint32_t p = 0; p < fleet.pools.size(); ++p)
    for (std::uint32_t i = handoff.read(p).first(), next; i != kNobody; i = next) {
      next = pool[i].patient_next;
      if (!placement.goes_on(p, pool[i])) read_anew(i, Reason::device_lost);
    }
  say_ends();
}

// A device went down, and what it held with it. What moves from or to it has come to nothing, but the other end keeps
// its blocks until the move ends: somebody may write there still.
void Core::State::lose_moves(std::uint32_t d) {
  for (std::uint32_t i = devices[d].leaving.first(), next; i != kNobody; i = next) {
    next = pool[i].next;
    if (pool[i].state == SequenceState::read) {
      read_anew(i, Reason::device_lost);
    } else {
      devices.has_left(pool, d, i);
      pool[i].from_lost = true;
    }
  }
  while (!devices[d].coming.empty()) {
    const std::uint32_t i = devices[d].coming.first();
    devices.awaits_no_more(pool, d, i);
    pool[i].to_lost = true;
  }
}

// In the order in which they were read, pool by pool; who finds no place is not overtaken by those of its pool. Looks
// only when something happened to a device: nothing else makes room.
void Core::State::start_moves() {
  if (!handoff.any() || devices.touched().empty()) return;
  for (std::uint32_t p = 0; p < fleet.pools.size(); ++p)
    while (!handoff.read(p).empty()) {
      const std::uint32_t i = handoff.read(p).first();
      Sequence& s = pool[i];
      const auto [to, link] = placement.take_over(s, now, [&](std::uint32_t d) {
        devices[d].wanted = true;  // the end of its run gives back what it leases ahead
        devices.touch(d);
      });
      if (!to.some()) break;
      CHECK_WHY(placement.allowed(to.value, s), "a sequence goes only where its regions, providers and licences allow");
      const std::span<const BlockHash> found = placement.kept(s, to.value);
      handoff.read(p).remove(pool, i);
      devices.awaits(pool, to.value, i, found, now);
      signals.comes(to.value, s, now);
      placement.expects_hit(s, to.value, now);
      handoff.begins(link);
      s.link = link;
      s.from_lost = s.to_lost = false;
      move_to(s, SequenceState::moving);
      ++s.attempt;
      ++ledger.moves;
      say(Move{.sequence = pool.id(i),
               .request = s.request,
               .from = s.device,
               .to = to,
               .link = link,
               .attempt = s.attempt,
               .bytes = placement.bytes_to_move(s, found.size())});
    }
}

void Core::State::apply(const MoveEnded& e) {
  const std::uint32_t i = e.sequence.index;
  const bool on_its_way = i < pool.capacity() && pool.id(i) == e.sequence && pool[i].attempt == e.attempt &&
                          pool[i].link.some() &&
                          (pool[i].state == SequenceState::moving || pool[i].state == SequenceState::cancelling);
  if (!on_its_way) {
    ++ledger.late_answers;
    return;
  }
  Sequence& s = pool[i];
  const std::uint32_t from = s.device.value, to = s.to.value;
  handoff.ends(s.link);
  devices.touch(from), devices.touch(to);
  const bool cancelled = s.state == SequenceState::cancelling, lost = s.from_lost || s.to_lost;
  const bool arrived = e.how == MoveEnd::arrived && !lost;
  if (!arrived) ++ledger.moves_failed;
  if (!s.from_lost) devices.has_left(pool, from, i);
  if (arrived && !cancelled) {
    s.link = LinkId{};
    ++s.moves;
    devices.takes_over(pool, to, i);
    s.output_limit = placement.output_limit(to, s);
    move_to(s, SequenceState::running);
    if (s.prefix_blocks > 0) devices.shares(to, s, now);
    devices[to].wanted = !devices[to].idle();
    return;
  }
  if (!s.to_lost) devices.awaits_no_more(pool, to, i);
  if (cancelled) {
    end(i, Outcome::cancelled, Reason::none);
    return;
  }
  s.link = LinkId{};
  read_anew(i, lost ? Reason::device_lost : Reason::retries_spent);
}

}  // namespace yard
