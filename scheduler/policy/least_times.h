// What a request takes on devices at the least, of many at once: so that a scan scores in full only those that can be
// the best. Shifts, sums and products of columns: compiled for what the processor has, with the same numbers on all.
#pragma once
#include <cstdint>
#include <span>

#include "scheduler/policy/kept_promises.h"

namespace yard::policy::kept_promises {

// 1,024 ps: times are bounded in these, which are cut off and not divided for.
inline constexpr std::int64_t kGrain = 1024;

inline constexpr std::size_t kMostAtOnce = 256;  // devices

// `least`: of the devices from `first` on, all of this pool: no more than Terms::seconds is weighed from (first token
// and all others, each a day at the most), in 1,024 ps.
// Requires: at most kMostAtOnce.
void least_times(const PoolView&, const StepCost&, const DeviceColumns&, std::uint32_t first, const Request&,
                 std::span<std::int64_t> least) noexcept;

}  // namespace yard::policy::kept_promises
