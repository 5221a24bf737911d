// Parallel parts that are no tick (a fleet's cells, a comparison's simulations) on oneTBB: an arena for each NUMA node
// where there are several, each bound to its node, so that what a part touched lies near who touches it next time.
//
// Part i always goes to the same node. Which thread takes it, and when, is nobody's promise.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>

namespace yard {

class NodeArenas {
 public:
  // On at most so many threads, the calling one included. `pretend`: as if there were so many nodes, without binding
  // to any; 0: those of this machine. Errors: std::bad_alloc.
  explicit NodeArenas(std::uint32_t threads, std::uint32_t pretend = 0);
  ~NodeArenas();

  // act(0) .. act(n - 1), each once, and waits for all of them. Requires: act does not throw.
  void each(std::uint32_t n, const std::function<void(std::uint32_t)>& act);

  std::uint32_t nodes() const noexcept;

 private:
  struct Node;
  std::unique_ptr<Node[]> nodes_;
  std::uint32_t count_ = 1;
  bool alone_ = false;  // one thread: no arena
};

}  // namespace yard
