// What one more hour of a device costs: contracts, and the shadow price of a commitment.
#include <gtest/gtest.h>

#include "scheduler/core/money.h"
#include "scheduler/policy/money_weight.h"
#include "tests/builders.h"

namespace yard {
namespace {

constexpr std::int64_t kDollar = 1'000'000'000;
Time at_s(std::int64_t s) { return Time(s * 1'000'000'000); }

// Two devices without a contract, then `n` devices of this one.
FleetView fleet_of(ContractView contract, std::uint32_t n) {
  builders::Given given;
  given.pool({.devices = 2}).pool({.devices = n});
  contract.pool = PoolId{1};
  contract.first_device = 2;
  contract.devices = n;
  contract.per_hour = NanoDollars(2 * kDollar);
  contract.on_demand = NanoDollars(3 * kDollar);
  given.fleet.contracts.push_back(contract);
  return given.fleet;
}
FleetView committed(std::int64_t window_s, std::int64_t committed_s, std::uint32_t n = 1) {
  return fleet_of(
      {.name = "c", .kind = ContractKind::committed, .window = seconds(window_s), .committed = seconds(committed_s)},
      n);
}
std::int64_t price_at(Money& money, Time now) {
  money.advance(now);
  return money.marginal_price()[2];
}

TEST(Money, WhatIsPaidWholeCostsNothingMore) {
  const FleetView fleet = fleet_of({.name = "r", .kind = ContractKind::reserved}, 1);
  Money money(fleet);
  EXPECT_EQ(money.marginal_price()[0], 0);
  EXPECT_EQ(money.marginal_price()[2], 0);
}

TEST(Money, OnDemandAndSpotCostTheirPrice) {
  for (const ContractKind kind : {ContractKind::on_demand, ContractKind::spot}) {
    const FleetView fleet = fleet_of({.name = "s", .kind = kind}, 1);
    Money money(fleet);
    EXPECT_EQ(money.marginal_price()[2], 2 * kDollar);
    EXPECT_EQ(money.marginal_price()[1], 0);
  }
}

TEST(Money, ACommitmentIsFreeWhileNoMoreIsUsedThanForecast) {
  const FleetView fleet = committed(100, 50);
  Money money(fleet);
  EXPECT_EQ(price_at(money, at_s(20)), 0);
  money.in_use(2, +1, at_s(20));
  EXPECT_EQ(price_at(money, at_s(40)), 0) << "20 s used, 20 s forecast";
}

TEST(Money, ItsShadowPriceRisesToTheOnDemandPriceOfWhatItDisplaces) {
  const FleetView fleet = committed(100, 50);
  Money money(fleet);
  money.in_use(2, +1, at_s(0));
  EXPECT_EQ(price_at(money, at_s(20)), 3 * kDollar * (20 - 10) / (50 - 10));
  EXPECT_EQ(price_at(money, at_s(40)), 3 * kDollar * (40 - 20) / (50 - 20));
  EXPECT_EQ(price_at(money, at_s(50)), 3 * kDollar);
  EXPECT_EQ(price_at(money, at_s(99)), 3 * kDollar);
}

TEST(Money, AWindowBeginsWithAllItsHours) {
  const FleetView fleet = committed(100, 50);
  Money money(fleet);
  money.in_use(2, +1, at_s(0));
  EXPECT_EQ(price_at(money, at_s(99)), 3 * kDollar);
  EXPECT_EQ(price_at(money, at_s(100)), 0);
  EXPECT_EQ(price_at(money, at_s(120)), 3 * kDollar * (20 - 10) / (50 - 10));
}

TEST(Money, ACommitmentToEveryHourIsNeverDear) {
  const FleetView fleet = committed(100, 100, 3);
  Money money(fleet);
  for (std::uint32_t d = 2; d < 5; ++d) money.in_use(d, +1, at_s(0));
  for (std::int64_t s = 0; s < 300; s += 7) EXPECT_EQ(price_at(money, at_s(s)), 0);
}

TEST(Money, PricesAreThoseOfTheLastWholeSecondHoweverOftenItIsAsked) {
  const FleetView fleet = committed(100, 50);
  Money seldom(fleet), often(fleet);
  for (Money* money : {&seldom, &often}) money->in_use(2, +1, at_s(0));
  for (std::int64_t ms = 0; ms < 30'700; ms += 100) often.advance(Time(ms * 1'000'000));
  seldom.advance(Time(30'700'000'000));
  EXPECT_EQ(seldom.marginal_price()[2], 3 * kDollar * (30 - 15) / (50 - 15));
  EXPECT_EQ(often.marginal_price()[2], seldom.marginal_price()[2]);
}

TEST(Money, UseIsCountedByWindowAndBeyondItsHours) {
  const FleetView fleet = committed(100, 50, 2);
  Money money(fleet);
  money.in_use(2, +1, at_s(0));
  money.in_use(3, +1, at_s(0));
  money.in_use(3, -1, at_s(30));  // 130 s in the first window, 100 of them paid; then one device for 350 s
  const ContractUse use = money.use(0, at_s(450));
  EXPECT_EQ(use.in_use, Wide{480} * 1'000'000'000);
  EXPECT_EQ(use.beyond, Wide{30} * 1'000'000'000);
}

TEST(Money, AScorerSeesThePriceOfEachDevice) {
  builders::Given given;
  given.pool({}).pool({}).policy("least_loaded");
  given.fleet.contracts.push_back({.name = "d",
                                   .kind = ContractKind::on_demand,
                                   .pool = PoolId{1},
                                   .first_device = 1,
                                   .devices = 1,
                                   .per_hour = NanoDollars(7)});
  static std::vector<std::int64_t> seen;
  given.policies.scorer = [](std::span<const std::uint32_t>, const DeviceColumns& devices, const FleetView&,
                             const CostTables&, const Ask&, PolicyState&) noexcept -> std::uint32_t {
    seen.assign(devices.marginal_price.begin(), devices.marginal_price.end());
    return 0;
  };
  builders::Scene s(given);
  s.submit();
  s.poll();
  EXPECT_EQ(seen, (std::vector<std::int64_t>{0, 7}));
}

TEST(Money, ABusySecondAtThreeDollarsAnHourWeighsAHundredthOfAMiss) {
  EXPECT_NEAR(policy::money_weight(3 * kDollar, 1'000'000'000), 655, 1);
  EXPECT_EQ(policy::money_weight(0, 1'000'000'000), 0);
}

// Two alike, the first of them on demand: what is paid anyway goes first, and both go before a promise is missed.
TEST(Money, ExpectedCostPrefersWhatIsPaidAnyway) {
  builders::Given given;
  given.pool({.c0 = 10'000'000'000}).pool({.c0 = 10'000'000'000}).policy("expected_cost");
  given.fleet.contracts.push_back({.name = "d",
                                   .kind = ContractKind::on_demand,
                                   .pool = PoolId{0},
                                   .first_device = 0,
                                   .devices = 1,
                                   .per_hour = NanoDollars(3 * kDollar)});
  builders::Scene s(given);
  s.submit();
  const builders::Said said = s.poll();
  ASSERT_EQ(said.launches.size(), 1u);
  EXPECT_EQ(said.launches[0].device, DeviceId{1});
}

}  // namespace
}  // namespace yard
