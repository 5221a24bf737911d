// How far predictions are off what was measured, and what is claimed about that.
//
// Figures are of predictions as Core would read them: integers. MAPE is the mean of |predicted / measured - 1|, bias
// the mean with its sign, p90 the nearest-rank 90th percentile of the absolute.
#pragma once
#include <cstdint>
#include <optional>
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

// How many of the measurements asked about lay inside the interval that was told for them.
struct Coverage {
  static constexpr double kLeast = 0.88, kMost = 0.92;  // what is aimed at, of an interval of 90 %

  std::int64_t inside = 0, asked = 0;
  bool aims = true;  // otherwise it is reported only

  void add(bool is_inside) { ++asked, inside += is_inside ? 1 : 0; }
  double share() const { return asked == 0 ? 0.0 : static_cast<double>(inside) / static_cast<double>(asked); }
  bool met() const { return !aims || (share() >= kLeast && share() <= kMost); }
};

struct Claim {
  std::string what, data;
  Errors errors;
  double aim = 0;                         // MAPE at most; 0: reported, nothing is aimed at
  std::string note = {};                  // how it was split, fitted, chosen
  Refusals refused = {};                  // of the data
  std::string unit = "s";                 // of the pairs, for plots
  std::optional<Coverage> coverage = {};  // a claim about an interval; it has no errors

  bool met() const { return coverage ? coverage->met() : aim == 0 || errors.summary().mape <= aim; }
};

// A table, a line for each claim, and one of intervals' coverage; then what was refused, with the first offenders.
std::string claims_text(const std::vector<Claim>&, std::uint64_t seed);
std::string claims_json(const std::vector<Claim>&, std::uint64_t seed);

}  // namespace yard
