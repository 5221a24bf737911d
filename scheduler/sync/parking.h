// Where the one consumer of an inbox or a lane sleeps while there is nothing to do.
//
//   producer: push(item); parking.ring();
//   consumer: for (;;) { while (take items) ...; parking.wait_until(deadline); }
//
// A bell that stays rung until it is heard, in one word: quiet, rung, or the consumer asleep beside it. No wake-up is
// lost: all that happens to the word are read-modify-writes, which have one order. An item pushed after the consumer
// last looked is followed by a ring() after that look. Either that ring comes before the consumer lies down, which then
// fails, or it finds the consumer asleep and wakes it. The bell is cleared at the end of wait_until() only, that is
// before the next look, and who clears it (2) reads what the last ring wrote, which goes on what earlier ones released:
// the look after sees every item whose ring was before.
//
// Threads: ring() from any, wait_until() from one.
// Cost: a ring() is one exchange where the consumer is awake, and one system call more where it sleeps. A consumer
// that waits looks `pauses` times at the word before it sleeps (Spin says how often that is worth it), then never
// until woken.
#pragma once
#include <cstdint>

#include "scheduler/sync/atomics.h"
#include "scheduler/sync/spin.h"

namespace yard {

template <class Sync>
class BasicParking {
 public:
  using Deadline = yard::Deadline;
  static constexpr Deadline kForever = yard::kForever;

  // `spinning`: shared by who should not all spin at once, outlives this; null: never spins.
  explicit BasicParking(BasicSpinning<Sync>* spinning = nullptr) noexcept : spin_(spinning) {}

  void ring() noexcept {
    if (word_.exchange(kRung, std::memory_order_release) == kAsleep) Sync::wake_one(word_);  // (1) with (2)
  }

  // Sleeps until the bell has been rung since it was last heard, or the deadline.
  void wait_until(Deadline deadline) noexcept {
    if (!spin_.sees([this] { return word_.load(std::memory_order_relaxed) == kRung; })) {
      std::uint32_t quiet = kQuiet;
      if (word_.compare_exchange_strong(quiet, kAsleep, std::memory_order_relaxed, std::memory_order_relaxed)) {
        while (word_.load(std::memory_order_relaxed) == kAsleep && Sync::sleep(word_, kAsleep, deadline)) {}
        if (word_.load(std::memory_order_relaxed) == kRung) spin_.woke();
      }
    }
    word_.exchange(kQuiet, std::memory_order_acquire);  // (2) with (1)
  }

 private:
  static constexpr std::uint32_t kQuiet = 0, kRung = 1, kAsleep = 2;

  typename Sync::template Atomic<std::uint32_t> word_{kQuiet};
  BasicSpin<Sync> spin_;  // the consumer's
};

using Parking = BasicParking<StdAtomics>;

}  // namespace yard
