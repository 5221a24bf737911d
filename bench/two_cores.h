// What benches of scheduler/sync share: a second thread on a core of its own; the flag round trip beside which every
// figure between two cores stands (it drifts on virtual machines), and two bare compare-and-swaps beside which those on
// one core do.
#pragma once
#include <pthread.h>
#include <sched.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <thread>
#include <utility>

#include <benchmark/benchmark.h>

#include "scheduler/sync/atomics.h"

namespace yard::bench {

// What the process was started with; the first call comes before anybody is bound.
inline const cpu_set_t& started_with() {
  static const cpu_set_t allowed = [] {
    cpu_set_t set;
    CPU_ZERO(&set);
    sched_getaffinity(0, sizeof set, &set);
    return set;
  }();
  return allowed;
}

// The calling thread, and those that it makes, run on any processor again.
inline void unpin() { pthread_setaffinity_np(pthread_self(), sizeof(cpu_set_t), &started_with()); }

// Binds the calling thread to the nth processor that it may use, where there are so many.
inline void pin_to(int nth) {
  const cpu_set_t& allowed = started_with();
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(cpu, &allowed) || nth-- > 0) continue;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    pthread_setaffinity_np(pthread_self(), sizeof one, &one);
    return;
  }
}

// SWITCHYARD_BENCH_REALTIME=1: the calling thread, and those that it makes, run as SCHED_FIFO, so that nobody else's
// jobs take part. Beside hogs nobody is: they are to share the core.
inline void keep_others_out(bool also_hogs) {
  const char* wish = std::getenv("SWITCHYARD_BENCH_REALTIME");
  sched_param priority{};
  priority.sched_priority = wish && *wish == '1' && !also_hogs ? 1 : 0;
  sched_setscheduler(0, priority.sched_priority > 0 ? SCHED_FIFO : SCHED_OTHER, &priority);
}

struct Undisturbed {
  Undisturbed() { keep_others_out(false); }
  ~Undisturbed() { keep_others_out(true); }
  Undisturbed(const Undisturbed&) = delete;
};

// Runs `work(stop)` on another core until this is destroyed; the caller is bound to the first one meanwhile.
class Companion {
 public:
  template <class Work>
  explicit Companion(Work work) {
    pin_to(0);
    thread_ = std::thread([this, work = std::move(work)]() mutable {
      pin_to(1);
      running_.store(true);
      work(stop_);
    });
    while (!running_.load()) std::this_thread::yield();  // it begins on this core
  }
  Companion(const Companion&) = delete;
  ~Companion() {
    end([] {});
  }
  // `rouse` what waits for something other than `stop`.
  template <class Rouse>
  void end(Rouse rouse) {
    if (!thread_.joinable()) return;
    stop_.store(true);
    rouse();
    thread_.join();
  }

 private:
  std::atomic<bool> stop_{false}, running_{false};
  std::thread thread_;
};

// What two uncontended compare-and-swaps take, on lines of their own.
inline void two_bare_cas(benchmark::State& state) {
  alignas(64) static std::atomic<std::uint64_t> words[16];
  for (auto _ : state) {
    for (auto* word : {&words[0], &words[8]}) {
      std::uint64_t seen = word->load(std::memory_order_acquire);
      benchmark::DoNotOptimize(word->compare_exchange_strong(seen, seen + 1, std::memory_order_acq_rel));
    }
  }
}

// A number that another core sends back.
class Echo {
 public:
  void round_trip() {
    there_.store(++n_, std::memory_order_release);
    while (back_.load(std::memory_order_acquire) != n_) {}
  }

 private:
  int n_ = 0;
  alignas(64) std::atomic<int> there_{0};
  alignas(64) std::atomic<int> back_{0};
  Companion companion_{[this](const std::atomic<bool>& stop) {
    for (int seen = 0; !stop.load(std::memory_order_relaxed);) {
      const int now = there_.load(std::memory_order_acquire);
      if (now != seen) back_.store(seen = now, std::memory_order_release);
    }
  }};
};

// One number there and back.
inline void flag_round_trip(benchmark::State& state) {
  Echo echo;
  for (auto _ : state) echo.round_trip();
}

}  // namespace yard::bench
