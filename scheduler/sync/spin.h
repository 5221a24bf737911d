// How long a thread looks before it sleeps. Sleeping and being woken costs a thread some 25 to 50 us, so looking for as
// long costs at most twice the best that could be known beforehand (Karlin et al., SODA 1990); looking longer only
// burns a core, and looking at all does so where there is one core, or a quota that the burning is taken from.
//
// Spinning is what threads share: how often to look, and how many of them may look at once. Spin is one thread's: a
// look in vain halves how often it looks next time, one that saw something doubles it. A thread whose news is
// milliseconds apart thus soon burns a sixteenth.
#pragma once
#include <algorithm>
#include <cstdint>

#include "scheduler/sync/atomics.h"

namespace yard {

// Threads: any.
template <class Sync>
class BasicSpinning {
 public:
  // `pauses`: the most looks before a sleep, 0: none; `at_once`: the most threads that look at one time.
  BasicSpinning(std::uint32_t pauses, std::uint32_t at_once) noexcept : pauses_(pauses), at_once_(at_once) {}
  BasicSpinning(const BasicSpinning&) = delete;
  BasicSpinning& operator=(const BasicSpinning&) = delete;

  std::uint32_t pauses() const noexcept { return pauses_; }

  // Returns: false when enough threads are at it. Relaxed: it counts, and hands nothing over.
  bool enter() noexcept {
    if (spinners_.fetch_add(1, std::memory_order_relaxed) < at_once_) return true;
    leave();
    return false;
  }
  void leave() noexcept { spinners_.fetch_sub(1, std::memory_order_relaxed); }

 private:
  const std::uint32_t pauses_, at_once_;
  typename Sync::template Atomic<std::uint32_t> spinners_{0};
};

// Threads: one.
template <class Sync>
class BasicSpin {
 public:
  explicit BasicSpin(BasicSpinning<Sync>* spinning) noexcept
      : spinning_(spinning && spinning->pauses() > 0 ? spinning : nullptr),
        pauses_(spinning ? spinning->pauses() : 0) {}

  // Returns: whether `there`, a look without effect, was true in time.
  template <class There>
  bool sees(There there) noexcept {
    if (!spinning_ || !spinning_->enter()) return false;
    bool seen = false;
    for (std::uint32_t i = 0; i < pauses_ && !seen; ++i) {
      Sync::pause();
      seen = there();
    }
    spinning_->leave();
    const std::uint32_t most = spinning_->pauses();
    pauses_ = seen ? std::min(most, pauses_ * 2) : std::max(pauses_ / 2, std::max(most / 16, std::uint32_t{1}));
    return seen;
  }

 private:
  BasicSpinning<Sync>* const spinning_;
  std::uint32_t pauses_;
};

using Spinning = BasicSpinning<StdAtomics>;

}  // namespace yard
