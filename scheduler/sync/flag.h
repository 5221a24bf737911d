// Something that happens once: raised by any thread, seen by any. What was written before raise() is seen after up().
#pragma once
#include "scheduler/sync/atomics.h"

namespace yard {

template <class Sync>
class BasicFlag {
 public:
  void raise() noexcept { raised_.store(true, std::memory_order_release); }     // (1) with (2)
  bool up() const noexcept { return raised_.load(std::memory_order_acquire); }  // (2) with (1)

 private:
  typename Sync::template Atomic<bool> raised_{false};
};

using Flag = BasicFlag<StdAtomics>;

}  // namespace yard
