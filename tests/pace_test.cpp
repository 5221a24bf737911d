#include "scheduler/core/pace.h"

#include <gtest/gtest.h>

#include <cstdint>

#include "tests/builders.h"

namespace yard {
namespace {

TEST(Pace, FollowsWhatRunsTakeAndTakesAPercentForRight) {
  std::uint32_t pace = kPaceAsSaid;
  pace = pace_after(pace, nanoseconds(1015), Picoseconds(1'000'000));
  EXPECT_EQ(pace, kPaceAsSaid);
  for (int k = 0; k < 100; ++k) pace = pace_after(pace, microseconds(15), Picoseconds(10'000'000));
  EXPECT_NEAR(pace, 1536, 16);
  for (int k = 0; k < 100; ++k) pace = pace_after(pace, microseconds(8), Picoseconds(10'000'000));
  EXPECT_NEAR(pace, 819, 16);
}

TEST(Pace, IsNeverBeyondFour) {
  std::uint32_t slow = kPaceAsSaid, fast = kPaceAsSaid;
  for (int k = 0; k < 300; ++k) {
    slow = pace_after(slow, seconds(1'000'000'000), Picoseconds(1'000'000'000'000));
    fast = pace_after(fast, Duration(0), Picoseconds(1));
  }
  EXPECT_NEAR(slow, 4096, 16);
  EXPECT_NEAR(fast, 256, 16);
}

TEST(Pace, OfASlowDeviceIsLearntFromItsRuns) {
  struct SeenPace final : Onlooker {
    void saw(const Decision& d) noexcept override { pace = {d.devices.pace.begin(), d.devices.pace.end()}; }
    std::vector<std::uint32_t> pace;
  } seen;
  builders::Given given;
  given.pool({.c0 = 1'000'000'000, .c1 = 1'000'000}).pool({.c0 = 1'000'000'000}).policy("round_robin");
  given.policies.onlooker = &seen;
  builders::Scene s(given);
  std::int64_t now = 0;
  for (int k = 0; k < 100; ++k) {  // each read in a step that should take 1.01 ms, and takes 1.5 times that
    s.submit({.prompt = 10, .max_output = 1});
    s.submit({.prompt = 10, .max_output = 1});
    s.poll();
    s.at(now += 1'515'000);
    s.end_run(0);
    s.end_run(1);
    s.poll();
  }
  s.submit({.prompt = 1, .max_output = 1});
  s.poll();
  ASSERT_EQ(seen.pace.size(), 2u);
  EXPECT_NEAR(seen.pace[0], 1536, 16);
  EXPECT_NEAR(seen.pace[1], 1551, 16) << "its steps should take 1 ms";
}

// As of a step twice as long: half as much is read beside one who decodes.
TEST(Pace, AChunkIsWhatFitsAtTheDevicesPace) {
  const auto reads_beside = [](std::int64_t step_ns) {
    builders::Given given;
    given.pool({.kv_blocks = 10'000, .token_budget = 5000, .c0 = 1'000'000'000, .c1 = 10'000'000})
        .policy("round_robin");
    given.fleet.pools[0].chunk = Chunk::objective;
    given.fleet.classes[0].tpot = milliseconds(20);
    builders::Scene s(given);
    std::int64_t now = 0;
    for (int k = 0; k < 100; ++k) {
      s.submit({.prompt = 100, .max_output = 1});
      s.poll();
      s.at(now += 2 * step_ns);  // should take 2 ms
      s.end_run(0);
      s.poll();
    }
    s.submit({.prompt = 100, .max_output = 5});
    s.poll();
    s.at(now += 2 * step_ns);
    s.end_run(0);
    s.submit({.prompt = 4000, .max_output = 5});
    const auto said = s.poll();
    std::int32_t reads = 0;
    for (const Slot& slot : said.launches.at(0).slots) reads = std::max(reads, slot.prefill.count());
    return reads;
  };
  const std::int32_t as_said = reads_beside(1'000'000), slow = reads_beside(2'000'000);
  EXPECT_NEAR(as_said, 1800, 20);  // 19 ms less 1 ms, at 10 us a token
  EXPECT_NEAR(slow, 850, 20);      // 19 ms less 2 ms, at 20 us a token
}

}  // namespace
}  // namespace yard
