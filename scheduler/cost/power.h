// What a chip draws while it serves: idle, memory and compute, by how much of each is used.
//
// Watts of one chip = w0 + w1 sqrt(memory use) + w2 sqrt(compute use) + w3 log2(chips) + w4 log2(sequences) +
// w5 log2(10^9 parameters), held between idle and TDP. Uses are of the peaks (Williams, Waterman, Patterson, Roofline,
// CACM 2009). Roots, since the dearer part of a unit is that it runs at all: of six forms tried on ML.ENERGY's
// configurations these err least, linear ones by a fifth more. More chips wait for each other, larger models run longer
// kernels and wait less between them. Energy of a token is watts x chips x seconds of a step over the sequences of it.
// Doubles; energy leaves as integer millijoules.
#pragma once
#include <array>
#include <span>

#include "scheduler/base/units.h"
#include "scheduler/cost/deployment.h"

namespace yard {

struct Drawing {
  Deployment deployment;
  double sequences = 1, context = 0;  // at once; tokens that each holds in the mean
  double step_seconds = 0;            // mean time from one token of a sequence to its next, prompts in it
  double watts = 0;                   // measured, of all chips
};

using PowerFit = std::array<double, 6>;

// Least squares of relative errors, iteratively reweighted to the absolute; each model counts alike, however often it
// was measured. Requires: at least one.
PowerFit fit_power(std::span<const Drawing>);

// Fitted to ML.ENERGY's configurations (ml-energy/leaderboard, 2025) of H100 (354) and B200 (398); of other chips those
// of an H100, by TDP: assumed.
PowerFit published_power(const Accelerator&);

// Of all its chips.
Milliwatts predicted_power(const Drawing&, const PowerFit&);

}  // namespace yard
