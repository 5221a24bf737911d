// Numbers of 32 bits, first in, first out: any thread puts in, any takes out.
//
// A ring of words, each a number and the turn in which it was written. Who puts in swaps the word of the place that
// is next for its own by one compare-and-swap, and then moves the tail on; whoever finds a written place at the tail
// moves it on too. Who takes moves the head on by one compare-and-swap, and then has the number that it read before:
// nobody overwrites a place that the head has not passed.
//
// (Vyukov's ring, 1024cores.net, 2010, claims a place first and writes it then: one who is stopped in between hides
// all that comes after it from everybody. Here a place is claimed by its being written.)
//
// Threads: any.
// R1  a number that was put in is taken once, in the order of the puts.
// R2  what was written before push() is seen by who takes the number.
// R3  a full ring answers false at once and changes nothing; full only where capacity() numbers are in it.
// R4  a take() finds what was put in by a push() that happened before it, unless it was taken.
// Progress: lock-free. A compare-and-swap fails only where another's won, and nobody waits for anybody.
// Bound: turns are 32 bits. One who is stopped between its look at a place and its compare-and-swap for exactly 2^32
// rounds would not see that they passed.
#pragma once
#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "scheduler/sync/atomics.h"

namespace yard {

template <class Sync = StdAtomics>
class NumberRing {
 public:
  // Holds `at_least` numbers: rounded up to a power of two. Errors: std::bad_alloc.
  explicit NumberRing(std::size_t at_least)
      : mask_(std::bit_ceil(std::max<std::size_t>(at_least, 1)) - 1),
        shift_(static_cast<unsigned>(std::countr_zero(mask_ + 1))),
        words_(std::make_unique<Word[]>(mask_ + 1)) {}
  NumberRing(const NumberRing&) = delete;
  NumberRing& operator=(const NumberRing&) = delete;

  // In one order with a seq_cst load after it, as TaskDeque::push_before_look(). Returns: false when full.
  bool push(std::uint32_t number) noexcept {
    for (;;) {
      const std::uint64_t tail = tail_.load(std::memory_order_acquire);  // (1) with (4): not before the head is read
      Word& place = words_[tail & mask_];
      std::uint64_t word = place.load(std::memory_order_acquire);  // (2) with (3): who moves the tail on knows as much
      const auto ahead = static_cast<std::int32_t>(turn_of(word) - turn_at(tail));
      if (ahead == 0) {
        move_on(tail);
      } else if (ahead < 0) {
        if (static_cast<std::int64_t>(tail - head_.load(std::memory_order_relaxed)) > static_cast<std::int64_t>(mask_))
          return false;
        if (!place.compare_exchange_strong(word, word_of(turn_at(tail), number), std::memory_order_seq_cst,  // (3)
                                           std::memory_order_relaxed))
          continue;
        move_on(tail);
        return true;
      }
    }
  }

  // Returns: false when there is none.
  bool take(std::uint32_t& number) noexcept {
    std::uint64_t head = head_.load(std::memory_order_relaxed);
    for (;;) {
      const std::uint64_t word = words_[head & mask_].load(std::memory_order_acquire);  // (5) with (3)
      const auto ahead = static_cast<std::int32_t>(turn_of(word) - turn_at(head));
      if (ahead < 0) return false;  // not written, as far as can be seen from here
      if (ahead != 0) {
        head = head_.load(std::memory_order_relaxed);
      } else if (head_.compare_exchange_strong(head, head + 1, std::memory_order_relaxed, std::memory_order_relaxed)) {
        number = static_cast<std::uint32_t>(word);
        return true;
      }
    }
  }

  // After a seq_cst read-modify-write that says so of who will sleep, as TaskDeque::empty().
  bool empty() const noexcept {
    const std::uint64_t head = head_.load(std::memory_order_relaxed);
    const std::uint64_t word = words_[head & mask_].load(std::memory_order_seq_cst);  // (6) with (3)
    return static_cast<std::int32_t>(turn_of(word) - turn_at(head)) < 0;
  }

  std::size_t capacity() const noexcept { return mask_ + 1; }

 private:
  using Word = typename Sync::template Atomic<std::uint64_t>;  // turn, number; turns count from 1

  static std::uint32_t turn_of(std::uint64_t word) noexcept { return static_cast<std::uint32_t>(word >> 32); }
  static std::uint64_t word_of(std::uint32_t turn, std::uint32_t number) noexcept {
    return std::uint64_t{turn} << 32 | number;
  }
  std::uint32_t turn_at(std::uint64_t place) const noexcept { return static_cast<std::uint32_t>(place >> shift_) + 1; }

  void move_on(std::uint64_t tail) noexcept {
    tail_.compare_exchange_strong(tail, tail + 1, std::memory_order_release,
                                  std::memory_order_relaxed);  // (4) with (1)
  }

  const std::size_t mask_;
  const unsigned shift_;
  const std::unique_ptr<Word[]> words_;
  alignas(64) Word tail_{0};  // the place to be written next, or the one before it
  alignas(64) Word head_{0};  // the place to be taken next
};

}  // namespace yard
