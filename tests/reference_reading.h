// What a step of the reference may take for reading where chunks are sized by the objective: the page's section "What a
// step reads", token by token.
#pragma once
#include <algorithm>
#include <cstdint>
#include <optional>

#include "scheduler/base/hash.h"
#include "tests/reference_world.h"

namespace yard::reference {

struct ReadingTime {
  const StepCost& cost;
  std::int64_t left;  // ps; less than zero: no limit
  std::int64_t read = 0;

  std::int64_t takes(std::int64_t tokens, std::int64_t context) const {
    const std::int64_t pairs = tokens * context + tokens * (tokens + 1) / 2;
    return cost.c1().count() * tokens + cost.c4().count() * pairs / 1024;
  }
  std::int64_t fits(std::int64_t context, std::int64_t most) const {
    if (left < 0) return most;
    std::int64_t m = std::min(most, read < 128 ? 128 - read : left > 0 ? std::int64_t{1} : 0);
    while (m < most && takes(m + 1, context) <= left) ++m;
    return m;
  }
  void spend(std::int64_t context, std::int64_t tokens) {
    if (left < 0) return;
    read += tokens;
    left = std::max<std::int64_t>(0, left - takes(tokens, context));
  }
};

// What a device may be said to take where it shall take `time`. (Before 0 all is alike.)
inline std::int64_t said_at(std::int64_t pace, std::int64_t time) {
  return time < 0 ? -1 : static_cast<std::int64_t>(static_cast<Wide>(time) * 1024 / static_cast<Wide>(pace));
}

// A run took so long that should have taken `said` picoseconds.
inline void learn_pace(Device& device, Duration took, std::int64_t said) {
  if (said == 0) return;
  const auto seen = static_cast<std::int64_t>(static_cast<Wide>(took.count()) * 1'024'000 / static_cast<Wide>(said));
  device.pace += (std::min<std::int64_t>(4096, std::max<std::int64_t>(256, seen)) - device.pace) / 16;
}

inline ReadingTime reading_time(const World& world, const Device& device, Time now) {
  const PoolView& pool = *device.pool;
  ReadingTime time{.cost = world.costs[pool.cost], .left = -1};
  if (pool.chunk == Chunk::budget) return time;
  const auto running = static_cast<std::uint32_t>(device.running.size());
  std::int64_t decoding = time.cost.c0(std::min(running + 1, pool.max_sequences)).count();
  for (const std::size_t who : device.running)
    if (const Sequence& s = world.sequences[who]; s.context >= s.to_read)
      decoding += time.cost.c2().count() * s.context;
  std::optional<std::int64_t> least;
  for (const std::size_t who : device.running) {
    const Sequence& s = world.sequences[who];
    const std::int64_t objective = world.fleet.classes[s.request.slo.value].tpot.count();
    if (s.context < s.to_read || s.generated == 0 || objective <= 0) continue;
    const std::int64_t kept = 1000 * (objective - objective / 20);
    const std::int64_t in_time = kept * s.generated - 1000 * (now - s.first_token).count();
    const std::int64_t owed =
        said_at(device.pace, in_time) < decoding ? said_at(device.pace, kept) : said_at(device.pace, in_time);
    if (!least || owed < *least) least = owed;
  }
  if (least) time.left = std::max<std::int64_t>(0, *least - decoding);
  return time;
}

}  // namespace yard::reference
