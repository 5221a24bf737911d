#include "scheduler/cost/power.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <vector>

#include "scheduler/base/check.h"
#include "scheduler/cost/least_squares.h"

namespace yard {
namespace {

double term(const CostsByTerm& terms, Term t, double context) {
  const TermCost& c = terms[static_cast<std::size_t>(t)];
  return c.c0 + c.c2 * context;
}

PowerFit row_of(const Drawing& d) {
  const CostsByTerm terms = term_costs(d.deployment, d.sequences);
  const double context = d.sequences * d.context;
  const double memory = term(terms, Term::dense_weights, context) + term(terms, Term::expert_weights, context) +
                        term(terms, Term::kv, context);
  const double compute = term(terms, Term::compute, context);
  return {1.0,
          std::sqrt(memory / d.step_seconds),
          std::sqrt(compute / d.step_seconds),
          std::log2(static_cast<double>(d.deployment.chips())),
          std::log2(d.sequences),
          std::log2(static_cast<double>(d.deployment.model->total_parameters) / 1e9)};
}

double dot(const PowerFit& a, const PowerFit& b) {
  double sum = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

}  // namespace

PowerFit fit_power(std::span<const Drawing> drawings) {
  CHECK(!drawings.empty());
  std::map<const ModelCard*, double> drawings_of;
  for (const Drawing& d : drawings) drawings_of[d.deployment.model] += 1.0;
  std::vector<PowerFit> rows;
  std::vector<double> watts, share, weight(drawings.size(), 1.0);
  for (const Drawing& d : drawings) {
    rows.push_back(row_of(d));
    watts.push_back(d.watts / d.deployment.chips());
    share.push_back(static_cast<double>(drawings.size()) /
                    (static_cast<double>(drawings_of.size()) * drawings_of[d.deployment.model]));
  }
  PowerFit fit{};
  for (int round = 0; round < 12; ++round) {
    NormalEquations<std::tuple_size_v<PowerFit>> equations;
    for (std::size_t i = 0; i < rows.size(); ++i)
      equations.add(rows[i], watts[i], share[i] * weight[i] / (watts[i] * watts[i]));
    for (std::size_t i = 0; i < fit.size(); ++i) equations.draw(i, 0.0, 1e-6);
    fit = equations.solve();
    for (std::size_t i = 0; i < rows.size(); ++i)
      weight[i] = 1.0 / std::max(std::abs(dot(rows[i], fit) / watts[i] - 1.0), 0.03);
  }
  return fit;
}

PowerFit published_power(const Accelerator& chip) {
  if (chip.id == builtin_catalogue().find("b200_sxm")->id) return {-184.4, 889.7, 804.2, 3.5, 14.7, 31.0};
  PowerFit fit = {118.1, 191.4, 539.3, -61.3, 15.4, 25.6};
  for (double& watts : fit)
    watts *=
        static_cast<double>(chip.tdp.count()) / static_cast<double>(builtin_catalogue().find("h100_sxm")->tdp.count());
  return fit;
}

Milliwatts predicted_power(const Drawing& d, const PowerFit& fit) {
  const Accelerator& chip = *d.deployment.chip;
  const double milliwatts = std::clamp(1000.0 * dot(row_of(d), fit), static_cast<double>(chip.idle.count()),
                                       static_cast<double>(chip.tdp.count()));
  return Milliwatts(std::llround(milliwatts * d.deployment.chips()));
}

}  // namespace yard
