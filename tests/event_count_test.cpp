// Event count, parking and spin: their rules one by one, on one thread, with the system calls counted.
#include <chrono>
#include <cstdint>

#include <gtest/gtest.h>

#include "scheduler/sync/event_count.h"
#include "scheduler/sync/parking.h"

namespace yard {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

int sleeps = 0, wakes = 0, pauses = 0;
std::uint64_t now = 0, preempted = 0;

struct Counted : StdAtomics {
  template <class T>
  static bool sleep(const std::atomic<T>& word, std::uint32_t expected, Deadline deadline) noexcept {
    ++sleeps;
    return StdAtomics::sleep(word, expected, deadline);
  }
  static void wake_one(const std::atomic<std::uint32_t>& word) noexcept {
    ++wakes;
    StdAtomics::wake_one(word);
  }
  static void wake_all(const std::atomic<std::uint64_t>& word) noexcept {
    ++wakes;
    StdAtomics::wake_all(word);
  }
  static void pause() noexcept { ++pauses; }
  static std::uint64_t now_ns() noexcept { return now; }
  static std::uint64_t preemptions() noexcept { return preempted; }
};

struct Counting : testing::Test {
  Counting() {
    sleeps = wakes = pauses = 0;
    now = preempted = 0;
  }
};
using Futex = Counting;
using EventCountRules = Counting;
using ParkingRules = Counting;
using SpinRules = Counting;

TEST_F(Futex, DoesNotSleepOnAnotherValue) {
  const std::atomic<std::uint32_t> word{7};
  EXPECT_TRUE(futex_sleep(word, 8, kForever));
  const std::atomic<std::uint64_t> wide{std::uint64_t{7} << 32 | 5};
  EXPECT_TRUE(futex_sleep(wide, 5, kForever));  // it is the high half that counts
}

TEST_F(Futex, SleepsUntilItsDeadline) {
  const std::atomic<std::uint32_t> word{7};
  const std::atomic<std::uint64_t> wide{std::uint64_t{7} << 32 | 5};
  for (const bool high : {false, true}) {
    const Deadline deadline = steady_clock::now() + milliseconds(2);
    while (high ? futex_sleep(wide, 7, deadline) : futex_sleep(word, 7, deadline)) {}
    EXPECT_GE(steady_clock::now(), deadline);
  }
}

TEST_F(Futex, DoesNotSleepWhenItsDeadlineIsOver) {
  const std::atomic<std::uint32_t> word{7};
  EXPECT_FALSE(futex_sleep(word, 7, Deadline::min()));
  EXPECT_FALSE(futex_sleep(word, 7, Deadline{}));
}

TEST_F(EventCountRules, NotifyWhereNobodyWaitsMakesNoSystemCall) {
  BasicEventCount<Counted> events;
  events.notify();
  events.cancel(events.prepare());
  events.notify();
  EXPECT_EQ(wakes, 0);
}

TEST_F(EventCountRules, NotifyAfterPrepareEndsTheWait) {
  BasicEventCount<Counted> events;
  const auto ticket = events.prepare();
  events.notify();
  EXPECT_EQ(wakes, 1);
  events.wait(ticket);  // a lost wake-up would hang here
  EXPECT_EQ(sleeps, 0);
  events.notify();  // who was released waits no more
  EXPECT_EQ(wakes, 1);
}

TEST_F(EventCountRules, NotifyBeforePrepareDoesNot) {
  BasicEventCount<Counted> events;
  events.notify();
  const Deadline deadline = steady_clock::now() + milliseconds(2);
  EXPECT_FALSE(events.wait_until(events.prepare(), deadline));
  EXPECT_GE(steady_clock::now(), deadline);
  events.notify();  // who gave up at its deadline waits no more
  EXPECT_EQ(wakes, 0);
}

TEST_F(EventCountRules, OneWhoCancelsLeavesTheOthersWaiting) {
  BasicEventCount<Counted> events;
  const auto first = events.prepare(), second = events.prepare();
  events.cancel(first);
  events.notify();
  EXPECT_EQ(wakes, 1);
  events.wait(second);
  events.cancel(second);  // of an epoch that is over: nothing
  const auto third = events.prepare();
  events.notify();
  EXPECT_EQ(wakes, 2);
  events.wait(third);
}

TEST_F(ParkingRules, RingWhereNobodySleepsMakesNoSystemCall) {
  BasicParking<Counted> parking;
  for (int i = 0; i < 3; ++i) parking.ring();
  parking.wait_until(kForever);
  EXPECT_EQ(wakes, 0);
  EXPECT_EQ(sleeps, 0);
}

TEST_F(ParkingRules, ABellIsHeardOnce) {
  BasicParking<Counted> parking;
  parking.ring();
  parking.ring();
  parking.wait_until(kForever);
  const Deadline deadline = steady_clock::now() + milliseconds(2);
  parking.wait_until(deadline);
  EXPECT_GE(steady_clock::now(), deadline);
  EXPECT_GT(sleeps, 0);
}

TEST_F(ParkingRules, SleepsOnceAndDoesNotPoll) {
  BasicParking<Counted> parking;
  const Deadline deadline = steady_clock::now() + milliseconds(20);
  parking.wait_until(deadline);
  EXPECT_GE(steady_clock::now(), deadline);
  EXPECT_LE(sleeps, 3);  // one, and what signals the test's surroundings send
}

TEST_F(SpinRules, LooksLessOftenAfterLookingInVainAndMoreAfterSeeing) {
  BasicSpinning<Counted> spinning(64, 1);
  BasicSpin<Counted> spin(&spinning);
  const auto looks = [&](bool there) {
    pauses = 0;
    EXPECT_EQ(spin.sees([&] { return there; }), there);
    return pauses;
  };
  EXPECT_EQ(looks(false), 64);
  EXPECT_EQ(looks(false), 32);
  for (int i = 0; i < 10; ++i) looks(false);
  EXPECT_EQ(looks(false), 4);  // no less than a sixteenth
  EXPECT_EQ(looks(true), 1);
  EXPECT_EQ(looks(true), 1);
  EXPECT_EQ(looks(false), 16);
}

TEST_F(SpinRules, LooksFullyAfterNewsThatAFullLookWouldHaveSeen) {
  BasicSpinning<Counted> spinning(64, 1, 1000);
  BasicSpin<Counted> spin(&spinning);
  const auto looks = [&] {
    pauses = 0;
    EXPECT_FALSE(spin.sees([] { return false; }));
    return pauses;
  };
  for (int i = 0; i < 3; ++i) looks();
  EXPECT_EQ(looks(), 8);
  now += 2001;
  spin.woke();
  EXPECT_EQ(looks(), 4);
  now += 2000;
  spin.woke();
  EXPECT_EQ(looks(), 64);
}

TEST_F(SpinRules, DoesWithoutLooksForAWhileWhereOthersTookTheCoreAndLongerEachTime) {
  BasicSpinning<Counted> spinning(64, 1, 1000);
  BasicSpin<Counted> spin(&spinning);
  const auto waits_without = [&] {
    int n = 0;
    for (pauses = 0; !spin.sees([] { return false; }) && pauses == 0; ++n) {}
    return n;
  };
  EXPECT_EQ(waits_without(), 0);
  preempted = 1;
  EXPECT_EQ(waits_without(), 0);  // it is seen after the look
  preempted = 5;
  EXPECT_EQ(waits_without(), 16);
  EXPECT_EQ(waits_without(), 64);
  EXPECT_EQ(waits_without(), 0);
  EXPECT_EQ(waits_without(), 0);
  preempted = 6;
  EXPECT_EQ(waits_without(), 0);
  EXPECT_EQ(waits_without(), 32);  // of 256, halved by each look that nobody disturbed
}

TEST_F(SpinRules, OnlySoManyLookAtOnce) {
  BasicSpinning<Counted> spinning(8, 1);
  BasicSpin<Counted> outer(&spinning), inner(&spinning);
  EXPECT_FALSE(outer.sees([&] {
    EXPECT_FALSE(inner.sees([] { return true; }));  // it may not look at all
    return false;
  }));
  EXPECT_TRUE(inner.sees([] { return true; }));
}

TEST_F(SpinRules, WithoutPausesNobodyLooks) {
  BasicSpinning<Counted> spinning(0, 1);
  BasicSpin<Counted> spin(&spinning), none(nullptr);
  EXPECT_FALSE(spin.sees([] { return true; }));
  EXPECT_FALSE(none.sees([] { return true; }));
}

}  // namespace
}  // namespace yard
