// The atomics of a model: Relacy's (D. Vyukov), in std::atomic's dress, so that the shipped headers of scheduler/sync
// run unchanged in a checker that tries every interleaving, and every older value that a load may still see.
//
// What it does not try: values that another thread has not written yet (load buffering), and it takes the standard's
// seq_cst of 2011, where what happens before is before in the one order. Loads see the last store or the one before it.
#pragma once
#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <source_location>

// Not relacy/relacy.hpp: that one renames new, free, errno and std::memory_order_* for whoever includes it.
#include <relacy/pch.hpp>

#include <relacy/atomic.hpp>
#include <relacy/backoff.hpp>
#include <relacy/context.hpp>
#include <relacy/context_base_impl.hpp>
#include <relacy/stdlib/condition_variable.hpp>
#include <relacy/stdlib/event.hpp>
#include <relacy/stdlib/mutex.hpp>
#include <relacy/stdlib/semaphore.hpp>
#include <relacy/test_suite.hpp>
#include <relacy/var.hpp>

#include "scheduler/sync/futex.h"

namespace yard::models {

inline constexpr std::size_t kMaxThreads = 8;

inline rl::memory_order rl_order(std::memory_order order) {
  switch (order) {
    case std::memory_order_relaxed: return rl::mo_relaxed;
    case std::memory_order_consume: return rl::mo_consume;
    case std::memory_order_acquire: return rl::mo_acquire;
    case std::memory_order_release: return rl::mo_release;
    case std::memory_order_acq_rel: return rl::mo_acq_rel;
    default: return rl::mo_seq_cst;
  }
}
inline rl::debug_info rl_info(const std::source_location& at) {
  return rl::debug_info(at.function_name(), at.file_name(), at.line());
}

struct RelacyAtomics {
  using Place = std::source_location;
  using Order = std::memory_order;

  template <class T>
  class Atomic {
   public:
    Atomic() : atomic_(T{}) {}
    Atomic(T value) : atomic_(value) {}  // as std::atomic's
    Atomic(const Atomic&) = delete;
    Atomic& operator=(const Atomic&) = delete;

    T load(Order order = Order::seq_cst, const Place& at = Place::current()) const {
      return atomic_.load(rl_order(order), rl_info(at));
    }
    void store(T value, Order order = Order::seq_cst, const Place& at = Place::current()) {
      atomic_.store(value, rl_order(order), rl_info(at));
    }
    T exchange(T value, Order order = Order::seq_cst, const Place& at = Place::current()) {
      return atomic_.exchange(value, rl_order(order), rl_info(at));
    }
    bool compare_exchange_weak(T& expected, T value, Order order = Order::seq_cst, const Place& at = Place::current()) {
      return atomic_.compare_exchange_weak(expected, value, rl_order(order), rl_info(at));
    }
    bool compare_exchange_weak(T& expected, T value, Order order, Order failed, const Place& at = Place::current()) {
      return atomic_.compare_exchange_weak(expected, value, rl_order(order), rl_info(at), rl_order(failed),
                                           rl_info(at));
    }
    bool compare_exchange_strong(T& expected, T value, Order order = Order::seq_cst,
                                 const Place& at = Place::current()) {
      return atomic_.compare_exchange_strong(expected, value, rl_order(order), rl_info(at));
    }
    bool compare_exchange_strong(T& expected, T value, Order order, Order failed, const Place& at = Place::current()) {
      return atomic_.compare_exchange_strong(expected, value, rl_order(order), rl_info(at), rl_order(failed),
                                             rl_info(at));
    }
    T fetch_add(T value, Order order = Order::seq_cst, const Place& at = Place::current()) {
      return atomic_.fetch_add(value, rl_order(order), rl_info(at));
    }
    T fetch_sub(T value, Order order = Order::seq_cst, const Place& at = Place::current()) {
      return atomic_.fetch_sub(value, rl_order(order), rl_info(at));
    }
    T fetch_and(T value, Order order = Order::seq_cst, const Place& at = Place::current()) {
      return atomic_.fetch_and(value, rl_order(order), rl_info(at));
    }
    T fetch_or(T value, Order order = Order::seq_cst, const Place& at = Place::current()) {
      return atomic_.fetch_or(value, rl_order(order), rl_info(at));
    }
    T fetch_xor(T value, Order order = Order::seq_cst, const Place& at = Place::current()) {
      return atomic_.fetch_xor(value, rl_order(order), rl_info(at));
    }

   private:
    friend struct RelacyAtomics;
    T latest() const { return atomic_.debug_value(); }

    rl::atomic<T> atomic_;
    mutable std::array<rl::thread_id_t, kMaxThreads> sleepers_{};  // of the futex, in the order they lay down
    mutable std::size_t sleeping_ = 0;
  };

  template <class T>
  class Var {
   public:
    Var() : var_(T{}) {}
    explicit Var(const T& value) : var_(value) {}
    T get(const Place& at = Place::current()) const { return var_(rl_info(at)).load(); }
    void set(const T& value, const Place& at = Place::current()) { var_(rl_info(at)).store(value); }

   private:
    rl::var<T> var_;
  };

  // put() is a plain write, and confirm() a plain read at the time of the thread's last peek(): a race between the two,
  // by what happens before what, is red whichever came first. So no switch is tried around them, which keeps searches
  // small.
  template <class T>
  class Word {
   public:
    T peek() const {
      Reader& reader = readers_[self()];
      reader = {now(), puts_, knows(writes_)};
      return value_;
    }
    void confirm(const Place& at = Place::current()) const {
      const Reader& reader = readers_[self()];
      if (!reader.knew) fail(at, "a word was taken that its writer had not handed over");
      if (reader.puts != puts_) fail(at, "a word was taken that was overwritten since");
      reads_[self()] = reader.peeked;
    }
    void put(T value, const Place& at = Place::current()) {
      if (!knows(writes_)) fail(at, "a word was overwritten by one who did not know its last writer");
      if (!knows(reads_)) fail(at, "a word was overwritten by one who did not know that it had been read");
      value_ = value;
      ++puts_;
      writes_[self()] = now();
    }

   private:
    using Times = std::array<rl::timestamp_t, kMaxThreads>;  // by thread: when it did so last, in its own time
    struct Reader {
      rl::timestamp_t peeked = 0;
      std::uint64_t puts = 0;
      bool knew = false;
    };
    static std::size_t self() { return static_cast<std::size_t>(rl::ctx().threadx_->index_); }
    static rl::timestamp_t now() { return rl::ctx().threadx_->own_acq_rel_order_ += 1; }
    static bool knows(const Times& times) {
      const auto threads = static_cast<std::size_t>(rl::ctx().get_thread_count());
      for (std::size_t i = 0; i < threads; ++i)
        if (rl::ctx().threadx_->acq_rel_order_[i] < times[i]) return false;
      return true;
    }
    static void fail(const Place& at, const char* what) {
      rl::ctx().fail_test(what, rl::test_result_data_race, rl_info(at));
    }

    T value_{};
    std::uint64_t puts_ = 0;
    Times writes_{};
    mutable std::array<Reader, kMaxThreads> readers_{};
    mutable Times reads_{};
  };

  // The futex as the kernel has it: under one lock it compares with the word's last value and lays the thread down, and
  // under that lock it wakes. It hands nothing over (the kernel's barriers are no promise to us), wakes only by a
  // wake or, where a deadline is given, at any time. No sleeper without one is ever woken: a deadlock, red.
  template <class T>
  static bool sleep(const Atomic<T>& word, std::uint32_t expected, Deadline deadline,
                    const Place& at = Place::current()) {
    rl::context& context = rl::ctx();
    context.sched();
    const T latest = word.latest();
    if (static_cast<std::uint32_t>(sizeof(T) == 8 ? static_cast<std::uint64_t>(latest) >> 32 : latest) != expected) {
      pause(at);  // a value once seen to be over is not read for ever: the word's readers get on
      return true;
    }
    const rl::thread_id_t self = context.threadx_->index_;
    word.sleepers_[word.sleeping_++] = self;
    const rl::unpark_reason why = context.park_current_thread(deadline != kForever, false, false, rl_info(at));
    if (why == rl::unpark_reason_normal) return true;
    const auto end = word.sleepers_.begin() + static_cast<std::ptrdiff_t>(word.sleeping_);
    std::remove(word.sleepers_.begin(), end, self);
    --word.sleeping_;
    return false;
  }
  template <class T>
  static void wake_one(const Atomic<T>& word, const Place& at = Place::current()) {
    rl::ctx().sched();
    wake_first(word, at);
  }
  template <class T>
  static void wake_all(const Atomic<T>& word, const Place& at = Place::current()) {
    rl::ctx().sched();
    while (wake_first(word, at)) {}
  }

  static void pause(const Place& at = Place::current()) { rl::yield(1, rl_info(at)); }

  static std::uint64_t now_ns() { return 0; }
  static std::uint64_t preemptions() { return 0; }

 private:
  template <class T>
  static bool wake_first(const Atomic<T>& word, const Place& at) {
    if (word.sleeping_ == 0) return false;
    const rl::thread_id_t first = word.sleepers_[0];
    std::copy(word.sleepers_.begin() + 1, word.sleepers_.end(), word.sleepers_.begin());
    --word.sleeping_;
    rl::ctx().unpark_thread(first, false, rl_info(at));
    return true;
  }
};

}  // namespace yard::models
