// Is stealing worth it? In simulation: one Core that sees all devices, the same devices in shards that do not steal,
// and in shards that do; the same scorer, arrivals and seeds. Not a Google Benchmark program: it measures decisions,
// not time.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <tbb/parallel_for.h>
#include <tbb/task_arena.h>

#include "bench/league_trial.h"
#include "bench/league_workloads.h"
#include "scheduler/base/hash.h"
#include "scheduler/base/input_error.h"
#include "scheduler/mixed_trace.h"
#include "scheduler/play.h"
#include "scheduler/policy/registry.h"
#include "topology/fleet.h"

namespace yard {
namespace {

using league::Workload;

struct Options {
  std::uint64_t seeds = 3;
  std::uint32_t threads = 2;
  std::string out;
  std::vector<std::string> fleets{"like", "mixed", "unlike"}, routes{"door", "even", "skewed"},
      traces{"azure-conv", "azure-code"}, policies{"expected_cost", "expected_seconds"};
  std::string steal = "true";
};

constexpr std::array<int, 4> kLoads{50, 70, 90, 100};
constexpr std::uint32_t kShards = 4;

enum Way : std::size_t { one, apart, stealing, kWays };
constexpr std::array<const char*, kWays> kWayNames{"one Core", "shards apart", "shards that steal"};

std::string fleet_text(const std::string& fleet, Way way, const std::string& steal) {
  std::string text = fmt::format("name: {}\npools:\n", fleet);
  struct Pool {
    const char *name, *chip;
    int budget;
  };
  constexpr std::array<Pool, 4> kinds{
      {{"h100", "h100-sxm", 2048}, {"h200", "h200-sxm", 2048}, {"l40s", "l40s", 1024}, {"v6e", "tpu-v6e", 2048}}};
  const bool unlike = fleet == "unlike";
  for (std::size_t k = 0; k < kinds.size(); ++k) {
    const Pool& pool = kinds[fleet == "like" ? 0 : k];
    const bool named = way != one && unlike;
    text += fmt::format("  - {{name: {}{}, model: llama-3.1-8b, accelerator: {}, replicas: 8, token_budget: {}{}}}\n",
                        pool.name, k, pool.chip, pool.budget, named ? fmt::format(", shard: s{}", k) : "");
  }
  if (way != one && !unlike) text += fmt::format("shards: {}\n", kShards);
  if (way == apart) text += "steal: false\n";
  if (way == stealing) text += fmt::format("steal: {}\n", steal);
  text += "mix:\n  - {weight: 1, model: llama-3.1-8b, class: interactive}\n";
  return text;
}

// Where a request goes that says itself where: `even`: anywhere alike; `skewed`: half to the first, the rest to the
// others, alike. Drawn from what it is, the same in every way.
Shards::Door door_of(const std::string& route) {
  if (route == "door") return {};
  const bool skewed = route == "skewed";
  return [skewed](const Submitted& request) {
    DecisionHash hash;
    hash.add(static_cast<std::uint64_t>(request.arrival.ns()), static_cast<std::uint64_t>(request.prompt.count()));
    const std::uint64_t draw = hash.value() >> 33;
    if (!skewed) return static_cast<std::uint32_t>(draw % kShards);
    return draw % 2 == 0 ? 0u : 1 + static_cast<std::uint32_t>(draw / 2 % (kShards - 1));
  };
}

struct Scored {
  double attain = 0;  // percent
  std::uint64_t good = 0, taken = 0, offered = 0, looks = 0;
};

Scored play_one(const Workload& workload, const CompiledFleet& fleet, const PolicySet& policies,
                const std::string& route, double rate, Seed seed) {
  MixedTrace source(league::arrivals_of(workload, rate, seed), fleet, seed);
  const Played played = play({.fleet = fleet,
                              .policies = policies,
                              .seed = seed,
                              .counted_from = Time(std::int64_t{workload.warm_up_s} * 1'000'000'000),
                              .door = fleet.shards.empty() ? Shards::Door{} : door_of(route)},
                             source);
  const ClassTally all = played.meter.all();
  return {.attain = 100.0 * static_cast<double>(all.attained) /
                    static_cast<double>(std::max<std::uint64_t>(1, all.arrived())),
          .good = all.attained,
          .taken = played.ledger.taken,
          .offered = played.ledger.offered,
          .looks = played.ledger.looks};
}

struct Spread {
  double mean = 0, interval = 0;  // 95 %
};

Spread spread(const std::vector<double>& values) {
  const auto n = static_cast<double>(values.size());
  double sum = 0, square = 0;
  for (const double v : values) sum += v;
  const double mean = sum / n;
  for (const double v : values) square += (v - mean) * (v - mean);
  constexpr std::array<double, 10> t{12.7, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23};
  const std::size_t freedom = values.size() - 1;
  if (freedom == 0) return {mean, 0};
  const double quantile = freedom <= t.size() ? t[freedom - 1] : 2.0;
  return {mean, quantile * std::sqrt(square / static_cast<double>(freedom) / n)};
}

std::vector<std::string> split(std::string_view text) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const std::size_t comma = std::min(text.find(','), text.size());
    parts.emplace_back(text.substr(0, comma));
    text.remove_prefix(std::min(text.size(), comma + 1));
  }
  return parts;
}

constexpr const char* kUsage =
    "usage: stealing [--seeds N] [--threads N] [--fleets A,B] [--routes A,B] [--traces A,B] [--policies A,B]\n"
    "                [--steal YAML] [--out FILE]\n"
    "Goodput of one Core, of shards apart and of shards that steal, at 50, 70, 90 and 100 % of the rate at which one "
    "Core\n"
    "attains 90 %, paired by seed.\n"
    "  --fleets    like (32 H100 in 4 shards), mixed (8 each of H100, H200, L40S, TPU v6e, two of each in a shard),\n"
    "              unlike (the same, a kind in a shard)\n"
    "  --routes    door (by the shards' last summaries), even (blindly, alike), skewed (blindly, half to one shard)\n"
    "  --traces    azure-conv, azure-code, mooncake, agentic\n"
    "  --steal     what a fleet file says of stealing: \"{least_gain_ms: 10}\"\n"
    "  --out       Markdown to a file; standard output has it in any case\n";

std::optional<Options> parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string_view arg = argv[i];
    if (i + 1 >= argc) return std::nullopt;
    const std::string value = argv[++i];
    const auto number = [&](auto& into) {
      const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), into);
      return error == std::errc() && end == value.data() + value.size() && into > 0;
    };
    if (arg == "--seeds" && number(options.seeds)) continue;
    if (arg == "--threads" && number(options.threads)) continue;
    if (arg == "--fleets")
      options.fleets = split(value);
    else if (arg == "--routes")
      options.routes = split(value);
    else if (arg == "--traces")
      options.traces = split(value);
    else if (arg == "--policies")
      options.policies = split(value);
    else if (arg == "--steal")
      options.steal = value;
    else if (arg == "--out")
      options.out = value;
    else
      return std::nullopt;
  }
  return options;
}

int run(const Options& options) {
  const char* data = std::getenv("SWITCHYARD_DATA_DIR");
  const league::League all = league::load_workloads({.data = data ? data : "../shared/data", .names = options.traces});
  tbb::task_arena arena(static_cast<int>(options.threads));
  std::string text = fmt::format(
      "4 shards of 8 accelerators each, {} seeds, paired; attainment over all that arrived, 95 % intervals. Load: of "
      "the "
      "rate at\nwhich one Core attains 90 %. Gap: what stealing closes of the difference between shards apart and one "
      "Core.\n\n| policy | pools | arrivals | route | load | req/s | one Core % | apart less one | stealing less one | "
      "stealing less apart | gap closed | taken % | looks per request "
      "|\n|---|---|---|---|---|---|---|---|---|---|---|---|---|\n",
      options.seeds);
  std::fputs(text.c_str(), stdout);
  for (const std::string& policy : options.policies)
    for (const std::string& name : options.fleets)
      for (const Workload& workload : all.workloads) {
        const PolicySet policies = find_policies(policy, "edf", "arrival");
        std::array<std::optional<CompiledFleet>, kWays> fleets;
        for (std::size_t way = 0; way < kWays; ++way)
          fleets[way] =
              compile_fleet(read_fleet("stealing:" + name, fleet_text(name, static_cast<Way>(way), options.steal)));
        std::vector<double> capacity(options.seeds);
        arena.execute([&] {
          tbb::parallel_for(std::uint64_t{0}, options.seeds, [&](std::uint64_t s) {
            capacity[s] = league::capacity(workload, *fleets[one], policies, s + 1, 900, workload.first_guess);
          });
        });
        const double full = spread(capacity).mean;
        for (const std::string& route : options.routes)
          for (const int load : kLoads) {
            const double rate = full * load / 100;
            std::vector<std::array<Scored, kWays>> scored(options.seeds);
            arena.execute([&] {
              tbb::parallel_for(std::size_t{0}, options.seeds * kWays, [&](std::size_t k) {
                scored[k / kWays][k % kWays] =
                    play_one(workload, *fleets[k % kWays], policies, route, rate, k / kWays + 1);
              });
            });
            const auto of = [&](const auto& value) {
              std::vector<double> values;
              for (const auto& s : scored) values.push_back(value(s));
              return spread(values);
            };
            const Spread whole = of([](const auto& s) { return s[one].attain; });
            const Spread lost = of([](const auto& s) { return s[apart].attain - s[one].attain; });
            const Spread still = of([](const auto& s) { return s[stealing].attain - s[one].attain; });
            const Spread won = of([](const auto& s) { return s[stealing].attain - s[apart].attain; });
            const Spread taken = of([](const auto& s) {
              return 100.0 * static_cast<double>(s[stealing].taken) /
                     std::max(1.0, static_cast<double>(s[stealing].good));
            });
            const Spread looks = of([](const auto& s) {
              return static_cast<double>(s[stealing].looks) / std::max(1.0, static_cast<double>(s[stealing].good));
            });
            const std::string gap = lost.mean > -0.1 ? "-" : fmt::format("{:.0f} %", 100 * won.mean / -lost.mean);
            const std::string row = fmt::format(
                "| {} | {} | {} | {} | {} % | {:.1f} | {:.2f} | {:+.2f} +-{:.2f} | {:+.2f} +-{:.2f} | {:+.2f} +-{:.2f} "
                "| "
                "{} | {:.1f} | {:.2f} |\n",
                policy, name, workload.name, route, load, rate, whole.mean, lost.mean, lost.interval, still.mean,
                still.interval, won.mean, won.interval, gap, taken.mean, looks.mean);
            std::fputs(row.c_str(), stdout);
            std::fflush(stdout);
            text += row;
          }
      }
  if (options.out.empty()) return 0;
  std::FILE* file = std::fopen(options.out.c_str(), "w");
  if (!file || std::fputs(text.c_str(), file) < 0 || std::fclose(file) != 0) {
    std::fprintf(stderr, "stealing: cannot write %s\n", options.out.c_str());
    return 1;
  }
  return 0;
}

}  // namespace
}  // namespace yard

int main(int argc, char** argv) {
  const auto options = yard::parse(argc, argv);
  if (!options) {
    std::fputs(yard::kUsage, argc == 2 && std::string_view(argv[1]) == "--help" ? stdout : stderr);
    return argc == 2 && std::string_view(argv[1]) == "--help" ? 0 : 2;
  }
  try {
    return yard::run(*options);
  } catch (const yard::InputError& e) {
    std::fprintf(stderr, "stealing: %s\n", e.what());
    return 1;
  }
}
