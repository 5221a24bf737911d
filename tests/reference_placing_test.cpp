// The reference held against arithmetic done by hand (reference_yard.h): where a request goes, and when it is bound.
#include <gtest/gtest.h>

#include "tests/reference_yard.h"

namespace yard {
namespace {

using reference::cancelled, reference::devices, reference::limited, reference::request, reference::rows,
    reference::story;
using reference::Request;
using reference::Yard;

// ---- binding and scorers -------------------------------------------------------------------------------------------

TEST(Reference, BoundInRoomARequestWaitsUnboundForTheFirstDeviceWithRoom) {
  Yard yard;
  yard.options.bind = "room";
  yard.options.scorer = "least_loaded";
  yard.pool().devices = 2;
  yard.pool().max_sequences = 1;
  // A goes to 0, B to 1, C waits. B ends at 11, C follows it there; A ends at 21.
  const auto endings = yard.run({request(0, 0, 1, 2), request(1, 0, 1, 1), request(2, 0, 1, 1)});
  EXPECT_EQ(devices(endings), (std::vector<std::uint32_t>{0, 1, 1}));
  EXPECT_EQ(rows(endings), (std::vector<std::uint32_t>{1, 0, 2}));
  EXPECT_EQ(story(endings[2]), "done: admit 11 first 22 last 22 finish 22, 1 tokens");
}

TEST(Reference, BoundInRoomADeviceTakesAsManyAsItRunsAtOnce) {
  Yard yard;
  yard.options.bind = "room";
  yard.pool().max_sequences = 2;
  // A and B read: 12 + 2. A ends at 14 and makes room for C: B decodes, C reads: 12 + 1.
  const auto endings = yard.run({request(0, 0, 1, 1), request(1, 0, 1, 2), request(2, 0, 1, 1)});
  EXPECT_EQ(story(endings[0]), "done: admit 0 first 14 last 14 finish 14, 1 tokens");
  EXPECT_EQ(story(endings[1]), "done: admit 0 first 14 last 27 finish 27, 2 tokens");
  EXPECT_EQ(story(endings[2]), "done: admit 14 first 27 last 27 finish 27, 1 tokens");
  // Until then C is bound to nothing.
  const auto early = yard.run({request(0, 0, 1, 1), request(1, 0, 1, 2), cancelled(request(2, 0, 1, 1), 13)});
  EXPECT_EQ(story(early[0]), "cancelled: admit - first - last - finish 13, 0 tokens");
  EXPECT_FALSE(early[0].device.some());
}

TEST(Reference, RoomCountsAllThatTheLineAndOpenPrefillsHaveToRead) {
  Yard yard;
  yard.options.bind = "room";
  yard.pool().kv_blocks = Blocks(10);
  yard.pool().max_context = Tokens(11);
  yard.pool().token_budget = Tokens(4);
  // A leases 4 blocks for its first chunk and has 6 to read: there is room for 4 more, not for 5; and B's 4, in the
  // line and holding nothing yet, leave none for C's 1.
  const auto who_is_bound = [&](int prompt) {
    return devices(
        yard.run({request(0, 0, 6, 1), cancelled(request(1, 1, prompt, 1), 3), cancelled(request(2, 2, 1, 1), 3)}));
  };
  EXPECT_EQ(who_is_bound(4), (std::vector<std::uint32_t>{0, 0, DeviceId::kNone}));
  EXPECT_EQ(who_is_bound(3), (std::vector<std::uint32_t>{0, 0, 0}));
  // B's 5 find no room, and C, for which there is, does not overtake it.
  EXPECT_EQ(who_is_bound(5), (std::vector<std::uint32_t>{0, DeviceId::kNone, DeviceId::kNone}));
}

TEST(Reference, BoundInRoomAnUnboundRequestCanBeShedAndCancelledAndHasNoDevice) {
  Yard yard;
  yard.options.bind = "room";
  yard.pool().max_sequences = 1;
  yard.fleet.classes[0].patience = nanoseconds(20);
  const auto endings = yard.run({request(0, 0, 1, 5), request(1, 2, 1, 1), cancelled(request(2, 3, 1, 1), 7)});
  EXPECT_EQ(story(endings[0]), "cancelled: admit - first - last - finish 7, 0 tokens");
  EXPECT_EQ(story(endings[1]), "rejected: admit - first - last - finish 22, 0 tokens");
  EXPECT_FALSE(endings[0].device.some());
  EXPECT_FALSE(endings[1].device.some());
}

TEST(Reference, RoomCountsWhatTheFirstStepOfARunLeases) {
  Yard yard;
  yard.set_cost(10'100, 12'000, 1000, 0);
  yard.options.bind = "room";
  yard.pool().kv_blocks = Blocks(10);
  yard.pool().max_context = Tokens(11);
  // A reads 2 until 13 and decodes 7 more, leasing 9 blocks; the first step leases 3. For B's 7 there is room at 30:
  // it joins the line and cuts the run at 34; A has 3 and 5 to go: 50.5, at 85. (At 34 A holds 5 of 10.)
  const auto fits = yard.run({request(0, 0, 2, 8), request(1, 30, 7, 1)});
  EXPECT_EQ(story(fits[0]), "done: admit 0 first 13 last 85 finish 85, 8 tokens");
  EXPECT_EQ(story(fits[1]), "done: admit 85 first 103 last 103 finish 103, 1 tokens");  // 10.1 + 7
  // For 8 there is none before A has ended: 70.7, at 84.
  const auto does_not = yard.run({request(0, 0, 2, 8), request(1, 30, 8, 1)});
  EXPECT_EQ(story(does_not[0]), "done: admit 0 first 13 last 84 finish 84, 8 tokens");
}

TEST(Reference, RoundRobinPassesOverThoseThatCannotAndStandsBehindItsChoice) {
  Yard yard;
  yard.pool().devices = 2;
  yard.add_pool({10'000, 12'000, 20'000}, 1000);
  yard.pool().max_context = Tokens(10);  // devices 0 and 1 hold 10 tokens, device 2 holds 1001
  const auto endings = yard.run({request(0, 0, 1, 1), request(1, 0, 50, 1), request(2, 0, 50, 1), request(3, 0, 1, 1),
                                 request(4, 0, 1, 1), request(5, 0, 1, 1)});
  EXPECT_EQ(devices(endings), (std::vector<std::uint32_t>{0, 2, 2, 0, 1, 2}));
}

TEST(Reference, LeastLoadedCountsWaitingAndRunning) {
  Yard yard;
  yard.options.scorer = "least_loaded";
  yard.pool().devices = 3;
  yard.pool().max_sequences = 1;
  // 0, 1, 2 in turn, then 0 with one in its line; the second ends at 11, the others at 21 or later: 1 at 12.
  const auto endings = yard.run(
      {request(0, 0, 1, 3), request(1, 0, 1, 1), request(2, 0, 1, 2), request(3, 0, 1, 1), request(4, 12, 1, 1)});
  EXPECT_EQ(devices(endings), (std::vector<std::uint32_t>{0, 1, 2, 0, 1}));
}

TEST(Reference, RandomScorersDrawAsThePageSays) {
  Yard yard;
  yard.pool().devices = 4;
  yard.options.seed = 42;
  std::vector<Request> requests;
  for (std::uint32_t row = 0; row < 20; ++row) requests.push_back(request(row, row * 1000, 1, 1));  // each alone
  std::vector<std::uint32_t> random, power_of_two;
  Rng one(42), two(42);
  for (std::uint32_t row = 0; row < 20; ++row) {
    random.push_back(static_cast<std::uint32_t>(one.below(4)));
    const std::uint64_t i = two.below(4);
    std::uint64_t j = two.below(3);
    if (j >= i) ++j;
    power_of_two.push_back(static_cast<std::uint32_t>(std::min(i, j)));  // all idle: a tie
  }
  yard.options.scorer = "random";
  EXPECT_EQ(devices(yard.run(requests)), random);
  yard.options.scorer = "power_of_two";
  EXPECT_EQ(devices(yard.run(requests)), power_of_two);
}

TEST(Reference, ExpectedCostWeighsTheWaitOfAFullDevice) {
  Yard yard;
  yard.options.scorer = "expected_seconds";
  yard.add_pool({29'000, 29'000, 29'000}, 1000);
  yard.fleet.pools[0].max_sequences = yard.fleet.pools[1].max_sequences = 1;
  // o = 256, p = 1. First request: device 0: first 1000 + 10000, cost 22000 + 2560000; device 1: 60000 + 7424000.
  // Second: device 0 (w = 1, Q = 1): over 1, wait 2560000, first 2000 + 10000 + wait = 2572000, cost 7704000;
  // device 1 as before 7484000: less.
  EXPECT_EQ(devices(yard.run({request(0, 0, 1, 1), request(1, 0, 1, 1)})), (std::vector<std::uint32_t>{0, 1}));
  // Asked for one token, o = 1. Device 0: first 2000 + 10000 + 10000, cost 54000; device 1: 60000 + 29000.
  EXPECT_EQ(devices(yard.run({limited(request(0, 0, 1, 1), 1), limited(request(1, 0, 1, 1), 1)})),
            (std::vector<std::uint32_t>{0, 0}));
}

TEST(Reference, PowerOfTwoTakesTheLessLoadedOfTwoDifferentOnes) {
  Yard yard;
  yard.options.scorer = "power_of_two";
  yard.fleet.regions = {"a", "b", "c", "d"};
  while (yard.fleet.pools.size() < 4) yard.add_pool({10'000, 12'000, 20'000}, 1000);
  std::vector<Request> requests;
  for (std::uint32_t d = 0; d < 4; ++d) {
    yard.fleet.pools[d].region = RegionId{d};
    for (std::uint32_t n = d; n < 3; ++n) {  // 3, 2, 1 and none, each with one place to go, so that nothing is drawn
      requests.push_back(request(static_cast<std::uint32_t>(requests.size()), 0, 1, 100));
      requests.back().regions = RegionMask{std::uint64_t{1} << d};
    }
  }
  requests.push_back(request(6, 0, 1, 1));
  for (Seed seed = 0; seed < 30; ++seed) {
    yard.options.seed = seed;
    Rng rng(seed);
    const std::uint64_t i = rng.below(4), j = rng.below(3);
    EXPECT_EQ(devices(yard.run(requests))[6], std::max(i, j >= i ? j + 1 : j)) << "seed " << seed;
  }
}

// Device 1, idle and without c1 and c2, costs (2 + o) * c0: a pair of scales for what device 0 costs. Both with o = 2.
class Scales {
 public:
  explicit Scales(std::int64_t c0) {
    yard_.options.scorer = "expected_seconds";
    yard_.fleet.regions = {"loaded", "idle"};
    yard_.set_cost(10'000, 12'000, 1000, 100);
    yard_.pool().max_sequences = 2;
    yard_.pool().token_budget = Tokens(7);
    yard_.pool().kv_blocks = Blocks(20);
    yard_.pool().max_context = Tokens(21);
    yard_.add_pool({c0, c0, c0}, 0);
    yard_.fleet.pools[1].region = RegionId{1};
  }

  // Where a request of 4 tokens goes that arrives at `at`, after those that had to go to device 0.
  std::uint32_t choice(std::vector<Request> loads, std::int64_t at) const {
    for (Request& r : loads) r.regions = RegionMask{1};
    const auto row = static_cast<std::uint32_t>(loads.size());
    loads.push_back(limited(request(row, at, 4, 1), 2));
    return devices(yard_.run(loads))[row];
  }

 private:
  Yard yard_;
};

TEST(Reference, ExpectedCostOfADeviceThatReads) {
  // At 5 device 0 reads 7 of 10 tokens: n = 1, Q = 3, K = 0. tpot = 12000 + 100 * (4 + 1) = 12500;
  // first = 1000 * 7 + 1 * 12000 = 19000; last = 19000 + 2 * 12500; in all 63000 = 4 * 15750.
  const std::vector<Request> loads = {request(0, 0, 10, 5)};
  EXPECT_EQ(Scales(15'750).choice(loads, 5), 0u);  // a tie
  EXPECT_EQ(Scales(15'749).choice(loads, 5), 1u);
}

TEST(Reference, ExpectedCostOfADeviceThatIsFull) {
  // 0-17: 7 of 10 tokens; 17-30: the other 3. At 20, with 3 and 9 tokens in the line since 19: n = 1, w = 2, Q = 12,
  // K = 7, W = 12. tpot = 12000 + 100 * (7 + 12 + 4 + 1) = 14400, 28800 for both; over = 2, excess = 3;
  // wait = 2 * (28800 / 2) + 3 * (28800 / 20) = 33120; first = 1000 * 16 + 3 * (12000 + 700) + 33120 = 87220;
  // last = 116020; in all 203240 = 4 * 50810.
  const std::vector<Request> loads = {request(0, 0, 10, 5), request(1, 19, 3, 1), request(2, 19, 9, 1)};
  EXPECT_EQ(Scales(50'810).choice(loads, 20), 0u);
  EXPECT_EQ(Scales(50'809).choice(loads, 20), 1u);
}

TEST(Reference, ExpectedCostLearnsFromAnswersThatAreDone) {
  const auto second_choice = [](int prompt) {
    Yard yard;
    yard.costs.rows.clear();
    yard.fleet.pools.clear();
    yard.options.scorer = "expected_seconds";
    yard.add_pool({11'000, 11'000, 11'000}, 0);
    yard.add_pool({10'000, 10'000, 10'000}, 1000);
    return devices(yard.run({request(0, 0, prompt, 1), request(1, 100'000, prompt, 1)}));
  };
  // Device 0 costs 22000 + 11000 o, device 1 costs 20000 + 2000 p + 10000 o: 0 is dearer while 2 + o > 2 p.
  // o starts at 256; an answer of one token: m = 65536 + (256 - 65536) / 64 = 64516, o = 252.
  EXPECT_EQ(second_choice(126), (std::vector<std::uint32_t>{1, 1}));
  EXPECT_EQ(second_choice(127), (std::vector<std::uint32_t>{1, 0}));
  EXPECT_EQ(second_choice(128), (std::vector<std::uint32_t>{1, 0}));
  EXPECT_EQ(second_choice(129), (std::vector<std::uint32_t>{0, 0}));
}

}  // namespace
}  // namespace yard
