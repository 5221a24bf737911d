// How much of each term of a deployment's step is really paid: weights fitted to measured steady states.
//
// A step takes the sum of weight x term; the weights of layers and MoE layers are one an engine. The fit is of
// logarithms, so that errors are relative, robust (iteratively reweighted, of the absolute error), and each weight is
// drawn towards 1 in its logarithm by a prior. What is left is looked up: the mean residual of measurements near in
// sequences, prompt, output and ranks, more so of the same engine, chip and precision.
//
// Uses log and exp of the C library: offline only. What leaves is integers: priced().
#pragma once
#include <span>
#include <vector>

#include "scheduler/cost/deployment.h"
#include "scheduler/cost/step_cost.h"

namespace yard {

struct Measured {
  Deployment deployment;
  Steady steady;
  double tpot = 0;  // seconds
  double ttft = 0;
  std::uint64_t id = 0;  // of its row, for draws
};

// Terms, and those of layers and MoE layers once more for each further engine.
inline constexpr std::size_t kWeights = kTerms.size() + 4;

struct Calibration {
  // Thousandths.
  std::array<std::int32_t, kWeights> weight{};
  std::vector<Measured> known;   // what residuals are looked up among
  std::vector<double> residual;  // log(measured / weighted terms) of each
  double evidence = 20.0;        // so much is wanted before a lookup is believed by half

  static Calibration plain();  // every weight 1, nothing known
  // Weights fitted to 2,171 real deployments (ai-dynamo/aiconfigurator @095f58a5, measured_ttft_tpot.csv, Apache-2.0;
  // H100, H200, B200, B300, GB200; vLLM, SGLang, TensorRT-LLM). A model that was not among them was 20 % off in the
  // mean.
  static Calibration published();
  // log of the factor by which such deployments take longer.
  double lookup(const Measured&) const;
};

struct CalibrationFit {
  double prior = 0.003;    // how strongly weights are drawn to 1
  double evidence = 20.0;  // see Calibration
  double relative = 0.0;   // errors count as |log p/y| x (p/y)^relative: 0 in logarithms, 1 about as |p/y - 1|
};

// Requires: at least one measurement.
Calibration calibrate(std::span<const Measured>, const CalibrationFit&);

// The fit among some that errs least on models left out one by one. Requires: measurements of two models at least.
CalibrationFit best_calibration(std::span<const Measured>);

// A cell is a model on one chip by one engine at one precision and parallelism: what a replica's costs are keyed by.
//
// By how much (in logarithms) its rows are off is a Gaussian process over the logarithms of sequences, prompt and
// output: constant, linear and local parts of these deviations (Rasmussen, Williams, Gaussian Processes for Machine
// Learning, 2006, algorithm 2.1). How noisy a cell's samples are is not known: answers at five noises count by how
// likely each makes the samples (ibid., section 5.2).
struct CellFit {
  double constant = 0.3, linear = 0.03, local = 0.3;
  double octaves = 4.0;  // how far the local part reaches
};

// How far off samples of a cell let expect it to be: of log of measured over predicted. Requires: at most
// kMostCellSamples.
struct CellSample {
  const Measured* measured;
  double off;
};
inline constexpr std::size_t kMostCellSamples = 8;
double cell_correction(const Measured&, std::span<const CellSample>, const CellFit&);

// The weight of a term for that engine.
double weight_of_term(const Calibration&, std::size_t term, Engine);

// What Core reads: `factor` times the weighted terms, rounded to picoseconds, with c0 for `sequences` alone.
StepCost priced(const Deployment&, const Calibration&, std::uint32_t sequences, double factor);

// Seconds between tokens in a steady state, from what Core reads. Requires: so many sequences in the cost.
double steady_tpot(const StepCost&, const Steady&);
// The same of priced().
double predicted_tpot(const Measured&, const Calibration&, double factor);

}  // namespace yard
