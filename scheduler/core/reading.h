// How long a device is at reading a prompt beside those who decode there, as it stands: what the formula of kept
// promises and forecasts count on.
#pragma once
#include <algorithm>
#include <cstdint>

#include "scheduler/core/chunk.h"
#include "scheduler/core/pace.h"
#include "scheduler/core/policy.h"

namespace yard {

// What those who decode on a device, and are promised a TPOT, leave for reading beside them: tokens of a step.
// `step`: of one that reads nothing, ns. `own_reading`: of the `reads` tokens that are asked about, ns.
inline std::int64_t read_in_a_step(const PoolView& pool, const StepCost& cost, const FleetView& fleet,
                                   const DeviceColumns& devices, std::uint32_t d, std::int64_t step,
                                   std::int64_t own_reading, std::int64_t reads) {
  constexpr std::int64_t kNone = 100'000'000'000'000;  // ns: beyond a day all are alike
  const std::int64_t budget = std::max<std::int64_t>(1, pool.token_budget.count() - devices.running[d]);
  if (pool.chunk == Chunk::budget || devices.running[d] == 0) return budget;
  std::int64_t objective = kNone;
  const std::uint32_t* count = &devices.by_class[d * fleet.classes.size()];
  for (std::size_t c = 0; c < fleet.classes.size(); ++c)
    if (count[c] > 0 && fleet.classes[c].tpot.count() > 0)
      objective = std::min(objective, fleet.classes[c].tpot.count());
  if (objective == kNone) return budget;
  const std::int64_t per_token =
      std::max(at_pace(cost.c1().count(), devices.pace_of(d)), reads > 0 ? own_reading * 1000 / reads : 0);
  const std::int64_t fits =
      std::max<std::int64_t>(0, kept_of(objective) - step) * 1000 / std::max<std::int64_t>(1, per_token);
  return std::clamp(fits, std::min<std::int64_t>(kLeastRead.count(), budget), budget);
}

// Returns: for how long the device reads so many tokens behind `hit` others, with all steps that this takes; at most
// an hour. It is read with others in one step, so that steps count in parts.
inline Duration reading_of(const PoolView& pool, const StepCost& cost, const FleetView& fleet,
                           const DeviceColumns& devices, std::uint32_t d, std::int32_t reads, std::int32_t hit) {
  constexpr std::int64_t kStep = 100'000'000'000, kHour = 3'600'000'000'000;  // ns
  const std::uint32_t pace = devices.pace_of(d);
  const std::uint32_t decode = std::clamp(devices.running[d], 1u, pool.max_sequences);
  const std::int64_t step =
      std::min(kStep, at_pace((cost.c0(decode).count() + cost.c2().count() * devices.kv_tokens[d]) / 1000, pace));
  const std::int64_t own =
      std::min(kHour, at_pace(cost.reading(reads, prefill_pairs(reads, hit)).count() / 1000, pace));
  const std::int64_t chunk = read_in_a_step(pool, cost, fleet, devices, d, step, own, reads);
  return Duration(std::min(kHour, own + step * reads / chunk));
}

}  // namespace yard
