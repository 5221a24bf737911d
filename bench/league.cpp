// The league: how many requests a second a fleet takes at 90 and 99 % attainment, by placement policy.
//
//   league [--requests N] [--seeds N]        prints a table; with the defaults it takes about two minutes
//
// Attainment counts all that arrived, rejected ones as missed. Per policy, trace and seed the highest rate with that
// attainment is found by bisection to 1.5 %; the table has the mean over seeds, and beside it the paired ratio to the
// best of the other policies with a 95 % t-interval over seeds. Fleets and promises are the placement study's: 40
// accelerators that serve Llama 3.1 8B, one chip each; TTFT 1 s + 0.3 ms per prompt token, TPOT 50 ms. Arrivals are the
// built-in generators', at a flat rate.
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <switchyard/replay.h>

#include "scheduler/policy/registry.h"

namespace {

constexpr const char* kMixed =
    "name: mixed-40\npools:\n"
    "  - {name: h100, model: llama-3.1-8b, accelerator: h100-sxm, replicas: 8}\n"
    "  - {name: h200, model: llama-3.1-8b, accelerator: h200-sxm, replicas: 8}\n"
    "  - {name: l40s, model: llama-3.1-8b, accelerator: l40s, replicas: 8, token_budget: 1024}\n"
    "  - {name: v6e, model: llama-3.1-8b, accelerator: tpu-v6e, replicas: 8}\n"
    "  - {name: trn2, model: llama-3.1-8b, accelerator: trainium2, replicas: 8}\n";
constexpr const char* kUniform =
    "name: uniform-40\npools:\n  - {name: h100, model: llama-3.1-8b, accelerator: h100-sxm, replicas: 40}\n";
constexpr const char* kMix = "mix:\n  - {weight: 1, model: llama-3.1-8b, class: interactive}\n";

struct Options {
  std::uint64_t requests = 15'000, seeds = 5;
};

double attainment(const std::string& fleet, const std::string& trace, const std::string& policy, std::uint64_t seed,
                  double rate, const Options& options) {
  switchyard::Simulation simulation;
  simulation.fleet = fleet;
  simulation.trace = fmt::format("gen:{}?curve=flat&rate={:.3f}", trace, rate);
  simulation.policy = policy;
  simulation.seed = seed;
  simulation.limit = options.requests;
  const auto result = switchyard::simulate(simulation);
  if (const auto* wrong = std::get_if<switchyard::ConfigError>(&result)) {
    fmt::print(stderr, "league: {}\n", wrong->what());
    std::exit(2);
  }
  const auto& replayed = std::get<switchyard::Replayed>(result);
  return static_cast<double>(replayed.attained) / static_cast<double>(replayed.arrived);
}

// The highest rate at which `share` of the requests attain, to 1.5 %.
double capacity(const std::string& fleet, const std::string& trace, const std::string& policy, std::uint64_t seed,
                double share, const Options& options) {
  double low = 1, high = 2;
  while (attainment(fleet, trace, policy, seed, high, options) >= share) low = high, high *= 2;
  while (high / low > 1.015) {
    const double middle = std::sqrt(low * high);
    (attainment(fleet, trace, policy, seed, middle, options) >= share ? low : high) = middle;
  }
  return low;
}

double mean(const std::vector<double>& x) {
  double sum = 0;
  for (const double v : x) sum += v;
  return sum / static_cast<double>(x.size());
}

// Half of a 95 % t-interval of the mean.
double half_interval(const std::vector<double>& x) {
  constexpr std::array<double, 11> kT = {0, 0, 12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26};
  if (x.size() < 2) return 0;
  double squares = 0;
  for (const double v : x) squares += (v - mean(x)) * (v - mean(x));
  const double n = static_cast<double>(x.size());
  return kT[std::min<std::size_t>(x.size(), 10)] * std::sqrt(squares / (n - 1) / n);
}

void play(const char* fleet_name, const std::string& fleet, const std::string& trace, double share,
          const Options& options) {
  std::map<std::string, std::vector<double>> by_policy;
  for (const yard::NamedScorer& scorer : yard::scorers())
    for (std::uint64_t seed = 1; seed <= options.seeds; ++seed)
      by_policy[std::string(scorer.name)].push_back(
          capacity(fleet, trace, std::string(scorer.name), seed, share, options));
  for (const auto& [policy, rates] : by_policy) {
    std::string best;
    for (const auto& [other, of_other] : by_policy)
      if (other != policy && (best.empty() || mean(of_other) > mean(by_policy[best]))) best = other;
    std::vector<double> ratios;
    for (std::size_t k = 0; k < rates.size(); ++k) ratios.push_back(rates[k] / by_policy[best][k]);
    fmt::print("| {} | {} | {:.0f} % | {} | {:.1f} | {:.2f} +- {:.2f} of {} |\n", fleet_name, trace, share * 100,
               policy, mean(rates), mean(ratios), half_interval(ratios), best);
    std::fflush(stdout);
  }
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    if (!std::strcmp(argv[i], "--requests") && i + 1 < argc)
      options.requests = std::strtoull(argv[++i], nullptr, 10);
    else if (!std::strcmp(argv[i], "--seeds") && i + 1 < argc)
      options.seeds = std::strtoull(argv[++i], nullptr, 10);
    else if (std::strncmp(argv[i], "--benchmark", 11) == 0)
      return 0;  // a smoke run of the benches: nothing short to show
    else
      return fmt::print(stderr, "usage: league [--requests N] [--seeds N]\n"), 2;
  }
  if (options.requests == 0 || options.seeds == 0) return fmt::print(stderr, "league: a count above 0\n"), 2;
  const auto folder = std::filesystem::temp_directory_path();
  fmt::print(
      "| fleet | trace | attain | policy | requests/s, mean of {} seeds | paired ratio |\n|---|---|---|---|---|---|\n",
      options.seeds);
  for (const auto& [name, text] : {std::pair{"mixed", kMixed}, {"uniform", kUniform}}) {
    const std::string path = (folder / fmt::format("switchyard_league_{}_{}.yaml", name, getpid())).string();
    std::FILE* file = std::fopen(path.c_str(), "w");
    if (!file) return fmt::print(stderr, "league: cannot write {}\n", path), 2;
    fmt::print(file, "{}{}", text, kMix);
    std::fclose(file);
    for (const char* trace : {"azure-conv", "azure-code"})
      for (const double share : {0.90, 0.99}) play(name, path, trace, share, options);
    std::filesystem::remove(path);
  }
}
