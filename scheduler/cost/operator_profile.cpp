#include "scheduler/cost/operator_profile.h"

#include <algorithm>
#include <array>
#include <utility>

#include "scheduler/base/check.h"
#include "scheduler/cost/physics.h"

namespace yard {
namespace {

// Where a value lies among ascending ones: between `low` and `high`, `part` of `whole` of the way.
struct Bracket {
  std::size_t low = 0, high = 0;
  std::int64_t part = 0, whole = 1;
};

template <class At>
Bracket bracket(std::size_t n, std::int64_t value, const At& at) {
  if (n == 1 || value <= at(0)) return {};
  std::size_t low = 0, above = n;  // at(low) <= value < at(above)
  while (above - low > 1) {
    const std::size_t middle = low + (above - low) / 2;
    (at(middle) <= value ? low : above) = middle;
  }
  low = std::min(low, n - 2);
  return {low, low + 1, value - at(low), at(low + 1) - at(low)};
}

__extension__ typedef __int128 SignedWide;

// Costs are below 2^54 and parts below 2^31: a product needs 128 bits, and what goes on far beyond the last point is
// held there, so that sums of a few stay below 2^63.
Picoseconds between(Picoseconds low, Picoseconds high, const Bracket& b) {
  constexpr SignedWide kFar = SignedWide{1} << 52;
  const SignedWide step = static_cast<SignedWide>(high.count() - low.count()) * b.part / b.whole;
  return low + Picoseconds(static_cast<std::int64_t>(std::clamp(step, -kFar, kFar)));
}

std::vector<std::int64_t> distinct(std::vector<std::int64_t> values) {
  std::ranges::sort(values);
  const auto [first, last] = std::ranges::unique(values);
  values.erase(first, last);
  return values;
}

}  // namespace

Curve::Curve(std::vector<Point> points) : points_(std::move(points)) {
  CHECK(!points_.empty());
  for (std::size_t i = 0; i < points_.size(); ++i) {
    CHECK(points_[i].cost.count() >= 0 && points_[i].cost.count() < std::int64_t{1} << 50);
    CHECK(points_[i].at < 1 << 24 && (i == 0 || points_[i - 1].at < points_[i].at));
  }
}

Picoseconds Curve::at(std::int64_t value) const {
  const Bracket b = bracket(points_.size(), value, [&](std::size_t i) { return points_[i].at; });
  return between(points_[b.low].cost, points_[b.high].cost, b);
}

AttentionTable::AttentionTable(std::vector<Row> rows) {
  CHECK(!rows.empty());
  std::ranges::sort(rows, {}, [](const Row& r) { return std::array{r.read, r.decoding, r.read_behind, r.context}; });
  struct Pair {
    std::int64_t read, decoding;
  };
  std::vector<Pair> pairs;
  for (auto row = rows.begin(); row != rows.end();) {
    const Pair pair{row->read, row->decoding};
    Slice slice;
    while (row != rows.end() && row->read == pair.read && row->decoding == pair.decoding) {
      slice.behind.push_back(row->read_behind);
      std::vector<Curve::Point> points;
      for (; row != rows.end() && row->read == pair.read && row->decoding == pair.decoding &&
             row->read_behind == slice.behind.back();
           ++row)
        points.push_back({row->context, row->cost});
      slice.by_context.emplace_back(std::move(points));
    }
    pairs.push_back(pair);
    read_.push_back(pair.read), decoding_.push_back(pair.decoding);
    slices_.push_back(std::move(slice));
  }
  read_ = distinct(std::move(read_)), decoding_ = distinct(std::move(decoding_));
  for (const std::int64_t read : read_)
    for (const std::int64_t decoding : decoding_) {
      const auto nearest = std::ranges::min_element(pairs, {}, [&](const Pair& p) {
        return (p.read - read) * (p.read - read) + (p.decoding - decoding) * (p.decoding - decoding);
      });
      of_pair_.push_back(static_cast<std::uint32_t>(nearest - pairs.begin()));
    }
}

Picoseconds AttentionTable::at(std::int64_t read, std::int64_t read_behind, std::int64_t decoding,
                               std::int64_t context) const {
  const auto axis = [](const std::vector<std::int64_t>& values, std::int64_t value) {
    return bracket(values.size(), value, [&](std::size_t i) { return values[i]; });
  };
  const Bracket r = axis(read_, read), d = axis(decoding_, decoding);
  const auto corner = [&](std::size_t of_read, std::size_t of_decoding) {
    const Slice& s = slice(of_read, of_decoding);
    const Bracket b = axis(s.behind, read_behind);
    return between(s.by_context[b.low].at(context), s.by_context[b.high].at(context), b);
  };
  const Picoseconds low = between(corner(r.low, d.low), corner(r.low, d.high), d);
  return between(low, between(corner(r.high, d.low), corner(r.high, d.high), d), r);
}

OperatorProfile OperatorProfile::only(Parts parts) const {
  OperatorProfile some = *this;
  if (!parts.skew) some.skew_millionths_ = 0;
  some.joint_ = parts.joint;
  return some;
}

// As if each that decodes held as much.
Picoseconds OperatorProfile::attention(const StepShape& shape, std::int64_t context) const {
  if (joint_ || shape.read == 0 || shape.decoding == 0)
    return attention_.at(shape.read, shape.read_behind, shape.decoding, context);
  return attention_.at(shape.read, shape.read_behind, 0, 0) + attention_.at(0, 0, shape.decoding, context);
}

Picoseconds OperatorProfile::attention(const StepShape& shape) const {
  if (shape.decoding == 0) return attention(shape, 0);
  const std::int64_t mean = shape.decode_context / shape.decoding;
  const Picoseconds all_mean = attention(shape, mean);
  if (skew_millionths_ == 0 || shape.longest == mean) return all_mean;
  const Picoseconds all_longest = attention(shape, shape.longest);
  if (all_longest <= all_mean) return all_mean;
  return between(all_mean, all_longest, {.part = skew_millionths_, .whole = 1'000'000});
}

Picoseconds OperatorProfile::step(const StepShape& shape) const {
  const Picoseconds cost =
      by_tokens_.at(shape.read + shape.decoding) + by_sequences_.at(shape.slots) + attention(shape);
  return Picoseconds(std::clamp<std::int64_t>(cost.count(), 1, kMostStep));
}

StepCost OperatorProfile::believed(std::uint32_t max_sequences, std::uint32_t error_permille) const {
  constexpr std::int64_t kChunk = 2048, kContext = 4096;
  std::vector<BatchBucket> buckets;
  for (const std::uint32_t n : batch_edges(max_sequences))
    buckets.push_back({n, by_tokens_.at(n) + by_sequences_.at(n) + attention_.at(0, 0, n, 0)});
  const std::int64_t n = std::min<std::int64_t>(max_sequences, 32);
  const auto at_least_none = [](Picoseconds p) { return Picoseconds(std::max<std::int64_t>(p.count(), 0)); };
  const Picoseconds held = attention_.at(0, 0, n, kContext) - attention_.at(0, 0, n, 0);
  const Picoseconds read = by_tokens_.at(1 + kChunk) - by_tokens_.at(1);
  const Picoseconds pairs = attention_.at(kChunk, 0, 0, 0);
  return StepCost(std::move(buckets), at_least_none(Picoseconds(read.count() / kChunk)),
                  at_least_none(Picoseconds(held.count() / (n * kContext))), max_sequences,
                  at_least_none(Picoseconds(pairs.count() * 1024 / prefill_pairs(kChunk, 0))), error_permille);
}

}  // namespace yard
