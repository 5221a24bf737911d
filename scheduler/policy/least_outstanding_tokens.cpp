// Fewest tokens in flight, the lowest index on a tie: what is still to be read plus the context of those admitted.
//
// What routers call least outstanding tokens, or token load: prompts and answers so far of everybody bound to the
// device and not ended. (llm-d's optional token-load-scorer ranks by the same count:
// github.com/llm-d/llm-d-inference-scheduler at 520af47, scorer/tokenload.) What is cached of a waiting prompt does not
// count. Answers to come are not guessed. Rounding: none.
#include <cstdint>
#include <limits>

#include "scheduler/policy/scorers.h"

namespace yard::policy {

std::uint32_t least_outstanding_tokens(std::span<const std::uint32_t> eligible, const DeviceColumns& devices,
                                       const FleetView&, const CostTables&, const Ask&, PolicyState&) noexcept {
  std::uint32_t best = 0;
  std::int64_t least = std::numeric_limits<std::int64_t>::max();
  for (std::uint32_t k = 0; k < eligible.size(); ++k) {
    const std::int64_t tokens = devices.prefill_tokens[eligible[k]] + devices.kv_tokens[eligible[k]];
    if (tokens < least) least = tokens, best = k;
  }
  return best;
}

}  // namespace yard::policy
