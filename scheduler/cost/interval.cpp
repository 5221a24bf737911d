#include "scheduler/cost/interval.h"

#include <istream>
#include <ostream>

#include "scheduler/base/check.h"

namespace yard {
namespace {

// A standard normal's quantiles at kLevels, 1/1024.
constexpr std::array<std::int64_t, kLevels> kNormal = {-1684, 0, 1312, 1684, 2382};

constexpr std::size_t at(Level level) { return static_cast<std::size_t>(level); }

}  // namespace

Ratio guessed_quantile(std::int64_t sigma, Level level) {
  return static_cast<Ratio>(std::clamp<std::int64_t>(kRatioOne + 2 * sigma * kNormal[at(level)] / 1024, 0, kMostRatio));
}

std::int64_t integer_sqrt(std::int64_t n) {
  CHECK(n >= 0);
  std::int64_t root = 0;
  for (std::int64_t bit = std::int64_t{1} << 31; bit > 0; bit >>= 1) {
    const std::int64_t more = root | bit;
    if (more <= n / more) root = more;
  }
  return root;
}

// ---- the latest scores ----------------------------------------------------------------------------------------------

void Conformal::reset_levels() {
  for (std::size_t i = 0; i < kLevels; ++i) levels_[i] = kLevelPermille[i] * kRatioOne / 1000;
}

// The ceil((n + 1) x level)-th of n. A level at or beyond 1 (many misses of late) asks for more than was ever seen: as
// far beyond the largest, for each hundredth, as a tenth of the way from the median to it.
Ratio Conformal::at_level(std::int64_t level) const {
  const std::int64_t n = count_;
  const std::int64_t rank = ((n + 1) * level + kRatioOne - 1) / kRatioOne;
  if (rank < 1) return sorted_[0];
  if (rank <= n) return sorted_[static_cast<std::size_t>(rank - 1)];
  const std::int64_t largest = sorted_[count_ - 1], median = sorted_[count_ / 2];
  const std::int64_t beyond = std::max<std::int64_t>(0, level - kRatioOne * n / (n + 1));
  return static_cast<Ratio>(std::min<std::int64_t>(kMostRatio, largest + (largest - median) * beyond * 10 / kRatioOne));
}

Ratio Conformal::quantile(Level level) const { return at_level(levels_[at(level)]); }

void Conformal::insert(Ratio score) {
  if (count_ == kScores)
    take_out(ring_[next_]);
  else
    ++count_;
  Ratio* const end = sorted_.data() + count_ - 1;
  Ratio* const place = std::upper_bound(sorted_.data(), end, score);
  std::copy_backward(place, end, end + 1);
  *place = score;
  ring_[next_] = score;
  next_ = (next_ + 1) % kScores;
}

// Leaves count_ as it is: the last place of sorted_ is then anybody's.
void Conformal::take_out(Ratio score) {
  Ratio* const end = sorted_.data() + count_;
  Ratio* const place = std::lower_bound(sorted_.data(), end, score);
  CHECK_WHY(place != end && *place == score, "sorted_ holds what ring_ holds (N1)");
  std::copy(place + 1, end, place);
}

// Beyond a tenth past all scores a level is of no more use.
void Conformal::move_level(std::size_t level, bool held) {
  const std::int64_t target = kLevelPermille[level] * kRatioOne / 1000, was = held ? kRatioOne : 0;
  levels_[level] = std::clamp<std::int64_t>(levels_[level] + gain_ * (target - was) / kRatioOne, -kRatioOne / 10,
                                            kRatioOne + kRatioOne / 10);
}

void Conformal::add(Ratio score) {
  score = std::clamp<Ratio>(score, 0, kMostRatio);
  for (std::size_t i = 0; i < kLevels; ++i)
    if (const auto level = static_cast<Level>(i); known(level)) move_level(i, score <= quantile(level));
  insert(score);
}

void Conformal::add(Ratio score, Level told, bool held) {
  if (known(told)) move_level(at(told), held);
  insert(std::clamp<Ratio>(score, 0, kMostRatio));
}

void Conformal::calibrate(std::span<const Ratio> scores) {
  for (const Ratio score : scores) insert(std::clamp<Ratio>(score, 0, kMostRatio));
}

void Conformal::forget_latest(std::uint32_t scores) {
  for (; scores > 0 && count_ > 0; --scores) {
    next_ = (next_ + kScores - 1) % kScores;
    take_out(ring_[next_]);
    --count_;
  }
  reset_levels();
}

void Conformal::write(std::ostream& out) const {
  out << count_;
  for (std::uint32_t i = 0; i < count_; ++i) out << ' ' << ring_[(next_ + kScores - count_ + i) % kScores];
  for (const std::int64_t level : levels_) out << ' ' << level;
}

bool Conformal::read(std::istream& in) {
  Conformal as_read(gain_);
  std::uint32_t count = 0;
  if (!(in >> count) || count > kScores) return false;
  for (std::uint32_t i = 0; i < count; ++i) {
    Ratio score = 0;
    if (!(in >> score) || score < 0 || score > kMostRatio) return false;
    as_read.insert(score);
  }
  for (std::int64_t& level : as_read.levels_)
    if (!(in >> level) || level < -kRatioOne / 10 || level > kRatioOne + kRatioOne / 10) return false;
  *this = as_read;
  return true;
}

// ---- of a step ------------------------------------------------------------------------------------------------------

Ratio StepIntervals::quantile(std::uint32_t group, Level level) const {
  return groups_[groups_[group].known(level) ? group : kShapeGroups].quantile(level);
}

void StepIntervals::add(std::uint32_t group, Ratio score) {
  groups_[group].add(score);
  groups_[kShapeGroups].add(score);
  order_[latest_] = static_cast<std::uint8_t>(group);
  latest_ = (latest_ + 1) % Conformal::kScores;
}

void StepIntervals::calibrate(std::uint32_t group, std::span<const Ratio> scores) {
  groups_[group].calibrate(scores);
  groups_[kShapeGroups].calibrate(scores);
  for (std::size_t i = 0; i < scores.size(); ++i) {
    order_[latest_] = static_cast<std::uint8_t>(group);
    latest_ = (latest_ + 1) % Conformal::kScores;
  }
}

void StepIntervals::forget_latest(std::uint32_t scores) {
  Conformal& all = groups_[kShapeGroups];
  scores = std::min(scores, all.count());
  for (std::uint32_t i = 0; i < scores; ++i) {
    latest_ = (latest_ + Conformal::kScores - 1) % Conformal::kScores;
    groups_[order_[latest_]].forget_latest(1);
  }
  all.forget_latest(scores);
}

void StepIntervals::write(std::ostream& out) const {
  out << latest_;
  for (const std::uint8_t group : order_) out << ' ' << int{group};
  for (const Conformal& group : groups_) group.write(out << ' ');
}

bool StepIntervals::read(std::istream& in) {
  StepIntervals as_read;
  if (!(in >> as_read.latest_) || as_read.latest_ >= Conformal::kScores) return false;
  for (std::uint8_t& group : as_read.order_) {
    std::uint32_t g = 0;
    if (!(in >> g) || g >= kShapeGroups) return false;
    group = static_cast<std::uint8_t>(g);
  }
  for (Conformal& group : as_read.groups_)
    if (!group.read(in)) return false;
  *this = as_read;
  return true;
}

// A ratio of 1 + x sigmas is a score of 16 + x, so that none is negative; beyond 16 sigmas below all are alike.
Ratio NormalisedIntervals::quantile(std::int64_t sigma, Level level) const {
  sigma = std::max<std::int64_t>(1, sigma);
  if (!known(level)) return guessed_quantile(sigma, level);
  const std::int64_t x = std::int64_t{scores_.quantile(level)} - 16 * kRatioOne;
  return static_cast<Ratio>(std::clamp<std::int64_t>(kRatioOne + x * sigma / kRatioOne, 0, kMostRatio));
}

void NormalisedIntervals::add(std::int64_t sigma, Ratio score) {
  const std::int64_t x = (std::int64_t{score} - kRatioOne) * kRatioOne / std::max<std::int64_t>(1, sigma);
  scores_.add(static_cast<Ratio>(std::clamp<std::int64_t>(16 * kRatioOne + x, 0, kMostRatio)));
}

// ---- of many steps --------------------------------------------------------------------------------------------------

void ErrorParts::add(Ratio now, Ratio before) {
  // What is off by more than twice itself is not of this distribution.
  const auto off = [this](Ratio r) {
    return std::clamp<std::int64_t>(r - mean_ / kFine, -2 * kRatioOne, 2 * kRatioOne);
  };
  const std::int64_t a = off(now), b = off(before);
  mean_ += (std::int64_t{now} * kFine - mean_) / 512;
  variance_ += (a * a - variance_) / 512;
  covariance_ += (a * b - covariance_) / 512;
}

ErrorVariances ErrorParts::variances() const {
  const std::int64_t common = std::clamp<std::int64_t>(covariance_, 0, variance_);
  return {common, variance_ - common};
}

std::int64_t ErrorVariances::of_sum(std::int64_t steps) const {
  return integer_sqrt(common + independent / std::max<std::int64_t>(1, steps));
}

void ErrorParts::write(std::ostream& out) const { out << mean_ << ' ' << variance_ << ' ' << covariance_; }

bool ErrorParts::read(std::istream& in) {
  ErrorParts as_read;
  if (!(in >> as_read.mean_ >> as_read.variance_ >> as_read.covariance_)) return false;
  constexpr std::int64_t kMost = std::int64_t{1} << 40;
  if (as_read.mean_ < 0 || as_read.mean_ > kMost || as_read.variance_ < 0 || as_read.variance_ > kMost ||
      as_read.covariance_ < -kMost || as_read.covariance_ > kMost)
    return false;
  *this = as_read;
  return true;
}

std::size_t SumIntervals::length_of(std::int64_t steps) {
  return steps <= 4 ? 0 : steps <= 16 ? 1 : steps <= 64 ? 2 : steps <= 256 ? 3 : 4;
}

Ratio SumIntervals::quantile(const ErrorParts& parts, std::int64_t steps, Level level) const {
  const std::size_t length = length_of(steps);
  return scores_[scores_[length].known(level) ? length : kLengths].quantile(parts.of_sum(steps), level);
}

void SumIntervals::add(const ErrorParts& parts, std::int64_t steps, Ratio score) {
  const std::int64_t sigma = parts.of_sum(steps);
  scores_[length_of(steps)].add(sigma, score);
  scores_[kLengths].add(sigma, score);
}

}  // namespace yard
