// Requests per CPU-second of a whole replay, report on: by replicas and policy. What a planner waits for.
//
//   replay_bench --benchmark_repetitions=5 --benchmark_report_aggregates_only=true
//
// Arrivals like Azure's conversation hour at 1.4 requests a second and replica, over a uniform fleet (H100, Llama 3.1
// 8B). Counters: requests_per_cpu_s; in_flight, at most; peak_mib; bytes_per_request_in_flight, of the peak beyond that
// of a replay of ten requests, where 1,000 and more are in flight.
#include <benchmark/benchmark.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>
#include <string_view>

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

switchyard::Replayed must(std::variant<switchyard::Replayed, switchyard::ConfigError> result) {
  if (auto* wrong = std::get_if<switchyard::ConfigError>(&result)) {
    std::fprintf(stderr, "%s\n", wrong->what());
    std::abort();
  }
  return std::move(std::get<switchyard::Replayed>(result));
}

// A replay's peak memory, in a process of its own: ours keeps the peak of whatever ran before. The child says it
// itself: getrusage's peak survives fork and exec, the VmHWM of a new program does not.
struct Footprint {
  std::int64_t peak_bytes, in_flight;
};

constexpr const char* kFootprint = "--footprint";

// What that process does: fleet, trace, policy, limit; says on standard output what it took.
int tell_footprint(char** words) {
  switchyard::Simulation simulation;
  simulation.fleet = words[0], simulation.trace = words[1], simulation.policy = words[2];
  simulation.limit = std::strtoull(words[3], nullptr, 10);
  Footprint own{};
  own.in_flight = static_cast<std::int64_t>(must(switchyard::simulate(simulation)).most_in_flight);
  std::FILE* status = std::fopen("/proc/self/status", "r");
  char line[256];
  while (status && std::fgets(line, sizeof line, status))
    if (std::strncmp(line, "VmHWM:", 6) == 0) own.peak_bytes = std::strtoll(line + 6, nullptr, 10) * 1024;
  return own.peak_bytes > 0 && write(STDOUT_FILENO, &own, sizeof own) == sizeof own ? 0 : 1;
}

Footprint footprint(const switchyard::Simulation& simulation, std::uint64_t limit) {
  int ends[2];
  if (pipe(ends) != 0) std::abort();
  const std::string limit_word = std::to_string(limit);
  const pid_t child = fork();
  if (child < 0) std::abort();
  if (child == 0) {
    dup2(ends[1], STDOUT_FILENO);
    execl("/proc/self/exe", "replay_bench", kFootprint, simulation.fleet.c_str(), simulation.trace.c_str(),
          simulation.policy.c_str(), limit_word.c_str(), nullptr);
    _exit(1);
  }
  close(ends[1]);
  Footprint result{};
  int status = 0;
  const bool told = read(ends[0], &result, sizeof result) == sizeof result;
  if (waitpid(child, &status, 0) != child || status != 0 || !told) std::abort();
  close(ends[0]);
  return result;
}

// Below so many a few pages of memory more or less would be all that is seen.
constexpr std::int64_t kManyInFlight = 1000;

void replay(benchmark::State& state, const std::string& policy) {
  const std::int64_t replicas = state.range(0);
  const FleetFile fleet(replicas);
  switchyard::Simulation simulation;
  simulation.trace = fmt::format("gen:azure-conv?rate={}.{}", replicas * 14 / 10, replicas * 14 % 10);
  simulation.fleet = fleet.path();
  simulation.policy = policy;
  simulation.limit = static_cast<std::uint64_t>(state.range(1));
  const Footprint whole = footprint(simulation, simulation.limit), least = footprint(simulation, 10);

  double cpu = 0;
  std::uint64_t requests = 0;
  for (auto _ : state) {
    const switchyard::Replayed result = must(switchyard::simulate(simulation));
    state.SetIterationTime(result.cpu_seconds);
    cpu += result.cpu_seconds;
    requests += result.arrived;
  }
  state.counters["requests_per_cpu_s"] = static_cast<double>(requests) / cpu;
  state.counters["in_flight"] = static_cast<double>(whole.in_flight);
  state.counters["peak_mib"] = static_cast<double>(whole.peak_bytes) / (1 << 20);
  if (whole.in_flight >= kManyInFlight)
    state.counters["bytes_per_request_in_flight"] = static_cast<double>(whole.peak_bytes - least.peak_bytes) /
                                                    static_cast<double>(whole.in_flight - least.in_flight);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 6 && std::string_view(argv[1]) == kFootprint) return tell_footprint(argv + 2);
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
