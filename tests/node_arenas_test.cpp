// Parts on NUMA nodes' arenas: each once, on any number of threads and nodes.
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <vector>

#include <gtest/gtest.h>

#include "scheduler/loop/node_arenas.h"

namespace yard {
namespace {

TEST(NodeArenas, EachPartIsDoneOnceAndWaitedFor) {
  for (const std::uint32_t threads : {0u, 1u, 2u, 5u}) {
    for (const std::uint32_t pretend : {0u, 1u, 2u, 3u}) {
      NodeArenas arenas(threads, pretend);
      if (pretend > 0) {
        EXPECT_EQ(arenas.nodes(), std::min(pretend, std::max(threads, 1u)));
      }
      for (const std::uint32_t n : {0u, 1u, 2u, 3u, 100u}) {
        std::vector<std::atomic<int>> done(n);
        arenas.each(n, [&](std::uint32_t i) { ++done[i]; });
        for (const std::atomic<int>& d : done) EXPECT_EQ(d, 1);
      }
    }
  }
}

}  // namespace
}  // namespace yard
