// What becomes of requests when there is no place for them: who gives way, and when the others may come back.
#include <gtest/gtest.h>

#include <vector>

#include "tests/builders.h"

namespace yard {
namespace {

using builders::Given;
using builders::Said;
using builders::Scene;

constexpr std::uint32_t kTop = 0, kMiddle = 1, kLow = 2;

// Three ranks, one sequence at a time, and places for four.
Given ranked(std::uint32_t at_a_time = 1) {
  Given given;
  given.fleet.classes.clear();
  for (const std::uint32_t rank : {kTop, kMiddle, kLow}) given.fleet.classes.emplace_back().rank = rank;
  given.bounds.sequences = 4;
  return given.pool({.max_sequences = at_a_time});
}

TEST(Overload, TheLeastImportantThatWaitsGivesWay) {
  Scene s(ranked());
  s.submit({.slo = kTop});
  s.submit({.slo = kMiddle}), s.submit({.slo = kLow});
  const RequestId last = s.submit({.slo = kLow});
  s.poll();
  s.submit({.slo = kTop});
  const Said said = s.poll();
  ASSERT_EQ(said.finishes.size(), 1u);
  EXPECT_EQ(said.finishes[0].request, last) << "of the lowest rank the one that came last";
  EXPECT_EQ(said.finishes[0].outcome, Outcome::rejected);
  EXPECT_EQ(said.finishes[0].why, Reason::shed);
  EXPECT_GE(said.finishes[0].retry_after, seconds(1));
}

TEST(Overload, OfOnesOwnRankOrALowerOneNobodyGivesWay) {
  Scene s(ranked());
  for (int k = 0; k < 4; ++k) s.submit({.slo = kMiddle});
  s.poll();
  for (const std::uint32_t slo : {kMiddle, kLow}) {
    s.submit({.slo = slo});
    const Said said = s.poll();
    ASSERT_EQ(said.finishes.size(), 1u);
    EXPECT_EQ(said.finishes[0].why, Reason::queue_full);
    EXPECT_GE(said.finishes[0].retry_after, seconds(1));
  }
}

TEST(Overload, WhoWasAdmittedDoesNotGiveWay) {
  Scene s(ranked(4));
  for (int k = 0; k < 4; ++k) s.submit({.slo = kLow});
  s.poll();
  s.submit({.slo = kTop});
  EXPECT_EQ(s.poll().finishes[0].why, Reason::queue_full);
}

TEST(Overload, NobodyGivesWayToWhatCannotBeServed) {
  Given given = ranked();
  given.fleet.tenants[1].requests = {.per_s_thousandths = 1, .burst = 1};
  Scene s(given);
  s.submit({.slo = kTop, .tenant = 1});
  for (int k = 0; k < 3; ++k) s.submit({.slo = kLow});
  s.poll();
  s.submit({.prompt = 0, .slo = kTop});
  EXPECT_EQ(s.poll().finishes[0].why, Reason::empty_prompt);
  s.submit({.slo = kTop, .tenant = 1});
  const Said said = s.poll();
  ASSERT_EQ(said.finishes.size(), 1u);
  EXPECT_EQ(said.finishes[0].why, Reason::quota);
}

TEST(Overload, ATenantsOffsetCounts) {
  Given given = ranked();
  given.fleet.tenants[1].rank_offset = 2;
  Scene s(given);
  s.submit({.slo = kTop});
  const RequestId lower = s.submit({.slo = kMiddle, .tenant = 1});
  s.submit({.slo = kLow}), s.submit({.slo = kLow});
  s.poll();
  s.submit({.slo = kTop});
  EXPECT_EQ(s.poll().finishes[0].request, lower);
}

TEST(Overload, OfOneRankTheTenantWithMostWaitingForItsWeightGivesWay) {
  Given given = ranked();
  given.bounds.sequences = 9;
  given.fleet.tenants[0].weight = 3, given.fleet.tenants[1].weight = 1;
  Scene s(given);
  s.submit();
  for (int k = 0; k < 5; ++k) s.submit({.tenant = 0});
  RequestId last;
  for (int k = 0; k < 3; ++k) last = s.submit({.tenant = 1});
  s.poll();
  // 5 waiting of weight 3, 3 of weight 1: 6 / 3 < 3, but not less than 2 once one gave way.
  s.submit({.tenant = 0});
  Said said = s.poll();
  ASSERT_EQ(said.finishes.size(), 1u);
  EXPECT_EQ(said.finishes[0].request, last);
  EXPECT_EQ(said.finishes[0].why, Reason::shed);
  s.submit({.tenant = 0});
  EXPECT_EQ(s.poll().finishes[0].why, Reason::queue_full);
  s.submit({.tenant = 1});
  EXPECT_EQ(s.poll().finishes[0].why, Reason::queue_full);
}

TEST(Overload, TheMoreWaitsTheLaterOneMayComeBack) {
  Duration before;
  for (const std::uint32_t waiting : {1u, 10u, 50u, 200u, 800u}) {
    Given given;
    given.fleet.classes[0].ttft = milliseconds(500);
    given.bounds = {.sequences = waiting, .events_per_tick = 1000};
    Scene s(given.pool(
        {.kv_blocks = 100'000, .max_sequences = 8, .token_budget = 512, .c0 = 10'000'000'000, .c1 = 50'000'000}));
    for (std::uint32_t k = 0; k < waiting; ++k) s.submit({.prompt = 1000, .max_output = 100});
    s.poll();
    s.submit({.prompt = 1000, .max_output = 100});
    const Said said = s.poll();
    ASSERT_EQ(said.finishes.size(), 1u);
    const Duration retry = said.finishes[0].retry_after;
    EXPECT_GE(retry, std::max(seconds(1), before)) << waiting;
    EXPECT_LE(retry, seconds(3600)) << waiting;
    before = retry;
  }
  // 800 prompts of 1,000 tokens at 50 us and their answers, eight at a time, of 100 tokens at 10 ms: 40 s and 100 s.
  EXPECT_GT(before, seconds(100));
  EXPECT_LT(before, seconds(200));
}

TEST(Overload, WhoMayWaitLongerAnywayMayComeBackSooner) {
  std::vector<Duration> retries;
  for (const std::int64_t ttft_s : {0, 30}) {
    Given given;
    given.fleet.classes[0].ttft = seconds(ttft_s);
    given.bounds = {.sequences = 800, .events_per_tick = 1000};
    Scene s(given.pool({.kv_blocks = 100'000, .c0 = 10'000'000'000, .c1 = 50'000'000}));
    for (int k = 0; k < 801; ++k) s.submit({.prompt = 1000, .max_output = 100});
    retries.push_back(s.poll().finishes.at(0).retry_after);
  }
  EXPECT_EQ(retries[0] - retries[1], seconds(30));
}

}  // namespace
}  // namespace yard
