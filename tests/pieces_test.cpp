// A crew's parts, one by one, on one thread: the ring of numbers, the hatch, the roster, and all of it together.
#include <cstdint>
#include <deque>

#include <gtest/gtest.h>

#include "scheduler/base/rng.h"
#include "scheduler/sync/countdown.h"
#include "scheduler/sync/pieces.h"

namespace yard {
namespace {

int sleeps = 0, wakes = 0;

struct Counted : StdAtomics {
  template <class T>
  static bool sleep(const std::atomic<T>&, std::uint32_t, Deadline) noexcept {
    ++sleeps;
    return true;
  }
  template <class T>
  static void wake_one(const std::atomic<T>&) noexcept {
    ++wakes;
  }
  template <class T>
  static void wake_all(const std::atomic<T>&) noexcept {
    ++wakes;
  }
};

TEST(NumberRing, IsAStdDequeOnOneThread) {
  for (const std::size_t capacity : {1u, 2u, 4u}) {
    NumberRing<> ring(capacity);
    std::deque<std::uint32_t> model;
    Rng rng(capacity);
    for (std::uint32_t i = 0; i < 10'000; ++i) {
      ASSERT_EQ(ring.empty(), model.empty());
      if (rng.below(2) == 0) {
        ASSERT_EQ(ring.push(i), model.size() < capacity);
        if (model.size() < capacity) model.push_back(i);
      } else {
        std::uint32_t number = 0;
        ASSERT_EQ(ring.take(number), !model.empty());
        if (model.empty()) continue;
        ASSERT_EQ(number, model.front());
        model.pop_front();
      }
    }
  }
}

TEST(NumberRing, RoundsItsCapacityUpToAPowerOfTwo) {
  EXPECT_EQ(NumberRing<>(0).capacity(), 1u);
  EXPECT_EQ(NumberRing<>(5).capacity(), 8u);
}

struct Pair {
  std::uint64_t first, second;
};

TEST(Hatch, GivesOutWhatWasHandedInFirst) {
  Hatch<Pair> hatch(2);
  EXPECT_TRUE(hatch.empty());
  ASSERT_TRUE(hatch.push({1, ~std::uint64_t{1}}));
  ASSERT_TRUE(hatch.push({2, ~std::uint64_t{2}}));
  EXPECT_FALSE(hatch.push({3, 0}));
  Pair piece{};
  for (std::uint64_t i = 1; i <= 2; ++i) {
    ASSERT_TRUE(hatch.take(piece));
    EXPECT_EQ(piece.first, i);
    EXPECT_EQ(piece.second, ~i);
  }
  EXPECT_FALSE(hatch.take(piece));
  EXPECT_TRUE(hatch.push({3, 0}));
}

struct RosterRules : testing::Test {
  RosterRules() { sleeps = wakes = 0; }
};

TEST_F(RosterRules, NewsWakeNobodyWhereNobodyRests) {
  BasicRoster<Counted> roster(1);
  roster.news();
  ASSERT_TRUE(roster.search());
  roster.news();
  EXPECT_EQ(wakes, 0);
}

TEST_F(RosterRules, NewsWakeOneWhoRests) {
  BasicRoster<Counted> roster(1);
  for (int i = 0; i < 2; ++i) roster.lie_down();
  roster.news();
  EXPECT_EQ(wakes, 1);
  EXPECT_EQ(roster.sleepers(), 1u);
  EXPECT_EQ(roster.searchers(), 1u);  // though it has not got up yet
  roster.news();
  EXPECT_EQ(wakes, 1);
  roster.sleep();
  EXPECT_EQ(sleeps, 0);
}

TEST_F(RosterRules, AtMostSoManySearch) {
  BasicRoster<Counted> roster(2);
  EXPECT_TRUE(roster.search());
  EXPECT_TRUE(roster.search());
  EXPECT_FALSE(roster.search());
  roster.lie_down();
  EXPECT_FALSE(roster.rise());
  roster.rest();
  EXPECT_TRUE(roster.rise());
  EXPECT_EQ(roster.searchers(), 2u);
  EXPECT_EQ(roster.sleepers(), 1u);
}

TEST_F(RosterRules, TheLastSearcherThatFoundLooksForMoreWhereSomebodyRests) {
  BasicRoster<Counted> roster(2);
  ASSERT_TRUE(roster.search());
  EXPECT_FALSE(roster.found());
  ASSERT_TRUE(roster.search());
  ASSERT_TRUE(roster.search());
  roster.lie_down();
  EXPECT_FALSE(roster.found());
  EXPECT_TRUE(roster.found());
}

TEST_F(RosterRules, AllGetUpAtTheEnd) {
  BasicRoster<Counted> roster(1);
  for (int i = 0; i < 3; ++i) roster.lie_down();
  roster.news_for_all();
  EXPECT_EQ(roster.sleepers(), 0u);
  for (int i = 0; i < 3; ++i) roster.sleep();
  EXPECT_EQ(sleeps, 0);
}

TEST(CountdownRules, WhoCountsLastRingsUnlessItIsWhoWaits) {
  sleeps = wakes = 0;
  BasicCountdown<Counted> countdown;
  for (const DoneBy last : {DoneBy::waiter, DoneBy::other, DoneBy::waiter}) {
    countdown.begin(2);
    countdown.done(last == DoneBy::waiter ? DoneBy::other : DoneBy::waiter);
    countdown.done(last);
    countdown.wait();  // for ever, were it not over
  }
  EXPECT_EQ(sleeps, 0);
}

using Ours = BasicPieces<int, Counted>;

TEST(PiecesRules, AMemberTakesItsOwnNewestThenTheHatchThenOthersOldestNearestFirst) {
  Ours pieces({.members = 1, .seats = 2}, {{2, 1}});
  for (const int own : {1, 2}) ASSERT_TRUE(pieces.push(0, own));
  for (const int outside : {3, 4}) ASSERT_TRUE(pieces.hand_in(outside));
  for (const int far : {7, 8}) ASSERT_TRUE(pieces.push(1, far));
  for (const int near : {5, 6}) ASSERT_TRUE(pieces.push(2, near));
  for (const int expected : {2, 1, 3, 4, 5, 6, 7, 8}) {
    int piece = 0;
    ASSERT_TRUE(pieces.next(0, piece));
    EXPECT_EQ(piece, expected);
  }
}

// Whoever steals takes up to half of the rest along, where others may steal it.
TEST(PiecesRules, AThiefTakesUpToHalfAlong) {
  Ours pieces({.members = 2, .seats = 1}, {{2, 1}, {2, 0}});
  for (int i = 1; i <= 9; ++i) ASSERT_TRUE(pieces.push(2, i));
  int piece = 0;
  ASSERT_TRUE(pieces.next(0, piece));
  EXPECT_EQ(piece, 1);
  for (int own : {5, 4}) {
    ASSERT_TRUE(pieces.pop(0, piece));
    EXPECT_EQ(piece, own);
  }
  for (const int seat : {9, 8, 7, 6}) {
    ASSERT_TRUE(pieces.pop(2, piece));
    EXPECT_EQ(piece, seat);
  }
  ASSERT_TRUE(pieces.next(1, piece));  // from the thief
  EXPECT_EQ(piece, 2);
}

TEST(PiecesRules, AFullDequeTakesAgainWhereAQuarterIsFree) {
  Ours pieces({.members = 1, .seats = 1, .deque = 64}, {{1}});
  for (int i = 0; i < 64; ++i) ASSERT_TRUE(pieces.push(1, i));
  const auto refusals = [&] {
    int n = 0;
    while (n < 100 && !pieces.push(1, 99)) ++n;
    return n;
  };
  EXPECT_EQ(refusals(), 100);
  int piece = 0;
  ASSERT_TRUE(pieces.next(0, piece));  // and 31 along
  EXPECT_LT(refusals(), 6);
}

TEST(PiecesRules, AFullHatchRefusesAndAFullDequeRefusesForAWhile) {
  Ours pieces({.members = 1, .seats = 0, .deque = 32, .hatch = 2}, {{}});
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(pieces.hand_in(i));
  EXPECT_FALSE(pieces.hand_in(2));
  for (int i = 0; i < 32; ++i) ASSERT_TRUE(pieces.push(0, i));
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(pieces.push(0, 99));
  int piece = 0;
  ASSERT_TRUE(pieces.pop(0, piece));
  EXPECT_EQ(piece, 31);
  EXPECT_TRUE(pieces.push(0, 31));  // who popped knows that there is room
}

TEST(PiecesRules, AMemberWithADequeThatNeverEmptiesComesToTheHatch) {
  Ours pieces({.members = 1}, {{}});
  ASSERT_TRUE(pieces.hand_in(-1));
  int piece = 0;
  for (int i = 0; i < 1000 && piece != -1; ++i) {
    ASSERT_TRUE(pieces.push(0, i));
    ASSERT_TRUE(pieces.next(0, piece));
  }
  EXPECT_EQ(piece, -1);
}

TEST(PiecesRules, ClosedAMemberDoesWhatThereIsAndGoes) {
  Ours pieces({.members = 1, .seats = 1}, {{1}});
  ASSERT_TRUE(pieces.hand_in(1));
  ASSERT_TRUE(pieces.push(1, 2));
  pieces.close();
  int piece = 0;
  ASSERT_TRUE(pieces.next(0, piece));
  ASSERT_TRUE(pieces.next(0, piece));
  EXPECT_EQ(piece, 2);
  EXPECT_FALSE(pieces.next(0, piece));
}

}  // namespace
}  // namespace yard
