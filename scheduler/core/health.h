// Whether a served device may be tried: passive ejection, half-open recovery.
//
// Five failures in a row eject it: for 30 s the first time, as many times longer as it was ejected before (at most 10).
// Then it is half open: one attempt at a time, until one gives a token (open) or fails (ejected again). These are
// Envoy's defaults for outlier detection (consecutive_5xx 5, base_ejection_time 30 s, max_ejection_time 300 s). Who
// ignores ejection where nothing else is eligible is the placement; where most are ejected, Served (its panic).
#pragma once
#include <algorithm>
#include <cstdint>

#include "scheduler/base/units.h"

namespace yard {

class Health {
 public:
  static constexpr std::uint32_t kFailures = 5, kMostEjections = 10;
  static constexpr Duration kBase = seconds(30);

  // Returns: whether this failure ejects it.
  bool failed(Time now) {
    if (ejected(now)) return false;  // sent before it was
    if (!half_open_ && ++in_a_row_ < kFailures) return false;
    in_a_row_ = 0;
    half_open_ = true;  // when its time has come
    ejections_ = std::min(ejections_ + 1, kMostEjections);
    until_ = now + kBase * ejections_;
    return true;
  }
  void gave_token() {
    in_a_row_ = 0;
    if (half_open_) half_open_ = false, until_ = Time();
    if (ejections_ > 0 && ++good_ % 100 == 0) --ejections_;  // what was long ago weighs less
  }

  bool ejected(Time now) const { return now < until_; }
  bool half_open() const { return half_open_; }
  Time until() const { return until_; }

 private:
  std::uint32_t in_a_row_ = 0, ejections_ = 0, good_ = 0;
  bool half_open_ = false;
  Time until_;
};

}  // namespace yard
