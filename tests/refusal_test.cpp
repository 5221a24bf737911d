// NAME+refusal and NAME+none: what changes in whom a scorer refuses, and that nothing else does.
#include <gtest/gtest.h>

#include <string>

#include "scheduler/base/input_error.h"
#include "scheduler/base/rng.h"
#include "tests/hand_columns.h"

namespace yard {
namespace {

using builders::Given;
using builders::HandColumns;
using builders::Scene;

// A step takes 1 us; device 0 has promises that nobody can keep, device 1 is as fast as can be.
struct Unlike : HandColumns {
  Unlike() : HandColumns(2, {.c0 = 1'000'000}) {
    given.costs.rows[1] = StepCost({{1, Picoseconds(1)}}, Picoseconds(0), Picoseconds(0), 8);
    given.fleet.classes[0].ttft = given.fleet.classes[0].tpot = nanoseconds(100);
  }
};

TEST(Refusal, IsOfTheDeviceThatTheScorerChose) {
  Unlike h;
  EXPECT_EQ(h.choose("least_loaded"), 0u);
  EXPECT_EQ(h.choose("least_loaded+refusal"), kRefused) << "though device 1 would keep all promises";
  h.waiting[0] = 1;
  EXPECT_EQ(h.choose("least_loaded+refusal"), 1u);
}

TEST(Refusal, IsNotOfOneThatWasLetIn) {
  Unlike h;
  h.ask.may_refuse = false;
  EXPECT_EQ(h.choose("least_loaded+refusal"), 0u);
}

// Otherwise it would wait for ever: nobody asks for it again on an idle fleet.
TEST(Refusal, IsNotOfWhoIsPutOffWhereNobodyIs) {
  Unlike h;
  h.given.fleet.classes[0].on_overload = Overload::defer;
  EXPECT_EQ(h.choose("least_loaded+refusal"), 0u) << "it breaks TTFT and TPOT, its own";
  EXPECT_EQ(h.choose("expected_cost", {0}), 0u);
}

TEST(Refusal, CountsTheMissesOfOthers) {
  Unlike h;
  h.given.costs.rows[0] =
      StepCost({{1, Picoseconds(1000)}, {2, Picoseconds(200'000)}}, Picoseconds(0), Picoseconds(0), 8);
  h.given.fleet.classes.push_back(h.given.fleet.classes[0]);
  h.given.fleet.classes[0].ttft = h.given.fleet.classes[0].tpot = Duration();  // the asking one is promised nothing
  h.by_class = {0, 1, 0, 0}, h.running[0] = 1;
  EXPECT_EQ(h.choose("round_robin+refusal", {0}), 0u) << "less than one promise: from 1 ns a step to 200, of 100";
  h.by_class = {0, 2, 0, 0}, h.running[0] = 2;
  h.given.costs.rows[0] =
      StepCost({{2, Picoseconds(1000)}, {3, Picoseconds(200'000)}}, Picoseconds(0), Picoseconds(0), 8);
  EXPECT_EQ(h.choose("round_robin+refusal", {0}), kRefused) << "two of them";
}

TEST(Refusal, IsNotForATpotOfWhoAsksForNoToken) {
  Unlike h;
  EXPECT_EQ(h.choose("expected_cost", {0}), kRefused) << "it breaks TTFT and TPOT";
  h.ask.expected_output = Tokens(0);
  EXPECT_EQ(h.choose("expected_cost", {0}), 0u);
}

TEST(Refusal, OfWhoAsksForNoTokenIsForItsReadingNotForItsPlace) {
  Unlike h;
  h.by_class = {2, 0}, h.running[0] = 2;
  h.given.costs.rows[0] =
      StepCost({{2, Picoseconds(1000)}, {3, Picoseconds(200'000)}}, Picoseconds(0), Picoseconds(0), 8);
  EXPECT_EQ(h.choose("expected_cost", {0}), kRefused) << "a third makes every step 200 ns";
  h.ask.expected_output = Tokens(0);
  EXPECT_EQ(h.choose("expected_cost", {0}), 0u) << "it is gone before the next";
  h.given.costs.rows[0] = StepCost({{8, Picoseconds(1000)}}, Picoseconds(1'000'000), Picoseconds(0), 8);
  EXPECT_EQ(h.choose("expected_cost", {0}), kRefused) << "10 tokens take 10 us to read, and two wait so long";
}

TEST(Refusal, CountsWhoWaitsForItsFirstToken) {
  HandColumns h(1, {.token_budget = 100, .c0 = 1000, .c1 = 100'000});  // 100 ns a token
  h.given.fleet.classes[0].ttft = microseconds(2);
  h.given.fleet.classes.push_back(h.given.fleet.classes[0]);
  h.given.fleet.classes[0].ttft = Duration();  // the asking one is promised nothing
  h.by_class = {0, 2}, h.waiting[0] = 2, h.prefill[0] = h.waiting_tokens[0] = 10;
  EXPECT_EQ(h.choose("expected_cost"), 0u) << "all is read in 2 us: one of the two may miss";
  h.ask.prompt = Tokens(30);
  EXPECT_EQ(h.choose("expected_cost"), kRefused) << "both miss";
  h.by_class = {2, 0};
  EXPECT_EQ(h.choose("expected_cost"), 0u) << "they are promised nothing either";
}

TEST(Refusal, WhereTimeIsScarceReadingCostsThoseToCome) {
  HandColumns h(2, {.c0 = 1000, .c1 = 100'000'000});  // 0.1 ms a token
  h.given.fleet.classes[0].ttft = seconds(1);
  h.prefill_burst = {1'000'000, 3'000'000}, h.running = {1, 1};
  h.scarcity[0] = 65536 / 5;  // 50 / 25 = 2 promises for reading of 2 ms
  h.ask.prompt = Tokens(9);
  EXPECT_EQ(h.choose("expected_cost"), 0u) << "0.9 ms";
  h.ask.prompt = Tokens(11);
  EXPECT_EQ(h.choose("expected_cost"), kRefused) << "1.1 ms";
  EXPECT_EQ(h.choose("expected_cost+none"), 0u);
  h.hits = {0, 3};
  EXPECT_EQ(h.choose("expected_cost"), 1u) << "what is found read is not paid";
  h.hits = {0, 0}, h.running = {0, 1};
  EXPECT_EQ(h.choose("expected_cost"), 0u) << "nobody is there";
}

TEST(Refusal, TimeIsAsScarceAsThoseWhoAskedLastWereExpectedToMiss) {
  Unlike h;
  h.choose("expected_cost+none", {0});
  EXPECT_EQ(h.scarcity[0], 0) << "it cannot be refused: it says nothing";
  for (int k = 0; k < 1000; ++k) EXPECT_EQ(h.choose("expected_cost", {0}), kRefused);
  EXPECT_GT(h.scarcity[0], 65000);
  EXPECT_EQ(h.scarcity[1], 0) << "by model";
  h.given.fleet.classes[0].ttft = h.given.fleet.classes[0].tpot = seconds(1);
  for (int k = 0; k < 1000; ++k) h.choose("expected_cost", {0});
  EXPECT_LT(h.scarcity[0], 500);
}

TEST(Refusal, NoneRefusesNobody) {
  Unlike h;
  EXPECT_EQ(h.choose("expected_cost", {0}), kRefused);
  EXPECT_EQ(h.choose("expected_cost+none", {0}), 0u);
}

TEST(Refusal, OfExpectedCostIsItsOwn) {
  Rng rng(7);
  int refused = 0;
  for (int round = 0; round < 2000; ++round) {
    HandColumns h(4, {.c0 = 40'000, .c1 = 100, .c2 = 10});
    h.given.fleet.classes[0].ttft = nanoseconds(static_cast<std::int64_t>(rng.below(400)));
    h.given.fleet.classes[0].tpot = nanoseconds(static_cast<std::int64_t>(10 + rng.below(80)));
    for (std::uint32_t d = 0; d < 4; ++d) {
      h.running[d] = static_cast<std::uint32_t>(rng.below(9)), h.waiting[d] = static_cast<std::uint32_t>(rng.below(3));
      h.by_class[d] = h.running[d] + h.waiting[d];
      h.kv[d] = static_cast<std::int64_t>(rng.below(1000)), h.prefill[d] = static_cast<std::int64_t>(rng.below(500));
    }
    const std::uint32_t own = h.choose("expected_cost");
    ASSERT_EQ(h.choose("expected_cost+refusal"), own) << "round " << round;
    refused += own == kRefused;
  }
  EXPECT_GT(refused, 100);
  EXPECT_LT(refused, 1900);
}

TEST(Refusal, LeavesChoicesAndDrawsOfEveryScorerAsTheyAre) {
  for (const NamedScorer& scorer : scorers()) {
    HandColumns plain(5), wrapped(5);  // nothing is promised: nothing is lost
    for (int k = 0; k < 50; ++k) {
      const std::string name(scorer.name);
      const std::uint32_t expected = plain.choose(name);
      EXPECT_EQ(wrapped.choose(name + (k % 2 ? "+refusal" : "+none")), expected) << name;
    }
  }
}

// One device, on which nobody's promises can be kept.
Given hopeless(const char* bind, Overload on_overload) {
  Given given;
  given.policy("round_robin+refusal", "fcfs", bind).pool({.c0 = 1'000'000});
  given.fleet.classes[0].ttft = given.fleet.classes[0].tpot = nanoseconds(1);
  given.fleet.classes[0].on_overload = on_overload;
  return given;
}

TEST(Refusal, InCoreEndsAsOverloaded) {
  for (const char* bind : {"arrival", "room"}) {
    Scene s(hopeless(bind, Overload::reject));
    s.submit({.prompt = 5, .max_output = 5});
    s.submit({.prompt = 5, .max_output = 5});
    const auto said = s.poll();
    ASSERT_EQ(said.finishes.size(), 2u) << bind;
    for (const Finish& finish : said.finishes) {
      EXPECT_EQ(finish.outcome, Outcome::rejected);
      EXPECT_EQ(finish.why, Reason::overloaded);
      EXPECT_GE(finish.retry_after, seconds(1));
    }
    EXPECT_EQ(s.ledger().in_flight, 0u);
  }
}

TEST(Refusal, InCoreLetsThoseOfDeferWait) {
  for (const char* bind : {"arrival", "room"}) {
    Given given = hopeless(bind, Overload::defer);
    given.costs.rows[0] =
        StepCost({{1, Picoseconds(1000)}, {8, Picoseconds(900'000)}}, Picoseconds(0), Picoseconds(0), 8);
    given.fleet.classes.push_back(given.fleet.classes[0]);
    given.fleet.classes[1].ttft = Duration(), given.fleet.classes[1].tpot = nanoseconds(100);
    Scene s(given);
    s.submit({.prompt = 5, .max_output = 5, .slo = 1});
    EXPECT_EQ(s.poll().order, "L") << bind;
    s.submit({.prompt = 5, .max_output = 5});
    EXPECT_TRUE(s.poll().empty()) << bind << ": the other one would miss its TPOT";
    EXPECT_EQ(s.ledger().in_flight, 2u);
  }
}

TEST(Refusal, InCoreIsNotOfWhoWaitsForRoom) {
  Given given = hopeless("room", Overload::reject);
  given.fleet.classes.push_back(given.fleet.classes[0]);
  given.fleet.classes[1].ttft = given.fleet.classes[1].tpot = Duration();
  given.fleet.pools[0].max_sequences = 1;
  Scene s(given);
  s.submit({.max_output = 2, .slo = 1});
  s.submit({.max_output = 2});
  EXPECT_EQ(s.poll().order, "L") << "nobody asked the scorer for the second";
  EXPECT_EQ(s.step(0).order, "L");
  const auto said = s.step(0);  // the first is done
  ASSERT_EQ(said.finishes.size(), 2u);
  EXPECT_EQ(said.finishes[1].why, Reason::overloaded);
}

// ---- names ---------------------------------------------------------------------------------------------------------

TEST(PolicyNames, KeepTheirSuffix) {
  EXPECT_EQ(find_policies("random+refusal", "fcfs", "room").scorer_name, "random+refusal");
}

TEST(PolicyNames, SayWhatASuffixMayBe) {
  try {
    find_policies("random+refuse", "fcfs", "room");
    FAIL() << "accepted";
  } catch (const InputError& e) {
    const std::string said = e.what();
    EXPECT_NE(said.find("'refuse'"), std::string::npos) << said;
    EXPECT_NE(said.find("nearest is 'refusal'"), std::string::npos) << said;
    EXPECT_NE(said.find("accepted: refusal, none"), std::string::npos) << said;
  }
  EXPECT_THROW(find_policies("random+", "fcfs", "room"), InputError);
  EXPECT_THROW(find_policies("+none", "fcfs", "room"), InputError);
  EXPECT_THROW(find_policies("random+none+none", "fcfs", "room"), InputError);
}

TEST(PolicyNames, StandByOrigin) {
  for (std::size_t k = 1; k < scorers().size(); ++k) EXPECT_LE(scorers()[k - 1].origin, scorers()[k].origin);
}

}  // namespace
}  // namespace yard
