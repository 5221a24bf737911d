// NVIDIA Dynamo's KV router: the least blocks to be read for the prompt plus blocks held by those alive.
//
//   cost = max(0, prefill + prompt - overlap) + decode + prompt
//   prefill   tokens not yet read by the worker's live requests
//   overlap   of the prompt, in the worker's cache
//   decode    tokens of context of all live requests, those that still wait or read counted whole
// Weights are Dynamo's defaults: overlap credit 1 (without decay), prefill load scale 1, weight of active requests 0,
// temperature 0: the least wins, and those that tie are equally likely.
//
// Source: github.com/ai-dynamo/dynamo, lib/kv-router/src/scheduling/selector.rs at 01690d4 and config.rs at 0243c51
// (2026). Counted in tokens where Dynamo counts blocks (decode and overlap in whole ones): the unit is the same for
// all, so nothing is weighed otherwise. The prompt's own blocks are the same everywhere and left out of the sum; that
// Dynamo shares them with prompts alive on a worker is left out, too.
// Kind to it: its counts are exact here (it predicts them and syncs replicas by events), and what was generated counts
// in `decode` (off by default). Left out: caches in host memory, on disk and shared (credits 0.75, 0.25, 0), pools of
// prefill and decode, the router's own queue beyond 16 times max_num_batched_tokens of prefill on every worker, taints.
// Rounding: none.
#include <algorithm>
#include <cstdint>

#include "scheduler/policy/scorers.h"
#include "scheduler/policy/ties.h"

namespace yard::policy {

std::uint32_t dynamo_kv(std::span<const std::uint32_t> eligible, const DeviceColumns& devices, const FleetView&,
                        const CostTables&, const Ask& ask, PolicyState& state) noexcept {
  RandomLeast best(state.rng);
  for (std::uint32_t k = 0; k < eligible.size(); ++k) {
    const std::uint32_t d = eligible[k];
    const std::int64_t to_read = devices.prefill_tokens[d] + ask.prompt.count() - devices.hit_tokens[d];
    // The line and what open prefills lack: the columns know the former whole and both without what is cached.
    const std::int64_t to_come = std::max(devices.waiting_tokens[d], devices.prefill_tokens[d]);
    best.offer(k, std::max<std::int64_t>(0, to_read) + devices.kv_tokens[d] + to_come);
  }
  return best.at();
}

}  // namespace yard::policy
