// Inbox, lane, flag and parking: their rules one by one, then under load (the load is what ThreadSanitizer looks at).
#include <array>
#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "scheduler/sync/flag.h"
#include "scheduler/sync/inbox.h"
#include "scheduler/sync/lane.h"
#include "scheduler/sync/number_set.h"
#include "scheduler/sync/parking.h"

namespace yard {
namespace {

struct Item {
  std::uint32_t producer = 0, number = 0;
};

TEST(Inbox, DrainsInTheOrderPushed) {
  Inbox<int> inbox(8);
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(inbox.push(i));
  std::array<int, 8> out{};
  ASSERT_EQ(inbox.drain(out), 5u);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(out[i], i);
}

TEST(Inbox, FullAnswersFalseAndLosesNothing) {
  Inbox<int> inbox(4);
  ASSERT_EQ(inbox.capacity(), 4u);
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(inbox.push(i));
  EXPECT_FALSE(inbox.push(99));
  std::array<int, 8> out{};
  ASSERT_EQ(inbox.drain(out), 4u);
  EXPECT_EQ(out[3], 3);
  EXPECT_TRUE(inbox.push(5));
}

TEST(Inbox, DrainTakesNoMoreThanAskedFor) {
  Inbox<int> inbox(8);
  for (int i = 0; i < 6; ++i) ASSERT_TRUE(inbox.push(i));
  std::array<int, 4> out{};
  ASSERT_EQ(inbox.drain(out), 4u);
  ASSERT_EQ(inbox.drain(out), 2u);
  EXPECT_EQ(out[1], 5);
  EXPECT_EQ(inbox.drain(out), 0u);
}

TEST(Inbox, HoldsEveryCapacityRoundAfterRound) {
  for (const std::size_t capacity : {1u, 2u, 3u, 4u, 7u}) {
    Inbox<std::uint32_t> inbox(capacity);
    std::vector<std::uint32_t> out(inbox.capacity());
    std::uint32_t next = 0, expected = 0;
    for (int round = 0; round < 50; ++round) {
      while (inbox.push(next)) ++next;
      ASSERT_EQ(next - expected, inbox.capacity());
      ASSERT_EQ(inbox.drain(out), inbox.capacity());
      for (const std::uint32_t item : out) ASSERT_EQ(item, expected++);
    }
  }
}

TEST(Inbox, KeepsEachProducersOrderUnderLoad) {
  constexpr std::uint32_t kProducers = 4, kEach = 20000;
  Inbox<Item> inbox(64);
  Parking parking;
  std::vector<std::thread> producers;
  for (std::uint32_t p = 0; p < kProducers; ++p) {
    producers.emplace_back([&, p] {
      for (std::uint32_t i = 0; i < kEach; ++i) {
        while (!inbox.push({p, i})) std::this_thread::yield();
        parking.ring();
      }
    });
  }
  std::array<std::uint32_t, kProducers> next{};
  std::array<Item, 16> batch{};
  for (std::uint32_t seen = 0; seen < kProducers * kEach;) {
    const std::size_t n = inbox.drain(batch);
    if (n == 0) parking.wait_until(Parking::kForever);
    for (std::size_t i = 0; i < n; ++i) EXPECT_EQ(batch[i].number, next[batch[i].producer]++);
    seen += static_cast<std::uint32_t>(n);
  }
  for (std::thread& t : producers) t.join();
  EXPECT_EQ(inbox.drain(batch), 0u);
}

TEST(Lane, KeepsOrderUnderLoad) {
  constexpr int kItems = 50000;
  Lane<int> lane(256);  // on a busy core each time it is full or empty costs a turn of the scheduler
  std::thread producer([&] {
    for (int i = 0; i < kItems; ++i) {
      while (!lane.push(i)) std::this_thread::yield();
    }
  });
  for (int expected = 0; expected < kItems;) {
    int item = -1;
    if (!lane.pop(item)) {
      std::this_thread::yield();
      continue;
    }
    ASSERT_EQ(item, expected++);
  }
  producer.join();
}

TEST(Lane, FullAnswersFalse) {
  Lane<int> lane(2);
  EXPECT_TRUE(lane.push(1));
  EXPECT_TRUE(lane.push(2));
  EXPECT_FALSE(lane.push(3));
}

TEST(Flag, IsUpOnceItWasRaised) {
  Flag flag;
  EXPECT_FALSE(flag.up());
  flag.raise();
  EXPECT_TRUE(flag.up());
}

TEST(NumberSet, TakesOnceWhatWasPutInTwice) {
  NumberSet set;
  EXPECT_EQ(set.take(), 0u);
  set.add(0), set.add(63), set.add(0);
  EXPECT_EQ(set.take(), std::uint64_t{1} << 63 | 1);
  EXPECT_EQ(set.take(), 0u);
}

TEST(Parking, RingBeforeWaitIsHeard) {
  Parking parking;
  parking.ring();
  parking.wait_until(Parking::kForever);  // a lost ring would hang here
}

TEST(Parking, WaitEndsAtItsDeadline) {
  Parking parking;
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(2);
  parking.wait_until(deadline);
  EXPECT_GE(std::chrono::steady_clock::now(), deadline);
}

// Two threads that only ever go on when the other rang: one lost wake-up and this never ends.
TEST(Parking, LosesNoWakeUp) {
  constexpr int kRounds = 20000;
  Parking ping, pong;
  std::atomic<int> ball{0};
  std::thread other([&] {
    for (int i = 0; i < kRounds; ++i) {
      while (ball.load(std::memory_order_acquire) != 2 * i + 1) ping.wait_until(Parking::kForever);
      ball.store(2 * i + 2, std::memory_order_release);
      pong.ring();
    }
  });
  for (int i = 0; i < kRounds; ++i) {
    ball.store(2 * i + 1, std::memory_order_release);
    ping.ring();
    while (ball.load(std::memory_order_acquire) != 2 * i + 2) pong.wait_until(Parking::kForever);
  }
  other.join();
  EXPECT_EQ(ball.load(), 2 * kRounds);
}

}  // namespace
}  // namespace yard
