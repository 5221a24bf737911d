// Many producers, one consumer, bounded, drained in batches: how news comes to a shard.
//
// A ring of cells, each with the number of the turn it is in (Vyukov, bounded MPMC queue, 1024cores.net, 2010), here
// with one consumer, so that its side needs no compare-and-swap. Chosen over boost::lockfree::queue: that one follows a
// node's free list by plain reads that a recycling producer overwrites (benign there, but a report under TSan), and it
// pops one at a time.
//
// Threads: push() from any, drain() from one.
// N1  a push that happened before another one's begin is drained before it.
// N2  what a pushing thread wrote before push() is seen by the consumer after it drained that item.
// N3  a full inbox answers false at once and changes nothing; capacity() items always fit.
#pragma once
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>
#include <span>
#include <type_traits>

#include "scheduler/base/check.h"

namespace yard {

template <class T>
class Inbox {
  static_assert(std::is_trivially_copyable_v<T> && std::is_trivially_destructible_v<T>);

 public:
  // Holds `at_least` items: rounded up to a power of two, no fewer than 2 (with one cell, a full turn and the next free
  // one have the same number). Memory is touched as it is used. Errors: std::bad_alloc.
  explicit Inbox(std::size_t at_least)
      : mask_(std::bit_ceil(at_least < 2 ? std::size_t{2} : at_least) - 1),
        cells_(static_cast<Cell*>(std::calloc(mask_ + 1, sizeof(Cell)))) {
    if (!cells_) throw std::bad_alloc();
  }
  Inbox(const Inbox&) = delete;
  Inbox& operator=(const Inbox&) = delete;

  // Returns: false when full.
  bool push(const T& item) noexcept {
    std::size_t place = tail_.load(std::memory_order_relaxed);
    for (;;) {
      Cell& cell = cells_.get()[place & mask_];
      const std::size_t free = turn_of(place);
      const std::size_t turn = cell.turn.load(std::memory_order_acquire);  // (1) with (4): the cell was emptied
      if (turn == free) {
        if (!tail_.compare_exchange_weak(place, place + 1, std::memory_order_relaxed)) continue;
        new (cell.item) T(item);
        cell.turn.store(free + 1, std::memory_order_release);  // (2) with (3): the item is written
        return true;
      }
      // Behind the turn of `place`: the cell still holds the item of a round ago. Ahead: another producer took `place`.
      if (static_cast<std::ptrdiff_t>(turn - free) < 0) return false;
      place = tail_.load(std::memory_order_relaxed);
    }
  }

  // Takes the oldest items, as many as there are and `out` holds. Returns: how many. Stops at a place that a producer
  // has claimed and not yet written; that producer will ring after writing it.
  std::size_t drain(std::span<T> out) noexcept {
    std::size_t n = 0;
    while (n < out.size()) {
      Cell& cell = cells_.get()[head_ & mask_];
      const std::size_t free = turn_of(head_);
      if (cell.turn.load(std::memory_order_acquire) != free + 1) break;  // (3) with (2)
      out[n++] = *std::launder(reinterpret_cast<T*>(cell.item));
      cell.turn.store(free + 2, std::memory_order_release);  // (4) with (1)
      ++head_;
    }
    return n;
  }

  std::size_t capacity() const noexcept { return mask_ + 1; }

 private:
  // Turns count by two: even, free for that round; odd, full. All zero is thus an empty ring.
  struct Cell {
    std::atomic<std::size_t> turn;
    alignas(T) std::byte item[sizeof(T)];
  };
  struct Free {
    void operator()(Cell* cells) const { std::free(cells); }
  };
  std::size_t turn_of(std::size_t place) const noexcept { return place / (mask_ + 1) * 2; }

  const std::size_t mask_;
  const std::unique_ptr<Cell, Free> cells_;
  alignas(64) std::atomic<std::size_t> tail_{0};  // producers
  alignas(64) std::size_t head_ = 0;              // the consumer
};

}  // namespace yard
