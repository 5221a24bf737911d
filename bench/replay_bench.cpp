// Requests per CPU-second of a whole replay, report on: by replicas and policy. What a planner waits for.
//
//   replay_bench --benchmark_repetitions=5 --benchmark_report_aggregates_only=true
//
// Arrivals like Azure's conversation hour at 1.4 requests a second and replica; the fleets are uniform (H100, Llama 3.1
// 8B) or the built-in mixture, scaled. Counters: requests_per_cpu_s; in_flight, at most; bytes_per_request_in_flight,
// of the process' peak memory beyond that of a replay of ten requests.
#include <benchmark/benchmark.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>

#include <fmt/format.h>
#include <switchyard/replay.h>

#include "scheduler/policy/registry.h"

namespace {

// A fleet file for the time of one benchmark.
class FleetFile {
 public:
  explicit FleetFile(std::int64_t replicas)
      : path_((std::filesystem::temp_directory_path() / fmt::format("switchyard_bench_{}_{}.yaml", replicas, getpid()))
                  .string()) {
    std::FILE* file = std::fopen(path_.c_str(), "w");
    if (!file) std::abort();
    fmt::print(
        file,
        "name: uniform-{0}\npools:\n  - {{name: h100, model: llama-3.1-8b, accelerator: h100-sxm, replicas: {0}}}\n",
        replicas);
    std::fclose(file);
  }
  ~FleetFile() { std::filesystem::remove(path_); }
  const std::string& path() const { return path_; }

 private:
  const std::string path_;
};

std::int64_t peak_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss * 1024;
}

switchyard::Replayed must(std::variant<switchyard::Replayed, switchyard::ConfigError> result) {
  if (auto* wrong = std::get_if<switchyard::ConfigError>(&result)) {
    std::fprintf(stderr, "%s\n", wrong->what());
    std::abort();
  }
  return std::move(std::get<switchyard::Replayed>(result));
}

void replay(benchmark::State& state, const std::string& policy) {
  const std::int64_t replicas = state.range(0);
  const FleetFile fleet(replicas);
  switchyard::Simulation simulation;
  simulation.trace = fmt::format("gen:azure-conv?rate={}.{}", replicas * 14 / 10, replicas * 14 % 10);
  simulation.fleet = fleet.path();
  simulation.policy = policy;
  simulation.limit = static_cast<std::uint64_t>(state.range(1));
  double cpu = 0;
  std::uint64_t requests = 0, in_flight = 0;
  for (auto _ : state) {
    const switchyard::Replayed result = must(switchyard::simulate(simulation));
    state.SetIterationTime(result.cpu_seconds);
    cpu += result.cpu_seconds;
    requests += result.arrived;
    in_flight = result.most_in_flight;
  }
  state.counters["requests_per_cpu_s"] = static_cast<double>(requests) / cpu;
  state.counters["in_flight"] = static_cast<double>(in_flight);
  state.counters["peak_mib"] = static_cast<double>(peak_bytes()) / (1 << 20);
}

}  // namespace

int main(int argc, char** argv) {
  for (const yard::NamedScorer& scorer : yard::scorers())
    for (const auto& [replicas, requests] : {std::pair{4, 200'000}, {40, 200'000}, {1000, 200'000}, {10'000, 50'000}})
      benchmark::RegisterBenchmark(fmt::format("replay/{}", scorer.name).c_str(),
                                   [name = std::string(scorer.name)](benchmark::State& s) { replay(s, name); })
          ->ArgNames({"replicas", "requests"})
          ->Args({replicas, requests})
          ->UseManualTime()
          ->Unit(benchmark::kMillisecond);
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
}
