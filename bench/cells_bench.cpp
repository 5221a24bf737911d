// A fleet in cells on one thread and on two: wall time, taken in turn in one process, so that both meet the same noise.
//
//   cells_bench
//
// A thousand replicas in eight cells (builtin:cells), arrivals like Azure's conversation hour at 3 requests a second
// and replica, report on. Counters: wall_1_s, wall_2_s and ratio: the least of each over the pairs, and the second by
// the first, since what else runs on a shared machine only ever adds; median_ratio, of the pairs; cpu_ratio, likewise
// of CPU time: what two threads cost. The decisions of all are the same, or it ends.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <switchyard/replay.h>

namespace {

switchyard::Replayed replay(const std::string& policy, std::uint32_t threads) {
  switchyard::Simulation simulation;
  simulation.trace = "gen:azure-conv?curve=flat&rate=3000";
  simulation.fleet = "builtin:cells";
  simulation.policy = policy;
  simulation.limit = 30'000;
  simulation.threads = threads;
  auto result = switchyard::simulate(simulation);
  if (const auto* wrong = std::get_if<switchyard::ConfigError>(&result)) {
    std::fprintf(stderr, "%s\n", wrong->what());
    std::abort();
  }
  return std::move(std::get<switchyard::Replayed>(result));
}

double median(std::vector<double> of) {
  std::sort(of.begin(), of.end());
  return of[of.size() / 2];
}

void cells(benchmark::State& state, const std::string& policy) {
  std::vector<double> one, two, ratio, cpu_ratio;
  for (auto _ : state) {
    const switchyard::Replayed a = replay(policy, 1), b = replay(policy, 2);
    if (a.decision_hash != b.decision_hash) std::abort();
    one.push_back(a.wall_seconds);
    two.push_back(b.wall_seconds);
    ratio.push_back(b.wall_seconds / a.wall_seconds);
    cpu_ratio.push_back(b.cpu_seconds / a.cpu_seconds);
    state.SetIterationTime(b.wall_seconds);
  }
  const double least_1 = *std::min_element(one.begin(), one.end()), least_2 = *std::min_element(two.begin(), two.end());
  state.counters["wall_1_s"] = least_1;
  state.counters["wall_2_s"] = least_2;
  state.counters["ratio"] = least_2 / least_1;
  state.counters["median_ratio"] = median(ratio);
  state.counters["cpu_ratio"] = median(cpu_ratio);
}

}  // namespace

int main(int argc, char** argv) {
  for (const char* policy : {"expected_cost", "expected_seconds", "least_loaded"})
    benchmark::RegisterBenchmark(fmt::format("cells/{}", policy).c_str(),
                                 [name = std::string(policy)](benchmark::State& s) { cells(s, name); })
        ->UseManualTime()
        ->Iterations(40)
        ->Unit(benchmark::kMillisecond);
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
}
