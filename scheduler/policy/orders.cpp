// Who goes first: keys, the least first.
#include <algorithm>

#include "scheduler/policy/scorers.h"

namespace yard::policy {

// In the order of submission, which breaks all ties.
std::uint64_t fcfs(const Waiting&) noexcept { return 0; }

// Earliest deadline first inside the rank of the SLO class: 8 bits of rank, 56 of the deadline in nanoseconds (2.3
// years).
std::uint64_t edf(const Waiting& w) noexcept {
  constexpr std::int64_t kLast = (std::int64_t{1} << 56) - 1;
  const auto deadline = static_cast<std::uint64_t>(std::clamp<std::int64_t>(w.deadline.ns(), 0, kLast));
  return std::uint64_t{std::min(w.rank, 255u)} << 56 | deadline;
}

std::uint64_t shortest_first(const Waiting& w) noexcept { return static_cast<std::uint64_t>(w.prompt.count()); }

}  // namespace yard::policy
