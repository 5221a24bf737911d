// LanedInbox: its rules one by one, and under load, the shipped code: nothing lost, nothing doubled, an item behind
// those that its producer knew of, and no wake-up lost. The load is what ThreadSanitizer looks at.
#include "scheduler/sync/laned_inbox.h"

#include <array>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "scheduler/sync/parking.h"
#include "tests/stress.h"

namespace yard {
namespace {

template <class T>
std::vector<T> drained(LanedInbox<T>& inbox, std::size_t most = 64) {
  std::vector<T> out(most);
  out.resize(inbox.drain(out));
  return out;
}
using Ints = std::vector<int>;

TEST(LanedInbox, DrainsInTheOrderPushedAcrossRingAndLanes) {
  LanedInbox<int> inbox(8);
  inbox.make_lane(0, 4), inbox.make_lane(63, 4);
  EXPECT_TRUE(inbox.push(0, 1));
  EXPECT_TRUE(inbox.push(2));
  EXPECT_TRUE(inbox.push(63, 3));
  EXPECT_TRUE(inbox.push(4));
  EXPECT_TRUE(inbox.push(0, 5));
  EXPECT_TRUE(inbox.push(6));
  EXPECT_EQ(drained(inbox), (Ints{1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(drained(inbox), Ints());
}

TEST(LanedInbox, DrainTakesNoMoreThanAskedForWhereverItStops) {
  for (std::size_t most = 1; most <= 7; ++most) {
    LanedInbox<int> inbox(8);
    inbox.make_lane(1, 8), inbox.make_lane(2, 8);
    for (const int i : {0, 1, 2}) inbox.push(1, i);
    for (const int i : {3, 4}) inbox.push(i);
    for (const int i : {5, 6}) inbox.push(2, i);
    Ints all;
    while (all.size() < 7) {
      const Ints some = drained(inbox, most);
      ASSERT_FALSE(some.empty());
      ASSERT_LE(some.size(), most);
      all.insert(all.end(), some.begin(), some.end());
    }
    EXPECT_EQ(all, (Ints{0, 1, 2, 3, 4, 5, 6}));
    EXPECT_EQ(drained(inbox, 0), Ints());
  }
}

TEST(LanedInbox, AFullLaneAnswersFalseAndNeitherTheRingNorOthersDo) {
  LanedInbox<int> inbox(2);
  inbox.make_lane(0, 2), inbox.make_lane(1, 2);
  EXPECT_TRUE(inbox.push(0, 1));
  EXPECT_TRUE(inbox.push(0, 2));
  EXPECT_FALSE(inbox.push(0, 3));
  EXPECT_TRUE(inbox.push(1, 4));
  EXPECT_TRUE(inbox.push(5));
  EXPECT_TRUE(inbox.push(6));
  EXPECT_FALSE(inbox.push(7));
  EXPECT_EQ(drained(inbox), (Ints{1, 2, 4, 5, 6}));
  EXPECT_TRUE(inbox.push(0, 8));
  EXPECT_EQ(drained(inbox), Ints{8});
}

// ---- under load -----------------------------------------------------------------------------------------------------

struct Item {
  std::uint32_t producer, number, of_other;  // the other one's items that were pushed before
};

// Two producers with lanes, one without, who each know how far another has come; each also uses the ring now and then.
// An item of the ring comes behind all that its producer knew of, one of a lane behind all up to the last of the ring.
// The consumer sleeps where there is nothing.
constexpr std::uint32_t kLanes = 2;
bool through_ring(std::uint32_t producer, std::uint32_t number) { return producer >= kLanes || number % 5 == 0; }
std::uint32_t must_be_before(const Item& item, std::uint32_t other) {
  std::uint32_t n = item.of_other;
  if (!through_ring(item.producer, item.number))
    while (n > 0 && !through_ring(other, n - 1)) --n;
  return n;
}

TEST(LanedInboxStress, LosesNothingKeepsWhatIsKnownAndWakes) {
  constexpr std::uint32_t kProducers = 3;
  const auto each = static_cast<std::uint32_t>(stress::operations() / 12 + 1);
  LanedInbox<Item> inbox(64);
  for (std::uint32_t lane = 0; lane < kLanes; ++lane) inbox.make_lane(lane, 16);
  Parking parking;
  std::array<std::atomic<std::uint32_t>, kProducers> pushed{};
  std::vector<std::thread> producers;
  std::atomic<std::uint64_t> full{0};
  for (std::uint32_t p = 0; p < kProducers; ++p)
    producers.emplace_back([&, p] {
      std::uint64_t refused = 0;
      for (std::uint32_t n = 0; n < each;) {
        const Item item{p, n, pushed[(p + 1) % kProducers].load(std::memory_order_acquire)};
        if (through_ring(p, n) ? inbox.push(item) : inbox.push(p, item)) {
          pushed[p].store(++n, std::memory_order_release);
          parking.ring();
        } else {
          ++refused;
          stress::give_way();
        }
      }
      full += refused;
    });
  std::array<std::uint32_t, kProducers> next{};
  std::uint64_t wrong = 0, waits = 0;
  std::vector<Item> out(48);
  for (std::uint64_t seen = 0; seen < std::uint64_t{kProducers} * each;) {
    const std::size_t n = inbox.drain(out);
    for (std::size_t i = 0; i < n; ++i) {
      wrong += out[i].number != next[out[i].producer]++;
      const std::uint32_t other = (out[i].producer + 1) % kProducers;
      wrong += next[other] < must_be_before(out[i], other);
    }
    seen += n;
    if (n > 0) continue;
    ++waits;
    parking.wait_until(kForever);
  }
  for (std::thread& producer : producers) producer.join();
  EXPECT_EQ(wrong, 0u);
  EXPECT_EQ(inbox.drain(out), 0u);
  std::printf("%llu items, %llu waits, %llu found full, %llu places stepped over\n",
              static_cast<unsigned long long>(std::uint64_t{kProducers} * each), static_cast<unsigned long long>(waits),
              static_cast<unsigned long long>(full.load()), static_cast<unsigned long long>(inbox.steps_over()));
}

// A registered producer that is held by a signal, at whatever instruction, holds nobody else.
TEST(LanedInboxStress, OthersGoOnWhileAProducerStandsStill) {
  constexpr std::uint32_t kEnough = 256;
  const stress::StandStill still;
  LanedInbox<Item> inbox(64);
  inbox.make_lane(0, 64), inbox.make_lane(1, 64);
  std::atomic<bool> over{false};
  const auto producer = [&](std::uint32_t p) {
    for (std::uint32_t n = 0; !over.load(std::memory_order_relaxed);)
      if (p < 2 ? inbox.push(p, Item{p, n, 0}) : inbox.push(Item{p, n, 0})) {
        ++n;
      } else {
        stress::give_way();
      }
  };
  std::thread stands(producer, 0), other_lane(producer, 1), ring(producer, 2);
  std::array<std::uint32_t, 3> next{};
  std::uint64_t wrong = 0;
  std::vector<Item> out(64);
  const auto drain_until = [&](const auto& enough) {
    while (!enough()) {
      const std::size_t n = inbox.drain(out);
      for (std::size_t i = 0; i < n; ++i) wrong += out[i].number != next[out[i].producer]++;
      if (n == 0) stress::give_way();
    }
  };
  for (int stop = 0; stop < 20; ++stop) {
    const auto before = next;
    drain_until([&] { return next[0] > before[0]; });
    still.hold(stands);
    const auto then = next;
    drain_until([&] { return next[1] > then[1] + kEnough && next[2] > then[2] + kEnough; });
    still.let_go();
  }
  over = true;
  for (std::thread* thread : {&stands, &other_lane, &ring}) thread->join();
  EXPECT_EQ(wrong, 0u);
}

}  // namespace
}  // namespace yard
