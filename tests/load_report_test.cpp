// What engines say of their load: late, only a correction, of an age, and never a reason to send nothing.
#include <cstdio>
#include <map>

#include "scheduler/core/foreign_load.h"
#include "tests/engines.h"
#include "tests/recorded_run.h"

namespace yard {
namespace {

// ---- what is not ours, by hand --------------------------------------------------------------------------------------

Time at_ms(std::int64_t ms) { return Time(ms * 1'000'000); }

FleetView two_devices() {
  Case c = one_engine();
  c.fleet.pools[0].window.use_by = seconds(3);
  PoolView stepped = c.fleet.pools[0];
  stepped.kind = PoolKind::stepped, stepped.first_device = 1;
  c.fleet.pools.push_back(stepped);
  return c.fleet;
}

LoadReport says(std::uint32_t running, std::uint32_t waiting, std::int64_t measured_ms, std::int32_t blocks = 0) {
  return {.device = {0},
          .load = {.running = running, .waiting = waiting, .kv_used = Blocks(blocks)},
          .measured = at_ms(measured_ms)};
}

TEST(ForeignLoad, IsWhatTheEngineHadBeyondWhatWeHadThereThen) {
  const FleetView fleet = two_devices();
  ForeignLoad load(fleet);
  load.holds(0, {.sequences = 3, .unbegun = 1, .blocks = 30}, at_ms(1000));
  load.holds(0, {.sequences = 9, .unbegun = 9, .blocks = 90}, at_ms(1900));  // since the measurement
  ASSERT_TRUE(load.report(says(6, 2, 1500, 50), at_ms(2000)));
  const ForeignLoad::Others others = load.on(0, at_ms(2000));
  EXPECT_EQ(others.running, 4u);
  EXPECT_EQ(others.waiting, 1u);
  EXPECT_EQ(others.blocks, 20);
  EXPECT_EQ(load.age(0, at_ms(2000)), milliseconds(500));
}

TEST(ForeignLoad, NeverTakesOursForOthersThoughTheyLeftSince) {
  const FleetView fleet = two_devices();
  ForeignLoad load(fleet);
  load.holds(0, {.sequences = 7, .unbegun = 2, .blocks = 70}, at_ms(1000));
  load.holds(0, {}, at_ms(1600));
  ASSERT_TRUE(load.report(says(5, 2, 1500, 70), at_ms(2000)));
  EXPECT_FALSE(load.on(0, at_ms(2000)).some());
}

TEST(ForeignLoad, CountsHalfBeyondItsUseByAndIsForgottenInTheEnd) {
  const FleetView fleet = two_devices();
  ForeignLoad load(fleet);
  ASSERT_TRUE(load.report(says(16, 0, 1000), at_ms(1000)));
  EXPECT_EQ(load.on(0, at_ms(3999)).running, 16u);
  EXPECT_EQ(load.fades_at(0, at_ms(1000)), at_ms(4000));
  EXPECT_EQ(load.on(0, at_ms(4000)).running, 8u);
  EXPECT_EQ(load.on(0, at_ms(7000)).running, 4u);
  EXPECT_EQ(load.on(0, at_ms(1000 + 3000 * 5)).running, 0u);
  EXPECT_EQ(load.fades_at(0, at_ms(1000 + 3000 * 5)), Time::never());
}

TEST(ForeignLoad, IgnoresWhatIsOlderThanItKnowsOrThanItRemembers) {
  const FleetView fleet = two_devices();
  ForeignLoad load(fleet);
  ASSERT_TRUE(load.report(says(4, 0, 5000), at_ms(5000)));
  EXPECT_FALSE(load.report(says(9, 0, 4900), at_ms(5100)));
  EXPECT_FALSE(load.report(says(9, 0, 5000), at_ms(5100)));
  EXPECT_FALSE(load.report(says(9, 0, 5001), at_ms(20'000))) << "twice its use-by ago: what we had is forgotten";
  EXPECT_FALSE(load.report({.device = {1}, .load = {}, .measured = at_ms(6000)}, at_ms(6000))) << "a stepped device";
  EXPECT_FALSE(load.report(says(9, 0, -1), at_ms(20'000)));
  EXPECT_EQ(load.on(0, at_ms(5100)).running, 4u);
  ASSERT_TRUE(load.report(says(2, 0, 99'000), at_ms(20'010))) << "of a time to come: of now";
  EXPECT_EQ(load.age(0, at_ms(20'011)), milliseconds(1));
}

// ---- engines that report --------------------------------------------------------------------------------------------

// What Core takes for others' after each tick, and the reports that came.
struct Believed final : SimObserver {
  void applied(const Event& event) override { reports += std::holds_alternative<LoadReport>(event); }
  void ticked(Time now, const Core& core) override {
    for (std::uint32_t d = 0; d < devices; ++d) most = std::max(most, core.load({d}, now).others);
    oldest = std::max(oldest, core.oldest_signal(PoolId{0}));
    useless = core.ledger().useless_reports;
  }
  void finished(std::uint64_t row, const Finish& f) override {
    endings.push_back(reference::ending_of(static_cast<std::uint32_t>(row), f));
  }
  void sent(const Send&, Time) override { ++sends; }

  std::uint32_t devices = 0, most = 0;
  std::uint64_t reports = 0, useless = 0, sends = 0, hash = 0;
  Duration oldest;
  std::vector<Ending> endings;
};

Believed watch(const Case& c, Exact exact = Exact::jump) {
  const Bounds bounds{.sequences = c.options.sequences, .events_per_tick = 4096};
  const PolicySet policies = find_policies(c.options.scorer, c.options.order, c.options.bind);
  Core core(bounds, c.fleet, c.costs, policies, c.options.seed);
  SimFleet devices(c.fleet, c.costs, bounds, exact);
  Believed believed;
  believed.devices = c.fleet.devices();
  SimLoop loop(core, bounds, c.fleet.devices(), devices, believed);
  Requests source(c.requests);
  loop.run(source);
  EXPECT_EQ(core.ledger().in_flight, 0u);
  believed.hash = core.hash();
  return believed;
}

Case scraped(Case c, Seed seed) {
  Rng rng = Rng::stream(seed, 0x73637261);
  for (PoolView& pool : c.fleet.pools) {
    const std::int64_t step = std::max<std::int64_t>(1000, c.costs[pool.cost].c0(1).count() / 1000);
    pool.scrape = std::max(milliseconds(1), nanoseconds(step * static_cast<std::int64_t>(1 + rng.below(20))));
    pool.scrape_lag =
        nanoseconds(static_cast<std::int64_t>(rng.below(static_cast<std::uint64_t>(pool.scrape.count()))));
    pool.window.use_by = pool.scrape * 3;
  }
  return c;
}

TEST(LoadReport, WithoutOthersNothingOfOursIsEverTakenForTheirs) {
  std::uint64_t reports = 0;
  for (Seed seed = 0; seed < 200; ++seed) {
    Case c = scraped(served(random_case(seed), microseconds(static_cast<std::int64_t>(seed % 4) * 300)), seed);
    for (reference::Request& r : c.requests) r.cancel_at.reset();  // what was aborted stays with an engine for a while
    const Believed b = watch(c);
    ASSERT_EQ(b.most, 0u) << "seed " << seed;
    reports += b.reports - b.useless;
  }
  EXPECT_GT(reports, 1000u);
}

TEST(LoadReport, JumpAndStepAgreeWithReportsAndOthers) {
  std::uint32_t most = 0;
  for (Seed seed = 0; seed < 150; ++seed) {
    Case c = scraped(served(random_case(seed), nanoseconds(static_cast<std::int64_t>(seed % 3) * 1500)), seed);
    for (PoolView& pool : c.fleet.pools)
      pool.background = {
          .per_s_thousandths = 1'000'000'000'000 / pool.scrape.count() / 2, .prompt = Tokens(8), .output = Tokens(8)};
    const Believed jump = watch(c, Exact::jump), step = watch(c, Exact::step);
    ASSERT_EQ(jump.hash, step.hash) << "seed " << seed;
    ASSERT_EQ(jump.endings, step.endings) << "seed " << seed;
    most = std::max(most, jump.most);
  }
  EXPECT_GT(most, 0u);
}

// Two engines, one of them with so much of others' that it keeps three places of eight.
Case one_of_two_is_shared() {
  Case c = one_engine(1);
  PoolView other = c.fleet.pools[0];
  other.name = "shared", other.first_device = 1;
  c.fleet.pools.push_back(other);
  for (PoolView& pool : c.fleet.pools) pool.scrape = milliseconds(10), pool.window.use_by = milliseconds(30);
  c.fleet.pools[1].background = {.per_s_thousandths = 200'000, .prompt = Tokens(10), .output = Tokens(25)};
  for (int k = 0; k < 400; ++k) ask(c, k * 2500, 10, 10);
  return c;
}

TEST(LoadReport, PlacementSeesOthersWhereTheEngineSaysThatTheyAre) {
  Case c = one_of_two_is_shared();
  const auto there = [](const Believed& b) {
    return std::ranges::count_if(b.endings, [](const Ending& e) { return e.device == DeviceId{1}; });
  };
  const Believed knows = watch(c);
  EXPECT_GT(knows.most, 2u);
  EXPECT_GT(knows.oldest, Duration());
  EXPECT_LE(knows.oldest, milliseconds(10));
  for (PoolView& pool : c.fleet.pools) pool.scrape = {};
  const Believed blind = watch(c);
  EXPECT_EQ(blind.most, 0u);
  EXPECT_EQ(blind.oldest, Duration());
  EXPECT_LT(there(knows) * 4, there(blind));
}

TEST(LoadReport, AFullEngineIsStillSentOneAtATime) {
  Case c = one_engine();
  c.fleet.pools[0].scrape = milliseconds(1);
  c.fleet.pools[0].window.use_by = seconds(100);
  c.fleet.pools[0].background = {.per_s_thousandths = 900'000, .prompt = Tokens(10), .output = Tokens(10)};
  for (int k = 0; k < 30; ++k) ask(c, 100'000 + k * 100, 10, 2);
  const Believed b = watch(c);
  EXPECT_GE(b.most, 8u);
  EXPECT_EQ(b.sends, 30u);
  for (const Ending& e : b.endings) EXPECT_EQ(e.outcome, Outcome::done);
}

// Who waits for the window is looked at again when old word fades, though nothing else happens.
TEST(LoadReport, OldWordOfOthersKeepsNobodyWaiting) {
  for (const char* bind : {"arrival", "room"}) {
    Case c = one_engine();
    c.fleet.pools[0].window.use_by = milliseconds(300);
    const Bounds bounds{.sequences = 64, .events_per_tick = 64};
    Core core(bounds, c.fleet, c.costs, find_policies("least_loaded", "fcfs", bind), 0);
    core.apply(LoadReport{.device = {0}, .load = {.running = 8}, .measured = at_ms(10)}, at_ms(10));
    for (std::uint32_t k = 0; k < 2; ++k) {
      reference::Request r;
      r.arrival = at_ms(10), r.prompt = Tokens(10);
      Submitted facts = reference::facts_of(r);
      facts.request = {k, 1};
      core.apply(facts, at_ms(10));
    }
    ASSERT_EQ(core.poll(at_ms(10)).size(), 1u) << "one of ours, whatever others have";
    EXPECT_EQ(core.next_wakeup(), at_ms(310)) << "when that word counts half";
    EXPECT_TRUE(core.poll(at_ms(309)).empty());
    EXPECT_EQ(core.poll(at_ms(310)).size(), 1u);
  }
}

TEST(LoadReport, ARecordingWithReportsReenacts) {
  const std::string path = testing::TempDir() + "/load_report_test.rec";
  const Case c = one_of_two_is_shared();
  RecordedRun run(c, 3, path);
  const Reenactment again = run.reenacted();
  EXPECT_TRUE(again.equal);
  EXPECT_EQ(again.hash_reenacted, run.core.hash());
  EXPECT_GT(again.events_by_kind[Event(LoadReport{}).index()], 100u);
  std::remove(path.c_str());
}

}  // namespace
}  // namespace yard
