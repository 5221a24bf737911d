// Where many threads sleep until a condition of the user's own, kept in atomics or in a queue, may have come true.
//
//   producer: push(item); events.notify();
//   consumer: for (;;) {
//               if (take an item) return;
//               const auto ticket = events.prepare();
//               if (take an item) return events.cancel(ticket);
//               events.wait(ticket);
//             }
//
// (D. Vyukov's event count, 2008, in one word.) The word holds an epoch and how many wait in it. No wake-up is lost:
// prepare() and notify() are read-modify-writes of that word, which have one order. Where notify() comes first,
// prepare() reads what it wrote (1, 2), and the look that follows sees the condition. Where prepare() comes first,
// notify() finds a waiter, ends the epoch and wakes all who sleep in it; who has not lain down yet finds the epoch
// over.
//
// notify() wakes all: one of several would need to know whom, and a place for each to sleep; that is Parking.
//
// Threads: any. At most 2^32 - 1 wait at once.
// E1  what was written before notify() is seen by who was released by it, and by the look after a later prepare().
// E2  a notify() where nobody waits makes no system call.
// Bound: epochs are 32 bits. One who stands still between prepare() and wait() for exactly 2^32 epochs, each with a
// waiter and a system call of its own (over an hour), would miss them.
#pragma once
#include <cstdint>

#include "scheduler/sync/atomics.h"

namespace yard {

template <class Sync>
class BasicEventCount {
 public:
  using Ticket = std::uint32_t;  // the epoch; to be given to one wait() or cancel()

  Ticket prepare() noexcept {
    return epoch_of(word_.fetch_add(1, std::memory_order_acquire));  // (1) with (2)
  }

  // Ends what prepare() began.
  void cancel(Ticket ticket) noexcept {
    std::uint64_t word = word_.load(std::memory_order_relaxed);
    while (epoch_of(word) == ticket &&
           !word_.compare_exchange_weak(word, word - 1, std::memory_order_relaxed, std::memory_order_relaxed)) {}
  }

  // Sleeps until a notify() since prepare(), or the deadline. Returns: false at the deadline.
  bool wait_until(Ticket ticket, Deadline deadline) noexcept {
    while (epoch_of(word_.load(std::memory_order_acquire)) == ticket) {  // (3) with (2)
      if (!Sync::sleep(word_, ticket, deadline)) {
        cancel(ticket);
        return false;
      }
    }
    return true;
  }
  void wait(Ticket ticket) noexcept { wait_until(ticket, kForever); }

  void notify() noexcept {
    std::uint64_t word = word_.load(std::memory_order_relaxed);
    // A read-modify-write also where nobody waits: the next prepare() must come after it.
    while (!word_.compare_exchange_weak(word, waiters_of(word) == 0 ? word : next_epoch(word),
                                        std::memory_order_release,  // (2) with (1), (3)
                                        std::memory_order_relaxed)) {}
    if (waiters_of(word) != 0) Sync::wake_all(word_);
  }

 private:
  static Ticket epoch_of(std::uint64_t word) noexcept { return static_cast<Ticket>(word >> 32); }
  static std::uint32_t waiters_of(std::uint64_t word) noexcept { return static_cast<std::uint32_t>(word); }
  static std::uint64_t next_epoch(std::uint64_t word) noexcept { return ((word >> 32) + 1) << 32; }  // nobody waits

  typename Sync::template Atomic<std::uint64_t> word_{0};
};

using EventCount = BasicEventCount<StdAtomics>;

}  // namespace yard
