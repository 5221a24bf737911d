// How long a device's steps take beside what their costs say: learnt from the ends of its runs, so that costs which are
// wrong all alike, and a device that is slower than its like, are not believed for long (README.md, "Pace").
#pragma once
#include <algorithm>
#include <cstdint>

#include "scheduler/base/units.h"

namespace yard {

inline constexpr std::uint32_t kPaceAsSaid = 1024;  // a pace is in 1/1024
inline constexpr std::int64_t kPaceGain = 16;       // runs; what is off by less than this / 1024 is taken for right

// The pace after a run that took so long and should have taken `said`, more than nothing.
constexpr std::uint32_t pace_after(std::uint32_t pace, Duration took, Picoseconds said) {
  constexpr std::int64_t kLongest = 3'600'000'000'000;  // ns
  const std::int64_t seen = std::min(took.count(), kLongest) * 1000 * kPaceAsSaid / said.count();
  const std::int64_t off = std::clamp<std::int64_t>(seen, kPaceAsSaid / 4, kPaceAsSaid * 4) - pace;
  return static_cast<std::uint32_t>(pace + off / kPaceGain);
}

// The pace beside costs that say `says` of what they said `before` of. What they now say themselves is no pace any
// more; a device of which too little was seen to be of that pace is taken for one like its like, not for a faster one.
constexpr std::uint32_t pace_beside(std::uint32_t pace, Picoseconds before, Picoseconds says) {
  constexpr std::int64_t kMost = std::int64_t{1} << 48;  // ps: five minutes
  const std::int64_t was = std::clamp<std::int64_t>(before.count(), 1, kMost);
  const std::int64_t is = std::clamp<std::int64_t>(says.count(), 1, kMost);
  const std::int64_t beside = pace * was / is;
  if (is >= was ? pace <= kPaceAsSaid : pace >= kPaceAsSaid) return pace;
  return static_cast<std::uint32_t>(is >= was ? std::max<std::int64_t>(beside, kPaceAsSaid)
                                              : std::min<std::int64_t>(beside, kPaceAsSaid));
}

// Of costs: what they come to at that pace. Of a time: what costs it has room for. Neither beyond an hour.
constexpr std::int64_t at_pace(std::int64_t cost, std::uint32_t pace) { return cost * pace / kPaceAsSaid; }
constexpr std::int64_t said_within(std::int64_t time, std::uint32_t pace) { return time * kPaceAsSaid / pace; }

}  // namespace yard
