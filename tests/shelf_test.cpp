// Shelf: its rules one by one, and against a sorted vector.
#include "scheduler/sync/shelf.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "scheduler/base/rng.h"

namespace yard {
namespace {

using Answer = Shelf::Answer;

ShelfEntry entry(std::uint64_t id, int deadline_ms, int tokens = 1) {
  return {id, Time(milliseconds(deadline_ms).count()), Tokens(tokens)};
}

std::vector<std::uint64_t> take_ids(Shelf& shelf, std::size_t most, Tokens budget = Tokens::max()) {
  std::vector<ShelfEntry> out(most);
  const auto [answer, n] = shelf.take(out, budget);
  EXPECT_EQ(answer == Answer::taken, n > 0);
  std::vector<std::uint64_t> ids;
  for (std::size_t i = 0; i < n; ++i) ids.push_back(out[i].id());
  return ids;
}

using Ids = std::vector<std::uint64_t>;

TEST(ShelfEntry, KeepsIdDeadlineAndTokensInSixteenBytes) {
  const ShelfEntry e(0x0123'4567'89ab'cdefU, Time(3 * 4096 + 4095), Tokens(70'000));
  EXPECT_EQ(e.id(), 0x0123'4567'89ab'cdefU);
  EXPECT_EQ(e.deadline(), Time(3 * 4096));
  EXPECT_EQ(e.tokens(), Tokens(70'000));
}

TEST(ShelfEntry, SaturatesAtItsEdges) {
  EXPECT_EQ(ShelfEntry(1, Time(-5), Tokens(-1)).deadline(), Time(0));
  EXPECT_EQ(ShelfEntry(1, Time(-5), Tokens(-1)).tokens(), Tokens(0));
  EXPECT_EQ(ShelfEntry(1, Time::never(), Tokens::max()).deadline(), Time((std::int64_t{1} << 56) - 4096));
  EXPECT_EQ(ShelfEntry(1, Time::never(), Tokens::max()).tokens(), Tokens((1 << 20) - 1));
}

TEST(Shelf, TakesTheMostUrgentFirst) {
  Shelf shelf(8);
  for (const int deadline : {50, 10, 40, 20, 30}) shelf.publish(entry(deadline, deadline));
  for (const std::uint64_t id : {10, 20, 30, 40, 50}) EXPECT_EQ(take_ids(shelf, 1), Ids{id});
  EXPECT_EQ(take_ids(shelf, 1), Ids{});
}

TEST(Shelf, TakesEqualDeadlinesInTheOrderPublished) {
  Shelf shelf(8);
  shelf.publish(entry(9, 9));
  for (const std::uint64_t id : {1, 2, 3}) shelf.publish(entry(id, 5));
  for (const std::uint64_t id : {1, 2, 3, 9}) EXPECT_EQ(take_ids(shelf, 1), Ids{id});
}

TEST(Shelf, EmptyIsSaid) {
  Shelf shelf(4);
  std::array<ShelfEntry, 1> out;
  EXPECT_EQ(shelf.take(out).answer, Answer::empty);
  shelf.publish(entry(1, 1));
  EXPECT_EQ(shelf.take(out).answer, Answer::taken);
  EXPECT_EQ(shelf.take(out).answer, Answer::empty);
}

TEST(Shelf, TakesOneWithoutABudget) {
  Shelf shelf(4);
  ShelfEntry out;
  EXPECT_EQ(shelf.take(out), Answer::empty);
  shelf.publish(entry(2, 2, 900));
  shelf.publish(entry(1, 1, 900));
  EXPECT_EQ(shelf.take(out), Answer::taken);
  EXPECT_EQ(out, entry(1, 1, 900));
  EXPECT_EQ(shelf.offered(), 1u);
}

TEST(Shelf, TakesAtMostHalfRoundedUp) {
  Shelf shelf(16);
  for (int i = 1; i <= 7; ++i) shelf.publish(entry(i, i));
  EXPECT_EQ(take_ids(shelf, 16), (Ids{1, 2, 3, 4}));
  EXPECT_EQ(take_ids(shelf, 16), (Ids{5, 6}));
  EXPECT_EQ(take_ids(shelf, 16), Ids{7});
}

TEST(Shelf, TakesWhatTheTokenBudgetHoldsAndTheFirstInAnyCase) {
  Shelf shelf(16);
  for (int i = 1; i <= 8; ++i) shelf.publish(entry(i, i, 100));
  EXPECT_EQ(take_ids(shelf, 16, Tokens(299)), (Ids{1, 2}));
  EXPECT_EQ(take_ids(shelf, 16, Tokens(300)), (Ids{3, 4, 5}));
  EXPECT_EQ(take_ids(shelf, 16, Tokens(1)), Ids{6});
}

TEST(Shelf, GivesBackTheLeastUrgentWhereItIsFull) {
  Shelf shelf(4);
  for (int i = 1; i <= 4; ++i) EXPECT_EQ(shelf.publish(entry(i * 10, i * 10)), std::nullopt);
  EXPECT_EQ(shelf.publish(entry(50, 50)), entry(50, 50));
  EXPECT_EQ(shelf.publish(entry(40, 40)), entry(40, 40));  // as urgent as the last: who came first stays
  EXPECT_EQ(shelf.publish(entry(15, 15)), entry(40, 40));
  EXPECT_EQ(shelf.offered(), 4u);
  for (const std::uint64_t id : {10, 15, 20, 30}) EXPECT_EQ(take_ids(shelf, 1), Ids{id});
}

TEST(Shelf, AppendsWithoutRepublicationWhileOrderHolds) {
  Shelf shelf(8);
  for (int i = 0; i < 1000; ++i) {
    shelf.publish(entry(i, i));
    if (i >= 4) {
      EXPECT_EQ(take_ids(shelf, 1).size(), 1u);
    }
  }
  EXPECT_EQ(shelf.republications(), 0u);
  shelf.publish(entry(7, 1));
  EXPECT_EQ(shelf.republications(), 1u);
  EXPECT_EQ(shelf.merges(), 1u);
}

TEST(Shelf, TurnsToTheOtherRingWhenItsPlacesAreUsedUp) {
  Shelf shelf(4, 4);
  for (int i = 0; i < 100; ++i) {
    shelf.publish(entry(i, i));
    ASSERT_EQ(take_ids(shelf, 1), Ids{static_cast<std::uint64_t>(i)});
  }
  EXPECT_EQ(shelf.republications(), 24u);
}

TEST(Shelf, WithdrawsWhatIsThereOnce) {
  Shelf shelf(8);
  for (int i = 1; i <= 4; ++i) shelf.publish(entry(i, i));
  EXPECT_TRUE(shelf.withdraw(2));
  EXPECT_FALSE(shelf.withdraw(2));
  EXPECT_FALSE(shelf.withdraw(77));
  EXPECT_TRUE(shelf.withdraw(4));
  shelf.publish(entry(5, 3));  // behind 3, now the last
  for (const std::uint64_t id : {1, 3, 5}) EXPECT_EQ(take_ids(shelf, 1), Ids{id});
  EXPECT_FALSE(shelf.withdraw(3));
}

TEST(Shelf, TakesAsSeenOrNotAtAll) {
  Shelf shelf(8);
  for (int i = 1; i <= 6; ++i) shelf.publish(entry(i, i));
  std::array<ShelfEntry, 4> seen;
  const Shelf::Seen look = shelf.look(seen);
  EXPECT_EQ(look.entries, 4u);
  EXPECT_EQ(look.offered, 6u);
  EXPECT_EQ(seen[3], entry(4, 4));
  EXPECT_EQ(shelf.offered(), 6u);
  EXPECT_EQ(shelf.take(look, 4).entries, 3u);  // at most half
  EXPECT_EQ(shelf.take(look, 1).answer, Answer::lost);
  const Shelf::Seen again = shelf.look(seen);
  EXPECT_EQ(shelf.take(again, 0).answer, Answer::empty);
  shelf.publish(entry(7, 7));
  EXPECT_EQ(shelf.take(again, 1).answer, Answer::lost);
  EXPECT_EQ(shelf.offered(), 4u);
}

// ---- against a sorted vector ----------------------------------------------------------------------------------------

struct SortedVector {
  std::size_t capacity;
  std::vector<ShelfEntry> entries;

  std::optional<ShelfEntry> publish(const ShelfEntry& e) {
    entries.insert(std::upper_bound(entries.begin(), entries.end(), e,
                                    [](const ShelfEntry& a, const ShelfEntry& b) { return a.before(b); }),
                   e);
    if (entries.size() <= capacity) return std::nullopt;
    const ShelfEntry least = entries.back();
    entries.pop_back();
    return least;
  }
  bool withdraw(std::uint64_t id) {
    return std::erase_if(entries, [id](const ShelfEntry& e) { return e.id() == id; }) > 0;
  }
  std::vector<ShelfEntry> take(std::size_t most, std::int64_t budget) {
    std::vector<ShelfEntry> out;
    most = std::min(most, (entries.size() + 1) / 2);
    for (const ShelfEntry& e : entries) {
      if (out.size() == most || (!out.empty() && budget < e.tokens().count())) break;
      budget -= e.tokens().count();
      out.push_back(e);
    }
    entries.erase(entries.begin(), entries.begin() + static_cast<std::ptrdiff_t>(out.size()));
    return out;
  }
};

TEST(Shelf, IsASortedVector) {
  const char* given = std::getenv("SWITCHYARD_SEED");
  const std::uint64_t first = given ? std::strtoull(given, nullptr, 10) : 1;
  for (std::uint64_t seed = first; seed < first + 200; ++seed) {
    SCOPED_TRACE("SWITCHYARD_SEED=" + std::to_string(seed));
    Rng rng(seed);
    const std::size_t capacity = std::size_t{1} << rng.below(6);
    Shelf shelf(capacity, capacity + rng.below(40));
    SortedVector model{capacity, {}};
    std::uint64_t ids = 0;
    std::vector<ShelfEntry> out(8);
    for (int step = 0; step < 1000; ++step) {
      const std::uint64_t act = rng.below(10);
      if (act < 5) {
        const ShelfEntry e =
            entry(++ids, static_cast<int>(rng.below(20) + (act < 3 ? step / 10 : 0)), static_cast<int>(rng.below(100)));
        ASSERT_EQ(shelf.publish(e), model.publish(e));
      } else if (act < 6) {
        const std::uint64_t id = ids - std::min(ids, rng.below(2 * capacity));
        ASSERT_EQ(shelf.withdraw(id), model.withdraw(id));
      } else {
        const std::size_t most = 1 + rng.below(8);
        const Tokens budget(rng.below(300));
        const auto [answer, n] = shelf.take(std::span(out).first(most), budget);
        const std::vector<ShelfEntry> expected = model.take(most, budget.count());
        ASSERT_EQ(answer, expected.empty() ? Answer::empty : Answer::taken);
        ASSERT_TRUE(std::equal(expected.begin(), expected.end(), out.begin(), out.begin() + n));
      }
      ASSERT_EQ(shelf.offered(), model.entries.size());
    }
  }
}

}  // namespace
}  // namespace yard
