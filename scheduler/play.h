// One simulation as a value: a fleet, arrivals and policies in; a meter and Core's own counts out. What comparisons,
// which play many of them, are made of; replay.cpp is the same with files.
//
// Threads: any number of plays at once; each has all that it writes for itself.
#pragma once
#include <cstdint>
#include <vector>

#include "scheduler/backend/sim_stepped.h"
#include "scheduler/core/core.h"
#include "scheduler/core/ledger.h"
#include "scheduler/core/policy.h"
#include "scheduler/cost/compile_fleet.h"
#include "scheduler/loop/shards.h"
#include "scheduler/loop/sim_loop.h"
#include "scheduler/report/meter.h"
#include "scheduler/report/report.h"

namespace yard {

struct Play {
  const CompiledFleet& fleet;
  const PolicySet& policies;
  Seed seed = 1;
  Exact exact = Exact::jump;
  // What Core takes the costs for, where that is not what they are; the devices' are always the fleet's own.
  const CostTables* believed = nullptr;
  bool learns = false;  // Core what they are, from the runs that end
  // Requests that arrived before are served but not counted, nor are runs that were launched before.
  Time counted_from = {};
  SimObserver* also = nullptr;  // is told of the ends that are counted
  Shards::Door door = {};       // of a fleet in shards, instead of its own
};

struct Played {
  explicit Played(const FleetView& fleet) : meter(fleet) {}

  Meter meter;                             // of what is counted
  std::vector<Duration> idle_beside_work;  // by pool
  TermsTally terms;
  Ledger ledger;  // of everything
  std::uint64_t decision_hash = 0;
};

// A fleet in shards is played in them, one in cells as one shard.
// Requires: the fleet outlives what is returned. Errors: InputError, of the source.
Played play(const Play&, ArrivalSource&);

}  // namespace yard
