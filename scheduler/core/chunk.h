// How much of prompts a step reads, where a pool's chunk is sized by the TPOT objectives of those who decode in it
// (README.md, "What a step reads").
#pragma once
#include <algorithm>
#include <cstdint>
#include <limits>

#include "scheduler/base/units.h"
#include "scheduler/cost/step_cost.h"

namespace yard {

inline constexpr Tokens kLeastRead{128};  // of a step, whoever decodes: reading never stops

// What a step may use up of a TPOT objective, ns: 19/20, since costs are not known to the last percent.
constexpr std::int64_t kept_of(std::int64_t objective) { return objective - objective / 20; }

// The time that one step may take for reading, and what is left of it.
class ReadingTime {
 public:
  // No limit.
  ReadingTime() = default;
  explicit ReadingTime(Picoseconds left) : left_(left.count()) {}

  bool limited() const { return left_ != kNoLimit; }

  // Returns: tokens of the `most` that are to be read behind `context` that fit; 0 only where none are to be read, or
  // where nothing is left and enough was read in this step.
  std::int32_t fits(const StepCost& cost, std::int32_t context, std::int32_t most) const {
    const auto takes = [&](std::int32_t m) { return cost.reading(m, prefill_pairs(m, context)).count(); };
    if (most <= 0 || !limited() || takes(most) <= left_) return std::max(0, most);
    const std::int32_t owed = kLeastRead.count() - read_;
    if (owed <= 0 && left_ <= 0) return 0;
    std::int32_t low = std::min(most, std::max(1, owed)), high = most;
    while (high - low > 1) {
      const std::int32_t middle = low + (high - low) / 2;
      (takes(middle) <= left_ ? low : high) = middle;
    }
    return low;
  }

  void spend(const StepCost& cost, std::int32_t context, std::int32_t tokens) {
    if (!limited()) return;
    read_ += tokens;
    left_ = std::max<std::int64_t>(0, left_ - cost.reading(tokens, prefill_pairs(tokens, context)).count());
  }

 private:
  static constexpr std::int64_t kNoLimit = std::numeric_limits<std::int64_t>::max();
  std::int64_t left_ = kNoLimit;
  std::int32_t read_ = 0;
};

}  // namespace yard
