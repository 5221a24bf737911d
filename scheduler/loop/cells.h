// A fleet in cells: a Core, its devices and a loop for each, simulated in parallel between exchanges.
//
// Virtual time is cut at every multiple of the control lag L: an epoch is [kL, (k+1)L). At its end each cell says how
// full it is (core/summary.h). The router stands at the door of the fleet, in front of all cells; it hears those words
// one lag later, since nothing between cells travels faster. What arrives in an epoch is thus placed by what the cells
// said at the end of the last but one, and by what the router itself sent since (core/cell_placement.h). The request
// itself is not delayed: its way to its cell is part of its way to the fleet. The cell decides for good: what it
// refuses or puts off stays refused or put off there.
//
// So cells need nothing of one another within an epoch, and the router needs nothing of the epoch that they are in:
// while they run one, it reads and places the arrivals of the next. That is as exact as one after the other (I6): the
// same commands, endings and hash on any number of threads.
//
// K1  a cell is touched by one thread at a time; between two epochs, by run()'s caller only.
// K2  nothing depends on the order in which cells run: they share what is constant.
// K3  arrivals held at once: those of two epochs, and of an epoch at most kMostArrivals (or those of kMostHashes
// blocks)
//     and what comes at one instant
//     (I10); a longer one is run in parts, without an exchange between them.
// K4  with one cell all is as without: its commands, its hash.
#pragma once
#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "scheduler/core/cell_placement.h"
#include "scheduler/core/core.h"
#include "scheduler/core/summary.h"
#include "scheduler/loop/sim_loop.h"
#include "topology/cells.h"

namespace yard {

// What a cell acts on and who watches it, made by the assembly; each is called by one thread at a time.
struct CellOutside {
  SimDevices* devices;
  SimObserver* observer;
  std::vector<Fault> faults = {};  // of the cell's own devices, in order of time
  bool learns = false;             // what its own devices' steps cost
};

class Cells {
 public:
  // Requires: all references outlive it; one outside per cell; lag > 0. `bounds` are each cell's.
  Cells(std::span<const CellView>, std::span<const CellOutside>, const CostTables&, const PolicySet&,
        const Bounds& bounds, Seed, Duration lag);
  ~Cells();

  // Runs until every arrival has ended, on at most `threads` threads and as many as oneTBB has. `exchanged` is called
  // between two epochs and after the last, on the calling thread.
  // Returns: the last instant at which something happened. Errors: the source's.
  Time run(ArrivalSource&, std::uint32_t threads, const std::function<void()>& exchanged = {});

  // The seed of a cell's Core; the first cell has the simulation's own.
  static Seed seed_of(Seed, std::uint32_t cell);

  const Core& core(std::uint32_t cell) const;
  std::uint32_t size() const { return static_cast<std::uint32_t>(cells_.size()); }
  std::uint64_t hash() const;            // over the router's decisions and every cell's, in order; of one cell: its own
  std::uint64_t most_in_flight() const;  // at most: the sum of the cells' own

 private:
  static constexpr std::size_t kMostArrivals = 16'384, kMostHashes = 1 << 20;
  struct Cell;
  // Arrivals and, one after another, the hashes of their prompts: spans are set as rows are given out.
  struct Batch {
    std::vector<Arrival> rows;
    std::vector<BlockHash> hashes;
  };
  // A piece of virtual time, prepared: no arrival at or after `until`.
  struct Piece {
    std::vector<Batch> arrivals;  // by cell
    Time until;                   // Time::never(): the last one, to the end
    bool exchange = false;        // it ends an epoch
  };
  class Given;
  std::int64_t epoch_of(Time) const;
  Time end_of(std::int64_t epoch) const { return Time((epoch + 1) * lag_.count()); }
  void hear();
  void prepare(Piece&, ArrivalSource&);
  void place_arrivals(Piece&, Time before, ArrivalSource&);
  void step(std::uint32_t cell, Piece&);

  const Duration lag_;
  std::vector<std::unique_ptr<Cell>> cells_;
  std::vector<ShardSummary> summaries_;
  CellPlacement placement_;
  std::optional<Arrival> next_;
  Time prepared_;                      // up to here
  std::optional<std::int64_t> heard_;  // the epoch whose arrivals are placed by what was heard last
  std::array<Piece, 2> pieces_;
};

}  // namespace yard
