// Verbs that only look: topo, fleet, policies, models, accelerators, trace.
#include <memory>
#include <optional>

#include <fmt/format.h>

#include "scheduler/base/input_error.h"
#include "scheduler/base/output_file.h"
#include "scheduler/core/class_index.h"
#include "scheduler/cost/compile_fleet.h"
#include "scheduler/cost/show.h"
#include "scheduler/policy/registry.h"
#include "scheduler/trace/stat.h"
#include "scheduler/trace/trace.h"
#include "tools/verbs.h"
#include "tools/words.h"
#include "topology/discover.h"
#include "topology/show_host.h"

namespace {

int print(const std::string& text) {
  yard::OutputFile out("-");
  out.write(text);
  out.commit();
  return kDone;
}

void add_topo(CLI::App& app, Action& action) {
  struct Flags {
    std::string xml, synthetic;
    bool json = false, explain = false;
  };
  auto flags = std::make_shared<Flags>();
  CLI::App* verb =
      app.add_subcommand("topo", "this machine as the scheduler sees it: NUMA nodes, caches, cores allowed, devices");
  verb->footer(
      "examples:\n  switchyard topo --explain\n  switchyard topo --xml rack.xml --json\n"
      "  switchyard topo --synthetic \"pack:2 numa:2 l3:1 core:8 pu:2\"");
  auto* xml = verb->add_option("--xml", flags->xml, "another machine: an hwloc XML file");
  xml->type_name("FILE");
  verb->add_option("--synthetic", flags->synthetic, "another machine: an hwloc synthetic description")->excludes(xml);
  verb->add_flag("--json", flags->json, "for programs");
  verb->add_flag("--explain", flags->explain, "which fact came from where");
  verb->callback([flags, &action] {
    action = [flags] {
      const yard::Host host = !flags->xml.empty()         ? yard::host_from_xml(flags->xml)
                              : !flags->synthetic.empty() ? yard::host_from_synthetic(flags->synthetic)
                                                          : yard::discover_this_machine();
      const auto explain = flags->explain ? yard::Explain::yes : yard::Explain::no;
      return print(flags->json ? yard::host_json(host, explain) : yard::host_text(host, explain));
    };
  });
}

void add_fleet(CLI::App& app, Action& action) {
  struct Flags {
    std::string fleet = "builtin:mixed";
    bool json = false;
  };
  auto flags = std::make_shared<Flags>();
  CLI::App* verb = app.add_subcommand("fleet", "check or show a fleet");
  verb->require_subcommand(1);
  verb->footer("examples:\n  switchyard fleet check fleet.yaml\n  switchyard fleet show builtin:mixed --json");
  CLI::App* check = verb->add_subcommand("check", "whether a fleet can be used, and what to know about it");
  check->footer("examples:\n  switchyard fleet check fleet.yaml\n  switchyard fleet check builtin:mixed");
  check->add_option("fleet", flags->fleet, "a YAML file, or builtin:NAME")->type_name("FILE")->required();
  check->callback([flags, &action] {
    action = [flags] {
      const yard::Fleet fleet = yard::load_fleet(flags->fleet);
      return print(yard::check_fleet(fleet, yard::compile_fleet(fleet)));
    };
  });
  CLI::App* show = verb->add_subcommand("show", "its pools with their step costs, memory and prices");
  show->footer("examples:\n  switchyard fleet show fleet.yaml\n  switchyard fleet show builtin:thousand --json");
  show->add_option("fleet", flags->fleet, "a YAML file, or builtin:NAME")->type_name("FILE")->capture_default_str();
  show->add_flag("--json", flags->json, "for programs");
  show->callback([flags, &action] {
    action = [flags] {
      const yard::Fleet fleet = yard::load_fleet(flags->fleet);
      const yard::CompiledFleet compiled = yard::compile_fleet(fleet);
      return print(flags->json ? yard::fleet_json(fleet, compiled) : yard::show_fleet(fleet, compiled));
    };
  });
}

std::string policies_text() {
  std::string text = "scorers (--policy): which device a request goes to\n";
  std::optional<yard::ScorerOrigin> origin;
  for (const yard::NamedScorer& s : yard::scorers()) {
    if (origin != s.origin) text += fmt::format(" {}\n", yard::title_of(s.origin));
    origin = s.origin;
    text += fmt::format("  {:<26}{}{}{}\n", s.name, s.meaning, s.indexed ? " *" : "",
                        s.name == yard::kDefaultScorer ? " (default)" : "");
  }
  text += fmt::format(" * without a look at each, where a model has {} replicas or more (an index of classes)\n",
                      yard::ClassIndex::kLeastDevices);
  text += " any of them, but with another refusal\n";
  for (const yard::NamedRefusal& r : yard::refusals())
    text += fmt::format("  {:<26}{}\n", fmt::format("NAME+{}", r.name), r.meaning);
  text += "  NAME@q90                  shown what steps take at most, with nine of ten; @q50, @q99 likewise\n";
  text += "orders (--order): which waiting request goes first\n";
  for (const yard::NamedOrder& o : yard::orders())
    text += fmt::format("  {:<26}{}{}\n", o.name, o.meaning, o.name == yard::kDefaultOrder ? " (default)" : "");
  text += "binding (--bind): when the device is chosen\n";
  text += "  arrival                   at once; the request waits in that device's line (default)\n";
  text += "  room                      when a device has room for it\n";
  return text;
}

// A verb that prints one list, as text or JSON.
void add_list(CLI::App& app, Action& action, const char* name, const char* what, std::string (*text)(),
              std::string (*json)()) {
  auto as_json = std::make_shared<bool>(false);
  CLI::App* verb = app.add_subcommand(name, what);
  verb->footer(
      fmt::format("examples:\n  switchyard {}{}", name, json ? fmt::format("\n  switchyard {} --json", name) : ""));
  if (json) verb->add_flag("--json", *as_json, "for programs");
  verb->callback([=, &action] { action = [=] { return print(*as_json ? json() : text()); }; });
}

void add_trace(CLI::App& app, Action& action) {
  struct Flags {
    std::string trace, out = "-";
    std::uint64_t seed = 1, limit = 0;
    double rate_scale = 1;
    bool json = false, csv = false;
  };
  auto flags = std::make_shared<Flags>();
  CLI::App* verb = app.add_subcommand("trace", "make a trace, or tell what is in one");
  verb->require_subcommand(1);
  verb->footer(
      "examples:\n  switchyard trace stat day.csv\n  switchyard trace gen \"gen:azure-conv?rate=12.5&burst=2\" --out "
      "conv.csv");
  const auto common = [&](CLI::App* sub) {
    sub->add_option("trace", flags->trace, "a file (CSV or JSON lines), a folder, or gen:NAME")
        ->type_name("FILE")
        ->required();
    add_whole(*sub, "--seed", flags->seed, "of the generator");
    add_whole(*sub, "--limit", flags->limit, "rows at most; 0: all");
    add_decimal(*sub, "--rate-scale", flags->rate_scale, "arrivals so many times as fast", 1e-6, 1e6);
  };
  CLI::App* gen = verb->add_subcommand("gen", "write a trace as CSV, or as JSON lines where rows know their prefixes");
  common(gen);
  gen->footer(
      "examples:\n  switchyard trace gen gen:azure-code --limit 1000\n"
      "  switchyard trace gen \"gen:azure-conv?rate=12.5&burst=2&hours=24&curve=day\" --out day.csv\n"
      "  switchyard trace gen \"gen:servegen?dir=deepseek-r1&hours=1\" --out hour.csv\n"
      "  switchyard trace gen \"gen:agentic?path=requests_compact.csv.gz&starts=10\" --limit 1000 --out agents.jsonl");
  gen->add_option("--out", flags->out, "a file; -: standard output")->type_name("FILE")->capture_default_str();
  gen->add_flag("--csv", flags->csv, "as CSV in any case, without prefixes");
  gen->callback([flags, &action] {
    action = [flags] {
      const auto reader = yard::open_trace(flags->trace, flags->seed, flags->limit, flags->rate_scale);
      if (reader->has_prefix() && !flags->csv && flags->out.ends_with(".csv"))
        throw yard::InputError("", 0, "--out", fmt::format("found '{}' for rows that know their prefixes", flags->out),
                               "accepted: a name that ends in .jsonl; or --csv, which leaves the prefixes out");
      yard::OutputFile out(flags->out);
      flags->csv ? yard::write_trace_csv(*reader, out) : yard::write_trace(*reader, out);
      out.commit();
      return kDone;
    };
  });
  CLI::App* stat = verb->add_subcommand("stat", "rows, rate, burstiness, lengths, repeated prefixes");
  common(stat);
  stat->footer("examples:\n  switchyard trace stat day.csv\n  switchyard trace stat gen:azure-conv --json");
  stat->add_flag("--json", flags->json, "for programs");
  stat->callback([flags, &action] {
    action = [flags] {
      const auto reader = yard::open_trace(flags->trace, flags->seed, flags->limit, flags->rate_scale);
      const yard::TraceStat of = yard::stat_of(*reader);
      return print(flags->json ? yard::stat_json(of, flags->trace) : yard::stat_text(of, flags->trace));
    };
  });
}

}  // namespace

void add_looks(CLI::App& app, Action& action) {
  add_topo(app, action);
  add_fleet(app, action);
  add_list(app, action, "policies", "the names that --policy, --order and --bind take", policies_text, nullptr);
  add_list(
      app, action, "models", "the models that fleets may name",
      [] { return yard::show_models(yard::builtin_model_cards()); },
      [] { return yard::models_json(yard::builtin_model_cards()); });
  add_list(
      app, action, "accelerators", "the chips that fleets may name",
      [] { return yard::show_accelerators(yard::builtin_catalogue()); },
      [] { return yard::accelerators_json(yard::builtin_catalogue()); });
  add_trace(app, action);
}
