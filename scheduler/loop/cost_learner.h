// Learns what a shard's steps cost from the runs that it launches, and says so in events: the costs that its Core
// decides by become those of the running system. What it learns by is cost/online.h; here is what a run was made of and
// how long it took.
//
//   launched(launch, now);                    // of every Launch that is performed
//   run_ended(end, now);                      // of every RunEnded, before Core is told
//   for (const CostCorrected& c : corrections(now)) ...   // to be told to the same Core
//
// Where a row's costs are StepCost::kUnknown, the median of its first runs, beside what was said, is what they are
// multiplied with before anything else is learnt of them.
//
// It learns nothing from a device's first run, nor from its first after it failed; nothing from runs of which some part
// failed or that took no step. Served devices have no runs: theirs are known by their relatives, if at all.
//
// Threads: one at a time. Owns: some 20 KiB for each row of costs and 64 B for each device. Allocates when made only.
// L1  the same launches and ends give the same corrections, on every build.
// L2  a row is corrected at most once in OnlineCosts::kPublishEvery, but for its order of magnitude.
#pragma once
#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "scheduler/core/command.h"
#include "scheduler/core/event.h"
#include "scheduler/cost/online.h"
#include "scheduler/cost/step_cost.h"
#include "topology/fleet_view.h"

namespace yard {

class CostLearner {
 public:
  // `said`: as Core was given them; outlive this. A row of which nobody said what it is has no relatives.
  // Errors: InputError: two rows of one key.
  CostLearner(const FleetView&, const CostTables& said);

  void launched(const Launch&, Time now) noexcept;
  void run_ended(const RunEnded&, Time now) noexcept;
  // None where no run ended since this was asked last: so it does not matter how often it is. Valid until the next
  // call.
  std::span<const CostCorrected> corrections(Time now) noexcept;

  bool heard() const { return heard_; }  // a run that ended since corrections() was asked last, or what was restored

  // What it has learnt of the rows that it runs, as text; and what others, or itself before, had: several such texts
  // may stand behind each other. Of rows that are not here nothing is taken; the rest is told by the next
  // corrections(). Returns: how many rows it took. Errors: InputError naming `name` and line.
  std::string save() const;
  std::uint32_t restore(std::string_view text, const std::string& name);

  const OnlineCosts& costs() const { return costs_; }

 private:
  struct OpenRun {
    RunId run;
    StepsRun made_of;   // without its steps
    Time from;          // its first step's begin
    bool first = true;  // of the device, since it failed
  };

  // How many times what was said a row's steps take, by its first runs: 1/1024.
  struct Magnitude {
    static constexpr std::uint32_t kRuns = 7;
    std::array<std::uint32_t, kRuns> seen{};
    std::uint32_t runs = kRuns;  // of them, that were seen
    std::uint32_t times = kCostAsSaid;
    bool in_use = false;    // some pool is of the row
    bool fresh = false;     // it is to be told
    bool restored = false;  // what is known of the row is

    bool known() const { return runs == kRuns; }
    void hear(std::int64_t took, std::int64_t said);
  };

  CostCorrected corrected(const CostCorrection&) const;
  std::uint32_t take(std::string_view part, const std::string& name, int first);

  const CostTables& said_;
  std::vector<CostRow> row_of_;        // by device
  std::vector<OpenRun> open_;          // likewise
  std::vector<Magnitude> magnitudes_;  // by row
  OnlineCosts costs_;
  std::vector<CostCorrected> corrections_;
  bool heard_ = false;
};

}  // namespace yard
