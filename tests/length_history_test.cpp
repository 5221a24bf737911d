// Lengths of answers to come: from those that ended and those cut short, by tenant, given what is already there.
#include "scheduler/cost/length_history.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include <fmt/format.h>

#include "scheduler/base/rng.h"

namespace yard {
namespace {

using End = LengthHistory::End;
constexpr TenantId kA{0}, kB{1};
constexpr ModelId kModel{0};

// Skewed: a product of two uniform draws, with a tail. Mean about 0.29 of `scale`.
std::int32_t draw(Rng& rng, std::int64_t scale) {
  const auto a = static_cast<std::int64_t>(rng.below(1000)), b = static_cast<std::int64_t>(rng.below(1000));
  const std::int64_t tail = rng.below(20) == 0 ? 4 : 1;
  return static_cast<std::int32_t>(1 + scale * a * b / 1'000'000 * tail);
}

std::int64_t mean(const LikelyLengths& l) { return std::accumulate(l.begin(), l.end(), std::int64_t{0}) / 16; }

TEST(LengthHistory, BinsAreWithoutGapsAndAnEighthWide) {
  for (std::uint32_t bin = 0; bin + 1 < LengthHistory::kBins; ++bin) {
    EXPECT_EQ(LengthHistory::bin_of(LengthHistory::first_of(bin)), bin);
    EXPECT_EQ(LengthHistory::bin_of(LengthHistory::first_of(bin + 1) - 1), bin);
  }
  EXPECT_EQ(LengthHistory::bin_of(std::int64_t{1} << 40), LengthHistory::kBins - 1);
}

TEST(LengthHistory, BeforeAnyAnswerTheyAreGeometricOfMean256) {
  const LengthHistory none(2, 1);
  const LikelyLengths l = none.likely(kA, kModel, Tokens(0), Tokens::max());
  EXPECT_NEAR(static_cast<double>(mean(l)), 256, 20);
  EXPECT_NEAR(l[7], 166, 12);  // the quantile at 15/32: 256 ln(32 / 17)
  EXPECT_TRUE(std::ranges::is_sorted(l));
  EXPECT_EQ(none.likely(kA, kModel, Tokens(0), Tokens(30))[15], 30);
}

// Half of all are cut short at 128 tokens; taken for whole ones they make long answers short.
TEST(LengthHistory, WhoIsCutShortWouldHaveBeenLonger) {
  for (const Seed seed : {1u, 2u, 3u}) {
    Rng rng(seed);
    LengthHistory knows(1, 1), believes_all(1, 1);
    for (int i = 0; i < 4000; ++i) {
      const std::int32_t length = draw(rng, 2000), limit = rng.below(2) == 0 ? 128 : 1 << 20;
      knows.learn(kA, kModel, Tokens(std::min(length, limit)), length > limit ? End::cut_short : End::of_itself);
      believes_all.learn(kA, kModel, Tokens(std::min(length, limit)), End::of_itself);
    }
    const LikelyLengths is = knows.likely(kA, kModel, Tokens(0), Tokens::max());
    const LikelyLengths naive = believes_all.likely(kA, kModel, Tokens(0), Tokens::max());
    std::int64_t below_q90 = 0, below_naive = 0, sum = 0;
    const std::int32_t q90 = (is[13] + is[14]) / 2, naive_q90 = (naive[13] + naive[14]) / 2;  // at 27/32, 29/32: 7/8
    constexpr int kFresh = 20'000;
    for (int i = 0; i < kFresh; ++i) {
      const std::int32_t length = draw(rng, 2000);
      below_q90 += length <= q90, below_naive += length <= naive_q90, sum += length;
    }
    EXPECT_NEAR(static_cast<double>(below_q90) / kFresh, 0.875, 0.02) << seed;
    EXPECT_LT(static_cast<double>(below_naive) / kFresh, 0.80) << seed;
    EXPECT_NEAR(static_cast<double>(mean(is)), static_cast<double>(sum) / kFresh,
                0.12 * static_cast<double>(sum) / kFresh);
    EXPECT_LT(mean(naive), 3 * mean(is) / 4);
  }
}

// Who has written 500 tokens is not the same as who begins.
TEST(LengthHistory, GivenWhatIsThereTheRestIsAsOfThoseThatGotSoFar) {
  Rng rng(4);
  LengthHistory history(1, 1);
  for (int i = 0; i < 4000; ++i) history.learn(kA, kModel, Tokens(draw(rng, 2000)), End::of_itself);
  const LikelyLengths of = history.likely(kA, kModel, Tokens(500), Tokens::max());
  EXPECT_GE(of[0], 500);
  std::int64_t below = 0, all = 0;
  for (int i = 0; i < 40'000; ++i)
    if (const std::int32_t length = draw(rng, 2000); length > 500) below += length <= of[7], ++all;
  EXPECT_NEAR(static_cast<double>(below) / static_cast<double>(all), 15.0 / 32, 0.04);
}

TEST(LengthHistory, ANewTenantIsAsItsModelUntilItShowsItself) {
  Rng rng(5);
  LengthHistory history(2, 2);
  for (int i = 0; i < 3000; ++i) history.learn(kA, kModel, Tokens(draw(rng, 4000)), End::of_itself);
  const std::int64_t model = mean(history.likely(kB, kModel, Tokens(0), Tokens::max()));
  EXPECT_NEAR(static_cast<double>(model),
              static_cast<double>(mean(history.likely(kA, kModel, Tokens(0), Tokens::max()))),
              static_cast<double>(model) / 20);
  EXPECT_NEAR(static_cast<double>(mean(history.likely(kB, ModelId{1}, Tokens(0), Tokens::max()))), 256, 20)
      << "another model";
  for (int i = 0; i < 60; ++i) history.learn(kB, kModel, Tokens(20 + static_cast<int>(rng.below(10))), End::of_itself);
  EXPECT_LT(history.likely(kB, kModel, Tokens(0), Tokens::max())[8], 40);
  EXPECT_EQ(history.answers(kB, kModel), 60u);
}

TEST(LengthHistory, OldAnswersFade) {
  LengthHistory history(1, 1);
  for (int i = 0; i < 20'000; ++i) history.learn(kA, kModel, Tokens(1000), End::of_itself);
  EXPECT_LE(history.answers(kA, kModel), 4096u);
  for (int i = 0; i < 20'000; ++i) history.learn(kA, kModel, Tokens(10), End::of_itself);
  EXPECT_LT(history.likely(kA, kModel, Tokens(0), Tokens::max())[14], 40);
}

}  // namespace
}  // namespace yard
