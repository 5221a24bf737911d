// A cell of several shards in virtual time: a Core, its devices and a loop for each, one shelf each, and a door in
// front that says which shard a request goes to.
//
// What one shard does to another takes the time between them (StealView::distance): a Look is at the shelf a way later,
// and its answer back after another; so is a Take, and whoever is faster has what both have seen. What stands in one
// shard's own loop (its shelf, its mail) takes no time. The shelves are those of the live loop (sync/shelf.h).
//
// One instant: what is done at shelves, by thief and number; then shard by shard, in order, as sim_loop has it, with
// what others told it behind faults: answers of its own shelf, what was taken, what shelves filled, offers, what a take
// brought, cancels passed on; of one kind by shard, then as it was said. Nothing depends on the machine (I6).
//
// The door hears every shard's summary each `door_lag`, at multiples of it; what it sent since it adds itself
// (core/cell_placement.h). A request that was taken keeps its place in the loop where it came in until it has ended: so
// a cancel finds its way.
//
// Threads: one. A cell is one thread's; cells may run side by side.
// H1  over all shards, given == taken but for those on their way; all that arrived has ended, once, somewhere.
// H2  a request is given away at most once, and before it was ever launched.
// H3  with one shard all is as without: its commands, its hash.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <tuple>
#include <utility>
#include <vector>

#include "scheduler/core/cell_placement.h"
#include "scheduler/core/core.h"
#include "scheduler/core/summary.h"
#include "scheduler/loop/cells.h"
#include "scheduler/loop/sim_loop.h"
#include "topology/cells.h"

namespace yard {

// A shard's thread does nothing from `from` until `until`; its devices go on, and so do thieves at its shelf.
struct Stall {
  std::uint32_t shard;
  Time from, until;
};

class Shards {
 public:
  using Door = std::function<std::uint32_t(const Submitted&)>;

  // Requires: all references outlive it; one outside per shard; door_lag > 0. `bounds` are each shard's. The views of
  // several shards that steal say how far each is from the others (StealView), all alike or none.
  Shards(std::span<const CellView>, std::span<const CellOutside>, const CostTables&, const PolicySet&, const Bounds&,
         Seed, Duration door_lag);
  ~Shards();

  // Instead of its own. Before it runs.
  void door(Door other) { other_door_ = std::move(other); }
  // In order of `from`, for each shard apart from one another. Before it runs.
  void stalls(std::vector<Stall>);

  // Runs until every arrival has ended. `ticked` is called now and then.
  // Returns: the last instant at which something happened. Errors: the source's.
  Time run(ArrivalSource&, const std::function<void()>& ticked = {});

  const Core& core(std::uint32_t shard) const;
  std::uint32_t size() const { return static_cast<std::uint32_t>(shards_.size()); }
  std::uint64_t hash() const;            // over the door's decisions and every shard's, in order; of one shard: its own
  std::uint64_t most_in_flight() const;  // at most: the sum of the shards' own
  std::uint64_t republications() const;  // of all shelves

 private:
  struct Shard;
  struct Letter;
  struct Visit {  // at a shelf
    Time at;
    std::uint32_t thief;
    std::uint64_t number;
    std::uint32_t victim;
    std::uint32_t take;  // 0: only looks
    bool operator>(const Visit& other) const {
      return std::tie(at, thief, number) > std::tie(other.at, other.thief, other.number);
    }
  };
  std::uint32_t place(const Submitted&);
  void exchange(Time now);
  void visit(const Visit&);
  void look(const Visit&);
  void take(const Visit&);
  bool over() const;

  const Duration lag_;
  std::vector<std::unique_ptr<Shard>> shards_;
  std::vector<ShardSummary> summaries_;
  CellPlacement placement_;
  Door other_door_;
  DecisionHash doors_;  // of another door
  std::optional<Time> heard_;
  std::vector<Visit> visits_;  // a heap, the first on top
  std::uint64_t number_ = 0;   // of letters and visits
  std::uint64_t on_their_way_ = 0;
};

}  // namespace yard
