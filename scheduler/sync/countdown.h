// How many of a set of pieces are not done yet, and one thread that waits for the rest of them; again and again.
//
//   who waits:  countdown.begin(n); hands out n pieces, does some; countdown.wait();
//   each piece: does its work; countdown.done(...), once
//
// Threads: begin() and wait() from the one that waits; done() from any.
// K1  what a piece wrote before done() is seen after the wait, or after the waiting thread's own done() that was the
//     last.
// K2  whoever counts last, if it is not the waiting thread, rings once and touches nothing of this after the ring: who
//     has waited may destroy it.
#pragma once
#include <cstdint>

#include "scheduler/sync/atomics.h"
#include "scheduler/sync/parking.h"
#include "scheduler/sync/spin.h"

namespace yard {

enum class DoneBy : std::uint8_t { waiter, other };

template <class Sync>
class BasicCountdown {
 public:
  // `spinning` as Parking's.
  explicit BasicCountdown(BasicSpinning<Sync>* spinning = nullptr) noexcept : parking_(spinning) {}

  // Requires: n > 0, and the last set is over.
  void begin(std::uint32_t n) noexcept {
    mine_was_last_ = false;
    left_.store(n, std::memory_order_relaxed);  // handed over with the pieces
  }

  void done(DoneBy who) noexcept {
    if (left_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;  // (1) with (1) of those before
    if (who == DoneBy::waiter) {
      mine_was_last_ = true;
    } else {
      parking_.ring();
    }
  }

  // Of the waiting thread, after all that it did itself: until the others have done theirs.
  void wait() noexcept {
    if (!mine_was_last_) parking_.wait_until(kForever);
  }

 private:
  typename Sync::template Atomic<std::uint32_t> left_{0};
  bool mine_was_last_ = false;  // the waiting thread's
  BasicParking<Sync> parking_;
};

using Countdown = BasicCountdown<StdAtomics>;

}  // namespace yard
