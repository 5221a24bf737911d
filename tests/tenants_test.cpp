// Quotas of tenants: reserved at the door, settled at the end, never overshot.
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "scheduler/base/rng.h"
#include "scheduler/core/tenants.h"
#include "tests/builders.h"

namespace yard {
namespace {

using builders::Given;
using builders::Said;
using builders::Scene;

Seed first_seed() {
  const char* given = std::getenv("SWITCHYARD_SEED");
  return given ? std::strtoull(given, nullptr, 10) : 1;
}

constexpr SignedWide kUnit = 1'000'000'000'000;  // 10^-12

// ---- one bucket ----------------------------------------------------------------------------------------------------

TEST(TokenBucket, EqualsOneThatIsFilledNanosecondByNanosecond) {
  for (Seed seed = first_seed(); seed < first_seed() + 50; ++seed) {
    SCOPED_TRACE("SWITCHYARD_SEED=" + std::to_string(seed));
    Rng rng(seed);
    // Up to a few whole ones in a nanosecond, or one in hundreds.
    const QuotaRate rate{.per_s_thousandths = static_cast<std::int64_t>(
                             1 + rng.below(rng.below(2) ? 10'000'000'000 : 3'000'000'000'000)),
                         .burst = static_cast<std::int64_t>(1 + rng.below(40))};
    TokenBucket bucket(rate);
    SignedWide free = rate.burst * kUnit;
    Time now(0);
    std::vector<std::int64_t> held;
    for (int k = 0; k < 200; ++k) {
      for (std::uint64_t ns = rng.below(60); ns > 0; --ns) {
        now += nanoseconds(1);
        free = std::max(free, std::min<SignedWide>(rate.burst * kUnit, free + rate.per_s_thousandths));
      }
      if (held.empty() || rng.below(2)) {
        const auto n = static_cast<std::int64_t>(1 + rng.below(static_cast<std::uint64_t>(rate.burst)));
        const auto wait = bucket.until(n, now);
        ASSERT_TRUE(wait);
        ASSERT_EQ(*wait == Duration(), free >= n * kUnit);
        ASSERT_GE(free + wait->count() * SignedWide{rate.per_s_thousandths}, n * kUnit) << "is held then";
        if (*wait > Duration()) {
          ASSERT_LT(free + (wait->count() - 1) * SignedWide{rate.per_s_thousandths}, n * kUnit) << "and not before";
          continue;
        }
        bucket.reserve(n);
        free -= n * kUnit;
        held.push_back(n);
      } else {
        const std::int64_t n = held.back(),
                           used = static_cast<std::int64_t>(rng.below(static_cast<std::uint64_t>(n) + 3));
        held.pop_back();
        bucket.settle(n, used, now);
        free = used > n ? free - (used - n) * kUnit
                        : std::max(free, std::min<SignedWide>(rate.burst * kUnit, free + (n - used) * kUnit));
      }
      ASSERT_TRUE(bucket.balances());
      ASSERT_EQ(*bucket.until(1, now) == Duration(), free >= kUnit);
    }
  }
}

TEST(TokenBucket, DoesNotDriftHoweverOftenItIsAsked) {
  TokenBucket bucket({.per_s_thousandths = 1, .burst = 1});  // one in 1,000 s
  bucket.reserve(1);
  bucket.settle(1, 1, Time(0));
  EXPECT_EQ(bucket.until(1, Time(0)), seconds(1000));
  Time now(0);
  for (int k = 0; k < 100'000; ++k) {
    now += nanoseconds(k);
    ASSERT_EQ(bucket.until(1, now), Time(0) + seconds(1000) - now);
  }
}

TEST(TokenBucket, NeverHoldsMoreThanItsBurst) {
  TokenBucket bucket({.per_s_thousandths = 1000, .burst = 5});
  EXPECT_EQ(bucket.until(6, Time(0)), std::nullopt);
  EXPECT_EQ(bucket.until(5, Time(0) + seconds(1'000'000)), Duration());
  bucket.reserve(5);
  EXPECT_EQ(bucket.until(5, Time(0) + seconds(1'000'000)), seconds(5));
}

TEST(TokenBucket, InDebtWaitsUntilThatIsEarned) {
  TokenBucket bucket({.per_s_thousandths = 1000, .burst = 10});
  ASSERT_EQ(bucket.until(10, Time(0)), Duration());
  bucket.reserve(10);
  bucket.settle(10, 13, Time(0));
  EXPECT_EQ(bucket.until(1, Time(0)), seconds(4));
}

// The law U2, held against every window that ends with an admission.
TEST(TokenBucket, LetsInNoMoreThanBurstAndRateInAnyWindow) {
  for (Seed seed = first_seed(); seed < first_seed() + 20; ++seed) {
    SCOPED_TRACE("SWITCHYARD_SEED=" + std::to_string(seed));
    Rng rng(seed);
    const QuotaRate rate{.per_s_thousandths = static_cast<std::int64_t>(1000 + rng.below(100'000'000)),
                         .burst = static_cast<std::int64_t>(1 + rng.below(2000))};
    TokenBucket bucket(rate);
    Time now(0);
    struct Change {
      Time at;
      SignedWide net;
    };
    std::vector<Change> changes;
    std::vector<std::int64_t> held;
    for (int k = 0; k < 400; ++k) {
      now += nanoseconds(static_cast<std::int64_t>(rng.below(rng.below(8) ? 20'000'000 : 2'000'000'000)));
      if (!held.empty() && rng.below(3) == 0) {
        const std::int64_t n = held.back(),
                           used = static_cast<std::int64_t>(rng.below(static_cast<std::uint64_t>(n) * 3 / 2 + 1));
        held.pop_back();
        bucket.settle(n, used, now);
        changes.push_back({now, SignedWide{used} - n});
        continue;
      }
      const auto n = static_cast<std::int64_t>(1 + rng.below(static_cast<std::uint64_t>(rate.burst)));
      if (*bucket.until(n, now) > Duration()) continue;
      bucket.reserve(n);
      held.push_back(n);
      changes.push_back({now, n});
      SignedWide sum = 0;
      for (std::size_t i = changes.size(); i-- > 0;) {
        sum += changes[i].net;
        const SignedWide allowed =
            rate.burst * kUnit + (now - changes[i].at).count() * SignedWide{rate.per_s_thousandths};
        ASSERT_LE(sum * kUnit, allowed) << "in the " << (now - changes[i].at).count() << " ns before " << now.ns();
      }
    }
    ASSERT_GT(changes.size(), 50u);
  }
}

TEST(DayBudget, IsSpentOncePerDay) {
  constexpr std::int64_t kDay = 86'400'000'000'000;
  DayBudget budget(NanoDollars(100));
  EXPECT_EQ(budget.until(101, Time(5)), std::nullopt);
  ASSERT_EQ(budget.until(60, Time(5)), Duration());
  budget.reserve(60);
  EXPECT_EQ(budget.until(50, Time(5)), Duration(kDay - 5)) << "asked again tomorrow";
  budget.settle(60, 40, Time(7));
  EXPECT_EQ(budget.until(60, Time(8)), Duration());
  EXPECT_EQ(budget.until(61, Time(kDay - 1)), Duration(1));
  EXPECT_EQ(budget.until(100, Time(kDay)), Duration());
  EXPECT_EQ(budget.until(100, Time(-1)), Duration()) << "the day before the epoch is a day of its own";
}

// ---- at the door ---------------------------------------------------------------------------------------------------

Given limited(const TenantView& limits) {
  Given given;
  given.fleet.tenants[0] = limits;
  return given.pool({.kv_blocks = 4000, .max_sequences = 4});
}

Finish only_finish(const Said& said) {
  EXPECT_EQ(said.finishes.size(), 1u);
  return said.finishes.empty() ? Finish{} : said.finishes[0];
}

TEST(Quota, RefusesBeyondItAndSaysExactlyWhenToComeBack) {
  Scene s(limited({.name = "t", .tokens = {.per_s_thousandths = 3'000, .burst = 30}}));
  s.submit({.prompt = 10, .max_output = 10});
  EXPECT_TRUE(s.poll().finishes.empty());
  s.submit({.prompt = 10, .max_output = 5});
  const Finish refused = only_finish(s.poll());
  EXPECT_EQ(refused.outcome, Outcome::rejected);
  EXPECT_EQ(refused.why, Reason::quota);
  EXPECT_EQ(refused.retry_after, Duration(1'666'666'667)) << "5 tokens at 3 a second, rounded up";
  s.at(refused.retry_after.count() - 1);
  s.submit({.prompt = 10, .max_output = 5});
  EXPECT_EQ(only_finish(s.poll()).retry_after, Duration(1));
  s.at(refused.retry_after.count());
  s.submit({.prompt = 10, .max_output = 5});
  EXPECT_TRUE(s.poll().finishes.empty());
}

TEST(Quota, OfOneTenantIsNotAnothers) {
  Scene s(limited({.name = "t", .requests = {.per_s_thousandths = 1, .burst = 1}}));
  s.submit(), s.submit(), s.submit({.tenant = 1}), s.submit({.tenant = 1});
  EXPECT_EQ(only_finish(s.poll()).why, Reason::quota);
}

TEST(Quota, SaysNothingOfWhenWhereItNeverWill) {
  Scene s(limited({.name = "t", .tokens = {.per_s_thousandths = 3'000, .burst = 30}}));
  s.submit({.prompt = 26, .max_output = 5});
  const Finish refused = only_finish(s.poll());
  EXPECT_EQ(refused.why, Reason::quota);
  EXPECT_EQ(refused.retry_after, Duration());
}

TEST(Quota, IsNotTakenByWhatTheDoorRefusesAnyway) {
  Scene s(limited({.name = "t", .requests = {.per_s_thousandths = 1, .burst = 1}}));
  s.submit({.prompt = 0});
  EXPECT_EQ(only_finish(s.poll()).why, Reason::empty_prompt);
  s.submit();
  EXPECT_TRUE(s.poll().finishes.empty());
}

TEST(Quota, ReservesTheExpectedAnswerWhereAsMuchAsFitsIsAsked) {
  // 256 are expected of a model that never answered.
  Scene s(limited({.name = "t", .tokens = {.per_s_thousandths = 1, .burst = 500}}));
  s.submit({.prompt = 10, .max_output = Tokens::max().count()});
  EXPECT_TRUE(s.poll().finishes.empty());
  s.submit({.prompt = 500 - 266 + 1, .max_output = 0});
  EXPECT_EQ(only_finish(s.poll()).why, Reason::quota);
  s.submit({.prompt = 500 - 266, .max_output = 0});
  EXPECT_TRUE(s.poll().finishes.empty());
}

TEST(Quota, OfWhatIsDoneIsWhatItTook) {
  Scene s(limited({.name = "t", .tokens = {.per_s_thousandths = 1, .burst = 100}}));
  const RequestId a = s.submit({.prompt = 10, .max_output = 90});
  s.poll();
  s.step(0, {.stop = {a}});  // one token
  s.submit({.prompt = 80, .max_output = 10});
  EXPECT_EQ(only_finish(s.poll()).why, Reason::quota);
  s.submit({.prompt = 79, .max_output = 10});
  EXPECT_TRUE(s.poll().finishes.empty());
}

// A tenant with exactly enough for one: whether a second is let in says whether the first gave it back.
struct OneAtATime {
  Scene s{limited({.name = "t",
                   .requests = {.per_s_thousandths = 1, .burst = 1},
                   .tokens = {.per_s_thousandths = 1, .burst = 20}})};
  RequestId first = s.submit({.prompt = 10, .max_output = 10});
  bool is_given_back() {
    s.poll();
    s.submit({.prompt = 10, .max_output = 10});
    return s.poll().finishes.empty();
  }
};

TEST(Quota, OfWhatWasCancelledInItsLineIsGivenBack) {
  OneAtATime one;
  one.s.cancel(one.first);
  EXPECT_TRUE(one.is_given_back());
}

TEST(Quota, OfWhatWasCancelledInARunIsNotGivenBackWhole) {
  OneAtATime one;
  one.s.poll();
  one.s.cancel(one.first);
  one.s.poll();
  one.s.step(0);
  EXPECT_FALSE(one.is_given_back());
}

TEST(Quota, OfWhatFailedIsGivenBack) {
  OneAtATime one;
  one.s.poll();
  one.s.step(0, {.fail = {one.first}});
  EXPECT_TRUE(one.is_given_back());
}

TEST(Quota, OfWhatLostItsDeviceIsGivenBack) {
  OneAtATime one;
  one.s.poll();
  one.s.step(0);
  one.s.change(0, DeviceState::down);
  one.s.step(0);
  one.s.change(0, DeviceState::up);
  EXPECT_TRUE(one.is_given_back());
}

TEST(Quota, OfWhatWasShedIsGivenBack) {
  Given given = limited({.name = "t", .requests = {.per_s_thousandths = 1, .burst = 1}});
  given.fleet.pools[0].max_sequences = 1;
  Scene s(given.patience(50));
  s.submit({.max_output = 100, .tenant = 1});
  s.submit();
  s.poll();
  EXPECT_EQ(only_finish(s.poll_at(50)).why, Reason::shed);
  s.submit();
  EXPECT_TRUE(s.poll().finishes.empty());
}

TEST(Quota, IsReservedOnceWhereASequenceIsBoundAgain) {
  Given given = limited({.name = "t", .requests = {.per_s_thousandths = 1, .burst = 2}});
  given.fleet.pools[0].max_sequences = 1;
  Scene s(given.pool({}));
  s.submit(), s.submit();
  s.poll();
  s.submit({.tenant = 1});
  s.poll();
  s.change(0, DeviceState::draining), s.change(0, DeviceState::up);
  EXPECT_TRUE(s.poll().finishes.empty());
}

TEST(Quota, OfDollarsIsReservedAndSettledAtTheTenantsPrices) {
  Scene s(limited(
      {.name = "t", .per_day = NanoDollars(1000), .prompt_price = NanoDollars(10), .output_price = NanoDollars(100)}));
  const RequestId a = s.submit({.prompt = 10, .max_output = 9});  // 100 and 900
  s.poll();
  s.submit({.prompt = 1, .max_output = 0});
  const Finish refused = only_finish(s.poll());
  EXPECT_EQ(refused.why, Reason::quota);
  EXPECT_EQ(refused.retry_after, seconds(86'400));
  s.step(0, {.stop = {a}});  // one token: 200 in all
  s.submit({.prompt = 81, .max_output = 0});
  EXPECT_EQ(only_finish(s.poll()).why, Reason::quota);
  s.submit({.prompt = 80, .max_output = 0});
  EXPECT_TRUE(s.poll().finishes.empty());
}

}  // namespace
}  // namespace yard
