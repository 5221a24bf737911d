// What runs take becomes what Core decides by: corrections are learnt, told as events, recorded, and re-enact.
#include "scheduler/loop/cost_learner.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "scheduler/backend/sim_stepped.h"
#include "scheduler/base/input_error.h"
#include "scheduler/core/ledger.h"
#include "scheduler/core/pace.h"
#include "scheduler/loop/reenact.h"
#include "scheduler/loop/sim_loop.h"
#include "tests/builders.h"
#include "tests/random_case.h"
#include "tests/scratch.h"
#include "tests/simulate.h"

namespace yard {
namespace {

using builders::Given;
using builders::Scene;

StepCost cost(std::int64_t c0, std::int64_t c0_of_8, std::int64_t c1, std::int64_t c2, std::int64_t c4 = 0) {
  return StepCost({{1, Picoseconds(c0)}, {8, Picoseconds(c0_of_8)}}, Picoseconds(c1), Picoseconds(c2), 8,
                  Picoseconds(c4));
}

TEST(CorrectedCosts, AreTheTermsScaled) {
  const StepCost said = cost(1'000'000, 3'000'000, 2'000, 400, 8'192);
  StepCost is = said;
  is.correct(said, {2048, 512, 1536, 1024, 128}, 33);
  EXPECT_EQ(is.c0(1).count(), 2'000'000);
  EXPECT_EQ(is.c0(8).count(), 2'000'000 + 1'000'000) << "twice what one costs, and half of what more add";
  EXPECT_EQ(is.c0(0).count(), 2'000'000);
  EXPECT_EQ(is.c2().count(), 600);
  EXPECT_EQ(is.c1().count(), 2'000);
  EXPECT_EQ(is.c4().count(), 1'024);
  EXPECT_EQ(is.error_permille(), 33u);
  EXPECT_EQ(is.buckets()[1].c0, is.c0(8));
  is.correct(said, kCostsAsSaid, said.error_permille());
  for (std::uint32_t n = 0; n <= 8; ++n) EXPECT_EQ(is.c0(n), said.c0(n)) << "of what was said, not of what was";
}

TEST(CorrectedCosts, StayInTheirBounds) {
  const StepCost said = cost(StepCost::kMostC0, StepCost::kMostC0, StepCost::kMostC1 / 16, 1, StepCost::kMostC4);
  StepCost is = said;
  is.correct(said, {8192, 8192, 8192, 8192, 8192}, 0);
  EXPECT_EQ(is.c0(8).count(), StepCost::kMostC0) << "no more than it was";
  EXPECT_EQ(is.c1().count(), StepCost::kMostC1 / 8) << "or than an eighth of the bound";
  EXPECT_EQ(is.c2().count(), 8);
  EXPECT_EQ(is.c4().count(), StepCost::kMostC4);
}

TEST(Pace, IsWhatCostsDoNotSay) {
  const auto beside = [](std::uint32_t pace, std::int64_t was, std::int64_t is) {
    return pace_beside(pace, Picoseconds(was), Picoseconds(is));
  };
  EXPECT_EQ(beside(1536, 1000, 1500), 1024u) << "costs say it now";
  EXPECT_EQ(beside(2048, 1000, 1500), 1365u) << "costs say part of it";
  EXPECT_EQ(beside(1200, 1000, 1500), 1024u) << "it was still being learnt";
  EXPECT_EQ(beside(1024, 1000, 1500), 1024u) << "nothing was";
  EXPECT_EQ(beside(900, 1000, 1500), 900u) << "one that is faster than its like stays so";
  EXPECT_EQ(beside(512, 1000, 500), 1024u);
  EXPECT_EQ(beside(700, 1000, 900), 777u);
  EXPECT_EQ(beside(1300, 1000, 900), 1300u);
  EXPECT_EQ(beside(4096, 1, std::int64_t{1} << 60), 1024u) << "whatever costs say";
}

// ---- in Core --------------------------------------------------------------------------------------------------------

// Two devices, the second said to be slower by a fifth. What was sent goes where costs say, before and after.
TEST(CostCorrected, DecidesWhoIsTheFastest) {
  Scene s(Given().pool({.c0 = 1'000'000'000}).pool({.c0 = 1'200'000'000}).policy("expected_seconds"));
  const auto goes_to = [&] {
    s.submit({.prompt = 10, .max_output = 1});
    const std::uint32_t device = s.poll().launches.at(0).device.value;
    s.end_run(device);
    s.poll();
    return device;
  };
  EXPECT_EQ(goes_to(), 0u);
  s.tell(CostCorrected{CostRow{0}, {1536, 1024, 1024, 1024, 1024}, 50});
  EXPECT_EQ(s.core().cost(CostRow{0}).c0(1).count(), 1'500'000'000);
  EXPECT_EQ(s.core().cost(CostRow{0}).error_permille(), 50u);
  EXPECT_EQ(s.ledger().corrections, 1u);
  EXPECT_EQ(goes_to(), 1u);
  s.tell(CostCorrected{CostRow{0}, kCostsAsSaid, 100});
  EXPECT_EQ(goes_to(), 0u);
}

// ---- the learner ----------------------------------------------------------------------------------------------------

// A device's runs of one sequence that decodes, one after the other.
struct RunOfOne {
  explicit RunOfOne(CostLearner& of) : learner(of) {}
  void take(Duration time, std::uint32_t steps = 1, SlotFate fate = SlotFate::running,
            RunEnd why = RunEnd::step_limit) {
    const Slot slot{.sequence = {0, 1},
                    .request = {0, 1},
                    .context = Tokens(100),
                    .prefill = Tokens(0),
                    .generated = Tokens(1),
                    .output_limit = Tokens(50),
                    .granted = Blocks(200),
                    .answer = 0,
                    .adapter = {},
                    .samples = true};
    const RunId id{0, ++run};
    learner.launched({.run = id, .device = {0}, .step_limit = 8, .bound_by = BoundBy::work, .slots = {&slot, 1}}, now);
    now += time;
    const SlotEnd end{.sequence = {0, 1},
                      .prefilled = Tokens(0),
                      .generated = Tokens(static_cast<std::int32_t>(steps)),
                      .first_token = now,
                      .last_token = now,
                      .fate = fate};
    const RunEnded ended{.run = id, .device = {0}, .why = why, .steps = steps, .energy = {}, .slots = {&end, 1}};
    learner.run_ended(ended, now);
    learner.run_ended(ended, now);  // what says it again is late
  }
  CostLearner& learner;
  std::uint32_t run = 0;
  Time now;
};

TEST(CostLearner, HearsNoFirstRunNoFailedOneAndNoneWithoutAStep) {
  const Given given = Given().pool({.devices = 2, .c0 = 1'000'000});
  CostLearner learner(given.fleet, given.costs);
  RunOfOne one(learner);
  const auto runs = [&](std::uint32_t steps, SlotFate fate = SlotFate::running, RunEnd why = RunEnd::step_limit) {
    one.take(microseconds(2) * steps, steps, fate, why);
  };
  const auto heard = [&] { return learner.costs().count(0); };
  const auto odd = [&](Oddity of) { return heard().odd[static_cast<std::size_t>(of)]; };
  runs(4);
  EXPECT_EQ(odd(Oddity::first), 1u);
  runs(4), runs(1);
  EXPECT_EQ(heard().learnt, 2u);
  runs(0);
  EXPECT_EQ(heard().learnt, 2u);
  runs(4, SlotFate::failed), runs(4), runs(4);
  EXPECT_EQ(odd(Oddity::failed), 1u);
  EXPECT_EQ(odd(Oddity::first), 2u) << "the first after it failed";
  EXPECT_EQ(heard().learnt, 3u);
  runs(2, SlotFate::running, RunEnd::device_failed), runs(4);
  EXPECT_EQ(odd(Oddity::failed), 2u);
  EXPECT_EQ(odd(Oddity::first), 3u);
  // Of 2 us where 1 was said, all of it fixed.
  for (int i = 0; i < 64; ++i) runs(4);
  const std::span<const CostCorrected> all = learner.corrections(one.now);
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].row, CostRow{0});
  EXPECT_NEAR(all[0].scales[0], 2048, 20);
  EXPECT_TRUE(learner.corrections(one.now).empty());
}

// Of costs of which nothing is known but that a step takes a hundredth of what is said: the first seven sound runs say
// so, their median, though one took a hundred times as long.
TEST(CostLearner, FindsTheMagnitudeOfWhatNobodyKnew) {
  Given given = Given().pool({.devices = 1});
  given.costs.rows[0] =
      StepCost({{8, Picoseconds(1'000'000'000)}}, Picoseconds(), Picoseconds(), 8, Picoseconds(), StepCost::kUnknown);
  CostLearner learner(given.fleet, given.costs);
  RunOfOne runs(learner);
  runs.take(microseconds(10));  // the first of its device
  for (int i = 0; i < 6; ++i) runs.take(i == 3 ? milliseconds(1) : microseconds(10));
  EXPECT_TRUE(learner.corrections(runs.now).empty());
  runs.take(microseconds(10));
  const std::span<const CostCorrected> rough = learner.corrections(runs.now);
  ASSERT_EQ(rough.size(), 1u);
  EXPECT_EQ(rough[0].scales, (CostScales{10, 10, 10, 10, 10})) << "of 1,024";
  EXPECT_EQ(rough[0].error_permille, 300u);
  EXPECT_EQ(learner.costs().count(0).learnt, 0u);
  for (int i = 0; i < 60; ++i) runs.take(microseconds(13));
  runs.now += milliseconds(200);
  runs.take(microseconds(13));
  const std::span<const CostCorrected> fine = learner.corrections(runs.now);
  ASSERT_EQ(fine.size(), 1u);
  EXPECT_NEAR(fine[0].scales[0], 13, 1);
  EXPECT_LT(fine[0].error_permille, 200u);
}

// A row of which nothing runs is known by its relatives; one of no pool is nobody's.
TEST(CostLearner, SpeaksOfRelativesAndOnlyOfRowsInUse) {
  Given given = Given().pool({.c0 = 1'000'000}).pool({.c0 = 1'000'000});
  given.costs.rows.push_back(given.costs.rows[0]);
  for (const char* tp : {"tp1", "tp2", "tp4"}) given.costs.keys.push_back({"chip", "engine", "bf16", "model", tp});
  CostLearner learner(given.fleet, given.costs);
  RunOfOne runs(learner);
  for (int i = 0; i < 64; ++i) runs.take(microseconds(2));
  const std::span<const CostCorrected> all = learner.corrections(runs.now);
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[1].row, CostRow{1});
  EXPECT_NEAR(all[1].scales[0], 2048, 40);
  EXPECT_GT(all[1].error_permille, all[0].error_permille);
}

// What one learnt another knows from the first, and goes on as the first would; of rows that it has not it takes
// nothing.
TEST(CostLearner, WhatIsSavedIsKnownAfterItIsRestored) {
  Given given = Given().pool({.c0 = 1'000'000});
  given.costs.rows[0] =
      StepCost({{8, Picoseconds(1'000'000)}}, Picoseconds(), Picoseconds(), 8, Picoseconds(), StepCost::kUnknown);
  given.costs.keys = {{"chip", "engine", "bf16", "model", "tp1"}};
  CostLearner first(given.fleet, given.costs);
  RunOfOne runs(first);
  for (int i = 0; i < 3000; ++i) runs.take(microseconds(i % 2 ? 21 : 19));
  first.corrections(runs.now);
  const std::string saved = first.save();
  EXPECT_LT(saved.size(), 40'000u) << "as the public header says of one device";

  Given more = Given().pool({.c0 = 1'000'000}).pool({.c0 = 1'000'000});
  more.costs.keys = {{"other", "engine", "bf16", "model", "tp1"}, given.costs.keys[0]};
  CostLearner second(more.fleet, more.costs);
  EXPECT_EQ(second.restore(saved + saved, "saved"), 2u);
  ASSERT_TRUE(second.heard());
  const std::span<const CostCorrected> told = second.corrections(Time());
  const auto of_row = std::ranges::find(told, CostRow{1}, &CostCorrected::row);
  ASSERT_NE(of_row, told.end());
  EXPECT_NEAR(of_row->scales[0], 20 * 1024, 600);
  EXPECT_LT(of_row->error_permille, 150u);
  EXPECT_EQ(second.costs().count(1).learnt, first.costs().count(0).learnt);
  EXPECT_EQ(second.costs().count(0).learnt, 0u);

  CostLearner same(given.fleet, given.costs);
  same.restore(saved, "saved");
  EXPECT_EQ(same.save(), saved);
  EXPECT_THROW(same.restore(saved.substr(0, saved.size() / 2), "saved"), InputError);
  try {
    same.restore(saved + "chip engine bf16 model tp1 nonsense\n", "saved");
    ADD_FAILURE();
  } catch (const InputError& e) {
    EXPECT_EQ(e.line, 1 + std::ranges::count(saved, '\n'));
  }
}

// ---- simulated ------------------------------------------------------------------------------------------------------

// Arrivals of many shapes over two kinds of device whose costs are said wrongly, each in its own way.
Case wrong_case(std::uint32_t requests) {
  Case c = random_case(7, requests);
  Given given = Given()
                    .pool({.devices = 3, .kv_blocks = 5000, .max_sequences = 8, .token_budget = 256})
                    .pool({.devices = 3, .kv_blocks = 5000, .max_sequences = 8, .token_budget = 256});
  given.fleet.models.resize(1);
  given.fleet.classes[0].ttft = milliseconds(500);
  given.fleet.classes[0].tpot = milliseconds(60);
  given.fleet.classes[0].ttft_per_token = microseconds(500);
  c.fleet = given.fleet;
  c.costs.rows = {cost(10'000'000'000, 13'000'000'000, 40'000'000, 4'000'000, 2'000'000),
                  cost(12'000'000'000, 15'000'000'000, 60'000'000, 5'000'000, 2'000'000)};
  c.options.scorer = "expected_cost", c.options.order = "edf", c.options.bind = "arrival";
  c.options.sequences = 1u << 14, c.options.steps_per_run = 256;
  Rng rng(99);
  Time at;
  for (reference::Request& r : c.requests) {
    const std::uint32_t row = r.row;
    r = {};
    r.row = row;
    at += milliseconds(static_cast<std::int64_t>(rng.below(100)));
    r.arrival = at;
    r.prompt = Tokens(static_cast<std::int32_t>(1 + rng.below(rng.below(3) ? 100 : 1500)));
    r.output = Tokens(static_cast<std::int32_t>(1 + rng.below(60)));
    r.max_output = Tokens(2000);
  }
  return c;
}

CostTables truth_of(const CostTables& said) {
  CostTables truth{.rows = said.rows};
  truth.rows[0].correct(said.rows[0], {1400, 1024, 1200, 1500, 1024}, 100);
  truth.rows[1].correct(said.rows[1], {800, 900, 1024, 700, 1024}, 100);
  return truth;
}

struct Learnt {
  std::uint64_t hash = 0, corrections = 0;
  std::vector<StepCost> rows;
};

Learnt simulate(const Case& c, const CostTables& truth, Exact exact, const std::string& record = {}) {
  const Bounds bounds{.sequences = c.options.sequences, .events_per_tick = 4096, .steps_per_run = 256};
  const PolicySet policies = find_policies(c.options.scorer, c.options.order, c.options.bind);
  Core core(bounds, c.fleet, c.costs, policies, 1);
  SimStepped devices(c.fleet, truth, bounds, exact);
  std::optional<Recording> recording;
  if (!record.empty()) recording.emplace(record), recording->recorder.head(c.fleet, c.costs, policies, bounds, 1);
  Endings endings;
  SimLoop loop(core, bounds, c.fleet.devices(), devices, recording ? static_cast<SimObserver&>(*recording) : endings);
  CostLearner learner(c.fleet, c.costs);
  loop.learns(learner);
  Requests source(c.requests);
  loop.run(source);
  if (recording) recording->recorder.finish();
  Learnt learnt{core.hash(), core.ledger().corrections, {}};
  for (std::uint32_t row = 0; row < c.costs.rows.size(); ++row) learnt.rows.push_back(core.cost(CostRow{row}));
  return learnt;
}

TEST(CostLearner, FindsWhatStepsTrulyCost) {
  const Case c = wrong_case(3000);
  const CostTables truth = truth_of(c.costs);
  const Learnt learnt = simulate(c, truth, Exact::jump);
  EXPECT_GT(learnt.corrections, 2u);
  for (std::size_t row = 0; row < truth.rows.size(); ++row)
    for (const std::uint32_t n : {1u, 4u, 8u})
      for (const std::int64_t read : {0, 100}) {
        const auto step = [&](const StepCost& by) {
          return static_cast<double>(by.step(n, read, read * 50, 150 * n).count());
        };
        const double is = step(truth.rows[row]), said = step(c.costs.rows[row]), now = step(learnt.rows[row]);
        EXPECT_NEAR(now / is, 1, 0.03) << "row " << row << ", " << n << " sequences, " << read << " read";
        EXPECT_GT(std::abs(said / is - 1), 0.06) << "or the test shows nothing";
        EXPECT_LT(learnt.rows[row].error_permille(), 60u);
      }
}

TEST(CostLearner, LearnsTheSameByJumpsAndBySteps) {
  const Case c = wrong_case(800);
  const CostTables truth = truth_of(c.costs);
  const Learnt jump = simulate(c, truth, Exact::jump), step = simulate(c, truth, Exact::step);
  EXPECT_EQ(jump.hash, step.hash);
  EXPECT_EQ(jump.corrections, step.corrections);
}

TEST(CostLearner, WhatWasLearntReenacts) {
  const testing::Scratch scratch;
  const std::string path = scratch.at("learning.rec");
  const Case c = wrong_case(600);
  const Learnt live = simulate(c, truth_of(c.costs), Exact::jump, path);
  ASSERT_GT(live.corrections, 2u);
  const Reenactment again = reenact(path);
  EXPECT_TRUE(again.equal);
  EXPECT_EQ(again.hash_reenacted, live.hash);
  EXPECT_EQ(again.ledger.corrections, live.corrections);
}

}  // namespace
}  // namespace yard
