// Consistent hashing of the prompt's head with bounded loads: the first device in the key's order that is not too full.
//
//   too full   in flight > 1.25 (in flight on all candidates + 1) / candidates, in requests
//   order      of the key among the devices (rendezvous.h)
// The mean cannot be above every load, so one always takes it.
//
// Source: KubeAI's PrefixHash, github.com/substratusai/kubeai at 2f32ef4 (2025-07-06), internal/loadbalancer/
// balance_chwbl.go, meanLoadFactor 125 %; after Mirrokni, Thorup and Zadimoghaddam, Consistent Hashing with Bounded
// Loads (SODA 2018). SMG's prefix_hash has the same bound and takes the least loaded where the first is too full.
// The key is the hash of the prompt's first block; KubeAI's is that of its first 100 characters. A prompt whose head is
// unknown is like no other: its key is drawn. Kind to it: loads are fresh, of one router that sees all. Left out: LoRA
// adapters.
// Rounding: none, the bound is compared by products.
#include <cstdint>

#include "scheduler/policy/rendezvous.h"
#include "scheduler/policy/scorers.h"

namespace yard::policy {

std::uint32_t bounded_prefix_hash(std::span<const std::uint32_t> eligible, const DeviceColumns& devices,
                                  const FleetView&, const CostTables&, const Ask& ask, PolicyState& state) noexcept {
  constexpr std::uint64_t kPercent = 125;
  const auto load = [&](std::uint32_t d) { return std::uint64_t{devices.waiting[d]} + devices.running[d]; };
  std::uint64_t all = 0;
  for (const std::uint32_t d : eligible) all += load(d);
  const std::uint64_t key = ask.prefix_head != 0 ? ask.prefix_head : state.rng.next();
  std::uint32_t best = 0;
  std::uint64_t highest = 0;
  for (std::uint32_t k = 0; k < eligible.size(); ++k) {
    if (load(eligible[k]) * eligible.size() * 100 > (all + 1) * kPercent) continue;
    const std::uint64_t weight = rendezvous_weight(key, eligible[k]);
    if (weight >= highest) highest = weight, best = k;
  }
  return best;
}

}  // namespace yard::policy
