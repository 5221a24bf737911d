// One entrant on one seed: what share of what arrives attains at a rate, and the highest rate at which enough of it
// does.
#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "bench/league_workloads.h"
#include "scheduler/core/policy.h"
#include "scheduler/report/comparison.h"

namespace yard::league {

// Where an entrant plays.
struct Ground {
  const Workload& workload;
  const CompiledFleet& fleet;    // chunks sized by the objective, as our own batching does
  const CompiledFleet& engines;  // the same devices with chunks of the budget, as peers' engines do
};

struct Share {
  std::uint64_t arrived = 0, refused = 0;
};

// What became of one class.
struct ClassOutcome {
  std::uint64_t arrived = 0, attained = 0, refused = 0;
  std::int64_t good_requests = 0, good_tokens = 0;  // that attained, in 1,000 s of what was measured
};

// What is printed of one load, one seed.
struct Outcome {
  Scores scores{};                     // its goodput and cost are over the time until all are served; these are not:
  std::int64_t good_requests = 0;      // that attained, in 1,000 s of what was measured
  std::int64_t good_tokens = 0;        // theirs, likewise
  std::array<Share, 4> by_quartile{};  // of prompt size
  std::array<Share, 2> by_tenant{};
  std::vector<ClassOutcome> by_class;  // by SloClassId
};

// `believed`: what Core takes the costs for; null: what they are.
// What Core takes the costs for: null: what they are; and whether it learns what they are.
struct Beliefs {
  const CostTables* tables = nullptr;
  bool learns = false;
};
Outcome play_at(const Workload&, const CompiledFleet&, const PolicySet&, double rate, Seed, Beliefs = {});

// Returns: whether at least `permille` of the counted arrivals attain. Plays only until that is certain.
bool attains_at(const Workload&, const CompiledFleet&, const PolicySet&, double rate, Seed, std::uint32_t permille);

// Returns: the highest rate, to 2 %, found by going up or down from `guess` to a bracket, and bisection; 0 where it is
// below a thousandth of the guess. (Where attainment does not fall steadily with the rate, one of the places at which
// it falls below.)
double capacity(const Workload&, const CompiledFleet&, const PolicySet&, Seed, std::uint32_t permille, double guess);

// Costs off by `percent` per row, more or less by chance. What they say of their own error: `error_permille`; 0: as
// before.
CostTables off_by(const CostTables&, int percent, Seed, std::uint32_t error_permille = 0);
// The same, but each of a row's terms by itself: what a step costs is wrong by its shape.
CostTables off_apart(const CostTables&, int percent, Seed);

}  // namespace yard::league
