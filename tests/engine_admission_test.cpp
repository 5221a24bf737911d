// What an engine asks of its free KV blocks before it lets a waiting sequence in (EngineAdmission).
#include <gtest/gtest.h>

#include "tests/builders.h"

namespace yard {
namespace {

using builders::Given;
using builders::Said;
using builders::Scene;

// Blocks of one token; chunks of 8.
Given engine(std::int32_t kv_blocks, EngineAdmission admission) {
  Given given;
  given.pool({.kv_blocks = kv_blocks, .token_budget = 8});
  given.fleet.pools[0].admission = admission;
  return given;
}

TEST(EngineAdmission, OfAChunkLetsInWhoseFirstChunkFits) {
  Scene s(engine(20, {}));
  s.submit({.prompt = 6, .max_output = 9});
  s.submit({.prompt = 15});
  const Said said = s.poll();
  ASSERT_EQ(said.launches.size(), 1u);
  EXPECT_EQ(said.launches[0].slots.size(), 2u);
}

TEST(EngineAdmission, OfThePromptAsksForAllThatItHasToRead) {
  Scene s(engine(20, {.whole = true}));
  s.submit({.prompt = 6, .max_output = 9});
  s.submit({.prompt = 15});
  const Said said = s.poll();
  ASSERT_EQ(said.launches.size(), 1u);
  EXPECT_EQ(said.launches[0].slots.size(), 1u);
  EXPECT_EQ(said.launches[0].bound_by, BoundBy::kv);
}

TEST(EngineAdmission, OfThePromptLeasesTheFirstChunkOnly) {
  Scene s(engine(20, {.whole = true}));
  s.submit({.prompt = 20, .max_output = 1});
  const Said said = s.poll();
  ASSERT_EQ(said.launches.size(), 1u);
  EXPECT_EQ(said.launches[0].slots[0].granted, Blocks(8));
}

TEST(EngineAdmission, AWatermarkStaysFreeWhereOthersRun) {
  Scene s(engine(20, {.watermark = Blocks(13)}));
  s.submit({.prompt = 4, .max_output = 9});
  s.submit({.prompt = 4});
  const Said said = s.poll();
  ASSERT_EQ(said.launches.size(), 1u);
  EXPECT_EQ(said.launches[0].slots.size(), 1u);
}

TEST(EngineAdmission, AWatermarkKeepsNobodyOutOfAnIdleEngine) {
  Scene s(engine(20, {.watermark = Blocks(20)}));
  s.submit({.prompt = 20, .max_output = 1});
  EXPECT_EQ(s.poll().launches.size(), 1u);
}

}  // namespace
}  // namespace yard
