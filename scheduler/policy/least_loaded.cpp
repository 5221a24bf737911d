// Fewest sequences waiting or running; the lowest index on a tie. What most routers call "least outstanding requests".
#include "scheduler/policy/scorers.h"

namespace yard::policy {

std::uint32_t least_loaded(std::span<const std::uint32_t> eligible, const DeviceColumns& devices, const FleetView&,
                           const CostTables&, const Ask&, PolicyState&) noexcept {
  std::uint32_t best = 0, least = ~0u;
  for (std::uint32_t k = 0; k < eligible.size(); ++k) {
    const std::uint32_t d = eligible[k], load = devices.waiting[d] + devices.running[d];
    if (load < least) least = load, best = k;
  }
  return best;
}

}  // namespace yard::policy
