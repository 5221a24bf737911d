// A count that any thread adds to and any reads: for reports only, it orders nothing.
#pragma once
#include <cstdint>

#include "scheduler/sync/atomics.h"

namespace yard {

class Counter {
 public:
  // Returns: what it was before.
  std::uint64_t add() noexcept { return count_.fetch_add(1, std::memory_order_relaxed); }
  std::uint64_t count() const noexcept { return count_.load(std::memory_order_relaxed); }

 private:
  StdAtomics::Atomic<std::uint64_t> count_{0};
};

}  // namespace yard
