// Each device of the model in turn, whatever its kind; those not eligible are passed over.
#include <algorithm>

#include "scheduler/policy/scorers.h"

namespace yard::policy {

std::uint32_t round_robin(std::span<const std::uint32_t> eligible, const DeviceColumns&, const FleetView&,
                          const CostTables&, const Ask& ask, PolicyState& state) noexcept {
  std::uint32_t& next = state.next[ask.model.value];  // the device behind the last one chosen
  auto at = std::lower_bound(eligible.begin(), eligible.end(), next);
  if (at == eligible.end()) at = eligible.begin();
  next = *at + 1;
  return static_cast<std::uint32_t>(at - eligible.begin());
}

}  // namespace yard::policy
