#include "bench/league_play.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <exception>
#include <mutex>

#include <fmt/format.h>
#include <tbb/parallel_for.h>
#include <tbb/task_arena.h>

#include "scheduler/base/input_error.h"

namespace yard::league {
namespace {

// Does `act` for 0 .. n - 1, each once, and says how many are done.
void all_of(std::size_t n, const Rules& rules, const std::string& what, const std::function<void(std::size_t)>& act) {
  std::mutex mutex;
  std::size_t done = 0;
  tbb::task_arena arena(static_cast<int>(rules.threads));
  arena.execute([&] {
    tbb::parallel_for(
        tbb::blocked_range<std::size_t>(0, n, 1),
        [&](const tbb::blocked_range<std::size_t>& range) {
          for (std::size_t i = range.begin(); i < range.end(); ++i) {
            act(i);
            const std::lock_guard lock(mutex);
            ++done;
            if (rules.tell) rules.tell(fmt::format("{}: {} of {}", what, done, n));
          }
        },
        tbb::simple_partitioner());
  });
}

const CompiledFleet& fleet_of(const Ground& g, const Entrant& e) {
  return e.chunk == Chunk::objective ? g.fleet : g.engines;
}

std::string place(const Ground& g) { return fmt::format("{} {}", g.fleet.view.name, g.workload.name); }

// Of all fleets capacities lie near the mixed one's: a search begins there, and where the seed before ended.
double first_guess(const Ground& g) { return g.workload.first_guess * (g.fleet.view.pools.size() == 1 ? 1.6 : 1.0); }

}  // namespace

std::vector<Entrant> entrants(const std::vector<std::string>& names) {
  std::vector<Entrant> all;
  const auto add = [&](const std::string& name, ScorerOrigin origin) {
    if (std::ranges::any_of(all, [&](const Entrant& e) { return e.name == name; })) return;
    const std::size_t cut = std::min(name.find('/'), name.size());
    const std::string chunk = name.substr(cut);
    if (!chunk.empty() && chunk != "/objective" && chunk != "/budget")
      throw InputError("", 0, "--policies", "found '" + printable(chunk) + "'", "accepted: /objective, /budget");
    const bool objective = chunk.empty() ? origin == ScorerOrigin::ours : chunk == "/objective";
    all.push_back({.name = name,
                   .origin = origin,
                   .as_is = chunk.empty() && name.find_first_of("@+") == std::string::npos,
                   .chunk = objective ? Chunk::objective : Chunk::budget,
                   .policies = find_policies(name.substr(0, cut), kDefaultOrder, name_of(Bind::arrival))});
  };
  const auto origin_of = [](std::string_view name) {
    const auto of = std::ranges::find(scorers(), name.substr(0, name.find_first_of("@+/")), &NamedScorer::name);
    return of == scorers().end() ? ScorerOrigin::ours : of->origin;  // find_policies says what is wrong
  };
  add(std::string(kDefaultScorer), origin_of(kDefaultScorer));
  for (const std::string& name : names) add(name, origin_of(name));
  if (!names.empty()) return all;
  for (const NamedScorer& s : scorers()) add(std::string(s.name), s.origin);
  for (const NamedScorer& s : scorers())
    if (s.name == kDefaultScorer)
      add(std::string(s.name) + "+none", s.origin), add(std::string(s.name) + "/budget", s.origin);
    else
      add(std::string(s.name) + "+refusal", s.origin);
  return all;
}

std::vector<Result> find_capacities(const Ground& ground, const std::vector<Entrant>& all, const Rules& rules) {
  std::vector<Result> results(all.size());
  all_of(all.size(), rules, place(ground) + ", capacities", [&](std::size_t e) {
    double guess = first_guess(ground), share_guess = 0;
    for (Seed seed = 1; seed <= rules.seeds; ++seed) {
      const double at90 = capacity(ground.workload, fleet_of(ground, all[e]), all[e].policies, seed, kShares[0], guess);
      if (at90 > 0) guess = at90;
      const double near = share_guess > 0 ? share_guess : std::max(at90, guess / 100) * 0.8;
      const double at99 = capacity(ground.workload, fleet_of(ground, all[e]), all[e].policies, seed, kShares[1], near);
      if (at99 > 0) share_guess = at99;
      results[e].capacity[0].push_back(std::llround(at90 * 1000));
      results[e].capacity[1].push_back(std::llround(at99 * 1000));
    }
  });
  return results;
}

void play_loads(const Ground& ground, const std::vector<Entrant>& all, const Rules& rules,
                const std::vector<double>& rates, const std::function<bool(const Entrant&)>& plays,
                std::vector<Result>& results) {
  std::vector<std::size_t> playing;
  for (std::size_t e = 0; e < all.size(); ++e)
    if (plays(all[e])) playing.push_back(e);
  for (const std::size_t e : playing)
    for (auto& at : results[e].at_load) at.resize(rules.seeds);
  const std::size_t each = rates.size() * rules.seeds;
  all_of(playing.size() * each, rules, place(ground) + ", loads", [&](std::size_t i) {
    const std::size_t e = playing[i / each], load = i % each / rules.seeds, s = i % rules.seeds;
    results[e].at_load[load][s] =
        play_at(ground.workload, fleet_of(ground, all[e]), all[e].policies, rates[load], s + 1);
  });
}

std::vector<Robust> play_wrong(const Ground& ground, const std::vector<Entrant>& all, const Rules& rules, double rate) {
  std::vector<Robust> robust(all.size());
  for (Robust& r : robust)
    for (auto* of : {&r.exact, &r.wrong, &r.aware, &r.apart, &r.learnt, &r.learning}) of->resize(rules.seeds);
  all_of(all.size() * rules.seeds, rules, place(ground) + ", wrong costs", [&](std::size_t i) {
    const std::size_t e = i / rules.seeds, s = i % rules.seeds;
    const auto attainment = [&](Beliefs beliefs) {
      return play_at(ground.workload, fleet_of(ground, all[e]), all[e].policies, rate, s + 1, beliefs)
          .scores[0]
          .value_or(0);
    };
    const CostTables wrong = off_by(ground.fleet.tables, kWrongPercent, s + 1);
    const CostTables aware = off_by(ground.fleet.tables, kWrongPercent, s + 1, kWrongPercent * 10);
    robust[e].exact[s] = attainment({});
    robust[e].wrong[s] = attainment({&wrong});
    robust[e].aware[s] = attainment({&aware});
    const CostTables apart = off_apart(ground.fleet.tables, kApartPercent, s + 1);
    robust[e].apart[s] = attainment({&apart});
    robust[e].learnt[s] = attainment({&apart, true});
    robust[e].learning[s] = attainment({nullptr, true});
  });
  return robust;
}

std::vector<Aged> play_aged(const Ground& ground, const std::vector<Entrant>& all, const Rules& rules, double rate,
                            const std::vector<Duration>& ages) {
  std::array<std::vector<CompiledFleet>, 2> fleets;  // by Chunk
  for (const Chunk chunk : {Chunk::budget, Chunk::objective}) {
    std::vector<CompiledFleet>& of = fleets[static_cast<std::size_t>(chunk)];
    of.assign(ages.size() + 1, chunk == Chunk::objective ? ground.fleet : ground.engines);
    for (std::size_t a = 0; a < ages.size(); ++a) of[a + 1].view.signals_age = ages[a];
  }
  std::vector<Aged> aged(all.size(), {std::vector<std::int64_t>(rules.seeds),
                                      std::vector(ages.size(), std::vector<std::int64_t>(rules.seeds))});
  const std::size_t each = (ages.size() + 1) * rules.seeds;
  all_of(all.size() * each, rules, place(ground) + ", old signals", [&](std::size_t i) {
    const std::size_t e = i / each, f = i % each / rules.seeds, s = i % rules.seeds;
    (f == 0 ? aged[e].fresh : aged[e].old[f - 1])[s] =
        play_at(ground.workload, fleets[static_cast<std::size_t>(all[e].chunk)][f], all[e].policies, rate, s + 1)
            .scores[0]
            .value_or(0);
  });
  return aged;
}

std::int64_t mean_of(const std::vector<std::int64_t>& values) { return spread_of(values).mean; }

std::string ratio_text(const std::vector<std::int64_t>& ours, const std::vector<std::int64_t>& other) {
  const Spread s = paired_ratio(ours, other);
  if (s.values == 0) return "-";
  return s.values == 1 ? signed_text(s.mean, 3, 2)
                       : fmt::format("{} +-{}", signed_text(s.mean, 3, 2), signed_text(s.half, 3, 2));
}

}  // namespace yard::league
