// llm-d's endpoint picker with its default scorers: queue 2, KV cache utilisation 2, prefix cache 3, highest sum wins.
//
//   score  = 2 queue + 2 kv + 3 prefix
//   queue  = (longest - waiting) / (longest - shortest) over the candidates; 1 where all are alike
//   kv     = 1 - tokens in KV / KV tokens of the pool
//   prefix = blocks matched / blocks of the prompt, of whole blocks and the first 256 only; 0 for less than a block
// Those that tie are equally likely.
//
// Source: github.com/llm-d/llm-d-inference-scheduler at 520af47 (2026-05-17): weights in pkg/epp/config/loader/
// defaults.go and in the chart, scorers queue-scorer, kv-cache-utilization-scorer, prefix-cache-scorer, picker
// max-score-picker; 256 blocks and the engine's own block size (auto-tuned) from approximateprefix/types.go.
// Kind to it: signals are fresh and own sends count at once (it scrapes the engines), the match is what the device's
// cache is expected to hold (its own index is a guess, an LRU of hashes). The block size is each device's own, where it
// takes the first engine's for all. Left out: filters and profiles for pools of prefill and decode, LoRA affinity,
// shedding by its saturation detector, the optional scorers (session, precise prefix, token load, latency predictor).
// Rounding: each of the three is rounded down to a multiple of 2^-24 (exact to a token in 2^24), where it computes in
// doubles.
#include <algorithm>
#include <cstdint>
#include <limits>

#include "scheduler/policy/scorers.h"
#include "scheduler/policy/ties.h"

namespace yard::policy {
namespace {

constexpr std::int64_t kOne = std::int64_t{1} << 24;
constexpr std::int64_t kQueueWeight = 2, kKvWeight = 2, kPrefixWeight = 3;
constexpr std::int64_t kBlocksMatched = 256;

}  // namespace

std::uint32_t llm_d(std::span<const std::uint32_t> eligible, const DeviceColumns& devices, const FleetView& fleet,
                    const CostTables&, const Ask& ask, PolicyState& state) noexcept {
  std::int64_t shortest = std::numeric_limits<std::int64_t>::max(), longest = 0;
  for (const std::uint32_t d : eligible) {
    shortest = std::min<std::int64_t>(shortest, devices.waiting[d]);
    longest = std::max<std::int64_t>(longest, devices.waiting[d]);
  }
  RandomLeast best(state.rng);
  for (std::uint32_t k = 0; k < eligible.size(); ++k) {
    const std::uint32_t d = eligible[k];
    const PoolView& pool = fleet.pools[devices.pool[d]];
    const std::int64_t queue =
        longest == shortest ? kOne : (longest - devices.waiting[d]) * kOne / (longest - shortest);
    const std::int64_t capacity = std::int64_t{pool.kv_blocks.count()} * pool.block_tokens.count();
    const std::int64_t kv = (capacity - std::min(devices.kv_tokens[d], capacity)) * kOne / capacity;
    const std::int64_t blocks = std::min<std::int64_t>(ask.prompt.count() / pool.block_tokens.count(), kBlocksMatched);
    const std::int64_t matched = std::min<std::int64_t>(devices.hit_tokens[d] / pool.block_tokens.count(), blocks);
    const std::int64_t prefix = blocks == 0 ? 0 : matched * kOne / blocks;
    best.offer(k, -(kQueueWeight * queue + kKvWeight * kv + kPrefixWeight * prefix));
  }
  return best.at();
}

}  // namespace yard::policy
