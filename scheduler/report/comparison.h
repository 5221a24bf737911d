// Several ways to serve the same arrivals, side by side: means over seeds, and what each differs by from the first,
// seed by seed, with a 95 % t-interval.
//
// Percentiles are means of the seeds' own. Cost and energy are of what is counted: every replica is paid for and draws
// power from the first counted arrival to the last end.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "scheduler/base/rng.h"
#include "scheduler/report/meter.h"
#include "scheduler/report/paired.h"
#include "scheduler/report/report.h"

namespace yard {

struct ComparedMetric {
  std::string_view key;   // of the JSON
  std::string_view head;  // of the table, below its group
  int decimals;           // of its units
  int shown;              // on the terminal
};
inline constexpr std::array<ComparedMetric, 10> kComparedMetrics{{
    {"attainment_pct", "attain %", 3, 2},
    {"goodput_requests_per_s", "req/s", 3, 1},
    {"goodput_tokens_per_s", "tok/s", 3, 0},
    {"rejected_pct", "rej. %", 3, 2},
    {"cost_per_million_output_tokens_usd", "usd/M", 6, 3},
    {"ttft_p50_ms", "p50", 3, 0},
    {"ttft_p99_ms", "p99", 3, 0},
    {"tpot_p50_ms", "p50", 3, 1},
    {"tpot_p99_ms", "p99", 3, 1},
    {"energy_kwh", "kWh", 6, 2},
}};

// One seed's figures, in the units of kComparedMetrics; nothing where nothing was measured.
using Scores = std::array<std::optional<std::int64_t>, kComparedMetrics.size()>;

// Requires: idle_beside_work as Summary's.
Scores scores_of(const Meter&, const std::vector<Duration>& idle_beside_work, const TermsTally& = {});

struct Contestant {
  std::string fleet, policy;
  std::vector<Scores> scores;                  // by seed
  std::vector<std::uint64_t> decision_hashes;  // by seed
};

struct ComparisonTable {
  std::string version, trace, order, bind;
  Seed first_seed = 1;
  std::vector<Contestant> contestants;  // the first is what the others are held against
};

// Returns: lines of at most 100 columns. Requires: at least one contestant and seed; as many seeds for each.
std::string comparison_text(const ComparisonTable&);
// Returns: one JSON object, the last line ended.
std::string comparison_json(const ComparisonTable&);

}  // namespace yard
