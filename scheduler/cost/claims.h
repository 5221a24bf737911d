// How far predictions are off what was measured, and what is claimed about that.
//
// Figures are of predictions as Core would read them: integers. MAPE is the mean of |predicted / measured - 1|, bias
// the mean with its sign, p90 the nearest-rank 90th percentile of the absolute.
#pragma once
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "scheduler/cost/refusals.h"

namespace yard {

struct ErrorSummary {
  std::int64_t n = 0;
  double mape = 0, p90 = 0, bias = 0;  // relative: 0.021 is 2.1 %
};

// Predicted and measured values of one unit, both above 0.
class Errors {
 public:
  void add(double predicted, double measured) { pairs_.emplace_back(predicted, measured); }
  ErrorSummary summary() const;
  const std::vector<std::pair<double, double>>& pairs() const { return pairs_; }

 private:
  std::vector<std::pair<double, double>> pairs_;
};

struct Claim {
  std::string what, data;
  Errors errors;
  double aim = 0;          // MAPE at most; 0: reported, nothing is aimed at
  std::string note = {};   // how it was split, fitted, chosen
  Refusals refused = {};   // of the data
  std::string unit = "s";  // of the pairs, for plots

  bool met() const { return aim == 0 || errors.summary().mape <= aim; }
};

// A table, a line for each claim; then what was refused, with the first offenders.
std::string claims_text(const std::vector<Claim>&, std::uint64_t seed);
std::string claims_json(const std::vector<Claim>&, std::uint64_t seed);

}  // namespace yard
