#include "scheduler/cost/calibration.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "scheduler/base/check.h"
#include "scheduler/cost/least_squares.h"

namespace yard {
namespace {

using Values = std::array<double, kWeights>;

// The terms spread over the weights: those of layers go to the engine's own.
std::size_t weight_at(std::size_t term, Engine engine) {
  const auto e = static_cast<std::size_t>(engine);
  if (e == 0) return term;
  if (term == static_cast<std::size_t>(Term::layers)) return kTerms.size() + 2 * (e - 1);
  if (term == static_cast<std::size_t>(Term::moe_layers)) return kTerms.size() + 2 * (e - 1) + 1;
  return term;
}

Values spread(const Measured& m) {
  Values values{};
  const auto seconds = step_seconds(m.deployment, m.steady);
  for (std::size_t i = 0; i < seconds.size(); ++i) values[weight_at(i, m.deployment.engine)] += seconds[i];
  return values;
}

double weighted_terms(const Measured& m, const Calibration& c) {
  const auto seconds = step_seconds(m.deployment, m.steady);
  double sum = 0.0;
  for (std::size_t i = 0; i < seconds.size(); ++i) sum += weight_of_term(c, i, m.deployment.engine) * seconds[i];
  return sum;
}

double octave_distance(double a, double b) {
  const double octaves = std::log2(a / b) / 1.5;
  return octaves * octaves;
}

double distance(const Measured& a, const Measured& b) {
  const Deployment &x = a.deployment, &y = b.deployment;
  double q = octave_distance(a.steady.sequences, b.steady.sequences) +
             octave_distance(a.steady.prompt, b.steady.prompt) + octave_distance(a.steady.output, b.steady.output) +
             octave_distance(x.tp, y.tp) + 4.0 * octave_distance(x.dp, y.dp);
  if (x.chip != y.chip) q += 1.0;
  if (x.engine != y.engine) q += 1.5;
  if (x.expert_weights != y.expert_weights) q += 0.7;
  if ((x.model->experts > 0) != (y.model->experts > 0)) q += 1.5;
  return q;
}

}  // namespace

double weight_of_term(const Calibration& c, std::size_t term, Engine engine) {
  return c.weight[weight_at(term, engine)] / 1000.0;
}

Calibration Calibration::plain() {
  Calibration c;
  c.weight.fill(1000);
  return c;
}

Calibration Calibration::published() {
  Calibration c;
  c.weight = {1054, 1481, 1529, 1104, 1087, 1478, 1220, 1370, 1037, 1023, 1158, 1036, 1000, 1502, 1063, 967, 1022};
  return c;
}

double Calibration::lookup(const Measured& m) const {
  double sum = 0.0, weights = evidence;
  for (std::size_t i = 0; i < known.size(); ++i) {
    const double w = std::exp(-distance(m, known[i]));
    sum += w * residual[i], weights += w;
  }
  return sum / weights;
}

Calibration calibrate(std::span<const Measured> measured, const CalibrationFit& fit) {
  CHECK(!measured.empty());
  std::vector<Values> terms;
  for (const Measured& m : measured) terms.push_back(spread(m));
  Values z{};  // logarithms of the weights
  for (int round = 0; round < 25; ++round) {
    NormalEquations<kWeights> equations;
    double total = 0.0;
    for (std::size_t r = 0; r < measured.size(); ++r) {
      double sum = 0.0;
      Values slope{};
      for (std::size_t i = 0; i < kWeights; ++i) sum += slope[i] = terms[r][i] * std::exp(z[i]);
      for (double& s : slope) s /= sum;
      const double off = std::log(measured[r].tpot / sum);
      const double w = std::exp(-fit.relative * std::clamp(off, -1.5, 1.5)) / std::max(std::abs(off), 0.05);
      equations.add(slope, off, w);
      total += w;
    }
    for (std::size_t i = 0; i < kWeights; ++i) equations.draw(i, -z[i], fit.prior * total);
    const Values step = equations.solve();
    for (std::size_t i = 0; i < kWeights; ++i) z[i] = std::clamp(z[i] + std::clamp(step[i], -1.0, 1.0), -7.0, 4.0);
  }
  Calibration c;
  c.evidence = fit.evidence;
  for (std::size_t i = 0; i < kWeights; ++i)
    c.weight[i] = static_cast<std::int32_t>(std::lround(std::exp(z[i]) * 1000.0));
  c.known.assign(measured.begin(), measured.end());
  for (const Measured& m : measured) c.residual.push_back(std::log(m.tpot / weighted_terms(m, c)));
  return c;
}

CalibrationFit best_calibration(std::span<const Measured> measured) {
  std::set<const ModelCard*> models;
  for (const Measured& m : measured) models.insert(m.deployment.model);
  CHECK(models.size() > 1);
  const auto left_out_error = [&](const CalibrationFit& fit, bool looks_up) {
    double error = 0.0;
    for (const ModelCard* left_out : models) {
      std::vector<Measured> others;
      for (const Measured& m : measured)
        if (m.deployment.model != left_out) others.push_back(m);
      const Calibration c = calibrate(others, fit);
      for (const Measured& m : measured)
        if (m.deployment.model == left_out)
          error += std::abs(weighted_terms(m, c) * (looks_up ? std::exp(c.lookup(m)) : 1.0) / m.tpot - 1.0);
    }
    return error;
  };
  CalibrationFit best;
  double least = 1e300;
  for (const double relative : {0.0, 0.5, 1.0})
    for (const double prior : {0.001, 0.003, 0.01, 0.03}) {
      const CalibrationFit some{.prior = prior, .relative = relative};
      if (const double error = left_out_error(some, false); error < least) least = error, best = some;
    }
  CalibrationFit fit = best;
  least = 1e300;
  for (const double evidence : {3.0, 10.0, 30.0, 100.0}) {
    fit.evidence = evidence;
    if (const double error = left_out_error(fit, true); error < least) least = error, best = fit;
  }
  return best;
}

double cell_correction(const Measured& m, std::span<const CellSample> samples, const CellFit& fit) {
  CHECK(samples.size() <= kMostCellSamples);
  using Sizes = std::array<double, 3>;  // octaves from the middle of what is served
  const auto sizes = [](const Steady& s) {
    return Sizes{std::log2(s.sequences) - 4.5, std::log2(s.prompt) - 10.0, std::log2(s.output) - 9.0};
  };
  const auto covariance = [&](const Sizes& a, const Sizes& b) {
    double product = 0.0, apart = 0.0;
    for (std::size_t i = 0; i < a.size(); ++i)
      product += a[i] * b[i], apart += (a[i] - b[i]) * (a[i] - b[i]) / (fit.octaves * fit.octaves);
    return fit.constant * fit.constant + fit.linear * fit.linear * product + fit.local * fit.local * std::exp(-apart);
  };
  const std::size_t n = samples.size();
  std::array<Sizes, kMostCellSamples> at{};
  std::array<double, kMostCellSamples> to_asked{};
  const Sizes asked = sizes(m.steady);
  for (std::size_t i = 0; i < n; ++i)
    at[i] = sizes(samples[i].measured->steady), to_asked[i] = covariance(asked, at[i]);

  constexpr std::array<double, 5> kNoises = {0.03, 0.06, 0.12, 0.25, 0.5};
  std::array<double, kNoises.size()> says{}, likely{};
  for (std::size_t k = 0; k < kNoises.size(); ++k) {
    std::array<std::array<double, kMostCellSamples>, kMostCellSamples> l{};  // Cholesky's factor
    std::array<double, kMostCellSamples> y{};
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t j = 0; j <= i; ++j) {
        double v = covariance(at[i], at[j]) + (i == j ? kNoises[k] * kNoises[k] : 0.0);
        for (std::size_t c = 0; c < j; ++c) v -= l[i][c] * l[j][c];
        l[i][j] = i == j ? std::sqrt(v) : v / l[j][j];
      }
      y[i] = samples[i].off;
      for (std::size_t c = 0; c < i; ++c) y[i] -= l[i][c] * y[c];
      y[i] /= l[i][i];
      likely[k] -= y[i] * y[i] / 2.0 + std::log(l[i][i]);
    }
    for (std::size_t i = n; i-- > 0;) {
      for (std::size_t c = i + 1; c < n; ++c) y[i] -= l[c][i] * y[c];
      y[i] /= l[i][i];
      says[k] += y[i] * to_asked[i];
    }
  }
  const double most = *std::ranges::max_element(likely);
  double sum = 0.0, weights = 0.0;
  for (std::size_t k = 0; k < kNoises.size(); ++k) {
    const double w = std::exp(likely[k] - most);
    sum += w * says[k], weights += w;
  }
  return sum / weights;
}

StepCost priced(const Deployment& d, const Calibration& c, std::uint32_t sequences, double factor) {
  const CostsByTerm terms = term_costs(d, sequences);
  TermCost sum;
  for (std::size_t i = 0; i < terms.size(); ++i) {
    const double w = weight_of_term(c, i, d.engine) * factor;
    sum.c0 += w * terms[i].c0, sum.c1 += w * terms[i].c1, sum.c2 += w * terms[i].c2, sum.c4 += w * terms[i].c4;
  }
  const auto rounded = [](double s) { return Picoseconds(std::llround(s * 1e12)); };
  return StepCost({{sequences, rounded(sum.c0)}}, rounded(sum.c1), rounded(sum.c2), sequences,
                  rounded(sum.c4 * 1024.0));
}

double steady_tpot(const StepCost& cost, const Steady& s) {
  const auto n = static_cast<std::uint32_t>(std::max(std::lround(s.sequences), 1l));
  const auto whole = [](double x) { return static_cast<std::int64_t>(std::llround(x)); };
  // Of a thousand steps, so that rounded prompt tokens do not tell.
  const Picoseconds reading = cost.reading(whole(1000.0 * s.prompt_tokens()), whole(1000.0 * s.pairs()));
  const Picoseconds decoding = cost.c0(n) + cost.c2() * whole(s.context());
  return static_cast<double>(decoding.count()) / 1e12 + static_cast<double>(reading.count()) / 1e15;
}

double predicted_tpot(const Measured& m, const Calibration& c, double factor) {
  const auto n = static_cast<std::uint32_t>(std::max(std::lround(m.steady.sequences), 1l));
  return steady_tpot(priced(m.deployment, c, n, factor), m.steady);
}

}  // namespace yard
