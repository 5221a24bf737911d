// Parking and event count under load: sleepers with and without deadlines, producers and sleepers that stand still;
// nobody sleeps on, nothing is lost. What ThreadSanitizer looks at.
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "scheduler/base/rng.h"
#include "scheduler/sync/event_count.h"
#include "scheduler/sync/inbox.h"
#include "scheduler/sync/parking.h"
#include "tests/stress.h"

namespace yard {
namespace {

using std::chrono::microseconds;
using std::chrono::steady_clock;
using stress::Tally;

// Three producers into one inbox; its consumer parks whenever it finds nothing. One lost wake-up and it never ends.
Tally through_an_inbox(std::uint64_t each, Spinning* spinning, bool stand_still) {
  constexpr std::uint64_t kProducers = 3;
  Inbox<std::uint64_t> inbox(64);
  Parking parking(spinning);
  std::vector<std::thread> producers;
  for (std::uint64_t p = 0; p < kProducers; ++p) {
    producers.emplace_back([&, p] {
      Rng rng(p);
      for (std::uint64_t i = 0; i < each; ++i) {
        while (!inbox.push(p * each + i + 1)) std::this_thread::yield();
        parking.ring();
        if (rng.below(64) == 0) std::this_thread::yield();
      }
    });
  }
  Tally seen;
  std::uint64_t waits = 0;
  std::atomic<bool> over{false};
  std::thread consumer([&] {
    std::array<std::uint64_t, 16> batch{};
    Rng rng(7);
    while (seen.count < kProducers * each) {
      const std::size_t n = inbox.drain(batch);
      for (std::size_t i = 0; i < n; ++i) seen.add(batch[i]);
      if (n > 0) continue;
      ++waits;
      parking.wait_until(rng.below(4) == 0 ? steady_clock::now() + microseconds(rng.below(50)) : kForever);
    }
    over = true;
  });
  if (stand_still) {
    const stress::StandStill still;
    for (std::thread* thread : {&producers[0], &consumer}) {
      const int before = stress::StandStill::stopped();
      still.stop(*thread);
      while (stress::StandStill::stopped() == before && !over) std::this_thread::yield();
    }
  }
  for (std::thread& t : producers) t.join();
  consumer.join();
  std::printf("%lu items, %lu waits (%.1f %%)\n", seen.count, waits,
              100.0 * static_cast<double>(waits) / static_cast<double>(seen.count));
  return seen;
}

Tally all_of(std::uint64_t items) {
  Tally all;
  for (std::uint64_t i = 1; i <= items; ++i) all.add(i);
  return all;
}

TEST(ParkingStress, LosesNoWakeUp) {
  const std::uint64_t each = stress::operations() / 12 + 1;
  EXPECT_EQ(through_an_inbox(each, nullptr, false), all_of(3 * each));
  Spinning spinning(200, 1);
  EXPECT_EQ(through_an_inbox(each, &spinning, false), all_of(3 * each));
}

TEST(ParkingStress, AProducerAndAConsumerThatStandStillLoseNothing) {
  const std::uint64_t each = stress::operations() / 12 + 1;
  EXPECT_EQ(through_an_inbox(each, nullptr, true), all_of(3 * each));
}

// A number that a thread advances when it is its turn, with everybody waiting on one event count: one lost wake-up and
// this never ends.
TEST(EventCountStress, LosesNoWakeUp) {
  constexpr std::uint64_t kThreads = 3;
  const std::uint64_t rounds = stress::operations() / 50 + 1;
  EventCount events;
  std::atomic<std::uint64_t> turn{0};
  std::array<std::uint64_t, kThreads> slept{};
  std::vector<std::thread> threads;
  for (std::uint64_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      Rng rng(t);
      for (std::uint64_t i = 0; i < rounds; ++i) {
        const std::uint64_t mine = i * kThreads + t;
        for (;;) {
          if (turn.load(std::memory_order_relaxed) == mine) break;
          const EventCount::Ticket ticket = events.prepare();
          if (turn.load(std::memory_order_relaxed) == mine) {
            events.cancel(ticket);
            break;
          }
          ++slept[t];
          if (rng.below(4) == 0) {
            events.wait_until(ticket, steady_clock::now() + microseconds(rng.below(50)));
          } else {
            events.wait(ticket);
          }
        }
        turn.store(mine + 1, std::memory_order_relaxed);
        events.notify();
      }
    });
  }
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(turn.load(), kThreads * rounds);
  std::printf("%lu turns, %lu waits\n", kThreads * rounds, slept[0] + slept[1] + slept[2]);
}

}  // namespace
}  // namespace yard
