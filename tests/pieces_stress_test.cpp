// A crew's parts under load: nothing lost, nothing doubled, nobody sleeps on. What ThreadSanitizer looks at.
#include <array>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "scheduler/base/rng.h"
#include "scheduler/sync/pieces.h"
#include "tests/stress.h"

namespace yard {
namespace {

using stress::give_way;
using stress::Tally;
using Ours = BasicPieces<std::uint64_t>;

Tally all_of(std::uint64_t items) {
  Tally all;
  for (std::uint64_t i = 1; i <= items; ++i) all.add(i);
  return all;
}

// Two threads put numbers in, two take them out.
TEST(PiecesStress, AHatchLosesAndDoublesNothing) {
  for (const std::size_t capacity : {1u, 64u}) {
    // Through a hatch of one each piece takes a turn of the machine's scheduler.
    const std::uint64_t items = stress::operations() / (capacity == 1 ? 100 : 2);
    Hatch<std::uint64_t> hatch(capacity);
    std::atomic<std::uint64_t> next{1}, left{items}, full{0};
    std::array<Tally, 2> taken;
    std::vector<std::thread> threads;
    for (int i = 0; i < 2; ++i) {
      threads.emplace_back([&] {
        for (std::uint64_t item; (item = next.fetch_add(1)) <= items;)
          while (!hatch.push(item)) {
            full.fetch_add(1, std::memory_order_relaxed);
            give_way();
          }
      });
      threads.emplace_back([&, i] {
        for (std::uint64_t item = 0; left.load(std::memory_order_relaxed) > 0;)
          if (hatch.take(item)) {
            taken[static_cast<std::size_t>(i)].add(item);
            left.fetch_sub(1, std::memory_order_relaxed);
          } else {
            give_way();
          }
      });
    }
    for (std::thread& t : threads) t.join();
    Tally sum = taken[0];
    sum += taken[1];
    EXPECT_EQ(sum, all_of(items));
    std::printf("hatch of %zu: %lu items, %.1f %% found it full first\n", capacity, items,
                100.0 * static_cast<double>(full.load()) / static_cast<double>(items));
  }
}

// A thread that stands still anywhere in the hatch hides nobody else's pieces.
TEST(PiecesStress, AThreadThatStandsStillInTheHatchStopsNobody) {
  const stress::StandStill still;
  Hatch<std::uint64_t> hatch(64);
  std::atomic<bool> over{false};
  std::uint64_t others = 0;
  std::thread other([&] {
    std::uint64_t item = 0;
    while (!over.load(std::memory_order_relaxed)) {
      hatch.push(0);
      others += hatch.take(item);
    }
  });
  still.hold(other);
  const std::uint64_t passed = stress::operations();
  for (std::uint64_t item = 0, i = 0; i < passed; ++i) {
    ASSERT_TRUE(hatch.push(1));
    ASSERT_TRUE(hatch.take(item)) << "nothing there, and one was put in";
  }
  still.let_go();
  over.store(true);
  other.join();
  std::printf("%lu pieces went by while a thread stood still\n", passed);
}

// Members that search, sleep and are woken, pieces from outside and from inside, and full ones refused.
struct Crew {
  Ours pieces;
  Spinning& spinning;
  std::vector<Tally> taken;
  std::atomic<std::uint64_t> done{0}, refused{0};
  std::vector<std::thread> threads;

  static std::vector<std::vector<std::uint32_t>> victims(std::uint32_t members, std::uint32_t places) {
    std::vector<std::vector<std::uint32_t>> orders(members);
    for (std::uint32_t m = 0; m < members; ++m)
      for (std::uint32_t i = 1; i < places; ++i) orders[m].push_back((m + i) % places);
    return orders;
  }
  // A piece is a number; the even ones make the one after them.
  Crew(std::uint32_t members, std::size_t capacity, Spinning& spin)
      : pieces({.members = members, .seats = 1, .deque = capacity, .hatch = capacity}, victims(members, members + 1),
               &spin),
        spinning(spin),
        taken(members + 1) {
    for (std::uint32_t m = 0; m < members; ++m)
      threads.emplace_back([this, m] {
        for (std::uint64_t piece = 0; pieces.next(m, piece);) {
          do_it(m, piece);
          if (piece % 2 == 0 && !pieces.push(m, piece + 1)) {
            refused.fetch_add(1, std::memory_order_relaxed);
            do_it(m, piece + 1);
          }
        }
      });
  }
  void do_it(std::uint32_t place, std::uint64_t piece) {
    taken[place].add(piece);
    done.fetch_add(1, std::memory_order_relaxed);
  }
  Tally end() {
    pieces.close();
    for (std::thread& t : threads) t.join();
    Tally sum;
    for (const Tally& t : taken) sum += t;
    return sum;
  }
};

TEST(PiecesStress, ACrewLosesAndDoublesNothingAndNobodySleepsOn) {
  const std::uint64_t items = stress::operations() / 4 * 2;
  for (const std::uint32_t pauses : {0u, 100u}) {
    for (const std::size_t capacity : {2u, 64u}) {
      Spinning spinning(pauses, 1);
      Crew crew(3, capacity, spinning);
      Rng rng(capacity);
      std::uint64_t outside = 0, waits = 0;
      for (std::uint64_t piece = 2; piece <= items; piece += 2) {
        if (rng.below(2) == 0) {
          if (crew.pieces.push(3, piece)) continue;  // the seat's: members must come for it
        } else if (crew.pieces.hand_in(piece)) {
          ++outside;
          continue;
        }
        crew.do_it(3, piece);
        crew.do_it(3, piece + 1);
        crew.refused.fetch_add(1, std::memory_order_relaxed);
        // Now and then everybody falls asleep, and must be woken for the next.
        if (rng.below(512) == 0)
          for (; crew.done.load() < piece; ++waits) give_way();
      }
      while (crew.done.load() < items) give_way();  // for ever, where a wake-up is lost
      Tally expected = all_of(items + 1);
      Tally one;
      one.add(1);
      expected.count -= one.count;
      expected.sum -= one.sum;
      EXPECT_EQ(crew.end(), expected);
      std::printf("%u pauses, capacity %zu: %lu pieces, %lu through the hatch, %.1f %% refused\n", pauses, capacity,
                  items, outside, 100.0 * static_cast<double>(crew.refused.load()) / static_cast<double>(items));
    }
  }
}

// One piece at a time, each after all have gone to sleep: each must wake somebody.
TEST(PiecesStress, EachOfManyLonelyPiecesWakesSomebody) {
  Spinning spinning(0, 1);
  Crew crew(2, 4, spinning);
  const std::uint64_t turns = stress::operations() / 100;
  for (std::uint64_t i = 1; i <= turns; ++i) {
    ASSERT_TRUE(i % 2 ? crew.pieces.hand_in(2 * i + 1) : crew.pieces.push(2, 2 * i + 1));
    while (crew.done.load() < i) give_way();
  }
  EXPECT_EQ(crew.end().count, turns);
}

}  // namespace
}  // namespace yard
