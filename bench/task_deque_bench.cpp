// The task deque: a push and a pop, the same under a thief, and what a steal costs; beside Taskflow's bounded deque
// where its headers are there (SWITCHYARD_TASKFLOW), and the flag round trip.
//
//   build/release/bench/task_deque_bench --benchmark_enable_random_interleaving=true --benchmark_repetitions=9
//       --benchmark_report_aggregates_only=true
#include <atomic>
#include <cstdint>
#include <memory>

#include <benchmark/benchmark.h>

#include "bench/two_cores.h"
#include "scheduler/sync/task_deque.h"

#ifdef SWITCHYARD_HAS_TASKFLOW
#include <taskflow/taskflow.hpp>
#endif

namespace yard::bench {
namespace {

constexpr std::size_t kLog = 10;
constexpr std::uint64_t kMany = std::uint64_t{1} << kLog;

struct Ours {
  TaskDeque<void*> deque{kMany};
  bool push(void* item) { return deque.push(item); }
  bool pop() {
    void* item = nullptr;
    const bool there = deque.pop(item);
    benchmark::DoNotOptimize(item);
    return there;
  }
  bool steal() {
    void* item = nullptr;
    const bool there = deque.steal(item) == Steal::item;
    benchmark::DoNotOptimize(item);
    return there;
  }
};

#ifdef SWITCHYARD_HAS_TASKFLOW
struct Taskflow {
  tf::BoundedWSQ<void*, kLog> deque;
  bool push(void* item) { return deque.try_push(item); }
  bool pop() {
    void* item = deque.pop();
    benchmark::DoNotOptimize(item);
    return item != nullptr;
  }
  bool steal() {
    void* item = deque.steal();
    benchmark::DoNotOptimize(item);
    return item != nullptr;
  }
};
#endif

int something;

// With so many items below it: 0, every pop is of the last.
template <class Deque>
void pair(benchmark::State& state) {
  const auto deque = std::make_unique<Deque>();
  for (std::int64_t i = 0; i < state.range(0); ++i) deque->push(&something);
  for (auto _ : state) {
    deque->push(&something);
    deque->pop();
  }
}

// Sixteen pushed, sixteen popped; per item.
template <class Deque>
void burst(benchmark::State& state) {
  const auto deque = std::make_unique<Deque>();
  for (auto _ : state) {
    for (int i = 0; i < 16; ++i) deque->push(&something);
    while (deque->pop()) {}
  }
  state.SetItemsProcessed(state.iterations() * 16);
}

// The owner pushes two and pops one, a thief on another core takes all it can, waiting so many pauses between two
// tries; per item pushed.
template <class Deque>
void under_thief(benchmark::State& state) {
  const auto deque = std::make_unique<Deque>();
  std::atomic<std::uint64_t> stolen{0};
  const std::int64_t pauses = state.range(0);
  std::uint64_t pushed = 0;
  {
    Companion thief([&](const std::atomic<bool>& stop) {
      std::uint64_t n = 0;
      while (!stop.load(std::memory_order_relaxed)) {
        n += deque->steal();
        for (std::int64_t i = 0; i < pauses; ++i) StdAtomics::pause();
      }
      stolen = n;
    });
    for (auto _ : state) {
      for (int i = 0; i < 2; ++i) {
        while (!deque->push(&something)) deque->pop();
      }
      deque->pop();
      pushed += 2;
    }
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(pushed));
  state.counters["stolen_percent"] = 100.0 * static_cast<double>(stolen) / static_cast<double>(pushed);
}

// A full deque of another core's, emptied; per item.
template <class Deque>
void steal_all(benchmark::State& state) {
  const auto deque = std::make_unique<Deque>();
  alignas(64) std::atomic<std::uint64_t> round{0};
  alignas(64) std::atomic<std::uint64_t> filled{0};
  Companion owner([&](const std::atomic<bool>& stop) {
    std::uint64_t seen = 0;
    while (!stop.load(std::memory_order_relaxed)) {
      if (round.load(std::memory_order_acquire) == seen) continue;
      ++seen;
      for (std::uint64_t i = 0; i < kMany; ++i) deque->push(&something);
      filled.store(seen, std::memory_order_release);
    }
  });
  std::uint64_t n = 0;
  for (auto _ : state) {
    state.PauseTiming();
    round.store(++n, std::memory_order_release);
    while (filled.load(std::memory_order_acquire) != n) {}
    state.ResumeTiming();
    for (std::uint64_t left = kMany; left > 0;) left -= deque->steal();
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(n * kMany));
}

BENCHMARK(flag_round_trip);
BENCHMARK(pair<Ours>)->Arg(0)->Arg(8);
BENCHMARK(burst<Ours>);
BENCHMARK(under_thief<Ours>)->Arg(0)->Arg(100)->UseRealTime();
BENCHMARK(steal_all<Ours>)->UseRealTime();
#ifdef SWITCHYARD_HAS_TASKFLOW
BENCHMARK(pair<Taskflow>)->Arg(0)->Arg(8);
BENCHMARK(burst<Taskflow>);
BENCHMARK(under_thief<Taskflow>)->Arg(0)->Arg(100)->UseRealTime();
BENCHMARK(steal_all<Taskflow>)->UseRealTime();
#endif

}  // namespace
}  // namespace yard::bench

BENCHMARK_MAIN();
