// What the structures of this room are made of, as a policy: the same header is compiled over std::atomic where it
// ships, and over a checker's atomics where every interleaving of it is run (tests/models/relacy_atomics.h).
//
//   template <class T, class Sync = StdAtomics> class Ring {
//     typename Sync::template Atomic<std::size_t> tail_{0};   // std::atomic's interface
//     typename Sync::template Var<T> item_;                   // get(), set(): a race on it is a bug
//     typename Sync::template Word<T> slot_;                  // may be read while it is overwritten
//   };
//
// Every order that is not relaxed has a number and names its partner, and tests/mutation.py shows that a checker sees
// it weakened.
#pragma once
#include <atomic>
#include <cstdint>
#include <type_traits>

#include "scheduler/sync/futex.h"
#include "scheduler/sync/thread_time.h"

namespace yard {

struct StdAtomics {
  template <class T>
  using Atomic = std::atomic<T>;

  // A plain value that threads hand to each other: never two at once, which a checker proves.
  template <class T>
  class Var {
   public:
    Var() noexcept = default;
    explicit Var(const T& value) noexcept : value_(value) {}
    const T& get() const noexcept { return value_; }
    void set(const T& value) noexcept { value_ = value; }

   private:
    T value_{};
  };

  // A word that its writer may overwrite while others read it. What peek() answers is a guess; who learns, mostly by a
  // compare-and-swap that won, that the word was not to be overwritten yet says so with confirm(), and a checker then
  // holds that peek() to the law of a plain value: written before by who hands it over, overwritten only by one who
  // knows that it was read.
  template <class T>
  class Word {
    static_assert(std::is_trivially_copyable_v<T> && sizeof(T) <= 8);

   public:
    T peek() const noexcept { return value_.load(std::memory_order_relaxed); }
    void confirm() const noexcept {}
    void put(T value) noexcept { value_.store(value, std::memory_order_relaxed); }

   private:
    std::atomic<T> value_{};
  };

  // As in futex.h.
  template <class T>
  static bool sleep(const std::atomic<T>& word, std::uint32_t expected, Deadline deadline) noexcept {
    return futex_sleep(word, expected, deadline);
  }
  template <class T>
  static void wake_one(const std::atomic<T>& word) noexcept {
    futex_wake_one(word);
  }
  static void wake_all(const std::atomic<std::uint64_t>& word) noexcept { futex_wake_all(word); }

  // As in thread_time.h.
  static std::uint64_t now_ns() noexcept { return thread_now_ns(); }
  static std::uint64_t preemptions() noexcept { return thread_preemptions(); }

  // In a loop that waits for another thread's next write.
  static void pause() noexcept {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("isb");
#endif
  }
};

}  // namespace yard
