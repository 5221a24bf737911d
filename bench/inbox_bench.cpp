// The inbox beside what it could have been, and beside public queues: per event pushed and drained, in batches, by one
// thread; by one producer and one consumer; by three producers. Items of 16 bytes, and of an Event's size.
#include <array>
#include <atomic>
#include <cstdint>
#include <span>
#include <thread>
#include <vector>

#include <benchmark/benchmark.h>
#include <oneapi/tbb/concurrent_queue.h>
#include <boost/lockfree/queue.hpp>
#include <boost/lockfree/spsc_queue.hpp>
#ifdef SWITCHYARD_MOODYCAMEL
#include <concurrentqueue.h>
#endif

#include "bench/inbox_rings.h"
#include "bench/two_cores.h"
#include "scheduler/core/event.h"
#include "scheduler/sync/inbox.h"
#include "scheduler/sync/laned_inbox.h"

namespace yard {
namespace {

constexpr std::size_t kCapacity = 4096;

struct Small {
  std::uint64_t number, other;
};
struct Large {  // as an Event
  std::uint64_t number;
  std::array<std::byte, sizeof(Event) - sizeof(std::uint64_t)> rest;
};

// ---- public queues, in the inbox's dress ----------------------------------------------------------------------------

template <class T>
struct BoostQueue {
  boost::lockfree::queue<T, boost::lockfree::fixed_sized<true>> queue;
  explicit BoostQueue(std::size_t n) : queue(n) {}
  bool push(const T& item) { return queue.bounded_push(item); }
  std::size_t drain(std::span<T> out) {
    std::size_t n = 0;
    while (n < out.size() && queue.pop(out[n])) ++n;
    return n;
  }
};
template <class T>
struct BoostSpsc {
  boost::lockfree::spsc_queue<T> queue;
  explicit BoostSpsc(std::size_t n) : queue(n) {}
  bool push(const T& item) { return queue.push(item); }
  std::size_t drain(std::span<T> out) { return queue.pop(out.data(), out.size()); }
};
template <class T>
struct TbbQueue {  // not bounded
  tbb::concurrent_queue<T> queue;
  explicit TbbQueue(std::size_t) {}
  bool push(const T& item) { return queue.push(item), true; }
  std::size_t drain(std::span<T> out) {
    std::size_t n = 0;
    while (n < out.size() && queue.try_pop(out[n])) ++n;
    return n;
  }
};
template <class T>
struct TbbBounded {
  tbb::concurrent_bounded_queue<T> queue;
  explicit TbbBounded(std::size_t n) { queue.set_capacity(static_cast<std::ptrdiff_t>(n)); }
  bool push(const T& item) { return queue.try_push(item); }
  std::size_t drain(std::span<T> out) {
    std::size_t n = 0;
    while (n < out.size() && queue.try_pop(out[n])) ++n;
    return n;
  }
};
#ifdef SWITCHYARD_MOODYCAMEL
template <class T>
struct Moodycamel {  // not bounded but by memory; no order between producers
  moodycamel::ConcurrentQueue<T> queue;
  explicit Moodycamel(std::size_t n) : queue(n) {}
  bool push(const T& item) { return queue.try_enqueue(item); }
  std::size_t drain(std::span<T> out) { return queue.try_dequeue_bulk(out.data(), out.size()); }
};
#endif

// Each producer through a lane of its own, which are as long as one queue together.
template <class T>
struct OwnLanes {
  LanedInbox<T> inbox;
  explicit OwnLanes(std::size_t n) : inbox(n) {
    for (std::uint32_t lane = 0; lane < 4; ++lane) inbox.make_lane(lane, n / 4);
  }
  bool push(const T& item) { return inbox.push(0, item); }
  bool push(std::uint32_t producer, const T& item) { return inbox.push(producer, item); }
  std::size_t drain(std::span<T> out) { return inbox.drain(out); }
};
// The same inbox where nobody has a lane: what lanes cost those who have none.
template <class T>
struct NoLanes {
  LanedInbox<T> inbox;
  explicit NoLanes(std::size_t n) : inbox(n) {}
  bool push(const T& item) { return inbox.push(item); }
  std::size_t drain(std::span<T> out) { return inbox.drain(out); }
};

// ---- rows -----------------------------------------------------------------------------------------------------------

BENCHMARK(bench::two_bare_cas);
BENCHMARK(bench::flag_round_trip)->UseRealTime();

// Pushes a batch, drains it: time per event.
template <class Queue, class T>
void batch(benchmark::State& state) {
  Queue queue(kCapacity);
  const auto size = static_cast<std::size_t>(state.range(0));
  std::vector<T> out(size);
  T item{};
  for (auto _ : state) {
    for (std::size_t i = 0; i < size; ++i) {
      ++item.number;
      benchmark::DoNotOptimize(queue.push(item));
    }
    if (queue.drain(out) != size) state.SkipWithError("not all came out");
    benchmark::DoNotOptimize(out.data());
    benchmark::ClobberMemory();
  }
  state.counters["per_event"] = benchmark::Counter(
      static_cast<double>(size), benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
}

// So many producers on another core push as fast as they can; the consumer drains a batch in each iteration.
template <class Queue, class T>
void stream(benchmark::State& state) {
  Queue queue(kCapacity);
  std::atomic<bool> over{false};
  std::vector<std::thread> producers;
  bench::pin_to(0);
  for (std::int64_t p = 0; p < state.range(0); ++p) {
    producers.emplace_back([&, own = static_cast<std::uint32_t>(p)] {
      bench::pin_to(1);
      const auto push = [&](const T& item) {
        if constexpr (requires { queue.push(own, item); }) {
          return queue.push(own, item);
        } else {
          return queue.push(item);
        }
      };
      for (T item{}; !over.load(std::memory_order_relaxed);) {
        if (push(item)) ++item.number;
      }
    });
  }
  std::vector<T> out(256);
  std::uint64_t events = 0;
  for (auto _ : state) {
    std::size_t n = 0;
    while ((n = queue.drain(out)) == 0) {}
    events += n;
  }
  over.store(true, std::memory_order_relaxed);
  for (std::thread& producer : producers) producer.join();
  state.counters["per_event"] =
      benchmark::Counter(static_cast<double>(events), benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

template <class T>
using Shipped = Inbox<T>;

#define ROWS(Queue)                                         \
  BENCHMARK_TEMPLATE(batch, Queue<Small>, Small)->Arg(256); \
  BENCHMARK_TEMPLATE(batch, Queue<Large>, Large)->Arg(256)
#define STREAMS(Queue)                                                    \
  BENCHMARK_TEMPLATE(stream, Queue<Small>, Small)->Arg(1)->UseRealTime(); \
  BENCHMARK_TEMPLATE(stream, Queue<Small>, Small)->Arg(3)->UseRealTime()

ROWS(Shipped);
BENCHMARK_TEMPLATE(batch, Shipped<Small>, Small)->Arg(1)->Arg(16);
ROWS(OwnLanes);
ROWS(NoLanes);
ROWS(rivals::PlaceRing);
ROWS(rivals::NodeStack);
ROWS(BoostQueue);
ROWS(BoostSpsc);
ROWS(TbbQueue);
ROWS(TbbBounded);
STREAMS(Shipped);
STREAMS(OwnLanes);
STREAMS(NoLanes);
STREAMS(rivals::PlaceRing);
STREAMS(rivals::NodeStack);
STREAMS(BoostQueue);
BENCHMARK_TEMPLATE(stream, BoostSpsc<Small>, Small)->Arg(1)->UseRealTime();
STREAMS(TbbBounded);
#ifdef SWITCHYARD_MOODYCAMEL
ROWS(Moodycamel);
#endif

}  // namespace
}  // namespace yard

BENCHMARK_MAIN();
