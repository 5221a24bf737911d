// Chains of blocks, cut into runs: blocks that stand one behind the other and were treated alike ever since they came.
//
// Whoever keeps an order or a count of blocks keeps it of runs instead: a prompt of 512 blocks that is always used as a
// whole is one run, another as many as there are places where others leave it. A run of which a part is to be treated
// apart is cut; runs are never joined again. They are a tree: a run follows the last block of another, or begins.
//
// Threads: the shard's own. Memory: taken by the constructor, touched as blocks come: 12 bytes a block, 24 and what the
// owner keeps (`Of`) a run. Rejected: only ends of runs that know their run (a cut is then O(1), but a prompt that
// leaves a run in its middle does not find it).
//
// R1  A run's blocks are of one chain, each behind the one before; what follows it stands behind its last.
// R2  A block's depth is the number of blocks from its chain's beginning to it, itself included.
// Cost: O(1); of a cut, O(blocks of its lesser part): O(log n) for each of n blocks that came together.
#pragma once
#include <cstdint>

#include "scheduler/base/check.h"
#include "scheduler/base/lazy_array.h"

namespace yard {

template <class Of>
class ChainRuns {
 public:
  using Place = std::uint32_t;  // of a block; 0: none
  using Run = std::uint32_t;    // 0: none

  // Requires: never more than `blocks` at once.
  explicit ChainRuns(std::uint32_t blocks) : blocks_(std::size_t{blocks} + 1), runs_(std::size_t{blocks} + 1) {}

  Run run_of(Place p) const { return blocks_[p].run; }
  Place above(Place p) const { return blocks_[p].above; }  // the block before it
  std::uint32_t depth(Place p) const { return blocks_[p].depth; }

  Of& operator[](Run r) { return runs_[r].of; }
  const Of& operator[](Run r) const { return runs_[r].of; }
  std::uint32_t size(Run r) const { return runs_[r].size; }
  Place last(Run r) const { return runs_[r].last; }
  Run before(Run r) const { return run_of(runs_[r].above); }   // which it follows
  Run follower(Run r) const { return runs_[r].follower; }      // one that follows it
  Run next_follower(Run r) const { return runs_[r].sibling; }  // of the same

  // A new block behind `above`, or at the beginning of a chain where that is none, in a run of its own. Requires: above
  // is its run's last.
  Place begin(Place above, const Of& of) {
    const Place p = take_place();
    const Run r = take_run();
    blocks_[p] = {above, r, depth(above) + 1};
    runs_[r] = {.last = p, .size = 1, .above = above, .follower = 0, .sibling = 0, .elder = 0, .of = of};
    if (above) {
      Run& first = runs_[run_of(above)].follower;
      runs_[r].sibling = first;
      if (first) runs_[first].elder = r;
      first = r;
    }
    return p;
  }
  // A new block behind the run's last. Requires: nothing follows it.
  Place append(Run r) {
    const Place p = take_place();
    RunData& run = runs_[r];
    blocks_[p] = {run.last, r, depth(run.last) + 1};
    run.last = p, ++run.size;
    return p;
  }

  // Cuts a run behind one of its blocks, which is not its last: both parts begin as the whole is. Returns: them; one
  // keeps the whole's number, the other has a new one.
  struct Parts {
    Run upper, lower;
  };
  Parts cut(Place p) {
    const Run whole = run_of(p), fresh = take_run();
    RunData &is = runs_[whole], &part = runs_[fresh];
    const std::uint32_t lower = depth(is.last) - depth(p), upper = is.size - lower;
    part = is;
    if (upper < lower) {
      relabel(p, upper, fresh);
      part.last = p, part.size = upper, part.follower = whole;
      if (is.sibling) runs_[is.sibling].elder = fresh;
      if (is.above) (is.elder ? runs_[is.elder].sibling : runs_[run_of(is.above)].follower) = fresh;
      is.above = p, is.size = lower, is.sibling = is.elder = 0;
      return {fresh, whole};
    }
    relabel(is.last, lower, fresh);
    part.above = p, part.size = lower, part.sibling = part.elder = 0;
    is.last = p, is.size = upper, is.follower = fresh;
    return {whole, fresh};
  }

  // Takes away a run's last block. Requires: nothing follows it. Returns: whether the run went with it.
  bool drop_last(Run r) {
    RunData& run = runs_[r];
    CHECK_WHY(run.follower == 0, "what goes has nothing behind it");
    const Place p = run.last;
    run.last = blocks_[p].above;
    blocks_[p] = {.above = free_place_, .run = 0, .depth = 0};
    free_place_ = p;
    if (--run.size > 0) return false;
    if (run.sibling) runs_[run.sibling].elder = run.elder;
    if (run.above) (run.elder ? runs_[run.elder].sibling : runs_[run_of(run.above)].follower) = run.sibling;
    run.last = free_run_;
    free_run_ = r;
    return true;
  }

  // Blocks have places from 1 to this.
  std::uint32_t touched() const { return touched_; }

  // R1 and R2 of one run and the links to what follows, or the process ends. For tests.
  void audit(Run r) const {
    const RunData& run = runs_[r];
    std::uint32_t n = 0;
    Place p = run.last;
    for (; p && run_of(p) == r; p = above(p), ++n) CHECK(depth(p) == depth(above(p)) + 1);
    CHECK_WHY(n == run.size && p == run.above && n > 0, "R1");
    CHECK_WHY(p == 0 || p == runs_[run_of(p)].last, "R1");
    for (Run f = run.follower, elder = 0; f; elder = f, f = runs_[f].sibling)
      CHECK(runs_[f].above == run.last && runs_[f].elder == elder);
  }

 private:
  struct Block {
    Place above;  // links the free ones
    Run run;
    std::uint32_t depth;
  };
  struct RunData {
    Place last;  // links the free ones
    std::uint32_t size;
    Place above;  // of its first
    Run follower, sibling, elder;
    Of of;
  };

  void relabel(Place last, std::uint32_t n, Run r) {
    for (Place p = last; n > 0; --n, p = blocks_[p].above) blocks_[p].run = r;
  }
  Place take_place() {
    const Place p = free_place_ ? free_place_ : ++touched_;
    if (free_place_) free_place_ = blocks_[p].above;
    return p;
  }
  Run take_run() {
    const Run r = free_run_ ? free_run_ : ++touched_runs_;
    if (free_run_) free_run_ = runs_[r].last;
    return r;
  }

  LazyArray<Block> blocks_;  // by place; nobody's is all zero
  LazyArray<RunData> runs_;
  Place free_place_ = 0, touched_ = 0;
  Run free_run_ = 0, touched_runs_ = 0;
};

}  // namespace yard
