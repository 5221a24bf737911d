// How far off a prediction may be: quantiles of measured / predicted, honest without a belief about their distribution.
//
// Split conformal prediction by group (Vovk, Gammerman, Shafer: Algorithmic Learning in a Random World, 2005; Lei et
// al., JASA 113, 2018): the q-quantile of n scores of like shape is the ceil((n + 1) q)-th of them. What is predicted
// drifts, so the scores are the latest 256, and the rank asked for is itself moved by every miss and every hit, as
// adaptive conformal inference does (Gibbs, Candes: Adaptive Conformal Inference Under Distribution Shift, NeurIPS
// 2021): level += gain x (q - [score <= quantile]). Over any T observations the share covered is then within
// (1 + gain) / (gain x T) of q, whatever the world does.
//
// A score is a ratio in 1/65536, added once it is known whether the quantile held. Integers throughout: the same
// everywhere.
//
// Threads: one at a time. Nothing allocates after construction.
// N1  sorted_ holds what ring_ holds.
#pragma once
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <span>

namespace yard {

using Ratio = std::int32_t;  // measured / predicted, 1/65536

inline constexpr std::int64_t kRatioOne = 65536;
inline constexpr Ratio kMostRatio = 64 * kRatioOne;

// Requires: predicted > 0. Beyond 64 all ratios are alike.
constexpr Ratio ratio_of(std::int64_t measured, std::int64_t predicted) {
  constexpr std::int64_t kMost = std::int64_t{1} << 46;  // ps: 70 s, and beyond both are halved alike
  while (measured > kMost || predicted > kMost) measured /= 2, predicted = predicted > 1 ? predicted / 2 : 1;
  return static_cast<Ratio>(std::clamp<std::int64_t>(measured * kRatioOne / predicted, 0, kMostRatio));
}

enum class Level : std::uint8_t { q05, q50, q90, q95, q99 };
inline constexpr std::size_t kLevels = 5;
inline constexpr std::array<std::int64_t, kLevels> kLevelPermille = {50, 500, 900, 950, 990};

// The latest scores of one group, and its levels.
class Conformal {
 public:
  static constexpr std::uint32_t kScores = 256;

  // gain: of a level, in 1/65536, per observation; 0: split conformal over the latest scores alone.
  Conformal() : Conformal(kDefaultGain) {}
  explicit Conformal(std::int64_t gain) : gain_(gain) { reset_levels(); }

  // Returns: what measured / predicted stays below with this probability. Requires: known(level).
  Ratio quantile(Level level) const;
  // Whether there are scores enough to say: none of n lies above the (n + 1) q-th unless n >= q / (1 - q).
  bool known(Level level) const { return count_ >= least(level); }
  static constexpr std::uint32_t least(Level level) {
    constexpr std::array<std::uint32_t, kLevels> kLeast = {19, 9, 9, 19, 99};
    return kLeast[static_cast<std::size_t>(level)];
  }

  void add(Ratio score);
  // Where much lies between asking and knowing: whether what was told then, of that level, held. Moves no other level.
  void add(Ratio score, Level told, bool held);
  // Scores of a calibration set, apart from what is then predicted: they move no level.
  void calibrate(std::span<const Ratio> scores);
  // Takes back the latest scores, as many as there are: they were of a world that is known to be over. Levels return.
  void forget_latest(std::uint32_t scores);

  std::uint32_t count() const { return count_; }
  std::span<const Ratio> sorted() const { return {sorted_.data(), count_}; }

  // As text, exact: count, scores from the oldest, levels. Errors of read(): false, and nothing is changed.
  void write(std::ostream&) const;
  bool read(std::istream&);

  static constexpr std::int64_t kDefaultGain = 1638;  // 0.025

 private:
  void insert(Ratio score);
  void move_level(std::size_t level, bool held);
  void take_out(Ratio score);
  void reset_levels();
  Ratio at_level(std::int64_t level) const;

  std::int64_t gain_;
  std::uint32_t count_ = 0, next_ = 0;  // next_: where ring_ is written
  std::array<Ratio, kScores> ring_{}, sorted_{};
  std::array<std::int64_t, kLevels> levels_{};  // 1/65536
};

// ---- of a step ------------------------------------------------------------------------------------------------------

// Steps alike in what limits them: decodes by their number, steps that read by the tokens read.
inline constexpr std::uint32_t kShapeGroups = 8;
constexpr std::uint32_t shape_group(std::int64_t sequences, std::int64_t read) {
  if (read > 0) return read <= 256 ? 5 : read <= 2048 ? 6 : 7;
  return sequences <= 2 ? 0 : sequences <= 8 ? 1 : sequences <= 32 ? 2 : sequences <= 128 ? 3 : 4;
}

// Of the steps of one key. A group that has seen too little speaks by all groups' scores.
class StepIntervals {
 public:
  bool known(Level level) const { return groups_[kShapeGroups].known(level); }
  // Requires: known(level).
  Ratio quantile(std::uint32_t group, Level) const;
  void add(std::uint32_t group, Ratio score);
  void calibrate(std::uint32_t group, std::span<const Ratio> scores);
  void forget_latest(std::uint32_t scores);  // of each group, at most so many of all of them together

  void write(std::ostream&) const;
  bool read(std::istream&);

 private:
  std::array<Conformal, kShapeGroups + 1> groups_;  // the last: all
  std::array<std::uint8_t, Conformal::kScores> order_{};
  std::uint32_t latest_ = 0;  // of order_, which names the group of each score of `all`
};

// A normal's, twice as wide as the error is said to be: where nobody's scores are known.
Ratio guessed_quantile(std::int64_t sigma, Level);  // sigma in 1/65536

// Scores in units of an error that is told with each, so that those of unlike predictions can stand in for one another
// (normalised scores: Lei et al. 2018, section 5).
class NormalisedIntervals {
 public:
  Ratio quantile(std::int64_t sigma, Level) const;  // sigma in 1/65536
  void add(std::int64_t sigma, Ratio score);
  bool known(Level level) const { return scores_.known(level); }

  void write(std::ostream& out) const { scores_.write(out); }
  bool read(std::istream& in) { return scores_.read(in); }

 private:
  Conformal scores_;
};

// Largest integer whose square is at most n. Requires: n >= 0.
std::int64_t integer_sqrt(std::int64_t n);

// ---- of many steps --------------------------------------------------------------------------------------------------

// What is off in all steps of a stretch alike (a slow chip, a wrong prior) and what each step brings anew. Of the sum
// of k like steps the first part stays and the second shrinks: variance = common + independent / k. Told apart by the
// covariance of residuals that one device shows one after the other, exponential means of gain 1/512.
struct ErrorVariances {
  std::int64_t common = 0, independent = 0;  // relative, 1/2^32

  std::int64_t of_sum(std::int64_t steps) const;  // relative standard deviation, 1/65536
};

class ErrorParts {
 public:
  // `now`, `before`: measured / predicted of this step and of the step of the same device before it.
  void add(Ratio now, Ratio before);

  ErrorVariances variances() const;
  // Relative standard deviations in 1/65536.
  std::int64_t common() const { return integer_sqrt(variances().common); }
  std::int64_t independent() const { return integer_sqrt(variances().independent); }
  std::int64_t of_sum(std::int64_t steps) const { return variances().of_sum(steps); }

  void write(std::ostream&) const;
  bool read(std::istream&);

 private:
  static constexpr std::int64_t kFine = 256;
  std::int64_t mean_ = kRatioOne * kFine, variance_ = 0, covariance_ = 0;  // 1/2^24; 1/2^32
};

// Of a sum of steps: a conformal quantile of (measured / predicted - 1) in units of ErrorParts::of_sum, so that
// requests of 3 and of 3,000 steps can share their scores until there are enough of each length.
class SumIntervals {
 public:
  static constexpr std::uint32_t kLengths = 5;  // of up to 4, 16, 64, 256 steps, and more
  // Returns: measured / predicted of a sum of so many steps, at this level.
  Ratio quantile(const ErrorParts&, std::int64_t steps, Level) const;
  void add(const ErrorParts&, std::int64_t steps, Ratio score);

 private:
  static std::size_t length_of(std::int64_t steps);
  std::array<NormalisedIntervals, kLengths + 1> scores_;  // the last: of all
};

}  // namespace yard
