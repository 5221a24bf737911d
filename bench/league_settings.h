// What other constants than expected_cost's own would have brought: drawn at random, and held against them in
// hindsight.
#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "bench/league_play.h"
#include "scheduler/policy/settings.h"

namespace yard::league {

// A constant, and the factor by which it is drawn above or below its default.
struct DrawnConstant {
  std::string_view name;
  std::int64_t policy::Settings::* value;
  double factor;
  double one;  // what is shown of it: value / one
};
inline constexpr std::array<DrawnConstant, 8> kDrawn{{
    {"TTFT slope", &policy::Settings::ttft_slope, 4, 256},
    {"s0", &policy::Settings::spread, 3, 2560},  // the fleets' costs say 0.1 of themselves
    {"v times", &policy::Settings::jitter, 4, 256},
    {"least answer", &policy::Settings::least_answer, 4, 1},
    {"scarcity price", &policy::Settings::scarcity_price, 10, 1},
    {"its gain 1 /", &policy::Settings::scarcity_gain, 4, 1},
    {"a second", &policy::Settings::second, 10, 65536},
    {"refused from", &policy::Settings::refused_from, 2, 65536},
}};

// Returns: the defaults, then `n` settings, every constant drawn on its own, evenly in its logarithm.
std::vector<policy::Settings> draw_settings(std::uint64_t n, Seed);
// The defaults as they ship, then each of the others. Requires: the settings outlive what is returned.
std::vector<Entrant> entrants_of(const std::vector<policy::Settings>&);

// One ground's capacities, by setting.
struct Hindsight {
  std::string fleet, workload;
  std::vector<Result> results;
};
// Of each ground and share, the setting that was best in hindsight, and the defaults beside it.
std::string settings_page(const std::vector<policy::Settings>&, const std::vector<Hindsight>&);

}  // namespace yard::league
