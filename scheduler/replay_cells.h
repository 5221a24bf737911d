// Assembly of a simulation in cells or in shards: a Core, simulated devices, a meter and a recording for each; one
// report of all.
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "scheduler/backend/sim_stepped.h"
#include "scheduler/core/ledger.h"
#include "scheduler/core/policy.h"
#include "scheduler/cost/compile_fleet.h"
#include "scheduler/loop/sim_loop.h"
#include "scheduler/report/meter.h"
#include "scheduler/report/report.h"
#include "scheduler/report/rows.h"

namespace yard {

// What came of a simulation.
struct Driven {
  Meter meter;
  std::vector<Duration> idle_beside_work;  // by pool
  TermsTally terms = {};
  std::vector<Duration> oldest_signals = {};  // by pool; none: all fresh
  Ledger ledger;
  std::uint64_t decision_hash = 0, most_in_flight = 0;
};

struct CellsRun {
  const CompiledFleet& fleet;  // in cells, or in shards
  const PolicySet& policies;
  Bounds bounds;  // of the whole fleet
  Exact exact;
  Seed seed;
  std::uint32_t threads;
  bool learn_costs = false;
  RowWriter* rows = nullptr;                               // of the whole fleet; null: none
  std::vector<std::string> recordings;                     // a file for each cell, or none
  std::function<void(std::uint64_t ended)> progress = {};  // between exchanges, on the calling thread
};

// Rows are written in the order of their ends, ties by cell. Errors: InputError.
Driven drive_cells(const CellsRun&, ArrivalSource&);

// The same with shards.
Driven drive_shards(const CellsRun&, ArrivalSource&);

// Where the recording of each cell or shard goes.
std::vector<std::string> recordings_of(const std::string& record, const CompiledFleet&);

// What a Core counted that the loop did not see, until `last`: its pools' idle time, what the fleet's terms came to.
void add_counted(Driven&, const Core&, const FleetView&, Time last);

}  // namespace yard
