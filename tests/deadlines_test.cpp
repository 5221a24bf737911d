// Hard deadlines: placed where they are kept as surely as is asked, refused where that is nowhere; by costs' errors and
// likely lengths, never the true one.
#include "scheduler/core/deadlines.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "scheduler/backend/sim_stepped.h"
#include "scheduler/base/input_error.h"
#include "scheduler/loop/reenact.h"
#include "scheduler/loop/sim_loop.h"
#include "tests/builders.h"
#include "tests/scratch.h"
#include "tests/simulate.h"

namespace yard {
namespace {

using builders::Given;
using builders::Said;
using builders::Scene;

constexpr std::int64_t kMs = 1'000'000'000;  // picoseconds

// Class 0 promises nothing; those behind it an end within `e2e`, kept by q50, q90 and q99.
enum : std::uint32_t { soft, half, nine, most };
Given with_classes(Duration e2e, Given given = {}) {
  const SloClass free = given.fleet.classes[0];
  for (const Quantile sure : {Quantile::q50, Quantile::q90, Quantile::q99}) {
    given.fleet.classes.push_back(free);
    given.fleet.classes.back().e2e = e2e, given.fleet.classes.back().sure = sure;
  }
  return given;
}

CostCorrected jittery(std::uint32_t row) {
  return {CostRow{row}, kCostsAsSaid, 300, {.quantiles = {1000, 1400, 1800}, .common = 300}};
}
CostCorrected steady(std::uint32_t row) {
  return {CostRow{row}, kCostsAsSaid, 10, {.quantiles = {1000, 1010, 1020}, .common = 10}};
}

// Serves what was said to its end, in `tokens` tokens, at the device's true speed. Returns: the device; none where it
// was refused.
std::optional<std::uint32_t> serve(Scene& s, const Scene::Ask& ask, std::int32_t tokens, std::int64_t step_ns) {
  const RequestId asked = s.submit(ask);
  const Said said = s.poll();
  if (said.launches.empty()) return std::nullopt;
  const std::uint32_t device = said.launches[0].device.value;
  const auto ends = [&](std::int32_t steps, bool last) {
    s.at(s.now().ns() + steps * step_ns);
    s.end_run(device, {.steps = steps, .stop = last ? std::vector{asked} : std::vector<RequestId>{}});
    s.poll();
  };
  ends(1, tokens == 1);
  for (std::int32_t left = tokens - 1; left > 0;) {
    const std::int32_t steps = std::min(left, static_cast<std::int32_t>(s.open_run(device).step_limit));
    left -= steps;
    ends(steps, left == 0);
  }
  return device;
}

// Twenty tokens of 10 ms each: 200 ms in the mean, 292 by nine of ten where they are off together by three tenths.
TEST(Deadlines, ThatTheMedianMeetsAndQ90DoesNotAreRefusedByWhoAsksForQ90) {
  Scene s(with_classes(milliseconds(250), Given().pool({.c0 = 10 * kMs})));
  const auto placed = [&](std::uint32_t slo) {
    return serve(s, {.prompt = 10, .max_output = 20, .slo = slo}, 20, 10'000'000).has_value();
  };
  s.tell(steady(0));
  for (const std::uint32_t slo : {half, nine, most}) EXPECT_TRUE(placed(slo));
  s.tell(jittery(0));
  EXPECT_TRUE(placed(soft));
  EXPECT_TRUE(placed(half));
  EXPECT_FALSE(placed(nine));
  EXPECT_FALSE(placed(most));
  EXPECT_EQ(s.ledger().of(Reason::overloaded), 2u);
  EXPECT_EQ(s.core().deadlines().asked, 6u);
  EXPECT_EQ(s.core().deadlines().refused, 2u);
}

TEST(Deadlines, GoWhereTheyAreKeptWhateverTheScorerPrefers) {
  for (const char* const scorer : {"expected_seconds", "round_robin"}) {
    Scene s(with_classes(milliseconds(250), Given().pool({.c0 = 10 * kMs}).pool({.c0 = 11 * kMs}).policy(scorer)));
    s.tell(jittery(0)), s.tell(steady(1));
    const auto goes_to = [&](std::uint32_t slo) {
      return serve(s, {.prompt = 10, .max_output = 20, .slo = slo}, 20, 10'000'000).value();
    };
    EXPECT_EQ(goes_to(half), 0u) << scorer;
    EXPECT_EQ(goes_to(nine), 1u) << scorer;
    EXPECT_EQ(goes_to(nine), 1u) << scorer;
  }
}

// A first token's deadline knows nothing of lengths, and waiting counts.
TEST(Deadlines, OfAFirstTokenCountWhatWasWaited) {
  Given given = with_classes({}, Given().pool({.max_sequences = 1, .c0 = 10 * kMs, .c1 = kMs}));
  for (SloClass& slo : given.fleet.classes) slo.ttft = milliseconds(100);
  Scene s(given);
  s.at(1'000'000'000);
  const auto refused = [&](std::int64_t ago_ms) {
    s.submit({.prompt = 60, .slo = nine, .arrival = s.now().ns() - ago_ms * 1'000'000});
    return !s.poll().finishes.empty();
  };
  EXPECT_TRUE(refused(40)) << "70 ms are needed, 81 by nine of ten";
  EXPECT_FALSE(refused(0));
  EXPECT_TRUE(refused(0)) << "one is before it, for as long as nobody knows";
}

TEST(Deadlines, AreAskedOfLengthsByTenant) {
  Scene s(with_classes(milliseconds(1000), Given().pool({.kv_blocks = 4000, .c0 = 10 * kMs})));
  const auto refused = [&](std::uint32_t tenant) {
    const RequestId asked = s.submit({.prompt = 10, .max_output = 1000, .slo = nine, .tenant = tenant});
    if (!s.poll().finishes.empty()) return true;
    s.end_run(0, {.stop = {asked}});
    s.poll();
    return false;
  };
  EXPECT_TRUE(refused(0)) << "of answers that nobody knows some are long";
  for (int i = 0; i < 200; ++i)
    for (const std::uint32_t tenant : {0u, 1u})
      serve(s, {.prompt = 10, .max_output = 1000, .tenant = tenant}, tenant ? 300 : 20, 10'000'000);
  EXPECT_FALSE(refused(0)) << "its answers take 0.2 s";
  EXPECT_TRUE(refused(1)) << "its answers take 3 s";
  const DeadlineCounts& counts = s.core().deadlines();
  EXPECT_EQ(counts.first.known, 401u);
  EXPECT_EQ(counts.last.known, 401u);
}

TEST(Deadlines, OfWhoWasLetInAreNotAskedAgain) {
  Scene s(with_classes(milliseconds(250), Given().pool({.devices = 2, .c0 = 10 * kMs})));
  const RequestId asked = s.submit({.prompt = 10, .max_output = 20, .slo = nine});
  const std::uint32_t first = s.poll().launches.at(0).device.value;
  s.tell(jittery(0));
  s.submit({.prompt = 10, .max_output = 20, .slo = soft});  // another's line goes with it
  s.change(first, DeviceState::draining);
  s.end_run(first, {.stop = {asked}});
  EXPECT_TRUE(s.poll().finishes.at(0).outcome == Outcome::done);
}

TEST(Deadlines, WithoutHardOnesNothingIsKept) {
  Scene s(Given().pool({.c0 = 10 * kMs}));
  s.submit();
  s.poll();
  s.end_run(0);
  s.poll();
  EXPECT_EQ(s.core().deadlines(), DeadlineCounts{});
}

// ---- simulated ------------------------------------------------------------------------------------------------------

// Two kinds of device, said wrongly, two tenants of unlike answers, a third of all with a hard deadline.
Case hasty_case(std::uint32_t requests, Seed seed, std::int64_t gap_us, const char* scorer) {
  Case c = random_case(7, requests);
  Given given = Given()
                    .pool({.devices = 2, .kv_blocks = 20000, .max_sequences = 16, .token_budget = 256})
                    .pool({.devices = 2, .kv_blocks = 20000, .max_sequences = 16, .token_budget = 256});
  given.fleet.models.resize(1);
  given.fleet.classes[0].ttft = milliseconds(500), given.fleet.classes[0].tpot = milliseconds(60);
  given.fleet.classes.push_back(given.fleet.classes[0]);
  given.fleet.classes[1].e2e = milliseconds(2000), given.fleet.classes[1].sure = Quantile::q90;
  c.fleet = given.fleet;
  const auto cost = [](std::int64_t c0, std::int64_t c1) {
    return StepCost({{1, Picoseconds(c0)}, {16, Picoseconds(c0 * 5 / 4)}}, Picoseconds(c1), Picoseconds(2'000'000), 16);
  };
  c.costs.rows = {cost(10 * kMs, kMs / 10), cost(14 * kMs, kMs / 8)};
  c.options.scorer = scorer, c.options.order = "edf", c.options.bind = "arrival";
  c.options.sequences = 1u << 14, c.options.steps_per_run = 256;
  Rng rng(seed);
  Time at;
  for (reference::Request& r : c.requests) {
    const std::uint32_t row = r.row;
    r = {};
    r.row = row;
    at += microseconds(static_cast<std::int64_t>(rng.below(static_cast<std::uint64_t>(2 * gap_us))));
    r.arrival = at;
    r.tenant = TenantId{static_cast<std::uint32_t>(rng.below(2))};
    r.slo = SloClassId{rng.below(3) == 0 ? 1u : 0u};
    r.prompt = Tokens(static_cast<std::int32_t>(1 + rng.below(rng.below(3) ? 100 : 1000)));
    r.output = Tokens(static_cast<std::int32_t>(1 + rng.below(r.tenant.value ? 200 : 40)));
    r.max_output = Tokens(rng.below(4) ? 2000 : 100);
  }
  return c;
}

struct Kept {
  DeadlineCounts counts;
  std::uint64_t hash = 0;
  std::uint64_t hard_done = 0, hard_late = 0, soft_done = 0, soft_late = 0;  // by E2E of class 1
};

struct EndToEnd final : SimObserver {
  explicit EndToEnd(Kept& into) : kept(into) {}
  void finished(std::uint64_t, const Finish& f) override {
    if (f.outcome != Outcome::done) return;
    const bool late = f.account.last_token - f.account.arrival > milliseconds(2000);
    (f.account.slo.value ? kept.hard_done : kept.soft_done) += 1;
    (f.account.slo.value ? kept.hard_late : kept.soft_late) += late;
  }
  Kept& kept;
};

Kept simulate(const Case& c, const std::string& record = {}) {
  const Bounds bounds{.sequences = c.options.sequences, .events_per_tick = 4096, .steps_per_run = 256};
  const PolicySet policies = find_policies(c.options.scorer, c.options.order, c.options.bind);
  CostTables truth{.rows = c.costs.rows};
  truth.rows[0].correct(c.costs.rows[0], {1300, 1024, 1200, 1500, 1024}, 100);
  Core core(bounds, c.fleet, c.costs, policies, 1);
  SimStepped devices(c.fleet, truth, bounds, Exact::jump);
  Kept kept;
  std::optional<Recording> recording;
  if (!record.empty()) recording.emplace(record), recording->recorder.head(c.fleet, c.costs, policies, bounds, 1);
  EndToEnd ends(kept);
  SimLoop loop(core, bounds, c.fleet.devices(), devices, recording ? static_cast<SimObserver&>(*recording) : ends);
  CostLearner learner(c.fleet, c.costs);
  loop.learns(learner);
  Requests source(c.requests);
  loop.run(source);
  if (recording) recording->recorder.finish();
  kept.counts = core.deadlines(), kept.hash = core.hash();
  return kept;
}

double percent(std::uint64_t n, std::uint64_t of) { return 100.0 * static_cast<double>(n) / static_cast<double>(of); }

// What is told holds as often as it says, at a light load and at one where some are refused.
TEST(Deadlines, AreForetoldAsSurelyAsIsSaid) {
  for (const std::int64_t gap_us : {60'000, 25'000}) {
    const Kept kept = simulate(hasty_case(6000, 3, gap_us, "expected_cost"));
    for (const DeadlineCounts::Held& held : {kept.counts.first, kept.counts.last}) {
      ASSERT_GT(held.known, 3000u);
      EXPECT_NEAR(percent(held.in_time[0], held.known), 50, 4) << gap_us;
      EXPECT_NEAR(percent(held.in_time[1], held.known), 90, 3) << gap_us;
      EXPECT_NEAR(percent(held.in_time[2], held.known), 99, 1.5) << gap_us;
    }
    ASSERT_GT(kept.hard_done, 300u);
    EXPECT_LT(percent(kept.hard_late, kept.hard_done), 10) << "of those let in by q90";
    EXPECT_GT(percent(kept.soft_late, kept.soft_done), 2 * percent(kept.hard_late, kept.hard_done)) << gap_us;
  }
}

TEST(Deadlines, Reenact) {
  const testing::Scratch scratch;
  for (const char* const scorer : {"expected_cost", "expected_cost@q90", "least_loaded+refusal", "random@q50"}) {
    const std::string path = scratch.at("hasty.rec");
    const Kept live = simulate(hasty_case(500, 5, 25'000, scorer), path);
    const Reenactment again = reenact(path);
    EXPECT_TRUE(again.equal) << scorer;
    EXPECT_EQ(again.hash_reenacted, live.hash) << scorer;
  }
}

// ---- placement that asks for a quantile -----------------------------------------------------------------------------

TEST(Quantile, IsWhatPlacementTakesCostsFor) {
  for (const char* const bind : {"arrival", "room"}) {
    for (const auto& [scorer, device] : {std::pair("expected_seconds", 0u), std::pair("expected_seconds@q50", 0u),
                                         std::pair("expected_seconds@q90", 1u)}) {
      Scene s(Given().pool({.c0 = 10 * kMs}).pool({.c0 = 13 * kMs}).policy(scorer, "fcfs", bind));
      s.tell(jittery(0)), s.tell(steady(1));
      s.submit();
      EXPECT_EQ(s.poll().launches.at(0).device.value, device) << scorer << ' ' << bind;
      EXPECT_EQ(s.core().cost(CostRow{0}).c0(1).count(), 10 * kMs);
      EXPECT_LT(std::abs(s.core().cost_to_placement(CostRow{0}).c0(1).count() - (device ? 14 : 10) * kMs), kMs / 10);
    }
  }
  EXPECT_THROW(find_policies("expected_cost@q95", "fcfs", "arrival"), InputError);
  EXPECT_THROW(find_policies("expected_cots@q90", "fcfs", "arrival"), InputError);
  EXPECT_NO_THROW(find_policies("expected_cost@q99+none", "fcfs", "arrival"));
}

TEST(Quantile, OfCostsThatNobodyLearntIsANormalsOfTheirError) {
  const StepCost cost({{1, Picoseconds(1000)}}, {}, {}, 1, {}, 200);
  EXPECT_EQ(cost.spread(), (CostSpread{.quantiles = {1000, 1256, 1465}, .common = 200}));
  StepCost is = cost;
  is.correct(cost, at_quantile({.scales = kCostsAsSaid, .error_permille = 200, .spread = {}}, Quantile::q90));
  EXPECT_EQ(is.c0(1).count(), 1255);
  EXPECT_FALSE(in_bounds(CostSpread{.quantiles = {1000, 900, 1100}}));
  EXPECT_FALSE(in_bounds(CostSpread{.common = 100}));
  EXPECT_TRUE(in_bounds(CostSpread{}));
}

}  // namespace
}  // namespace yard
