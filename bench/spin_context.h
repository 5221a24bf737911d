// The main of benches in which shards or pools look before they park: for how long is said beside the figures.
#pragma once
#include <string>

#include <benchmark/benchmark.h>

#include "scheduler/loop/live_spin.h"

namespace yard::bench {

// Returns: main's.
inline int run_beside_spin(int argc, char** argv) {
  const SpinPlan plan = plan_spin_here();  // before any thread is bound to a core
  benchmark::AddCustomContext("spin", std::to_string(plan.pauses) + " looks, " + std::to_string(plan.ns) + " ns");
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}

}  // namespace yard::bench
