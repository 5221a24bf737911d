// Which prompt blocks a stepped device's KV pool keeps after they were read, for prompts that begin alike.
//
// As vLLM's V1 block pool does: a block that sequences hold on to is counted by them; one that nobody holds is idle,
// and idle ones make way for new leases, the least recently released first. A chain is released from its end, so that
// no block goes before those behind it.
//
// A block here is a prefix block (ModelView::prefix_block tokens), `unit` KV blocks of the pool. It knows nothing of
// free KV blocks: whoever leases calls make_room afterwards.
//
// Sequences hold on to beginnings of chains, so that what is counted and listed are runs of blocks (chain_runs.h).
//
// Threads: the shard's own. Memory: taken by the constructor, touched as blocks come; 20 bytes a block, 36 a run, and a
// table slot of 16 at a load of 3/8 to 3/4.
//
// K1  A device's idle list holds exactly its runs without holders, the one to go first in front, each from its end.
// K2  held + idle == blocks kept, per device; their sum over all devices is at most the bound (I10).
// K3  A run has no fewer holders than what follows it.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "scheduler/base/block_hash.h"
#include "scheduler/core/chain_runs.h"
#include "scheduler/core/evictions.h"
#include "scheduler/core/holding.h"
#include "scheduler/core/policy.h"
#include "scheduler/core/prefix_index.h"
#include "scheduler/core/probe_table.h"
#include "topology/fleet_view.h"

namespace yard {

class KvCache {
 public:
  using Prompt = std::span<const BlockHash>;

  // Requires: `bound` > 0: blocks kept on all devices together. What goes is told to `told`.
  KvCache(const FleetView&, std::uint32_t bound, Evictions& told);

  // KV blocks of the device's pool in one prefix block; 0: it keeps none (served, switched off, or units that do not
  // divide).
  std::int32_t unit(std::uint32_t d) const { return devices_[d].unit; }
  Tokens block(std::uint32_t d) const { return devices_[d].block; }

  // Returns: how many leading blocks of the prompt the device keeps. Cost: O(log those). Where the prompt contradicts
  // what is kept (one block, two parents) those behind are another chain's.
  std::uint32_t kept(std::uint32_t d, Prompt prompt) const noexcept { return kept(d, 0, prompt); }
  // Returns: how many of these nobody holds. Requires: all are kept.
  std::uint32_t idle_among(std::uint32_t d, Prompt) const noexcept;

  // Holds on to these. Requires: all are kept. Returns: how many were idle. Cost: O(runs).
  std::uint32_t hold(std::uint32_t d, Prompt) noexcept;

  // The blocks behind the first `from` of a chain have been read: the device keeps them, held.
  struct Taken {
    std::uint32_t blocks = 0;  // so many of them; fewer where the bound is reached and nothing idle can go, or where
                               // they contradict what is kept
    std::uint32_t fresh = 0;   // of those, so many were not held by anybody: new, or idle
  };
  Taken keep(std::uint32_t d, Prompt chain, std::uint32_t from, Time now) noexcept;

  // Lets go of a chain that was held. Returns: how many of its blocks nobody holds any more. Cost: O(runs).
  std::uint32_t release(std::uint32_t d, Prompt) noexcept;

  // Lets idle blocks go until they fit into so many free KV blocks.
  void make_room(std::uint32_t d, std::int32_t free_kv_blocks, Time now) noexcept {
    if (kept_ == 0) return;
    const Device& device = devices_[d];
    if (device.idle != 0)
      while (device.idle * static_cast<std::uint32_t>(device.unit) > static_cast<std::uint32_t>(free_kv_blocks))
        evict_oldest(d, now);
  }
  // The device lost its memory. Requires: nothing is held.
  void clear(std::uint32_t d, Time now) noexcept;

  // Who is told of every change; null: nobody. Outlives it.
  void tell(BlockWatcher* watcher) { watcher_ = watcher; }

  std::uint32_t held(std::uint32_t d) const { return devices_[d].held; }
  std::uint32_t idle(std::uint32_t d) const { return devices_[d].idle; }

 private:
  struct Held {  // a run
    std::uint32_t holders;
    std::uint32_t older, newer;  // runs of the idle list
  };
  using Runs = ChainRuns<Held>;
  using Place = Runs::Place;
  using Run = Runs::Run;
  struct Device {
    std::int32_t unit = 0;
    Tokens block;
    std::uint32_t held = 0, idle = 0;
    Run oldest = 0, newest = 0;
  };

  Place find(std::uint32_t d, BlockHash hash) const { return table_.at({hash, d}).place; }
  std::uint32_t kept(std::uint32_t d, Place behind, Prompt) const noexcept;
  std::uint32_t hold_up_to(Device&, Place last, Place behind) noexcept;
  void leave_idle(Device&, Run) noexcept;
  void join_idle(Device&, Run) noexcept;
  void link_newer(Device&, Run older, Run) noexcept;
  void evict_oldest(std::uint32_t d, Time now) noexcept;

  ProbeTable<HoldingSlot> table_;
  Runs runs_;
  LazyArray<BlockHash> hashes_;  // by place
  std::uint32_t kept_ = 0;       // on all devices
  const std::uint32_t bound_;
  std::vector<Device> devices_;
  Evictions& told_;
  BlockWatcher* watcher_ = nullptr;
};

}  // namespace yard
