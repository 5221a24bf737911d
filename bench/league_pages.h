// The league in Markdown.
#pragma once
#include <string>
#include <vector>

#include "bench/league_play.h"

namespace yard::league {

// What was found on one ground.
struct Sheet {
  std::string fleet, workload, made_of;
  int warm_up_s, measured_s;
  bool tenants, steady;
  bool mixed;                        // of several classes; the relaxation knows the promises of one
  std::vector<std::string> classes;  // by SloClassId
  std::vector<std::int32_t> quartiles;
  double usd_per_hour;
  std::array<double, kShares.size()> bound;            // on capacity, requests a second
  std::array<double, kLoads.size()> attainment_bound;  // share, at our loads
  std::vector<double> rates;                           // at kLoads
  std::vector<Result> results;                         // by entrant
};

// The index of the entrant, but ours, whose mean capacity is highest, among those that `counts` says; none: 0.
std::size_t best_of(const Sheet&, const std::vector<Entrant>&, std::size_t share,
                    const std::function<bool(const Entrant&)>& counts);

std::string summary_page(const std::vector<Sheet>&, const std::vector<Entrant>&);
// Whether the relaxation bounds it.
inline bool has_bound(const Sheet& s) { return s.steady && !s.mixed; }

std::string ground_page(const Sheet&, const std::vector<Entrant>&);
std::string aged_page(const std::string& fleet, const std::string& workload, double rate, const std::vector<Entrant>&,
                      const std::vector<Aged>&);
std::string robust_page(const std::string& fleet, const std::string& workload, const std::vector<Entrant>&,
                        const std::vector<Robust>&);

}  // namespace yard::league
