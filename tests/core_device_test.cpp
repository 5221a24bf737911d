// Cancels and devices that come and go: the two tables at the end of scheduler/core/README.md, cell by cell.
#include <gtest/gtest.h>

#include <vector>

#include "tests/builders.h"

namespace yard {
namespace {

using builders::Given;
using builders::Said;
using builders::Scene;

constexpr DeviceState kUp = DeviceState::up, kDraining = DeviceState::draining, kDown = DeviceState::down;

void expect_ends(const Said& said, RequestId request, Outcome outcome, Reason why = Reason::none) {
  ASSERT_EQ(said.finishes.size(), 1u);
  EXPECT_EQ(said.finishes[0].request, request);
  EXPECT_EQ(said.finishes[0].outcome, outcome);
  EXPECT_EQ(said.finishes[0].why, why);
}

// Two devices for one sequence each, in two regions.
Given two() { return Given().pool({.max_sequences = 1}).pool({.max_sequences = 1, .region = 1}); }

// One sequence in a long decode run on device 0 of two.
struct Decoding {
  Scene s{two()};
  RequestId a = s.submit({.prompt = 10, .max_output = 100, .regions = 1});
  Decoding() {
    s.poll();
    s.step(0);
  }
};

// ---- cancels -------------------------------------------------------------------------------------------------------

TEST(Cancel, OfAnUnknownRequestIsIgnored) {
  Scene s(two());
  for (const RequestId nobody : {RequestId{0, 1}, RequestId{7, 0}, RequestId{0xffff'fff0, 9}, RequestId{}})
    s.cancel(nobody);
  EXPECT_TRUE(s.poll().empty());
  EXPECT_EQ(s.ledger().late_cancels, 4u);
}

TEST(Cancel, OfAnotherGenerationIsIgnored) {
  Scene s(two());
  const RequestId a = s.submit();
  s.cancel({a.index, a.generation + 1});
  EXPECT_EQ(s.ledger().late_cancels, 1u);
  EXPECT_EQ(s.poll().order, "L");
}

TEST(Cancel, InTheTickOfItsArrivalEndsIt) {
  Scene s(two());
  const RequestId a = s.submit();
  s.cancel(a);
  const Said said = s.poll();
  expect_ends(said, a, Outcome::cancelled);
  EXPECT_TRUE(said.launches.empty());
  EXPECT_FALSE(said.finishes[0].account.device.some());
}

TEST(Cancel, InALineEndsItAtOnce) {
  Scene s(Given().pool({.max_sequences = 1}));
  s.submit();
  const RequestId b = s.submit(), c = s.submit({.max_output = 1});
  s.poll();
  s.cancel(b);
  expect_ends(s.poll(), b, Outcome::cancelled);
  for (int steps = 0; steps < 10 && s.ledger().of(Outcome::done) == 0; ++steps) s.step(0);
  EXPECT_EQ(s.open_run(0).slots[0].request, c);
}

TEST(Cancel, OfAnUnboundEndsItAtOnceAndTheNextIsPlaced) {
  Scene s(Given().policy("round_robin", "fcfs", "room").pool({.kv_blocks = 40}));
  s.submit({.prompt = 30});
  const RequestId b = s.submit({.prompt = 20}), c = s.submit({.prompt = 5});
  s.poll();
  s.cancel(b);
  expect_ends(s.poll(), b, Outcome::cancelled);
  EXPECT_EQ(s.step(0).launches[0].slots.back().request, c);
}

TEST(Cancel, OfAPreemptedOneEndsItInTheLine) {
  Scene s(Given().steps_per_run(1).pool({.kv_blocks = 20}));
  s.submit({.prompt = 10, .max_output = 11});
  const RequestId b = s.submit({.prompt = 10, .max_output = 11});
  s.poll();
  ASSERT_EQ(s.step(0).launches[0].slots.size(), 1u);
  s.cancel(b);
  const Said said = s.poll();
  expect_ends(said, b, Outcome::cancelled);
  EXPECT_EQ(said.finishes[0].account.output, Tokens(1));
  EXPECT_EQ(said.finishes[0].account.preemptions, 1u);
}

TEST(Cancel, BetweenRunsEndsItAtOnce) {
  Decoding d;
  d.s.end_run(0);
  d.s.cancel(d.a);
  expect_ends(d.s.poll(), d.a, Outcome::cancelled);
}

TEST(Cancel, InARunOfOneStepDoesNotInterruptIt) {
  Scene s(two());
  const RequestId a = s.submit();
  s.poll();
  s.cancel(a);
  EXPECT_TRUE(s.poll().empty());
  expect_ends(s.step(0), a, Outcome::cancelled);
}

TEST(Cancel, InARunInterruptsItAndEndsItThen) {
  Decoding d;
  d.s.cancel(d.a);
  EXPECT_EQ(d.s.poll().order, "I");
  expect_ends(d.s.step(0), d.a, Outcome::cancelled);
}

TEST(Cancel, InARunThatEndsItIsDone) {
  Decoding d;
  d.s.cancel(d.a);
  d.s.poll();
  expect_ends(d.s.step(0, {.stop = {d.a}}), d.a, Outcome::done);
}

TEST(Cancel, InARunThatFailsItIsFailed) {
  Decoding d;
  d.s.cancel(d.a);
  d.s.poll();
  expect_ends(d.s.step(0, {.fail = {d.a}}), d.a, Outcome::failed, Reason::device_failed);
}

TEST(Cancel, AskedAgainIsIgnored) {
  Decoding d;
  d.s.cancel(d.a), d.s.cancel(d.a);
  EXPECT_EQ(d.s.poll().order, "I");
  d.s.cancel(d.a);
  EXPECT_TRUE(d.s.poll().empty());
  EXPECT_EQ(d.s.ledger().late_cancels, 2u);
}

TEST(Cancel, AfterItsEndIsIgnored) {
  Decoding d;
  d.s.end_run(0, {.stop = {d.a}});
  d.s.cancel(d.a);
  expect_ends(d.s.poll(), d.a, Outcome::done);
  d.s.cancel(d.a);
  EXPECT_TRUE(d.s.poll().empty());
  EXPECT_EQ(d.s.ledger().late_cancels, 2u);
}

// ---- devices -------------------------------------------------------------------------------------------------------

TEST(Device, ToldTheStateItIsInIgnoresIt) {
  Scene s(two());
  s.change(0, kUp);
  s.change(0, kDown), s.change(0, kDown);
  s.change(0, kDraining), s.change(0, kDraining);
  EXPECT_EQ(s.ledger().same_states, 3u);
  EXPECT_TRUE(s.poll().empty());
}

TEST(Device, NotUpGetsNothingNew) {
  for (const DeviceState state : {kDraining, kDown}) {
    Scene s(two());
    s.change(0, state);
    for (int k = 0; k < 3; ++k) s.submit();
    const Said said = s.poll();
    ASSERT_EQ(said.launches.size(), 1u);
    EXPECT_EQ(said.launches[0].device, DeviceId{1});
  }
}

TEST(Device, UpAgainIsUsedAgain) {
  Scene s(two());
  s.change(0, kDown);
  s.poll();
  s.change(0, kUp);
  s.submit({.regions = 1});
  EXPECT_EQ(s.poll().launches.at(0).device, DeviceId{0});
}

TEST(Device, DrainingFinishesItsRunAndItsSequences) {
  Decoding d;
  d.s.change(0, kDraining);
  EXPECT_TRUE(d.s.poll().empty()) << "no interrupt";
  const Said said = d.s.step(0);
  EXPECT_EQ(said.order, "L") << "its sequence goes on";
  expect_ends(d.s.step(0, {.stop = {d.a}}), d.a, Outcome::done);
}

TEST(Device, NoLongerUpHasItsLineBoundElsewhere) {
  for (const DeviceState state : {kDraining, kDown}) {
    Scene s(two());
    s.submit({.regions = 1});
    const RequestId b = s.submit();               // round robin: device 1
    const RequestId c = s.submit({.prompt = 7});  // device 0, in its line
    s.poll();
    s.end_run(1, {.stop = {b}});
    s.change(0, state);
    const Said said = s.poll();
    ASSERT_EQ(said.launches.size(), 1u);
    EXPECT_EQ(said.launches[0].device, DeviceId{1});
    EXPECT_EQ(said.launches[0].slots[0].request, c);
  }
}

TEST(Device, TheLineOfOneThatWentFailsWhereNobodyElseCanServeIt) {
  for (const char* bind : {"arrival", "room"}) {
    Scene s(two().policy("round_robin", "fcfs", bind));
    const RequestId a = s.submit({.regions = 1}), b = s.submit({.regions = 1});
    s.poll();
    s.change(0, kDraining);
    expect_ends(s.poll(), b, Outcome::failed, Reason::device_lost);
    EXPECT_EQ(s.open_run(0).slots[0].request, a);
  }
}

TEST(Device, TheUnboundStayWhereAnotherCanServeThem) {
  Scene s(two().policy("round_robin", "fcfs", "room"));
  for (int k = 0; k < 5; ++k) s.submit();
  s.poll();
  s.change(0, kDown);
  EXPECT_EQ(s.poll().order, "") << "one step left of the run; it fails then";
  EXPECT_EQ(s.ledger().in_flight, 5u);
}

TEST(Device, DownWhileIdleFailsTheRunningOnesAtOnce) {
  Decoding d;
  d.s.end_run(0);
  d.s.change(0, kDown);
  expect_ends(d.s.poll(), d.a, Outcome::failed, Reason::device_lost);
}

TEST(Device, DownInARunInterruptsItAndFailsItsSequencesAtTheEnd) {
  Decoding d;
  d.s.change(0, kDown);
  EXPECT_EQ(d.s.poll().order, "I");
  EXPECT_TRUE(d.s.poll().empty());
  const Said said = d.s.step(0);
  expect_ends(said, d.a, Outcome::failed, Reason::device_lost);
  EXPECT_TRUE(said.launches.empty());
}

TEST(Device, DownInARunThatEndsASequenceIsNoLossToIt) {
  Decoding d;
  d.s.change(0, kDown);
  d.s.poll();
  expect_ends(d.s.step(0, {.stop = {d.a}}), d.a, Outcome::done);
}

TEST(Device, DownInARunCancelsWhatWasAskedToCancel) {
  Decoding d;
  d.s.change(0, kDown);
  d.s.cancel(d.a);
  d.s.poll();
  expect_ends(d.s.step(0), d.a, Outcome::cancelled);
}

TEST(Device, UpAgainInTheRunInWhichItWentDownLosesItsSequencesAllTheSame) {
  for (const DeviceState state : {kUp, kDraining}) {
    Decoding d;
    d.s.change(0, kDown);
    d.s.poll();
    d.s.change(0, state);
    EXPECT_TRUE(d.s.poll().empty());
    expect_ends(d.s.step(0), d.a, Outcome::failed, Reason::device_lost);
    const RequestId b = d.s.submit({.regions = 1});
    const Said said = d.s.poll();
    if (state == kUp)
      EXPECT_EQ(said.order, "L");
    else
      expect_ends(said, b, Outcome::rejected, Reason::device_lost);
  }
}

TEST(Device, DownInARunFailsAllThatRunInOrderOfAdmission) {
  Scene s(Given().pool({.max_sequences = 3, .token_budget = 4}));
  const RequestId a = s.submit({.prompt = 3}), b = s.submit({.prompt = 9});
  s.poll();
  s.step(0);  // a decodes, b reads on
  s.change(0, kDown);
  s.poll();
  const Said said = s.step(0);
  ASSERT_EQ(said.finishes.size(), 2u);
  EXPECT_EQ(said.finishes[0].request, a);
  EXPECT_EQ(said.finishes[1].request, b);
  for (const Finish& finish : said.finishes) EXPECT_EQ(finish.why, Reason::device_lost);
}

TEST(Device, TheRebornOneHasAllItsBlocks) {
  Scene s(Given().pool({.kv_blocks = 20}));
  s.submit({.prompt = 20, .max_output = 1});
  s.poll();
  s.change(0, kDown);
  s.poll();
  s.step(0);
  s.change(0, kUp);
  s.submit({.prompt = 20, .max_output = 1});
  EXPECT_EQ(s.poll().launches.size(), 1u);
}

TEST(Device, APreemptedOneGoesOnlyWhereItsAnswerSoFarStillFits) {
  // As many tokens as fit: 41 on device 0, 16 on device 1. What has come further than 16 cannot move there.
  Scene s(Given().steps_per_run(1).pool({.kv_blocks = 40}).pool({.kv_blocks = 15}));
  constexpr std::int32_t kAny = Tokens::max().count();
  s.submit({.prompt = 10, .max_output = kAny});  // device 0
  s.submit({.prompt = 10, .max_output = 1});
  const RequestId b = s.submit({.prompt = 10, .max_output = kAny});  // device 0
  s.poll();
  s.at(1);
  s.end_run(1);
  s.poll();
  while (s.ledger().preemptions == 0) s.step(0);
  s.change(0, kDraining);
  const Said said = s.poll();
  expect_ends(said, b, Outcome::failed, Reason::device_lost);
  EXPECT_GT(said.finishes.at(0).account.output, Tokens(6));
}

TEST(Device, APreemptedOneTakesItsPlaceInFrontAlongElsewhere) {
  Scene s(Given().steps_per_run(1).pool({.kv_blocks = 20, .max_sequences = 2}).pool({.max_sequences = 1}));
  s.submit({.prompt = 10, .max_output = 11});
  const RequestId other = s.submit({.prompt = 10, .max_output = 11});  // device 1
  const RequestId b = s.submit({.prompt = 10, .max_output = 11});      // device 0
  const RequestId waits = s.submit({.prompt = 10, .max_output = 11});  // device 1, in its line
  s.poll();
  ASSERT_EQ(s.step(0).launches[0].slots.size(), 1u) << "b made room";
  s.change(0, kDraining);
  s.poll();
  const Said said = s.step(1, {.stop = {other}});
  ASSERT_EQ(said.launches.size(), 1u);
  EXPECT_EQ(said.launches[0].slots[0].request, b);
  EXPECT_EQ(said.launches[0].slots[0].prefill, Tokens(11));
  EXPECT_EQ(s.step(1, {.stop = {b}}).launches[0].slots[0].request, waits);
}

}  // namespace
}  // namespace yard
