// Claims about deployments that speak by their nearest measured relatives (cost/relatives.h): a fifth of the keys is
// left out at a time, weights and relatives are of the rest, and each row left out is predicted as if nobody shared
// more parts of its key than so many.
#include <fmt/format.h>

#include <cmath>
#include <string>
#include <vector>

#include "scheduler/base/hash.h"
#include "scheduler/cost/deployment_rows.h"
#include "scheduler/cost/relatives.h"
#include "scheduler/validate/cost_data.h"
#include "scheduler/validate/costs.h"

namespace yard {
namespace {

constexpr std::uint64_t kFolds = 5;

std::uint64_t fold_of(const Measured& m, std::uint64_t seed) {
  DecisionHash hash;
  for (const std::string& part : Relatives::key_of(m.deployment))
    for (const char c : part + "\n") hash.add(static_cast<std::uint64_t>(c));
  return mix64(hash.value() ^ mix64(seed)) % kFolds;
}

}  // namespace

std::vector<Claim> claim_relatives(const CostClaims& claims) {
  const DeploymentRows data = read_deployments(cost_table(claims.folder, "aiconfigurator/measured_ttft_tpot.csv"));
  constexpr std::size_t kDepths = kKeyParts.size();  // the whole key is left out
  std::vector<Claim> errors(kDepths + 2), intervals(kDepths);
  for (std::uint64_t fold = 0; fold < kFolds; ++fold) {
    std::vector<Measured> known, asked;
    for (const Measured& m : data.rows) (fold_of(m, claims.seed) == fold ? asked : known).push_back(m);
    const Calibration fit = calibrate(known, {});
    const Relatives relatives(known, fit);
    for (const Measured& m : asked) {
      const double terms = predicted_tpot(m, fit, 1.0);
      errors[0].errors.add(terms * 1e3, m.tpot * 1e3);
      errors[1].errors.add(terms * relatives.of(m.deployment).factor * 1e3, m.tpot * 1e3);
      for (std::size_t depth = 0; depth < kDepths; ++depth) {
        const RelativesAnswer answer = relatives.of(m.deployment, depth);
        if (answer.shared != depth) continue;
        errors[depth + 2].errors.add(terms * answer.factor * 1e3, m.tpot * 1e3);
        if (!intervals[depth].coverage) intervals[depth].coverage.emplace();
        const double off = m.tpot / (terms * answer.factor);
        intervals[depth].coverage->add(off >= answer.low() && off <= answer.high());
      }
    }
  }
  errors[0].what = "TPOT of a key left out, by terms alone", errors[0].refused = data.refused;
  errors[1].what = "TPOT of a key left out, and by its nearest relatives";
  errors[0].note = "a fifth of the keys (model, chip, engine, precision, ranks) at a time, by seed";
  std::string parts = "nothing";
  for (std::size_t depth = 0; depth < kDepths; ++depth) {
    if (depth > 0) parts = (depth > 1 ? parts + ", " : std::string()) + std::string(kKeyParts[depth - 1]);
    errors[depth + 2].what = "  as if the nearest shared " + parts;
    intervals[depth].what = "TPOT by relatives that share " + parts;
    if (!intervals[depth].coverage) intervals[depth].coverage.emplace();
    intervals[depth].coverage->aims = false;
  }
  for (Claim& claim : intervals) errors.push_back(std::move(claim));
  for (Claim& claim : errors) claim.data = "measured_ttft_tpot, aggregated", claim.unit = "ms";
  return errors;
}

}  // namespace yard
