// Served devices: an engine behind a wire that batches by itself.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>

#include "scheduler/backend/sim_served.h"
#include "scheduler/core/ledger.h"
#include "tests/engines.h"
#include "tests/recorded_run.h"

namespace yard {
namespace {

// The case a thousand times slower, and its arrivals a little apart: none falls on the end of a run, and nobody asks
// for several answers, of which all but the first are sent at the end of one. There the two differ, since an engine has
// planned its next step when what is sent at that instant reaches it.
void spread(Case& c) {
  for (reference::Request& r : c.requests) r.answers = 1;
  for (StepCost& row : c.costs.rows) {
    std::vector<BatchBucket> buckets = row.buckets();
    for (BatchBucket& b : buckets) b.c0 = b.c0 * 1000 + Picoseconds(12'347);
    row = StepCost(buckets, row.c1() * 1000, row.c2() * 1000, row.max_sequences());
  }
  for (reference::Request& r : c.requests) r.arrival = Time(r.arrival.ns() * 1000 + 7 * r.row);
}

// Without a wire and with a window that never closes, an engine that batches like Core is Core: same tokens, same
// times.
TEST(Served, WithoutDelayAndWindowItIsASteppedDeviceToTheNanosecond) {
  for (Seed seed = 0; seed < 300; ++seed) {
    Case c = random_case(seed);
    c.options.order = "fcfs";
    c.options.scorer = "round_robin";  // the others see loads, which served and stepped devices tell differently
    c.options.bind = "arrival";
    c.options.steps_per_run = 256;  // as the engines have it
    c.options.sequences = 256;      // who gives way differs: what was sent counts as admitted
    for (SloClass& slo : c.fleet.classes) slo.patience = Duration();
    for (reference::Request& r : c.requests) r.cancel_at.reset();
    Case open = served(c, Duration());
    for (PoolView& pool : open.fleet.pools) {
      pool.window = {.rule = WindowRule::sequences, .in_flight = 1u << 30, .start_timeout = seconds(1'000'000)};
      pool.max_sequences = std::max(pool.max_sequences, 64u);
    }
    Case same = c;
    for (std::size_t p = 0; p < same.fleet.pools.size(); ++p) {
      same.fleet.pools[p].chunk = Chunk::budget;  // as engines do
      same.fleet.pools[p].max_sequences = std::max(same.fleet.pools[p].max_sequences, 64u);
      same.fleet.pools[p].token_budget = open.fleet.pools[p].token_budget =
          Tokens(std::max(same.fleet.pools[p].token_budget.count(), 64));
    }
    spread(same), spread(open);
    bool tables_reach = true;
    for (const PoolView& pool : same.fleet.pools)
      tables_reach &= c.costs[pool.cost].max_sequences() >= pool.max_sequences;
    if (!tables_reach) continue;
    const Outcomes a = simulate(same, Exact::jump), b = simulate(open, Exact::jump);
    ASSERT_EQ(a.by_row.size(), b.by_row.size()) << "seed " << seed;
    for (std::size_t k = 0; k < a.by_row.size(); ++k) {
      Ending x = a.by_row[k], y = b.by_row[k];
      x.admit = y.admit = Time();         // a send is not yet an admission by the engine
      x.preemptions = y.preemptions = 0;  // the engine's own
      ASSERT_EQ(text_of(x), text_of(y)) << "seed " << seed;
    }
  }
}

TEST(Served, JumpAndStepAgree) {
  for (Seed seed = 0; seed < 300; ++seed) {
    Case c = served(random_case(seed), nanoseconds(static_cast<std::int64_t>(seed % 3) * 1500));
    for (PoolView& pool : c.fleet.pools) pool.admission = {.whole = seed % 5 == 0, .ahead = seed % 2 == 1};
    const Outcomes jump = simulate(c, Exact::jump), step = simulate(c, Exact::step);
    ASSERT_EQ(jump.hash, step.hash) << "seed " << seed;
    ASSERT_EQ(jump.by_row, step.by_row) << "seed " << seed;
  }
}

// ---- one engine, by hand: every step 1 ms, whatever is in it ------------------------------------------------------

TEST(Served, AnswersComeTwoDelaysLater) {
  Case c = one_engine();
  c.fleet.pools[0].wire_delay = microseconds(250);
  ask(c, 0, 10, 3);
  const Ending e = simulate(c, Exact::jump).by_row.at(0);
  EXPECT_EQ(e.first_token.ns(), 1'500'000);  // 0.25 there, a step of 1 ms, 0.25 back
  EXPECT_EQ(e.finish.ns(), 3'500'000);
}

TEST(Served, AnEngineThatPlansAheadTakesInWhatArrivesDuringAStepOneStepLater) {
  Case c = one_engine();
  ask(c, 0, 10, 8);
  ask(c, 1500, 10, 3);
  EXPECT_EQ(simulate(c, Exact::jump).by_row.at(1).first_token.ns(), 3'000'000);
  c.fleet.pools[0].admission.ahead = true;
  EXPECT_EQ(simulate(c, Exact::jump).by_row.at(1).first_token.ns(), 4'000'000);
}

TEST(Served, AnIdleEngineThatPlansAheadBeginsAtOnce) {
  Case c = one_engine();
  c.fleet.pools[0].admission.ahead = true;
  ask(c, 0, 10, 1);
  EXPECT_EQ(simulate(c, Exact::jump).by_row.at(0).first_token.ns(), 1'000'000);
}

TEST(Served, TheWindowKeepsWhatTheEngineCannotStartSoon) {
  Case c = one_engine();
  for (int k = 0; k < 4; ++k) ask(c, 0, 100, 1);
  const Outcomes all = simulate(c, Exact::jump);
  // 100 tokens are read a step. Two prompts fill the window of 200 unread tokens; the others go out as one is begun.
  EXPECT_EQ(all.by_row[0].admit.ns(), 0);
  EXPECT_EQ(all.by_row[1].admit.ns(), 0);
  EXPECT_EQ(all.by_row[2].admit.ns(), 1'000'000);
  EXPECT_EQ(all.by_row[3].admit.ns(), 2'000'000);
}

TEST(Served, ASilentEngineLosesItsSequencesToAnother) {
  Case c = one_engine(2);
  ask(c, 0, 10, 3);
  const Outcomes all = simulate(c, Exact::jump, {{0, EngineFault::silent}});
  EXPECT_EQ(all.by_row[0].outcome, Outcome::done);
  EXPECT_EQ(all.by_row[0].device.value, 1u);
  EXPECT_EQ(all.by_row[0].first_token.ns(), 1'001'000'000);  // a second of patience, then a step elsewhere
  EXPECT_EQ(all.ledger.retries, 1u);
}

TEST(Served, RetriesEndWhenARequestHasUsedItsOwn) {
  Case c = one_engine(1);
  ask(c, 0, 10, 3);
  const Outcomes all = simulate(c, Exact::jump, {{0, EngineFault::refuses}});
  EXPECT_EQ(all.by_row[0].outcome, Outcome::failed);
  EXPECT_EQ(all.by_row[0].why, Reason::retries_spent);
  EXPECT_EQ(all.ledger.sends, 3u);  // one, and two retries
}

TEST(Served, RetriesOfAllAreABudget) {
  Case c = one_engine(1);
  c.fleet.pools[0].max_sequences = 8;
  for (int k = 0; k < 1000; ++k) ask(c, k * 10, 10, 3);
  const Outcomes all = simulate(c, Exact::jump, {{0, EngineFault::throttles}});
  EXPECT_LE(all.ledger.retries, 10u + 1000u * 3 / 16);
  EXPECT_GT(all.ledger.retries, 100u);
}

TEST(Served, FiveFailuresInARowEjectAnEngineAndTheRestGoesElsewhere) {
  Case c = one_engine(2);
  for (int k = 0; k < 200; ++k) ask(c, k * 2000, 10, 1);
  const Outcomes all = simulate(c, Exact::jump, {{0, EngineFault::refuses}});
  for (const Ending& e : all.by_row) EXPECT_EQ(e.outcome, Outcome::done);
  EXPECT_EQ(all.ledger.ejections, 1u);
  EXPECT_EQ(all.ledger.retries, 5u);
}

TEST(Served, AThrottledEngineIsNotAskedBeforeItSaidSo) {
  Case c = one_engine(1);
  ask(c, 0, 10, 1);
  const Outcomes all = simulate(c, Exact::jump, {{0, EngineFault::throttles}});
  EXPECT_EQ(all.by_row[0].why, Reason::retries_spent);
  EXPECT_EQ(all.by_row[0].finish.ns(), 2'000'000'000);  // sent at 0, 1 and 2 s
}

TEST(Served, AnAttemptThatFailsWhereNoEngineTakesAnythingAnyMoreFailsItsRequest) {
  for (const char* bind : {"arrival", "room"}) {
    const Case c = one_engine();
    Core core({.sequences = 8, .events_per_tick = 8}, c.fleet, c.costs, find_policies("least_loaded", "fcfs", bind), 0);
    reference::Request r;
    r.prompt = Tokens(10);
    Submitted facts = reference::facts_of(r);
    facts.request = {0, 1};
    core.apply(facts, Time(0));
    const Send send = std::get<Send>(core.poll(Time(0)).front());
    core.apply(DeviceChanged{{0}, DeviceState::draining}, Time(1));
    EXPECT_TRUE(core.poll(Time(1)).empty());
    core.apply(Failed{.sequence = send.sequence, .attempt = send.attempt, .why = Failure::refused, .retry_after = {}},
               Time(2));
    const auto said = core.poll(Time(2));
    ASSERT_EQ(said.size(), 1u) << bind;
    EXPECT_EQ(std::get<Finish>(said[0]).outcome, Outcome::failed);
    EXPECT_EQ(std::get<Finish>(said[0]).why, Reason::device_lost);
  }
}

TEST(Served, ACancelledAttemptIsAbortedAndItsLateAnswerIgnored) {
  Case c = one_engine();
  c.fleet.pools[0].wire_delay = milliseconds(5);
  ask(c, 0, 10, 50);
  c.requests[0].cancel_at = Time(13'000'000);
  const Outcomes all = simulate(c, Exact::jump);
  EXPECT_EQ(all.by_row[0].outcome, Outcome::cancelled);
  EXPECT_EQ(all.by_row[0].finish.ns(), 13'000'000);
  EXPECT_EQ(all.by_row[0].output.count(), 1);
}

// ---- recordings ----------------------------------------------------------------------------------------------------

TEST(Served, ARecordingWithEveryKindOfAnswerReenacts) {
  const std::string path = testing::TempDir() + "/served_test.rec";
  std::uint64_t failed = 0;
  for (Seed seed = 0; seed < 20; ++seed) {
    const Case c = served(random_case(seed), microseconds(1));
    RecordedRun run(c, seed, path);
    run.devices.served().set_fault(0, EngineFault::refuses);
    const Reenactment again = run.reenacted();
    ASSERT_TRUE(again.equal) << "seed " << seed;
    ASSERT_EQ(again.hash_reenacted, run.core.hash()) << "seed " << seed;
    const bool embeds = std::ranges::any_of(c.fleet.models, &ModelView::embeds);  // and may thus give no token
    for (const Event& kind : {Event(Accepted{}), Event(FirstToken{}), Event(Ended{})})
      EXPECT_GT(again.events_by_kind[kind.index()] + (c.fleet.devices() == 1 || embeds), 0u) << "seed " << seed;
    failed += again.events_by_kind[Event(Failed{}).index()];
  }
  EXPECT_GT(failed, 0u);
  std::remove(path.c_str());
}

}  // namespace
}  // namespace yard
