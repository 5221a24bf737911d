#include "bench/league_settings.h"

#include <cmath>

#include <fmt/format.h>

#include "scheduler/policy/registry.h"
#include "scheduler/report/paired.h"

namespace yard::league {
namespace {

constexpr std::size_t kDefaults = 0;  // stand first among the settings

std::size_t best_of(const std::vector<Result>& results, std::size_t share) {
  std::size_t best = kDefaults;
  for (std::size_t i = 1; i < results.size(); ++i)
    if (mean_of(results[i].capacity[share]) > mean_of(results[best].capacity[share])) best = i;
  return best;
}

double ratio_of(const std::vector<Result>& results, std::size_t i, std::size_t share) {
  return static_cast<double>(mean_of(results[i].capacity[share])) /
         static_cast<double>(std::max<std::int64_t>(1, mean_of(results[kDefaults].capacity[share])));
}

std::string number(std::size_t i) { return i == kDefaults ? "defaults" : fmt::format("{}", i); }

std::string hindsight_table(const std::vector<Hindsight>& grounds) {
  std::string text =
      "| fleet | arrivals | @ | defaults req/s | best in hindsight | it has | defaults / it "
      "|\n|---|---|---|---|---|---|---|\n";
  for (const Hindsight& g : grounds)
    for (std::size_t share = 0; share < kShares.size(); ++share) {
      const std::size_t best = best_of(g.results, share);
      const auto& ours = g.results[kDefaults].capacity[share];
      const auto& its = g.results[best].capacity[share];
      text += fmt::format("| {} | {} | {} % | {} | {} | {} | {} |\n", g.fleet, g.workload, kShares[share] / 10,
                          signed_text(mean_of(ours), 3, 1), number(best), signed_text(mean_of(its), 3, 1),
                          best == kDefaults ? "1.00" : ratio_text(ours, its));
    }
  return text;
}

// Every setting's capacities over those of the defaults, and their geometric mean over all grounds.
std::string settings_table(const std::vector<policy::Settings>& settings, const std::vector<Hindsight>& grounds) {
  std::string text = "| setting |", line = "|---|";
  for (const DrawnConstant& c : kDrawn) text += fmt::format(" {} |", c.name), line += "---|";
  for (const Hindsight& g : grounds) text += fmt::format(" {} {} |", g.fleet, g.workload), line += "---|";
  text += " all, geometric mean |\n" + line + "---|\n";
  for (std::size_t i = 0; i < settings.size(); ++i) {
    text += fmt::format("| {} |", number(i));
    for (const DrawnConstant& c : kDrawn)
      text += fmt::format(" {:.3g} |", static_cast<double>(settings[i].*c.value) / c.one);
    std::array<double, kShares.size()> logs{};
    for (const Hindsight& g : grounds) {
      text += fmt::format(" {:.2f} / {:.2f} |", ratio_of(g.results, i, 0), ratio_of(g.results, i, 1));
      for (std::size_t share = 0; share < kShares.size(); ++share)
        logs[share] += std::log(std::max(1e-3, ratio_of(g.results, i, share)));
    }
    const auto mean = [&](double sum) { return std::exp(sum / static_cast<double>(grounds.size())); };
    text += fmt::format(" {:.3f} / {:.3f} |\n", mean(logs[0]), mean(logs[1]));
  }
  return text;
}

}  // namespace

std::vector<policy::Settings> draw_settings(std::uint64_t n, Seed seed) {
  std::vector<policy::Settings> all{policy::kSettings};
  for (std::uint64_t i = 1; i <= n; ++i) {
    Rng rng = Rng::stream(seed ^ 0x73657474696e6773ull, i);
    policy::Settings& s = all.emplace_back();
    for (const DrawnConstant& c : kDrawn) {
      const double at = static_cast<double>(rng.below(1 << 20)) / (1 << 19) - 1;  // -1 .. 1
      s.*c.value = std::max<std::int64_t>(1, std::llround(static_cast<double>(s.*c.value) * std::pow(c.factor, at)));
    }
  }
  return all;
}

std::vector<Entrant> entrants_of(const std::vector<policy::Settings>& settings) {
  std::vector<Entrant> all;
  for (std::size_t i = 0; i < settings.size(); ++i)
    all.push_back({.name = number(i),
                   .origin = ScorerOrigin::ours,
                   .as_is = true,
                   .chunk = Chunk::objective,
                   .policies = i == kDefaults ? find_policies(kDefaultScorer, kDefaultOrder, name_of(Bind::arrival))
                                              : expected_cost_by(settings[i], kDefaultOrder, name_of(Bind::arrival))});
  return all;
}

std::string settings_page(const std::vector<policy::Settings>& settings, const std::vector<Hindsight>& grounds) {
  return fmt::format("{} settings beside the defaults.\n\n", settings.size() - 1) + hindsight_table(grounds) +
         "\nCapacity over that of the defaults, @90 / @99 %:\n\n" + settings_table(settings, grounds);
}

}  // namespace yard::league
