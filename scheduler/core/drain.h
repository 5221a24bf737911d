// When somebody who is refused now had better come back: what lies ahead of it has drained by then, as far as can be
// told from the columns.
//
// A device gives it a first token after reading what it has to read and the prompt, a step per token budget, and after
// a place among its sequences is free: one is every `answer / max_sequences`. The least over the devices that could
// serve it, less what it may wait anyway (its class's TTFT objective), is the time until asking again makes sense;
// bounded, since the estimate is coarse and loads change. More work ahead never makes it less.
#pragma once
#include <algorithm>
#include <cstdint>

#include "scheduler/core/policy.h"

namespace yard {

inline constexpr Duration kSoonest = seconds(1), kLatest = seconds(3600);  // within a fleet's load changes

namespace drain {
// Microseconds, of a step of at most 1,000 s and counts below 2^40; at most kLatest.
inline std::int64_t us(Picoseconds p, std::int64_t times) {
  const Wide product = static_cast<Wide>(p.count()) * static_cast<Wide>(std::max<std::int64_t>(0, times)) / 1'000'000;
  return static_cast<std::int64_t>(std::min<Wide>(product, static_cast<Wide>(kLatest.count() / 1000)));
}
}  // namespace drain

// Returns: until a place among device d's sequences is free for one more; at most kLatest for each that is before it.
inline Duration place_in(const DeviceColumns& devices, const PoolView& pool, const StepCost& cost, std::uint32_t d,
                         std::int64_t prompt, std::int64_t expected) {
  const std::int64_t most = pool.max_sequences;
  const std::int64_t held = devices.kv_tokens[d] + devices.waiting_tokens[d] + prompt;
  const std::int64_t beyond =
      std::max<std::int64_t>(0, std::int64_t{devices.running[d]} + devices.waiting[d] + 1 - most);
  const std::int64_t answer =
      drain::us(cost.c0(static_cast<std::uint32_t>(most)), expected) + drain::us(cost.c2(), held) * expected;
  return microseconds(std::min(answer, kLatest.count() / 1000) * beyond / most);
}

// Returns: until a request of so many prompt tokens would have its first token on device d; at most kLatest.
inline Duration first_token_in(const DeviceColumns& devices, const PoolView& pool, const StepCost& cost,
                               std::uint32_t d, std::int64_t prompt, std::int64_t expected) {
  const std::int64_t reads = devices.prefill_tokens[d] + prompt;
  const std::int64_t steps = (reads + pool.token_budget.count() - 1) / pool.token_budget.count();
  const Picoseconds step = cost.c0(
      static_cast<std::uint32_t>(std::min<std::int64_t>(devices.running[d] + std::int64_t{1}, pool.max_sequences)));
  const Duration reading = microseconds(drain::us(cost.c1(), reads) + drain::us(step, steps));
  return std::min(kLatest, reading + place_in(devices, pool, cost, d, prompt, expected));
}

}  // namespace yard
