// The report: one table of metrics, written for people and for programs.
//
// Every figure is an integer with a decimal point (figure.h); both renderings read the same table (metrics.h), so that
// what the terminal shows rounded is what the JSON says in full. JSON keys end in their unit and keep their order.
// Nothing in it depends on the machine but the object "run" and, on the terminal, the last line.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "scheduler/base/hash.h"
#include "scheduler/base/rng.h"
#include "scheduler/base/units.h"
#include "scheduler/report/meter.h"

namespace yard {

// What Core says of a fleet's terms; each empty where the fleet has none.
struct TermsTally {
  struct Use {
    Wide in_use_ns = 0, beyond_ns = 0;  // device time; beyond: of it, more than the windows of a commitment pay
  };
  std::vector<Use> contracts;           // by FleetView::contracts
  std::vector<Milliwatts> peaks;        // by power domain: most that was drawn, chips only
  std::vector<Duration> held_by_power;  // by pool: device time
};

// Between the shards of a fleet.
struct StealTally {
  std::uint64_t offered = 0, taken = 0;  // requests
  std::uint64_t looks = 0, lost = 0;     // at others' shelves; takes for which somebody was faster
};

// Everything that a report is made from.
struct Summary {
  const Meter* meter = nullptr;            // outlives the call
  std::vector<Duration> idle_beside_work;  // by pool: device time (I7)
  TermsTally terms = {};
  std::vector<Duration> oldest_signals = {};  // by pool: of what placements there were made on; none: all fresh
  std::uint64_t decision_hash = 0;
  Seed seed = 0;
  std::string version, trace, policy, order, bind;
  Duration wall, cpu;                             // what making it took; zero: unknown
  std::uint32_t cells = 0;                        // that the fleet was decided in; 0: as a whole
  Duration control_lag;                           // between cells
  std::uint32_t shards = 0;                       // likewise
  Duration door_lag = {};                         // from them to their door
  std::optional<std::uint64_t> corrections = {};  // of costs, by what runs took; none: nothing was learnt
  StealTally steals = {};
};

// Requires: summary.meter is set; idle_beside_work has an entry per pool, and so has what there is of the terms.
// Returns: lines of at most 100 columns, the last one ended too.
std::string report_text(const Summary&);
// Returns: one JSON object (RFC 8259, valid UTF-8 whatever the names hold), the last line ended.
std::string report_json(const Summary&);

}  // namespace yard
