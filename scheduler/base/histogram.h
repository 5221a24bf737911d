// Where values lie: counts in log-scaled buckets, from which percentiles are read; sum, least and greatest are exact.
//
// Values below 128 have a bucket each. Above, every power of two is cut into 64 equal buckets, so that a bucket of
// width w begins at 64 w or later; a percentile answers the bucket's middle, which is within w / 2 of all values in it:
// at most 1/128 = 0.79 % off. (The layout is HdrHistogram's, by Gil Tene.) Integers only, so that the same values give
// the same answers on every build, in whatever order they were added or merged.
//
// Threads: none inside; one per shard, merged at the end. Owns: 29 KiB, in place.
// H1  count() == sum of the buckets.
// H2  bucket_of never falls as the value grows, and bucket_of(edge_above(v)) == bucket_of(v) + 1.
#pragma once
#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "scheduler/base/check.h"
#include "scheduler/base/hash.h"

namespace yard {

class Histogram {
 public:
  // Requires: value >= 0. Cost: O(1), whatever `count`.
  void add(std::int64_t value, std::uint64_t count = 1) {
    CHECK(value >= 0);
    if (count == 0) return;
    buckets_[bucket_of(value)] += count;
    count_ += count;
    sum_ += static_cast<Wide>(value) * count;
    min_ = std::min(min_, value);
    max_ = std::max(max_, value);
  }

  void merge(const Histogram& other) {
    for (std::size_t b = 0; b < kBuckets; ++b) buckets_[b] += other.buckets_[b];
    count_ += other.count_;
    sum_ += other.sum_;
    min_ = std::min(min_, other.min_);
    max_ = std::max(max_, other.max_);
  }

  std::uint64_t count() const { return count_; }
  Wide sum() const { return sum_; }

  // All of these: 0 where nothing was added.
  std::int64_t min() const { return count_ == 0 ? 0 : min_; }
  std::int64_t max() const { return max_; }
  std::int64_t mean() const {  // to the nearest integer, halves up
    return count_ == 0 ? 0 : static_cast<std::int64_t>((sum_ + count_ / 2) / count_);
  }

  // Returns: the value of rank ceil(per_mille * count / 1000) from below (nearest rank; 0: the least), within 0.79 %.
  // Requires: per_mille <= 1000. Cost: O(buckets).
  std::int64_t percentile(std::uint32_t per_mille) const {
    CHECK(per_mille <= 1000);
    if (count_ == 0) return 0;
    const std::uint64_t rank = static_cast<std::uint64_t>((static_cast<Wide>(count_) * per_mille + 999) / 1000);
    if (rank <= 1) return min_;
    if (rank == count_) return max_;
    std::uint64_t below = 0;
    std::size_t b = 0;
    while (below + buckets_[b] < rank) below += buckets_[b++];
    return std::clamp(middle_of(b), min_, max_);
  }

  // Returns: the least value that falls into a later bucket; int64's greatest where there is none. Lets a caller who
  // knows a growing sequence in closed form add it bucket by bucket instead of value by value.
  static constexpr std::int64_t edge_above(std::int64_t value) {
    const std::size_t next = bucket_of(value) + 1;
    return next == kBuckets ? std::numeric_limits<std::int64_t>::max() : least_of(next);
  }

  bool operator==(const Histogram&) const = default;

  // The layout, for those who walk it.
  std::uint64_t in_bucket(std::size_t bucket) const { return buckets_[bucket]; }

  static constexpr int kBits = 6;
  static constexpr std::size_t kPerOctave = std::size_t{1} << kBits;
  static constexpr std::size_t kBuckets = kPerOctave * (64 - kBits);  // the greatest int64 has 63 bits

  static constexpr std::size_t bucket_of(std::int64_t value) {
    const auto v = static_cast<std::uint64_t>(value);
    // The low bits that a bucket does not tell.
    const int ignored = static_cast<int>(std::bit_width(v | (2 * kPerOctave - 1))) - (kBits + 1);
    return (static_cast<std::size_t>(ignored) << kBits) + static_cast<std::size_t>(v >> ignored);
  }
  static constexpr std::int64_t least_of(std::size_t bucket) {
    const int ignored = ignored_by(bucket);
    return static_cast<std::int64_t>((bucket - (static_cast<std::size_t>(ignored) << kBits)) << ignored);
  }
  static constexpr std::int64_t middle_of(std::size_t bucket) {
    return least_of(bucket) + ((std::int64_t{1} << ignored_by(bucket)) - 1) / 2;
  }

 private:
  static constexpr int ignored_by(std::size_t bucket) {
    return bucket < 2 * kPerOctave ? 0 : static_cast<int>(bucket >> kBits) - 1;
  }

  std::array<std::uint64_t, kBuckets> buckets_{};
  std::uint64_t count_ = 0;
  Wide sum_ = 0;
  std::int64_t min_ = std::numeric_limits<std::int64_t>::max(), max_ = 0;
};

}  // namespace yard
