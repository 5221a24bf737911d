// Who of a crew searches for work and who sleeps: an event count that wakes one, and only where nobody searches.
//
//   who brings news:  put it where searchers look, by a seq_cst store or read-modify-write; roster.news();
//   a member:         bool searching = roster.search();
//                     for (;;) {
//                       if (searching && find()) { if (roster.found() && something()) roster.news(); return; }
//                       searching ? roster.rest() : roster.lie_down();
//                       if (!something() || !roster.rise()) roster.sleep();
//                       searching = true;
//                     }
//
// One word: how many search, how many rest, and how many of those who rested were released and have not got up yet.
// Whoever is released was made a searcher by who released it, so that others who bring news meanwhile wake nobody.
//
// No wake-up is lost. Take an item, and the look that its news() has at the word (1). (a) It finds nobody searching and
// somebody resting: one is released. (b) It finds a searcher. Each searcher ends its search by found() or rest() (2,
// 3), which come after that look in the word's order, and then looks whether there is something (by loads that are in
// one order with the item's store): it sees the item, or somebody took it. (c) It finds nobody resting. Who rests later
// says so first, and then looks; it sees the item, as in (b). In (b) and (c) who saw something gets up, or sees that
// there is nobody it could wake, or that as many search as may: for them (b) holds again.
// Hence: while an item lies there and somebody rests, somebody searches, or is about to look.
//
// Threads: any; each member calls in the order above.
// Progress: news(), search(), found(), rest() and lie_down() are lock-free: a compare-and-swap fails only where
// another's won. sleep() waits.
#pragma once
#include <algorithm>
#include <cstdint>

#include "scheduler/base/check.h"
#include "scheduler/sync/atomics.h"

namespace yard {

template <class Sync>
class BasicRoster {
 public:
  static constexpr std::uint32_t kMostMembers = 4096;

  // `most`: how many may search at one time, beside those who were released.
  explicit BasicRoster(std::uint32_t most) noexcept : most_(std::max(most, std::uint32_t{1})) {}
  BasicRoster(const BasicRoster&) = delete;
  BasicRoster& operator=(const BasicRoster&) = delete;

  // ---- who brings news

  void news() noexcept {
    std::uint64_t word = word_.load(std::memory_order_seq_cst);  // (1) with (2), (3)
    while (searching(word) == 0 && resting(word) > 0) {
      // Relaxed: who gets up and does not find the news yet says that it rests (3), and then does.
      if (!word_.compare_exchange_weak(word, word - kResting + kSearching + kReleased, std::memory_order_relaxed,
                                       std::memory_order_relaxed))
        continue;
      Sync::wake_one(word_);
      return;
    }
  }

  // Releases all who rest; who rests later reads what was written before this.
  void news_for_all() noexcept {
    std::uint64_t word = word_.load(std::memory_order_relaxed);
    while (!word_.compare_exchange_weak(word, all_released(word), std::memory_order_release,  // (4) with (3)
                                        std::memory_order_relaxed)) {}
    Sync::wake_all(word_);
  }

  // ---- a member

  // Returns: false where enough do.
  bool search() noexcept {
    std::uint64_t word = word_.load(std::memory_order_relaxed);
    while (searching(word) < most_)
      if (word_.compare_exchange_weak(word, word + kSearching, std::memory_order_relaxed, std::memory_order_relaxed))
        return true;
    return false;
  }

  // It found something. Returns: whether it was the last who searched, and somebody rests: then it looks for more.
  bool found() noexcept {
    const std::uint64_t before = word_.fetch_sub(kSearching, std::memory_order_seq_cst);  // (2) with (1)
    return searching(before) == 1 && resting(before) > 0;
  }

  // It searched and found nothing, or may not search: it will sleep, and looks once more.
  void rest() noexcept { word_.fetch_add(kResting - kSearching, std::memory_order_seq_cst); }  // (3) with (1), (4)
  void lie_down() noexcept { word_.fetch_add(kResting, std::memory_order_seq_cst); }           // (3) with (1), (4)

  // It saw something before it slept. Returns: false where enough search: it sleeps.
  bool rise() noexcept {
    std::uint64_t word = word_.load(std::memory_order_relaxed);
    for (;;) {
      const bool released = released_in(word) > 0;
      if (!released && searching(word) >= most_) return false;
      // Relaxed: what it saw it will look at again, by orders of its own.
      if (word_.compare_exchange_weak(word, released ? word - kReleased : word - kResting + kSearching,
                                      std::memory_order_relaxed, std::memory_order_relaxed))
        return true;
    }
  }

  // Sleeps until it is released; then it searches.
  void sleep() noexcept {
    std::uint64_t word = word_.load(std::memory_order_relaxed);
    for (;;) {
      if (released_in(word) == 0) {
        Sync::sleep(word_, 0, kForever);
        word = word_.load(std::memory_order_relaxed);
      } else if (word_.compare_exchange_weak(word, word - kReleased, std::memory_order_relaxed,
                                             std::memory_order_relaxed)) {
        return;
      }
    }
  }

  // ---- what shows of it, perhaps of a moment ago

  std::uint32_t sleepers() const noexcept { return resting(word_.load(std::memory_order_relaxed)); }
  std::uint32_t searchers() const noexcept { return searching(word_.load(std::memory_order_relaxed)); }

 private:
  static constexpr std::uint64_t kResting = 1, kSearching = 1 << 16, kReleased = std::uint64_t{1} << 32;

  static std::uint32_t resting(std::uint64_t word) noexcept { return static_cast<std::uint32_t>(word & 0xffff); }
  static std::uint32_t searching(std::uint64_t word) noexcept {
    return static_cast<std::uint32_t>(word >> 16 & 0xffff);
  }
  static std::uint32_t released_in(std::uint64_t word) noexcept { return static_cast<std::uint32_t>(word >> 32); }
  static std::uint64_t all_released(std::uint64_t word) noexcept {
    return word + resting(word) * (kReleased + kSearching - kResting);
  }

  const std::uint32_t most_;
  typename Sync::template Atomic<std::uint64_t> word_{0};  // released: 32 bits, on which they sleep; searching; resting
};

using Roster = BasicRoster<StdAtomics>;

}  // namespace yard
