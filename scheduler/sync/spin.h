// How long a thread looks before it sleeps. Sleeping and being woken costs a thread some 25 to 50 us, so looking for as
// long costs at most twice the best that could be known beforehand (Karlin et al., SODA 1990); looking longer only
// burns a core, and looking at all does so where there is one core, or a quota that the burning is taken from.
//
// Spinning is what threads share: how often to look, and how many of them may look at once. Spin is one thread's: a
// look in vain halves how often it looks next time, one that saw something doubles it, and where the news that ended
// the sleep would have been seen by a full look, the next one is full. A thread whose news is milliseconds apart thus
// soon burns a sixteenth. (With the halves alone, one whose news is as far apart as a look is long ends at a sixteenth
// too, and sleeps each time: 1.65 times the ideal median at half load, where this has 1.2 to 1.3. See bench/results.)
//
// Where others want the core, looking takes it from them, and they take it back for milliseconds when something has
// come. So a thread that the kernel took the core from since its last look in vain does without looks for a while, and
// for longer each time.
#pragma once
#include <algorithm>
#include <cstdint>

#include "scheduler/sync/atomics.h"

namespace yard {

// Threads: any.
template <class Sync>
class BasicSpinning {
 public:
  // `pauses`: the most looks before a sleep, 0: none; `at_once`: the most threads that look at one time; `ns`: how long
  // so many looks take, 0: unknown.
  BasicSpinning(std::uint32_t pauses, std::uint32_t at_once, std::uint64_t ns = 0) noexcept
      : pauses_(pauses), at_once_(at_once), ns_(ns) {}
  BasicSpinning(const BasicSpinning&) = delete;
  BasicSpinning& operator=(const BasicSpinning&) = delete;

  std::uint32_t pauses() const noexcept { return pauses_; }
  std::uint64_t ns() const noexcept { return ns_; }

  // Returns: false when enough threads are at it. Relaxed: it counts, and hands nothing over.
  bool enter() noexcept {
    if (spinners_.fetch_add(1, std::memory_order_relaxed) < at_once_) return true;
    leave();
    return false;
  }
  void leave() noexcept { spinners_.fetch_sub(1, std::memory_order_relaxed); }

 private:
  const std::uint32_t pauses_, at_once_;
  const std::uint64_t ns_;
  typename Sync::template Atomic<std::uint32_t> spinners_{0};
};

// Threads: one.
template <class Sync>
class BasicSpin {
 public:
  explicit BasicSpin(BasicSpinning<Sync>* spinning) noexcept
      : spinning_(spinning && spinning->pauses() > 0 ? spinning : nullptr),
        pauses_(spinning ? spinning->pauses() : 0) {}

  // Returns: whether `there`, a look, was true in time.
  template <class There>
  bool sees(There there) noexcept {
    if (!spinning_) return false;
    began_ = Sync::now_ns();
    if (turns_without_ > 0) {
      --turns_without_;
      return false;
    }
    if (!spinning_->enter()) return false;
    bool seen = false;
    for (std::uint32_t i = 0; i < pauses_ && !seen; ++i) {
      Sync::pause();
      seen = there();
    }
    spinning_->leave();
    const std::uint32_t most = spinning_->pauses();
    pauses_ = seen ? std::min(most, pauses_ * 2) : std::max(pauses_ / 2, std::max(most / 16, std::uint32_t{1}));
    if (!seen) make_way();
    return seen;
  }

  bool may_look() const noexcept { return spinning_ && turns_without_ == 0; }

  // News ended the sleep after the last look.
  void woke() noexcept {
    // It came before a full look would have ended, and being woken took as long again.
    if (spinning_ && turns_without_ == 0 && Sync::now_ns() - began_ <= 2 * spinning_->ns())
      pauses_ = spinning_->pauses();
  }

 private:
  static constexpr std::uint32_t kFewest = 16, kMost = 4096;

  void make_way() noexcept {
    const std::uint64_t preempted = Sync::preemptions();
    if (preempted == preempted_) {
      without_ = std::max(without_ / 2, kFewest);
      return;
    }
    preempted_ = preempted;
    turns_without_ = without_;
    without_ = std::min(without_ * 4, kMost);
  }

  BasicSpinning<Sync>* const spinning_;
  std::uint32_t pauses_;
  std::uint32_t turns_without_ = 0, without_ = kFewest;  // waits that go without a look; how many next time
  std::uint64_t preempted_ = 0, began_ = 0;
};

using Spinning = BasicSpinning<StdAtomics>;

}  // namespace yard
