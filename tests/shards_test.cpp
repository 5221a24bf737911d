// Shards of one cell that take from one another: every rule holds over random fleets under faults, each shard
// re-enacts alone, one shard is the fleet itself, and a few steals as they are meant, step by step.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "scheduler/backend/sim_stepped.h"
#include "scheduler/core/ledger.h"
#include "scheduler/loop/reenact.h"
#include "scheduler/loop/shards.h"
#include "scheduler/policy/registry.h"
#include "tests/random_case.h"
#include "tests/random_deadlines.h"
#include "tests/random_tenants.h"
#include "tests/random_terms.h"
#include "tests/simulate.h"

namespace yard {
namespace {

using reference::Ending;

struct ShardedCase {
  Case c;
  std::vector<CellView> shards;
  Duration door_lag;
  std::vector<std::vector<Fault>> faults;  // by shard
  std::vector<Stall> stalls;
  bool blind = false;  // the door is not asked
};

// Every policy in its turn over two to five shards, near and far, with shelves of one place and of many; half of the
// cases with devices that change and shards that stand still.
ShardedCase sharded_case(Seed seed, bool faults) {
  ShardedCase sharded{.c = random_case(seed, 120), .shards = {}, .door_lag = {}, .faults = {}, .stalls = {}};
  Case& c = sharded.c;
  if (Rng::stream(seed, 0x7377).below(3) == 0) give_tenants(c);
  constexpr std::array kRefusals = {"", "+refusal", "+none"};
  c.options.scorer = std::string(scorers()[seed % scorers().size()].name) + kRefusals[seed % kRefusals.size()];
  Rng rng = Rng::stream(seed, 0x737465616c);
  const auto n = static_cast<std::uint32_t>(2 + rng.below(4));
  std::uint32_t first = 0;
  for (PoolView& pool : c.fleet.pools) {
    pool.devices += static_cast<std::uint32_t>(rng.below(n));
    pool.first_device = first;
    first += pool.devices;
  }
  PoolView& last = c.fleet.pools.back();
  last.devices += std::max(first, n) - first;
  if (rng.below(2))
    for (SloClass& slo : c.fleet.classes) slo.on_overload = rng.below(2) ? Overload::defer : Overload::reject;
  if (rng.below(4) == 0) give_deadlines(c);
  // Of each limit every device has some, and so every shard (as fleet files are asked to).
  for (TenantView& tenant : c.fleet.tenants)
    change_limits(tenant, [&](std::int64_t limit) {
      return limit <= 0 ? limit : std::max<std::int64_t>(limit, c.fleet.devices());
    });
  sharded.shards = in_parts(c.fleet, n);
  const std::int64_t length = c.requests.back().arrival.ns() + 1;
  const auto part = [&](std::uint64_t most) {
    return Duration(std::max<std::int64_t>(1, length / static_cast<std::int64_t>(1 + rng.below(most))));
  };
  sharded.door_lag = part(40);
  StealView steal{
      .self = {},
      .distance = std::vector<Duration>(n),
      .worth_permille = seed % 2 ? 10u : static_cast<std::uint32_t>(Rng::stream(seed, 0x776f727468).below(1001)),
      .offer_permille = static_cast<std::uint32_t>(rng.below(1000)),
      .stands = part(200),
      .patience = part(100),
      .least_gain = Duration(static_cast<std::int64_t>(rng.below(static_cast<std::uint64_t>(length / 50 + 1)))),
      .shelf = 1u << rng.below(5)};
  for (std::uint32_t s = 0; s < n; ++s) {
    steal.self = ShardId{s};
    for (std::uint32_t other = 0; other < n; ++other)
      steal.distance[other] = other == s ? Duration() : rng.below(2) ? nanoseconds(1) : part(2000);
    sharded.shards[s].view.steal = steal;
  }
  sharded.blind = rng.below(2) == 0;
  sharded.faults.resize(n);
  for (std::uint32_t s = 0; s < n; ++s) {
    std::vector<Fault>& of_shard = sharded.faults[s];
    for (std::uint64_t k = faults ? rng.below(8) : 0; k > 0; --k)
      of_shard.push_back({Time(static_cast<std::int64_t>(rng.below(static_cast<std::uint64_t>(2 * length)))),
                          {.device = {static_cast<std::uint32_t>(rng.below(sharded.shards[s].view.devices()))},
                           .state = static_cast<DeviceState>(rng.below(3))}});
    std::ranges::stable_sort(of_shard, {}, &Fault::at);
    Time from(static_cast<std::int64_t>(rng.below(static_cast<std::uint64_t>(length))));
    for (std::uint64_t k = faults ? rng.below(3) : 0; k > 0; --k) {
      const Time until = from + part(30);
      sharded.stalls.push_back({s, from, until});
      from = until + part(10);
    }
  }
  return sharded;
}

Bounds bounds_of(const Case& c) {
  return {.sequences = c.options.sequences, .events_per_tick = 64, .steps_per_run = c.options.steps_per_run};
}

// What a shard writes down: how each ended, and all that a recording holds where one is kept.
class Witness final : public SimObserver {
 public:
  void record(const std::string& path, const CellView& shard, const Case& c, const PolicySet& policies, Seed seed) {
    recorder = std::make_unique<Recorder>(path);
    recorder->head(shard.view, c.costs, policies, bounds_of(c), seed);
  }
  void finished(std::uint64_t row, const Finish& f) override {
    all.push_back(reference::ending_of(static_cast<std::uint32_t>(row), f));
  }
  void applied(const Event& event) override {
    ++events[event.index()];
    if (recorder) recorder->event(event);
  }
  void ticked(Time now, const Core& core) override {
    if (!recorder) return;
    recorder->ticked(now);
    recorder->hash(core.hash());
  }
  std::vector<Ending> all;
  std::array<std::uint64_t, std::variant_size_v<Event>> events{};
  std::unique_ptr<Recorder> recorder;
};

struct Story {
  std::vector<std::vector<Ending>> endings;  // by shard
  std::uint64_t hash = 0;
  Ledger sum;
  std::array<std::uint64_t, std::variant_size_v<Event>> events{};
  std::vector<std::uint64_t> hashes;
  bool operator==(const Story& other) const { return endings == other.endings && hash == other.hash; }
};

std::string recording_of(std::size_t shard) {
  return testing::TempDir() + "shards_test." + std::to_string(shard) + ".rec";
}

Story simulate(const ShardedCase& sharded, Exact exact = Exact::jump, bool record = false) {
  const Case& c = sharded.c;
  const PolicySet policies = find_policies(c.options.scorer, c.options.order, c.options.bind);
  const CostTables truth = truth_of(c);
  std::vector<std::unique_ptr<SimStepped>> devices;
  std::vector<std::unique_ptr<Witness>> witnesses;
  std::vector<CellOutside> outsides;
  for (std::size_t i = 0; i < sharded.shards.size(); ++i) {
    devices.push_back(std::make_unique<SimStepped>(sharded.shards[i].view, truth, bounds_of(c), exact));
    witnesses.push_back(std::make_unique<Witness>());
    const Seed seed = Cells::seed_of(c.options.seed, static_cast<std::uint32_t>(i));
    if (record) witnesses[i]->record(recording_of(i), sharded.shards[i], c, policies, seed);
    outsides.push_back({devices[i].get(), witnesses[i].get(), sharded.faults[i], learns(c)});
  }
  Shards shards(sharded.shards, outsides, c.costs, policies, bounds_of(c), c.options.seed, sharded.door_lag);
  shards.stalls(sharded.stalls);
  const auto n = static_cast<std::uint32_t>(sharded.shards.size());
  if (sharded.blind)
    shards.door([n](const Submitted& s) {
      return s.prompt.count() % 3 == 0 ? static_cast<std::uint32_t>(s.arrival.ns()) % n : 0;
    });
  Requests source(c.requests);
  shards.run(source);
  Story story;
  story.hash = shards.hash();
  for (std::uint32_t i = 0; i < n; ++i) {
    const Ledger& ledger = shards.core(i).ledger();
    EXPECT_TRUE(ledger.balances());
    EXPECT_EQ(ledger.in_flight, 0u);
    add(story.sum, ledger);
    story.endings.push_back(witnesses[i]->all);
    story.hashes.push_back(shards.core(i).hash());
    for (std::size_t k = 0; k < story.events.size(); ++k) story.events[k] += witnesses[i]->events[k];
    if (record) witnesses[i]->recorder->finish();
  }
  return story;
}

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
  loop.run(source);
  Story story;
  story.endings = {endings.all};
  story.hash = core.hash();
  return story;
}

// Each once, where it may: its model, regions, providers, whatever failed and whoever took it.
void expect_each_row_ended_once_where_it_may(const ShardedCase& sharded, const Story& story) {
  const Case& c = sharded.c;
  std::vector<bool> ended(c.requests.size());
  std::size_t n = 0;
  for (std::size_t s = 0; s < story.endings.size(); ++s)
    for (const Ending& e : story.endings[s]) {
      ASSERT_FALSE(ended.at(e.row)) << "row " << e.row << " ends twice";
      ended[e.row] = true;
      ++n;
      if (!e.device.some()) continue;
      const FleetView& fleet = sharded.shards[s].view;
      const reference::Request& asked = c.requests[e.row];
      for (const PoolView& pool : fleet.pools) {
        if (e.device.value < pool.first_device || e.device.value >= pool.first_device + pool.devices) continue;
        ASSERT_EQ(pool.model, asked.model) << "row " << e.row;
        const RegionMask& of_tenant = fleet.tenants[asked.tenant.value].regions;
        ASSERT_TRUE(asked.regions.has(pool.region) && of_tenant.has(pool.region)) << "row " << e.row;
        ASSERT_TRUE(asked.providers.has(pool.provider_id)) << "row " << e.row;
      }
    }
  ASSERT_EQ(n, c.requests.size());
}

std::string again(Seed seed) { return "again with SWITCHYARD_SEED=" + std::to_string(seed) + " SWITCHYARD_SWARM=1"; }

std::size_t index_of(const Event& e) { return e.index(); }

// ---- the swarm ------------------------------------------------------------------------------------------------------

TEST(Shards, KeepEveryRuleUnderFaults) {
  const Seed first = number_from("SWITCHYARD_SEED", 0), cases = number_from("SWITCHYARD_SWARM", 150);
  Ledger all;
  std::array<std::uint64_t, std::variant_size_v<Event>> events{};
  std::vector<Seed> seeds;
  for (Seed seed = first; seed < first + cases; ++seed) seeds.push_back(seed);
  // A shard that had stood still heard who took something before it was told that it was gone.
  if (cases >= 100) seeds.push_back(51765);
  for (const Seed seed : seeds) {
    SCOPED_TRACE(again(seed));
    const ShardedCase sharded = sharded_case(seed, seed % 2);
    const Story jump = simulate(sharded);
    ASSERT_NO_FATAL_FAILURE(expect_each_row_ended_once_where_it_may(sharded, jump));
    ASSERT_EQ(jump.sum.given, jump.sum.taken) << "H1";
    ASSERT_EQ(jump.sum.submitted, sharded.c.requests.size());
    ASSERT_TRUE(simulate(sharded) == jump) << "run twice";
    ASSERT_TRUE(simulate(sharded, Exact::step) == jump) << "step and jump";
    add(all, jump.sum);
    for (std::size_t k = 0; k < events.size(); ++k) events[k] += jump.events[k];
  }
  if (cases < 100) return;
  EXPECT_GT(all.taken, cases) << "hardly anything was taken";
  EXPECT_GT(all.takes_lost, 0u) << "no two wanted the same";
  EXPECT_GT(events[index_of(Unshelved{})], cases) << "nothing was asked back";
  EXPECT_GT(all.offered, all.taken);
}

TEST(Shards, EachReenactsAlone) {
  const Seed first = number_from("SWITCHYARD_SEED", 3000), cases = number_from("SWITCHYARD_CASES", 40);
  std::uint64_t taken = 0;
  for (Seed seed = first; seed < first + cases; ++seed) {
    SCOPED_TRACE(again(seed));
    const ShardedCase sharded = sharded_case(seed, seed % 2);
    const Story story = simulate(sharded, Exact::jump, true);
    for (std::size_t s = 0; s < sharded.shards.size(); ++s) {
      const Reenactment r = reenact(recording_of(s));
      if (r.ticks == 0) continue;  // it was sent nothing
      ASSERT_TRUE(r.equal) << "shard " << s;
      ASSERT_EQ(r.hash_reenacted, story.hashes[s]) << "shard " << s;
      taken += r.ledger.taken;
    }
    ASSERT_EQ(story.sum.given, story.sum.taken);
  }
  EXPECT_GT(taken, 0u);
}

TEST(Shards, OneIsTheFleetItself) {
  const Seed first = number_from("SWITCHYARD_SEED", 2000), cases = number_from("SWITCHYARD_CASES", 300);
  for (Seed seed = first; seed < first + cases; ++seed) {
    SCOPED_TRACE(again(seed));
    ShardedCase sharded = sharded_case(seed, false);
    sharded.blind = false;
    sharded.shards = in_parts(sharded.c.fleet, 1);
    sharded.faults.resize(1);
    sharded.stalls.clear();
    ASSERT_TRUE(simulate(sharded) == simulate_whole(sharded.c));
  }
}

}  // namespace
}  // namespace yard
