// Claims about real deployments: seconds between tokens of engines on servers of eight, one model shape left out at a
// time.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <tuple>

#include "scheduler/base/hash.h"
#include "scheduler/cost/deployment_rows.h"
#include "scheduler/cost/least_squares.h"
#include "scheduler/validate/cost_data.h"
#include "scheduler/validate/costs.h"

namespace yard {
namespace {

constexpr std::string_view kData = "measured_ttft_tpot, aggregated";

// ---- what it is held beside -----------------------------------------------------------------------------------------

double term(const std::array<double, kTerms.size()>& seconds, Term t) { return seconds[static_cast<std::size_t>(t)]; }

// Reading weights and KV, or computing, whichever is longer, at full peaks; and prompts at the peak FLOP/s.
double roofline(const Measured& m) {
  const auto s = step_seconds(m.deployment, m.steady);
  const double read = term(s, Term::dense_weights) + term(s, Term::expert_weights) + term(s, Term::kv);
  return std::max(read, term(s, Term::compute)) + term(s, Term::attention);
}

// Nine terms, weighted least squares of relative errors, weights of either sign: what a planner would fit first.
struct NineTerms {
  using Row = std::array<double, 9>;
  static Row row(const Measured& m) {
    const auto s = step_seconds(m.deployment, m.steady);
    return {term(s, Term::dense_weights) + term(s, Term::expert_weights),
            term(s, Term::kv),
            term(s, Term::compute),
            term(s, Term::attention),
            term(s, Term::all_reduce),
            term(s, Term::hops),
            term(s, Term::layers),
            term(s, Term::step),
            term(s, Term::sequences)};
  }
  explicit NineTerms(const std::vector<Measured>& known) {
    NormalEquations<9> equations;
    for (const Measured& m : known) equations.add(row(m), m.tpot, 1.0 / (m.tpot * m.tpot));
    weight = equations.solve();
  }
  double operator()(const Measured& m) const {
    const Row terms = row(m);
    double sum = 0.0;
    for (std::size_t i = 0; i < terms.size(); ++i) sum += weight[i] * terms[i];
    return std::max(sum, roofline(m));  // it may say less than nothing
  }
  Row weight{};
};

// ---- cells ----------------------------------------------------------------------------------------------------------

// Model, chip, engine, precision and parallelism: what a replica's costs are keyed by.
using Cell = std::tuple<std::string, std::string, Engine, Precision, std::uint32_t, std::uint32_t>;
Cell cell_of(const Measured& m) {
  const Deployment& d = m.deployment;
  return {d.model->id, d.chip->id, d.engine, d.expert_weights, d.tp, d.dp};
}

constexpr std::size_t kSamples = 5;

// The first five of a cell by seed. Rows of one measurement's sizes go together: repeats are no new evidence.
std::set<std::uint64_t> sampled(const std::vector<Measured>& rows, std::uint64_t seed) {
  std::map<Cell, std::vector<std::pair<std::uint64_t, std::uint64_t>>> drawn;
  for (const Measured& m : rows) drawn[cell_of(m)].emplace_back(mix64(m.id ^ mix64(seed)), m.id);
  std::set<std::uint64_t> out;
  for (auto& [cell, numbers] : drawn) {
    std::ranges::sort(numbers);
    for (std::size_t i = 0; i < std::min(kSamples, numbers.size()); ++i) out.insert(numbers[i].second);
  }
  return out;
}

bool same_sizes(const Measured& a, const Measured& b) {
  return a.steady.sequences == b.steady.sequences && a.steady.prompt == b.steady.prompt &&
         a.steady.output == b.steady.output;
}

using CellSamples = std::map<Cell, std::vector<CellSample>>;

// The way of using a cell's samples that errs least on the cells of models that are known, each predicted by the rest.
CellFit best_cell_fit(const std::vector<Measured>& known, const CalibrationFit& by,
                      const std::set<std::uint64_t>& samples) {
  CellSamples off;
  std::map<const ModelCard*, Calibration> without;
  for (const Measured& m : known) without.emplace(m.deployment.model, Calibration{});
  for (auto& [left_out, fit] : without) {
    std::vector<Measured> others;
    for (const Measured& m : known)
      if (m.deployment.model != left_out) others.push_back(m);
    fit = calibrate(others, by);
  }
  std::vector<double> predicted;
  for (const Measured& m : known) {
    const Calibration& fit = without[m.deployment.model];
    predicted.push_back(predicted_tpot(m, fit, std::exp(fit.lookup(m))));
    if (samples.contains(m.id)) off[cell_of(m)].push_back({&m, std::log(m.tpot / predicted.back())});
  }
  CellFit best;
  double least = 1e300;
  for (const double linear : {0.0, 0.03, 0.06})
    for (const double local : {0.1, 0.2, 0.3, 0.5})
      for (const double octaves : {1.5, 2.5, 4.0, 6.0}) {
        const CellFit some{.linear = linear, .local = local, .octaves = octaves};
        double error = 0.0;
        for (std::size_t i = 0; i < known.size(); ++i) {
          const auto& own = off[cell_of(known[i])];
          if (std::ranges::any_of(own, [&](const CellSample& s) { return same_sizes(*s.measured, known[i]); }))
            continue;
          error += std::abs(predicted[i] * std::exp(cell_correction(known[i], own, some)) / known[i].tpot - 1.0);
        }
        if (error < least) least = error, best = some;
      }
  return best;
}

}  // namespace

std::vector<Claim> claim_deployments(const CostClaims& claims) {
  const DeploymentRows data = read_deployments(cost_table(claims.folder, "aiconfigurator/measured_ttft_tpot.csv"));
  std::set<const ModelCard*> models;
  for (const Measured& m : data.rows) models.insert(m.deployment.model);
  std::vector<Claim> all(5);
  for (Claim& claim : all) claim.data = kData;
  Claim &roof = all[0], &nine = all[1], &ours = all[2], &nine_again = all[3], &after = all[4];
  roof.what = "TPOT, roofline at full peaks", nine.what = "TPOT, 9-term linear fit, model left out";
  ours.what = "TPOT, ours, model left out", ours.aim = 0.20;
  nine_again.what = "TPOT, 9-term fit and its cell's mean of 5", after.what = "TPOT, ours, 5 samples a cell";
  after.aim = 0.12;
  ours.refused = data.refused;
  ours.note =
      "a model's shape is left out whole (DeepSeek-V3 and R1 are one); what the fit may choose is chosen by models "
      "left "
      "out of the rest";
  after.note = "a cell: model, chip, engine, precision, ranks; asked are its other rows, none of a sample's own sizes";
  const std::set<std::uint64_t> samples = sampled(data.rows, claims.seed);
  for (const ModelCard* left_out : models) {
    std::vector<Measured> known, asked;
    for (const Measured& m : data.rows) (m.deployment.model == left_out ? asked : known).push_back(m);
    const NineTerms linear(known);
    const CalibrationFit by = best_calibration(known);
    const Calibration fit = calibrate(known, by);
    const CellFit cells = best_cell_fit(known, by, samples);
    CellSamples off, off_nine;
    for (const Measured& m : asked) {
      if (!samples.contains(m.id)) continue;
      off[cell_of(m)].push_back({&m, std::log(m.tpot / predicted_tpot(m, fit, std::exp(fit.lookup(m))))});
      off_nine[cell_of(m)].push_back({&m, std::log(m.tpot / linear(m))});
    }
    Errors own_errors;
    for (const Measured& m : asked) {
      const double factor = fit.lookup(m);
      roof.errors.add(roofline(m) * 1e3, m.tpot * 1e3);
      nine.errors.add(linear(m) * 1e3, m.tpot * 1e3);
      ours.errors.add(predicted_tpot(m, fit, std::exp(factor)) * 1e3, m.tpot * 1e3);
      own_errors.add(predicted_tpot(m, fit, std::exp(factor)), m.tpot);
      const auto& own = off[cell_of(m)];
      if (std::ranges::any_of(own, [&](const CellSample& s) { return same_sizes(*s.measured, m); })) continue;
      const auto& own_nine = off_nine[cell_of(m)];
      double mean = 0.0;
      for (const CellSample& s : own_nine) mean += s.off / static_cast<double>(own_nine.size());
      nine_again.errors.add(linear(m) * std::exp(mean) * 1e3, m.tpot * 1e3);
      after.errors.add(predicted_tpot(m, fit, std::exp(factor + cell_correction(m, own, cells))) * 1e3, m.tpot * 1e3);
    }
    const ErrorSummary own_summary = own_errors.summary();
    ours.note +=
        fmt::format("; {} {:.1f} % (bias {:+.1f})", left_out->id, 100 * own_summary.mape, 100 * own_summary.bias);
  }
  for (Claim& claim : all) claim.unit = "ms";
  return all;
}

}  // namespace yard
