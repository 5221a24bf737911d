// The definitions of DESIGN section 7, one rule per test.
#include "scheduler/report/meter.h"

#include <gtest/gtest.h>

#include <limits>

#include "scheduler/base/rng.h"
#include "tests/report_builders.h"

namespace yard {
namespace {

using namespace test;

constexpr SloClassId kInteractive{0}, kBatch{1}, kFree{2};
constexpr Duration kFast = milliseconds(10);

bool attains(const Finish& f) { return yard::attains(small_fleet().classes[f.account.slo.value], f); }

// ---- latencies ----

TEST(Meter, TtftIsFirstTokenMinusArrival) {
  const FleetView fleet = small_fleet();
  Meter meter(fleet);
  meter.on_finish(done(kInteractive, nanoseconds(101), kFast, 5, Time(1'000)));
  EXPECT_EQ(meter.classes()[0].ttft.max(), 101);
}

TEST(Meter, E2eIsLastTokenMinusArrival) {
  const FleetView fleet = small_fleet();
  Meter meter(fleet);
  meter.on_finish(done(kInteractive, nanoseconds(101), nanoseconds(10), 5, Time(1'000)));
  EXPECT_EQ(meter.classes()[0].e2e.max(), 141);
}

TEST(Meter, TpotDividesByTheGapsBetweenTokens) {
  const FleetView fleet = small_fleet();
  Meter meter(fleet);
  Finish f = done(kInteractive, kFast, nanoseconds(10), 4);
  f.account.last_token += nanoseconds(3);  // 33 ns over 3 gaps
  meter.on_finish(f);
  EXPECT_EQ(meter.classes()[0].tpot.max(), 11);
}

TEST(Meter, OneTokenHasNoTpot) {
  const FleetView fleet = small_fleet();
  Meter meter(fleet);
  meter.on_finish(done(kInteractive, kFast, kFast, 1));
  EXPECT_EQ(meter.classes()[0].tpot.count(), 0u);
  EXPECT_EQ(meter.classes()[0].ttft.count(), 1u);
}

TEST(Meter, TwoTokensHaveATpot) {
  const FleetView fleet = small_fleet();
  Meter meter(fleet);
  meter.on_finish(done(kInteractive, kFast, nanoseconds(10), 2));
  EXPECT_EQ(meter.classes()[0].tpot.max(), 10);
}

TEST(Meter, LatenciesAreOfRequestsThatAreDone) {
  const FleetView fleet = small_fleet();
  Meter meter(fleet);
  for (const Outcome o : {Outcome::cancelled, Outcome::failed}) {
    Finish f = done(kInteractive, kFast, kFast, 5);
    f.outcome = o;
    meter.on_finish(f);
  }
  EXPECT_EQ(meter.all().ttft.count() + meter.all().tpot.count() + meter.all().e2e.count(), 0u);
}

TEST(Meter, AnAnswerOfNoTokensIsDoneAndHasNoLatencies) {
  const FleetView fleet = small_fleet();
  Meter meter(fleet);
  meter.on_finish(ended(kInteractive, Outcome::done, Reason::none));
  EXPECT_EQ(meter.classes()[0].of(Outcome::done), 1u);
  EXPECT_EQ(meter.all().ttft.count() + meter.all().tpot.count() + meter.all().e2e.count(), 0u);
}

TEST(Meter, WhereNoTokenWasAskedForItsEndIsTheResult) {
  const FleetView fleet = small_fleet();
  Meter meter(fleet);
  Finish f = ended(kInteractive, Outcome::done, Reason::none, Time(100), Time(400));
  f.account.no_output = true;
  meter.on_finish(f);
  EXPECT_EQ(meter.classes()[0].e2e.max(), 300);
  EXPECT_EQ(meter.classes()[0].ttft.count() + meter.classes()[0].tpot.count(), 0u);
  EXPECT_TRUE(attains(f));
  f.account.finish = Time() + seconds(2);  // TTFT promises its result in 1.1 s
  EXPECT_FALSE(attains(f));
  f.outcome = Outcome::rejected;
  meter.on_finish(f);
  EXPECT_EQ(meter.all().no_output, 2u);
  EXPECT_EQ(meter.all().no_output_done, 1u);
}

TEST(Meter, EveryGapCountsForItl) {
  const FleetView fleet = small_fleet();
  Meter meter(fleet);
  meter.add_gaps(nanoseconds(10), 3);
  meter.add_gaps(nanoseconds(20), 1);
  EXPECT_EQ(meter.itl().count(), 4u);
  EXPECT_EQ(meter.itl().percentile(750), 10);
  EXPECT_EQ(meter.itl().max(), 20);
}

// ---- attainment ----

TEST(Attainment, TtftObjectiveIsInclusiveAndGrowsWithThePrompt) {
  EXPECT_TRUE(attains(done(kInteractive, milliseconds(1100), kFast, 2)));  // 1 s + 100 tokens x 1 ms
  EXPECT_FALSE(attains(done(kInteractive, milliseconds(1100) + nanoseconds(1), kFast, 2)));
}

TEST(Attainment, TpotIsComparedAsAFractionNotRounded) {
  Finish f = done(kInteractive, kFast, milliseconds(50), 4);
  EXPECT_TRUE(attains(f));
  f.account.last_token += nanoseconds(1);  // TPOT 50 ms and a third of a nanosecond
  EXPECT_FALSE(attains(f));
}

TEST(Attainment, OneTokenKeepsAnyTpot) { EXPECT_TRUE(attains(done(kInteractive, kFast, seconds(100), 1))); }

TEST(Attainment, E2eObjectiveIsInclusive) {
  EXPECT_TRUE(attains(done(kBatch, seconds(1), seconds(9), 2)));
  EXPECT_FALSE(attains(done(kBatch, seconds(1), seconds(9) + nanoseconds(1), 2)));
}

TEST(Attainment, AnObjectiveOfZeroIsNone) { EXPECT_TRUE(attains(done(kFree, seconds(1000), seconds(1000), 5))); }

TEST(Attainment, OnlyWhatIsDoneAttains) {
  for (const Outcome o : {Outcome::cancelled, Outcome::rejected, Outcome::failed}) {
    Finish f = done(kFree, kFast, kFast, 5);
    f.outcome = o;
    EXPECT_FALSE(attains(f)) << name_of(o);
  }
}

TEST(Attainment, AnAnswerOfNoTokensIsHeldToItsPromisesByItsEnd) {
  EXPECT_TRUE(attains(ended(kInteractive, Outcome::done, Reason::none, Time(0), Time(0) + milliseconds(1100))));
  EXPECT_FALSE(attains(ended(kInteractive, Outcome::done, Reason::none, Time(0), Time(0) + milliseconds(1101))));
  EXPECT_FALSE(attains(ended(kBatch, Outcome::done, Reason::none, Time(0), Time(0) + seconds(11))));
}

TEST(Attainment, RejectedOnesCountAsArrived) {
  const FleetView fleet = small_fleet();
  Meter meter(fleet);
  meter.on_finish(done(kInteractive, kFast, kFast, 5));
  meter.on_finish(ended(kInteractive, Outcome::rejected, Reason::queue_full));
  EXPECT_EQ(meter.classes()[0].attained, 1u);
  EXPECT_EQ(meter.classes()[0].arrived(), 2u);
}

TEST(Attainment, GoodTokensAreTheOutputOfAttainingRequests) {
  const FleetView fleet = small_fleet();
  Meter meter(fleet);
  meter.on_finish(done(kInteractive, kFast, kFast, 5));
  meter.on_finish(done(kInteractive, seconds(5), kFast, 7));
  EXPECT_EQ(meter.classes()[0].attained_tokens, 5u);
  EXPECT_EQ(meter.classes()[0].output_tokens, 12u);
}

// ---- counts ----

TEST(Meter, EndsAreCountedByOutcomeAndReason) {
  const FleetView fleet = small_fleet();
  Meter meter(fleet);
  meter.on_finish(ended(kBatch, Outcome::rejected, Reason::shed));
  meter.on_finish(ended(kBatch, Outcome::rejected, Reason::device_lost));
  meter.on_finish(ended(kBatch, Outcome::failed, Reason::device_lost));
  const auto& tally = meter.classes()[1].ended;
  const auto at = [&](Outcome o, Reason r) { return tally[static_cast<std::size_t>(o)][static_cast<std::size_t>(r)]; };
  EXPECT_EQ(at(Outcome::rejected, Reason::shed), 1u);
  EXPECT_EQ(at(Outcome::rejected, Reason::device_lost), 1u);
  EXPECT_EQ(at(Outcome::failed, Reason::device_lost), 1u);
}

TEST(Meter, MakespanIsFromTheFirstArrivalToTheLastEnd) {
  const FleetView fleet = small_fleet();
  Meter meter(fleet);
  EXPECT_EQ(meter.makespan(), Duration());
  meter.on_finish(ended(kFree, Outcome::rejected, Reason::shed, Time(50), Time(70)));
  meter.on_finish(ended(kFree, Outcome::rejected, Reason::shed, Time(20), Time(60)));
  EXPECT_EQ(meter.makespan(), nanoseconds(50));
}

TEST(Meter, ARequestBelongsToThePoolThatServedItLast) {
  const FleetView fleet = small_fleet();
  Meter meter(fleet);
  Finish f = done(kInteractive, kFast, kFast, 5);
  f.account.device = DeviceId{2};
  f.account.preemptions = 3;
  meter.on_finish(f);
  EXPECT_EQ(meter.pools()[0].requests, 0u);
  EXPECT_EQ(meter.pools()[1].requests, 1u);
  EXPECT_EQ(meter.pools()[1].preemptions, 3u);
}

// ---- runs ----

TEST(Meter, BusyTimeIsSplitByWhatBoundTheRun) {
  const FleetView fleet = small_fleet();
  Meter meter(fleet);
  run(meter, {.start = Time(0), .end = Time(100), .bound_by = BoundBy::kv});
  run(meter, {.device = DeviceId{1}, .start = Time(50), .end = Time(80), .bound_by = BoundBy::tokens});
  const PoolTally& pool = meter.pools()[0];
  EXPECT_TRUE(pool.busy_ns[static_cast<std::size_t>(BoundBy::kv)] == 100);
  EXPECT_TRUE(pool.busy_ns[static_cast<std::size_t>(BoundBy::tokens)] == 30);
  EXPECT_TRUE(pool.busy() == 130);
}

TEST(Meter, RunsTellTheirStepsAndTokens) {
  const FleetView fleet = small_fleet();
  Meter meter(fleet);
  run(meter, {.start = Time(0), .end = Time(100), .prefilled = 512, .generated = 1});
  run(meter, {.start = Time(100), .end = Time(300), .generated = 20, .generation = 2, .steps = 20});
  EXPECT_EQ(meter.pools()[0].runs, 2u);
  EXPECT_EQ(meter.pools()[0].steps, 21u);
  EXPECT_EQ(meter.pools()[0].prefill_tokens, 512u);
  EXPECT_EQ(meter.pools()[0].output_tokens, 21u);
}

TEST(Meter, KvUseIsWeighedByTime) {
  const FleetView fleet = small_fleet();
  Meter meter(fleet);
  run(meter, {.start = Time(0), .end = Time(100), .granted = 10});
  run(meter, {.start = Time(100), .end = Time(110), .granted = 90, .generation = 2});
  EXPECT_TRUE(meter.pools()[0].kv_block_ns == 100 * 10 + 10 * 90);
  EXPECT_EQ(meter.pools()[0].kv_peak, 90);
}

TEST(Meter, MeasuredEnergyGoesBeforeBusyPower) {
  const FleetView fleet = small_fleet();
  Meter meter(fleet);
  run(meter, {.start = Time(0), .end = Time(0) + seconds(1)});  // 700 W for a second
  run(meter, {.device = DeviceId{2}, .start = Time(0), .end = Time(0) + seconds(1), .energy = Millijoules(5)});
  EXPECT_TRUE(meter.pools()[0].busy_picojoules == static_cast<Wide>(700) * 1'000'000'000'000);
  EXPECT_TRUE(meter.pools()[1].busy_picojoules == 5'000'000'000);
}

TEST(Meter, TheEndOfAnotherRunIsIgnored) {
  const FleetView fleet = small_fleet();
  Meter meter(fleet);
  launch(meter, {.start = Time(0)});
  end_run(meter, {.end = Time(50), .generation = 9});
  end_run(meter, {.device = DeviceId{1}, .end = Time(50)});
  EXPECT_EQ(meter.pools()[0].runs, 0u);
  end_run(meter, {.end = Time(100)});
  EXPECT_TRUE(meter.pools()[0].busy() == 100);
}

TEST(Meter, ARunEndsOnce) {
  const FleetView fleet = small_fleet();
  Meter meter(fleet);
  run(meter, {.start = Time(0), .end = Time(100)});
  end_run(meter, {.end = Time(150)});
  EXPECT_EQ(meter.pools()[0].runs, 1u);
  EXPECT_TRUE(meter.pools()[0].busy() == 100);
}

TEST(Meter, HugeFleetsDoNotOverflow) {
  FleetView fleet = small_fleet();
  fleet.pools[0].kv_blocks = Blocks::max();
  Meter meter(fleet);
  constexpr Time kEnd = Time(std::numeric_limits<std::int64_t>::max() - 1);
  Wide busy = 0;
  for (std::uint32_t i = 1; i <= 1'000; ++i) {
    run(meter, {.start = Time(0), .end = kEnd, .granted = Blocks::max().count(), .generation = i});
    busy += static_cast<Wide>(kEnd.ns());
  }
  EXPECT_TRUE(meter.pools()[0].busy() == busy);
  EXPECT_TRUE(meter.pools()[0].kv_block_ns == busy * static_cast<Wide>(Blocks::max().count()));
}

// ---- tenants ----

TEST(Meter, ATenantIsChargedForWhatIsDoneAndForWhatItCancelledOnceAdmitted) {
  FleetView fleet = small_fleet();
  fleet.tenants = {{.name = "a"}, {.name = "b", .prompt_price = NanoDollars(2), .output_price = NanoDollars(30)}};
  Meter meter(fleet);
  const auto end = [&](Outcome outcome, Reason why, Time admit, std::uint32_t tenant) {
    Finish f = done(kFree, kFast, kFast, 10);  // 100 tokens in, 10 out
    f.outcome = outcome, f.why = why, f.account.admit = admit, f.account.tenant = {tenant};
    meter.on_finish(f);
  };
  end(Outcome::done, Reason::none, Time(0), 1);
  end(Outcome::cancelled, Reason::none, Time(0), 1);
  end(Outcome::cancelled, Reason::none, Time::never(), 1);
  end(Outcome::failed, Reason::device_failed, Time(0), 1);
  end(Outcome::rejected, Reason::quota, Time::never(), 1);
  end(Outcome::rejected, Reason::shed, Time::never(), 1);
  end(Outcome::done, Reason::none, Time(0), 0);
  const TenantTally &a = meter.tenants()[0], &b = meter.tenants()[1];
  EXPECT_EQ(b.arrived, 6u);
  EXPECT_EQ(b.done, 1u);
  EXPECT_EQ(b.rejected, 2u);
  EXPECT_EQ(b.over_quota, 1u);
  EXPECT_EQ(b.attained, 1u);
  EXPECT_EQ(b.prompt_tokens, 200u);
  EXPECT_EQ(b.output_tokens, 20u);
  EXPECT_TRUE(b.nano_dollars == 2 * (100 * 2 + 10 * 30));
  EXPECT_EQ(a.tokens(), 110u);
  EXPECT_TRUE(a.nano_dollars == 0);
}

// ---- merging ----

Finish random_finish(Rng& rng) {
  const SloClassId slo{static_cast<std::uint32_t>(rng.below(3))};
  const Time arrival(static_cast<std::int64_t>(rng.below(1'000'000'000)));
  if (rng.below(4) == 0) {
    return ended(slo, Outcome::rejected, static_cast<Reason>(1 + rng.below(kReasons - 1)), arrival, arrival);
  }
  Finish f =
      done(slo, nanoseconds(static_cast<std::int64_t>(rng.below(3'000'000'000))),
           nanoseconds(static_cast<std::int64_t>(rng.below(90'000'000))), static_cast<int>(1 + rng.below(50)), arrival);
  f.account.device = DeviceId{static_cast<std::uint32_t>(rng.below(5))};
  f.account.preemptions = static_cast<std::uint32_t>(rng.below(3));
  return f;
}

TEST(Meter, MergedMetersEqualOneThatSawItAll) {
  const FleetView fleet = small_fleet();
  for (Seed seed = 1; seed <= 20; ++seed) {
    Rng rng(seed);
    Meter whole(fleet), parts[2] = {Meter(fleet), Meter(fleet)};
    for (std::uint32_t i = 1; i <= 200; ++i) {
      const Finish f = random_finish(rng);
      const SmallRun r{.device = DeviceId{static_cast<std::uint32_t>(rng.below(5))},
                       .start = Time(i),
                       .end = Time(i) + nanoseconds(static_cast<std::int64_t>(rng.below(1000))),
                       .bound_by = static_cast<BoundBy>(rng.below(kBounds)),
                       .granted = static_cast<int>(rng.below(100)),
                       .generation = i};
      Meter& part = parts[rng.below(2)];
      for (Meter* meter : {&whole, &part}) {
        meter->on_finish(f);
        run(*meter, r);
        meter->add_gaps(nanoseconds(i), i);
      }
    }
    parts[0].merge(parts[1]);
    ASSERT_EQ(parts[0].classes(), whole.classes()) << "seed " << seed;
    ASSERT_EQ(parts[0].tenants(), whole.tenants()) << "seed " << seed;
    ASSERT_EQ(parts[0].pools(), whole.pools()) << "seed " << seed;
    ASSERT_EQ(parts[0].itl(), whole.itl()) << "seed " << seed;
    ASSERT_EQ(parts[0].makespan(), whole.makespan()) << "seed " << seed;
  }
}

TEST(MeterDeathTest, RefusesAMeterOfAnotherFleet) {
  const FleetView one = small_fleet();
  FleetView other = small_fleet();
  other.pools.pop_back();
  Meter a(one), b(other);
  EXPECT_DEATH(a.merge(b), "pools_");
}

}  // namespace
}  // namespace yard
