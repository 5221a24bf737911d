// The steady clock, counted from when this was made: a shard's epoch.
#pragma once
#include <chrono>

#include "scheduler/base/units.h"

namespace yard {

class LiveClock {
 public:
  using Steady = std::chrono::steady_clock;
  static_assert(std::is_same_v<Steady::period, std::nano>);

  Time now() const noexcept { return Time((Steady::now() - epoch_).count()); }

  // Returns: the same point on the steady clock; its last one for Time::never().
  Steady::time_point at(Time t) const noexcept {
    const auto left = (Steady::time_point::max() - epoch_).count();
    return t.ns() >= left ? Steady::time_point::max() : epoch_ + Steady::duration(t.ns());
  }

 private:
  Steady::time_point epoch_ = Steady::now();
};

}  // namespace yard
