// A steal, event by event: what a shard offers, asks back and gives away, and what it looks at and takes.
#include <gtest/gtest.h>

#include <string>

#include "tests/builders.h"

namespace yard {
namespace {

using builders::Given;
using builders::PoolSpec;
using builders::Said;
using builders::Scene;

constexpr std::int64_t kMs = 1'000'000;

// A device that reads a token in 1 ms, all of a prompt in one step, `most` sequences at a time; TTFT is promised within
// 20 ms, and half of that may be waited. Shard 0 of three, the first of the others 1 us away, the second 2 us.
Given shard(const char* scorer = "least_loaded", const char* bind = "arrival", std::uint32_t most = 1) {
  Given given;
  given.policy(scorer, "fcfs", bind);
  given.pool(PoolSpec{.max_sequences = most, .c0 = 1'000'000, .c1 = 1'000'000'000});
  given.fleet.classes[0].ttft = milliseconds(20);
  StealView& steal = given.fleet.steal;
  steal.self = ShardId{0};
  steal.distance = {Duration(), microseconds(1), microseconds(2)};
  steal.stands = milliseconds(50), steal.least_gain = milliseconds(5);
  steal.worth_permille = 1'000'000;  // by time alone
  return given;
}

Submitted facts(std::int32_t prompt = 10, std::int64_t arrival = 0) {
  return {.request = {},
          .model = ModelId{0},
          .tenant = TenantId{0},
          .slo = SloClassId{0},
          .prompt = Tokens(prompt),
          .max_output = Tokens(5),
          .regions = {},
          .arrival = Time(arrival)};
}

// ---- the victim -----------------------------------------------------------------------------------------------------

// Two that wait behind a third: the last is offered.
struct Victim : Scene {
  explicit Victim(const Given& given = shard()) : Scene(given) {
    submit({.prompt = 6});
    EXPECT_EQ(poll().order, "L");
    submit({.prompt = 11});
    EXPECT_EQ(poll().order, "") << "nobody is to be read before it";
    third = submit({.prompt = 6});
    said = poll();
  }
  SequenceId sequence() const { return said.shelves.at(0).sequence; }
  RequestId third;
  Said said;
};

TEST(Victim, OffersWhatIsExpectedToWaitTooLong) {
  Victim s;
  ASSERT_EQ(s.said.order, "S");
  const Shelve& offer = s.said.shelves[0];
  EXPECT_EQ(offer.request, s.third);
  EXPECT_EQ(offer.tokens, Tokens(6));
  EXPECT_GE(offer.there, Time(10 * kMs));
  EXPECT_EQ(s.ledger().offered, 1u);
}

// 1 ms a token: behind one of 10 the second is to be read 12 ms after it came, and promised at 20 ms from there.
TEST(Victim, OffersThatWithTheMostAtStakeFirst) {
  Given given = shard();
  given.fleet.steal.worth_permille = 10, given.fleet.steal.offer_permille = 1'000'000;
  Scene s(given);
  std::vector<Shelve> offers;
  for (int i = 0; i < 6; ++i) {
    s.submit({.prompt = 4});
    for (const Shelve& offer : s.poll().shelves) offers.push_back(offer);
  }
  ASSERT_GE(offers.size(), 2u);
  EXPECT_LT(offers.size(), 6u) << "the first has the device to itself";
  for (std::size_t i = 0; i < offers.size(); ++i) {
    EXPECT_GE(offers[i].at_stake, kOnePromise / 100);
    EXPECT_NE(offers[i].there, Time::never());
    if (i > 0) EXPECT_GT(offers[i].at_stake, offers[i - 1].at_stake) << "each waits for one more";
    if (i > 0) EXPECT_LT(offers[i].order, offers[i - 1].order);
  }
}

// Little is at stake and it waits for little, as far as anybody knows; but the run before it does not end.
TEST(Victim, OffersWhatIsOverdue) {
  Given given = shard();
  given.fleet.steal.offer_permille = 1000;
  Scene s(given);
  s.submit({.prompt = 6});
  EXPECT_EQ(s.poll().order, "L");
  const RequestId second = s.submit({.prompt = 6});
  EXPECT_EQ(s.poll().order, "");
  const Time due = s.core().next_wakeup();
  EXPECT_GT(due, Time(26 * kMs)) << "its first token is expected in 7 ms or more, and promised in 20";
  EXPECT_LT(due, Time(40 * kMs));
  EXPECT_EQ(s.poll_at(due.ns() - 1).order, "");
  const Said late = s.poll_at(due.ns());
  ASSERT_EQ(late.order, "S");
  EXPECT_EQ(late.shelves[0].request, second);
  EXPECT_LT(late.shelves[0].there, due);
  EXPECT_EQ(s.core().next_wakeup(), Time::never()) << "once";
}

TEST(Victim, DoesNotOfferWhatBeganOrIsGone) {
  for (const bool cancels : {false, true}) {
    Given given = shard();
    given.fleet.steal.offer_permille = 1000;
    Scene s(given);
    s.submit({.prompt = 6});
    const RequestId second = s.submit({.prompt = 6});
    s.poll();
    cancels ? s.cancel(second) : (void)s.step(0, {.stop = {s.open_run(0).slots[0].request}});
    s.poll();
    EXPECT_EQ(s.core().next_wakeup(), Time::never());
  }
}

TEST(Victim, AloneOffersNothing) {
  Given given = shard();
  given.fleet.steal = {};
  EXPECT_EQ(Victim(given).said.order, "");
}

TEST(Victim, AsksBackBeforeItBegins) {
  Victim s;
  EXPECT_EQ(s.step(0, {.stop = {s.open_run(0).slots[0].request}}).order, "FL") << "the second is not on the shelf";
  const Said asked = s.step(0, {.stop = {s.open_run(0).slots[0].request}});
  EXPECT_EQ(asked.order, "FU");
  EXPECT_TRUE(s.poll().empty()) << "it is asked for";
  s.tell(Unshelved{s.sequence(), false});
  const Said said = s.poll();
  ASSERT_EQ(said.order, "L");
  EXPECT_EQ(said.launches[0].slots[0].request, s.third);
}

TEST(Victim, WhatIsGoneIsNotBegun) {
  Victim s;
  s.step(0, {.stop = {s.open_run(0).slots[0].request}});
  s.step(0, {.stop = {s.open_run(0).slots[0].request}});
  s.tell(Unshelved{s.sequence(), true});
  EXPECT_TRUE(s.poll().empty());
  s.tell(Taken{s.sequence(), ShardId{2}});
  EXPECT_TRUE(s.poll().empty()) << "who took it says what became of it";
  EXPECT_EQ(s.ledger().given, 1u);
  EXPECT_EQ(s.ledger().in_flight, 0u);
}

TEST(Victim, WhatWasTakenIsCancelledWhereItIs) {
  Victim s;
  s.tell(Taken{s.sequence(), ShardId{2}});
  EXPECT_TRUE(s.poll().empty());
  EXPECT_EQ(s.ledger().given, 1u);
  s.cancel(s.third);
  const Said said = s.poll();
  ASSERT_EQ(said.order, "P");
  EXPECT_EQ(said.passed_on[0].request, s.third);
  EXPECT_EQ(said.passed_on[0].thief, ShardId{2});
  EXPECT_EQ(s.ledger().late_cancels, 0u);
}

TEST(Victim, ACancelOfWhatIsOnTheShelfAsksItBack) {
  Victim s;
  s.cancel(s.third);
  EXPECT_EQ(s.poll().order, "U");
  s.tell(Unshelved{s.sequence(), false});
  const Said said = s.poll();
  ASSERT_EQ(said.order, "F");
  EXPECT_EQ(said.finishes[0].outcome, Outcome::cancelled);
}

TEST(Victim, ACancelThatComesTooLateIsSentAfterIt) {
  Victim s;
  s.cancel(s.third);
  EXPECT_EQ(s.poll().order, "U");
  s.tell(Unshelved{s.sequence(), true});
  EXPECT_TRUE(s.poll().empty());
  s.tell(Taken{s.sequence(), ShardId{1}});
  EXPECT_EQ(s.poll().order, "P");
  EXPECT_EQ(s.ledger().given, 1u);
  EXPECT_EQ(s.ledger().of(Outcome::cancelled), 0u);
}

TEST(Victim, ALateCancelOfWhatWasNeverTakenGoesNowhere) {
  Victim s;
  for (const std::uint32_t generation : {0u, 1u}) s.tell(CancelAsked{{9, generation}});
  EXPECT_TRUE(s.poll().empty());
  EXPECT_EQ(s.ledger().late_cancels, 2u);
}

TEST(Victim, WhatFindsNoRoomOnTheShelfWaitsAsBefore) {
  Victim s;
  s.tell(Unshelved{s.sequence(), false});
  EXPECT_TRUE(s.poll().empty());
  s.step(0, {.stop = {s.open_run(0).slots[0].request}});
  EXPECT_EQ(s.step(0, {.stop = {s.open_run(0).slots[0].request}}).order, "FL") << "nobody is to be asked";
}

TEST(Victim, WhoseDeviceGoesIsAskedBackBeforeItFails) {
  Victim s;
  s.change(0, DeviceState::down);
  EXPECT_EQ(s.poll().order.find('U') != std::string::npos, true);
  s.tell(Unshelved{s.sequence(), false});
  const Said said = s.poll();
  ASSERT_EQ(said.order, "F");
  EXPECT_EQ(said.finishes[0].why, Reason::device_lost);
}

TEST(Victim, WhatWaitsForADeviceThatGoesIsOfferedBeforeItFails) {
  Scene s(shard());
  s.submit({.prompt = 6});
  EXPECT_EQ(s.poll().order, "L");
  const RequestId second = s.submit({.prompt = 6});
  EXPECT_EQ(s.poll().order, "");
  s.change(0, DeviceState::down);
  const Said lost = s.poll();
  ASSERT_EQ(lost.shelves.size(), 1u) << lost.order;
  EXPECT_EQ(lost.shelves[0].request, second);
  EXPECT_EQ(lost.shelves[0].there, Time::never());
  EXPECT_EQ(s.poll_at(50 * kMs).order, "U");
  s.tell(Unshelved{lost.shelves[0].sequence, false});
  const Said end = s.poll();
  ASSERT_EQ(end.order, "F");
  EXPECT_EQ(end.finishes[0].why, Reason::device_lost);
}

// Refused by its scorer it stands on the shelf for 50 ms, and is refused then.
TEST(Victim, OffersBeforeItRefuses) {
  Given given = shard("expected_cost");
  given.fleet.classes[0].ttft = given.fleet.classes[0].tpot = nanoseconds(1);
  Scene s(given);
  s.submit();
  const Said said = s.poll();
  ASSERT_EQ(said.order, "S");
  EXPECT_EQ(said.shelves[0].there, Time::never());
  EXPECT_EQ(s.core().next_wakeup(), Time(50 * kMs));
  EXPECT_EQ(s.poll_at(50 * kMs).order, "U");
  s.tell(Unshelved{said.shelves[0].sequence, false});
  const Said end = s.poll();
  ASSERT_EQ(end.order, "F");
  EXPECT_EQ(end.finishes[0].why, Reason::overloaded);
}

TEST(Victim, SeveralAnswersStay) {
  Scene s(shard());
  for (const std::uint32_t answers : {1u, 1u, 2u}) {
    s.submit({.prompt = 12, .answers = answers});
    EXPECT_EQ(s.poll().shelves.size(), 0u);
  }
  s.submit({.prompt = 12});
  EXPECT_EQ(s.poll().shelves.size(), 1u);
}

TEST(Victim, WhoHoldsALeaseOnAQuotaStays) {
  Given given = shard();
  given.fleet.tenants[0].tokens = {.per_s_thousandths = 1'000'000, .burst = 1'000'000};
  EXPECT_EQ(Victim(given).said.order, "");
}

TEST(Victim, UnderBindRoomOffersTheFirstOfItsQueue) {
  Scene s(shard("least_loaded", "room"));
  for (int i = 0; i < 3; ++i) s.submit({.prompt = 5});
  const Said said = s.poll();
  EXPECT_EQ(said.shelves.size(), 1u) << said.order;
}

// ---- the thief ------------------------------------------------------------------------------------------------------

TEST(Thief, LooksPricesAndTakes) {
  Scene s(shard());
  s.at(3 * kMs);
  s.tell(ShelfFilled{ShardId{1}});
  EXPECT_EQ(s.poll().order, "K");
  EXPECT_TRUE(s.poll().empty()) << "one at a time";
  s.tell(OfferSeen{ShardId{1}, Time(30 * kMs), facts(10)});
  s.tell(OffersSeen{ShardId{1}, 1});
  const Said said = s.poll();
  ASSERT_EQ(said.order, "T");
  EXPECT_EQ(said.takes[0].offers, 1u);
  EXPECT_EQ(said.takes[0].victim, ShardId{1});
  Submitted handed = facts(10);
  handed.request = {7, 1};
  s.tell(Handed{ShardId{1}, handed});
  s.tell(TakeEnded{ShardId{1}, TakeOutcome::taken});
  const Said run = s.poll();
  EXPECT_EQ(run.order, "L") << "and it takes nobody more";
  EXPECT_EQ(run.launches[0].slots[0].request, handed.request);
  EXPECT_EQ(s.ledger().taken, 1u);
  EXPECT_EQ(s.ledger().submitted, 0u);
  EXPECT_TRUE(s.ledger().balances());
}

// 10 ms of reading: first token at 13 ms, and 5 ms must be gained.
TEST(Thief, TakesOnlyWhatItStartsSooner) {
  const auto takes = [](std::int64_t there_ms) {
    Scene s(shard());
    s.at(3 * kMs);
    s.tell(ShelfFilled{ShardId{1}});
    s.poll();
    s.tell(OfferSeen{ShardId{1}, Time(there_ms * kMs), facts(10)});
    s.tell(OffersSeen{ShardId{1}, 1});
    return s.poll().order;
  };
  EXPECT_EQ(takes(17), "");
  EXPECT_EQ(takes(19), "T");
}

// What is at stake here is what a fresh shard's promise costs; however soon it would be read at home.
TEST(Thief, TakesWhereLessIsAtStake) {
  const auto takes = [](std::int64_t there_ms, std::int64_t at_stake) {
    Given given = shard();
    given.fleet.steal.worth_permille = 10;
    Scene s(given);
    s.at(3 * kMs);
    s.tell(ShelfFilled{ShardId{1}});
    s.poll();
    s.tell(OfferSeen{ShardId{1}, Time(there_ms * kMs), facts(10), at_stake});
    s.tell(OffersSeen{ShardId{1}, 1});
    return s.poll().order;
  };
  EXPECT_EQ(takes(4, kOnePromise), "T");
  EXPECT_EQ(takes(4, 0), "");
  std::int64_t low = 0, high = kOnePromise;  // from where on
  while (high - low > 1) (takes(4, (low + high) / 2) == "T" ? high : low) = (low + high) / 2;
  const std::int64_t here = high - kOnePromise / 100;
  EXPECT_GT(here, 0) << "13 ms of the 20 that are promised";
  EXPECT_EQ(takes(60, here - 1), "") << "much sooner, but a promise would be in greater danger";
  EXPECT_EQ(takes(60, here), "T") << "sooner, and nothing more is at stake";
  EXPECT_EQ(takes(14, here), "") << "nor is it sooner";
}

// Overdue by 25 ms at home it is expected to be so again: a token of its own is 10 ms away here.
TEST(Thief, TakesWhatIsLaterThanWasExpected) {
  const auto takes = [](std::int64_t there_ms) {
    Scene s(shard());
    s.at(100 * kMs);
    s.tell(ShelfFilled{ShardId{1}});
    s.poll();
    s.tell(OfferSeen{ShardId{1}, Time(there_ms * kMs), facts(10)});
    s.tell(OffersSeen{ShardId{1}, 1});
    return s.poll().order;
  };
  EXPECT_EQ(takes(75), "T");
  EXPECT_EQ(takes(95), "");
}

TEST(Thief, LooksAgainWhereItWantedNothing) {
  Scene s(shard());
  s.tell(ShelfFilled{ShardId{1}});
  s.poll();
  s.tell(OfferSeen{ShardId{1}, Time(kMs), facts(10)});
  s.tell(OffersSeen{ShardId{1}, 1});
  EXPECT_TRUE(s.poll().empty());
  EXPECT_EQ(s.core().next_wakeup(), Time(20 * kMs));
  EXPECT_EQ(s.poll_at(20 * kMs).order, "K");
  s.tell(OffersSeen{ShardId{1}, 0});
  EXPECT_TRUE(s.poll().empty());
  EXPECT_EQ(s.core().next_wakeup(), Time::never()) << "its shelf is empty";
}

TEST(Thief, LooksAtTheNearestFirst) {
  Scene s(shard());
  s.tell(ShelfFilled{ShardId{2}});
  s.tell(ShelfFilled{ShardId{1}});
  Said said = s.poll();
  EXPECT_EQ(said.order, "K");
  s.tell(OffersSeen{ShardId{1}, 0});
  EXPECT_EQ(s.poll().order, "K");
  s.tell(OffersSeen{ShardId{2}, 0});
  EXPECT_TRUE(s.poll().empty());
}

// Two levels: 2 and 4 are near, 0, 3 and 5 are far.
TEST(Thief, LooksLevelByLevelAndBehindItselfFirst) {
  Given given = shard();
  StealView& steal = given.fleet.steal;
  steal.self = ShardId{1};
  steal.distance = {microseconds(5), Duration(), microseconds(1), microseconds(5), microseconds(1), microseconds(5)};
  Scene s(given);
  for (const std::uint32_t v : {0u, 3u, 4u, 5u, 2u}) s.tell(ShelfFilled{ShardId{v}});
  std::vector<std::uint32_t> order;
  for (int i = 0; i < 5; ++i) {
    const Said said = s.poll();
    ASSERT_EQ(said.order, "K");
    order.push_back(said.looks[0].victim.value);
    s.tell(OffersSeen{said.looks[0].victim, 0});
  }
  EXPECT_EQ(order, (std::vector<std::uint32_t>{2, 4, 3, 5, 0}));
}

TEST(Thief, LostLooksAgain) {
  Scene s(shard());
  s.tell(ShelfFilled{ShardId{1}});
  s.poll();
  s.tell(OfferSeen{ShardId{1}, Time::never(), facts(10)});
  s.tell(OffersSeen{ShardId{1}, 1});
  EXPECT_EQ(s.poll().order, "T");
  s.tell(TakeEnded{ShardId{1}, TakeOutcome::lost});
  EXPECT_EQ(s.poll().order, "K");
  EXPECT_EQ(s.ledger().takes_lost, 1u);
}

// Of time that is scarce here tell those that come here: who is late elsewhere is asked about by everybody, and often.
TEST(Thief, WhatItLooksAtMakesItsTimeNoScarcer) {
  for (const int looks : {0, 100}) {
    Given given = shard("expected_cost", "arrival", 8);
    Scene s(given);
    s.submit({.prompt = 10});
    s.poll();
    s.at(500 * kMs);
    s.tell(ShelfFilled{ShardId{1}});
    EXPECT_EQ(s.poll().order, "K");
    for (int i = 0; i < looks; ++i) {
      for (int k = 0; k < 8; ++k) s.tell(OfferSeen{ShardId{1}, Time((501 + 20 * i) * kMs), facts(10)});
      s.tell(OffersSeen{ShardId{1}, 8});
      EXPECT_EQ(s.poll_at((500 + 20 * (i + 1)) * kMs).order, "K") << i;
    }
    s.submit({.prompt = 10});
    EXPECT_TRUE(s.poll().shelves.empty()) << "who comes in time is served, after " << looks << " looks";
  }
}

TEST(Thief, TakesNothingThatItMayNotHave) {
  const auto takes = [](auto change) {
    Given given = shard();
    given.fleet.pools[0].region = RegionId{1};
    Scene s(given);
    s.tell(ShelfFilled{ShardId{1}});
    s.poll();
    Submitted asked = facts(10);
    change(asked);
    s.tell(OfferSeen{ShardId{1}, Time::never(), asked});
    s.tell(OffersSeen{ShardId{1}, 1});
    return s.poll().order;
  };
  EXPECT_EQ(takes([](Submitted&) {}), "T");
  EXPECT_EQ(takes([](Submitted& s) { s.regions.bits = 1; }), "") << "region 0 only";
  EXPECT_EQ(takes([](Submitted& s) { s.model = ModelId{1}; }), "") << "nobody serves it here";
  EXPECT_EQ(takes([](Submitted& s) { s.prompt = Tokens(5000); }), "") << "too long";
}

// Only the leading ones can be had, and a second one only while there is a second device without any work.
TEST(Thief, TakesAsManyAsItHasVacantDevices) {
  for (const std::uint32_t devices : {1u, 2u, 3u}) {
    Given given = shard();
    given.fleet.pools[0].devices = devices;
    Scene s(given);
    s.tell(ShelfFilled{ShardId{1}});
    s.poll();
    for (int i = 0; i < 3; ++i) s.tell(OfferSeen{ShardId{1}, Time::never(), facts(10)});
    s.tell(OffersSeen{ShardId{1}, 6});
    const Said said = s.poll();
    ASSERT_EQ(said.order, "T");
    EXPECT_EQ(said.takes[0].offers, devices);
  }
}

TEST(Thief, WhatItTookGoesNoFurther) {
  Scene s(shard());
  s.tell(ShelfFilled{ShardId{1}});
  s.poll();
  s.tell(OfferSeen{ShardId{1}, Time::never(), facts(10)});
  s.tell(OffersSeen{ShardId{1}, 1});
  s.submit({.prompt = 12});
  ASSERT_EQ(s.poll().order, "LT");
  Submitted handed = facts(10);
  handed.request = {7, 1};
  s.tell(Handed{ShardId{1}, handed});
  s.tell(TakeEnded{ShardId{1}, TakeOutcome::taken});
  s.submit({.prompt = 12});
  const Said said = s.poll();
  ASSERT_EQ(said.shelves.size(), 1u) << said.order;
  EXPECT_NE(said.shelves[0].request, handed.request) << "the other one, behind it";
}

}  // namespace
}  // namespace yard
