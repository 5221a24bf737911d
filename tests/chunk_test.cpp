// Chunks sized by the TPOT objective of those who decode: what of prompts a step reads (core/README.md, "What a step
// reads").
#include <gtest/gtest.h>

#include "scheduler/core/chunk.h"
#include "tests/builders.h"

namespace yard {
namespace {

using builders::Given;
using builders::Scene;

// ---- the time of one step ------------------------------------------------------------------------------------------

const StepCost kNanosecondAToken({{1, Picoseconds(0)}}, Picoseconds(1000), Picoseconds(0), 8);
const StepCost kPairsToo({{1, Picoseconds(0)}}, Picoseconds(1000), Picoseconds(0), 8, Picoseconds(1024));

TEST(ReadingTime, WithoutLimitIsWhatIsAsked) {
  EXPECT_FALSE(ReadingTime().limited());
  EXPECT_EQ(ReadingTime().fits(kNanosecondAToken, 0, 5000), 5000);
}

TEST(ReadingTime, IsSpentByThoseBefore) {
  ReadingTime time(Picoseconds(1'000'000));
  EXPECT_EQ(time.fits(kNanosecondAToken, 0, 5000), 1000);
  EXPECT_EQ(time.fits(kNanosecondAToken, 0, 999), 999);
  time.spend(kNanosecondAToken, 0, 700);
  EXPECT_EQ(time.fits(kNanosecondAToken, 0, 5000), 300);
  time.spend(kNanosecondAToken, 0, 300);
  EXPECT_EQ(time.fits(kNanosecondAToken, 0, 5000), 0);
}

TEST(ReadingTime, CountsWhatIsAttendedTo) {
  const ReadingTime time(Picoseconds(1'000'000));
  // m tokens behind 1,000: m (1,000 + 1,000 + (m + 1) / 2) ps and more.
  EXPECT_EQ(time.fits(kPairsToo, 1000, 5000), 449);
  EXPECT_EQ(time.fits(kPairsToo, 0, 5000), 731);
  EXPECT_EQ(time.fits(kPairsToo, 100'000, 5000), kLeastRead.count()) << "fewer would fit";
}

TEST(ReadingTime, NeverStopsReading) {
  ReadingTime none(Picoseconds(0));
  EXPECT_EQ(none.fits(kNanosecondAToken, 0, 5000), kLeastRead.count());
  none.spend(kNanosecondAToken, 0, 100);
  EXPECT_EQ(none.fits(kNanosecondAToken, 0, 5000), kLeastRead.count() - 100);
  none.spend(kNanosecondAToken, 0, 28);
  EXPECT_EQ(none.fits(kNanosecondAToken, 0, 5000), 0);
}

// ---- in a plan -----------------------------------------------------------------------------------------------------

// Steps of 100 ns, a nanosecond more for each token read; nobody is to wait more than 1,000 ns for a token.
Given yard_of(Chunk chunk) {
  Given given;
  given.pool({.kv_blocks = 100'000, .max_sequences = 8, .token_budget = 4000, .c0 = 100'000, .c1 = 1000});
  given.fleet.pools[0].chunk = chunk;
  given.fleet.classes[0].tpot = nanoseconds(1000);
  return given;
}

// Who decodes since 200, and a prompt of 10,000 that is planned at `ns`. Returns: what that step reads of it.
std::int32_t read_beside_one(const Given& given, std::int64_t ns) {
  Scene s(given);
  s.submit({.prompt = 100, .max_output = 500});
  s.poll();
  s.at(200);
  s.end_run(0);
  s.poll();
  s.submit({.prompt = 10'000, .max_output = 5});
  s.at(300);
  s.end_run(0);  // in time: no pace is learnt
  s.at(ns);
  const builders::Said said = s.poll();
  for (const Slot& slot : said.launches.at(0).slots)
    if (slot.prefill > Tokens(0)) return slot.prefill.count();
  return 0;
}

TEST(Chunk, OfTheBudgetIsWhatDecodesLeaveOfIt) { EXPECT_EQ(read_beside_one(yard_of(Chunk::budget), 300), 3999); }

TEST(Chunk, OfTheObjectiveLeavesTimeForTheNextToken) {
  // Two tokens by 300: the third is due 2 x 950 ns after the first, at 2,100; its step takes 100.
  EXPECT_EQ(read_beside_one(yard_of(Chunk::objective), 300), 1700);
  EXPECT_EQ(read_beside_one(yard_of(Chunk::objective), 1000), 1000);
}

TEST(Chunk, IsOneObjectiveLongWhereAPromiseIsBrokenInAnyCase) {
  EXPECT_EQ(read_beside_one(yard_of(Chunk::objective), 2100), 850);
  EXPECT_EQ(read_beside_one(yard_of(Chunk::objective), 50'000), 850);
}

TEST(Chunk, IsWholeWhereNobodyIsPromisedATpot) {
  Given given = yard_of(Chunk::objective);
  given.fleet.classes[0].tpot = Duration();
  EXPECT_EQ(read_beside_one(given, 300), 3999);
}

TEST(Chunk, IsWholeWhereNobodyDecodes) {
  Scene s(yard_of(Chunk::objective));
  s.submit({.prompt = 10'000});
  s.submit({.prompt = 10'000});
  EXPECT_EQ(s.poll().launches.at(0).tokens(), 4000);
}

TEST(Chunk, IsSharedByThoseWhoRead) {
  Scene s(yard_of(Chunk::objective));
  s.submit({.prompt = 100, .max_output = 500});
  s.poll();
  s.at(200);
  s.end_run(0);
  s.poll();
  for (int i = 0; i < 3; ++i) s.submit({.prompt = 1000, .max_output = 5});
  s.at(300);
  s.end_run(0);
  const auto run = s.poll().launches.at(0);
  ASSERT_EQ(run.slots.size(), 3u) << "the third prompt waits";
  EXPECT_EQ(run.slots[1].prefill, Tokens(1000));
  EXPECT_EQ(run.slots[2].prefill, Tokens(700));
  EXPECT_EQ(run.bound_by, BoundBy::tokens);
}

}  // namespace
}  // namespace yard
