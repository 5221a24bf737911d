// The reference held against arithmetic done by hand, and the random cases held against what they promise.
//
// Unless a test says otherwise: one device, KV blocks of one token, plenty of them; steps of 10 ns for one sequence,
// 12 ns for two and 20 ns for more, 1 ns per token read, nothing per token of context.
#include "tests/reference.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>

#include "tests/random_case.h"

namespace yard {
namespace {

using reference::Ending;
using reference::Happenings;
using reference::Options;
using reference::Request;

struct Yard {
  FleetView fleet;
  CostTables costs;
  Options options;

  Yard() {
    fleet.models = {{"model"}};
    fleet.classes.resize(1);
    fleet.tenants = {{.name = "tenant"}};
    fleet.regions = {"region"};
    add_pool({10'000, 12'000, 20'000}, 1000);
  }

  // One device that takes c0[0] for one sequence, c0[1] for two, c0[2] for more. All in picoseconds.
  void add_pool(std::array<std::int64_t, 3> c0, std::int64_t c1) {
    PoolView pool;
    pool.model = ModelId{0};
    pool.region = RegionId{0};
    pool.cost = CostRow{static_cast<std::uint32_t>(costs.rows.size())};
    pool.first_device = fleet.devices();
    pool.devices = 1;
    pool.kv_blocks = Blocks(1000);
    pool.block_tokens = Tokens(1);
    pool.max_sequences = 4;
    pool.token_budget = Tokens(200);
    pool.max_context = Tokens(1001);
    fleet.pools.push_back(pool);
    costs.rows.push_back(StepCost({{1, Picoseconds(c0[0])}, {2, Picoseconds(c0[1])}, {3, Picoseconds(c0[2])}},
                                  Picoseconds(c1), Picoseconds(0), 64));
  }
  void set_cost(std::int64_t one, std::int64_t two, std::int64_t c1, std::int64_t c2) {
    costs.rows[0] = StepCost({{1, Picoseconds(one)}, {2, Picoseconds(two)}}, Picoseconds(c1), Picoseconds(c2), 64);
  }
  PoolView& pool() { return fleet.pools[0]; }

  std::vector<Ending> run(const std::vector<Request>& requests) const {
    return reference::Simulator(fleet, costs, requests, options).run();
  }
};

Request request(std::uint32_t row, std::int64_t arrival, int prompt, int output) {
  Request r;
  r.row = row;
  r.arrival = Time(arrival);
  r.prompt = Tokens(prompt);
  r.output = Tokens(output);
  return r;
}

Request cancelled(Request r, std::int64_t at) {
  r.cancel_at = Time(at);
  return r;
}

Request limited(Request r, int max_output) {
  r.max_output = Tokens(max_output);
  return r;
}

// "done: admit 5 first 18 last 50 finish 50, 4 tokens"; what never was is a dash.
std::string story(const Ending& e) {
  constexpr std::array outcomes = {"done", "cancelled", "rejected", "failed"};
  const auto time = [](Time t) { return t == Time::never() ? std::string("-") : std::to_string(t.ns()); };
  return std::string(outcomes[static_cast<std::size_t>(e.outcome)]) + ": admit " + time(e.admit) + " first " +
         time(e.first_token) + " last " + time(e.last_token) + " finish " + time(e.finish) + ", " +
         std::to_string(e.output.count()) + " tokens";
}

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

std::vector<std::uint32_t> rows(const std::vector<Ending>& endings) {
  std::vector<std::uint32_t> result;
  for (const Ending& e : endings) result.push_back(e.row);
  return result;
}

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

// ---- binding and scorers -------------------------------------------------------------------------------------------

std::vector<std::uint32_t> devices(const std::vector<Ending>& endings) {
  std::vector<std::uint32_t> by_row(endings.size());
  for (const Ending& e : endings) by_row[e.row] = e.device.value;
  return by_row;
}

TEST(Reference, BoundInRoomARequestWaitsUnboundForTheFirstDeviceWithRoom) {
  Yard yard;
  yard.options.bind = "room";
  yard.options.scorer = "least_loaded";
  yard.pool().devices = 2;
  yard.pool().max_sequences = 1;
  // A goes to 0, B to 1, C waits. B ends at 11, C follows it there; A ends at 21.
  const auto endings = yard.run({request(0, 0, 1, 2), request(1, 0, 1, 1), request(2, 0, 1, 1)});
  EXPECT_EQ(devices(endings), (std::vector<std::uint32_t>{0, 1, 1}));
  EXPECT_EQ(rows(endings), (std::vector<std::uint32_t>{1, 0, 2}));
  EXPECT_EQ(story(endings[2]), "done: admit 11 first 22 last 22 finish 22, 1 tokens");
}

TEST(Reference, BoundInRoomADeviceTakesAsManyAsItRunsAtOnce) {
  Yard yard;
  yard.options.bind = "room";
  yard.pool().max_sequences = 2;
  // A and B read: 12 + 2. A ends at 14 and makes room for C: B decodes, C reads: 12 + 1.
  const auto endings = yard.run({request(0, 0, 1, 1), request(1, 0, 1, 2), request(2, 0, 1, 1)});
  EXPECT_EQ(story(endings[0]), "done: admit 0 first 14 last 14 finish 14, 1 tokens");
  EXPECT_EQ(story(endings[1]), "done: admit 0 first 14 last 27 finish 27, 2 tokens");
  EXPECT_EQ(story(endings[2]), "done: admit 14 first 27 last 27 finish 27, 1 tokens");
  // Until then C is bound to nothing.
  const auto early = yard.run({request(0, 0, 1, 1), request(1, 0, 1, 2), cancelled(request(2, 0, 1, 1), 13)});
  EXPECT_EQ(story(early[0]), "cancelled: admit - first - last - finish 13, 0 tokens");
  EXPECT_FALSE(early[0].device.some());
}

TEST(Reference, RoomCountsAllThatTheLineAndOpenPrefillsHaveToRead) {
  Yard yard;
  yard.options.bind = "room";
  yard.pool().kv_blocks = Blocks(10);
  yard.pool().max_context = Tokens(11);
  yard.pool().token_budget = Tokens(4);
  // A leases 4 blocks for its first chunk and has 6 to read: there is room for 4 more, not for 5; and B's 4, in the
  // line and holding nothing yet, leave none for C's 1.
  const auto who_is_bound = [&](int prompt) {
    return devices(
        yard.run({request(0, 0, 6, 1), cancelled(request(1, 1, prompt, 1), 3), cancelled(request(2, 2, 1, 1), 3)}));
  };
  EXPECT_EQ(who_is_bound(4), (std::vector<std::uint32_t>{0, 0, DeviceId::kNone}));
  EXPECT_EQ(who_is_bound(3), (std::vector<std::uint32_t>{0, 0, 0}));
  // B's 5 find no room, and C, for which there is, does not overtake it.
  EXPECT_EQ(who_is_bound(5), (std::vector<std::uint32_t>{0, DeviceId::kNone, DeviceId::kNone}));
}

TEST(Reference, BoundInRoomAnUnboundRequestCanBeShedAndCancelledAndHasNoDevice) {
  Yard yard;
  yard.options.bind = "room";
  yard.pool().max_sequences = 1;
  yard.fleet.classes[0].patience = nanoseconds(20);
  const auto endings = yard.run({request(0, 0, 1, 5), request(1, 2, 1, 1), cancelled(request(2, 3, 1, 1), 7)});
  EXPECT_EQ(story(endings[0]), "cancelled: admit - first - last - finish 7, 0 tokens");
  EXPECT_EQ(story(endings[1]), "rejected: admit - first - last - finish 22, 0 tokens");
  EXPECT_FALSE(endings[0].device.some());
  EXPECT_FALSE(endings[1].device.some());
}

TEST(Reference, RoomCountsWhatTheFirstStepOfARunLeases) {
  Yard yard;
  yard.set_cost(10'100, 12'000, 1000, 0);
  yard.options.bind = "room";
  yard.pool().kv_blocks = Blocks(10);
  yard.pool().max_context = Tokens(11);
  // A reads 2 until 13 and decodes 7 more, leasing 9 blocks; the first step leases 3. For B's 7 there is room at 30:
  // it joins the line and cuts the run at 34; A has 3 and 5 to go: 50.5, at 85. (At 34 A holds 5 of 10.)
  const auto fits = yard.run({request(0, 0, 2, 8), request(1, 30, 7, 1)});
  EXPECT_EQ(story(fits[0]), "done: admit 0 first 13 last 85 finish 85, 8 tokens");
  EXPECT_EQ(story(fits[1]), "done: admit 85 first 103 last 103 finish 103, 1 tokens");  // 10.1 + 7
  // For 8 there is none before A has ended: 70.7, at 84.
  const auto does_not = yard.run({request(0, 0, 2, 8), request(1, 30, 8, 1)});
  EXPECT_EQ(story(does_not[0]), "done: admit 0 first 13 last 84 finish 84, 8 tokens");
}

TEST(Reference, RoundRobinPassesOverThoseThatCannotAndStandsBehindItsChoice) {
  Yard yard;
  yard.pool().devices = 2;
  yard.add_pool({10'000, 12'000, 20'000}, 1000);
  yard.pool().max_context = Tokens(10);  // devices 0 and 1 hold 10 tokens, device 2 holds 1001
  const auto endings = yard.run({request(0, 0, 1, 1), request(1, 0, 50, 1), request(2, 0, 50, 1), request(3, 0, 1, 1),
                                 request(4, 0, 1, 1), request(5, 0, 1, 1)});
  EXPECT_EQ(devices(endings), (std::vector<std::uint32_t>{0, 2, 2, 0, 1, 2}));
}

TEST(Reference, LeastLoadedCountsWaitingAndRunning) {
  Yard yard;
  yard.options.scorer = "least_loaded";
  yard.pool().devices = 3;
  yard.pool().max_sequences = 1;
  // 0, 1, 2 in turn, then 0 with one in its line; the second ends at 11, the others at 21 or later: 1 at 12.
  const auto endings = yard.run(
      {request(0, 0, 1, 3), request(1, 0, 1, 1), request(2, 0, 1, 2), request(3, 0, 1, 1), request(4, 12, 1, 1)});
  EXPECT_EQ(devices(endings), (std::vector<std::uint32_t>{0, 1, 2, 0, 1}));
}

TEST(Reference, RandomScorersDrawAsThePageSays) {
  Yard yard;
  yard.pool().devices = 4;
  yard.options.seed = 42;
  std::vector<Request> requests;
  for (std::uint32_t row = 0; row < 20; ++row) requests.push_back(request(row, row * 1000, 1, 1));  // each alone
  std::vector<std::uint32_t> random, power_of_two;
  Rng one(42), two(42);
  for (std::uint32_t row = 0; row < 20; ++row) {
    random.push_back(static_cast<std::uint32_t>(one.below(4)));
    const std::uint64_t i = two.below(4);
    std::uint64_t j = two.below(3);
    if (j >= i) ++j;
    power_of_two.push_back(static_cast<std::uint32_t>(std::min(i, j)));  // all idle: a tie
  }
  yard.options.scorer = "random";
  EXPECT_EQ(devices(yard.run(requests)), random);
  yard.options.scorer = "power_of_two";
  EXPECT_EQ(devices(yard.run(requests)), power_of_two);
}

TEST(Reference, ExpectedCostWeighsTheWaitOfAFullDevice) {
  Yard yard;
  yard.options.scorer = "expected_seconds";
  yard.add_pool({29'000, 29'000, 29'000}, 1000);
  yard.fleet.pools[0].max_sequences = yard.fleet.pools[1].max_sequences = 1;
  // o = 256, p = 1. First request: device 0: first 1000 + 10000, cost 22000 + 2560000; device 1: 60000 + 7424000.
  // Second: device 0 (w = 1, Q = 1): over 1, wait 2560000, first 2000 + 10000 + wait = 2572000, cost 7704000;
  // device 1 as before 7484000: less.
  EXPECT_EQ(devices(yard.run({request(0, 0, 1, 1), request(1, 0, 1, 1)})), (std::vector<std::uint32_t>{0, 1}));
  // Asked for one token, o = 1. Device 0: first 2000 + 10000 + 10000, cost 54000; device 1: 60000 + 29000.
  EXPECT_EQ(devices(yard.run({limited(request(0, 0, 1, 1), 1), limited(request(1, 0, 1, 1), 1)})),
            (std::vector<std::uint32_t>{0, 0}));
}

TEST(Reference, PowerOfTwoTakesTheLessLoadedOfTwoDifferentOnes) {
  Yard yard;
  yard.options.scorer = "power_of_two";
  yard.fleet.regions = {"a", "b", "c", "d"};
  while (yard.fleet.pools.size() < 4) yard.add_pool({10'000, 12'000, 20'000}, 1000);
  std::vector<Request> requests;
  for (std::uint32_t d = 0; d < 4; ++d) {
    yard.fleet.pools[d].region = RegionId{d};
    for (std::uint32_t n = d; n < 3; ++n) {  // 3, 2, 1 and none, each with one place to go, so that nothing is drawn
      requests.push_back(request(static_cast<std::uint32_t>(requests.size()), 0, 1, 100));
      requests.back().regions = RegionMask{std::uint64_t{1} << d};
    }
  }
  requests.push_back(request(6, 0, 1, 1));
  for (Seed seed = 0; seed < 30; ++seed) {
    yard.options.seed = seed;
    Rng rng(seed);
    const std::uint64_t i = rng.below(4), j = rng.below(3);
    EXPECT_EQ(devices(yard.run(requests))[6], std::max(i, j >= i ? j + 1 : j)) << "seed " << seed;
  }
}

// Device 1, idle and without c1 and c2, costs (2 + o) * c0: a pair of scales for what device 0 costs. Both with o = 2.
class Scales {
 public:
  explicit Scales(std::int64_t c0) {
    yard_.options.scorer = "expected_seconds";
    yard_.fleet.regions = {"loaded", "idle"};
    yard_.set_cost(10'000, 12'000, 1000, 100);
    yard_.pool().max_sequences = 2;
    yard_.pool().token_budget = Tokens(7);
    yard_.pool().kv_blocks = Blocks(20);
    yard_.pool().max_context = Tokens(21);
    yard_.add_pool({c0, c0, c0}, 0);
    yard_.fleet.pools[1].region = RegionId{1};
  }

  // Where a request of 4 tokens goes that arrives at `at`, after those that had to go to device 0.
  std::uint32_t choice(std::vector<Request> loads, std::int64_t at) const {
    for (Request& r : loads) r.regions = RegionMask{1};
    const auto row = static_cast<std::uint32_t>(loads.size());
    loads.push_back(limited(request(row, at, 4, 1), 2));
    return devices(yard_.run(loads))[row];
  }

 private:
  Yard yard_;
};

TEST(Reference, ExpectedCostOfADeviceThatReads) {
  // At 5 device 0 reads 7 of 10 tokens: n = 1, Q = 3, K = 0. tpot = 12000 + 100 * (4 + 1) = 12500;
  // first = 1000 * 7 + 1 * 12000 = 19000; last = 19000 + 2 * 12500; in all 63000 = 4 * 15750.
  const std::vector<Request> loads = {request(0, 0, 10, 5)};
  EXPECT_EQ(Scales(15'750).choice(loads, 5), 0u);  // a tie
  EXPECT_EQ(Scales(15'749).choice(loads, 5), 1u);
}

TEST(Reference, ExpectedCostOfADeviceThatIsFull) {
  // 0-17: 7 of 10 tokens; 17-30: the other 3. At 20, with 3 and 9 tokens in the line since 19: n = 1, w = 2, Q = 12,
  // K = 7, W = 12. tpot = 12000 + 100 * (7 + 12 + 4 + 1) = 14400, 28800 for both; over = 2, excess = 3;
  // wait = 2 * (28800 / 2) + 3 * (28800 / 20) = 33120; first = 1000 * 16 + 3 * (12000 + 700) + 33120 = 87220;
  // last = 116020; in all 203240 = 4 * 50810.
  const std::vector<Request> loads = {request(0, 0, 10, 5), request(1, 19, 3, 1), request(2, 19, 9, 1)};
  EXPECT_EQ(Scales(50'810).choice(loads, 20), 0u);
  EXPECT_EQ(Scales(50'809).choice(loads, 20), 1u);
}

TEST(Reference, ExpectedCostLearnsFromAnswersThatAreDone) {
  const auto second_choice = [](int prompt) {
    Yard yard;
    yard.costs.rows.clear();
    yard.fleet.pools.clear();
    yard.options.scorer = "expected_seconds";
    yard.add_pool({11'000, 11'000, 11'000}, 0);
    yard.add_pool({10'000, 10'000, 10'000}, 1000);
    return devices(yard.run({request(0, 0, prompt, 1), request(1, 100'000, prompt, 1)}));
  };
  // Device 0 costs 22000 + 11000 o, device 1 costs 20000 + 2000 p + 10000 o: 0 is dearer while 2 + o > 2 p.
  // o starts at 256; an answer of one token: m = 65536 + (256 - 65536) / 64 = 64516, o = 252.
  EXPECT_EQ(second_choice(126), (std::vector<std::uint32_t>{1, 1}));
  EXPECT_EQ(second_choice(127), (std::vector<std::uint32_t>{1, 0}));
  EXPECT_EQ(second_choice(128), (std::vector<std::uint32_t>{1, 0}));
  EXPECT_EQ(second_choice(129), (std::vector<std::uint32_t>{0, 0}));
}

// ---- random cases --------------------------------------------------------------------------------------------------

// The seeds of a test: 1,000 from SWITCHYARD_SEED (default 0), or one case where a failure is to be seen again.
Seed first_seed() {
  const char* given = std::getenv("SWITCHYARD_SEED");
  return given ? std::strtoull(given, nullptr, 10) : 0;
}
constexpr Seed kCases = 1000;

TEST(RandomCases, EndEveryRequestOnceAndInOrder) {
  std::printf("seeds %llu to %llu\n", static_cast<unsigned long long>(first_seed()),
              static_cast<unsigned long long>(first_seed() + kCases - 1));
  for (Seed seed = first_seed(); seed < first_seed() + kCases; ++seed) {
    const Case c = random_case(seed);
    SCOPED_TRACE(c.text());
    const auto endings = reference::Simulator(c.fleet, c.costs, c.requests, c.options).run();
    std::vector<std::uint32_t> ended = rows(endings);
    std::sort(ended.begin(), ended.end());
    for (std::uint32_t row = 0; row < ended.size(); ++row) ASSERT_EQ(ended[row], row);
    for (std::size_t i = 0; i < endings.size(); ++i) {
      const Ending& e = endings[i];
      const Request& r = c.requests[e.row];
      SCOPED_TRACE(text_of(e));
      ASSERT_LE(i > 0 ? endings[i - 1].finish : r.arrival, e.finish);
      ASSERT_LE(r.arrival, e.finish);
      ASSERT_EQ(e.output == Tokens(0), e.first_token == Time::never());
      ASSERT_EQ(e.output == Tokens(0), e.last_token == Time::never());
      ASSERT_LE(e.output, std::min(r.output, r.max_output));
      if (e.outcome == Outcome::done || e.output > Tokens(0)) {
        ASSERT_LE(r.arrival, e.admit);
        ASSERT_LE(e.admit, e.finish);
      }
      if (e.output > Tokens(0)) {
        ASSERT_LE(e.admit, e.first_token);
        ASSERT_LE(e.first_token, e.last_token);
        ASSERT_LE(e.last_token, e.finish);
      }
    }
  }
}

TEST(RandomCases, ASeedAlwaysGivesTheSameCaseAndEndings) {
  for (Seed seed = 0; seed < 20; ++seed) {
    const Case a = random_case(seed), b = random_case(seed);
    EXPECT_EQ(reference::Simulator(a.fleet, a.costs, a.requests, a.options).run(),
              reference::Simulator(b.fleet, b.costs, b.requests, b.options).run())
        << a.text();
  }
}

TEST(RandomCases, ContainEveryHappeningOften) {
  Happenings cases{}, times{};
  for (Seed seed = 0; seed < kCases; ++seed) {
    const Case c = random_case(seed);
    reference::Simulator simulator(c.fleet, c.costs, c.requests, c.options);
    simulator.run();
    for (std::size_t i = 0; i < cases.size(); ++i) {
      cases[i] += simulator.happenings()[i] > 0 ? 1 : 0;
      times[i] += simulator.happenings()[i];
    }
  }
  for (std::size_t i = 0; i < cases.size(); ++i) {
    std::printf("%-36.*s in %4llu of 1000 cases, %7llu times\n", static_cast<int>(reference::kHappeningNames[i].size()),
                reference::kHappeningNames[i].data(), static_cast<unsigned long long>(cases[i]),
                static_cast<unsigned long long>(times[i]));
    EXPECT_GE(cases[i], kCases / 10) << reference::kHappeningNames[i];
  }
}

}  // namespace
}  // namespace yard
