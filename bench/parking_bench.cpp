// Parking: a ring that wakes nobody, and there and back between two threads that wait for each other, spinning, parked
// at once, and by mutex and condition variable; beside the flag round trip.
#include <condition_variable>
#include <cstdint>
#include <mutex>

#include <benchmark/benchmark.h>

#include "bench/two_cores.h"
#include "scheduler/sync/parking.h"

namespace yard::bench {
namespace {

// What Parking was: a flag, a mutex and a condition variable.
class Condvar {
 public:
  explicit Condvar(Spinning*) {}
  void ring() {
    if (rung_.exchange(true, std::memory_order_acq_rel)) return;
    { const std::lock_guard lock(mutex_); }
    bell_.notify_one();
  }
  void wait_until(Deadline) {
    std::unique_lock lock(mutex_);
    bell_.wait(lock, [this] { return rung_.exchange(false, std::memory_order_acq_rel); });
  }

 private:
  std::atomic<bool> rung_{false};
  std::mutex mutex_;
  std::condition_variable bell_;
};

// Rung and heard by one thread: nobody sleeps.
template <class Bell>
void ring_and_hear(benchmark::State& state) {
  Bell bell(nullptr);
  for (auto _ : state) {
    bell.ring();
    bell.wait_until(kForever);
  }
}

// Rung while it is rung already.
template <class Bell>
void ring_again(benchmark::State& state) {
  Bell bell(nullptr);
  bell.ring();
  for (auto _ : state) bell.ring();
}

// There and back: two wake-ups where nobody spins (argument 0), else two looks.
template <class Bell>
void round_trip(benchmark::State& state) {
  Spinning spinning(static_cast<std::uint32_t>(state.range(0)), 2);
  Bell there(&spinning), back(&spinning);
  Companion companion([&](const std::atomic<bool>& stop) {
    for (;;) {
      there.wait_until(kForever);
      if (stop.load()) return;
      back.ring();
    }
  });
  for (auto _ : state) {
    there.ring();
    back.wait_until(kForever);
  }
  companion.end([&] { there.ring(); });
}

BENCHMARK(flag_round_trip);
BENCHMARK(ring_and_hear<Parking>);
BENCHMARK(ring_and_hear<Condvar>);
BENCHMARK(ring_again<Parking>);
BENCHMARK(ring_again<Condvar>);
BENCHMARK(round_trip<Parking>)->Arg(0)->Arg(10'000)->UseRealTime();
BENCHMARK(round_trip<Condvar>)->Arg(0)->UseRealTime();

}  // namespace
}  // namespace yard::bench

BENCHMARK_MAIN();
