// Where the one consumer of an inbox or a lane sleeps while there is nothing to do.
//
//   producer: push(item); parking.ring();
//   consumer: for (;;) { while (take items) ...; parking.wait_until(deadline); }
//
// A bell that stays rung until it is heard. No wake-up is lost: an item pushed after the consumer last looked is
// followed by a ring() after that look, and wait_until() clears the bell only at its own end, that is before the next
// look. A ring() that finds the bell rung does nothing, and need not: whoever rang it has woken or will wake the
// consumer, and the exchange (1) that found it rung is read by the one (2) that clears it, so the item is seen by the
// look after.
//
// Threads: ring() from any, wait_until() from one. Mutex and condition variable, so a ring() of a sleeping consumer
// costs a system call; a later issue replaces it.
#pragma once
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>

namespace yard {

class Parking {
 public:
  using Deadline = std::chrono::steady_clock::time_point;  // tidy: clock named, not read: a deadline is given
  static constexpr Deadline kForever = Deadline::max();

  void ring() noexcept {
    if (rung_.exchange(true, std::memory_order_acq_rel)) return;  // (1) with (2)
    // Empty on purpose: a consumer between its look at rung_ and its sleep holds the mutex, so this waits for the
    // sleep.
    { const std::lock_guard lock(mutex_); }
    bell_.notify_one();
  }

  // Sleeps until the bell has been rung since it was last heard, or the deadline.
  void wait_until(Deadline deadline) noexcept {
    std::unique_lock lock(mutex_);
    const auto heard = [this] { return rung_.exchange(false, std::memory_order_acq_rel); };  // (2) with (1)
    if (deadline == kForever) {
      bell_.wait(lock, heard);
    } else {
      bell_.wait_until(lock, deadline, heard);
    }
  }

 private:
  std::atomic<bool> rung_{false};
  std::mutex mutex_;
  std::condition_variable bell_;
};

}  // namespace yard
