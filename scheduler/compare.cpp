// Assembly of a comparison: the same arrivals through every policy over every fleet, seed by seed, many at a time.
#include <algorithm>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <switchyard/replay.h>

#include "scheduler/aged.h"
#include "scheduler/base/input_error.h"
#include "scheduler/base/output_file.h"
#include "scheduler/loop/node_arenas.h"
#include "scheduler/mixed_trace.h"
#include "scheduler/play.h"
#include "scheduler/policy/registry.h"
#include "scheduler/report/comparison.h"
#include "scheduler/same_file.h"
#include "scheduler/trace/trace_opener.h"

namespace switchyard {
namespace {

using namespace yard;

constexpr std::uint64_t kMostSeeds = 1 << 16;

void check(const Comparison& c) {
  const auto need = [](bool right, const char* key, const std::string& found, const char* accepted) {
    if (!right) throw InputError("", 0, key, "found " + found, std::string("accepted: ") + accepted);
  };
  need(!c.fleets.empty(), "fleets", "none", "a YAML file, or builtin:NAME");
  need(!c.policies.empty(), "policies", "none", "names of scorers");
  need(c.seeds >= 1 && c.seeds <= kMostSeeds, "seeds", fmt::format("{}", c.seeds), "a whole number from 1 to 65536");
  need(c.exact == "jump" || c.exact == "step", "exact", "'" + printable(c.exact) + "'", "jump, step");
  need(c.warm_up_s >= 0 && c.warm_up_s <= 1e9, "warm_up", fmt::format("{}", c.warm_up_s), "seconds, 0 to 1000000000");
}

void refuse_shared_files(const Comparison& c) {
  const auto refuse = [&](const char* key, const std::string& path) {
    if (same_file(c.json, path))
      throw InputError("", 0, "json", fmt::format("found '{}', as {} is", printable(c.json), key),
                       "accepted: a file of its own");
  };
  refuse("trace", c.trace);
  for (const std::string& fleet : c.fleets) refuse("fleet", fleet);
}

struct Way {
  const CompiledFleet* fleet;
  PolicySet policies;
};

// Says how many simulations have ended, about ten times a second.
class Teller {
 public:
  Teller(const std::function<void(const Progress&)>& tell, std::uint64_t of) : tell_(tell), of_(of) {}
  void one_more() {
    if (!tell_) return;
    const std::lock_guard lock(mutex_);
    tell_({.ended = ++ended_, .of = of_});
  }

 private:
  const std::function<void(const Progress&)>& tell_;
  const std::uint64_t of_;
  std::mutex mutex_;
  std::uint64_t ended_ = 0;
};

Compared run(const Comparison& options) {
  check(options);
  std::optional<OutputFile> json;
  std::vector<std::unique_ptr<CompiledFleet>> fleets;
  for (const std::string& name : options.fleets)
    fleets.push_back(std::make_unique<CompiledFleet>(compile_fleet(aged(load_fleet(name), options.signals_age_s))));
  for (std::size_t f = 0; f < fleets.size(); ++f)
    if (!fleets[f]->cells.empty())
      throw InputError(options.fleets[f], 0, "cells", "found a fleet in cells", "accepted here: one without");
  ComparisonTable table{.version = SWITCHYARD_VERSION,
                        .trace = options.trace,
                        .order = options.order,
                        .bind = options.bind,
                        .first_seed = options.first_seed,
                        .contestants = {}};
  std::vector<Way> ways;
  for (std::size_t f = 0; f < fleets.size(); ++f)
    for (const std::string& policy : options.policies) {
      ways.push_back({fleets[f].get(), find_policies(policy, options.order, options.bind)});
      table.contestants.push_back({.fleet = options.fleets[f],
                                   .policy = policy,
                                   .scores = std::vector<Scores>(options.seeds),
                                   .decision_hashes = std::vector<std::uint64_t>(options.seeds)});
    }
  const TraceOpener trace(options.trace);
  refuse_shared_files(options);
  if (!options.json.empty()) json.emplace(options.json);

  const std::size_t plays = ways.size() * options.seeds;
  std::vector<std::exception_ptr> errors(plays);
  Teller teller(options.progress, plays);
  const auto play_one = [&](std::size_t at) {
    const Way& way = ways[at % ways.size()];
    const std::size_t s = at / ways.size();
    const Seed seed = options.first_seed + s;
    MixedTrace source(trace.open(seed, options.limit, options.rate_scale), *way.fleet, seed);
    const Played played = play({.fleet = *way.fleet,
                                .policies = way.policies,
                                .seed = seed,
                                .exact = options.exact == "jump" ? Exact::jump : Exact::step,
                                .learns = options.learn_costs,
                                .counted_from = Time(static_cast<std::int64_t>(options.warm_up_s * 1e9))},
                               source);
    Contestant& contestant = table.contestants[at % ways.size()];
    contestant.scores[s] = scores_of(played.meter, played.idle_beside_work, played.terms);
    contestant.decision_hashes[s] = played.decision_hash;
    teller.one_more();
  };
  yard::NodeArenas(std::clamp(options.threads, 1u, 1024u))
      .each(static_cast<std::uint32_t>(plays), [&](std::uint32_t at) {
        try {
          play_one(at);
        } catch (...) {
          errors[at] = std::current_exception();
        }
      });
  for (const std::exception_ptr& error : errors)  // the first in order, whichever thread was first
    if (error) std::rethrow_exception(error);

  Compared compared{.text = comparison_text(table), .json = comparison_json(table)};
  if (json) {
    json->write(compared.json);
    json->commit();
  }
  return compared;
}

}  // namespace

std::variant<Compared, ConfigError> compare(const Comparison& options) noexcept {
  try {
    return run(options);
  } catch (const InputError& e) {
    return ConfigError(e.file, e.line, e.key, e.found, e.accepted);
  } catch (const std::bad_alloc&) {
    return ConfigError("", 0, "", "out of memory", "give a smaller fleet or trace, or fewer threads");
  }
}

}  // namespace switchyard
