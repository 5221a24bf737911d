// Means, paired differences and their intervals, against floating point and published points of Student's distribution.
#include "scheduler/report/paired.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "scheduler/base/rng.h"

namespace yard {
namespace {

TEST(Spread, IsMeanAndHalfTheInterval) {
  const std::vector<std::int64_t> values = {9, 10, 11, 14};  // mean 11, deviation sqrt(14/3), t 3.182
  const Spread s = spread_of(values);
  EXPECT_EQ(s.mean, 11);
  EXPECT_EQ(s.half, 3);  // 3.44
  EXPECT_EQ(s.values, 4u);
}

TEST(Spread, OneValueHasNoIntervalAndNoneHasNothing) {
  EXPECT_EQ(spread_text(spread_of(std::vector<std::int64_t>{1234}), 3, 2), "+1.23");
  EXPECT_EQ(spread_text(spread_of({}), 3, 2), "-");
}

TEST(Spread, AgreesWithFloatingPoint) {
  for (Seed seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE(seed);
    Rng rng(seed);
    const std::size_t n = 2 + rng.below(40);
    const std::uint64_t size = std::uint64_t{1} << (1 + rng.below(40));
    std::vector<std::int64_t> values(n);
    double sum = 0, squares = 0;
    for (std::int64_t& v : values) {
      v = static_cast<std::int64_t>(rng.below(size)) - static_cast<std::int64_t>(size / 2);
      sum += static_cast<double>(v);
    }
    const double mean = sum / static_cast<double>(n);
    for (const std::int64_t v : values) squares += (static_cast<double>(v) - mean) * (static_cast<double>(v) - mean);
    const double t = static_cast<double>(student_thousandths(static_cast<std::uint32_t>(n - 1))) / 1000;
    const double half = t * std::sqrt(squares / static_cast<double>(n * (n - 1)));
    const Spread s = spread_of(values);
    EXPECT_NEAR(static_cast<double>(s.mean), mean, 1);
    EXPECT_NEAR(static_cast<double>(s.half), half, 2 + half * 1e-6);
  }
}

TEST(Spread, LargestValuesDoNotOverflow) {
  const std::int64_t most = (std::int64_t{1} << 41) - 1;
  const Spread s = spread_of(std::vector<std::int64_t>{-most, most});
  EXPECT_EQ(s.mean, 0);
  EXPECT_NEAR(static_cast<double>(s.half), 12.706 * static_cast<double>(most), 1e7);
}

TEST(Paired, TakesOutWhatBothShare) {
  const std::vector<std::int64_t> a = {105, 1005, 10005}, b = {100, 1000, 10000};
  const Spread s = paired(a, b);
  EXPECT_EQ(s.mean, 5);
  EXPECT_EQ(s.half, 0);
  EXPECT_EQ(paired(b, a).mean, -5);
}

TEST(Paired, RatioIsPerPairAndNothingOverZero) {
  const Spread s = paired_ratio(std::vector<std::int64_t>{150, 300}, std::vector<std::int64_t>{100, 200});
  EXPECT_EQ(s.mean, 1500);
  EXPECT_EQ(s.half, 0);
  EXPECT_EQ(paired_ratio(std::vector<std::int64_t>{1}, std::vector<std::int64_t>{0}).values, 0u);
}

TEST(Student, PointsFallWithDegreesOfFreedom) {
  EXPECT_EQ(student_thousandths(1), 12706);
  EXPECT_EQ(student_thousandths(4), 2776);
  EXPECT_EQ(student_thousandths(9), 2262);
  for (std::uint32_t df = 1; df < 2000; ++df) EXPECT_GE(student_thousandths(df), student_thousandths(df + 1)) << df;
  EXPECT_GE(student_thousandths(1'000'000), 1960);
}

TEST(SignedText, HasNoMinusBeforeNothing) {
  EXPECT_EQ(signed_text(-1234567, 3, 1), "-1,234.6");
  EXPECT_EQ(signed_text(-4, 3, 2), "0.00");
  EXPECT_EQ(signed_text(4, 3, 2), "0.00");
  EXPECT_EQ(signed_plain(-4, 3), "-0.004");
}

}  // namespace
}  // namespace yard
