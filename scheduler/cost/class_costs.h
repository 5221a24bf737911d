// The costs of one class of devices as they are believed now: the prior's integers, corrected, and their quantiles,
// laid out to be read. A prediction is three table reads, a few products and shifts; nothing is divided and nothing
// searched.
//
// Threads: one writes, nobody reads meanwhile. Owns: 48 B for each number of sequences. Allocates when made only.
// Bounds: scales up to 8 and ratios up to 64 keep a step of 2^49 ps (9 minutes) below 2^63.
#pragma once
#include <array>
#include <cstdint>
#include <vector>

#include "scheduler/cost/interval.h"
#include "scheduler/cost/online.h"
#include "scheduler/cost/step_cost.h"

namespace yard {

class ClassCosts {
 public:
  // As the prior says, with nothing known of how far off it is: quantiles of a normal of its error.
  explicit ClassCosts(const StepCost& prior);

  // What is known now of the class's key. Cost: O(max_sequences).
  void correct(const CostCorrection&);
  void bound(const OnlineCosts&, std::uint32_t key);

  // As StepCost::step. Requires: n <= max_sequences.
  Picoseconds step(std::uint32_t n, std::int64_t prefill_tokens, std::int64_t pairs,
                   std::int64_t decode_context) const {
    return Picoseconds(rows_[n].c0 + c1_ * prefill_tokens + c2_ * decode_context + c4_ * pairs / 1024);
  }
  // What the step takes at most, with the level's probability. Requires: a step below 2^49 ps.
  Picoseconds step(std::uint32_t n, std::int64_t prefill_tokens, std::int64_t pairs, std::int64_t decode_context,
                   Level level) const {
    const std::int64_t mean = step(n, prefill_tokens, pairs, decode_context).count();
    const std::size_t l = static_cast<std::size_t>(level);
    const std::int64_t ratio = prefill_tokens == 0 ? rows_[n].ratio[l] : reading_[reading_group(prefill_tokens)][l];
    // In two parts, so that 64 bits do: high and low 32 of the mean.
    return Picoseconds((mean >> 16) * ratio + ((mean & 0xffff) * ratio >> 16));
  }

  Picoseconds c0(std::uint32_t n) const { return Picoseconds(rows_[n].c0); }
  Picoseconds c1() const { return Picoseconds(c1_); }
  Picoseconds c2() const { return Picoseconds(c2_); }
  Picoseconds c4() const { return Picoseconds(c4_); }
  std::uint32_t max_sequences() const { return static_cast<std::uint32_t>(rows_.size()) - 1; }

 private:
  struct Row {
    std::int64_t c0;
    std::array<Ratio, kLevels> ratio;
  };
  static constexpr std::uint32_t kReadingGroups = 3;
  static constexpr std::size_t reading_group(std::int64_t read) { return (read > 256) + (read > 2048); }

  std::vector<Row> rows_;
  std::array<std::array<Ratio, kLevels>, kReadingGroups> reading_{};
  std::int64_t c1_ = 0, c2_ = 0, c4_ = 0;
  const StepCost& prior_;
};

}  // namespace yard
