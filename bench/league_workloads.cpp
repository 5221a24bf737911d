#include "bench/league_workloads.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>

#include <fmt/format.h>

#include "scheduler/base/input_error.h"
#include "scheduler/trace/trace.h"
#include "topology/fleet.h"

namespace yard::league {
namespace {

constexpr Tokens kContext{131'072};  // Llama 3.1's: rows that no pool could ever hold are left out, for everybody
constexpr Tokens kBlock{512};

struct Source {
  const char* name;
  const char* below;     // path in the data folder
  const char* before;    // what makes a trace's name of the path
  const char* stand_in;  // where the data is absent; empty: none
  std::uint32_t copies;
  std::int64_t span_s;  // of the file; 0: all
  int warm_up_s, measured_s, short_warm_up_s, short_measured_s;
  bool steady, tenants;
  double first_guess;
  const char* made_of;
};
constexpr Source kSources[] = {
    {"azure-conv", "traces/azure2023/AzureLLMInferenceTrace_conv.csv", "", "gen:azure-conv", 8, 0, 20, 70, 10, 35, true,
     true, 440, "Azure 2023 conversation, 8 copies"},
    {"azure-code", "traces/azure2023/AzureLLMInferenceTrace_code.csv", "", "gen:azure-code", 8, 0, 20, 70, 20, 70, true,
     true, 150, "Azure 2023 code, 8 copies"},
    {"mooncake", "traces/mooncake_fast25/conversation_trace.jsonl", "", "", 2, 0, 20, 70, 20, 70, true, false, 30,
     "Mooncake conversation, 2 copies, blocks salted by copy"},
    {"agentic", "traces/agentic/requests_compact.csv.gz", "", "", 4, 7200, 120, 240, 120, 240, true, false, 5,
     "agents' conversations (one begins every 10 s; the first 2 hours), 4 copies, blocks salted by copy"},
    {"servegen", "traces/servegen/reason/deepseek-r1", "gen:servegen?from=12&hours=1&dir=", "", 1, 0, 200, 200, 100,
     100, false, true, 60, "ServeGen deepseek-r1, noon to one, 1 copy"},
};

bool wanted(const Wanted& w, const std::string& name) {
  return w.names.empty() || std::ranges::find(w.names, name) != w.names.end();
}

void check_names(const Wanted& w) {
  std::vector<std::string_view> names;
  for (const Source& s : kSources) names.push_back(s.name);
  for (const std::string& name : w.names)
    if (std::ranges::find(names, name) == names.end())
      throw InputError("", 0, "--traces", "found '" + printable(name) + "'",
                       fmt::format("accepted: {}; nearest is '{}'", listed(names), nearest(name, names)));
}

std::vector<std::int32_t> quartiles_of(const TraceRows& rows) {
  std::vector<std::int32_t> prompts;
  for (std::size_t i = 0; i < rows.size(); ++i) prompts.push_back(rows.row(i).prompt.count());
  std::ranges::sort(prompts);
  const std::size_t n = prompts.size();
  return {prompts[n / 4], prompts[n / 2], prompts[n * 3 / 4]};
}

}  // namespace

League load_workloads(const Wanted& w) {
  check_names(w);
  League league;
  for (const Source& s : kSources) {
    if (!wanted(w, s.name)) continue;
    const std::string path = w.data.empty() ? "" : w.data + "/" + s.below;
    std::string trace = s.before + path, made_of = s.made_of;
    if (path.empty() || !std::filesystem::exists(path)) {
      if (*s.stand_in == 0) {
        league.notes.push_back(fmt::format("{}: left out, no {} in SWITCHYARD_DATA_DIR", s.name, s.below));
        continue;
      }
      league.notes.push_back(
          fmt::format("{}: {} stands in, no {} in SWITCHYARD_DATA_DIR", s.name, s.stand_in, s.below));
      trace = s.stand_in;
      made_of = fmt::format("{}, {} copies", s.stand_in, s.copies);
    }
    RowsKept kept{.longest = kContext, .block = kBlock};
    if (s.span_s > 0) kept.span = Duration(s.span_s * 1'000'000'000);
    Workload workload{.name = s.name,
                      .made_of = made_of,
                      .rows = TraceRows::read(*open_trace(trace, Overlay::kInnerSeed, 0, 1), trace, kept),
                      .copies = s.copies,
                      .warm_up_s = w.long_windows ? s.warm_up_s : s.short_warm_up_s,
                      .measured_s = w.long_windows ? s.measured_s : s.short_measured_s,
                      .steady = s.steady,
                      .tenants = s.tenants,
                      .first_guess = s.first_guess,
                      .quartiles = {}};
    workload.quartiles = quartiles_of(*workload.rows);
    league.workloads.push_back(std::move(workload));
  }
  return league;
}

std::vector<ClassPart> parse_classes(const std::string& text) {
  const std::vector<SloClass> known = default_classes();
  std::vector<std::string_view> names;
  for (const SloClass& slo : known) names.push_back(slo.name);
  std::vector<ClassPart> classes;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t comma = std::min(text.find(',', at), text.size());
    const std::string_view part = std::string_view(text).substr(at, comma - at);
    at = comma + 1;
    const std::size_t equals = std::min(part.find('='), part.size());
    const std::string_view name = part.substr(0, equals);
    if (std::ranges::find(names, name) == names.end())
      throw InputError("", 0, "--classes", "found '" + printable(name) + "'",
                       fmt::format("accepted: {}; nearest is '{}'", listed(names), nearest(name, names)));
    if (std::ranges::find(classes, name, &ClassPart::name) != classes.end())
      throw InputError("", 0, "--classes", "found '" + printable(name) + "' twice", "give each class once");
    std::uint64_t parts = 0;
    const char* const end = part.data() + part.size();
    const auto [stop, error] = std::from_chars(part.data() + std::min(equals + 1, part.size()), end, parts);
    if (error != std::errc() || stop != end || parts < 1 || parts > 1000)
      throw InputError("", 0, "--classes", "found '" + printable(part) + "'",
                       "accepted: CLASS=PARTS, parts from 1 to 1000, as interactive=10,standard=3,batch=2");
    classes.push_back({std::string(name), parts});
  }
  return classes;
}

std::unique_ptr<CompiledFleet> make_fleet(const std::string& name, bool tenants, Chunk chunk,
                                          const std::vector<ClassPart>& classes, Quantile sure) {
  std::string text = fmt::format("name: {}\npools:\n", name);
  const auto pool = [&](const char* id, const char* chip, int replicas, int budget) {
    text += fmt::format(
        "  - {{name: {}, model: llama-3.1-8b, accelerator: {}, replicas: {}, token_budget: {}, chunk: {}}}\n", id, chip,
        replicas, budget, chunk == Chunk::objective ? "objective" : "budget");
  };
  if (name == "uniform") {
    pool("h100", "h100-sxm", 40, 2048);
  } else if (name == "mixed") {
    pool("h100", "h100-sxm", 8, 2048);
    pool("h200", "h200-sxm", 8, 2048);
    pool("l40s", "l40s", 8, 1024);
    pool("v6e", "tpu-v6e", 8, 2048);
    pool("trn2", "trainium2", 8, 2048);
  } else {
    throw InputError("", 0, "--fleets", "found '" + printable(name) + "'", "accepted: mixed, uniform");
  }
  text += "mix:\n";
  for (const ClassPart& of : classes.empty() ? std::vector<ClassPart>{{"interactive", 1}} : classes) {
    const auto entry = [&](std::uint64_t weight, const char* tenant) {
      text += fmt::format("  - {{weight: {}, model: llama-3.1-8b, class: {}{}}}\n", weight, of.name, tenant);
    };
    if (tenants)
      entry(of.parts * 3, ", tenant: large"), entry(of.parts, ", tenant: small");
    else
      entry(of.parts, "");
  }
  auto fleet = std::make_unique<CompiledFleet>(compile_fleet(read_fleet("league:" + name, text)));
  for (SloClass& slo : fleet->view.classes)
    if (slo.ttft.count() > 0) slo.sure = sure;
  return fleet;
}

double usd_per_hour(const FleetView& fleet) {
  double usd = 0;
  for (const PoolView& pool : fleet.pools) usd += static_cast<double>(pool.per_hour.count()) * 1e-9 * pool.devices;
  return usd;
}

std::unique_ptr<Overlay> arrivals_of(const Workload& w, double rate, Seed seed) {
  OverlaySpec spec;
  spec.copies = w.copies;
  spec.rate_micro = static_cast<std::uint64_t>(std::llround(rate * 1e6));
  spec.seconds_ns = std::int64_t{w.warm_up_s + w.measured_s} * 1'000'000'000;
  return std::make_unique<Overlay>(w.rows, spec, seed, 0);
}

}  // namespace yard::league
