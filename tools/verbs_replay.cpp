// replay: simulate a trace over a fleet, compare policies and fleets, or re-enact a recording.
#include <unistd.h>

#include <chrono>
#include <memory>

#include <fmt/format.h>
#include <switchyard/replay.h>

#include "scheduler/base/input_error.h"
#include "scheduler/base/output_file.h"
#include "tools/verbs.h"
#include "tools/words.h"

namespace {

// One line on a terminal, rewritten in place; nothing where standard error is no terminal.
class ProgressLine {
 public:
  ProgressLine(bool wanted, const char* what) : wanted_(wanted && isatty(STDERR_FILENO)), what_(what) {}
  void tell(const switchyard::Progress& p) {
    if (!wanted_) return;
    shown_ = true;
    const double passed = std::chrono::duration<double>(std::chrono::steady_clock::now() - began_).count();
    const double rate = passed > 0 ? static_cast<double>(p.ended) / passed : 0;
    if (p.of && rate > 0) {
      const double left = static_cast<double>(*p.of - std::min(*p.of, p.ended)) / rate;
      fmt::print(stderr, "\r\x1b[K{} of {} {}, {:.{}f} a second, {:.0f} s left", p.ended, *p.of, what_, rate,
                 rate < 10 ? 1 : 0, left);
    } else {
      fmt::print(stderr, "\r\x1b[K{} {}, {:.0f} a second", p.ended, what_, rate);
    }
  }
  void clear() const {
    if (shown_) fmt::print(stderr, "\r\x1b[K");
  }

 private:
  const bool wanted_;
  const char* const what_;
  bool shown_ = false;
  const std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
};

void print(const std::string& text) {
  yard::OutputFile out("-");
  out.write(text);
  out.commit();
}

// What was recorded is decided again as it was: there is nothing to choose.
void refuse_beside_reenact(const CLI::App& verb) {
  for (const CLI::Option* option : verb.get_options())
    if (const std::string name = option->get_name(); option->count() > 0 && name != "--reenact" && name != "--quiet")
      throw yard::InputError("", 0, name, "found beside --reenact", "accepted: --reenact FILE [--quiet]");
}

int refuse(const switchyard::ConfigError& e) {
  fmt::print(stderr, "switchyard: {}\n", e.what());
  return kBadInput;
}

struct ReplayFlags {
  switchyard::Simulation simulation;
  std::vector<std::string> policies, compare;
  std::uint64_t seeds = 1;
  double warm_up = 0;
  std::uint64_t threads = 1;
  std::string reenact;
  bool quiet = false;
};

// What only one simulation can write, or what is said in another way.
void refuse_beside_comparison(const CLI::App& verb) {
  const auto refuse = [&](const char* name, const char* beside, const char* accepted) {
    if (verb[name]->count() > 0 && verb[beside]->count() > 0)
      throw yard::InputError("", 0, name, fmt::format("found beside {}", beside),
                             fmt::format("accepted: {}", accepted));
  };
  refuse("--policy", "--policies", "all of them in --policies");
  refuse("--fleet", "--compare", "all of them in --compare");
  for (const char* mode : {"--policies", "--compare", "--seeds", "--warm-up"})
    for (const char* name : {"--requests-csv", "--record"}) refuse(name, mode, "one simulation, without it");
}

int compare(const ReplayFlags& flags) {
  ProgressLine progress(!flags.quiet, "simulations");
  const switchyard::Simulation& s = flags.simulation;
  const auto result = switchyard::compare({.trace = s.trace,
                                           .fleets = flags.compare.empty() ? std::vector{s.fleet} : flags.compare,
                                           .policies = flags.policies.empty() ? std::vector{s.policy} : flags.policies,
                                           .order = s.order,
                                           .bind = s.bind,
                                           .exact = s.exact,
                                           .threads = static_cast<std::uint32_t>(flags.threads),
                                           .first_seed = s.seed,
                                           .seeds = flags.seeds,
                                           .limit = s.limit,
                                           .rate_scale = s.rate_scale,
                                           .signals_age_s = s.signals_age_s,
                                           .learn_costs = s.learn_costs,
                                           .warm_up_s = flags.warm_up,
                                           .json = s.json,
                                           .progress = [&](const switchyard::Progress& p) { progress.tell(p); }});
  progress.clear();
  if (const auto* wrong = std::get_if<switchyard::ConfigError>(&result)) return refuse(*wrong);
  if (!flags.quiet && s.json != "-") print(std::get<switchyard::Compared>(result).text);
  return kDone;
}

int replay(ReplayFlags& flags) {
  ProgressLine progress(!flags.quiet, "requests");
  flags.simulation.threads = static_cast<std::uint32_t>(flags.threads);
  flags.simulation.progress = [&](const switchyard::Progress& p) { progress.tell(p); };
  const auto result = switchyard::simulate(flags.simulation);
  progress.clear();
  if (const auto* wrong = std::get_if<switchyard::ConfigError>(&result)) return refuse(*wrong);
  // What goes to standard output by "-" stands there alone.
  const bool taken = flags.simulation.json == "-" || flags.simulation.requests_csv == "-";
  if (!flags.quiet && !taken) print(std::get<switchyard::Replayed>(result).text);
  return kDone;
}

int reenact(const ReplayFlags& flags) {
  const auto result = switchyard::reenact(flags.reenact);
  if (const auto* wrong = std::get_if<switchyard::ConfigError>(&result)) return refuse(*wrong);
  const auto& reenacted = std::get<switchyard::Reenacted>(result);
  if (!flags.quiet) print(reenacted.text);
  return reenacted.equal ? kDone : kBug;
}

}  // namespace

void add_replay(CLI::App& app, Action& action) {
  auto flags = std::make_shared<ReplayFlags>();
  switchyard::Simulation& s = flags->simulation;
  CLI::App* verb = app.add_subcommand("replay", "what a fleet does with a trace, decided as in production");
  verb->footer(
      "examples:\n"
      "  switchyard replay --trace gen:azure-conv --fleet builtin:mixed --limit 1000\n"
      "  switchyard replay --trace day.csv --fleet fleet.yaml --rate-scale 10 --requests-csv requests.csv\n"
      "  switchyard replay --trace \"gen:overlay?path=day.csv&copies=8&rate=400&seconds=5\" --fleet fleet.yaml\n"
      "  switchyard replay --trace day.csv --fleet fleet.yaml --record day.rec && switchyard replay --reenact day.rec\n"
      "  switchyard replay --policies expected_cost,least_loaded --seeds 5 --limit 1000\n"
      "  switchyard replay --compare builtin:single builtin:mixed --limit 1000 --json both.json\n"
      "gen:overlay lays copies of a trace on top of each other, at any rate: path, copies, rate, seconds, longest "
      "(tokens\n"
      "of prompt and answer), span (seconds of the file)");
  verb->add_option("--trace", s.trace, "a file (CSV or JSON lines), a folder, or gen:NAME (azure-conv, overlay, ...)")
      ->type_name("FILE")
      ->capture_default_str();
  verb->add_option("--fleet", s.fleet, "a YAML file, or builtin:NAME (single, mixed, thousand, cells, handoff)")
      ->type_name("FILE")
      ->capture_default_str();
  verb->add_option("--policy", s.policy, "which device: a scorer's name, see `switchyard policies`")
      ->type_name("NAME")
      ->capture_default_str();
  verb->add_option("--order", s.order, "which request first: an order's name")
      ->type_name("NAME")
      ->capture_default_str();
  verb->add_option("--bind", s.bind, "when the device is chosen: arrival, or room")
      ->type_name("NAME")
      ->capture_default_str();
  verb->add_option("--exact", s.exact, "jump, or step: one step at a time, the same result")
      ->type_name("NAME")
      ->capture_default_str();
  add_whole(*verb, "--threads", flags->threads, "simulates cells, reads the trace ahead, compares so many at a time", 1,
            1024);
  add_whole(*verb, "--seed", s.seed, "of the generator, the mix and the policies that draw");
  add_whole(*verb, "--limit", s.limit, "rows of the trace at most; 0: all");
  add_decimal(*verb, "--rate-scale", s.rate_scale, "arrivals so many times as fast", 1e-6, 1e6);
  add_decimal(*verb, "--signals-age", s.signals_age_s,
              "placement knows of anything but its own placements so many seconds late; otherwise as the fleet says", 0,
              3600);
  verb->add_flag("--learn-costs", s.learn_costs, "decide by what runs take, not by the fleet's costs for good");
  verb->add_option("--requests-csv", s.requests_csv, "one line per request; -: standard output")->type_name("FILE");
  verb->add_option("--json", s.json, "the report for programs; -: standard output")->type_name("FILE");
  verb->add_option("--record", s.record,
                   "a recording that --reenact reads; of a fleet in parts FILE.cell0, .shard0, ...")
      ->type_name("FILE");
  verb->add_option("--policies", flags->policies, "compare these, paired to the first: names with commas between")
      ->type_name("A,B,..")
      ->delimiter(',');
  verb->add_option("--compare", flags->compare, "compare these fleets, paired to the first: files or builtin:NAME")
      ->type_name("FILE FILE ..");
  add_whole(*verb, "--seeds", flags->seeds, "compare over so many, from --seed on; intervals of 95 %", 1, 65536);
  add_decimal(*verb, "--warm-up", flags->warm_up, "compare without those that arrive in the first X seconds", 0, 1e9);
  verb->add_flag("--quiet", flags->quiet, "no report, no progress");
  verb->add_option("--reenact", flags->reenact, "alone: feed a recording to a new Core and compare the decisions")
      ->type_name("FILE");
  verb->callback([flags, verb, &action] {
    if (!flags->reenact.empty()) refuse_beside_reenact(*verb);
    refuse_beside_comparison(*verb);
    bool several = false;
    for (const char* name : {"--policies", "--compare", "--seeds", "--warm-up"})
      several = several || (*verb)[name]->count() > 0;
    action = [flags, several] {
      return several ? compare(*flags) : flags->reenact.empty() ? replay(*flags) : reenact(*flags);
    };
  });
}
