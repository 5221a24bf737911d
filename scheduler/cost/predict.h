// What a deployment's steady state takes, draws and costs, and which terms that is made of.
#pragma once
#include <optional>
#include <string>

#include "scheduler/cost/calibration.h"
#include "scheduler/cost/power.h"
#include "scheduler/cost/relatives.h"

namespace yard {

struct Prediction {
  Deployment deployment;
  Steady steady;
  std::array<Picoseconds, kTerms.size()> terms;  // of one step, as Core would be told
  Picoseconds step;                              // their sum: the time between a sequence's tokens
  Milliwatts power;                              // of all chips
  NanoDollars per_hour;                          // of all chips
  bool price_assumed = false;
  std::optional<RelativesAnswer> relatives;  // what measured ones of its kind have added, if any were asked

  double joules_a_token() const;
  double dollars_a_million_tokens() const;
  double tokens_a_second() const;
};

// `relatives`: of the same calibration; null: the terms alone. Errors: InputError: ranks that do not divide the heads,
// no peak or link known.
Prediction predict(const Deployment&, const Steady&, const Calibration& = Calibration::published(),
                   const Relatives* relatives = nullptr);

std::string prediction_text(const Prediction&);
// Each term's share, and what dominates.
std::string prediction_explained(const Prediction&);
std::string prediction_json(const Prediction&);

}  // namespace yard
