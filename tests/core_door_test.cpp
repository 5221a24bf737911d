// The door, binding and patience: one rule of scheduler/core/README.md per test, by hand.
#include <gtest/gtest.h>

#include <vector>

#include "tests/builders.h"

namespace yard {
namespace {

using builders::Given;
using builders::Said;
using builders::Scene;

constexpr std::int32_t kAsManyAsFit = Tokens::max().count();

Reason refusal(Scene& s, const Scene::Ask& ask) {
  s.submit(ask);
  const Said said = s.poll();
  if (said.finishes.empty()) return Reason::none;
  EXPECT_EQ(said.finishes[0].outcome, Outcome::rejected);
  return said.finishes[0].why;
}

// ---- the door ------------------------------------------------------------------------------------------------------

TEST(Door, RefusesWhatNoSequenceIsFreeFor) {
  Given given;
  given.bounds.sequences = 3;
  Scene s(given.pool({.max_sequences = 1}));
  for (int k = 0; k < 5; ++k) s.submit({.max_output = 1});
  const Said said = s.poll();
  ASSERT_EQ(said.finishes.size(), 2u);
  for (const Finish& finish : said.finishes) EXPECT_EQ(finish.why, Reason::queue_full);
  s.end_run(0);
  s.submit();  // in the tick of an end, which makes a place
  EXPECT_EQ(s.poll().order, "FL");
  EXPECT_EQ(refusal(s, {}), Reason::queue_full);
}

TEST(Door, TakesInBurstsBeyondAllBounds) {
  Given given;
  given.bounds = {.sequences = 2, .events_per_tick = 50, .steps_per_run = 4};
  Scene s(given.pool({.max_sequences = 1}));
  for (int burst = 0; burst < 20; ++burst) {
    for (int k = 0; k < 50; ++k) s.submit();
    EXPECT_EQ(s.poll().finishes.size(), burst == 0 ? 48u : 50u);
  }
  EXPECT_EQ(s.ledger().of(Reason::queue_full), 998u);
  EXPECT_EQ(s.ledger().in_flight, 2u);
}

TEST(Door, RefusesAnEmptyPrompt) {
  Scene s(Given().pool({}));
  EXPECT_EQ(refusal(s, {.prompt = 0}), Reason::empty_prompt);
}

TEST(Door, RefusesAModelThatNoPoolServes) {
  Scene s(Given().pool({}));
  EXPECT_EQ(refusal(s, {.model = 2}), Reason::no_such_model);
  EXPECT_EQ(refusal(s, {.model = 77}), Reason::no_such_model);
  EXPECT_EQ(refusal(s, {.model = ModelId::kNone}), Reason::no_such_model);
}

TEST(Door, RefusesTokensOfAModelThatOnlyEmbeds) {
  Given given;
  given.fleet.models[1].embeds = true;
  Scene s(given.pool({.kv_blocks = 40}).pool({.kv_blocks = 40, .model = 1}));
  EXPECT_EQ(refusal(s, {.max_output = 1, .model = 1}), Reason::only_embeds);
  EXPECT_EQ(refusal(s, {.max_output = kAsManyAsFit, .model = 1}), Reason::only_embeds);
  EXPECT_EQ(refusal(s, {.max_output = 0, .model = 1}), Reason::none);
  EXPECT_EQ(refusal(s, {.max_output = 0}), Reason::none) << "any model may be asked for a score";
}

TEST(Door, RefusesRegionsInWhichNoPoolLies) {
  Scene s(Given().pool({.region = 1}).pool({.model = 1, .region = 2}));
  EXPECT_EQ(refusal(s, {.regions = 1 << 2}), Reason::no_region);
  EXPECT_EQ(refusal(s, {.regions = 0}), Reason::no_region);
  EXPECT_EQ(refusal(s, {.regions = 1 << 1}), Reason::none);
}

TEST(Door, RefusesWhatNoPoolCanHold) {
  Scene s(Given().pool({.kv_blocks = 40, .max_context = 30}));
  EXPECT_EQ(refusal(s, {.prompt = 20, .max_output = 10}), Reason::none);
  EXPECT_EQ(refusal(s, {.prompt = 20, .max_output = 11}), Reason::too_long);
  EXPECT_EQ(refusal(s, {.prompt = 29, .max_output = kAsManyAsFit}), Reason::none);
  EXPECT_EQ(refusal(s, {.prompt = 30, .max_output = kAsManyAsFit}), Reason::too_long);
  EXPECT_EQ(refusal(s, {.prompt = 29, .max_output = 0}), Reason::none);
  EXPECT_EQ(refusal(s, {.prompt = 30, .max_output = 0}), Reason::too_long);
  EXPECT_EQ(refusal(s, {.prompt = kAsManyAsFit, .max_output = kAsManyAsFit - 1}), Reason::too_long);
}

TEST(Door, RefusesWhereNothingThatCouldServeIsUp) {
  Scene s(Given().pool({.kv_blocks = 100}).pool({.kv_blocks = 10}));
  s.change(0, DeviceState::draining);
  EXPECT_EQ(refusal(s, {.prompt = 50}), Reason::device_lost) << "device 1 is up, but too small";
  EXPECT_EQ(refusal(s, {.prompt = 5}), Reason::none);
}

TEST(Door, NamesItsFirstReason) {
  Given given;
  given.bounds.sequences = 1;
  Scene s(given.pool({.kv_blocks = 20}));
  s.change(0, DeviceState::down);
  EXPECT_EQ(refusal(s, {.prompt = 50, .regions = 2}), Reason::no_region);
  EXPECT_EQ(refusal(s, {.prompt = 50}), Reason::too_long);
  EXPECT_EQ(refusal(s, {.prompt = 0, .model = 2}), Reason::empty_prompt);
  EXPECT_EQ(refusal(s, {.prompt = 50, .model = 2, .regions = 2}), Reason::no_such_model);
  s.change(0, DeviceState::up);
  EXPECT_EQ(refusal(s, {}), Reason::none);
  EXPECT_EQ(refusal(s, {.prompt = 0}), Reason::queue_full);
}

// ---- binding -------------------------------------------------------------------------------------------------------

TEST(Binding, FixesTheOutputLimit) {
  Scene s(Given().pool({.kv_blocks = 40}));
  s.submit({.prompt = 10, .max_output = kAsManyAsFit}), s.submit({.prompt = 10, .max_output = 7});
  const Said::Run run = s.poll().launches[0];
  EXPECT_EQ(run.slots[0].output_limit, Tokens(31));
  EXPECT_EQ(run.slots[1].output_limit, Tokens(7));
}

TEST(Binding, OnlyGoesWhereTheSequenceFitsAndMay) {
  // Too small, another model, another region: device 3 alone is left.
  Scene s(Given().pool({.kv_blocks = 20}).pool({.model = 1}).pool({.region = 2}).pool({.region = 1}));
  for (int k = 0; k < 4; ++k) s.submit({.prompt = 30, .regions = 0b11});
  const Said said = s.poll();
  ASSERT_EQ(said.launches.size(), 1u);
  EXPECT_EQ(said.launches[0].device, DeviceId{3});
}

Given room() { return Given().policy("round_robin", "fcfs", "room"); }

TEST(BindAtRoom, GivesADeviceNoMoreThanItRunsAtOnce) {
  Scene s(room().pool({.max_sequences = 2}).pool({.max_sequences = 1}));
  for (int k = 0; k < 5; ++k) s.submit({.max_output = 1});
  EXPECT_EQ(s.poll().launches.size(), 2u);
  // The two that wait go where there is room first: both to device 0, though round robin stands at device 1.
  s.at(1);
  s.end_run(0);
  const Said said = s.poll();
  ASSERT_EQ(said.launches.size(), 1u);
  EXPECT_EQ(said.launches[0].slots.size(), 2u);
}

TEST(BindAtRoom, CountsWhatTheAdmittedStillHaveToRead) {
  Scene s(room().pool({.kv_blocks = 40, .token_budget = 16}));
  s.submit({.prompt = 30});
  s.submit({.prompt = 11});
  EXPECT_EQ(s.poll().launches[0].slots.size(), 1u);
  s.submit({.prompt = 2});  // would fit, but does not overtake
  EXPECT_TRUE(s.poll().empty());
  s.step(0);
  s.step(0, {});
  EXPECT_EQ(s.open_run(0).slots.size(), 1u) << "30 read, the next token leased: 9 are left";
}

TEST(BindAtRoom, AModelsFirstIsNotOvertakenAndAnotherModelsIs) {
  Scene s(room().pool({.kv_blocks = 40}).pool({.model = 1}));
  s.submit({.prompt = 30}), s.submit({.prompt = 20}), s.submit({.prompt = 1});
  const RequestId other = s.submit({.prompt = 30, .model = 1});
  const Said said = s.poll();
  ASSERT_EQ(said.launches.size(), 2u);
  EXPECT_EQ(said.launches[0].slots.size(), 1u);
  EXPECT_EQ(said.launches[1].slots[0].request, other);
}

TEST(BindAtRoom, ADecodeIsCountedWithWhatItsRunsFirstStepLeases) {
  // 10 read and a run that may grow to 30: for placing it holds 11 of 31, so that 20 more find room.
  Scene s(room().pool({.kv_blocks = 31}));
  s.submit({.prompt = 10, .max_output = 21});
  s.poll();
  const Said::Run run = s.step(0).launches[0];
  EXPECT_EQ(run.slots[0].granted, Blocks(30));
  s.submit({.prompt = 21});
  EXPECT_TRUE(s.poll().empty());
  Scene t(room().pool({.kv_blocks = 31}));
  t.submit({.prompt = 10, .max_output = 21});
  t.poll();
  t.step(0);
  t.submit({.prompt = 20});
  EXPECT_EQ(t.poll().order, "I");
}

TEST(BindAtRoom, AnIdleDeviceTakesWhateverItCanHold) {
  Scene s(room().pool({.kv_blocks = 20}));
  s.submit({.prompt = 20, .max_output = kAsManyAsFit});
  EXPECT_EQ(s.poll().launches.size(), 1u);
}

TEST(Binding, OfThoseWhoseDeviceWentComesInTheOrderOfTheirLine) {
  Scene s(Given().policy("round_robin", "shortest_first").pool({.devices = 3, .max_sequences = 1}));
  s.change(1, DeviceState::down), s.change(2, DeviceState::down);
  s.submit();
  s.poll();
  s.submit({.prompt = 9}), s.submit({.prompt = 3});
  s.poll();
  for (const std::uint32_t device : {1, 2}) s.change(device, DeviceState::up);
  s.change(0, DeviceState::draining);
  const Said said = s.poll();
  ASSERT_EQ(said.launches.size(), 2u);
  EXPECT_EQ(said.launches[0].slots[0].prefill, Tokens(3)) << "first in the line, first in the round";
  EXPECT_EQ(said.launches[1].slots[0].prefill, Tokens(9));
}

// ---- patience ------------------------------------------------------------------------------------------------------

TEST(Patience, ShedsWhatWasNotAdmittedInTime) {
  Scene s(Given().patience(50).pool({.max_sequences = 1}));
  s.submit({.max_output = 100});
  s.at(20);
  const RequestId b = s.submit();
  s.poll();
  EXPECT_EQ(s.core().next_wakeup(), Time(70));
  EXPECT_TRUE(s.poll_at(69).empty());
  const Said said = s.poll_at(70);
  ASSERT_EQ(said.order, "F");
  EXPECT_EQ(said.finishes[0].request, b);
  EXPECT_EQ(said.finishes[0].outcome, Outcome::rejected);
  EXPECT_EQ(said.finishes[0].why, Reason::shed);
  EXPECT_EQ(said.finishes[0].account.finish, Time(70));
  EXPECT_EQ(s.core().next_wakeup(), Time::never());
}

TEST(Patience, DoesNotEndTheAdmittedNorThePreempted) {
  Scene s(Given().steps_per_run(1).patience(5).pool({.kv_blocks = 20}));
  s.submit({.prompt = 10, .max_output = 11}), s.submit({.prompt = 10, .max_output = 11});
  s.poll();
  EXPECT_EQ(s.core().next_wakeup(), Time::never());
  ASSERT_EQ(s.step(0).launches[0].slots.size(), 1u) << "one was preempted";
  EXPECT_EQ(s.core().next_wakeup(), Time::never());
  EXPECT_TRUE(s.poll_at(100).empty());
}

TEST(Patience, OfNoneWaitsForEver) {
  Scene s(Given().pool({.max_sequences = 1}));
  s.submit({.max_output = 100}), s.submit();
  s.poll();
  EXPECT_EQ(s.core().next_wakeup(), Time::never());
  EXPECT_TRUE(s.poll_at(std::int64_t{1} << 60).empty());
}

TEST(Patience, ShedsInOrderOfItsEndThenOfSubmission) {
  Given given;
  given.patience(50).pool({.max_sequences = 1});
  given.fleet.classes.push_back(given.fleet.classes[0]);
  given.fleet.classes[1].patience = nanoseconds(30);
  Scene s(given);
  s.submit({.max_output = 100});
  s.poll();
  const RequestId a = s.submit({.slo = 0}), b = s.submit({.slo = 1}), c = s.submit({.slo = 1});
  s.poll();
  s.at(20);
  const RequestId d = s.submit({.slo = 1}), e = s.submit({.slo = 0});
  s.poll();
  EXPECT_EQ(s.core().next_wakeup(), Time(30));
  const Said said = s.poll_at(100);
  std::vector<RequestId> order;
  for (const Finish& finish : said.finishes) order.push_back(finish.request);
  EXPECT_EQ(order, (std::vector<RequestId>{b, c, a, d, e})) << "30, 30, then 50 by submission, then 70";
}

TEST(Patience, ThatEndedBeforeTheRequestCameShedsItAtOnce) {
  Scene s(Given().patience(50).pool({}));
  s.at(100);
  s.submit({.arrival = 50});
  const RequestId b = s.submit({.arrival = 51});
  const Said said = s.poll();
  EXPECT_EQ(said.order, "FL");
  EXPECT_EQ(said.finishes[0].why, Reason::shed);
  EXPECT_EQ(said.launches[0].slots[0].request, b);
}

TEST(Patience, OfASubmissionOutOfOrderEndsNoSoonerThanThoseBeforeIt) {
  Scene s(Given().patience(50).pool({.max_sequences = 1}));
  s.submit({.max_output = 100});
  s.poll();
  s.at(20);
  s.submit({.arrival = 20}), s.submit({.arrival = 10});
  s.poll();
  EXPECT_EQ(s.core().next_wakeup(), Time(70));
  EXPECT_EQ(s.poll_at(70).order, "FF");
}

TEST(Patience, OfUnboundOnesEndsAsWell) {
  Scene s(room().patience(50).pool({.max_sequences = 1}));
  s.submit({.max_output = 100});
  s.submit();
  s.poll();
  EXPECT_EQ(s.poll_at(50).order, "F");
}

}  // namespace
}  // namespace yard
