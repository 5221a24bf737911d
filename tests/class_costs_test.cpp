// Corrected costs as they are looked up: the scaled terms, and the quantile that belongs to the shape.
#include "scheduler/cost/class_costs.h"

#include <gtest/gtest.h>

#include "scheduler/validate/learning_system.h"

namespace yard {
namespace {

using learning::System;

TEST(ClassCosts, AsSaidAreThePriors) {
  const StepCost prior = learning::prior();
  const ClassCosts costs(prior);
  System shapes(1, {});
  for (int i = 0; i < 1000; ++i) {
    const StepsRun s = shapes.shape();
    EXPECT_EQ(costs.step(s.n, s.read, s.pairs, s.context + s.decoding),
              prior.step(s.n, s.read, s.pairs, s.context + s.decoding));
  }
  EXPECT_EQ(costs.c0(256), prior.c0(256));
}

// What is looked up is what the learner would say of the run, to a thousandth.
TEST(ClassCosts, CorrectedAreTheTermsScaled) {
  const StepCost prior = learning::prior();
  ClassCosts costs(prior);
  const CostCorrection c{.scale = {1300, 700, 900, 2000, 1100}};
  costs.correct(c);
  System shapes(2, {});
  for (int i = 0; i < 1000; ++i) {
    const StepsRun s = shapes.shape();
    const TermCosts said = terms_of(prior, s);
    double sum = 0;
    for (std::size_t t = 0; t < kCostTerms; ++t) sum += static_cast<double>(said[t]) * c.scale[t] / 1024;
    EXPECT_NEAR(static_cast<double>(costs.step(s.n, s.read, s.pairs, s.context + s.decoding).count()), sum, sum / 1000);
  }
}

TEST(ClassCosts, QuantilesAreThoseOfTheShape) {
  const StepCost prior = learning::prior();
  ClassCosts costs(prior);
  const auto ratio = [&](std::uint32_t n, std::int64_t read, Level level) {
    return static_cast<double>(costs.step(n, read, 0, 1000, level).count()) /
           static_cast<double>(costs.step(n, read, 0, 1000).count());
  };
  EXPECT_NEAR(ratio(8, 0, Level::q90), 1 + 2 * 0.1 * 1.2816, 0.001) << "a guess by the prior's error";
  OnlineCosts online;
  online.add({"chip", "engine", "bf16", "model", "tp1"});
  System system(3, {.noise_permille = 30});
  for (std::int64_t i = 0; i < 3000; ++i) {
    RunTimed run = system.run();
    if (run.group >= 5) run.took = run.took / 1000 * (1000 + system.normal() * 80 / 1024);  // reading scatters more
    online.hear(0, run);
    online.publish(Time(i * 10'000'000));
  }
  costs.correct(online.published(0));
  costs.bound(online, 0);
  for (const std::uint32_t n : {1u, 8u, 100u, 256u})
    for (const Level level : {Level::q50, Level::q90, Level::q99})
      EXPECT_NEAR(ratio(n, 0, level), online.quantile(0, shape_group(n, 0), level) / 65536.0, 0.0001);
  for (const std::int64_t read : {1, 256, 257, 2048, 2049})
    EXPECT_NEAR(ratio(8, read, Level::q90), online.quantile(0, shape_group(8, read), Level::q90) / 65536.0, 0.0001);
  EXPECT_GT(ratio(8, 1000, Level::q90), ratio(8, 0, Level::q90) + 0.02);
}

}  // namespace
}  // namespace yard
