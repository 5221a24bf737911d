// A fleet in cells decides alike on any number of threads, jumping or stepping; one cell is the fleet itself; nothing
// is heard between cells before it can have come.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <tbb/global_control.h>

#include "scheduler/backend/sim_stepped.h"
#include "scheduler/core/ledger.h"
#include "scheduler/loop/cells.h"
#include "scheduler/policy/registry.h"
#include "tests/random_case.h"
#include "tests/simulate.h"

namespace yard {
namespace {

using reference::Ending;

struct CelledCase {
  Case c;
  std::vector<CellView> cells;
  Duration lag;
  std::vector<std::vector<Fault>> faults;  // by cell
};

struct Story {
  std::vector<std::vector<Ending>> endings;  // by cell
  std::uint64_t hash = 0;
  Histogram gaps;
  Time last;
  bool operator==(const Story&) const = default;
};

// Every policy in its turn, over two to six cells whose word is heard soon or late, some with devices that change.
CelledCase celled_case(Seed seed, bool faults) {
  CelledCase celled{.c = random_case(seed, 120), .cells = {}, .lag = {}, .faults = {}};
  Case& c = celled.c;
  c.options.scorer = scorers()[seed % scorers().size()].name;
  Rng rng = Rng::stream(seed, 0x63656c6c73);
  const auto n = static_cast<std::uint32_t>(2 + rng.below(5));
  std::uint32_t first = 0;
  for (PoolView& pool : c.fleet.pools) {
    pool.devices += static_cast<std::uint32_t>(rng.below(2 * n));
    pool.first_device = first;
    first += pool.devices;
  }
  PoolView& last = c.fleet.pools.back();
  last.devices += std::max(first, n) - first;
  celled.cells = in_parts(c.fleet, n);
  const std::int64_t length = c.requests.back().arrival.ns() + 1;
  celled.lag = Duration(std::max<std::int64_t>(1, length / static_cast<std::int64_t>(1 + rng.below(40))));
  celled.faults.resize(n);
  for (std::vector<Fault>& of_cell : celled.faults) {
    for (std::uint64_t k = faults ? rng.below(8) : 0; k > 0; --k)
      of_cell.push_back({Time(static_cast<std::int64_t>(rng.below(static_cast<std::uint64_t>(2 * length)))),
                         {.device = {static_cast<std::uint32_t>(rng.below(celled.cells[0].view.devices()))},
                          .state = static_cast<DeviceState>(rng.below(3))}});
    const std::uint32_t devices =
        celled.cells[static_cast<std::size_t>(&of_cell - celled.faults.data())].view.devices();
    for (Fault& fault : of_cell) fault.change.device.value %= devices;
    std::ranges::stable_sort(of_cell, {}, &Fault::at);
  }
  return celled;
}

Bounds bounds_of(const Case& c) {
  return {.sequences = c.options.sequences, .events_per_tick = 64, .steps_per_run = c.options.steps_per_run};
}

Story simulate(const CelledCase& celled, std::uint32_t threads, Exact exact = Exact::jump) {
  const Case& c = celled.c;
  const PolicySet policies = find_policies(c.options.scorer, c.options.order, c.options.bind);
  const CostTables truth = truth_of(c);
  std::vector<std::unique_ptr<SimStepped>> devices;
  std::vector<std::unique_ptr<Endings>> endings;
  std::vector<CellOutside> outsides;
  for (std::size_t i = 0; i < celled.cells.size(); ++i) {
    devices.push_back(std::make_unique<SimStepped>(celled.cells[i].view, truth, bounds_of(c), exact));
    endings.push_back(std::make_unique<Endings>());
    outsides.push_back({devices[i].get(), endings[i].get(), celled.faults[i], learns(c)});
  }
  Cells cells(celled.cells, outsides, c.costs, policies, bounds_of(c), c.options.seed, celled.lag);
  Requests source(c.requests);
  Story story;
  story.last = cells.run(source, threads);
  story.hash = cells.hash();
  for (std::uint32_t i = 0; i < celled.cells.size(); ++i) {
    EXPECT_TRUE(cells.core(i).ledger().balances());
    EXPECT_EQ(cells.core(i).ledger().in_flight, 0u);
    story.endings.push_back(endings[i]->all);
    story.gaps.merge(devices[i]->gaps());
  }
  return story;
}

// Without cells at all.
Story simulate_whole(const Case& c) {
  const PolicySet policies = find_policies(c.options.scorer, c.options.order, c.options.bind);
  Core core(bounds_of(c), c.fleet, c.costs, policies, c.options.seed);
  const CostTables truth = truth_of(c);
  SimStepped devices(c.fleet, truth, bounds_of(c), Exact::jump);
  Endings endings;
  SimLoop loop(core, bounds_of(c), c.fleet.devices(), devices, endings);
  CostLearner learner(c.fleet, c.costs);
  if (learns(c)) loop.learns(learner);
  Requests source(c.requests);
  const Time last = loop.run(source);
  return {{endings.all}, core.hash(), devices.gaps(), last};
}

void expect_each_row_ended_once(const Case& c, const Story& story) {
  std::vector<bool> ended(c.requests.size());
  std::size_t n = 0;
  for (const auto& endings : story.endings)
    for (const Ending& e : endings) {
      ASSERT_FALSE(ended.at(e.row)) << "row " << e.row << " ends twice";
      ended[e.row] = true;
      ++n;
    }
  ASSERT_EQ(n, c.requests.size());
}

std::string again(Seed seed) { return "again with SWITCHYARD_SEED=" + std::to_string(seed) + " SWITCHYARD_CASES=1"; }

// ---- exact ----------------------------------------------------------------------------------------------------------

TEST(Cells, DecideAlikeOnOneTwoAndThreeThreads) {
  const tbb::global_control three(tbb::global_control::max_allowed_parallelism, 3);
  const Seed first = number_from("SWITCHYARD_SEED", 0), cases = number_from("SWITCHYARD_CASES", 200);
  for (Seed seed = first; seed < first + cases; ++seed) {
    SCOPED_TRACE(again(seed));
    const CelledCase celled = celled_case(seed, seed % 2);
    const Story one = simulate(celled, 1);
    ASSERT_NO_FATAL_FAILURE(expect_each_row_ended_once(celled.c, one));
    ASSERT_TRUE(simulate(celled, 2) == one);
    ASSERT_TRUE(simulate(celled, 3) == one);
  }
}

TEST(Cells, JumpAndStepAgree) {
  const Seed first = number_from("SWITCHYARD_SEED", 1000), cases = number_from("SWITCHYARD_CASES", 200);
  for (Seed seed = first; seed < first + cases; ++seed) {
    SCOPED_TRACE(again(seed));
    const CelledCase celled = celled_case(seed, seed % 2);
    ASSERT_TRUE(simulate(celled, 1, Exact::step) == simulate(celled, 1, Exact::jump));
  }
}

TEST(Cells, OneCellIsTheFleetItself) {
  const Seed first = number_from("SWITCHYARD_SEED", 2000), cases = number_from("SWITCHYARD_CASES", 300);
  for (Seed seed = first; seed < first + cases; ++seed) {
    SCOPED_TRACE(again(seed));
    CelledCase celled = celled_case(seed, false);
    celled.cells = in_parts(celled.c.fleet, 1);
    celled.faults.resize(1);
    ASSERT_TRUE(simulate(celled, 2) == simulate_whole(celled.c));
  }
}

// 50,000 arrivals between two exchanges are handed over in parts.
TEST(Cells, AnEpochInPartsIsTheSame) {
  CelledCase celled = celled_case(7, false);
  Case& c = celled.c;
  c.requests = random_case(7, 50'000).requests;
  celled.cells = in_parts(c.fleet, 1);
  celled.faults.resize(1);
  celled.lag = Duration(c.requests.back().arrival.ns() + 1);
  ASSERT_TRUE(simulate(celled, 1) == simulate_whole(c));
}

TEST(Cells, PausesOfManyEpochsAreSkipped) {
  CelledCase celled = celled_case(8, false);
  celled.lag = nanoseconds(1);
  for (reference::Request& r : celled.c.requests) {  // days between two arrivals
    const std::int64_t later = r.row * std::int64_t{86'400'000'000'000};
    r.arrival = Time(r.arrival.ns() + later);
    if (r.cancel_at) r.cancel_at = Time(r.cancel_at->ns() + later);
  }
  expect_each_row_ended_once(celled.c, simulate(celled, 1));
}

TEST(Cells, AnotherSeedDrawsOtherwise) {
  CelledCase celled = celled_case(9, false);
  celled.c.options.scorer = "random";
  const Story one = simulate(celled, 1);
  ++celled.c.options.seed;
  EXPECT_NE(simulate(celled, 1).hash, one.hash);
}

// ---- what is known when ---------------------------------------------------------------------------------------------

std::map<std::uint32_t, std::size_t> cell_of_row(const Story& story) {
  std::map<std::uint32_t, std::size_t> cells;
  for (std::size_t c = 0; c < story.endings.size(); ++c)
    for (const Ending& e : story.endings[c]) cells[e.row] = c;
  return cells;
}

// Answers turn out ten times as long as before, which only the cells find out.
TEST(Cells, NothingOfAnEpochIsKnownToTheNext) {
  std::uint64_t differ_later = 0;
  for (Seed seed = 0; seed < 100; ++seed) {
    CelledCase celled = celled_case(seed, false);
    celled.c.options.scorer = "least_loaded";
    const std::int64_t length = celled.c.requests.back().arrival.ns() + 1;
    celled.lag = Duration(length / 8 + 1);
    for (reference::Request& r : celled.c.requests) r.cancel_at.reset();
    const auto before = cell_of_row(simulate(celled, 1));
    for (reference::Request& r : celled.c.requests) r.output = Tokens(r.output.count() * 10);
    const auto after = cell_of_row(simulate(celled, 1));
    // What the cells said at the end of the first epoch is heard a lag later.
    for (const reference::Request& r : celled.c.requests)
      if (r.arrival < Time(2 * celled.lag.count()))
        ASSERT_EQ(before.at(r.row), after.at(r.row)) << "seed " << seed << ", row " << r.row;
      else
        differ_later += before.at(r.row) != after.at(r.row);
  }
  EXPECT_GT(differ_later, 100u) << "nothing is ever heard";
}

TEST(Cells, WhatNobodyServesIsRefusedAsByTheWholeFleet) {
  std::uint64_t refused = 0;
  for (Seed seed = 0; seed < 200; ++seed) {
    CelledCase celled = celled_case(seed, false);
    for (reference::Request& r : celled.c.requests) r.cancel_at.reset();
    for (SloClass& slo : celled.c.fleet.classes) slo.patience = Duration();
    for (CellView& cell : celled.cells) cell.view.classes = celled.c.fleet.classes;
    celled.c.options.sequences = 1 << 20;
    std::map<std::uint32_t, Reason> whole;
    const auto at_the_door = [](Reason r) {
      return r == Reason::no_such_model || r == Reason::no_region || r == Reason::too_long || r == Reason::empty_prompt;
    };
    const Story together = simulate_whole(celled.c), celled_story = simulate(celled, 1);
    for (const Ending& e : together.endings[0]) whole[e.row] = e.why;
    for (const auto& endings : celled_story.endings)
      for (const Ending& e : endings)
        if (at_the_door(e.why) || at_the_door(whole.at(e.row))) {
          ASSERT_EQ(e.why, whole.at(e.row)) << "seed " << seed << ", row " << e.row;
          ++refused;
        }
  }
  EXPECT_GT(refused, 200u);
}

// ---- where it goes --------------------------------------------------------------------------------------------------

// Cells of 40 devices each but the last, which has 80; so many requests between two exchanges. `slower`: steps of the
// last one take so many times what was said, which it tells at the first exchange.
std::vector<std::uint32_t> shares(const std::string& scorer, std::uint32_t requests, std::uint32_t slower = 1) {
  Case c = random_case(1);
  c.fleet.pools.resize(1);
  c.fleet.pools[0].devices = 200;
  c.fleet.pools[0].region = RegionId{0};
  const std::vector<CellView> cells = cells_of(c.fleet, {"a", "b", "c", "d"}, {{40, 40, 40, 80}});
  const PolicySet policies = find_policies(scorer, "fcfs", "arrival");
  CellPlacement placement(cells, c.costs, policies, 1);
  if (slower > 1) {
    std::vector<ShardSummary> summaries;
    for (const CellView& cell : cells) {
      Core core({.sequences = 64}, cell.view, c.costs, policies, 1);
      const std::uint32_t by = kCostAsSaid * slower;
      if (summaries.size() == 3) core.apply(CostCorrected{c.fleet.pools[0].cost, {by, by, by, by, by}, 50}, Time(0));
      core.poll(Time(0));
      core.summarise(summaries.emplace_back(cell.view));
    }
    placement.hear(summaries, false);
  }
  std::vector<std::uint32_t> sent(4);
  for (std::uint32_t i = 0; i < requests; ++i)
    ++sent[placement.place({.request = {},
                            .model = c.fleet.pools[0].model,
                            .tenant = {0},
                            .slo = {0},
                            .prompt = Tokens(8),
                            .max_output = Tokens(4),
                            .regions = {},
                            .arrival = Time(0)})];
  return sent;
}

TEST(CellPlacement, WhatItSentCountsAtOnce) {
  for (const char* scorer : {"least_loaded", "expected_seconds"}) {
    const auto sent = shares(scorer, 2000);
    for (std::size_t c = 0; c < 3; ++c) EXPECT_NEAR(sent[c], 400, 40) << scorer << ", cell " << c;
    EXPECT_NEAR(sent[3], 800, 80) << scorer;
  }
}

TEST(CellPlacement, GoesByWhatCellsLearntOfCosts) {
  const auto sent = shares("expected_seconds", 2000, 4);
  for (std::size_t c = 0; c < 3; ++c) EXPECT_NEAR(sent[c], 667, 70) << "cell " << c;
  EXPECT_LT(sent[3], 20u) << "a step of many elsewhere is shorter than one of one there";
}

// Fewer than there are devices: counts rounded down would tie, and all go to the first.
TEST(CellPlacement, FewRequestsAreSpreadToo) {
  const auto sent = shares("least_loaded", 100);
  EXPECT_LT(*std::ranges::max_element(sent), 70u);
  EXPECT_GT(*std::ranges::min_element(sent), 5u);
}

TEST(CellPlacement, AskedInTurnEveryRowHasItsTurn) {
  const auto sent = shares("round_robin", 400);
  for (const std::uint32_t n : sent) EXPECT_EQ(n, 100u);
}

}  // namespace
}  // namespace yard
