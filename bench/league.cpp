// The league: every placement policy on the same arrivals over the same fleets.
//
//   league [--full] [--robust] [--signals-age 1s,5s] [--threads N] [--seeds N] [--out FILE]
//          [--fleets mixed,uniform] [--traces azure-conv,..] [--policies expected_cost,llm_d+refusal,..]
//          [--classes interactive=10,standard=3,batch=2] [--settings N]
//
// Per fleet and trace: the highest rate with 90 and with 99 % attainment, by bisection per seed to 2 % (capacity@90,
// @99); what each does at 50, 80, 95 and 120 % of our capacity@90; whom it refuses; what no policy could exceed
// (league_bound.h). Attainment counts all that arrived, refused ones as missed. Promises are the placement study's:
// TTFT 1 s + 0.3 ms per prompt token, TPOT 50 ms; with --classes each class has its own, and tables by class. Ratios
// and differences are paired by seed, +- half of the 95 % t-interval. Every registered scorer plays as it is; ours also
// without refusal, the others also with ours, so that the gains of placement and of refusal stand apart. Decisions, not
// time: the same on every machine and any number of threads.
#include <unistd.h>

#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "bench/league_bound.h"
#include "bench/league_pages.h"
#include "bench/league_settings.h"
#include "scheduler/base/input_error.h"
#include "scheduler/base/output_file.h"

namespace {

using namespace yard;
using namespace yard::league;

struct Options {
  bool full = false, robust = false, smoke = false, help = false;
  std::uint64_t threads = 2, seeds = 0, settings = 0;
  std::string out;
  std::vector<std::string> fleets = {"mixed", "uniform"}, traces, policies, ages;
  std::vector<ClassPart> classes;
  Quantile sure = Quantile::none;
};

constexpr const char* kUsage =
    "usage: league [--full] [--robust] [--signals-age A,B] [--threads N] [--seeds N] [--out FILE] [--fleets A,B] "
    "[--traces A,B]\n"
    "              [--policies A,B] [--classes A=N,B=M] [--settings N] [--hard q90]\n"
    "Every placement policy on the same arrivals over the same fleets: capacities, loads, who is refused, gains "
    "apart.\n"
    "  --full      10 seeds and the study's windows; otherwise 3 seeds, and shorter ones where they cost most\n"
    "  --robust    instead: attainment at 95 % load with costs wrong by 20 % per kind, and by 40 % per term of each "
    "kind,\n"
    "              with and without learning them\n"
    "  --signals-age  instead: attainment at 95 % load with what placement knows beyond its own placements so old: "
    "1s,500ms\n"
    "  --settings  instead: capacities with N random settings of our formula's constants, beside its own\n"
    "  --out       Markdown to a file; standard output has it in any case\n"
    "  --fleets    mixed, uniform\n"
    "  --traces    azure-conv, azure-code, mooncake, agentic, servegen\n"
    "  --policies  as `switchyard policies` lists them, @q90 and +refusal or +none behind, and /objective or /budget\n"
    "              for chunks sized so; expected_cost always plays\n"
    "  --classes   so many parts of what arrives are of which class, as interactive=10,standard=3,batch=2, and tables\n"
    "              by class; otherwise all are interactive\n"
    "  --hard      TTFT objectives are hard deadlines, kept as surely: q50, q90, q99\n"
    "Traces are found through SWITCHYARD_DATA_DIR; without, generators stand in where there are any.\n";

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> parts;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t comma = std::min(text.find(',', at), text.size());
    parts.push_back(text.substr(at, comma - at));
    at = comma + 1;
  }
  return parts;
}

std::uint64_t whole(const std::string& flag, const std::string& text, std::uint64_t most) {
  std::uint64_t n = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
  if (error != std::errc() || end != text.data() + text.size() || n < 1 || n > most)
    throw InputError("", 0, flag, "found '" + printable(text) + "'",
                     fmt::format("accepted: a whole number from 1 to {}", most));
  return n;
}

Quantile level_of(const std::string& text) {
  for (std::size_t level = 1; level < kQuantileValues; ++level)
    if (text == kQuantileNames[level]) return static_cast<Quantile>(level);
  throw InputError("", 0, "--hard", "found '" + printable(text) + "'", "accepted: q50, q90, q99");
}

Options parse(const std::vector<std::string>& words) {
  Options o;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string& flag = words[i];
    const auto value = [&]() -> const std::string& {
      if (++i == words.size()) throw InputError("", 0, flag, "found nothing", "accepted: a value; see --help");
      return words[i];
    };
    if (flag == "--full")
      o.full = true;
    else if (flag == "--robust")
      o.robust = true;
    else if (flag == "--help" || flag == "-h")
      o.help = true;
    else if (flag.starts_with("--benchmark"))
      o.smoke = true;
    else if (flag == "--threads")
      o.threads = whole(flag, value(), 1024);
    else if (flag == "--seeds")
      o.seeds = whole(flag, value(), 1000);
    else if (flag == "--signals-age")
      o.ages = split(value());
    else if (flag == "--out")
      o.out = value();
    else if (flag == "--fleets")
      o.fleets = split(value());
    else if (flag == "--traces")
      o.traces = split(value());
    else if (flag == "--settings")
      o.settings = whole(flag, value(), 1000);
    else if (flag == "--classes")
      o.classes = parse_classes(value());
    else if (flag == "--hard")
      o.sure = level_of(value());
    else if (flag == "--policies")
      o.policies = split(value());
    else
      throw InputError("", 0, flag, "unknown flag", "see --help");
  }
  if (o.seeds == 0) o.seeds = o.full ? 10 : 3;
  return o;
}

std::string data_folder() {
  const char* const given = std::getenv("SWITCHYARD_DATA_DIR");
  return given ? given : "../shared/data";
}

class Teller {
 public:
  void operator()(const std::string& what) {
    const auto now = std::chrono::steady_clock::now();
    if (!isatty(STDERR_FILENO) || now - told_ < std::chrono::milliseconds(200)) return;
    told_ = now;
    fmt::print(stderr, "\r\x1b[K{}", what);
  }
  static void done(const std::string& what) {
    if (isatty(STDERR_FILENO)) fmt::print(stderr, "\r\x1b[K");
    fmt::print(stderr, "{}\n", what);
  }

 private:
  std::chrono::steady_clock::time_point told_;
};

Sheet play_ground(const Ground& g, const std::vector<Entrant>& all, const Rules& rules) {
  Sheet sheet{.fleet = g.fleet.view.name,
              .workload = g.workload.name,
              .made_of = g.workload.made_of,
              .warm_up_s = g.workload.warm_up_s,
              .measured_s = g.workload.measured_s,
              .tenants = g.workload.tenants,
              .steady = g.workload.steady,
              .mixed = g.fleet.mix.entries().size() > (g.workload.tenants ? 2 : 1),
              .classes = {},
              .quartiles = g.workload.quartiles,
              .usd_per_hour = usd_per_hour(g.fleet.view),
              .bound = {},
              .attainment_bound = {},
              .rates = {},
              .results = find_capacities(g, all, rules)};
  for (const SloClass& slo : g.fleet.view.classes) sheet.classes.push_back(slo.name);
  const double ours = static_cast<double>(mean_of(sheet.results[0].capacity[0])) / 1000;
  for (std::size_t s = 0; s < kShares.size(); ++s) sheet.bound[s] = bound_on_capacity(g, kShares[s]);
  if (ours <= 0) return sheet;
  for (std::size_t l = 0; l < kLoads.size(); ++l) {
    sheet.rates.push_back(ours * kLoads[l] / 100);
    sheet.attainment_bound[l] = bound_on_attainment(g, sheet.rates[l]);
  }
  const auto plays = [&](const Entrant& e) { return e.as_is || e.origin == ScorerOrigin::ours; };
  play_loads(g, all, rules, sheet.rates, plays, sheet.results);
  return sheet;
}

std::string robust(const Ground& g, const std::vector<Entrant>& all, const Rules& rules) {
  const double ours = static_cast<double>(mean_of(find_capacities(g, {all[0]}, rules)[0].capacity[0])) / 1000;
  std::vector<Entrant> as_is;
  for (const Entrant& e : all)
    if (e.as_is) as_is.push_back(e);
  return robust_page(g.fleet.view.name, g.workload.name, as_is,
                     play_wrong(g, as_is, rules, std::max(0.01, ours * 0.95)));
}

Duration age_of(const std::string& text) {
  std::uint64_t n = 0;
  const char* const end = text.data() + text.size();
  const auto [unit, error] = std::from_chars(text.data(), end, n);
  const std::string_view is(unit, static_cast<std::size_t>(end - unit));
  const std::uint64_t ms = is == "s" ? n * 1000 : n;
  if (error != std::errc() || (is != "s" && is != "ms") || n < 1 || n > 3'600'000 || ms > 3'600'000)
    throw InputError("", 0, "--signals-age", "found '" + printable(text) + "'",
                     "accepted: ages with their unit, as 500ms or 1s,5s, up to an hour");
  return milliseconds(static_cast<std::int64_t>(ms));
}

std::string aged(const Ground& g, const std::vector<Entrant>& all, const Rules& rules, const Options& o) {
  const double ours = static_cast<double>(mean_of(find_capacities(g, {all[0]}, rules)[0].capacity[0])) / 1000;
  const double rate = std::max(0.01, ours * 0.95);
  std::vector<Entrant> as_is;
  for (const Entrant& e : all)
    if (e.as_is) as_is.push_back(e);
  std::vector<Duration> ages;
  for (const std::string& age : o.ages) ages.push_back(age_of(age));
  return aged_page(g.fleet.view.name, g.workload.name, rate, as_is, play_aged(g, as_is, rules, rate, ages));
}

std::string play(const Options& o) {
  for (const std::string& age : o.ages) age_of(age);
  const std::vector<Entrant> all = entrants(o.policies);
  const League league = load_workloads({.data = data_folder(), .names = o.traces, .long_windows = o.full});
  Teller teller;
  const Rules rules{.seeds = o.seeds,
                    .threads = static_cast<std::uint32_t>(o.threads),
                    .tell = [&](const std::string& what) { teller(what); }};
  std::string head = fmt::format("{} seeds; every row of a table has the same arrivals.\n", o.seeds), pages;
  for (const std::string& note : league.notes) head += "- " + note + "\n";
  if (!o.classes.empty()) {
    head += "- of what arrives:";
    for (const ClassPart& of : o.classes) head += fmt::format(" {} parts {},", of.parts, of.name);
    head.back() = '\n';
  }
  const std::vector<policy::Settings> settings = draw_settings(o.settings, 1);
  std::vector<Hindsight> hindsights;
  std::vector<Sheet> sheets;
  for (const std::string& name : o.fleets)
    for (const Workload& workload : league.workloads) {
      const auto began = std::chrono::steady_clock::now();
      const auto fleet = make_fleet(name, workload.tenants, Chunk::objective, o.classes, o.sure);
      const auto engines = make_fleet(name, workload.tenants, Chunk::budget, o.classes, o.sure);
      const Ground ground{workload, *fleet, *engines};
      if (!o.ages.empty()) {
        pages += aged(ground, all, rules, o);
      } else if (o.settings > 0) {
        hindsights.push_back({name, workload.name, find_capacities(ground, entrants_of(settings), rules)});
      } else if (o.robust) {
        pages += robust(ground, all, rules);
      } else {
        sheets.push_back(play_ground(ground, all, rules));
        pages += ground_page(sheets.back(), all);
      }
      const double took = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
      Teller::done(fmt::format("{} {}: {:.0f} s", name, workload.name, took));
    }
  if (o.settings > 0) return head + "\n" + settings_page(settings, hindsights);
  if (!o.ages.empty()) {
    std::string titles = "\n| fleet | arrivals | req/s, 95 % load | policy | attain %, fresh signals |";
    std::string line = "\n|---|---|---|---|---|";
    for (const std::string& age : o.ages) titles += fmt::format(" {} old |", age), line += "---|";
    return head + titles + line + "\n" + pages;
  }
  if (o.robust)
    return head +
           fmt::format(
               "\n| fleet | arrivals | policy | attain %, 95 % load | costs wrong by {} % | and knowing it "
               "| each term wrong by {} % | and learning | right, and learning |\n"
               "|---|---|---|---|---|---|---|---|---|\n",
               kWrongPercent, kApartPercent) +
           pages;
  return head + "\n" + summary_page(sheets, all) + pages;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const Options options = parse({argv + 1, argv + argc});
    if (options.smoke) return 0;  // a smoke run of the benches: nothing short to show
    if (options.help) return fmt::print("{}", kUsage), 0;
    std::optional<OutputFile> out;
    if (!options.out.empty()) out.emplace(options.out);
    const std::string text = play(options);
    fmt::print("{}", text);
    if (out) {
      out->write(text);
      out->commit();
    }
  } catch (const InputError& e) {
    return fmt::print(stderr, "league: {}\n", e.what()), 2;
  }
}
