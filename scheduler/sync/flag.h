// Something that happens once: raised by any thread, seen by any. What was written before raise() is seen after up().
#pragma once
#include <atomic>

namespace yard {

class Flag {
 public:
  void raise() noexcept { raised_.store(true, std::memory_order_release); }     // (1) with (2)
  bool up() const noexcept { return raised_.load(std::memory_order_acquire); }  // (2) with (1)

 private:
  std::atomic<bool> raised_{false};
};

}  // namespace yard
