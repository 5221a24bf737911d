// What placement sees of devices: own placements at once, all else as late as signals are.
#include "scheduler/core/signals.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <optional>
#include <utility>
#include <vector>

#include "scheduler/core/ledger.h"
#include "tests/builders.h"
#include "tests/engines.h"
#include "tests/recorded_run.h"

namespace yard {
namespace {

// ---- against what it is said to be ----------------------------------------------------------------------------------

struct Seen {
  std::int64_t waiting = 0, running = 0, prefill = 0, kv_tokens = 0, waiting_tokens = 0, of_class = 0;
  bool operator==(const Seen&) const = default;
  Seen plus(const Seen& o, int sign) const {
    return {waiting + sign * o.waiting,
            running + sign * o.running,
            prefill + sign * o.prefill,
            kv_tokens + sign * o.kv_tokens,
            waiting_tokens + sign * o.waiting_tokens,
            of_class + sign * o.of_class};
  }
};
Seen seen_of(const DeviceColumns& c, std::uint32_t d) {
  return {c.waiting[d], c.running[d], c.prefill_tokens[d], c.kv_tokens[d], c.waiting_tokens[d], c.by_class[d]};
}

// One device under random placements, admissions, growth and ends.
TEST(Signals, SeeAllThatWasPlacedNowAndTheRestAsItWas) {
  for (Seed seed = 0; seed < 50; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Rng rng = Rng::stream(seed, 0x7369676e);
    Case c = one_engine();
    c.fleet.pools[0].kind = PoolKind::stepped;
    c.fleet.signals_age = nanoseconds(static_cast<std::int64_t>(rng.below(3) * 3200 + 320));
    const std::int64_t slot = c.fleet.signals_age.count() / 32;
    PrefixIndex index({.holdings = 1, .devices = 1});
    Evictions evictions(index, Duration(), 1);
    KvCache kv(c.fleet, 1, evictions);
    const Shares shares(c.fleet);
    Devices devices(c.fleet, kv, shares);
    const ForeignLoad foreign(c.fleet);
    Signals signals(c.fleet, c.costs, devices, foreign);
    SequencePool pool(500);

    struct Moment {
      Time known;
      Seen is, bound;
    };
    std::vector<Moment> past{{Time(), {}, {}}};
    std::vector<std::uint32_t> line, runs;
    Seen bound;
    std::int64_t now = 0;
    std::size_t late = 0;
    for (int k = 0; k < 400; ++k) {
      now += static_cast<std::int64_t>(rng.below(static_cast<std::uint64_t>(c.fleet.signals_age.count()) / 8));
      signals.hear(Time(now));
      const auto what = rng.below(4);
      if (what == 0 && line.size() + runs.size() < 90) {
        const std::uint32_t i = pool.take();
        pool[i].slo = SloClassId{0};
        pool[i].prompt = pool[i].to_read = 1 + static_cast<std::int32_t>(rng.below(50));
        pool[i].max_output = static_cast<std::int32_t>(rng.below(2));
        devices.joins_line(pool, 0, i);
        signals.bound(0, pool[i], Tokens(1), Time(now));
        signals.read(pool[i], Time(now) - c.fleet.signals_age);  // no forecast: told of in time
        bound = bound.plus({1, 0, pool[i].to_read, 0, pool[i].to_read, pool[i].max_output}, +1);
        line.push_back(i);
      } else if (what == 1 && !line.empty()) {
        const std::uint32_t i = devices.first(pool, 0);
        devices.admits(pool, 0, i);
        devices.plans_to_read(0, pool[i].to_read);
        pool[i].context = pool[i].to_read;
        devices.grows(0, pool[i].context);
        runs.push_back(i);
        std::erase(line, i);
      } else if (what == 2 && !runs.empty()) {
        const std::size_t at = rng.below(runs.size());
        devices.leaves_running(pool, 0, runs[at]);
        runs.erase(runs.begin() + static_cast<std::ptrdiff_t>(at));
      } else if (what == 3 && !line.empty()) {
        devices.leaves_line(pool, 0, line.back());
        line.pop_back();
      }
      signals.note(std::vector<std::uint32_t>{0}, Time(now));
      past.push_back({Time((now / slot + 1) * slot) + c.fleet.signals_age, seen_of(devices.columns(), 0), bound});
      const Moment* then = &past[0];
      for (const Moment& m : past)
        if (m.known <= Time(now)) then = &m;
      ASSERT_EQ(seen_of(signals.columns(), 0), then->is.plus(then->bound, -1).plus(bound, +1)) << "step " << k;
      late += seen_of(signals.columns(), 0) != seen_of(devices.columns(), 0);
    }
    EXPECT_GT(late, 100u);
  }
}

// ---- forecasts ------------------------------------------------------------------------------------------------------

TEST(Forecasts, TakeAPromptForReadUntilTheTruthOfThatTimeIsKnown) {
  const auto changes = [](std::optional<std::int64_t> told, std::int64_t until) {
    Forecasts forecasts(Duration(100));
    const std::uint32_t i = forecasts.expect({.device = 3, .to_read = 7, .rest = 5}, Time(50));
    std::vector<std::pair<std::int64_t, int>> all;
    for (std::int64_t now = 0; now <= until; ++now) {
      if (told == now) forecasts.known(i, Time(now));
      while (forecasts.next() <= Time(now)) all.emplace_back(now, forecasts.take().read);
    }
    return all;
  };
  using All = std::vector<std::pair<std::int64_t, int>>;
  EXPECT_EQ(changes({}, 500), (All{{50, +1}, {150, -1}})) << "nobody said so in time";
  EXPECT_EQ(changes(20, 500), (All{{50, +1}, {120, -1}})) << "read sooner, which is known at 120";
  EXPECT_EQ(changes(60, 500), (All{{50, +1}, {150, -1}})) << "read later: at 150 it is known that it was not at 50";
  EXPECT_EQ(changes(400, 500), (All{{50, +1}, {150, -1}}));
}

TEST(Forecasts, AreNoMoreThanThereIsRoomForAndMakeRoomAgain) {
  Forecasts forecasts(Duration(100));
  std::vector<std::uint32_t> names;
  for (std::uint32_t k = 0; k < Forecasts::kMost; ++k) names.push_back(forecasts.expect({}, Time(1000)));
  EXPECT_EQ(forecasts.expect({}, Time(1000)), Forecasts::kNone);
  forecasts.known(names[5], Time(0));  // known long before it was expected
  EXPECT_EQ(forecasts.expect({}, Time(1000)), names[5]);
  while (forecasts.next() <= Time(2000)) forecasts.take();
  EXPECT_EQ(forecasts.expect({}, Time(3000)), Forecasts::kNone) << "they are still named";
  forecasts.known(names[7], Time(3000));
  EXPECT_EQ(forecasts.expect({}, Time(3000)), names[7]);
}

// Where chunks are sized by the objective: each takes as long as its own reading, from when the one before is read.
TEST(Signals, TakePromptsForReadOneAfterAnother) {
  Case c = one_engine();  // a step is 1 ms, whatever is in it, and reads 100 tokens
  c.fleet.pools[0].kind = PoolKind::stepped;
  c.fleet.pools[0].chunk = Chunk::objective;
  c.fleet.signals_age = seconds(1);
  PrefixIndex index({.holdings = 1, .devices = 1});
  Evictions evictions(index, Duration(), 1);
  KvCache kv(c.fleet, 1, evictions);
  const Shares shares(c.fleet);
  Devices devices(c.fleet, kv, shares);
  const ForeignLoad foreign(c.fleet);
  Signals signals(c.fleet, c.costs, devices, foreign);
  SequencePool pool(8);
  const auto bind = [&](std::int32_t prompt, std::int64_t at_us) {
    const std::uint32_t i = pool.take();
    pool[i].slo = SloClassId{0};
    pool[i].prompt = pool[i].to_read = prompt;
    devices.joins_line(pool, 0, i);
    signals.bound(0, pool[i], Tokens(1), Time(at_us * 1000));
  };
  std::vector<std::int64_t> read_us;
  const auto hear_until = [&](std::int64_t us) {
    while (signals.next() <= Time(us * 1000)) {
      read_us.push_back(signals.next().ns() / 1000);
      signals.hear(signals.next());
    }
  };
  bind(100, 0), bind(300, 0), bind(50, 0);  // one step, three, half of one
  hear_until(2500);
  EXPECT_EQ(signals.columns().waiting[0], 2u);
  EXPECT_EQ(signals.columns().prefill_tokens[0], 350);
  bind(200, 2500);  // beside one that is taken to decode by then: 99 a step
  hear_until(9000);
  EXPECT_EQ(read_us, (std::vector<std::int64_t>{1000, 4000, 4500, 6520}));
  EXPECT_EQ(signals.columns().waiting[0], 0u);
  EXPECT_EQ(signals.columns().prefill_tokens[0], 0);
  bind(100, 9000);  // beside four
  hear_until(20'000);
  EXPECT_EQ(read_us.back(), 10'041) << "nothing was seen to wait: it begins at once";
}

// ---- in a simulation ------------------------------------------------------------------------------------------------

Outcomes with_age(Case c, Duration age, Exact exact = Exact::jump) {
  c.fleet.signals_age = age;
  return simulate(c, exact);
}

TEST(Signals, OwnPlacementsCountAtOnceSoThatABurstIsSpread) {
  Case c = one_engine(4);
  c.fleet.pools[0].kind = PoolKind::stepped;
  for (int k = 0; k < 8; ++k) ask(c, 0, 10, 50);
  const Outcomes all = with_age(c, seconds(5));
  std::vector<int> on(4);
  for (const Ending& e : all.by_row) ++on[e.device.value];
  EXPECT_EQ(on, std::vector<int>({2, 2, 2, 2}));
}

TEST(Signals, AnEndIsKnownOnlyWhenItIsOldEnough) {
  Case c = one_engine(2);
  c.fleet.pools[0].kind = PoolKind::stepped;
  ask(c, 0, 10, 2);          // to 0, ends at 2 ms
  ask(c, 1000, 10, 900);     // to 1
  ask(c, 10'000, 10, 900);   // 0 is idle, but as far as is known both have one: the first
  ask(c, 11'000, 10, 900);   // 0: two, as far as is known; in truth each has one
  ask(c, 200'000, 10, 900);  // by now it is known that each had one: 1, since it has none more
  const auto devices = [](const Outcomes& all) {
    std::vector<std::uint32_t> on;
    for (const Ending& e : all.by_row) on.push_back(e.device.value);
    return on;
  };
  EXPECT_EQ(devices(with_age(c, Duration())), (std::vector<std::uint32_t>{0, 1, 0, 0, 1}));
  EXPECT_EQ(devices(with_age(c, milliseconds(100))), (std::vector<std::uint32_t>{0, 1, 0, 1, 0}));
}

TEST(Signals, JumpAndStepAgreeAndEverythingEnds) {
  std::size_t other = 0;
  for (Seed seed = 0; seed < number_from("SWITCHYARD_CASES", 240); ++seed) {
    Case c = random_case(seed);
    if (seed % 3 == 0) c.options.scorer = "expected_cost";
    if (seed % 4 == 0) c = served(c, microseconds(1));
    Rng rng = Rng::stream(seed, 0x616765);
    const Duration age(1 + static_cast<std::int64_t>(rng.below(
                               static_cast<std::uint64_t>(std::max<std::int64_t>(1, c.requests.back().arrival.ns())))));
    const Outcomes jump = with_age(c, age), step = with_age(c, age, Exact::step);
    ASSERT_EQ(jump.by_row.size(), c.requests.size()) << "seed " << seed;
    ASSERT_EQ(jump.hash, step.hash) << "seed " << seed;
    ASSERT_EQ(jump.by_row, step.by_row) << "seed " << seed;
    other += jump.hash != with_age(c, Duration()).hash;
  }
  EXPECT_GT(other, 50u) << "old signals decide otherwise";
}

TEST(Signals, WhoAsksForNoTokenIsOfNoClassThatOthersCouldBreak) {
  struct SeenOfClass final : Onlooker {
    void saw(const Decision& d) noexcept override { of_class.push_back(d.devices.by_class[0]); }
    std::vector<std::uint32_t> of_class;
  };
  for (const Duration age : {Duration(), seconds(1)}) {
    SeenOfClass onlooker;
    builders::Given given;
    given.pool({}).policies.onlooker = &onlooker;
    given.fleet.signals_age = age;
    builders::Scene s(given);
    for (const std::int32_t max_output : {0, 5, 0, 5}) s.submit({.max_output = max_output});
    s.poll();
    EXPECT_EQ(onlooker.of_class, (std::vector<std::uint32_t>{0, 0, 1, 1})) << age.count();
  }
}

// ---- a tick to which nothing comes
// -----------------------------------------------------------------------------------

// What each placement saw of the KV of the first device.
struct SeenKv final : Onlooker {
  void saw(const Decision& d) noexcept override { kv.push_back(d.devices.kv_tokens[0]); }
  std::vector<std::int64_t> kv;
};

// Steps of 1 ms, an age of 320 us: what is noted in a slot of 10 us is known 320 us after its end.
builders::Given one_device_of_old_signals(Onlooker& onlooker) {
  builders::Given given;
  given.pool({.token_budget = 20, .c0 = 1'000'000'000}).policy("least_loaded");
  given.fleet.signals_age = microseconds(320);
  given.policies.onlooker = &onlooker;
  return given;
}

TEST(Signals, AFurtherAnswerIsBoundByAllThatWasKnownBefore) {
  const auto seen = [](bool tick_between) {
    SeenKv onlooker;
    builders::Scene s(one_device_of_old_signals(onlooker));
    s.submit({.prompt = 10, .answers = 2});
    s.submit({.prompt = 10});
    s.poll();  // both are being read: known after 330 us
    if (tick_between) s.poll_at(500'000);
    s.at(1'000'000);
    s.end_run(0);  // the second answer joins the line: by what is known, 10 tokens are to be read, in one step
    s.poll();
    s.at(2'250'000);  // by now it has probably been read
    s.submit({.prompt = 1});
    s.poll();
    return onlooker.kv.back();
  };
  EXPECT_EQ(seen(false), 30) << "known: both prompts and a token of each; expected: 10 of the answer";
  EXPECT_EQ(seen(true), seen(false));
}

TEST(Signals, WhoIsPutOffIsNotAskedAboutAgainForWhatWasKnownBefore) {
  const auto asked = [](bool tick_between) {
    SeenKv onlooker;
    builders::Given given = one_device_of_old_signals(onlooker);
    given.fleet.classes[0].on_overload = Overload::defer;
    given.policies.scorer = [](std::span<const std::uint32_t>, const DeviceColumns&, const FleetView&,
                               const CostTables&, const Ask& ask,
                               PolicyState&) noexcept { return ask.prompt == Tokens(7) ? kRefused : 0u; };
    builders::Scene s(given);
    s.submit({.prompt = 10});
    s.poll();
    if (tick_between) s.poll_at(500'000);
    s.at(1'000'000);
    s.submit({.prompt = 7});
    s.poll();
    return onlooker.kv.size();
  };
  EXPECT_EQ(asked(false), 2u);
  EXPECT_EQ(asked(true), 2u);
}

// A device is told the state that it is in: a tick, and nothing else.
TEST(Signals, ATickWithoutNewsChangesNothing) {
  std::size_t late = 0;
  for (Seed seed = 0; seed < number_from("SWITCHYARD_CASES", 300); ++seed) {
    Case c = random_case(seed);
    Rng rng = Rng::stream(seed, 0x7469636b);
    c.options.scorer = std::array{"expected_seconds", "expected_cost", "random+refusal", "dynamo_kv"}[seed % 4];
    for (SloClass& slo : c.fleet.classes) slo.on_overload = rng.below(2) == 0 ? Overload::defer : Overload::reject;
    for (reference::Request& r : c.requests)
      if (rng.below(2) == 0) r.answers = 2;
    const auto last = static_cast<std::uint64_t>(std::max<std::int64_t>(64, c.requests.back().arrival.ns()));
    c.fleet.signals_age = Duration(1 + static_cast<std::int64_t>(rng.below(last / 4)));
    std::vector<Fault> ticks;
    for (int k = 0; k < 200; ++k)
      ticks.push_back({.at = Time(static_cast<std::int64_t>(rng.below(2 * last))), .change = {{0}, DeviceState::up}});
    std::ranges::sort(ticks, {}, &Fault::at);
    const auto run = [&](const std::vector<Fault>& faults) {
      const Bounds bounds{
          .sequences = c.options.sequences, .events_per_tick = 4096, .steps_per_run = c.options.steps_per_run};
      Core core(bounds, c.fleet, c.costs, find_policies(c.options.scorer, c.options.order, c.options.bind),
                c.options.seed);
      SimFleet devices(c.fleet, c.costs, bounds, Exact::jump);
      Endings endings;
      SimLoop loop(core, bounds, c.fleet.devices(), devices, endings);
      Requests source(c.requests);
      loop.run(source, faults);
      late += core.ledger().same_states;
      return std::pair(core.hash(), core.ledger().ended);
    };
    ASSERT_EQ(run({}), run(ticks)) << c.text();
  }
  EXPECT_GT(late, 1000u);
}

TEST(Signals, ARecordingReenactsWithThem) {
  const std::string path = testing::TempDir() + "/signals_test.rec";
  for (Seed seed = 0; seed < 20; ++seed) {
    Case c = random_case(seed);
    c.fleet.signals_age = milliseconds(1);
    c.options.scorer = "expected_cost";
    RecordedRun run(c, seed, path);
    const Reenactment again = run.reenacted();
    ASSERT_TRUE(again.equal) << "seed " << seed;
    ASSERT_EQ(again.hash_reenacted, run.core.hash()) << "seed " << seed;
  }
  std::remove(path.c_str());
}

}  // namespace
}  // namespace yard
