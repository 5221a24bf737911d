// Replay: what a fleet would do with a trace, decided by the very code that decides in production.
//
//   auto result = switchyard::simulate({.trace = "day.csv", .fleet = "fleet.yaml"});
//   if (auto* replayed = std::get_if<switchyard::Replayed>(&result)) std::puts(replayed->text.c_str());
//
// simulate(): arrivals come from the trace, devices are simulated. compare(): the same arrivals through several
// policies and fleets. reenact(): a recording is fed to a new Core, no device is simulated, and the same decisions must
// come out. Threads: every call is on its own. Errors: come back as ConfigError, one line; nothing throws. Output files
// appear whole or not at all.
#pragma once
#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include <switchyard/scheduler.h>

namespace switchyard {

struct Progress {
  std::uint64_t ended = 0;          // requests
  std::optional<std::uint64_t> of;  // where the trace says how many there are
};

struct Simulation {
  std::string trace = "gen:azure-conv";  // a file, or gen:NAME
  std::string fleet = "builtin:mixed";   // a file, or builtin:NAME
  std::string policy = "expected_cost", order = "edf", bind = "arrival";
  std::string exact = "jump";  // or "step": the same, slower, one step at a time
  // Same result on any number. A fleet in cells simulates them on so many; another one reads the trace ahead on the
  // second.
  std::uint32_t threads = 1;
  std::uint64_t seed = 1;
  std::uint64_t limit = 0;  // rows at most; 0: all
  double rate_scale = 1;    // arrivals so many times as fast; > 0
  double signals_age_s =
      -1;                    // of what placement knows of devices beyond its own placements; below 0: as the fleet says
  bool learn_costs = false;  // decide by what runs take, as a Scheduler does, not by the fleet's costs for good
  // Output files; empty: none, "-": standard output (csv, json). A fleet in cells is recorded cell by cell, each to
  // re-enact alone: `record` and .cell0, .cell1, ...; one in shards likewise: .shard0, ...
  std::string requests_csv{}, json{}, record{};
  std::function<void(const Progress&)> progress{};  // about ten times a second
};

struct Replayed {
  std::string text, json;  // the report
  std::uint64_t decision_hash = 0;
  std::uint64_t attained = 0;  // kept all their promises; of `arrived`, rejected ones included
  std::uint64_t arrived = 0, done = 0, cancelled = 0, rejected = 0, failed = 0;
  std::uint64_t most_in_flight = 0;
  double cpu_seconds = 0, wall_seconds = 0;  // of this call: reading the trace, deciding, reporting
};

std::variant<Replayed, ConfigError> simulate(const Simulation&) noexcept;

// The same arrivals, seed by seed, through every policy over every fleet. Each fleet's mix says who its requests are.
struct Comparison {
  std::string trace = "gen:azure-conv";  // the seed draws what it draws; of a file, only the mix and policies that draw
  std::vector<std::string> fleets = {"builtin:mixed"}, policies = {"expected_cost"};  // the first of each is the base
  std::string order = "edf", bind = "arrival", exact = "jump";
  std::uint32_t threads = 1;                      // simulations at a time; same result
  std::uint64_t first_seed = 1, seeds = 1;        // first_seed, first_seed + 1, ...; at most 65536
  std::uint64_t limit = 0;                        // rows at most; 0: all
  double rate_scale = 1;                          // arrivals so many times as fast; > 0
  double signals_age_s = -1;                      // as in Simulation
  bool learn_costs = false;                       // likewise
  double warm_up_s = 0;                           // requests that arrive before are served, but not counted
  std::string json;                               // output file; empty: none, "-": standard output
  std::function<void(const Progress&)> progress;  // of simulations; from one thread at a time
};

struct Compared {
  std::string text, json;  // means over seeds; differences to the first with 95 % intervals
};

std::variant<Compared, ConfigError> compare(const Comparison&) noexcept;

struct Reenacted {
  std::string text;  // a few lines: what was in it, and whether it came out the same
  bool equal = false;
  std::uint64_t decision_hash = 0, ticks = 0;
  std::optional<std::uint64_t> cut_at;  // byte: the recording ends in the middle; all before it was re-enacted
};

std::variant<Reenacted, ConfigError> reenact(const std::string& recording) noexcept;

}  // namespace switchyard
