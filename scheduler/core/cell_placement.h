// Placement one level up: which cell a request goes to, decided by the same scorers over cells as devices.
//
// A row is the replicas of one pool that stand in one cell, shown to the scorer as one device of that pool: the mean of
// them, as the cell's last summary says and as what was sent there since adds. Counts of a few sequences do not divide
// evenly: where each of 250 replicas has 40.3 of them, a request would meet 41 at three in ten and 40 at the others,
// and which it is is drawn for each row and decision. (Rounded down always, equal cells would tie until each of the 250
// had one more, and whole exchanges' arrivals would go to the first cell.) The cell decides by itself on which device,
// or whether at all; the router never refuses.
//
// Which prompts begin alike it knows by what it sent where (approximate, like Core's own index).
//
// round_robin and random take each row in turn, however many replicas stand behind it.
//
// Threads: one. No allocation after construction.
// P1  what place() knows of a cell was true at the exchange of its summary, at least one control lag before; only what
// it
//     sent itself is newer.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "scheduler/base/hash.h"
#include "scheduler/base/rng.h"
#include "scheduler/core/event.h"
#include "scheduler/core/policy.h"
#include "scheduler/core/prefix_index.h"
#include "scheduler/core/summary.h"
#include "topology/cells.h"

namespace yard {

class CellPlacement {
 public:
  // Requires: cells, tables and policies outlive it.
  CellPlacement(std::span<const CellView> cells, const CostTables&, const PolicySet&, Seed);

  // The cells' summaries, all of one instant. `sent_since`: whether what was placed after the summaries heard before is
  // not in these; else it is, and was counted.
  void hear(std::span<const ShardSummary>, bool sent_since) noexcept;

  // Returns: the request's cell, and counts the request there. Where no cell can serve it: one that can say why.
  std::uint32_t place(const Submitted&) noexcept;

  std::uint64_t hash() const noexcept { return decisions_.value(); }  // over every cell chosen

 private:
  struct Row {
    std::uint32_t cell, pool, devices;
    CostRow said;  // of the tables as said
  };
  int passes(std::uint32_t row, const Submitted&) const noexcept;
  std::uint32_t pick(const Submitted&, std::uint32_t& nearest) noexcept;
  void show(std::uint32_t row) noexcept;
  void send(std::uint32_t row, const Submitted&) noexcept;

  const std::uint32_t cells_;
  const CostTables& costs_as_said_;
  CostTables tables_;  // as the cells believe them; by row
  const PolicySet& policies_;
  FleetView view_;                              // a pool and a device per row
  std::vector<Row> rows_;                       // cell by cell
  std::vector<std::vector<std::uint32_t>> of_;  // by model: its rows
  std::vector<PoolSummary> loads_;              // by row, what was sent since included
  std::vector<std::int64_t> by_class_, sent_;   // [row * classes + class]; the latter: sequences since the last hear()
  std::vector<std::int64_t> sent_tokens_, sent_hits_;  // by row, since the last hear()
  std::vector<std::int64_t> expected_, prompts_;       // [model * classes + class]; by model: mean prompt, 1/256 tokens
  std::vector<AnswerLengths> answers_;                 // [model * classes + class], mean over the cells
  std::vector<std::uint32_t> round_robin_, eligible_;
  std::vector<std::uint64_t> chosen_;
  PolicyState state_;
  PrefixIndex prefixes_;  // what was sent to each row, as the replicas of it together may keep it
  Rng rounding_;
  DecisionHash decisions_;

  // columns, by row
  std::vector<std::uint32_t> pool_, waiting_, running_, classes_, share_;
  std::vector<std::int64_t> prefill_, kv_, waiting_tokens_, burst_, price_;
  std::vector<std::int32_t> hits_;
  std::vector<std::int64_t> cached_;
  std::vector<std::int64_t> adapter_load_;  // nobody up here knows which replica holds what: zero
};

}  // namespace yard
