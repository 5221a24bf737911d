// SMG's cache_aware, the default policy of Shepherd Model Gateway (once sglang's router): the worker with the longest
// match while the load is even, the shortest queue otherwise.
//
//   uneven   longest - shortest > 64 and longest > 1.5 shortest, in requests in flight
//   shortest fewest requests in flight, then fewest ever chosen, then the lowest index
//   matched  the worker that holds most of the prompt, if that is more than 0.3 of it
//   choice   uneven ? shortest : matched ? matched : shortest
// Of several that hold as much: fewest requests in flight, then the smaller tree, then the lowest index (so its variant
// that is fed by cache events; the approximate one takes whoever its tree names).
//
// Source: github.com/lightseekorg/smg at 73da68c (2026-08-07, v1.9.0-48), model_gateway/src/policies/cache_aware.rs;
// thresholds 0.3, 64 and 1.5 are those of its command line (the library's own are 0.5, 32 and 1.1).
// Kind to it: the match is what the device's cache is expected to hold, where its trees (2^26 nodes, emptied by age
// every 120 s) remember what was sent, in characters. Left out: KV usage as a sign of unevenness (off by default),
// circuit breakers, the mesh of gateways.
// Rounding: none.
#include <algorithm>
#include <cstdint>
#include <tuple>

#include "scheduler/policy/scorers.h"

namespace yard::policy {
namespace {

constexpr std::int64_t kUnevenBy = 64, kUnevenTimesTenths = 15, kMatchedTenths = 3;

}  // namespace

std::uint32_t smg_cache_aware(std::span<const std::uint32_t> eligible, const DeviceColumns& devices, const FleetView&,
                              const CostTables&, const Ask& ask, PolicyState& state) noexcept {
  const auto load = [&](std::uint32_t d) { return std::int64_t{devices.waiting[d]} + devices.running[d]; };
  const auto queue = [&](std::uint32_t d) { return std::tuple(load(d), state.chosen[d]); };
  const auto match = [&](std::uint32_t d) {
    return std::tuple(-devices.hit_tokens[d], load(d), devices.cached_tokens[d]);
  };
  std::uint32_t shortest = 0, matched = 0;
  std::int64_t longest = 0;
  for (std::uint32_t k = 0; k < eligible.size(); ++k) {
    longest = std::max(longest, load(eligible[k]));
    if (queue(eligible[k]) < queue(eligible[shortest])) shortest = k;
    if (match(eligible[k]) < match(eligible[matched])) matched = k;
  }
  const std::int64_t least = load(eligible[shortest]);
  const bool uneven = longest - least > kUnevenBy && longest * 10 > least * kUnevenTimesTenths;
  const bool held = std::int64_t{devices.hit_tokens[eligible[matched]]} * 10 > ask.prompt.count() * kMatchedTenths;
  const std::uint32_t choice = !uneven && held ? matched : shortest;
  ++state.chosen[eligible[choice]];
  return choice;
}

}  // namespace yard::policy
