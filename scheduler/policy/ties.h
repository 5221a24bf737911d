// The least of a row of candidates, each of those that tie equally likely.
//
// One draw per candidate that ties with the least so far, so that the row is read once and nothing is kept of it.
#pragma once
#include <cstdint>
#include <limits>

#include "scheduler/base/rng.h"

namespace yard::policy {

class RandomLeast {
 public:
  explicit RandomLeast(Rng& rng) : rng_(rng) {}

  void offer(std::uint32_t at, std::int64_t cost) {
    if (cost > least_) return;
    if (cost < least_) {
      least_ = cost, at_ = at, ties_ = 1;
    } else if (rng_.below(++ties_) == 0) {
      at_ = at;
    }
  }
  std::uint32_t at() const { return at_; }

 private:
  Rng& rng_;
  std::int64_t least_ = std::numeric_limits<std::int64_t>::max();
  std::uint64_t ties_ = 0;
  std::uint32_t at_ = 0;
};

}  // namespace yard::policy
