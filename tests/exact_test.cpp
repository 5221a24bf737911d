// jump == step == reference, request by request, in nanoseconds: over random fleets and traces with every policy.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <string>

#include "scheduler/backend/sim_stepped.h"
#include "scheduler/core/ledger.h"
#include "scheduler/cost/compile_fleet.h"
#include "scheduler/loop/sim_loop.h"
#include "scheduler/policy/registry.h"
#include "scheduler/trace/trace.h"
#include "tests/random_case.h"
#include "tests/random_handoff.h"
#include "tests/reference.h"
#include "tests/simulate.h"

namespace yard {
namespace {

using reference::Ending;

struct Outcomes {
  std::vector<Ending> endings;
  std::uint64_t hash;
  Histogram gaps;
};

// Those that the reference knows.
std::vector<NamedScorer> pinned_scorers() {
  std::vector<NamedScorer> pinned;
  for (const NamedScorer& scorer : scorers())
    if (std::find(reference::kScorers.begin(), reference::kScorers.end(), scorer.name) != reference::kScorers.end())
      pinned.push_back(scorer);
  return pinned;
}

Outcomes simulate(const Case& c, Exact exact) {
  const Bounds bounds{.sequences = c.options.sequences,
                      .events_per_tick = 4096,
                      .steps_per_run = c.options.steps_per_run,
                      .moves_per_link = c.options.moves_per_link};
  const PolicySet policies = find_policies(c.options.scorer, c.options.order, c.options.bind);
  Core core(bounds, c.fleet, c.costs, policies, c.options.seed);
  SimStepped devices(c.fleet, c.costs, bounds, exact);
  Endings endings;
  SimLoop loop(core, bounds, c.fleet.devices(), devices, endings);
  Requests source(c.requests);
  SimLinks links(c.fleet);
  loop.moves_over(links);
  loop.run(source);
  EXPECT_TRUE(core.ledger().balances());
  EXPECT_EQ(core.ledger().in_flight, 0u);
  return {endings.all, core.hash(), devices.gaps()};
}

// A table whose costs neither rise evenly nor add up.
OperatorProfile random_profile(Rng& rng) {
  const auto cost = [&](std::uint64_t most) { return Picoseconds(1 + rng.below(most)); };
  std::vector<AttentionTable::Row> rows;
  for (const std::int64_t read : {0, 16, 512})
    for (const std::int64_t decoding : {0, 1, 8})
      for (const std::int64_t behind : {0, 300})
        for (const std::int64_t context : {0, 64, 900})
          rows.push_back({read, behind, decoding, context, cost(5'000'000)});
  return OperatorProfile(Curve({{1, cost(1'000'000)}, {40, cost(9'000'000)}, {700, cost(50'000'000)}}),
                         Curve({{1, cost(100'000)}, {30, cost(300'000)}}), AttentionTable(std::move(rows)),
                         static_cast<std::int64_t>(rng.below(300'000)));
}

// Returns: whether all three agree.
bool agree(const Case& c, Seed seed) {
  const Outcomes jump = simulate(c, Exact::jump), step = simulate(c, Exact::step);
  const std::vector<Ending> reference = reference::Simulator(c.fleet, c.costs, c.requests, c.options).run();
  const std::string what =
      "seed " + std::to_string(seed) + ": " + c.options.scorer + ", " + c.options.order + ", bind " + c.options.bind;
  EXPECT_EQ(jump.hash, step.hash) << what;
  EXPECT_TRUE(jump.gaps == step.gaps) << what;
  EXPECT_EQ(jump.endings.size(), reference.size()) << what;
  for (std::size_t k = 0; k < std::min(reference.size(), jump.endings.size()); ++k) {
    EXPECT_EQ(text_of(jump.endings[k]), text_of(reference[k])) << what << ", ending " << k;
    if (jump.endings[k] != reference[k]) return false;
  }
  return jump.hash == step.hash && jump.endings == step.endings && jump.endings.size() == reference.size();
}

TEST(Exact, JumpStepAndReferenceAgreeOnRandomFleetsAndTraces) {
  const Seed first = number_from("SWITCHYARD_SEED", 0), cases = number_from("SWITCHYARD_CASES", 1000);
  for (Seed seed = first; seed < first + cases; ++seed)
    ASSERT_TRUE(agree(random_case(seed), seed)) << "again with SWITCHYARD_SEED=" << seed << " SWITCHYARD_CASES=1";
}

TEST(Exact, TheyAgreeWherePoolsHaveRoles) {
  const Seed first = number_from("SWITCHYARD_SEED", 0), cases = number_from("SWITCHYARD_CASES", 1000);
  reference::Happenings all{};
  for (Seed seed = first; seed < first + cases; ++seed) {
    const Case c = with_handoff(random_case(seed));
    ASSERT_TRUE(agree(c, seed)) << "again with SWITCHYARD_SEED=" << seed << " SWITCHYARD_CASES=1";
    reference::Simulator simulator(c.fleet, c.costs, c.requests, c.options);
    simulator.run();
    for (std::size_t k = 0; k < all.size(); ++k) all[k] += simulator.happenings()[k];
  }
  if (cases < 1000) return;
  for (std::size_t k = static_cast<std::size_t>(reference::Happening::moved); k < all.size(); ++k)
    EXPECT_GT(all[k], 20u) << reference::kHappeningNames[k];
}

// Steps without a closed form: both sum the same ones.
TEST(Exact, JumpAndStepAgreeOnMeasuredKernels) {
  const Seed first = number_from("SWITCHYARD_SEED", 20'000);
  for (Seed seed = first; seed < first + 200; ++seed) {
    Case c = random_case(seed);
    for (std::size_t row = 0; row < c.costs.rows.size(); ++row) {
      Rng rng(seed * 16 + row);
      c.costs.profiles.push_back(std::make_shared<const OperatorProfile>(random_profile(rng)));
    }
    const Outcomes jump = simulate(c, Exact::jump), step = simulate(c, Exact::step);
    EXPECT_EQ(jump.hash, step.hash) << "seed " << seed;
    EXPECT_EQ(jump.endings, step.endings) << "seed " << seed;
    EXPECT_TRUE(jump.gaps == step.gaps) << "seed " << seed;
  }
}

TEST(Exact, TheyAgreeForEveryPolicy) {
  for (const NamedScorer& scorer : pinned_scorers())
    for (const NamedOrder& order : orders())
      for (const char* bind : {"arrival", "room"})
        for (Seed seed = 10'000; seed < 10'020; ++seed) {
          Case c = random_case(seed);
          c.options.scorer = scorer.name;
          c.options.order = order.name;
          c.options.bind = bind;
          ASSERT_TRUE(agree(c, seed)) << scorer.name << ' ' << order.name << ' ' << bind << " seed " << seed;
        }
}

// It refuses and puts off; the reference does not know it yet.
TEST(Exact, JumpAndStepAgreeWhereRequestsAreRefused) {
  std::uint64_t refused = 0;
  for (Seed seed = 0; seed < 300; ++seed) {
    Case c = random_case(seed);
    c.options.scorer = std::string(scorers()[seed % scorers().size()].name) + "+refusal";
    for (StepCost& row : c.costs.rows) {  // in microseconds, not nanoseconds: its ratios must not all round to nothing
      std::vector<BatchBucket> buckets = row.buckets();
      for (BatchBucket& b : buckets) b.c0 = b.c0 * 1000;
      row = StepCost(buckets, row.c1() * 1000, row.c2() * 1000, row.max_sequences());
    }
    for (reference::Request& r : c.requests) r.arrival = Time(r.arrival.ns() * 1000);
    for (SloClass& slo : c.fleet.classes) {
      slo.tpot = ceil_to_ns(c.costs.rows[0].c0(1)) * 2;
      slo.ttft = slo.tpot * 20;
      slo.patience = slo.patience * 1000;
    }
    c.fleet.classes.back().tpot = c.fleet.classes.back().ttft = Duration();  // promised nothing: waits, is not refused
    const Outcomes jump = simulate(c, Exact::jump), step = simulate(c, Exact::step);
    ASSERT_EQ(jump.hash, step.hash) << "seed " << seed;
    ASSERT_EQ(jump.endings, step.endings) << "seed " << seed;
    for (const Ending& e : jump.endings) refused += e.why == Reason::overloaded;
  }
  EXPECT_GT(refused, 0u);
}

// ---- real traces --------------------------------------------------------------------------------------------------

std::string trace_file(const std::string& name) {
  const char* data = std::getenv("SWITCHYARD_DATA_DIR");
  const char* source = std::getenv("SWITCHYARD_SOURCE_DIR");
  const std::string folder = data ? data : std::string(source ? source : ".") + "/../shared/data";
  return folder + "/traces/azure2023/AzureLLMInferenceTrace_" + name + ".csv";
}

// The trace over the built-in mixed fleet, so many times as fast that lines form and KV runs short.
Case real_case(const std::string& file, const std::string& scorer, std::uint64_t rows) {
  const CompiledFleet fleet = compile_fleet(load_fleet("builtin:mixed"));
  Case c;
  c.fleet = fleet.view;
  c.costs = fleet.tables;
  c.options.scorer = scorer;
  c.options.order = "edf";
  c.options.seed = 7;
  const auto reader = open_trace(file, c.options.seed, rows, 20);
  for (std::uint32_t row = 0;; ++row) {
    const auto next = reader->next();
    if (!next) return c;
    const MixEntry& of = fleet.mix.pick(c.options.seed, row);
    reference::Request r;
    r.row = row;
    r.arrival = next->arrival;
    r.prompt = next->prompt;
    r.output = next->output;
    r.model = of.model, r.slo = of.slo, r.tenant = of.tenant, r.regions = of.regions;
    c.requests.push_back(r);
  }
}

class ExactOnRealTraces : public testing::TestWithParam<const char*> {};

TEST_P(ExactOnRealTraces, JumpStepAndReferenceAgree) {
  const std::string file = trace_file(GetParam());
  if (!std::ifstream(file)) GTEST_SKIP() << "no " << file << "; set SWITCHYARD_DATA_DIR";
  ASSERT_TRUE(agree(real_case(file, "expected_seconds", 0), 7));
  for (const NamedScorer& scorer : pinned_scorers())
    ASSERT_TRUE(agree(real_case(file, std::string(scorer.name), 3000), 7));
}

INSTANTIATE_TEST_SUITE_P(Azure, ExactOnRealTraces, testing::Values("conv", "code"),
                         [](const auto& of) { return std::string(of.param); });

}  // namespace
}  // namespace yard
