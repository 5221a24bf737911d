// What the inbox was chosen over, in its dress: a ring whose places hold the items (Vyukov's), and a stack of pooled
// nodes that the consumer takes whole. For benches only.
#pragma once
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace yard::rivals {

// Stops at a place that is claimed and not yet written.
template <class T>
class PlaceRing {
 public:
  explicit PlaceRing(std::size_t capacity) : mask_(std::bit_ceil(capacity) - 1), cells_(new Cell[mask_ + 1]) {
    for (std::size_t i = 0; i <= mask_; ++i) cells_[i].turn.store(2 * i, std::memory_order_relaxed);
  }
  bool push(const T& item) {
    std::uint64_t place = tail_.load(std::memory_order_relaxed);
    for (;;) {
      Cell& cell = cells_[place & mask_];
      const std::uint64_t turn = cell.turn.load(std::memory_order_acquire);
      if (turn == 2 * place) {
        if (!tail_.compare_exchange_weak(place, place + 1, std::memory_order_relaxed)) continue;
        cell.item = item;
        cell.turn.store(turn + 1, std::memory_order_release);
        return true;
      }
      if (turn < 2 * place) return false;
      place = tail_.load(std::memory_order_relaxed);
    }
  }
  std::size_t drain(std::span<T> out) {
    std::size_t n = 0;
    for (; n < out.size(); ++head_) {
      Cell& cell = cells_[head_ & mask_];
      if (cell.turn.load(std::memory_order_acquire) != 2 * head_ + 1) break;
      out[n++] = cell.item;
      cell.turn.store(2 * (head_ + mask_ + 1), std::memory_order_release);
    }
    return n;
  }

 private:
  struct Cell {
    std::atomic<std::uint64_t> turn;
    T item;
  };
  const std::size_t mask_;
  const std::unique_ptr<Cell[]> cells_;
  alignas(64) std::atomic<std::uint64_t> tail_{0};
  alignas(64) std::uint64_t head_ = 0;
};

// Nodes come from a free list with a counter against ABA; the consumer turns what it took round and gives all back at
// once.
template <class T>
class NodeStack {
  static constexpr std::uint32_t kNone = 0xffff'ffff;

 public:
  explicit NodeStack(std::size_t capacity) : nodes_(new Node[capacity]) {
    for (std::size_t i = 0; i < capacity; ++i)
      nodes_[i].next.store(i + 1 < capacity ? static_cast<std::uint32_t>(i + 1) : kNone, std::memory_order_relaxed);
  }
  bool push(const T& item) {
    std::uint64_t free = free_.load(std::memory_order_acquire);
    std::uint32_t node = 0;
    do {
      node = static_cast<std::uint32_t>(free);
      if (node == kNone) return false;
    } while (!free_.compare_exchange_weak(
        free, ((free >> 32) + 1) << 32 | nodes_[node].next.load(std::memory_order_relaxed), std::memory_order_acquire));
    nodes_[node].item = item;
    std::uint32_t top = top_.load(std::memory_order_relaxed);
    do nodes_[node].next.store(top, std::memory_order_relaxed);
    while (!top_.compare_exchange_weak(top, node, std::memory_order_release, std::memory_order_relaxed));
    return true;
  }
  std::size_t drain(std::span<T> out) {
    if (taken_ == kNone) {
      std::uint32_t node = top_.exchange(kNone, std::memory_order_acquire);
      while (node != kNone) {  // oldest first
        const std::uint32_t next = nodes_[node].next.load(std::memory_order_relaxed);
        nodes_[node].next.store(taken_, std::memory_order_relaxed);
        taken_ = node;
        node = next;
      }
    }
    const std::uint32_t first = taken_;
    std::uint32_t last = kNone;
    std::size_t n = 0;
    for (; n < out.size() && taken_ != kNone;
         last = taken_, taken_ = nodes_[taken_].next.load(std::memory_order_relaxed))
      out[n++] = nodes_[taken_].item;
    if (n == 0) return 0;
    std::uint64_t free = free_.load(std::memory_order_relaxed);
    do nodes_[last].next.store(static_cast<std::uint32_t>(free), std::memory_order_relaxed);
    while (!free_.compare_exchange_weak(free, ((free >> 32) + 1) << 32 | first, std::memory_order_release,
                                        std::memory_order_relaxed));
    return n;
  }

 private:
  struct Node {
    std::atomic<std::uint32_t> next;
    T item;
  };
  const std::unique_ptr<Node[]> nodes_;
  alignas(64) std::atomic<std::uint64_t> free_{0};
  alignas(64) std::atomic<std::uint32_t> top_{kNone};
  alignas(64) std::uint32_t taken_ = kNone;  // the consumer's, oldest first
};

}  // namespace yard::rivals
