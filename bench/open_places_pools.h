// Ours and its rivals under one interface, for bench/open_places_bench.
//
//   Pool pool(threads);
//   pool.submit<act>(of);  // from outside; what is refused is done by who submits
//   pool.flat(n);          // one piece that makes n tiny ones, until all are done
#pragma once
#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/task_arena.h>
#include <oneapi/tbb/task_group.h>

#include "scheduler/base/hash.h"
#include "scheduler/loop/live_spin.h"
#include "scheduler/sync/crew.h"

#ifdef SWITCHYARD_HAS_TASKFLOW
#include <taskflow/taskflow.hpp>
#endif

namespace yard::bench {

using Act = void (*)(void*);

struct Waiting {  // for a set of pieces, from outside
  std::atomic<std::uint64_t> left{0};
  void wait() const {
    while (left.load(std::memory_order_acquire) > 0) std::this_thread::sleep_for(std::chrono::microseconds(10));
  }
};

class Ours {
 public:
  explicit Ours(unsigned threads, std::size_t deque = 1024)
      : crew_({.members = threads, .deque = deque, .hatch = 1 << 16, .spinning = &spinning_}) {}
  template <Act act>
  void submit(void* of) {
    if (!crew_.hand_in({[](Crew::Hand&, void* on) { act(on); }, of})) act(of);
  }
  void flat(std::uint64_t n) {
    for (auto& count : counts_) count.n.store(0, std::memory_order_relaxed);
    todo_ = n;
    finished_.left.store(1);
    crew_.hand_in({make, this});
    finished_.wait();
  }

 private:
  struct alignas(64) Count {
    std::atomic<std::uint64_t> n{0};
  };
  // Tiny: adds one to a count of its own thread's.
  static void tiny(Crew::Hand& hand, void* on) {
    auto& count = static_cast<Ours*>(on)->counts_[hand.place()].n;
    count.store(count.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }
  static void make(Crew::Hand& hand, void* on) {
    Ours& self = *static_cast<Ours*>(on);
    for (std::uint64_t i = 0; i < self.todo_; ++i)
      if (!hand.push({tiny, on})) tiny(hand, on);
    while (hand.do_newest()) {}
    const auto done = [&] {
      std::uint64_t sum = 0;
      for (const Count& c : self.counts_) sum += c.n.load(std::memory_order_relaxed);
      return sum;
    };
    while (done() < self.todo_) std::this_thread::yield();
    self.finished_.left.store(0, std::memory_order_release);
  }

  SpinPlan plan_ = plan_spin_here();
  Spinning spinning_{plan_.pauses, plan_.at_once, plan_.ns};
  std::array<Count, 16> counts_;
  std::uint64_t todo_ = 0;
  Waiting finished_;
  Crew crew_;
};

// With a deque that a million pieces lie in: each is pushed, and taken by somebody.
class OursDeep : public Ours {
 public:
  explicit OursDeep(unsigned threads) : Ours(threads, 1 << 20) {}
};

class Mutex {
 public:
  explicit Mutex(unsigned threads) {
    for (unsigned i = 0; i < threads; ++i) threads_.emplace_back([this] { run(); });
  }
  ~Mutex() {
    {
      const std::lock_guard lock(mutex_);
      closing_ = true;
    }
    news_.notify_all();
    for (std::thread& t : threads_) t.join();
  }
  template <Act act>
  void submit(void* of) {
    {
      const std::lock_guard lock(mutex_);
      queue_.push_back({act, of});
    }
    news_.notify_one();
  }
  void flat(std::uint64_t n) {
    left_.left.store(n);
    submit<make>(this);
    left_.wait();
  }

 private:
  struct Call {
    Act act;
    void* of;
  };
  static void tiny(void* on) { static_cast<Mutex*>(on)->left_.left.fetch_sub(1); }
  static void make(void* on) {
    Mutex& self = *static_cast<Mutex*>(on);
    const std::uint64_t todo = self.left_.left.load();
    for (std::uint64_t i = 0; i < todo; ++i) self.submit<tiny>(on);
  }
  void run() {
    std::unique_lock lock(mutex_);
    for (;;) {
      news_.wait(lock, [this] { return closing_ || !queue_.empty(); });
      if (queue_.empty()) return;
      const Call call = queue_.front();
      queue_.pop_front();
      lock.unlock();
      call.act(call.of);
      lock.lock();
    }
  }
  std::mutex mutex_;
  std::condition_variable news_;
  std::deque<Call> queue_;
  bool closing_ = false;
  Waiting left_;
  std::vector<std::thread> threads_;
};

class OneTbb {
 public:
  explicit OneTbb(unsigned threads)
      : control_(oneapi::tbb::global_control::max_allowed_parallelism, threads + 1),
        arena_(static_cast<int>(threads), 0) {}
  template <Act act>
  void submit(void* of) {
    arena_.enqueue([of] { act(of); });
  }
  void flat(std::uint64_t n) {
    left_.left.store(1);
    arena_.enqueue([this, n] {
      std::array<Padded, 16> counts{};
      oneapi::tbb::task_group group;
      for (std::uint64_t i = 0; i < n; ++i)
        group.run([&counts] {
          ++counts[static_cast<std::size_t>(oneapi::tbb::this_task_arena::current_thread_index()) % counts.size()].n;
        });
      group.wait();
      left_.left.store(0, std::memory_order_release);
    });
    left_.wait();
  }

 private:
  struct alignas(64) Padded {
    std::uint64_t n = 0;
  };
  oneapi::tbb::global_control control_;
  oneapi::tbb::task_arena arena_;
  Waiting left_;
};

#ifdef SWITCHYARD_HAS_TASKFLOW
class Taskflow {
 public:
  explicit Taskflow(unsigned threads) : executor_(threads) {}
  template <Act act>
  void submit(void* of) {
    executor_.silent_async([of] { act(of); });
  }
  void flat(std::uint64_t n) {
    executor_.silent_async([this, n] {
      for (std::uint64_t i = 0; i < n; ++i)
        executor_.silent_async([this] { ++counts_[static_cast<std::size_t>(executor_.this_worker_id()) % 16].n; });
    });
    executor_.wait_for_all();
  }

 private:
  struct alignas(64) Padded {
    std::uint64_t n = 0;
  };
  std::array<Padded, 16> counts_{};
  tf::Executor executor_;
};
#endif

}  // namespace yard::bench
