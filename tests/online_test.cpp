// Costs learnt online: what is learnt, from what not, how soon, how often it is said, and that every build says it.
#include "scheduler/cost/online.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

#include <fmt/format.h>

#include "scheduler/base/hash.h"
#include "scheduler/base/input_error.h"
#include "scheduler/core/pace.h"
#include "scheduler/validate/learning_system.h"

namespace yard {
namespace {

using learning::System;

CostKey key(std::string accelerator = "h100-sxm", std::string model = "llama-3.1-8b", std::string parallelism = "tp1") {
  return {std::move(accelerator), "vllm-0.19", "bf16", std::move(model), std::move(parallelism)};
}

// Mean absolute error of corrected costs on fresh shapes, 1/1000 of what is true, without noise.
double error_permille(const OnlineCosts& costs, System::Truth truth, std::uint64_t seed) {
  truth.noise_permille = truth.stalls_permille = 0;
  System fresh(seed, truth);
  double sum = 0;
  for (int i = 0; i < 500; ++i) {
    const RunTimed run = fresh.run();
    const double off = costs.predicted(0, run.said) / static_cast<double>(run.took) - 1;
    sum += off < 0 ? -off : off;
  }
  return sum / 500 * 1000;
}

const System::Truth kTruth{.scale = {1228, 1024, 819, 1536, 1126}, .noise_permille = 30};

TEST(OnlineCosts, LearnsEachTermFromAHandfulOfRuns) {
  OnlineCosts costs;
  costs.add(key());
  System system(7, kTruth);
  const double before = error_permille(costs, kTruth, 8);
  for (int i = 0; i < 20; ++i) costs.hear(0, system.run());
  const double soon = error_permille(costs, kTruth, 8);
  for (int i = 0; i < 2000; ++i) costs.hear(0, system.run());
  const double late = error_permille(costs, kTruth, 8);
  RecordProperty("error_permille", fmt::format("{:.1f} {:.1f} {:.1f}", before, soon, late));
  EXPECT_GT(before, 100);
  EXPECT_LT(soon, 50);
  EXPECT_LT(late, 10);
  const CostCorrection known = costs.correction(0);
  EXPECT_NEAR(known.scale[0], 1228, 25);
  EXPECT_NEAR(known.scale[2], 819, 60);
  EXPECT_NEAR(known.scale[3], 1536, 80);
  EXPECT_NEAR(known.error_permille, 30, 8);
}

TEST(OnlineCosts, NeverLearnsFromFirstStepsNorPreemptedThrottledOrFailedOnes) {
  OnlineCosts costs, untouched;
  costs.add(key()), untouched.add(key());
  System system(3, kTruth);
  for (int i = 0; i < 500; ++i) {
    RunTimed run = system.run();
    EXPECT_EQ(costs.hear(0, run), untouched.hear(0, run));
    run.took *= 5;
    for (const Oddity odd : {Oddity::first, Oddity::preempted, Oddity::throttled, Oddity::failed}) {
      run.odd = odd;
      EXPECT_EQ(costs.hear(0, run), OnlineCosts::Heard::odd);
    }
  }
  EXPECT_EQ(costs.correction(0), untouched.correction(0));
  EXPECT_EQ(costs.quantile(0, 0, Level::q99), untouched.quantile(0, 0, Level::q99));
  EXPECT_EQ(costs.count(0).learnt, 500u);
  for (std::size_t odd = 1; odd < kOddities; ++odd) EXPECT_EQ(costs.count(0).odd[odd], 500u);
}

TEST(OnlineCosts, WhatCannotBeIsRefusedAndCounted) {
  OnlineCosts costs;
  costs.add(key());
  const RunTimed good = System(3, kTruth).run();
  for (int bad = 0; bad < 5; ++bad) {
    RunTimed run = good;
    if (bad == 0) run.took = 0;
    if (bad == 1) run.took = -5;
    if (bad == 2) run.said = {};
    if (bad == 3) run.said[2] = -1;
    if (bad == 4) run.took = std::int64_t{1} << 62;
    EXPECT_EQ(costs.hear(0, run), OnlineCosts::Heard::unusable) << bad;
  }
  EXPECT_EQ(costs.count(0).unusable, 5u);
  EXPECT_EQ(costs.correction(0).scale, CostCorrection{}.scale);
  EXPECT_THROW(costs.add(key()), InputError);
  EXPECT_THROW(costs.add(key("a chip")), InputError);
  EXPECT_THROW(costs.add(key("")), InputError);
}

// One factor for all (core/pace.h) is as good where all terms are off alike, and slower; where they are not, it is
// wrong for every shape.
TEST(OnlineCosts, TellTermsApartThatOnePaceCannot) {
  for (const bool alike : {false, true}) {
    const System::Truth truth{
        .scale = alike ? std::array<std::int64_t, kCostTerms>{1331, 1331, 1331, 1331, 1331} : kTruth.scale,
        .noise_permille = 30};
    OnlineCosts costs;
    costs.add(key());
    System system(21, truth), fresh(22, {.scale = truth.scale, .noise_permille = 0});
    std::uint32_t pace = kPaceAsSaid;
    double by_pace = 0, by_terms = 0, early_pace = 0, early_terms = 0;
    for (int i = 0; i < 1000; ++i) {
      const RunTimed run = system.run(), next = fresh.run();
      std::int64_t said = 0, next_said = 0;
      for (std::size_t t = 0; t < kCostTerms; ++t) said += run.said[t], next_said += next.said[t];
      pace = pace_after(pace, Duration(run.took / 1000), Picoseconds(said));
      costs.hear(0, run);
      const auto off = [&](double predicted) {
        const double e = predicted / static_cast<double>(next.took) - 1;
        return e < 0 ? -e : e;
      };
      const double pace_off = off(static_cast<double>(at_pace(next_said, pace)));
      const double terms_off = off(costs.predicted(0, next.said));
      if (i < 20) early_pace += pace_off / 20, early_terms += terms_off / 20;
      if (i >= 500) by_pace += pace_off / 500, by_terms += terms_off / 500;
    }
    fmt::print("terms {}: first 20 runs: pace {:.1f} %, terms {:.1f} %; after 500: pace {:.1f} %, terms {:.1f} %\n",
               alike ? "alike" : "apart", 100 * early_pace, 100 * early_terms, 100 * by_pace, 100 * by_terms);
    EXPECT_LT(early_terms, early_pace);
    if (!alike) {
      EXPECT_LT(by_terms, by_pace / 4);
    }
  }
}

// Two in a hundred runs take three times as long: a mean would be 4 % off.
TEST(OnlineCosts, StallsCountForLittle) {
  System::Truth stalls = kTruth;
  stalls.stalls_permille = 20;
  OnlineCosts costs;
  costs.add(key());
  System system(5, stalls);
  for (int i = 0; i < 3000; ++i) costs.hear(0, system.run());
  EXPECT_LT(error_permille(costs, kTruth, 8), 12);
  EXPECT_EQ(costs.count(0).drifts, 0u);
  EXPECT_GT(costs.count(0).gated, 50u);
}

TEST(OnlineCosts, AlarmsSoonAfterADriftAndHardlyEverWithoutOne) {
  std::uint64_t false_alarms = 0;
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    SCOPED_TRACE(seed);
    OnlineCosts costs;
    costs.add(key());
    System system(seed, kTruth);
    for (int i = 0; i < 5000; ++i) costs.hear(0, system.run());
    false_alarms += costs.count(0).drifts;
    for (std::int64_t& scale : system.truth.scale) scale = scale * 13 / 10;
    int until = 1;
    while (costs.hear(0, system.run()) != OnlineCosts::Heard::drift && until < 100) ++until;
    EXPECT_LE(until, 10);
    for (int i = 0; i < 10; ++i) costs.hear(0, system.run());
    EXPECT_LT(error_permille(costs, system.truth, 8), 60) << "ten runs after the alarm, of 300 wrong";
  }
  EXPECT_LE(false_alarms, 1u) << "in 50,000 runs";
}

// A slow chip is slow in prefill, too: what is common is believed of terms that were not seen.
TEST(OnlineCosts, DecodesAloneTeachSomethingOfPrefill) {
  OnlineCosts costs;
  costs.add(key());
  System system(9, {.scale = {1536, 1536, 1536, 1536, 1536}, .noise_permille = 20});
  for (int i = 0; i < 300; ++i) costs.hear(0, system.run(system.shape(true)));
  EXPECT_GT(costs.correction(0).scale[3], 1300u);
}

TEST(OnlineCosts, WhoHasSeenNothingSpeaksByTheNearestRelativeAndLessSurely) {
  OnlineCosts costs;
  const std::uint32_t seen = costs.add(key());
  const std::uint32_t wider = costs.add(key("h100-sxm", "llama-3.1-8b", "tp2"));
  const std::uint32_t other_model = costs.add(key("h100-sxm", "qwen3-32b", "tp2"));
  const std::uint32_t other_chip = costs.add(key("l40s"));
  System system(11, {.scale = {1300, 1300, 1300, 1300, 1300}, .noise_permille = 20});
  EXPECT_EQ(costs.correction(wider).scale, CostCorrection{}.scale);
  for (int i = 0; i < 400; ++i) costs.hear(seen, system.run());
  for (const std::uint32_t k : {wider, other_model, other_chip}) EXPECT_NEAR(costs.correction(k).scale[0], 1300, 20);
  EXPECT_LT(costs.correction(seen).error_permille, 40u);
  EXPECT_GT(costs.correction(wider).error_permille, 2 * costs.correction(seen).error_permille);
  EXPECT_GT(costs.correction(other_model).error_permille, costs.correction(wider).error_permille);
  EXPECT_GT(costs.correction(other_chip).error_permille, costs.correction(other_model).error_permille);
  // One of its own model speaks before one of its own accelerator alone.
  System slow(12, {.scale = {2048, 2048, 2048, 2048, 2048}, .noise_permille = 20});
  for (int i = 0; i < 400; ++i) costs.hear(other_model, slow.run());
  EXPECT_NEAR(costs.correction(wider).scale[0], 1300, 20);
}

TEST(OnlineCosts, PublishesAKeyAtMostOnceInATenthOfASecondAndOnlyWhatMoved) {
  OnlineCosts costs;
  costs.add(key());
  System system(13, kTruth);
  EXPECT_TRUE(costs.publish(Time(0)).empty());
  Time last{};
  int said = 0, runs = 0;
  CostCorrection before;
  for (std::int64_t t = 0; t < 20'000'000'000; t += 3'000'000, ++runs) {
    costs.hear(0, system.run());
    const auto news = costs.publish(Time(t));
    if (news.empty()) continue;
    ASSERT_EQ(news.size(), 1u);
    if (said > 0) {
      EXPECT_GE((Time(t) - last).count(), 100'000'000);
    }
    EXPECT_NE(news[0], before);
    last = Time(t), before = news[0], ++said;
    EXPECT_TRUE(costs.publish(Time(t)).empty());
  }
  EXPECT_GT(said, 3);
  EXPECT_LT(said, 200);
}

// ---- the same everywhere --------------------------------------------------------------------------------------------

// 5,000 runs of two keys, with stalls, odd ones and a drift; a third key sees none.
struct Course {
  OnlineCosts costs = [] {
    OnlineCosts::Settings settings;
    settings.sources = 4;
    return OnlineCosts(settings);
  }();
  System system;
  Rng draws;
  DecisionHash hash;
  std::int64_t now = 0;
  std::uint32_t published = 0;

  explicit Course(std::uint64_t seed)
      : system(seed, {.scale = {1228, 1100, 819, 1536, 1126}, .noise_permille = 40, .stalls_permille = 10}),
        draws(seed + 1) {
    costs.add(key()), costs.add(key("l40s")), costs.add(key("l40s", "llama-3.1-8b", "tp2"));
  }

  void go(int from, int to) {
    for (int i = from; i < to; ++i) {
      if (i == 2500)
        for (std::int64_t& scale : system.truth.scale) scale = scale * 13 / 10;
      RunTimed run = system.run();
      run.source = static_cast<std::uint32_t>(draws.below(4));
      if (draws.below(50) == 0) run.odd = static_cast<Oddity>(1 + draws.below(4));
      const auto k = static_cast<std::uint32_t>(draws.below(3) == 0);
      hash.add(static_cast<std::uint64_t>(costs.hear(k, run)));
      now += run.took / 1000;
      for (const CostCorrection& c : costs.publish(Time(now))) {
        ++published;
        hash.add(c.key, c.error_permille);
        for (const std::uint32_t scale : c.scale) hash.add(scale);
        for (const std::uint32_t quantile : c.spread.quantiles) hash.add(quantile);
        hash.add(c.spread.common);
      }
      if (i % 100 == 99)
        for (std::uint32_t group = 0; group < kShapeGroups; ++group)
          for (std::size_t level = 0; level < kLevels; ++level)
            hash.add(static_cast<std::uint64_t>(costs.quantile(k, group, static_cast<Level>(level))));
    }
  }

  std::string line() const {
    const CostCorrection c = costs.correction(0);
    return fmt::format("published {} scale {} {} {} {} {} error {} common {} independent {} hash {:016x}\n", published,
                       c.scale[0], c.scale[1], c.scale[2], c.scale[3], c.scale[4], c.error_permille,
                       costs.parts(0).common(), costs.parts(0).independent(), hash.value());
  }
};

std::string bytes_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// A change of what is learnt is a decision: run with SWITCHYARD_UPDATE_GOLDEN=1 to make it.
TEST(OnlineCosts, FiveThousandRunsTeachTheSameOnEveryBuild) {
  std::string text;
  for (const std::uint64_t seed : {1u, 2u, 3u}) {
    Course course(seed);
    course.go(0, 5000);
    text += fmt::format("seed {}: {}", seed, course.line());
  }
  const char* const root = std::getenv("SWITCHYARD_SOURCE_DIR");
  const std::string path = std::string(root ? root : ".") + "/tests/golden/online_costs.txt";
  if (std::getenv("SWITCHYARD_UPDATE_GOLDEN")) std::ofstream(path, std::ios::binary) << text;
  EXPECT_EQ(text, bytes_of(path)) << path;
}

TEST(OnlineCosts, SavedAndRestoredAnywhereItGoesOnAlike) {
  Course whole(4);
  whole.go(0, 5000);
  for (const int at : {0, 1, 17, 2503, 4000}) {
    Course begun(4);
    begun.go(0, at);
    const std::string saved = begun.costs.save();
    begun.costs = Course(4).costs;
    EXPECT_EQ(begun.costs.restore(saved, "saved"), 3u);
    EXPECT_EQ(begun.costs.save(), saved);
    begun.go(at, 5000);
    EXPECT_EQ(begun.line(), whole.line()) << at;
    EXPECT_EQ(begun.costs.save(), whole.costs.save()) << at;
  }
}

TEST(OnlineCosts, WhatWasNotSavedIsNotRestored) {
  Course course(4);
  course.go(0, 300);
  const std::string saved = course.costs.save();
  OnlineCosts other;
  other.add(key("b200-sxm"));
  EXPECT_EQ(other.restore(saved, "saved"), 0u) << "of keys that it does not have";
  EXPECT_THROW(other.restore("", "empty"), InputError);
  EXPECT_THROW(other.restore("something else\n", "other"), InputError);
  // Whatever is cut off, changed or not a number is refused, or it is a file that save() could have written.
  std::uint64_t refused = 0;
  Rng draws(1);
  for (int i = 0; i < 2000; ++i) {
    std::string broken = saved;
    const std::size_t at = draws.below(broken.size());
    if (i % 2 == 0)
      broken.resize(at);
    else
      broken[at] = "x-9 \n"[draws.below(5)];
    OnlineCosts costs = Course(4).costs;
    const std::string before = costs.save();
    try {
      costs.restore(broken, "broken");
      const std::string again = costs.save();
      OnlineCosts twin = Course(4).costs;
      twin.restore(again, "again");
      EXPECT_EQ(twin.save(), again);
    } catch (const InputError& e) {
      ++refused;
      EXPECT_NE(std::string(e.what()).find("broken:"), std::string::npos) << e.what();
    }
  }
  EXPECT_GT(refused, 500u);
}

}  // namespace
}  // namespace yard
