// Which device holds which prefix: chained block hashes, who holds each, and how long a prompt's held beginning is.
//
// One shard's; whoever owns the Core calls it. It copies what engines do: a device's blocks stand in one order of last
// use, and when its pool is full the least recently used block goes, children before parents. It is fed by our own
// placements (what a device will hold: a guess) and by exact reports (BlocksChanged); each has an age, per device.
//
// A *holding* is one (device, block) pair; all bounds count holdings. All memory is taken by the constructor; its pages
// are touched as holdings come: 36 bytes per holding, 40 per run of them (chain_runs.h), and two table slots of 16
// bytes at a load of 3/8 to 3/4. The order of use is one of runs: what a use moves is as many as its chain has, not its
// blocks.
//
// P1  A device that holds a block holds every block before it: the holders of a chain's blocks are nested.
// P2  In a device's order of use a block stands before its children, so that the last one has no children. (Every
//     insert uses the whole chain, and places each run behind the one that it follows.)
// P3  A device's stamps do not rise from the front of its order to the back.
// P4  Holdings <= bounds.holdings; a device's <= its capacity.
//
// Exact: whether a device holds a block (`holds`, `blocks_held`), however many others hold it too; every count; the
// depth of every listed holder. Cut: a match lists at most 16 devices, the deepest. Where more than 16 hold the same
// depth (a system prompt), those that came to hold it last are listed, and the rest are told by number and depth
// ("many": `unlisted`, `unlisted_blocks`); ask `blocks_held` about any one. Approximate, on the safe side: what was
// forgotten for want of room is a miss; a block below one that was reported removed is taken as removed. Approximate,
// on the other: what our placements said until a report or the order of use corrects it; hashes that collide (2^-64).
// A chain that contradicts what is known (one block, two parents on one device) is cut there and counted, where it is
// found out: at the block that is new after it, or where its length is not that of what is known.
//
// Cost: match O(log blocks) probes per distinct depth, at most 16 of them; insert O(log blocks + runs + what is new);
// removal O(what goes).
#pragma once
#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "scheduler/base/block_hash.h"
#include "scheduler/base/heap.h"
#include "scheduler/base/id.h"
#include "scheduler/base/units.h"
#include "scheduler/core/chain_runs.h"
#include "scheduler/core/holding.h"
#include "scheduler/core/probe_table.h"

namespace yard {

struct PrefixBounds {
  std::uint32_t holdings = 1u << 20;  // in all; beyond it the least recently used goes, whosever it is
  std::uint32_t devices = 0;
};

// Who holds how much of a prompt: deepest first, of equals who came to hold it last.
struct PrefixMatch {
  static constexpr std::uint32_t kMost = 16;
  struct Holder {
    DeviceId device;
    std::uint32_t blocks = 0;  // leading blocks, > 0
    bool operator==(const Holder&) const = default;
  };
  std::array<Holder, kMost> holders;
  std::uint32_t size = 0;
  std::uint32_t unlisted = 0;         // so many devices more hold exactly
  std::uint32_t unlisted_blocks = 0;  // so many leading blocks. Who holds fewer is not told once 16 are listed.

  std::span<const Holder> listed() const { return {holders.data(), size}; }
  std::uint32_t deepest() const { return size ? holders[0].blocks : 0; }
};

class PrefixIndex {
 public:
  enum class Source : std::uint8_t { placement, report };
  using Prompt = std::span<const BlockHash>;
  static constexpr std::uint32_t kUnlimited = 0xffff'ffff;

  struct Counts {
    std::uint64_t holdings = 0, blocks = 0;  // now: pairs, distinct blocks
    std::uint64_t out_of_room = 0;           // holdings forgotten because the index was full
    std::uint64_t out_of_pool = 0;           // because the device's capacity was reached
    std::uint64_t unknown_removed = 0;       // removals of what was not held
    std::uint64_t unknown_parent = 0;        // extensions of what was not held
    std::uint64_t contradictions = 0;        // chains cut because a block had another parent
    bool operator==(const Counts&) const = default;
  };
  struct Ages {
    Time placed = kNever, reported = kNever;
    static constexpr Time kNever = Time(std::numeric_limits<std::int64_t>::min());
  };

  // Requires: 0 < holdings < 2^31.
  explicit PrefixIndex(const PrefixBounds&);

  // The blocks that a device's pool can keep; what is beyond goes at once, least recently used first. A device whose
  // reports are exact needs none.
  void set_capacity(DeviceId, std::uint32_t blocks) noexcept;

  // The device now holds this prompt's blocks and has used them all. Returns: how many of them it holds: fewer than
  // given where its capacity or the whole index cannot hold one chain, or where the chain contradicts. `held_before`:
  // filled in with how many leading ones it held.
  std::uint32_t insert(DeviceId d, Prompt prompt, Time now, Source source) noexcept {
    std::uint32_t held_before;
    return insert(d, prompt, now, source, held_before);
  }
  std::uint32_t insert(DeviceId, Prompt, Time now, Source, std::uint32_t& held_before) noexcept;

  // The device now holds `blocks` behind `parent`, all used, and so are parent and its ancestors. Returns: how many of
  // the blocks it holds now; 0 where the parent is not held (an unknown past cannot be matched).
  std::uint32_t extend(DeviceId, BlockHash parent, Prompt blocks, Time now, Source) noexcept;

  // The device holds these no more, in any order, nor what lies behind them. Returns: holdings that went.
  std::uint32_t remove(DeviceId, std::span<const BlockHash>, Time now, Source) noexcept;

  // How often anything was placed or stored so far.
  std::uint64_t uses() const noexcept { return stamp_; }
  // As remove(), of a block that was let go when uses() was so: not where it has been used since.
  std::uint32_t remove_unused(DeviceId, BlockHash, std::uint64_t uses, Time now) noexcept;

  // The device lost everything, or went.
  void clear(DeviceId, Time now, Source) noexcept;

  PrefixMatch match(Prompt) const noexcept;                    // by galloping
  PrefixMatch match_by_walk(Prompt) const noexcept;            // the same, block by block: the reference
  std::uint32_t blocks_held(DeviceId, Prompt) const noexcept;  // leading blocks, by galloping
  bool holds(DeviceId, BlockHash) const noexcept;
  std::uint32_t holders(BlockHash block) const noexcept { return blocks_.at(block).count; }

  std::uint32_t held(DeviceId d) const noexcept { return devices_[d.value].held; }  // blocks in all
  Ages ages(DeviceId d) const noexcept { return devices_[d.value].ages; }
  const Counts& counts() const noexcept { return counts_; }

  void audit() const;                 // P1 to P4 and every link, or the process ends. Cost: all. For tests.
  std::uint64_t fingerprint() const;  // of everything that later answers depend on. Cost: all. For tests.

 private:
  using Place = std::uint32_t;  // of a holding; 0: none
  static constexpr std::uint64_t kSpread = 0x9e3779b97f4a7c15ull;

  struct BlockSlot {
    using Key = BlockHash;
    std::uint64_t hash;
    Place newest;         // of its holders, linked by Who::ahead and behind
    std::uint32_t count;  // of its holders
    bool empty() const { return count == 0; }
    bool is(Key key) const { return hash == key.bits; }
    std::uint64_t spread() const { return hash * kSpread; }
    static std::uint64_t spread(Key key) { return key.bits * kSpread; }
  };
  static_assert(sizeof(BlockSlot) == 16);

  struct Use {                   // of a run
    std::uint32_t newer, older;  // runs: the device's order of use
    std::uint64_t stamp;         // the insert that used it last
  };
  using Runs = ChainRuns<Use>;
  using Run = Runs::Run;
  struct Who {
    BlockHash block;
    std::uint32_t device;
    Place ahead, behind;  // holders of one block, newest first
  };
  static_assert(sizeof(Use) == 16 && sizeof(Who) == 24);

  struct Device {
    Run front = 0, back = 0;
    std::uint32_t held = 0, capacity = kUnlimited;
    bool queued = false;  // in oldest_
    Ages ages;
  };

  std::uint32_t take_in(std::uint32_t device, Place parent, Prompt, std::uint32_t held) noexcept;
  std::uint32_t known(std::uint32_t device, Place parent, Prompt) noexcept;
  void use(Device&, Place last) noexcept;
  std::uint32_t create(std::uint32_t device, Place parent, Prompt) noexcept;
  void unlink(Device&, Run) noexcept;
  void link_behind(Device&, Run before, Run) noexcept;
  bool make_room(Device&) noexcept;
  Run oldest() noexcept;
  void drop_last(Run) noexcept;
  std::uint32_t drop_with_children(Place) noexcept;
  void unname(Place) noexcept;
  void prefetch_victims(const Device&, std::uint32_t n) noexcept;
  void list(PrefixMatch&, BlockHash, std::uint32_t depth) const noexcept;
  void stamp_age(std::uint32_t device, Time, Source) noexcept;
  template <class Act>
  void first_to_last(Place last, std::uint32_t blocks, const Act&) const;

  // constant after construction
  std::uint32_t bound_;

  ProbeTable<BlockSlot> blocks_;
  ProbeTable<HoldingSlot> pairs_;
  Runs runs_;
  LazyArray<Who> whos_;  // by place
  std::vector<Device> devices_;
  TimeHeap oldest_;  // devices by a stamp not after their back's: raised to the true one only when it comes first
  std::uint64_t stamp_ = 0;
  Counts counts_;
};

}  // namespace yard
