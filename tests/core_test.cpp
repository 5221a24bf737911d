// How a run is planned, interrupted and ended: one rule of scheduler/core/README.md per test, by hand.
#include <gtest/gtest.h>

#include <vector>

#include "tests/builders.h"

namespace yard {
namespace {

using builders::Given;
using builders::Said;
using builders::Scene;

std::vector<RequestId> requests_of(const Said::Run& run) {
  std::vector<RequestId> all;
  for (const Slot& slot : run.slots) all.push_back(slot.request);
  return all;
}

std::vector<std::int32_t> reads_of(const Said::Run& run) {
  std::vector<std::int32_t> all;
  for (const Slot& slot : run.slots) all.push_back(slot.prefill.count());
  return all;
}

using Requests = std::vector<RequestId>;
using Reads = std::vector<std::int32_t>;

// ---- the step ------------------------------------------------------------------------------------------------------

TEST(Planning, NeverExceedsTheTokenBudget) {
  Scene s(Given().pool({.max_sequences = 4, .token_budget = 16}));
  for (const std::int32_t prompt : {10, 10, 1, 50}) s.submit({.prompt = prompt, .max_output = 9});
  Said said = s.poll();
  std::int32_t most = 0;
  for (int steps = 0; steps < 60 && s.in_run(0); ++steps) {
    ASSERT_EQ(said.launches.size(), 1u);
    EXPECT_LE(said.launches[0].tokens(), 16);
    most = std::max(most, said.launches[0].tokens());
    said = s.step(0);
    if (said.launches.empty()) break;
  }
  EXPECT_EQ(most, 16);
  EXPECT_EQ(s.ledger().of(Outcome::done), 4u);
}

TEST(Planning, DecodesComeFirstInOrderOfAdmission) {
  Scene s(Given().pool({.max_sequences = 4, .token_budget = 12}));
  const RequestId a = s.submit({.prompt = 5}), b = s.submit({.prompt = 7});
  EXPECT_EQ(requests_of(s.poll().launches[0]), (Requests{a, b}));
  const RequestId c = s.submit({.prompt = 30});
  const Said::Run run = s.step(0).launches[0];
  EXPECT_EQ(requests_of(run), (Requests{a, b, c}));
  EXPECT_EQ(reads_of(run), (Reads{0, 0, 10})) << "the prefill takes what the decodes leave of the budget";
}

TEST(Planning, AnOpenPrefillGoesBeforeWhatWaits) {
  Scene s(Given().pool({.max_sequences = 4, .token_budget = 8}));
  const RequestId a = s.submit({.prompt = 20}), b = s.submit({.prompt = 3});
  EXPECT_EQ(requests_of(s.poll().launches[0]), (Requests{a}));
  EXPECT_EQ(requests_of(s.step(0).launches[0]), (Requests{a}));
  const Said::Run last = s.step(0).launches[0];
  EXPECT_EQ(requests_of(last), (Requests{a, b}));
  EXPECT_EQ(reads_of(last), (Reads{4, 3}));
}

TEST(Planning, OnlyTheChunkThatEndsThePromptSamples) {
  Scene s(Given().pool({.token_budget = 8}));
  s.submit({.prompt = 20});
  std::vector<bool> samples = {s.poll().launches[0].slots[0].samples};
  for (int chunk = 1; chunk < 3; ++chunk) samples.push_back(s.step(0).launches[0].slots[0].samples);
  EXPECT_EQ(samples, (std::vector<bool>{false, false, true}));
}

TEST(Planning, RunsNoMoreThanMaxSequences) {
  Scene s(Given().pool({.max_sequences = 2}));
  const RequestId a = s.submit(), b = s.submit();
  s.submit();
  const Said::Run run = s.poll().launches[0];
  EXPECT_EQ(requests_of(run), (Requests{a, b}));
  EXPECT_EQ(run.bound_by, BoundBy::sequences);
}

TEST(Planning, SaysWhatKeptMoreWorkOut) {
  Scene budget(Given().pool({.token_budget = 8}));
  budget.submit({.prompt = 8}), budget.submit({.prompt = 1});
  EXPECT_EQ(budget.poll().launches[0].bound_by, BoundBy::tokens);

  Scene kv(Given().pool({.kv_blocks = 20}));
  kv.submit({.prompt = 15}), kv.submit({.prompt = 6});
  EXPECT_EQ(kv.poll().launches[0].bound_by, BoundBy::kv);

  Scene idle(Given().pool({}));
  idle.submit();
  EXPECT_EQ(idle.poll().launches[0].bound_by, BoundBy::work);
}

TEST(Planning, ARunThatReadsIsOneStepAndAPureDecodeRunIsMany) {
  Scene s(Given().steps_per_run(100).pool({}));
  s.submit({.prompt = 10, .max_output = 500});
  EXPECT_EQ(s.poll().launches[0].step_limit, 1u);
  EXPECT_EQ(s.step(0).launches[0].step_limit, 100u);
}

TEST(Planning, ADecodeRunStopsAtTheShortestOutputLimit) {
  Scene s(Given().pool({}));
  s.submit({.prompt = 10, .max_output = 50}), s.submit({.prompt = 10, .max_output = 8});
  s.poll();
  EXPECT_EQ(s.step(0).launches[0].step_limit, 7u) << "one of the eight came with the prompt";
}

TEST(Planning, ADecodeRunGoesAsFarAsTheFreeBlocksAndLeasesThem) {
  // 8 blocks of 4: two prompts of 8 hold 2 each, and 4 are free: 8 more tokens each.
  Scene s(Given().pool({.kv_blocks = 8, .block_tokens = 4}));
  s.submit({.prompt = 8, .max_output = 20}), s.submit({.prompt = 8, .max_output = 20});
  s.poll();
  const Said::Run run = s.step(0).launches[0];
  EXPECT_EQ(run.step_limit, 8u);
  for (const Slot& slot : run.slots) EXPECT_EQ(slot.granted, Blocks(4));
}

TEST(Planning, TheEndOfARunReturnsWhatWasNotUsed) {
  Scene s(Given().pool({.kv_blocks = 8, .block_tokens = 4}));
  s.submit({.prompt = 8, .max_output = 20}), s.submit({.prompt = 8, .max_output = 20});
  s.poll();
  s.step(0);
  const RequestId c = s.submit({.prompt = 4});
  s.poll();  // interrupts
  // After one step each holds 9 tokens in 3 blocks; 2 of 8 are free, one of which c takes.
  const Said::Run run = s.step(0).launches[0];
  EXPECT_EQ(requests_of(run).back(), c);
  EXPECT_EQ(run.slots[0].granted, Blocks(3));
  EXPECT_EQ(run.slots[2].granted, Blocks(1));
}

TEST(Planning, TheLastTokenTakesNoKv) {
  Scene s(Given().pool({.kv_blocks = 12}));
  s.submit({.prompt = 10, .max_output = 3});
  s.poll();
  const Said::Run run = s.step(0).launches[0];
  EXPECT_EQ(run.step_limit, 2u);
  EXPECT_EQ(run.slots[0].granted, Blocks(12)) << "13 tokens in 12 blocks of one";
}

TEST(Planning, TheFirstThatLacksKvStopsTheLine) {
  Scene s(Given().pool({.kv_blocks = 20}));
  const RequestId a = s.submit({.prompt = 10});
  s.submit({.prompt = 11}), s.submit({.prompt = 1});
  EXPECT_EQ(requests_of(s.poll().launches[0]), (Requests{a}));
}

TEST(Planning, AWaitingOneNeedsBlocksForItsFirstChunkOnly) {
  Scene s(Given().pool({.kv_blocks = 30, .token_budget = 16}));
  const RequestId a = s.submit({.prompt = 12}), b = s.submit({.prompt = 25});
  const Said::Run run = s.poll().launches[0];
  EXPECT_EQ(requests_of(run), (Requests{a, b}));
  EXPECT_EQ(reads_of(run), (Reads{12, 4}));
}

// ---- preemption ----------------------------------------------------------------------------------------------------

// Two sequences that fill 20 blocks after one decode step of each; one more waits.
struct Tight {
  Scene s{Given().steps_per_run(1).pool({.kv_blocks = 20, .max_sequences = 4})};
  RequestId a = s.submit({.prompt = 9, .max_output = 12}), b = s.submit({.prompt = 9, .max_output = 12}), c;
  Tight() {
    s.poll();
    s.step(0);  // both decode their tenth token into the last two blocks
    c = s.submit({.prompt = 1, .max_output = 2});
  }
};

TEST(Preemption, TakesTheOneAdmittedLast) {
  Tight t;
  const Said::Run run = t.s.step(0).launches[0];
  EXPECT_EQ(requests_of(run), (Requests{t.a}));
  EXPECT_EQ(t.s.ledger().preemptions, 1u);
}

TEST(Preemption, NobodyIsAdmittedInAStepThatPreempted) {
  Tight t;
  const Said::Run run = t.s.step(0).launches[0];
  EXPECT_EQ(run.slots.size(), 1u) << "9 blocks are free, and c needs one";
  EXPECT_EQ(run.bound_by, BoundBy::kv);
}

TEST(Preemption, ARunThatPreemptedIsOneStep) {
  Scene s(Given().pool({.kv_blocks = 20}));
  s.submit({.prompt = 10, .max_output = 11}), s.submit({.prompt = 10, .max_output = 11});
  s.poll();
  const Said::Run run = s.step(0).launches[0];
  EXPECT_EQ(run.slots.size(), 1u);
  EXPECT_EQ(run.step_limit, 1u);
}

TEST(Preemption, PutsToTheFrontAndReadsPromptAndAnswerAgain) {
  Tight t;
  t.s.step(0);
  // a: 11 tokens in 11 blocks, and the next; b asks for prompt 9 + 2 generated before c gets anything.
  t.s.step(0, {.stop = {t.a}});
  const Said::Run& run = t.s.open_run(0);
  EXPECT_EQ(requests_of(run), (Requests{t.b, t.c}));
  EXPECT_EQ(run.slots[0].context, Tokens(0));
  EXPECT_EQ(run.slots[0].prefill, Tokens(11));
  EXPECT_EQ(run.slots[0].generated, Tokens(2));
  EXPECT_TRUE(run.slots[0].samples);
}

TEST(Preemption, ThePreemptedLastStandsFirst) {
  Scene s(Given().steps_per_run(1).pool({.kv_blocks = 21, .max_sequences = 4}));
  const RequestId a = s.submit({.prompt = 7, .max_output = 15}), b = s.submit({.prompt = 7, .max_output = 15}),
                  c = s.submit({.prompt = 7, .max_output = 15});
  s.poll();
  EXPECT_EQ(requests_of(s.step(0).launches[0]), (Requests{a, b})) << "c made room";
  while (requests_of(s.open_run(0)).size() == 2) s.step(0);
  EXPECT_EQ(requests_of(s.open_run(0)), (Requests{a})) << "b made room";
  s.step(0, {.stop = {a}});
  EXPECT_EQ(requests_of(s.open_run(0)).front(), b) << "preempted after c";
  EXPECT_EQ(requests_of(s.open_run(0)).size(), 2u);
  EXPECT_EQ(requests_of(s.open_run(0)).back(), c);
}

TEST(Preemption, IsCountedInTheAccountAndKeepsTheFirstAdmission) {
  Tight t;
  t.s.step(0);
  t.s.step(0, {.stop = {t.a}});
  const Said said = t.s.step(0, {.stop = {t.b}});
  ASSERT_EQ(said.finishes.size(), 1u);
  EXPECT_EQ(said.finishes[0].request, t.b);
  EXPECT_EQ(said.finishes[0].account.preemptions, 1u);
  EXPECT_EQ(said.finishes[0].account.admit, Time(0));
  EXPECT_EQ(said.finishes[0].account.output, Tokens(3));
}

// ---- interrupts ----------------------------------------------------------------------------------------------------

// One sequence in a long decode run on a device for two.
Scene decoding(std::uint32_t max_sequences = 2) {
  Scene s(Given().pool({.max_sequences = max_sequences}));
  s.submit({.prompt = 10, .max_output = 100});
  s.poll();
  s.step(0);
  return s;
}

TEST(Interrupt, ComesWhenSomebodyNewIsFirstOfTheLineAndMayJoin) {
  Scene s = decoding();
  s.submit();
  const Said said = s.poll();
  ASSERT_EQ(said.order, "I");
  EXPECT_EQ(said.interrupts[0].run, s.open_run(0).run);
  EXPECT_EQ(said.interrupts[0].device, DeviceId{0});
}

TEST(Interrupt, IsNotSaidTwiceForARun) {
  Scene s = decoding(4);
  s.submit();
  EXPECT_EQ(s.poll().order, "I");
  s.submit();
  EXPECT_TRUE(s.poll().empty());
}

TEST(Interrupt, DoesNotComeWhereMaxSequencesRun) {
  Scene s = decoding(1);
  s.submit();
  EXPECT_TRUE(s.poll().empty());
}

TEST(Interrupt, DoesNotComeInARunOfOneStep) {
  Scene s(Given().pool({}));
  s.submit();
  s.poll();
  s.submit();
  EXPECT_TRUE(s.poll().empty());
}

TEST(Interrupt, DoesNotComeWhereTheFirstOfTheLineWasFirstAtLaunch) {
  Scene s(Given().pool({.kv_blocks = 40, .max_sequences = 8}));
  s.submit({.prompt = 30, .max_output = 10}), s.submit({.prompt = 20});
  s.poll();
  EXPECT_GT(s.step(0).launches[0].step_limit, 1u);
  s.submit({.prompt = 1});  // behind the one that lacks KV
  EXPECT_TRUE(s.poll().empty());
}

TEST(Interrupt, ComesWhenTheFirstOfTheLineLeavesIt) {
  Scene s(Given().pool({.kv_blocks = 40, .max_sequences = 8}));
  s.submit({.prompt = 30, .max_output = 10});
  const RequestId b = s.submit({.prompt = 20});
  s.poll();
  s.step(0);
  s.submit({.prompt = 1});
  s.poll();
  s.cancel(b);
  EXPECT_EQ(s.poll().order, "FI");
}

// ---- what a run brought --------------------------------------------------------------------------------------------

TEST(RunEnded, OfAnEarlierRunIsIgnoredAndCounted) {
  Scene s(Given().pool({}));
  s.submit();
  s.poll();
  const RunEnded first = s.ending(0, {});
  const std::vector<SlotEnd> slots(first.slots.begin(), first.slots.end());
  s.step(0);
  RunEnded late = first;
  late.slots = slots;
  s.core().apply(late, s.now());
  EXPECT_EQ(s.ledger().late_run_ends, 1u);
  EXPECT_TRUE(s.poll().empty());
  EXPECT_TRUE(s.step(0).finishes.empty()) << "the second run goes on";
}

TEST(RunEnded, AFailedSlotFailsItsSequenceAlone) {
  Scene s(Given().pool({}));
  const RequestId a = s.submit(), b = s.submit();
  s.poll();
  const Said said = s.step(0, {.fail = {a}});
  ASSERT_EQ(said.finishes.size(), 1u);
  EXPECT_EQ(said.finishes[0].request, a);
  EXPECT_EQ(said.finishes[0].outcome, Outcome::failed);
  EXPECT_EQ(said.finishes[0].why, Reason::device_failed);
  EXPECT_EQ(requests_of(said.launches[0]), (Requests{b}));
}

TEST(RunEnded, AnAnswerOfNoTokenIsDoneWithoutAFirstToken) {
  Scene s(Given().pool({}));
  s.submit({.max_output = 0});
  s.poll();
  const Said said = s.step(0);
  ASSERT_EQ(said.finishes.size(), 1u);
  EXPECT_EQ(said.finishes[0].outcome, Outcome::done);
  EXPECT_EQ(said.finishes[0].account.output, Tokens(0));
  EXPECT_EQ(said.finishes[0].account.first_token, Time::never());
}

TEST(RunEnded, WithoutAStepChangesNothingAndIsPlannedAgain) {
  Scene s(Given().pool({.max_sequences = 2}));
  s.submit(), s.submit();
  const Said first = s.poll();
  const auto hand_back = [&] {
    RunEnded end = s.ending(0, {.steps = 0});
    std::vector<SlotEnd> slots(end.slots.begin(), end.slots.end());
    for (SlotEnd& slot : slots) slot.prefilled = slot.generated = Tokens(0), slot.fate = SlotFate::running;
    end.slots = slots;
    s.at(s.now().ns() + 1);
    s.core().apply(end, s.now());
    return s.poll();
  };
  const Said again = hand_back();
  ASSERT_EQ(again.order, "L");
  ASSERT_EQ(again.launches[0].slots.size(), first.launches[0].slots.size());
  for (std::size_t i = 0; i < again.launches[0].slots.size(); ++i) {
    EXPECT_EQ(again.launches[0].slots[i].prefill, first.launches[0].slots[i].prefill);
    EXPECT_EQ(again.launches[0].slots[i].granted, first.launches[0].slots[i].granted);
  }
  s.step(0);
  EXPECT_EQ(hand_back().order, "L");  // of decodes
}

TEST(RunEnded, WithoutAStepCancelsWhatWasAskedToCancel) {
  Scene s(Given().pool({}));
  const RequestId a = s.submit();
  s.poll();
  s.cancel(a);
  s.poll();
  RunEnded end = s.ending(0, {.steps = 0});
  SlotEnd slot = end.slots[0];
  slot.prefilled = slot.generated = Tokens(0), slot.fate = SlotFate::running;
  end.slots = {&slot, 1};
  s.core().apply(end, s.now());
  EXPECT_EQ(s.poll().finishes[0].outcome, Outcome::cancelled);
}

TEST(RunEnded, AFailedReadComesBackToWhatIsToBeRead) {
  Scene s(Given().pool({.kv_blocks = 20}));
  const RequestId a = s.submit({.prompt = 20, .max_output = 1});
  s.poll();
  EXPECT_EQ(s.step(0, {.fail = {a}}).order, "F");
  s.submit({.prompt = 20, .max_output = 1});
  EXPECT_EQ(s.poll().launches.size(), 1u) << "all its blocks are free again";
}

// ---- the account ---------------------------------------------------------------------------------------------------

TEST(Account, HasEachTimeOfARequestsLife) {
  Scene s(Given().pool({}));
  s.at(100);
  s.submit({.prompt = 10, .max_output = 3, .tenant = 1, .arrival = 90});
  s.poll();
  s.at(200);
  s.end_run(0);
  s.poll();
  s.at(300);
  s.end_run(0, {.steps = 2});
  const Said said = s.poll_at(310);
  ASSERT_EQ(said.finishes.size(), 1u);
  const Account& a = said.finishes[0].account;
  EXPECT_EQ(a.arrival, Time(90));
  EXPECT_EQ(a.admit, Time(100));
  EXPECT_EQ(a.first_token, Time(200));
  EXPECT_EQ(a.last_token, Time(300));
  EXPECT_EQ(a.finish, Time(310));
  EXPECT_EQ(a.prompt, Tokens(10));
  EXPECT_EQ(a.output, Tokens(3));
  EXPECT_EQ(a.device, DeviceId{0});
  EXPECT_EQ(a.tenant, TenantId{1});
}

TEST(Poll, SaysEndsInTheOrderOfTheEventsThenDevicesAscending) {
  Scene s(Given().pool({.devices = 2}));
  const RequestId a = s.submit({.max_output = 1}), b = s.submit({.max_output = 1});
  s.submit({.max_output = 3}), s.submit({.max_output = 3});
  s.poll();
  s.at(5);
  s.end_run(1), s.end_run(0);
  const Said said = s.poll();
  EXPECT_EQ(said.order, "FFLL");
  EXPECT_EQ(said.finishes[0].request, b);
  EXPECT_EQ(said.finishes[1].request, a);
  EXPECT_EQ(said.launches[0].device, DeviceId{0});
}

TEST(Poll, ASecondAtOneInstantIsEmpty) {
  for (const char* bind : {"arrival", "room"}) {
    Scene s(Given().policy("round_robin", "edf", bind).patience(5).pool({.devices = 2, .kv_blocks = 30}));
    s.at(10);
    for (int k = 0; k < 8; ++k) s.submit({.prompt = 20, .arrival = k});
    EXPECT_FALSE(s.poll().empty());
    EXPECT_TRUE(s.poll().empty()) << bind << ": those whose patience had ended when they came, included";
    EXPECT_GT(s.core().next_wakeup(), s.now()) << bind;
  }
}

}  // namespace
}  // namespace yard
