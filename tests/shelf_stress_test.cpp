// Shelf under load, the shipped code: an owner that publishes, takes and withdraws against two thieves. Nothing is
// lost, nothing comes twice, and every entry is whole. SWITCHYARD_STRESS=N: so many publications (a million unless
// said).
#include <array>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "scheduler/base/rng.h"
#include "scheduler/sync/shelf.h"
#include "tests/stress.h"

namespace yard {
namespace {

using Answer = Shelf::Answer;

ShelfEntry entry(std::uint64_t id, std::uint64_t due) {
  return {id, Time(static_cast<std::int64_t>(due << 12)), Tokens((id * 7 + due) & 0xfffff)};
}
bool whole(const ShelfEntry& e) { return e == entry(e.id(), static_cast<std::uint64_t>(e.deadline().ns()) >> 12); }

// What one thread did, and how its takes went.
struct Tally {
  std::vector<std::uint8_t> had;  // by id
  std::uint64_t taken = 0, won = 0, lost = 0, torn = 0, unordered = 0;

  explicit Tally(std::uint64_t ids) : had(ids) {}
  void book(const ShelfEntry& e) {
    torn += !whole(e);
    ++had[e.id()];
    ++taken;
  }
  void take(Shelf& shelf, std::size_t most) {
    std::array<ShelfEntry, 16> out;
    const auto [answer, n] = shelf.take(std::span(out).first(most));
    won += answer == Answer::taken;
    lost += answer == Answer::lost;
    for (std::size_t i = 0; i < n; ++i) {
      unordered += i > 0 && out[i].before(out[i - 1]);
      book(out[i]);
    }
  }
  void look_and_take(Shelf& shelf) {
    std::array<ShelfEntry, 8> out;
    const Shelf::Seen seen = shelf.look(out);
    for (std::size_t i = 0; i < seen.entries; ++i) torn += !whole(out[i]);
    if (seen.entries == 0) return;
    const auto [answer, n] = shelf.take(seen, 1 + seen.entries / 4);
    won += answer == Answer::taken;
    lost += answer == Answer::lost;
    for (std::size_t i = 0; i < n; ++i) book(out[i]);
  }
};

void run(std::size_t capacity, std::uint64_t places) {
  const std::uint64_t ids = stress::operations() + 1;
  Shelf shelf(capacity, places);
  std::atomic<bool> over{false};
  std::array<Tally, 3> tallies{Tally(ids), Tally(ids), Tally(ids)};
  std::vector<std::thread> thieves;
  for (int t = 1; t <= 2; ++t) {
    thieves.emplace_back([&, t] {
      Rng rng(static_cast<Seed>(t));
      Tally& mine = tallies[static_cast<std::size_t>(t)];
      while (!over.load(std::memory_order_acquire)) {
        if (rng.below(4) == 0) {
          mine.look_and_take(shelf);
        } else {
          mine.take(shelf, 1 + rng.below(2));
        }
      }
    });
  }
  Tally& mine = tallies[0];
  Rng rng(0);
  std::uint64_t now = 1'000, withdrawn = 0;
  for (std::uint64_t id = 1; id < ids; ++id) {
    now += rng.below(3);
    const bool urgent = rng.below(8) == 0;
    if (const auto back = shelf.publish(entry(id, urgent ? now - rng.below(900) : now))) mine.book(*back);
    if (rng.below(16) == 0 && shelf.withdraw(id - rng.below(std::min(id, std::uint64_t{2 * capacity})))) ++withdrawn;
    if (rng.below(2) == 0) mine.take(shelf, 1);
  }
  over.store(true, std::memory_order_release);
  for (std::thread& thief : thieves) thief.join();
  while (shelf.offered() > 0) mine.take(shelf, 16);

  std::uint64_t none = 0, twice = 0;
  for (std::uint64_t id = 1; id < ids; ++id) {
    const int times = tallies[0].had[id] + tallies[1].had[id] + tallies[2].had[id];
    none += times == 0;
    twice += times > 1;
  }
  EXPECT_EQ(none, withdrawn);
  EXPECT_EQ(twice, 0u);
  std::uint64_t won = 0, lost = 0, taken = 0;
  for (const Tally& tally : tallies) {
    EXPECT_EQ(tally.torn, 0u);
    EXPECT_EQ(tally.unordered, 0u);
    won += tally.won;
    lost += tally.lost;
    taken += tally.taken;
  }
  const std::uint64_t by_thieves = tallies[1].taken + tallies[2].taken,
                      undone = shelf.merges() - shelf.republications();
  const auto n = [](std::uint64_t number) { return static_cast<unsigned long long>(number); };
  const auto share = [](std::uint64_t part, std::uint64_t of) {
    return 100.0 * static_cast<double>(part) / static_cast<double>(of);
  };
  std::printf("capacity %zu: %llu published, %llu taken (%.1f %% by thieves), %llu withdrawn, %llu republished;\n",
              capacity, n(ids - 1), n(taken), share(by_thieves, taken), n(withdrawn), n(shelf.republications()));
  std::printf("contended: %llu takes lost (%.1f %%), %llu republications merged again (%.1f %%)\n", n(lost),
              share(lost, lost + won), n(undone), share(undone, shelf.republications()));
  EXPECT_GT(by_thieves, 0u);
}

TEST(ShelfStress, SmallAndContended) { run(4, 8); }
TEST(ShelfStress, AsShipped) { run(256, 4095); }

}  // namespace
}  // namespace yard
