// How long a shard's threads look for news before they sleep, on this machine: measured, once for a process.
//
// Threads: any.
#pragma once
#include <cstdint>

#include "scheduler/base/units.h"

namespace yard {

struct SpinPlan {
  std::uint32_t pauses = 0;   // looks before a sleep; 0: sleep at once
  std::uint32_t at_once = 0;  // threads that may look at one time
  std::uint64_t ns = 0;       // that so many looks take
};

// What a process should do that may burn so many thousandths of a hardware thread (affinity and cgroup quota), where
// waking a sleeper takes `wake` and `pauses` looks take `looking`. Below two hardware threads nobody looks: it would
// take the core, or the quota, from who has the news. Else three times as long as a wake takes, at most 50 us, and half
// of the hardware threads at once. (Once as long burns at most twice the best that could be known beforehand, three
// times at most four times that: but who waits for a wake is a request, and its waker pays for a system call. At half
// load of 10 us each, wakes of 12 us: 1.8 times the ideal median against 1.3, 77 % of a core against 93.)
SpinPlan plan_spin(std::uint64_t usable_thousandths, Duration wake, Duration looking, std::uint32_t pauses) noexcept;

// How much of a hardware thread, in thousandths, the calling thread's process may burn: its affinity mask, or its
// cgroup's quota where that is less. 0: unknown.
std::uint64_t usable_thousandths_here() noexcept;

// The same for this process, from its affinity mask, its cgroup and a measurement that takes some milliseconds, at the
// first call. Where a fact cannot be had, nobody looks.
SpinPlan plan_spin_here() noexcept;

}  // namespace yard
