// Any eligible device, evenly: the floor that every other policy must beat.
#include "scheduler/policy/scorers.h"

namespace yard::policy {

std::uint32_t random(std::span<const std::uint32_t> eligible, const DeviceColumns&, const FleetView&, const CostTables&,
                     const Ask&, PolicyState& state) noexcept {
  return static_cast<std::uint32_t>(state.rng.below(eligible.size()));
}

}  // namespace yard::policy
