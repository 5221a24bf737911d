#include "scheduler/loop/node_arenas.h"

#include <algorithm>
#include <vector>

#include <tbb/info.h>
#include <tbb/parallel_for.h>
#include <tbb/task_arena.h>
#include <tbb/task_group.h>

#include "scheduler/base/sanitized.h"

namespace yard {

struct NodeArenas::Node {
  tbb::task_arena arena;
  tbb::task_group group;
};

NodeArenas::NodeArenas(std::uint32_t threads, std::uint32_t pretend) : alone_(threads <= 1) {
  constexpr tbb::numa_node_id kAny = tbb::task_arena::automatic;  // by value: the library defines no such object
  std::vector<tbb::numa_node_id> nodes(pretend, kAny);
  // One, "any", where the library cannot tell. What it asks hwloc with it loads as no sanitizer lets it.
  if (pretend == 0) nodes = kSanitized ? std::vector{kAny} : tbb::info::numa_nodes();
  count_ = std::clamp<std::uint32_t>(static_cast<std::uint32_t>(nodes.size()), 1, std::max(threads, 1u));
  nodes_ = std::make_unique<Node[]>(count_);
  for (std::uint32_t n = 0; n < count_; ++n) {
    const auto share = static_cast<int>((threads + count_ - 1 - n) / count_);
    if (count_ == 1) {
      nodes_[n].arena.initialize(std::max(1, share));
    } else {
      nodes_[n].arena.initialize(
          tbb::task_arena::constraints{}.set_numa_id(nodes[n]).set_max_concurrency(std::max(1, share)));
    }
  }
}

NodeArenas::~NodeArenas() = default;

std::uint32_t NodeArenas::nodes() const noexcept { return count_; }

void NodeArenas::each(std::uint32_t n, const std::function<void(std::uint32_t)>& act) {
  if (alone_) {
    for (std::uint32_t i = 0; i < n; ++i) act(i);
    return;
  }
  const auto parts_of = [&](std::uint32_t node) {
    const std::uint32_t parts = node < n ? (n - node - 1) / count_ + 1 : 0;
    tbb::parallel_for(0u, parts, [&](std::uint32_t k) { act(node + k * count_); }, tbb::simple_partitioner());
  };
  for (std::uint32_t node = 1; node < count_; ++node)
    nodes_[node].arena.execute([&, node] { nodes_[node].group.run([&parts_of, node] { parts_of(node); }); });
  nodes_[0].arena.execute([&] { parts_of(0); });
  for (std::uint32_t node = 1; node < count_; ++node)
    nodes_[node].arena.execute([&, node] { nodes_[node].group.wait(); });
}

}  // namespace yard
