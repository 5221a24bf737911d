// The reference held against arithmetic done by hand (reference_yard.h): steps, memory, interrupts, the door, orders.
#include <gtest/gtest.h>

#include "tests/reference_yard.h"

namespace yard {
namespace {

using reference::cancelled, reference::limited, reference::request, reference::rows, reference::story;
using reference::Ending;
using reference::Request;
using reference::Yard;

// ---- steps and runs ------------------------------------------------------------------------------------------------

TEST(Reference, OneRequestAloneReadsThenDecodes) {
  Yard yard;
  yard.set_cost(10'000, 12'000, 1000, 600);
  // Reads at 5: 10 + 3 = 13 ns, first token at 18. Decodes from 18 with 3 tokens in KV, so that steps see 4, 5, 6:
  // 12.4, 13.0, 13.6 ns, boundaries after 12.4, 25.4 and 39.0 ns: 31, 44, 57.
  const auto endings = yard.run({request(7, 5, 3, 4)});
  ASSERT_EQ(endings.size(), 1u);
  EXPECT_EQ(story(endings[0]), "done: admit 5 first 18 last 57 finish 57, 4 tokens");
  EXPECT_EQ(endings[0].row, 7u);
  EXPECT_EQ(endings[0].arrival, Time(5));
  EXPECT_EQ(endings[0].why, Reason::none);
  EXPECT_EQ(endings[0].device, DeviceId{0});
  EXPECT_EQ(endings[0].preemptions, 0u);
}

TEST(Reference, TwoRequestsShareSteps) {
  // Both read at 0: 12 + 2 + 3 = 17. Both decode: 12, at 29 the second has its 2 tokens. The first goes on alone: 39.
  const auto endings = Yard().run({request(0, 0, 2, 3), request(1, 0, 3, 2)});
  ASSERT_EQ(endings.size(), 2u);
  EXPECT_EQ(endings[0].row, 1u);
  EXPECT_EQ(story(endings[0]), "done: admit 0 first 17 last 29 finish 29, 2 tokens");
  EXPECT_EQ(story(endings[1]), "done: admit 0 first 17 last 39 finish 39, 3 tokens");
}

TEST(Reference, TheLastBucketHoldsForAllAboveIt) {
  Yard yard;
  yard.pool().max_sequences = 5;
  yard.pool().token_budget = Tokens(200);
  // Five read one token each: 20 + 5 = 25.
  std::vector<Request> five;
  for (std::uint32_t row = 0; row < 5; ++row) five.push_back(request(row, 0, 1, 1));
  for (const Ending& e : yard.run(five)) EXPECT_EQ(e.finish, Time(25));
}

TEST(Reference, APromptBeyondTheBudgetIsReadInChunks) {
  Yard yard;
  yard.pool().token_budget = Tokens(4);
  // 4 + 4 + 2 tokens: 14 + 14 + 12 = 40; only the third chunk emits. One decode: 50.
  EXPECT_EQ(story(yard.run({request(0, 0, 10, 2)})[0]), "done: admit 0 first 40 last 50 finish 50, 2 tokens");
}

TEST(Reference, DecodesTakeTheirTokenOfTheBudgetBeforeAPrefillBehindThem) {
  Yard yard;
  yard.pool().token_budget = Tokens(4);
  // At 0: A reads 1, B 3 of 7: 12 + 4 = 16. A decodes, B reads 3: 15, at 31. A decodes, B reads its last: 13, at 44,
  // where B ends with its only token. A, with 3 of 10, goes on alone: 7 * 10, at 114.
  const auto endings = yard.run({request(0, 0, 1, 10), request(1, 0, 7, 1)});
  EXPECT_EQ(story(endings[0]), "done: admit 0 first 44 last 44 finish 44, 1 tokens");
  EXPECT_EQ(story(endings[1]), "done: admit 0 first 16 last 114 finish 114, 10 tokens");
}

TEST(Reference, ARunRoundsUpAtItsEndOnlyAndTheNextStartsThere) {
  Yard yard;
  yard.set_cost(1100, 1100, 0, 0);
  // Read: 1.1 ns, at 2. Decode from 2: 1.1 and 2.2 ns: 4 and 5. (Steps rounded one by one would end at 6, never: 4.)
  EXPECT_EQ(story(yard.run({request(0, 0, 1, 3)})[0]), "done: admit 0 first 2 last 5 finish 5, 3 tokens");
  yard.options.steps_per_run = 1;  // ... and so they do: 2, 4, 6
  EXPECT_EQ(story(yard.run({request(0, 0, 1, 3)})[0]), "done: admit 0 first 2 last 6 finish 6, 3 tokens");
}

TEST(Reference, ARunHasNoMoreStepsThanTheBound) {
  Yard yard;
  yard.set_cost(10'100, 10'100, 0, 0);
  yard.options.steps_per_run = 2;
  // Read: 11. Decode 4 in runs of 2: 20.2 each: 32, 53.
  EXPECT_EQ(story(yard.run({request(0, 0, 1, 5)})[0]), "done: admit 0 first 11 last 53 finish 53, 5 tokens");
}

TEST(Reference, AnAnswerOfNoTokenEndsWhenItsPromptIsRead) {
  EXPECT_EQ(story(Yard().run({request(0, 0, 3, 0)})[0]), "done: admit 0 first - last - finish 13, 0 tokens");
  const auto asked_for_none = Yard().run({limited(request(0, 0, 3, 5), 0)});
  EXPECT_EQ(story(asked_for_none[0]), "done: admit 0 first - last - finish 13, 0 tokens");
}

TEST(Reference, AnAnswerIsCutAtItsLimit) {
  EXPECT_EQ(story(Yard().run({limited(request(0, 0, 3, 5), 2)})[0]),
            "done: admit 0 first 13 last 23 finish 23, 2 tokens");
}

// ---- KV and preemption ---------------------------------------------------------------------------------------------

TEST(Reference, TheSequenceAdmittedLastIsPreemptedAndRecomputes) {
  Yard yard;
  yard.pool().kv_blocks = Blocks(6);
  yard.pool().max_context = Tokens(7);
  // 0-16: A and B read 2 each (12 + 4), 1 token each, 4 of 6 blocks held.
  // 16-28: both decode; 2 * (2 + k) - 4 <= 2 allows one step. 2 tokens each, all 6 blocks held.
  // 28-38: A asks for its 4th: B is preempted, its 3 are free. A alone, one step. B has 2 + 2 to read.
  // 38-58: A holds 4 and takes one of the 2 free; B's first chunk of 4 does not fit. A has 3 of 5 and leases 2 steps.
  // 58-72: B reads 4 and emits its third and last: 10 + 4.
  const auto endings = yard.run({request(0, 0, 2, 5), request(1, 0, 2, 3)});
  EXPECT_EQ(story(endings[0]), "done: admit 0 first 16 last 58 finish 58, 5 tokens");
  EXPECT_EQ(story(endings[1]), "done: admit 0 first 16 last 72 finish 72, 3 tokens");
  EXPECT_EQ(endings[0].preemptions, 0u);
  EXPECT_EQ(endings[1].preemptions, 1u);
  EXPECT_EQ(endings[1].device, DeviceId{0});
}

TEST(Reference, ThePreemptedLastGoesFirst) {
  Yard yard;
  yard.pool().kv_blocks = Blocks(9);
  yard.pool().max_context = Tokens(10);
  // 0-26: A, B, C read 2 each: 20 + 6. 26-46: one step of decode, all 9 blocks held.
  // 46-58: A asks for a 4th: C goes (3 free); A and B take one each; 12.
  // 58-68: A takes the last one; B asks and is itself the last admitted: it goes. A alone; line: B, C.
  // 68-78: A holds 5 and takes a 6th, 3 are free; B's 2 + 3 do not fit. A ends with 5 tokens.
  // 78-99: B reads 5, C 4: 12 + 9. 4 and 3 tokens; all 9 held.
  // 99-109: B asks for a 6th: C, now admitted last, goes. B ends.
  // 109-124: C reads 5, 4 tokens. 124-134: the fifth.
  const auto endings = yard.run({request(0, 0, 2, 5), request(1, 0, 2, 5), request(2, 0, 2, 5)});
  EXPECT_EQ(story(endings[0]), "done: admit 0 first 26 last 78 finish 78, 5 tokens");
  EXPECT_EQ(story(endings[1]), "done: admit 0 first 26 last 109 finish 109, 5 tokens");
  EXPECT_EQ(story(endings[2]), "done: admit 0 first 26 last 134 finish 134, 5 tokens");
  EXPECT_EQ(endings[1].row, 1u);
  EXPECT_EQ(endings[1].preemptions, 1u);
  EXPECT_EQ(endings[2].preemptions, 2u);
}

TEST(Reference, NobodyIsAdmittedInAStepThatPreempts) {
  Yard yard;
  yard.pool().kv_blocks = Blocks(6);
  yard.pool().max_context = Tokens(7);
  yard.pool().max_sequences = 2;
  yard.pool().token_budget = Tokens(3);
  // 0-15: A reads 2, B 1 of 2: 12 + 3. 15-28: A decodes, B reads its last: 12 + 1. They hold 3 and 2.
  // 28-38: A takes the last block, B asks and goes. Its first chunk, of the 2 tokens left in the budget, would fit its
  // own 2 blocks, but not in this step. A has 3 of 5.
  // 38-58: A takes one of the 2; B's chunk of 2 no longer fits. A decodes twice and ends.
  // 58-71: B reads 2 + 1 and emits its second. 71-81: its third.
  const auto endings = yard.run({request(0, 0, 2, 5), request(1, 0, 2, 3)});
  EXPECT_EQ(story(endings[0]), "done: admit 0 first 15 last 58 finish 58, 5 tokens");
  EXPECT_EQ(story(endings[1]), "done: admit 0 first 28 last 81 finish 81, 3 tokens");
  EXPECT_EQ(endings[1].preemptions, 1u);
}

TEST(Reference, ARunThatPreemptsIsOneStep) {
  Yard yard;
  yard.set_cost(10'100, 12'000, 1000, 0);
  yard.pool().kv_blocks = Blocks(6);
  yard.pool().max_context = Tokens(7);
  // As in TheSequenceAdmittedLastIsPreempted... until 28. A alone: 10.1, at 39. Two steps more: 20.2, at 60 (three in
  // one run would be 30.3, at 59). B reads 4: 14.1, at 75.
  const auto endings = yard.run({request(0, 0, 2, 5), request(1, 0, 2, 3)});
  EXPECT_EQ(story(endings[0]), "done: admit 0 first 16 last 60 finish 60, 5 tokens");
  EXPECT_EQ(story(endings[1]), "done: admit 0 first 16 last 75 finish 75, 3 tokens");
}

TEST(Reference, AnInterruptedRunReturnsTheBlocksItDidNotUse) {
  Yard yard;
  yard.pool().kv_blocks = Blocks(10);
  yard.pool().max_context = Tokens(11);
  // A reads 2 until 12, then leases all 10 blocks for 8 steps. B comes at 30: the run ends at 32 with 3 tokens, 4 in
  // KV. A's 5th and B's 4 fit: 12 + 4, at 48. A has 4 of 8: 40 more.
  const auto endings = yard.run({request(0, 0, 2, 8), request(1, 30, 4, 1)});
  EXPECT_EQ(story(endings[0]), "done: admit 32 first 48 last 48 finish 48, 1 tokens");
  EXPECT_EQ(story(endings[1]), "done: admit 0 first 12 last 88 finish 88, 8 tokens");
}

TEST(Reference, BlocksAreWholeAndTheLastTokenTakesNone) {
  Yard yard;
  yard.pool().kv_blocks = Blocks(2);
  yard.pool().block_tokens = Tokens(4);
  yard.pool().max_context = Tokens(9);
  // A (prompt 4, 5 tokens: 9 in all, the last of which takes no KV) fills both blocks when it decodes. B (prompt 1)
  // takes the second first: 0-17 both read (12 + 5), then A asks for a second block: B goes.
  // 17-27: A alone, one step. From 27 B has no block; A holds both and has 2 of 5: 3 more, 57. B reads 1 + 1: 57-69.
  // It has 2 tokens.
  const auto endings = yard.run({request(0, 0, 4, 5), request(1, 0, 1, 2)});
  EXPECT_EQ(story(endings[0]), "done: admit 0 first 17 last 57 finish 57, 5 tokens");
  EXPECT_EQ(story(endings[1]), "done: admit 0 first 17 last 69 finish 69, 2 tokens");
  EXPECT_EQ(endings[1].preemptions, 1u);
}

TEST(Reference, TheFirstThatLacksBlocksStopsTheLine) {
  Yard yard;
  yard.pool().kv_blocks = Blocks(10);
  yard.pool().max_context = Tokens(11);
  // A reads 2 of 10 blocks; B's 9 do not fit; C's 1 would, but stands behind B. A: 12, then a decode: 22.
  // B and C at 22: 12 + 10 = 22, at 44.
  const auto endings = yard.run({request(0, 0, 2, 2), request(1, 0, 9, 1), request(2, 0, 1, 1)});
  EXPECT_EQ(story(endings[0]), "done: admit 0 first 12 last 22 finish 22, 2 tokens");
  EXPECT_EQ(story(endings[1]), "done: admit 22 first 44 last 44 finish 44, 1 tokens");
  EXPECT_EQ(story(endings[2]), "done: admit 22 first 44 last 44 finish 44, 1 tokens");
}

// ---- arrivals and interrupts ---------------------------------------------------------------------------------------

TEST(Reference, AnArrivalOnABoundaryJoinsAtThatInstant) {
  // A reads until 11 and decodes: 21, 31, 41, 51. B at 31 ends that run there and then. Both: 12 + 1, at 44; A has 4,
  // B is done. A alone: 54.
  const auto endings = Yard().run({request(0, 0, 1, 5), request(1, 31, 1, 1)});
  EXPECT_EQ(story(endings[0]), "done: admit 31 first 44 last 44 finish 44, 1 tokens");
  EXPECT_EQ(story(endings[1]), "done: admit 0 first 11 last 54 finish 54, 5 tokens");
}

TEST(Reference, AnArrivalBehindABoundaryJoinsAtTheNext) {
  // As above, but at 32: the run ends at 41; both: 54, where A ends too; in the order of the run.
  const auto endings = Yard().run({request(0, 0, 1, 5), request(1, 32, 1, 1)});
  EXPECT_EQ(story(endings[0]), "done: admit 0 first 11 last 54 finish 54, 5 tokens");
  EXPECT_EQ(story(endings[1]), "done: admit 41 first 54 last 54 finish 54, 1 tokens");
}

TEST(Reference, EndsComeBeforeArrivals) {
  Yard yard;
  yard.options.sequences = 1;
  // A ends at 11. Whoever comes at 10 finds no place, whoever comes at 11 does.
  const auto endings = yard.run({request(0, 0, 1, 1), request(1, 10, 1, 1), request(2, 11, 1, 1)});
  EXPECT_EQ(endings[0].row, 1u);
  EXPECT_EQ(endings[0].why, Reason::queue_full);
  EXPECT_EQ(story(endings[0]), "rejected: admit - first - last - finish 10, 0 tokens");
  EXPECT_FALSE(endings[0].device.some());
  EXPECT_EQ(story(endings[2]), "done: admit 11 first 22 last 22 finish 22, 1 tokens");
}

TEST(Reference, WithinANanosecondTheFirstBoundaryOfItEndsAnInterruptedRun) {
  Yard yard;
  yard.set_cost(300, 300, 0, 0);
  // A reads until 0.3: 1. Decodes from 1, boundaries every 0.3: of those with time 3 (1.2, 1.5, 1.8) the first, the
  // fourth in all, ends the run when B comes at 3: A has 5. Both: 4, B is done, A has 6. 14 more: 4.2 ns, at 9.
  const auto endings = yard.run({request(0, 0, 1, 20), request(1, 3, 1, 1)});
  EXPECT_EQ(story(endings[0]), "done: admit 3 first 4 last 4 finish 4, 1 tokens");
  EXPECT_EQ(story(endings[1]), "done: admit 0 first 1 last 9 finish 9, 20 tokens");
}

// Steps of 10.1 ns, so that a cut run ends a nanosecond later than an uncut one.
TEST(Reference, AFullDeviceIsNotInterrupted) {
  Yard yard;
  yard.set_cost(10'100, 12'000, 1000, 0);
  yard.pool().max_sequences = 1;
  // A reads until 12 (11.1), decodes 4: 40.4, at 53. Cut at 33 it would have been 54. B: 53 + 12.
  const auto endings = yard.run({request(0, 0, 1, 5), request(1, 25, 1, 1)});
  EXPECT_EQ(story(endings[0]), "done: admit 0 first 12 last 53 finish 53, 5 tokens");
  EXPECT_EQ(story(endings[1]), "done: admit 53 first 65 last 65 finish 65, 1 tokens");
}

TEST(Reference, OnlyANewFirstOfTheLineInterrupts) {
  Yard yard;
  yard.set_cost(10'100, 12'000, 1000, 0);
  yard.pool().kv_blocks = Blocks(10);
  yard.pool().max_context = Tokens(11);
  const std::vector<Request> requests = {request(0, 0, 2, 6), request(1, 0, 9, 1), request(2, 30, 1, 1)};
  // A reads 2 until 13 (12.1); B's 9 blocks do not fit. A decodes 5: 50.5, at 64. C comes at 30, behind B: nothing.
  // B and C: 12 + 10, at 86.
  const auto behind = yard.run(requests);
  EXPECT_EQ(story(behind[0]), "done: admit 0 first 13 last 64 finish 64, 6 tokens");
  EXPECT_EQ(story(behind[1]), "done: admit 64 first 86 last 86 finish 86, 1 tokens");
  EXPECT_EQ(story(behind[2]), "done: admit 64 first 86 last 86 finish 86, 1 tokens");
  // In front of B it cuts the run at 34 (20.2), A with 3 tokens: both until 47, A with 4; 2 more: 20.2, at 68.
  // B: 10.1 + 9, at 88.
  yard.options.order = "shortest_first";
  const auto before = yard.run(requests);
  EXPECT_EQ(story(before[0]), "done: admit 34 first 47 last 47 finish 47, 1 tokens");
  EXPECT_EQ(story(before[1]), "done: admit 0 first 13 last 68 finish 68, 6 tokens");
  EXPECT_EQ(story(before[2]), "done: admit 68 first 88 last 88 finish 88, 1 tokens");
}

// ---- the door, patience, cancels -----------------------------------------------------------------------------------

TEST(Reference, TheDoorRefusesWhatCannotBeHeld) {
  Yard yard;
  yard.pool().max_context = Tokens(10);
  // 10 + 1 > 10; 9 + 1 fits, and its limit is 1; 6 + 5 > 10; 6 + 4 fits.
  const auto endings = yard.run({request(0, 0, 10, 1), request(1, 100, 9, 5), limited(request(2, 200, 6, 1), 5),
                                 limited(request(3, 300, 6, 1), 4)});
  EXPECT_EQ(story(endings[0]), "rejected: admit - first - last - finish 0, 0 tokens");
  EXPECT_EQ(endings[0].why, Reason::too_long);
  EXPECT_EQ(story(endings[1]), "done: admit 100 first 119 last 119 finish 119, 1 tokens");
  EXPECT_EQ(endings[2].why, Reason::too_long);
  EXPECT_EQ(endings[3].outcome, Outcome::done);
}

TEST(Reference, TheDoorNamesItsFirstReason) {
  Yard yard;
  yard.fleet.models.push_back({"unserved"});
  yard.pool().max_context = Tokens(10);
  Request nowhere = request(0, 0, 0, 1);
  nowhere.model = ModelId{1};
  nowhere.regions = RegionMask{2};
  EXPECT_EQ(yard.run({nowhere})[0].why, Reason::empty_prompt);
  nowhere.prompt = Tokens(11);
  EXPECT_EQ(yard.run({nowhere})[0].why, Reason::no_such_model);
  nowhere.model = ModelId{0};
  EXPECT_EQ(yard.run({nowhere})[0].why, Reason::no_region);
  nowhere.regions = RegionMask{1};
  EXPECT_EQ(yard.run({nowhere})[0].why, Reason::too_long);
  yard.options.sequences = 0;
  EXPECT_EQ(yard.run({nowhere})[0].why, Reason::queue_full);
}

TEST(Reference, PatienceEndsTheWaitOfTheNeverAdmitted) {
  Yard yard;
  yard.fleet.classes[0].patience = nanoseconds(20);
  yard.pool().max_sequences = 1;
  // A holds the only place from 0 to 51. B's patience ends at 25. C's ends at 51, and it goes although A's end would
  // let it in; D's ends at 52: it is in at 51.
  const auto endings = yard.run({request(0, 0, 1, 5), request(1, 5, 1, 1), request(2, 31, 1, 1), request(3, 32, 1, 1)});
  EXPECT_EQ(story(endings[0]), "rejected: admit - first - last - finish 25, 0 tokens");
  EXPECT_EQ(endings[0].row, 1u);
  EXPECT_EQ(endings[0].why, Reason::shed);
  EXPECT_EQ(endings[0].device, DeviceId{0});
  EXPECT_EQ(endings[1].row, 0u);
  EXPECT_EQ(story(endings[2]), "rejected: admit - first - last - finish 51, 0 tokens");
  EXPECT_EQ(story(endings[3]), "done: admit 51 first 62 last 62 finish 62, 1 tokens");
}

TEST(Reference, PatienceDoesNotTouchThePreempted) {
  Yard yard;
  yard.fleet.classes[0].patience = nanoseconds(30);
  yard.pool().kv_blocks = Blocks(6);
  yard.pool().max_context = Tokens(7);
  // As in TheSequenceAdmittedLastIsPreempted...: B waits from 28 to 58.
  const auto endings = yard.run({request(0, 0, 2, 5), request(1, 0, 2, 3)});
  EXPECT_EQ(story(endings[1]), "done: admit 0 first 16 last 72 finish 72, 3 tokens");
}

TEST(Reference, ACancelEndsARunAtItsNextBoundary) {
  // A reads until 11 and would decode until 21, 31, 41, 51.
  const auto cancelled_at = [](std::int64_t t) { return story(Yard().run({cancelled(request(0, 0, 1, 5), t)})[0]); };
  EXPECT_EQ(cancelled_at(25), "cancelled: admit 0 first 11 last 31 finish 31, 3 tokens");
  EXPECT_EQ(cancelled_at(41), "cancelled: admit 0 first 11 last 41 finish 41, 4 tokens");
  EXPECT_EQ(cancelled_at(45), "done: admit 0 first 11 last 51 finish 51, 5 tokens");
  EXPECT_EQ(cancelled_at(51), "done: admit 0 first 11 last 51 finish 51, 5 tokens");
  // In the only step of the first run: at its end, with the token that it emits.
  EXPECT_EQ(cancelled_at(3), "cancelled: admit 0 first 11 last 11 finish 11, 1 tokens");
  // Between two runs, at 11, where the first has ended and the next is not planned yet.
  EXPECT_EQ(cancelled_at(11), "cancelled: admit 0 first 11 last 11 finish 11, 1 tokens");
  // At the door.
  EXPECT_EQ(cancelled_at(0), "cancelled: admit - first - last - finish 0, 0 tokens");
}

TEST(Reference, ACancelLeavesALineAtOnce) {
  Yard yard;
  yard.pool().max_sequences = 1;
  const auto endings = yard.run({request(0, 0, 1, 5), cancelled(request(1, 5, 1, 1), 17), request(2, 6, 1, 1)});
  EXPECT_EQ(story(endings[0]), "cancelled: admit - first - last - finish 17, 0 tokens");
  EXPECT_EQ(endings[0].device, DeviceId{0});
  EXPECT_EQ(story(endings[2]), "done: admit 51 first 62 last 62 finish 62, 1 tokens");
}

TEST(Reference, CancelsOfOneInstantGoByRow) {
  Yard yard;
  yard.pool().max_sequences = 1;
  const auto endings =
      yard.run({request(0, 0, 1, 9), cancelled(request(1, 1, 1, 1), 17), cancelled(request(2, 2, 1, 1), 17)});
  EXPECT_EQ(endings[0].row, 1u);
  EXPECT_EQ(endings[1].row, 2u);
}

// ---- orders --------------------------------------------------------------------------------------------------------

TEST(Reference, OrdersArrangeALine) {
  Yard yard;
  yard.pool().max_sequences = 1;
  yard.fleet.classes.resize(4);
  yard.fleet.classes[0].ttft = nanoseconds(1000);
  yard.fleet.classes[1].rank = 1;
  yard.fleet.classes[1].ttft = nanoseconds(1);
  yard.fleet.classes[2].e2e = nanoseconds(500);
  std::vector<Request> requests = {request(0, 0, 1, 1), request(1, 1, 5, 1), request(2, 2, 4, 1), request(3, 3, 3, 1),
                                   request(4, 4, 2, 1)};
  requests[1].slo = SloClassId{3};  // rank 0, due never
  requests[2].slo = SloClassId{1};  // rank 1, due 3
  requests[3].slo = SloClassId{0};  // rank 0, due 1003
  requests[4].slo = SloClassId{2};  // rank 0, due 504
  EXPECT_EQ(rows(yard.run(requests)), (std::vector<std::uint32_t>{0, 1, 2, 3, 4}));
  yard.options.order = "edf";
  EXPECT_EQ(rows(yard.run(requests)), (std::vector<std::uint32_t>{0, 4, 3, 1, 2}));
  yard.options.order = "shortest_first";
  EXPECT_EQ(rows(yard.run(requests)), (std::vector<std::uint32_t>{0, 4, 3, 2, 1}));
}

}  // namespace
}  // namespace yard
