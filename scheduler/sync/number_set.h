// Numbers below 64 that any thread puts in and one takes out, all at once: who has news for a shard, however often it
// came.
//
// Threads: add() from any, take() from one. Both are wait-free: one read-modify-write.
// N1  a number that was put in is taken; put in again before, it is taken once.
// N2  what was written before add() is seen by who took that number.
#pragma once
#include <cstdint>

#include "scheduler/sync/atomics.h"

namespace yard {

template <class Sync>
class BasicNumberSet {
 public:
  void add(std::uint32_t number) noexcept {
    numbers_.fetch_or(std::uint64_t{1} << number, std::memory_order_release);  // (1) with (2)
  }

  // Returns: bit i for number i.
  std::uint64_t take() noexcept {
    if (numbers_.load(std::memory_order_relaxed) == 0) return 0;
    return numbers_.exchange(0, std::memory_order_acquire);  // (2) with (1)
  }

 private:
  typename Sync::template Atomic<std::uint64_t> numbers_{0};
};

using NumberSet = BasicNumberSet<StdAtomics>;

}  // namespace yard
