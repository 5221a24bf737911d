// The league on one ground: every entrant's capacities, its outcomes at set loads, and what wrong costs do to it.
#pragma once
#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "bench/league_trial.h"
#include "scheduler/policy/registry.h"

namespace yard::league {

struct Entrant {
  std::string name;
  ScorerOrigin origin;
  bool as_is;   // without '+' and '/': as it is shipped
  Chunk chunk;  // ours size chunks by the objective, peers' engines by the budget, unless '/' says otherwise
  PolicySet policies;
};

// Every registered scorer as it is; ours also with nobody refused, the others also with our refusal.
// Each may end in /objective or /budget, the other's chunks. `names`: only those, as --policy takes them; empty: all,
// and ours with the engines' chunks. The default scorer always is among them, first. Errors: InputError.
std::vector<Entrant> entrants(const std::vector<std::string>& names);

struct Rules {
  std::uint64_t seeds = 3;
  std::uint32_t threads = 2;
  std::function<void(const std::string&)> tell;  // what is being done, now and then; from any thread, one at a time
};

inline constexpr std::array<std::uint32_t, 2> kShares{900, 990};  // permille
inline constexpr std::array<int, 4> kLoads{50, 80, 95, 120};      // percent of our capacity at 90 %
inline constexpr int kWrongPercent = 20, kApartPercent = 40;

struct Result {
  std::array<std::vector<std::int64_t>, kShares.size()> capacity;  // by seed, requests in 1,000 s
  std::array<std::vector<Outcome>, kLoads.size()> at_load;         // by seed; empty: not played
};

// Each uses `rules.threads` threads and gives the same on any number of them.
std::vector<Result> find_capacities(const Ground&, const std::vector<Entrant>&, const Rules&);
// Plays those that `plays` says.
void play_loads(const Ground&, const std::vector<Entrant>&, const Rules&, const std::vector<double>& rates,
                const std::function<bool(const Entrant&)>& plays, std::vector<Result>&);

// Attainment by seed, 1/1000 %: as things are, and with signals of each age.
struct Aged {
  std::vector<std::int64_t> fresh;
  std::vector<std::vector<std::int64_t>> old;  // by age
};
std::vector<Aged> play_aged(const Ground&, const std::vector<Entrant>&, const Rules&, double rate,
                            const std::vector<Duration>& ages);

struct Robust {
  // Attainment by seed, 1/1000 %. aware: the wrong costs say themselves that they are off by so much; apart: each
  // term is wrong by itself; learnt: so, and what runs take corrects it; learning: likewise, but right from the first.
  std::vector<std::int64_t> exact, wrong, aware, apart, learnt, learning;
};
std::vector<Robust> play_wrong(const Ground&, const std::vector<Entrant>&, const Rules&, double rate);

std::int64_t mean_of(const std::vector<std::int64_t>&);
// `ours` over `other`'s, seed by seed: mean, +- half of the interval.
std::string ratio_text(const std::vector<std::int64_t>& ours, const std::vector<std::int64_t>& other);

}  // namespace yard::league
