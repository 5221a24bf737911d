// Pieces of work without a deadline, and the threads that look for them: a hatch for who hands in from outside, a deque
// for each thread that makes pieces while it works, and a roster of who searches and who sleeps.
//
// Places: members 0 .. members - 1 take what there is, from their own deque first, then from the hatch, then from
// others' deques, nearest first. Seats, after them, are for threads that only push, and pop what they pushed.
//
// Threads: hand_in() and close() from any; push() and pop() from the one of that place; next() from a member's.
// W1  each piece is given out once, and what was written before it was handed in is seen by who takes it.
// W2  a full hatch or deque answers false at once and changes nothing.
// W3  while there is a piece and a member sleeps, another searches or is about to look (sync/roster.h): no wake-up is
//     lost, also not a second member's while the first works. At most `most_searching` search at one time, beside those
//     who were just woken.
// W4  after close(), next() answers false where that member finds nothing; pieces that a member pushed are its own to
//     do then, if nobody else does.
// Progress: hand_in(), push() and pop() are lock-free, whoever is stopped wherever; next() waits.
// Cost: nobody looks while nothing comes, but for a search of `spinning`'s length before a sleep.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "scheduler/base/check.h"
#include "scheduler/sync/atomics.h"
#include "scheduler/sync/flag.h"
#include "scheduler/sync/hatch.h"
#include "scheduler/sync/roster.h"
#include "scheduler/sync/spin.h"
#include "scheduler/sync/task_deque.h"

namespace yard {

struct PiecesBounds {
  std::uint32_t members = 1, seats = 0;
  std::size_t deque = 1024, hatch = 1024;  // pieces in each, rounded up to powers of two
  std::uint32_t most_searching = 1;
};

template <class T, class Sync = StdAtomics>
class BasicPieces {
 public:
  // `victims`: for each member the other places, in the order in which it looks there. `spinning`: outlives this; null:
  // a member that finds nothing sleeps at once. Errors: std::bad_alloc.
  BasicPieces(const PiecesBounds& bounds, std::vector<std::vector<std::uint32_t>> victims,
              BasicSpinning<Sync>* spinning = nullptr)
      : members_(bounds.members), victims_(std::move(victims)), hatch_(bounds.hatch), roster_(bounds.most_searching) {
    CHECK(members_ > 0 && members_ <= BasicRoster<Sync>::kMostMembers && victims_.size() == members_);
    for (std::uint32_t i = 0; i < bounds.members + bounds.seats; ++i)
      places_.push_back(std::make_unique<Place>(bounds.deque, spinning));
    for (const auto& order : victims_)
      for (const std::uint32_t victim : order) CHECK(victim < places_.size());
  }

  // ---- outside

  // Returns: false when full, and nothing was taken in.
  bool hand_in(const T& piece) noexcept {
    if (!hatch_.push(piece)) return false;
    roster_.news();
    return true;
  }

  // Members go when they find nothing more.
  void close() noexcept {
    closing_.raise();
    roster_.news_for_all();
  }

  // ---- the thread of a place

  bool push(std::uint32_t place, const T& piece) noexcept {
    Place& own = *places_[place];
    if (own.full_for > 0) {
      --own.full_for;
      return false;
    }
    // Full: others have enough to take. Looking again at each piece would take the thieves' line from them each time,
    // and so would pushing one wherever they took one.
    const std::size_t capacity = own.deque.capacity();
    if ((own.full && own.deque.room() < capacity / 4) || !own.deque.push_before_look(piece)) {
      own.full = true;
      own.full_for = static_cast<std::uint32_t>(capacity / kLooksPerDeque);
      return false;
    }
    own.full = false;
    roster_.news();
    return true;
  }

  bool pop(std::uint32_t place, T& piece) noexcept {
    Place& own = *places_[place];
    own.full_for = 0;
    own.full = false;
    return own.deque.pop(piece);
  }

  // ---- a member

  // Waits for a piece. Returns: false when closed and it found none.
  bool next(std::uint32_t member, T& piece) noexcept {
    Place& own = *places_[member];
    if (++own.turn % kHatchTurn == 0 && hatch_.take(piece)) return true;
    if (pop(member, piece) || hatch_.take(piece)) return true;
    if (closing_.up()) return find(member, piece);
    if (own.stolen_at != 0 && rests(own, piece)) return true;
    for (bool searching = roster_.search();;) {
      if (searching && (find(member, piece) || own.spin.sees([&] { return find(member, piece); }))) {
        if (roster_.found() && (!own.deque.empty() || something(member))) roster_.news();
        return true;
      }
      searching ? roster_.rest() : roster_.lie_down();
      if (closing_.up()) return find(member, piece);
      if (!something(member) || !roster_.rise()) {
        roster_.sleep();
        own.spin.woke();
      }
      searching = true;
    }
  }

  // ---- what shows, perhaps of a moment ago

  std::uint32_t members() const noexcept { return members_; }
  std::uint32_t sleepers() const noexcept { return roster_.sleepers(); }
  std::uint32_t searchers() const noexcept { return roster_.searchers(); }

 private:
  // A member with a deque that never empties looks at the hatch this often (a prime, as Go's and Tokio's runtimes do).
  static constexpr std::uint32_t kHatchTurn = 61;
  static constexpr std::size_t kLooksPerDeque = 16;
  static constexpr std::size_t kMostAtOnce = 31;      // beside the one that is done first
  static constexpr std::uint64_t kTinyNs = 2000;      // some line moves between cores: a steal, and what it disturbs
  static constexpr std::uint32_t kRestPauses = 1000;  // some ten times as long

  struct Place {
    Place(std::size_t capacity, BasicSpinning<Sync>* spinning) : deque(capacity), spin(spinning) {}
    TaskDeque<T, Sync> deque;
    // its own thread's
    alignas(64) BasicSpin<Sync> spin;
    std::uint32_t turn = 0, full_for = 0;
    bool full = false;            // since its last refusal it had not a quarter of room
    std::uint64_t stolen_at = 0;  // when it began with what it stole last; 0: it did not, or has rested since
  };

  bool find(std::uint32_t member, T& piece) noexcept {
    if (hatch_.take(piece)) return true;
    for (const std::uint32_t victim : victims_[member]) {
      Steal answer = Steal::lost;
      while (answer == Steal::lost) answer = places_[victim]->deque.steal(piece);  // lost: somebody else got it
      if (answer == Steal::item) {
        take_more(*places_[member], *places_[victim]);
        return true;
      }
    }
    return false;
  }

  // Up to half of what is left there, onto its own empty deque: coming again for each would cost more than a small
  // piece is worth, to both. From there others steal them.
  void take_more(Place& own, Place& victim) noexcept {
    std::size_t most = std::min({victim.deque.seems_to_hold() / 2, kMostAtOnce, own.deque.capacity()});
    for (T piece{}; most > 0 && victim.deque.steal(piece) == Steal::item; --most)
      CHECK_WHY(own.deque.push_before_look(piece), "who searches has nothing of its own");
    own.stolen_at = Sync::now_ns();
  }

  // What was stolen took less time to do than coming for it cost the two: a while without stealing. It is no searcher
  // meanwhile, so that news wake others. Returns: whether something came through the hatch.
  bool rests(Place& own, T& piece) noexcept {
    const bool tiny = Sync::now_ns() - own.stolen_at < kTinyNs;
    own.stolen_at = 0;
    if (!tiny || !own.spin.may_look()) return false;
    for (std::uint32_t i = 0; i < kRestPauses; ++i) {
      Sync::pause();
      if (hatch_.take(piece)) return true;
    }
    return false;
  }

  bool something(std::uint32_t member) const noexcept {
    if (!hatch_.empty()) return true;
    for (const std::uint32_t victim : victims_[member])
      if (!places_[victim]->deque.empty()) return true;
    return false;
  }

  const std::uint32_t members_;
  const std::vector<std::vector<std::uint32_t>> victims_;
  std::vector<std::unique_ptr<Place>> places_;
  Hatch<T, Sync> hatch_;
  alignas(64) BasicRoster<Sync> roster_;
  alignas(64) BasicFlag<Sync> closing_;
};

}  // namespace yard
