// What the stress tests of scheduler/sync share: how many operations, what was taken, and a thread that stands still.
//
// SWITCHYARD_STRESS_OPS: how many operations (10^6); SWITCHYARD_STRESS_STOP_MS: for how long a thread is stopped (50).
#pragma once
#include <pthread.h>
#include <signal.h>
#include <time.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <thread>

#include "scheduler/base/hash.h"

namespace yard::stress {

inline std::uint64_t from_environment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text ? std::strtoull(text, nullptr, 10) : otherwise;
}
inline std::uint64_t operations() { return from_environment("SWITCHYARD_STRESS_OPS", 1'000'000); }

// Numbers taken, by one thread: their count and the sum of their hashes. Two tallies are equal where the numbers are,
// in any order; one lost and one doubled show but for a chance of 2^-64.
struct Tally {
  std::uint64_t count = 0, sum = 0;

  void add(std::uint64_t item) {
    ++count;
    sum += mix64(item);
  }
  Tally& operator+=(const Tally& other) {
    count += other.count;
    sum += other.sum;
    return *this;
  }
  bool operator==(const Tally&) const = default;
};

// Lets others on. Not a yield: on a machine with other work each of those costs a turn of its scheduler.
inline void give_way() { std::this_thread::sleep_for(std::chrono::microseconds(20)); }

// Stops a thread at whatever instruction it is at, as SIGSTOP stops a process: a signal's handler that sleeps, for
// SWITCHYARD_STRESS_STOP_MS, or, after hold(), until let_go(): a test that says what others do meanwhile holds, or it
// says how much of a core they got.
// (ThreadSanitizer hands signals over later, at the thread's next call into the system or into it.)
class StandStill {
 public:
  StandStill() {
    struct sigaction action = {};
    action.sa_handler = [](int) {
      const auto ms = static_cast<long>(from_environment("SWITCHYARD_STRESS_STOP_MS", 50));
      timespec left{ms / 1000, ms % 1000 * 1'000'000};
      stopped_.fetch_add(1);
      if (held_.load()) {
        for (const timespec a_while{0, 100'000}; held_.load();) nanosleep(&a_while, nullptr);
      } else {
        while (nanosleep(&left, &left) != 0) {}
      }
      resumed_.fetch_add(1);
    };
    sigemptyset(&action.sa_mask);
    action.sa_flags = SA_RESTART;
    sigaction(SIGUSR1, &action, nullptr);
  }
  void stop(std::thread& thread) const { stop(thread.native_handle()); }
  void stop(pthread_t thread) const { pthread_kill(thread, SIGUSR1); }
  // One at a time. Returns once it stands still.
  void hold(std::thread& thread) const { hold(thread.native_handle()); }
  void hold(pthread_t thread) const {
    const int before = stopped_.load();
    held_.store(true);
    stop(thread);
    while (stopped_.load() == before) give_way();
  }
  void let_go() const { held_.store(false); }
  static int stopped() { return stopped_.load(); }  // threads that have stood still so far
  static int resumed() { return resumed_.load(); }

 private:
  static inline std::atomic<int> stopped_{0}, resumed_{0};
  static inline std::atomic<bool> held_{false};
};

}  // namespace yard::stress
