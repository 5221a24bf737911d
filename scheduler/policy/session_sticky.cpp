// A conversation stays where it is: the device that its session's key hashes to, whatever the load.
//
// Source: the session router of vLLM's production stack, github.com/vllm-project/production-stack at a6c01db
// (2026-08-05), src/vllm_router/routers/routing_logic.py: a hash ring of the engines; where a request names no session,
// the engine with the fewest requests per second. Kind to it: such a request goes to the fewest in flight, which is
// fresher; the lowest index on a tie. The ring is rendezvous.h. Left out: its separate policies by longest prefix.
// With `bind: room` only those with room are candidates, and a session moves when its device is full.
// Rounding: none.
#include <cstdint>

#include "scheduler/policy/rendezvous.h"
#include "scheduler/policy/scorers.h"

namespace yard::policy {

std::uint32_t session_sticky(std::span<const std::uint32_t> eligible, const DeviceColumns& devices,
                             const FleetView& fleet, const CostTables& tables, const Ask& ask,
                             PolicyState& state) noexcept {
  if (ask.session == 0) return least_loaded(eligible, devices, fleet, tables, ask, state);
  std::uint32_t best = 0;
  std::uint64_t highest = 0;
  for (std::uint32_t k = 0; k < eligible.size(); ++k) {
    const std::uint64_t weight = rendezvous_weight(ask.session, eligible[k]);
    if (weight >= highest) highest = weight, best = k;
  }
  return best;
}

}  // namespace yard::policy
