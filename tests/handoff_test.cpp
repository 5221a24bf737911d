// Prefill and decode pools (scheduler/core/README.md): who goes where, what is leased on the way, and what becomes of a
// sequence whose KV does not arrive.
#include <gtest/gtest.h>

#include <cstdio>
#include <string>

#include "scheduler/core/ledger.h"
#include "scheduler/loop/sim_links.h"
#include "tests/builders.h"
#include "tests/random_handoff.h"
#include "tests/recorded_run.h"

namespace yard {
namespace {

using builders::Given;
using builders::PoolSpec;
using builders::Said;
using builders::Scene;

constexpr DeviceState kUp = DeviceState::up, kDraining = DeviceState::draining, kDown = DeviceState::down;

// Device 0 reads, device 1 goes on; nothing stays.
Given pair(PoolSpec reads = {}, PoolSpec goes_on = {}) {
  reads.role = PoolRole::prefill;
  goes_on.role = PoolRole::decode;
  Given given;
  given.pool(reads).pool(goes_on).link(0, 1);
  given.fleet.stay_tokens = Tokens(0);
  return given;
}

// One sequence of 10 tokens, read on device 0, on its way to device 1.
struct OnItsWay {
  explicit OnItsWay(const Given& given = pair()) : s(given), a(s.submit({.prompt = 10, .max_output = 5})) {
    s.poll();
    const Said said = s.step(0);
    CHECK(said.order == "M");
    move = said.moves[0];
  }
  Scene s;
  RequestId a;
  Move move;
};

TEST(Handoff, WhatWasReadHereGoesOnThere) {
  OnItsWay w;
  EXPECT_EQ(w.move.from, DeviceId{0});
  EXPECT_EQ(w.move.to, DeviceId{1});
  EXPECT_EQ(w.move.bytes, 80);
  w.s.at(20);
  w.s.end_move(w.move);
  const Said said = w.s.poll();
  ASSERT_EQ(said.order, "L");
  EXPECT_EQ(said.launches[0].device, DeviceId{1});
  EXPECT_EQ(said.launches[0].slots[0].context, Tokens(10));
  EXPECT_EQ(said.launches[0].slots[0].generated, Tokens(1));
  EXPECT_EQ(said.launches[0].slots[0].prefill, Tokens(0));
  const Said end = w.s.step(1, {.steps = 4});
  ASSERT_EQ(end.order, "F");
  EXPECT_EQ(end.finishes[0].outcome, Outcome::done);
  EXPECT_EQ(end.finishes[0].account.device, DeviceId{1});
  EXPECT_EQ(end.finishes[0].account.moves, 1u);
}

TEST(Handoff, AnAnswerOfOneTokenNeverMoves) {
  Scene s(pair());
  s.submit({.prompt = 10, .max_output = 1});
  s.poll();
  const Said said = s.step(0);
  EXPECT_EQ(said.order, "F");
  EXPECT_EQ(s.ledger().moves, 0u);
}

// 16 blocks there: the first takes 11 of them from the moment its move begins.
TEST(Handoff, TheOtherEndsBlocksAreLeasedBeforeTheMove) {
  Scene s(pair({}, {.kv_blocks = 16}));
  s.submit({.prompt = 10, .max_output = 5}), s.submit({.prompt = 10, .max_output = 5});
  s.poll();
  const Said said = s.step(0);
  EXPECT_EQ(said.order, "M");
  s.end_move(said.moves[0]);
  EXPECT_EQ(s.poll().order, "L") << "there is no room for the second";
  EXPECT_EQ(s.step(1, {.steps = 4}).order, "FM");
}

// 25 blocks here: two prompts of 10 are read, and a third of 10 comes in only when one of them has left.
TEST(Handoff, ThisEndsBlocksAreKeptUntilItEnds) {
  Scene s(pair({.kv_blocks = 25}));
  s.submit({.prompt = 10}), s.submit({.prompt = 10});
  s.poll();
  const Said said = s.step(0);
  ASSERT_EQ(said.order, "MM");
  s.submit({.prompt = 10});
  EXPECT_TRUE(s.poll().empty());
  s.end_move(said.moves[0]);
  EXPECT_EQ(s.poll().order, "LL");
}

TEST(Handoff, ALinkTakesItsBoundAndTheRestWaitsInCore) {
  Given given = pair();
  given.bounds.moves_per_link = 1;
  Scene s(given);
  for (int k = 0; k < 4; ++k) s.submit({.prompt = 10});
  s.poll();
  const Said said = s.step(0);
  ASSERT_EQ(said.order, "MM") << "one moves, one is queued, two wait";
  s.end_move(said.moves[0]);
  EXPECT_EQ(s.poll().order, "ML");
}

TEST(Handoff, ARunThatLeasesAheadEndsForWhoWaitsForItsBlocks) {
  Scene s(pair({}, {.kv_blocks = 40}));
  s.submit({.prompt = 10, .max_output = 25});
  s.poll();
  s.end_move(s.step(0).moves[0]);
  s.poll();  // a run of 24 steps there leases 34 blocks
  s.submit({.prompt = 10, .max_output = 5});
  s.poll();
  EXPECT_EQ(s.step(0).order, "I");
  EXPECT_EQ(s.step(1).order, "ML");
}

TEST(Handoff, KvThatArrivesInterruptsARunOfManySteps) {
  Scene s(pair());
  s.submit({.prompt = 10, .max_output = 100}), s.submit({.prompt = 10, .max_output = 100});
  s.poll();
  const Said said = s.step(0);
  s.end_move(said.moves[0]);
  ASSERT_EQ(s.poll().order, "L");
  s.end_move(said.moves[1]);
  EXPECT_EQ(s.poll().order, "I");
  EXPECT_EQ(s.step(1, {.steps = 3}).launches[0].slots.size(), 2u);
}

// ---- what goes wrong ------------------------------------------------------------------------------------------------

TEST(Handoff, AFailedMoveIsReadAnewAndFailsWhenRetriesAreSpent) {
  OnItsWay w;
  for (int times = 0; times < 2; ++times) {
    w.s.end_move(w.move, MoveEnd::failed);
    ASSERT_EQ(w.s.poll().order, "L");
    EXPECT_EQ(w.s.open_run(0).slots[0].prefill, Tokens(11 + times)) << "what it had generated, too";
    w.move = w.s.step(0).moves[0];
  }
  w.s.end_move(w.move, MoveEnd::failed);
  const Said said = w.s.poll();
  ASSERT_EQ(said.order, "F");
  EXPECT_EQ(said.finishes[0].why, Reason::retries_spent);
  EXPECT_EQ(w.s.ledger().moves_failed, 3u);
  EXPECT_EQ(w.s.ledger().retries, 2u);
}

TEST(Handoff, AMoveEndsOnce) {
  OnItsWay w;
  w.s.end_move(w.move);
  w.s.poll();
  w.s.end_move(w.move), w.s.end_move(w.move, MoveEnd::failed);
  EXPECT_TRUE(w.s.poll().empty());
  EXPECT_EQ(w.s.ledger().late_answers, 2u);
}

TEST(Handoff, ACancelOnTheWayEndsItWhenItsMoveEnds) {
  OnItsWay w;
  w.s.cancel(w.a);
  EXPECT_TRUE(w.s.poll().empty()) << "somebody may still write into its blocks";
  w.s.cancel(w.a);
  EXPECT_EQ(w.s.ledger().late_cancels, 1u);
  w.s.end_move(w.move), w.s.end_move(w.move);  // the second is late, though its Finish is yet to be said
  const Said said = w.s.poll();
  ASSERT_EQ(said.order, "F");
  EXPECT_EQ(said.finishes[0].outcome, Outcome::cancelled);
  EXPECT_EQ(w.s.ledger().late_answers, 1u);
}

TEST(Handoff, ACancelBeforeItsMoveEndsItAtOnce) {
  Scene s(pair({}, {.kv_blocks = 16}));
  s.submit({.prompt = 10, .max_output = 5});
  const RequestId b = s.submit({.prompt = 10, .max_output = 5});
  s.poll();
  s.step(0);
  s.cancel(b);
  EXPECT_EQ(s.poll().order, "F");
}

TEST(Handoff, AnEndThatGoesDownMakesTheMoveCountAsFailed) {
  for (const std::uint32_t end : {0u, 1u}) {
    OnItsWay w(Given(pair({}, {.devices = 2})));
    w.s.change(end, kDown);
    w.s.poll();
    w.s.change(end, kUp);
    w.s.poll();
    w.s.end_move(w.move);
    EXPECT_EQ(w.s.poll().order, "L") << "read anew, device " << end;
    EXPECT_EQ(w.s.open_run(0).slots[0].prefill, Tokens(11));
  }
}

// What it holds goes with the end of the run in which it was lost.
TEST(Handoff, NothingMovesToADeviceThatWentAndCameBackBeforeItsRunHasEnded) {
  OnItsWay w;
  w.s.end_move(w.move);
  ASSERT_EQ(w.s.poll().launches[0].device, DeviceId{1});
  w.s.submit({.prompt = 10, .max_output = 5});
  ASSERT_EQ(w.s.poll().launches[0].device, DeviceId{0});
  w.s.change(1, kDown), w.s.change(1, kUp);
  w.s.poll();
  EXPECT_TRUE(w.s.step(0).moves.empty());
  const Said said = w.s.step(1);
  ASSERT_EQ(said.finishes.size(), 1u);
  EXPECT_EQ(said.finishes[0].request, w.a);
  EXPECT_EQ(said.finishes[0].why, Reason::device_lost);
  ASSERT_EQ(said.moves.size(), 1u);
  EXPECT_EQ(said.moves[0].to, DeviceId{1});
}

TEST(Handoff, AMoveFromAndToDrainingDevicesGoesOn) {
  OnItsWay w;
  w.s.change(0, kDraining), w.s.change(1, kDraining);
  EXPECT_TRUE(w.s.poll().empty());
  w.s.end_move(w.move);
  EXPECT_EQ(w.s.poll().launches[0].device, DeviceId{1});
}

TEST(Handoff, WhoCanGoOnNowhereIsReadAnewOrFails) {
  Given given = pair({}, {.kv_blocks = 16});
  given.pool({});  // that does both, and no link leads there
  Scene s(given);
  const RequestId a = s.submit({.prompt = 10, .max_output = 5});
  s.poll();
  ASSERT_TRUE(s.in_run(0));
  s.change(1, kDown);
  s.poll();
  const Said said = s.step(0);
  ASSERT_EQ(said.order, "L");
  EXPECT_EQ(said.launches[0].device, DeviceId{2});
  EXPECT_EQ(said.launches[0].slots[0].request, a);

  OnItsWay w;
  w.s.change(1, kDown);
  w.s.poll();
  w.s.end_move(w.move, MoveEnd::failed);
  const Said lost = w.s.poll();
  ASSERT_EQ(lost.order, "F");
  EXPECT_EQ(lost.finishes[0].why, Reason::device_lost);
}

// ---- who goes where -------------------------------------------------------------------------------------------------

TEST(Handoff, AShortPromptStaysWhereItIsDecoded) {
  Given given = pair();
  given.fleet.stay_tokens = Tokens(10);
  Scene s(given);
  s.submit({.prompt = 10}), s.submit({.prompt = 11});
  const Said said = s.poll();
  ASSERT_EQ(said.launches.size(), 2u);
  EXPECT_EQ(said.launches[0].device, DeviceId{0});
  EXPECT_EQ(said.launches[0].slots[0].prefill, Tokens(11));
  EXPECT_EQ(said.launches[1].slots[0].prefill, Tokens(10));
}

// A step of 1 ns and 1 ns a token: with 10 more to read it takes 11 ns.
TEST(Handoff, AShortPromptDoesNotStayBeyondItsTpot) {
  Given given = pair({}, {.c0 = 1000, .c1 = 1000});
  given.fleet.stay_tokens = Tokens(100);
  given.fleet.classes[0].tpot = nanoseconds(11);
  Scene s(given);
  s.submit({.prompt = 10}), s.submit({.prompt = 1});
  const Said said = s.poll();
  ASSERT_EQ(said.launches.size(), 2u);
  EXPECT_EQ(said.launches[0].slots[0].prefill, Tokens(1)) << "behind the ten it would take 12 ns";
  EXPECT_EQ(said.launches[1].slots[0].prefill, Tokens(10));
}

TEST(Handoff, WhileNobodyElseReadsDecodersReadAll) {
  Scene s(pair());
  s.change(0, kDown);
  s.submit({.prompt = 10});
  EXPECT_EQ(s.poll().launches[0].device, DeviceId{1});
}

TEST(Handoff, WhoIsPreemptedWhereItDecodesIsReadAnewThere) {
  Scene s(Given(pair({}, {.kv_blocks = 24})).steps_per_run(1));
  s.submit({.prompt = 10, .max_output = 10}), s.submit({.prompt = 10, .max_output = 10});
  s.poll();
  const Said said = s.step(0);
  ASSERT_EQ(said.order, "MM");
  s.end_move(said.moves[0]), s.end_move(said.moves[1]);
  s.poll();
  for (int k = 0; k < 40 && s.ledger().in_flight > 0; ++k) s.step(1);
  EXPECT_EQ(s.ledger().of(Outcome::done), 2u);
  EXPECT_GT(s.ledger().preemptions, 0u);
  EXPECT_EQ(s.ledger().moves, 2u);
}

TEST(Handoff, TheMovesTimeCountsWhereTwoAreAlike) {
  Given given = Given().policy("expected_seconds");
  given.pool({.role = PoolRole::prefill}).pool({.role = PoolRole::decode}).pool({.role = PoolRole::decode});
  given.link(0, 1, 1, 1000).link(0, 2);
  given.fleet.stay_tokens = Tokens(0);
  Scene s(given);
  s.submit({.prompt = 10});
  s.poll();
  EXPECT_EQ(s.step(0).moves[0].to, DeviceId{2});
}

// 1 us a token, TTFT 100 us: behind 40 tokens that wait 90 more are late.
TEST(Handoff, WhoWouldBeReadTooLateIsRefused) {
  Given given = pair({.max_sequences = 64, .token_budget = 64, .c0 = 0, .c1 = 1'000'000}, {.c0 = 1'000'000});
  given.policy("expected_cost");
  given.fleet.classes[0].ttft = microseconds(100);
  given.fleet.classes[0].on_overload = Overload::reject;
  Scene s(given);
  s.submit({.prompt = 40});
  EXPECT_EQ(s.poll().order, "L");
  s.submit({.prompt = 40});
  EXPECT_TRUE(s.poll().finishes.empty());
  s.submit({.prompt = 90});
  const Said said = s.poll();
  ASSERT_EQ(said.finishes.size(), 1u);
  EXPECT_EQ(said.finishes[0].why, Reason::overloaded);
}

TEST(Handoff, APromptTooLongForAllThatGoOnIsTooLong) {
  Scene s(pair({}, {.max_context = 12}));
  s.submit({.prompt = 10, .max_output = 3});
  const Said said = s.poll();
  ASSERT_EQ(said.order, "F");
  EXPECT_EQ(said.finishes[0].why, Reason::too_long);
}

// ---- recordings -----------------------------------------------------------------------------------------------------

TEST(Handoff, ARecordingWithMovesReenacts) {
  const std::string path = testing::TempDir() + "/handoff_test.rec";
  std::uint64_t ended = 0;
  for (Seed seed = 0; seed < 20; ++seed) {
    const Case c = with_handoff(random_case(seed));
    RecordedRun run(c, seed, path);
    SimLinks links(c.fleet, {{.at = Time(0), .link = LinkId{0}, .times = 3, .fails = seed % 2 == 0}});
    run.loop.moves_over(links);
    const Reenactment again = run.reenacted();
    ASSERT_TRUE(again.equal) << "seed " << seed;
    ASSERT_EQ(again.hash_reenacted, run.core.hash()) << "seed " << seed;
    ended += again.events_by_kind[Event(MoveEnded{}).index()];
  }
  EXPECT_GT(ended, 100u);
  std::remove(path.c_str());
}

}  // namespace
}  // namespace yard
