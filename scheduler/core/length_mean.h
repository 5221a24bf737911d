// How long answers are, learnt from those that ended.
#pragma once
#include <algorithm>
#include <array>
#include <cstdint>

#include "scheduler/base/units.h"
#include "scheduler/core/policy.h"

namespace yard {

// What was generated so far by requests of one model and class, in 1/256 tokens: an exponential mean (gain 1/64), and
// four quantiles, each moved by every answer, up by p/16 of itself or down by (1 - p)/16 (stochastic approximation).
class LengthMean {
 public:
  // Writes what is known now of its quantiles.
  void learn(Tokens generated, AnswerLengths& lengths) {
    const std::int64_t length = 256 * std::int64_t{generated.count()};
    mean_ += (length - mean_) / 64;
    for (std::size_t i = 0; i < quantiles_.size(); ++i) {
      const auto p = static_cast<std::int64_t>(2 * i + 1);  // of 8
      std::int64_t& q = quantiles_[i];
      q = length > q ? q + q * p / 128 + 1 : std::max<std::int64_t>(256, q - q * (8 - p) / 128);
      lengths.tokens[i] = static_cast<std::int32_t>(q / 256);
    }
    lengths.weigh();
  }
  Tokens expected(Tokens at_most) const { return std::min(Tokens(std::max<std::int64_t>(1, mean_ / 256)), at_most); }

 private:
  std::int64_t mean_ = 256 * 256;
  std::array<std::int64_t, 4> quantiles_{256 * 256, 256 * 256, 256 * 256, 256 * 256};
};

}  // namespace yard
