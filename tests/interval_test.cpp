// Intervals hold what they say: before a drift, soon after it, by group, for steps and for sums of steps. Real rows are
// in interval_data_test.cpp.
#include "scheduler/cost/interval.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include <fmt/format.h>

#include "scheduler/cost/online.h"
#include "scheduler/validate/learning_system.h"

namespace yard {
namespace {

using learning::System;

struct Coverage {
  std::int64_t inside = 0, below_q90 = 0, below_q99 = 0, all = 0;

  void count(Ratio score, Ratio q05, Ratio q90, Ratio q95, Ratio q99) {
    inside += score >= q05 && score <= q95, below_q90 += score <= q90, below_q99 += score <= q99, ++all;
  }
  double percent(std::int64_t n) const { return 100.0 * static_cast<double>(n) / static_cast<double>(all); }
  double interval() const { return percent(inside); }
  double q90() const { return percent(below_q90); }
  double q99() const { return percent(below_q99); }
};

// A skewed score: 1 + a triangle to the right, in thousandths.
Ratio skewed(Rng& rng, std::int64_t wide) {
  const auto least = std::min(rng.below(1000), rng.below(1000));
  return static_cast<Ratio>(kRatioOne + static_cast<std::int64_t>(least) * wide * kRatioOne / 1'000'000);
}

// n scores of one world: the next is below the ceil((n + 1) q)-th of them with probability between q and q + 1/(n + 1).
TEST(Conformal, OfExchangeableScoresIsExactWithoutAnyAdapting) {
  std::int64_t covered = 0, levels = 0;
  constexpr int kTrials = 20'000;
  Rng rng(1);
  for (int trial = 0; trial < kTrials; ++trial) {
    Conformal of(0);
    for (int i = 0; i < 29; ++i) of.add(skewed(rng, 300));
    ASSERT_TRUE(of.known(Level::q90));
    ASSERT_FALSE(of.known(Level::q99));
    covered += skewed(rng, 300) <= of.quantile(Level::q90);
    levels += skewed(rng, 300) >= of.quantile(Level::q05);
  }
  EXPECT_NEAR(static_cast<double>(covered) / kTrials, 27.0 / 30, 0.008);
  EXPECT_NEAR(static_cast<double>(levels) / kTrials, 1 - 2.0 / 30, 0.008);
}

// Scores that grow and jump whenever it hurts: the share covered is held all the same.
TEST(Conformal, HoldsItsShareThoughTheWorldChanges) {
  for (const std::uint64_t seed : {1u, 2u, 3u}) {
    Rng rng(seed);
    Conformal adapts, does_not(0);
    Coverage yes, no;
    std::int64_t wide = 100, at = 0;
    for (int i = 0; i < 20'000; ++i) {
      if (i % 700 == 0) wide = 20 + static_cast<std::int64_t>(rng.below(400));
      at += i % 3000 < 1500 ? 8 : -8;  // creeps up by a fifth, and down
      const Ratio score = skewed(rng, wide) + static_cast<Ratio>(at);
      for (auto* one : {&adapts, &does_not}) {
        if (one->known(Level::q99))
          (one == &adapts ? yes : no)
              .count(score, one->quantile(Level::q05), one->quantile(Level::q90), one->quantile(Level::q95),
                     one->quantile(Level::q99));
        one->add(score);
      }
    }
    EXPECT_NEAR(yes.q90(), 90, 1) << seed;
    EXPECT_NEAR(yes.q99(), 99, 0.5) << seed;
    EXPECT_NEAR(yes.interval(), 90, 2) << seed;
    EXPECT_LT(no.q90(), yes.q90()) << seed;
  }
}

TEST(Conformal, ForgetsTheLatestAndThenKnowsWhatItKnewBefore) {
  Rng rng(5);
  Conformal of(0), before(0);
  for (int i = 0; i < 150; ++i) of.add(skewed(rng, 100));
  before = of;
  for (int i = 0; i < 40; ++i) of.add(skewed(rng, 100) * 2);
  EXPECT_GT(of.quantile(Level::q95), before.quantile(Level::q95));
  of.forget_latest(40);
  EXPECT_EQ(of.quantile(Level::q95), before.quantile(Level::q95));
  EXPECT_EQ(of.count(), 150u);
  of.forget_latest(1000);
  EXPECT_EQ(of.count(), 0u);
}

// Steps that read are off by ten times as much as decodes: each group has its own scores.
TEST(StepIntervals, EachGroupHoldsItsShare) {
  Rng rng(6);
  StepIntervals by_group;
  Conformal together;
  Coverage decodes, reads, decodes_together, reads_together;
  for (int i = 0; i < 12'000; ++i) {
    const bool reading = rng.below(4) == 0;
    const std::uint32_t group = shape_group(16, reading ? 512 : 0);
    const Ratio score = skewed(rng, reading ? 500 : 50);
    if (i >= 2000) {
      const auto q = [&](Level level) {
        return by_group.known(level) ? by_group.quantile(group, level) : static_cast<Ratio>(kRatioOne);
      };
      (reading ? reads : decodes).count(score, q(Level::q05), q(Level::q90), q(Level::q95), q(Level::q99));
      const auto all = [&](Level level) { return together.quantile(level); };
      (reading ? reads_together : decodes_together)
          .count(score, all(Level::q05), all(Level::q90), all(Level::q95), all(Level::q99));
    }
    by_group.add(group, score), together.add(score);
  }
  EXPECT_NEAR(decodes.q90(), 90, 1);
  EXPECT_NEAR(reads.q90(), 90, 1);
  EXPECT_GT(decodes_together.q90(), 99);
  EXPECT_LT(reads_together.q90(), 70);
}

TEST(StepIntervals, AGroupWithoutScoresSpeaksByAllGroups) {
  StepIntervals some;
  EXPECT_FALSE(some.known(Level::q50));
  for (int i = 0; i < 50; ++i) some.add(3, kRatioOne + i);
  EXPECT_EQ(some.quantile(0, Level::q90), some.quantile(3, Level::q90));
}

TEST(NormalisedIntervals, ScaleWithTheErrorThatIsTold) {
  NormalisedIntervals of;
  EXPECT_NEAR(of.quantile(6554, Level::q90), kRatioOne * (1 + 2 * 0.1 * 1.2816), 100) << "a guess, twice as wide";
  System draws(3, {});
  Coverage by_error[2];
  for (int i = 0; i < 6000; ++i) {
    const std::int64_t sigma = i % 2 ? 6554 : 655;
    const auto score = static_cast<Ratio>(kRatioOne + sigma * draws.normal() / 1024);
    const auto q = [&](Level level) { return of.quantile(sigma, level); };
    if (i > 1000) by_error[i % 2].count(score, q(Level::q05), q(Level::q90), q(Level::q95), q(Level::q99));
    of.add(sigma, score);
  }
  for (const Coverage& c : by_error) EXPECT_NEAR(c.interval(), 90, 2);
}

// ---- a slowdown -----------------------------------------------------------------------------------------------------

// What Core would believe: costs as published, at most ten times a second, and quantiles beside them.
void course(std::uint64_t seed, Coverage* by_stretch, std::int64_t slower_1024, bool throttles_prefill_alone) {
  OnlineCosts costs;
  costs.add({"chip", "engine", "bf16", "model", "tp1"});
  System system(seed, {.scale = {1100, 1024, 900, 1300, 1024}, .noise_permille = 40, .stalls_permille = 5});
  CostCorrection believed;
  std::int64_t now = 0;
  for (int i = 0; i < 4000; ++i) {
    if (i == 2000)
      for (std::size_t term = 0; term < kCostTerms; ++term)
        if (!throttles_prefill_alone || term >= 3)
          system.truth.scale[term] = system.truth.scale[term] * slower_1024 / 1024;
    const RunTimed run = system.run();
    std::int64_t predicted = 0;
    for (std::size_t term = 0; term < kCostTerms; ++term) predicted += run.said[term] / 1024 * believed.scale[term];
    const Ratio score = ratio_of(run.took, predicted);
    const auto q = [&](Level level) { return costs.quantile(0, run.group, level); };
    const int stretch = i < 500 ? 0 : i < 2000 ? 1 : i < 2050 ? 2 : i < 2200 ? 3 : i < 2400 ? 4 : 5;
    by_stretch[stretch].count(score, q(Level::q05), q(Level::q90), q(Level::q95), q(Level::q99));
    costs.hear(0, run);
    now += run.took / 1000;
    for (const CostCorrection& c : costs.publish(Time(now))) believed = c;
  }
}

TEST(StepIntervals, HoldBeforeASlowdownAndWithinTwoHundredRunsAfterIt) {
  for (const bool prefill_alone : {false, true}) {
    Coverage by_stretch[6];
    for (std::uint64_t seed = 1; seed <= 40; ++seed) course(seed, by_stretch, 1331, prefill_alone);
    for (int stretch = 0; stretch < 6; ++stretch) {
      const Coverage& c = by_stretch[stretch];
      const std::string text =
          fmt::format("interval {:.1f} q90 {:.1f} q99 {:.1f} of {}", c.interval(), c.q90(), c.q99(), c.all);
      RecordProperty(fmt::format("{}{}", prefill_alone ? "prefill" : "all", stretch), text);
      fmt::print("1.3 x {}, stretch {}: {}\n", prefill_alone ? "prefill" : "all", stretch, text);
      // It begins; and the fifty runs of which the first five or ten show that something changed.
      if (stretch == 0 || stretch == 2) continue;
      EXPECT_NEAR(c.interval(), 90, 2) << text;
      EXPECT_NEAR(c.q90(), 90, 2) << text;
      EXPECT_NEAR(c.q99(), 99, 1) << text;
    }
  }
}

// ---- sums of steps --------------------------------------------------------------------------------------------------

// A device is off by something that it keeps for a while, and each step by something new. Who takes all errors for
// independent promises far too much of a long request.
TEST(SumIntervals, KeepWhatIsCommonApart) {
  System draws(9, {});
  ErrorParts parts;
  SumIntervals sums;
  Coverage by_length[3], independent[3];
  constexpr int kSteps[3] = {1, 20, 400};
  for (int i = 0; i < 6000; ++i) {
    const std::int64_t common = draws.normal() * 60 / 1024;  // permille
    const int which = i % 3, steps = kSteps[which];
    std::int64_t sum = 0;
    Ratio before = 0;
    for (int k = 0; k < steps; ++k) {
      const std::int64_t permille = 1000 + common + draws.normal() * 100 / 1024;
      const auto now = static_cast<Ratio>(permille * kRatioOne / 1000);
      if (k > 0 && i < 3000) parts.add(now, before);
      before = now, sum += permille;
    }
    const Ratio score = static_cast<Ratio>(sum * kRatioOne / 1000 / steps);
    if (i >= 3000) {
      const auto q = [&](Level level) { return sums.quantile(parts, steps, level); };
      by_length[which].count(score, q(Level::q05), q(Level::q90), q(Level::q95), q(Level::q99));
      const std::int64_t alone =
          integer_sqrt((parts.independent() * parts.independent() + parts.common() * parts.common()) / steps);
      const auto by_alone = [&](std::int64_t z) { return static_cast<Ratio>(kRatioOne + alone * z / 1000); };
      independent[which].count(score, by_alone(-1645), by_alone(1282), by_alone(1645), by_alone(2326));
    }
    sums.add(parts, steps, score);
  }
  EXPECT_NEAR(static_cast<double>(parts.common()), kRatioOne * 60 / 1000, kRatioOne * 15 / 1000);
  EXPECT_NEAR(static_cast<double>(parts.independent()), kRatioOne * 100 / 1000, kRatioOne * 15 / 1000);
  for (int which = 0; which < 3; ++which) {
    fmt::print("{} steps: interval {:.1f}, q90 {:.1f}; taken for independent {:.1f}, {:.1f}\n", kSteps[which],
               by_length[which].interval(), by_length[which].q90(), independent[which].interval(),
               independent[which].q90());
    EXPECT_NEAR(by_length[which].interval(), 90, 2) << kSteps[which];
    EXPECT_NEAR(by_length[which].q90(), 90, 2) << kSteps[which];
  }
  EXPECT_LT(independent[2].interval(), 30);
}

TEST(IntegerSqrt, IsTheLargestWhoseSquareIsNotMore) {
  Rng rng(2);
  for (int i = 0; i < 100'000; ++i) {
    const auto n = static_cast<std::int64_t>(rng.next() >> (1 + rng.below(62)));
    const std::int64_t root = integer_sqrt(n);
    EXPECT_LE(root * root, n);
    EXPECT_TRUE(root + 1 > 3'037'000'499 || (root + 1) * (root + 1) > n);
  }
}

}  // namespace
}  // namespace yard
