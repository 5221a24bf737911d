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

// Prompts that begin with the same 16 tokens, in prefix blocks of 4.
TEST(EngineAdmission, WhatOthersHoldOfItsPromptIsThereAlready) {
  Given given = engine(30, {.whole = true});
  given.fleet.models[0].prefix_block = Tokens(4);
  Scene s(given);
  const BlockHash prefix[] = {{1}, {2}, {3}, {4}};
  const auto submit = [&](std::uint32_t slot, std::int32_t prompt) {
    s.core().apply(Submitted{.request = {slot, 1},
                             .model = {0},
                             .tenant = {0},
                             .slo = {0},
                             .prompt = Tokens(prompt),
                             .max_output = Tokens(9),
                             .regions = {},
                             .arrival = s.now(),
                             .prefix = prefix},
                   s.now());
  };
  submit(0, 16);
  s.poll();
  s.step(0);  // the first 8 tokens are read
  submit(1, 20);
  const Said said = s.step(0);  // and all 16: 17 of 30 blocks are taken, so 20 more would not fit
  ASSERT_EQ(said.launches.size(), 1u);
  ASSERT_EQ(said.launches[0].slots.size(), 2u);
  EXPECT_EQ(said.launches[0].slots[1].context, Tokens(16));
}

}  // namespace
}  // namespace yard
