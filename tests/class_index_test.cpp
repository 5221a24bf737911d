// Placement by the index of classes is placement by a scan, and a scan by what is seen at once is one that scores every
// device, decision for decision: random fleets with all that a fleet may have, under devices that go and come back, of
// like and of unlike pace, busy and idle.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <span>
#include <string>
#include <tuple>
#include <vector>

#include <fmt/format.h>

#include "scheduler/backend/sim_stepped.h"
#include "scheduler/core/ledger.h"
#include "scheduler/loop/sim_loop.h"
#include "scheduler/policy/kept_promises.h"
#include "scheduler/policy/refusal.h"
#include "scheduler/policy/registry.h"
#include "tests/builders.h"
#include "tests/random_case.h"
#include "tests/random_handoff.h"
#include "tests/random_tenants.h"
#include "tests/random_terms.h"
#include "tests/simulate.h"

namespace yard {
namespace {

// The hash after each tick; with an index its keys are looked through in every one.
struct Hashes final : SimObserver {
  void ticked(Time now, const Core& core) override {
    all.emplace_back(now, core.hash());
    core.audit();
  }
  std::vector<std::pair<Time, std::uint64_t>> all;
};

struct Told {
  std::vector<std::pair<Time, std::uint64_t>> hashes;
  PlacementWays ways;
  std::uint64_t corrections = 0;
};

// expected_cost as it is defined: every device is scored.
std::uint32_t plain_cost(std::span<const std::uint32_t> eligible, const DeviceColumns& devices, const FleetView& fleet,
                         const CostTables& tables, const Ask& ask, PolicyState& state) noexcept {
  using namespace policy::kept_promises;
  const Request request(fleet, ask, price_of_reading(eligible, devices, ask));
  Terms least{};
  std::uint32_t at = kRefused;
  for (std::uint32_t k = 0; k < eligible.size(); ++k) {
    const PoolView& pool = fleet.pools[devices.pool[eligible[k]]];
    const Terms terms = terms_on(pool, tables[pool.cost], fleet, devices, eligible[k], request);
    if (at == kRefused || terms.total() < least.total()) least = terms, at = k;
  }
  if (!ask.may_refuse) return at;
  std::int32_t& scarcity = state.scarcity[ask.model.value];
  if (ask.counts) scarcity = scarcity_after(scarcity, least.own);
  return least.loses() ? kRefused : at;
}

enum class By { index, scan, plain_scan };

PolicySet policies_of(const reference::Options& options, By by) {
  PolicySet policies = find_policies(options.scorer, options.order, options.bind);
  EXPECT_NE(policies.indexed, nullptr);
  if (by != By::index) policies.indexed = nullptr;
  if (by == By::plain_scan && options.scorer == "expected_cost") policies.scorer = plain_cost;
  if (by == By::plain_scan && options.scorer == "expected_cost+none") policies.scorer = policy::accepting<plain_cost>;
  return policies;
}

Told simulate(const Case& c, const CostTables& truth, const std::vector<Fault>& faults, By by) {
  const Bounds bounds{.sequences = c.options.sequences,
                      .events_per_tick = 4096,
                      .steps_per_run = c.options.steps_per_run,
                      .moves_per_link = c.options.moves_per_link};
  Core core(bounds, c.fleet, c.costs, policies_of(c.options, by), c.options.seed);
  SimStepped devices(c.fleet, truth, bounds, Exact::jump);
  Hashes hashes;
  SimLoop loop(core, bounds, c.fleet.devices(), devices, hashes);
  Requests source(c.requests);
  SimNews news(c.fleet, c.seed);
  loop.hears(news);
  SimLinks links(c.fleet);
  loop.moves_over(links);
  CostLearner learner(c.fleet, c.costs);
  if (c.seed % 2 == 0) loop.learns(learner);
  loop.run(source, faults);
  return {std::move(hashes.all), core.placements(), core.ledger().corrections};
}

// A case's pools with so many times the devices, so that there are enough for an index.
void multiply(Case& c, Rng& rng) {
  std::uint32_t first = 0;
  for (PoolView& pool : c.fleet.pools) {
    pool.first_device = first;
    pool.devices = pool.devices * static_cast<std::uint32_t>(2 + rng.below(rng.below(2) ? 16 : 100));
    first += pool.devices;
  }
}

// Costs of an H100 or so, and requests that keep one to eight a device busy: where the index has most to do.
void make_real(Case& c, Rng& rng) {
  const auto between = [&](std::int64_t low, std::int64_t high) {
    return low + static_cast<std::int64_t>(rng.below(static_cast<std::uint64_t>(high - low + 1)));
  };
  c.fleet.classes = {{.name = "a",
                      .ttft = milliseconds(1000),
                      .ttft_per_token = microseconds(300),
                      .tpot = milliseconds(50),
                      .e2e = {},
                      .patience = {}},
                     {.name = "b",
                      .ttft = milliseconds(2000),
                      .ttft_per_token = microseconds(300),
                      .tpot = milliseconds(between(4, rng.below(2) ? 20 : 100)),
                      .e2e = {},
                      .patience = {}},
                     {.name = "c", .rank = 1, .ttft = {}, .ttft_per_token = {}, .tpot = {}, .e2e = {}, .patience = {}}};
  for (PoolView& pool : c.fleet.pools) {
    pool.max_sequences = 64, pool.token_budget = Tokens(between(256, 4096));
    pool.block_tokens = Tokens(16), pool.kv_blocks = Blocks(static_cast<std::int32_t>(between(600, 3000)));
    pool.max_context = Tokens(8192);
    const std::int64_t us = between(3000, 9000);
    const auto ps = [&](std::int64_t low, std::int64_t high) { return Picoseconds(between(low, high)); };
    const Picoseconds few(us * 1'000'000), some = few + ps(0, 500'000'000), many = some + ps(0, 2'000'000'000);
    c.costs.rows[pool.cost.value] =
        StepCost({{4, few}, {16, some}, {64, many}}, ps(5'000'000, 40'000'000), ps(10'000, 200'000), 64, ps(0, 20'000));
  }
  const std::int64_t gap = between(20'000'000, rng.below(2) ? 1'500'000'000 : 20'000'000'000) / c.fleet.devices();
  Time now(0);
  for (reference::Request& r : c.requests) {
    now += nanoseconds(between(0, 2 * gap));
    r.arrival = now;
    r.prompt = Tokens(between(1, 4) == 1 ? between(1, 6000) : between(1, 1000));
    r.output = Tokens(between(1, 200));
    r.max_output = Tokens(between(1, 2) == 1 ? between(1, 400) : 400);
    if (c.fleet.models[r.model.value].embeds) r.max_output = Tokens(0);
    r.slo = SloClassId{static_cast<std::uint32_t>(rng.below(3))};
    r.prefix.clear();
    if (r.cancel_at) r.cancel_at = now + nanoseconds(between(0, 1'000'000'000));
  }
}

// What steps take on devices that are slower or faster than they are said to be: each learns its pace.
CostTables other_costs(const CostTables& said, Rng& rng) {
  CostTables truth;
  for (const StepCost& cost : said.rows) {
    const auto percent = static_cast<std::int64_t>(60 + rng.below(100));
    const auto of = [&](Picoseconds p) { return Picoseconds(p.count() * percent / 100); };
    std::vector<BatchBucket> buckets = cost.buckets();
    for (BatchBucket& bucket : buckets) bucket.c0 = of(bucket.c0);
    truth.rows.emplace_back(std::move(buckets), of(cost.c1()), of(cost.c2()), cost.max_sequences(), of(cost.c4()));
  }
  return truth;
}

Case wide_case(Seed seed) {
  Rng rng = Rng::stream(seed, 0x77696465);
  Case c = random_case(seed, 50 + 400 * static_cast<std::uint32_t>(rng.below(2)));
  multiply(c, rng);
  if (rng.below(3) != 0) make_real(c, rng);
  if (rng.below(8) == 0) c = with_handoff(std::move(c));
  if (rng.below(4) == 0) c = with_terms(std::move(c));
  if (rng.below(3) == 0) give_tenants(c);
  if (rng.below(8) == 0) c.fleet.signals_age = milliseconds(1);
  constexpr std::array kScorers = {"expected_cost", "expected_seconds", "expected_cost+none",
                                   "expected_seconds+refusal"};
  c.options.scorer = kScorers[rng.below(kScorers.size())];
  c.options.bind = rng.below(8) == 0 ? "room" : "arrival";
  return c;
}

std::vector<Fault> some_faults(const Case& c, Rng& rng) {
  std::vector<Fault> faults;
  const auto end = static_cast<std::uint64_t>(c.requests.back().arrival.ns() + 1);
  for (std::uint64_t n = rng.below(3) == 0 ? rng.below(24) : 0; n > 0; --n)
    faults.push_back(
        {Time(static_cast<std::int64_t>(rng.below(end))),
         {DeviceId{static_cast<std::uint32_t>(rng.below(c.fleet.devices()))}, static_cast<DeviceState>(rng.below(3))}});
  std::ranges::sort(faults, {}, [](const Fault& f) { return std::tuple(f.at, f.change.device, f.change.state); });
  return faults;
}

TEST(ClassIndex, DecidesAsAScanDoes) {
  const Seed first = number_from("SWITCHYARD_SEED", 0), cases = number_from("SWITCHYARD_CASES", 600);
  PlacementWays ways;
  std::uint64_t corrections = 0;
  for (Seed seed = first; seed < first + cases; ++seed) {
    const Case c = wide_case(seed);
    Rng rng = Rng::stream(seed, 0x6661756c74);
    const std::vector<Fault> faults = some_faults(c, rng);
    const CostTables truth = rng.below(3) == 0 ? other_costs(c.costs, rng) : c.costs;
    const std::string again = c.text() + fmt::format(", again with SWITCHYARD_SEED={} SWITCHYARD_CASES=1", seed);
    const Told with = simulate(c, truth, faults, By::index), without = simulate(c, truth, faults, By::scan);
    ASSERT_EQ(with.hashes, without.hashes) << again;
    if (c.options.scorer.starts_with("expected_cost"))
      ASSERT_EQ(without.hashes, simulate(c, truth, faults, By::plain_scan).hashes) << again;
    EXPECT_EQ(without.ways.indexed, 0u);
    EXPECT_EQ(with.ways.indexed + with.ways.scanned, without.ways.scanned);
    ways.indexed += with.ways.indexed, ways.scanned += with.ways.scanned;
    corrections += with.corrections;
  }
  RecordProperty("indexed", std::to_string(ways.indexed));
  RecordProperty("scanned", std::to_string(ways.scanned));
  if (cases < 600) return;
  EXPECT_GT(ways.indexed, 20'000u);
  EXPECT_GT(ways.scanned, 1'000u);
  EXPECT_GT(corrections, 200u);
}

// Many devices of one pool, each with a few sequences and of much the same promise.
TEST(ClassIndex, DecidesAsAScanDoesWhereManyAreNearlyAlike) {
  Rng rng(3);
  Case c = random_case(2, 3000);
  c.fleet.pools.resize(1);
  c.fleet.pools[0].devices = 700;
  c.fleet.adapters.clear();
  c.options.scorer = "expected_cost", c.options.bind = "arrival", c.options.sequences = 1u << 16;
  for (reference::Request& r : c.requests) {
    const std::uint32_t row = r.row;
    r = {};
    r.row = row;
  }
  make_real(c, rng);
  for (std::size_t k = 0; k < c.requests.size(); ++k)
    c.requests[k].arrival = Time(0) + microseconds(350 * static_cast<std::int64_t>(k));
  const Told with = simulate(c, c.costs, {}, By::index), without = simulate(c, c.costs, {}, By::scan);
  EXPECT_EQ(with.hashes, without.hashes);
  EXPECT_EQ(with.hashes, simulate(c, c.costs, {}, By::plain_scan).hashes);
  EXPECT_EQ(with.ways.indexed, c.requests.size());
  EXPECT_EQ(with.ways.scanned, 0u);
}

}  // namespace
}  // namespace yard
