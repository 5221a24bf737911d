// SMG's power_of_two: of two workers drawn at random the one whose KV cache is less full; the first drawn on a tie.
//
//   usage = tokens in KV / KV tokens of the pool
//
// Source: github.com/lightseekorg/smg at 73da68c (2026-08-07, v1.9.0-48), model_gateway/src/policies/power_of_two.rs:
// it compares the engines' token_usage where both report it, else requests in flight (which power_of_two.cpp here
// does). Kind to it: usage is as of the last run boundary, where it polls every ten seconds. Left out: nothing.
// Rounding: none, the fractions are compared by products.
#include <cstdint>

#include "scheduler/base/hash.h"
#include "scheduler/policy/scorers.h"

namespace yard::policy {

std::uint32_t smg_power_of_two(std::span<const std::uint32_t> eligible, const DeviceColumns& devices,
                               const FleetView& fleet, const CostTables&, const Ask&, PolicyState& state) noexcept {
  const auto m = static_cast<std::uint32_t>(eligible.size());
  if (m == 1) return 0;
  const auto first = static_cast<std::uint32_t>(state.rng.below(m));
  const auto second = (first + 1 + static_cast<std::uint32_t>(state.rng.below(m - 1))) % m;
  const auto used = [&](std::uint32_t k) { return static_cast<Wide>(devices.kv_tokens[eligible[k]]); };
  const auto held = [&](std::uint32_t k) {
    const PoolView& pool = fleet.pools[devices.pool[eligible[k]]];
    return static_cast<Wide>(pool.kv_blocks.count()) * static_cast<Wide>(pool.block_tokens.count());
  };
  return used(first) * held(second) <= used(second) * held(first) ? first : second;
}

}  // namespace yard::policy
