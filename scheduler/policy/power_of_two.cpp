// The less loaded of two devices drawn at random (Mitzenmacher, The Power of Two Choices in Randomized Load Balancing,
// IEEE TPDS 12(10), 2001); the lower index on a tie.
#include <algorithm>

#include "scheduler/policy/scorers.h"

namespace yard::policy {

std::uint32_t power_of_two(std::span<const std::uint32_t> eligible, const DeviceColumns& devices, const FleetView&,
                           const CostTables&, const Ask&, PolicyState& state) noexcept {
  const auto m = static_cast<std::uint32_t>(eligible.size());
  if (m == 1) return 0;
  const auto i = static_cast<std::uint32_t>(state.rng.below(m));
  auto j = static_cast<std::uint32_t>(state.rng.below(m - 1));
  j += j >= i;
  const auto load = [&](std::uint32_t k) { return devices.waiting[eligible[k]] + devices.running[eligible[k]]; };
  const std::uint32_t low = std::min(i, j), high = std::max(i, j);
  return load(high) < load(low) ? high : low;
}

}  // namespace yard::policy
