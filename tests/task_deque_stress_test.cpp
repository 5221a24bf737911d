// The task deque under load: an owner and two thieves, nothing lost, nothing doubled. What ThreadSanitizer looks at.
#include <array>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "scheduler/base/rng.h"
#include "scheduler/sync/task_deque.h"
#include "tests/stress.h"

namespace yard {
namespace {

using stress::Tally;

struct Piece {
  std::uint64_t number, check;
};

struct Seen {
  Tally tally;
  std::uint64_t lost = 0, empty = 0, wrong = 0;
};

struct Arena {
  explicit Arena(std::size_t capacity) : deque(capacity) {}
  TaskDeque<Piece> deque;
  std::atomic<bool> over{false};

  void take(const Piece& piece, Seen& seen) {
    seen.wrong += piece.check != mix64(piece.number);
    seen.tally.add(piece.number);
  }
  void thief(Seen& seen) {
    Piece piece{};
    for (;;) {
      const bool last = over.load(std::memory_order_acquire);
      switch (deque.steal(piece)) {
        case Steal::item: take(piece, seen); break;
        case Steal::lost: ++seen.lost; break;
        case Steal::empty:
          ++seen.empty;
          if (last) return;
      }
    }
  }
  // Pushes as much as it pops, so that owner and thieves mostly meet near the end.
  void owner(std::uint64_t items, Seen& seen) {
    Rng rng(items);
    Piece piece{};
    for (std::uint64_t next = 1; next <= items;) {
      for (std::uint64_t most = 1 + rng.below(3); most > 0 && next <= items; --most) {
        if (!deque.push({next, mix64(next)})) {
          if (deque.pop(piece)) take(piece, seen);
          break;
        }
        ++next;
      }
      for (std::uint64_t most = rng.below(4); most > 0; --most) {
        if (!deque.pop(piece)) break;
        take(piece, seen);
      }
    }
    while (deque.pop(piece)) take(piece, seen);
    over.store(true, std::memory_order_release);
  }
};

Tally all_of(std::uint64_t items) {
  Tally all;
  for (std::uint64_t i = 1; i <= items; ++i) all.add(i);
  return all;
}

TEST(TaskDequeStress, LosesAndDoublesNothing) {
  const std::uint64_t items = stress::operations();
  for (const std::size_t capacity : {2u, 64u}) {
    Arena arena(capacity);
    std::array<Seen, 3> seen;
    std::thread first([&] { arena.thief(seen[1]); }), second([&] { arena.thief(seen[2]); });
    arena.owner(items, seen[0]);
    first.join();
    second.join();
    Tally taken;
    for (const Seen& s : seen) {
      taken += s.tally;
      EXPECT_EQ(s.wrong, 0u);
    }
    EXPECT_EQ(taken, all_of(items));
    const std::uint64_t stolen = seen[1].tally.count + seen[2].tally.count, lost = seen[1].lost + seen[2].lost;
    std::printf("capacity %zu: %lu items, %lu stolen, %lu lost (%.1f %% of steals that saw one)\n", capacity, items,
                stolen, lost, 100.0 * static_cast<double>(lost) / static_cast<double>(stolen + lost + (stolen == 0)));
  }
}

// A thief that stands still inside steal() holds nobody up, and takes nothing from anybody.
TEST(TaskDequeStress, AThiefThatStandsStillStopsNobody) {
  const stress::StandStill still;
  Arena arena(64);
  std::array<Seen, 3> seen;
  std::thread first([&] { arena.thief(seen[1]); }), second([&] { arena.thief(seen[2]); });
  still.hold(first);
  Piece piece{};
  std::uint64_t next = 1;
  for (; next <= stress::operations(); ++next) {
    while (!arena.deque.push({next, mix64(next)}))
      if (arena.deque.pop(piece)) arena.take(piece, seen[0]);
    if (next % 2 && arena.deque.pop(piece)) arena.take(piece, seen[0]);
  }
  still.let_go();
  arena.owner(0, seen[0]);
  first.join();
  second.join();
  Tally taken;
  for (const Seen& s : seen) taken += s.tally;
  EXPECT_EQ(taken, all_of(next - 1));
  std::printf("%lu items went by while a thief stood still\n", next - 1);
}

}  // namespace
}  // namespace yard
