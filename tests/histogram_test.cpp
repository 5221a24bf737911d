// The histogram is held against the values themselves.
#include "scheduler/base/histogram.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <vector>

#include "scheduler/base/rng.h"

namespace yard {
namespace {

constexpr std::int64_t kGreatest = std::numeric_limits<std::int64_t>::max();

// Values of every magnitude, small ones as likely as large ones.
std::int64_t draw(Rng& rng) { return static_cast<std::int64_t>(rng.next() >> (1 + rng.below(63))); }

std::int64_t exact_percentile(std::vector<std::int64_t> values, std::uint64_t per_mille) {
  std::sort(values.begin(), values.end());
  const std::uint64_t rank = (values.size() * per_mille + 999) / 1000;
  return values[rank == 0 ? 0 : rank - 1];
}

bool within_one_percent(std::int64_t found, std::int64_t truth) {
  const Wide off = static_cast<Wide>(found > truth ? found - truth : truth - found);
  return off * 100 <= static_cast<Wide>(truth);
}

// Over all buckets, not over a sample: both ends of each are the values that lie farthest from its middle.
TEST(Histogram, EveryBucketsMiddleIsWithinOnePercentOfAllItsValues) {
  for (std::size_t b = 0; b < Histogram::kBuckets; ++b) {
    const std::int64_t first = Histogram::least_of(b);
    const std::int64_t last = b + 1 == Histogram::kBuckets ? kGreatest : Histogram::least_of(b + 1) - 1;
    const std::int64_t middle = Histogram::middle_of(b);
    ASSERT_LE(first, middle) << b;
    ASSERT_LE(middle, last) << b;
    ASSERT_TRUE(within_one_percent(middle, first)) << b;
    ASSERT_TRUE(within_one_percent(middle, last)) << b;
  }
}

TEST(Histogram, BucketsFollowOneAnotherWithoutGapOrOverlap) {
  ASSERT_EQ(Histogram::bucket_of(0), 0u);
  for (std::size_t b = 1; b < Histogram::kBuckets; ++b) {
    ASSERT_EQ(Histogram::bucket_of(Histogram::least_of(b)), b);
    ASSERT_EQ(Histogram::bucket_of(Histogram::least_of(b) - 1), b - 1);
  }
  ASSERT_EQ(Histogram::bucket_of(kGreatest), Histogram::kBuckets - 1);
}

TEST(Histogram, PercentilesAreWithinOnePercentOfTheExactOnes) {
  for (Seed seed = 1; seed <= 200; ++seed) {
    Rng rng(seed);
    std::vector<std::int64_t> values(1 + rng.below(400));
    Histogram histogram;
    for (std::int64_t& v : values) histogram.add(v = draw(rng));
    for (const std::uint32_t p : {0u, 1u, 10u, 250u, 500u, 900u, 990u, 999u, 1000u}) {
      const std::int64_t truth = exact_percentile(values, p);
      ASSERT_TRUE(within_one_percent(histogram.percentile(p), truth)) << "seed " << seed << " per mille " << p;
    }
  }
}

TEST(Histogram, PercentilesOfSmallValuesAreExact) {
  Histogram histogram;
  for (int v = 0; v < 128; ++v) histogram.add(v);
  for (std::uint32_t p = 1; p <= 1000; ++p) ASSERT_EQ(histogram.percentile(p), (128 * p + 999) / 1000 - 1) << p;
}

TEST(Histogram, PercentileStaysBetweenLeastAndGreatest) {
  Histogram histogram;
  histogram.add(1'000'001, 5);
  for (const std::uint32_t p : {0u, 500u, 1000u}) EXPECT_EQ(histogram.percentile(p), 1'000'001);
}

TEST(Histogram, MeanAndBoundsAreExact) {
  for (Seed seed = 1; seed <= 50; ++seed) {
    Rng rng(seed);
    std::vector<std::int64_t> values(1 + rng.below(100));
    Histogram histogram;
    for (std::int64_t& v : values) histogram.add(v = draw(rng));
    Wide sum = 0;
    for (const std::int64_t v : values) sum += static_cast<Wide>(v);
    ASSERT_EQ(histogram.mean(), static_cast<std::int64_t>((sum + values.size() / 2) / values.size())) << seed;
    ASSERT_EQ(histogram.min(), *std::min_element(values.begin(), values.end())) << seed;
    ASSERT_EQ(histogram.max(), *std::max_element(values.begin(), values.end())) << seed;
  }
}

TEST(Histogram, TheSumOfTheGreatestValuesDoesNotOverflow) {
  Histogram histogram;
  histogram.add(kGreatest, 1'000'000'000'000);
  EXPECT_EQ(histogram.mean(), kGreatest);
  EXPECT_EQ(histogram.percentile(500), kGreatest);
}

TEST(Histogram, AddingManyAtOnceIsAddingEach) {
  Histogram at_once, each;
  at_once.add(12'345, 1000);
  for (int i = 0; i < 1000; ++i) each.add(12'345);
  EXPECT_EQ(at_once, each);
}

TEST(Histogram, AddingNoneChangesNothing) {
  Histogram histogram;
  histogram.add(7, 0);
  EXPECT_EQ(histogram, Histogram());
}

TEST(Histogram, MergedPartsEqualTheWhole) {
  for (Seed seed = 1; seed <= 50; ++seed) {
    Rng rng(seed);
    Histogram whole, parts[3];
    for (int i = 0; i < 300; ++i) {
      const std::int64_t v = draw(rng);
      whole.add(v);
      parts[rng.below(3)].add(v);
    }
    parts[2].merge(parts[0]);
    parts[2].merge(parts[1]);
    ASSERT_EQ(parts[2], whole) << "seed " << seed;
  }
}

TEST(Histogram, TheEmptyOneAnswersZero) {
  const Histogram empty;
  EXPECT_EQ(empty.count(), 0u);
  EXPECT_EQ(empty.percentile(990), 0);
  EXPECT_EQ(empty.mean(), 0);
  EXPECT_EQ(empty.min(), 0);
  EXPECT_EQ(empty.max(), 0);
}

TEST(Histogram, EdgeAboveIsTheLeastValueOfTheNextBucket) {
  Rng rng(11);
  for (int i = 0; i < 100'000; ++i) {
    const std::int64_t v = draw(rng), edge = Histogram::edge_above(v);
    ASSERT_GT(edge, v);
    if (edge == kGreatest) continue;  // the last bucket
    ASSERT_EQ(Histogram::bucket_of(edge), Histogram::bucket_of(v) + 1) << v;
    ASSERT_EQ(Histogram::bucket_of(edge - 1), Histogram::bucket_of(v)) << v;
  }
  EXPECT_EQ(Histogram::edge_above(Histogram::least_of(Histogram::kBuckets - 1)), kGreatest);
}

// What edge_above is for: first, first + step, ... counted bucket by bucket.
TEST(Histogram, AGrowingSequenceCanBeCountedBucketByBucket) {
  for (Seed seed = 1; seed <= 100; ++seed) {
    Rng rng(seed);
    const std::int64_t first = static_cast<std::int64_t>(rng.below(1'000'000));
    const std::int64_t step = static_cast<std::int64_t>(1 + rng.below(5'000));
    const std::int64_t steps = static_cast<std::int64_t>(1 + rng.below(1'000));
    Histogram each, by_bucket;
    for (std::int64_t i = 0; i < steps; ++i) each.add(first + i * step);
    for (std::int64_t i = 0; i < steps;) {
      const std::int64_t value = first + i * step;
      const std::int64_t reach = (Histogram::edge_above(value) - first + step - 1) / step;  // first i at or past it
      const std::int64_t until = std::min(steps, reach);
      by_bucket.add(value, static_cast<std::uint64_t>(until - i));
      i = until;
    }
    for (std::size_t b = 0; b < Histogram::kBuckets; ++b) ASSERT_EQ(by_bucket.in_bucket(b), each.in_bucket(b)) << seed;
  }
}

TEST(HistogramDeathTest, RefusesTheNegative) { EXPECT_DEATH(Histogram().add(-1), "value >= 0"); }

}  // namespace
}  // namespace yard
