// An inbox with lanes: how news comes to a shard, from anybody through a shared ring (inbox.h), and from registered
// producers through a queue of one's own each (lane.h).
//
// A lane spares its producer the ring's tail, which all others write. Which lanes have something is a set of numbers
// (number_set.h): who drains comes to those only. What was pushed into a lane carries how many places of the ring had
// been claimed then, and is drained between the ring's items so far and the later ones.
//
// No lane is forgotten: its producer puts its number into the set after each push. The number is taken out before the
// lane is looked at, and kept until all that was found there is drained; what is pushed later brings it again.
//
// Threads: push(item) from any; push(lane, item) from one for each lane; drain() from one.
// N1 to N3 as Inbox's, of the ring and any one lane together; a lane is full by itself. Items of two lanes have no
// order
//     between them, but by one of the ring's that happened between.
//     N1: an item of the ring that was pushed before one of a lane has a place below the latter's stamp. One that was
//     pushed after it has a place at or above, and whoever sees that place claimed sees the lane's number.
//
// Progress, whoever is stopped wherever: push(lane, item) is wait-free; push(item) and drain() as Inbox's. A producer
// that is stopped within a push into its lane hides that item only.
#pragma once
#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "scheduler/base/check.h"
#include "scheduler/sync/atomics.h"
#include "scheduler/sync/inbox.h"
#include "scheduler/sync/lane.h"
#include "scheduler/sync/number_set.h"

namespace yard {

inline constexpr std::uint32_t kMostLanes = 64;

template <class T, class Sync = StdAtomics, template <class> class Queue = Lane>
class LanedInbox {
 public:
  // The ring holds `at_least`, rounded up to a power of two. Errors: std::bad_alloc.
  explicit LanedInbox(std::size_t at_least) : ring_(at_least) {}

  // Before the first push into it; again is without effect. Errors: std::bad_alloc.
  void make_lane(std::uint32_t number, std::size_t capacity) {
    CHECK(number < kMostLanes);
    if (!lanes_[number]) lanes_[number] = std::make_unique<Queue<Stamped>>(capacity);
  }

  // Returns: false when full.
  bool push(const T& item) noexcept { return ring_.push(item); }
  bool push(std::uint32_t lane, const T& item) noexcept {
    if (!lanes_[lane]->push({ring_.claimed(), item})) return false;
    ready_.add(lane);
    return true;
  }

  // Takes the oldest items, as many as there are and `out` holds, and may leave some behind a place that is being
  // written. Returns: how many; none only where none is there whose push has ended.
  std::size_t drain(std::span<T> out) noexcept {
    for (;;) {
      const std::uint64_t end = ring_.tail();
      look_at_lanes();
      const std::size_t n = drain_once(end, out);
      // With none, what is left was pushed after a place beyond `end` was claimed: once more, and `end` is behind it.
      if (n > 0 || out.empty() || left_ == 0 || least().stamp <= end) return n;
    }
  }

  std::size_t capacity() const noexcept { return ring_.capacity(); }  // the ring's
  std::uint64_t steps_over() const noexcept { return ring_.steps_over(); }

 private:
  struct Stamped {
    std::uint64_t stamp;  // places of the ring that were claimed before
    T item;

    template <class Out>  // as a checker writes it
      requires requires(Out& out, const T& of) { out << of; }
    friend Out& operator<<(Out& out, const Stamped& of) {
      return out << of.stamp << ':' << of.item, out;
    }
  };
  struct Least {
    std::uint32_t lane;
    std::uint64_t stamp;
  };

  void look_at_lanes() noexcept {
    std::uint64_t some = 0;
    for (std::uint64_t rest = left_ | ready_.take(); rest != 0; rest &= rest - 1) {
      const auto lane = static_cast<std::uint32_t>(std::countr_zero(rest));
      available_[lane] = lanes_[lane]->available();
      if (available_[lane] > 0) some |= rest & -rest;
    }
    left_ = some;
  }

  // Requires: some are left. Returns: the lane whose first item comes before the others'.
  Least least() const noexcept {
    Least least{0, UINT64_MAX};
    for (std::uint64_t rest = left_; rest != 0; rest &= rest - 1) {
      const auto lane = static_cast<std::uint32_t>(std::countr_zero(rest));
      if (const std::uint64_t stamp = lanes_[lane]->front().stamp; stamp < least.stamp) least = {lane, stamp};
    }
    return least;
  }

  // What the ring has before `end`, and the lanes had when they were looked at, merged.
  std::size_t drain_once(std::uint64_t end, std::span<T> out) noexcept {
    std::size_t n = ring_.drain_held(out);
    for (;;) {
      const Least next = left_ != 0 ? least() : Least{0, UINT64_MAX};
      const std::uint64_t until = std::min(end, std::max(next.stamp, ring_.head()));
      n += ring_.drain_until(until, out.subspan(n), {.some_taken = n > 0, .some_behind = left_ != 0 || until < end});
      if (ring_.head() != until || next.stamp > until || n == out.size()) return n;
      n += drain_lane(next.lane, until, out.subspan(n));
    }
  }

  std::size_t drain_lane(std::uint32_t number, std::uint64_t until, std::span<T> out) noexcept {
    Queue<Stamped>& lane = *lanes_[number];
    std::size_t n = 0;
    for (std::size_t& available = available_[number]; n < out.size() && lane.front().stamp <= until;) {
      lane.pop_by([&](const Stamped& first) { out[n++] = first.item; });
      if (--available > 0) continue;
      left_ &= ~(std::uint64_t{1} << number);
      break;
    }
    return n;
  }

  Inbox<T, Sync> ring_;
  alignas(64) BasicNumberSet<Sync> ready_;  // of lanes
  // the consumer
  alignas(64) std::uint64_t left_ = 0;               // lanes that have something
  std::array<std::size_t, kMostLanes> available_{};  // of those that are left, when they were looked at
  std::array<std::unique_ptr<Queue<Stamped>>, kMostLanes> lanes_;
};

}  // namespace yard
