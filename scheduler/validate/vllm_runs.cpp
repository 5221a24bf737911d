#include "scheduler/validate/vllm_runs.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>

#include "scheduler/backend/sim_served.h"
#include "scheduler/base/block_hash.h"
#include "scheduler/base/input_error.h"
#include "scheduler/core/ledger.h"
#include "scheduler/cost/compile_fleet.h"
#include "scheduler/cost/json.h"
#include "scheduler/cost/operator_profile.h"
#include "scheduler/loop/sim_loop.h"
#include "scheduler/policy/registry.h"
#include "scheduler/report/text_table.h"

namespace yard {
namespace {

// The engine as a fleet of one served device. vLLM keeps one block of those that it prints for itself, as the block
// that stands for none (BlockPool::null_block).
std::string fleet_text(const VllmRun& run, const EngineParts& parts) {
  std::string text = fmt::format(
      "name: recorded-run\n"
      "prefix_block_tokens: {}\n"
      "slo_classes: [{{name: all, rank: 0}}]\n"
      "pools:\n"
      "  - name: engine\n"
      "    model: \"{}\"\n"
      "    accelerator: \"{}\"\n"
      "    tp: {}\n"
      "    usd_per_accelerator_hour: 0\n"
      "    profile: profile\n"
      "    max_sequences: {}\n"
      "    token_budget: {}\n"
      "    block_tokens: {}\n"
      "    prefix_cache: \"{}\"\n"
      "    served: {{preset: vllm, admit: {}, plans_ahead: {}, window: sequences, window_sequences: 1000000, "
      "start_timeout_ms: "
      "3600000}}\n",
      run.block_tokens.count(), run.model, run.chip, run.tp, run.max_sequences, run.token_budget.count(),
      run.block_tokens.count(), run.prefix_cache && parts.prefix_cache ? "on" : "off",
      parts.whole_prompts ? "prompt" : "chunk", parts.plans_ahead);
  if (run.kv_blocks && parts.kv_blocks) text += fmt::format("    kv_blocks: {}\n", run.kv_blocks->count() - 1);
  return text;
}

// The recorded requests, at the times at which they came.
class Recorded final : public ArrivalSource {
 public:
  explicit Recorded(const VllmRun& run) : run_(run), prefixes_(run.requests.size()) {
    const BlockHasher hasher(
        {.salt = 0, .model = ModelId{0}, .block_tokens = static_cast<std::uint32_t>(run.block_tokens.count())});
    for (std::size_t i = 0; i < prefixes_.size(); ++i) {
      prefixes_[i].resize(run.requests[i].tokens.size() / hasher.block_tokens());
      hasher.of_tokens(run.requests[i].tokens, prefixes_[i]);
    }
  }

  std::optional<Arrival> next() override {
    if (at_ == run_.requests.size()) return std::nullopt;
    const VllmRequest& r = run_.requests[at_];
    Arrival arrival{.row = at_, .facts = {}, .output = r.output};
    arrival.facts.model = ModelId{0};
    arrival.facts.tenant = TenantId{0};
    arrival.facts.slo = SloClassId{0};
    arrival.facts.prompt = r.prompt;
    arrival.facts.max_output = r.output;
    arrival.facts.arrival = r.arrival;
    arrival.facts.prefix = prefixes_[at_++];
    return arrival;
  }

 private:
  const VllmRun& run_;
  std::vector<std::vector<BlockHash>> prefixes_;  // by row; whole blocks
  std::size_t at_ = 0;
};

struct Times {
  Time arrival, first_token, last_token;
  std::int32_t output = 0;
};

class Answers final : public SimObserver {
 public:
  explicit Answers(const VllmRun& run) : run_(run), all(run.requests.size()) {}
  void finished(std::uint64_t row, const Finish& f) override {
    if (f.outcome != Outcome::done)
      throw InputError(run_.folder, 0, fmt::format("request {}", row + 1),
                       fmt::format("found {} ({})", name_of(f.outcome), name_of(f.why)),
                       "accepted: requests that the engine's KV blocks and context hold");
    all[row] = {f.account.arrival, f.account.first_token, f.account.last_token, f.account.output.count()};
  }

 private:
  const VllmRun& run_;

 public:
  std::vector<Times> all;  // by row
};

Spread spread_of(std::vector<std::int64_t> ns) {
  if (ns.empty()) return {};
  std::ranges::sort(ns);
  std::int64_t sum = 0;
  for (const std::int64_t n : ns) sum += n;
  const auto percentile = [&](std::int64_t p) {
    const std::int64_t at = (static_cast<std::int64_t>(ns.size()) - 1) * p;
    const auto low = static_cast<std::size_t>(at / 100);
    const std::int64_t next = ns[std::min(low + 1, ns.size() - 1)];
    return Duration(ns[low] + (next - ns[low]) * (at % 100) / 100);
  };
  return {Duration(sum / static_cast<std::int64_t>(ns.size())), percentile(50), percentile(99)};
}

// In the order of Validation::metrics.
std::array<Spread, 4> spreads_of(const VllmRun& run, const std::vector<Times>& all) {
  std::array<std::vector<std::int64_t>, 4> of;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const Times& t = all[i];
    of[0].push_back((t.first_token - t.arrival).count());
    if (t.output > 1) of[1].push_back((t.last_token - t.first_token).count() / (t.output - 1));
    of[2].push_back((t.last_token - t.arrival).count());
    if (run.requests[i].at_once) of[3].push_back(of[0].back());
  }
  return {spread_of(std::move(of[0])), spread_of(std::move(of[1])), spread_of(std::move(of[2])),
          spread_of(std::move(of[3]))};
}

std::vector<Times> recorded_times(const VllmRun& run) {
  std::vector<Times> all;
  for (const VllmRequest& r : run.requests) all.push_back({r.arrival, r.first_token, r.last_token, r.output.count()});
  return all;
}

std::string error_text(Duration simulated, Duration real) {
  return fmt::format("{:+.2f} %", static_cast<double>(error_of(simulated, real)) / 100.0);
}

std::string milliseconds_text(Duration d) { return fmt::format("{:.1f}", static_cast<double>(d.count()) / 1e6); }

std::string facts_text(const Validation& v) {
  return fmt::format(
      "{}: {} requests to vLLM {}, {} on {}\n  {} sequences, {} tokens a step, {} KV blocks ({}), prefix cache {}, "
      "skew {}\n",
      v.run, v.requests, v.version, v.model, v.chip, v.max_sequences, v.token_budget.count(), v.kv_blocks.count(),
      v.kv_blocks_stated ? "as it printed, less its null block" : "what memory leaves", v.prefix_cache ? "on" : "off",
      v.skew_millionths ? fmt::format("{:.4f}", static_cast<double>(v.skew_millionths) / 1e6) : "none");
}

}  // namespace

bool& part(EngineParts& parts, std::size_t i) {
  bool* const all[] = {&parts.joint,         &parts.skew,        &parts.prefix_cache,
                       &parts.whole_prompts, &parts.plans_ahead, &parts.kv_blocks};
  return *all[i];
}

Validation validate(const VllmRun& run, const EngineParts& parts, Exact exact) {
  CompiledFleet fleet = compile_fleet(read_fleet(run.folder + "/fleet.yaml", fleet_text(run, parts)));
  const PoolView& pool = fleet.view.pools.front();
  auto& profile = fleet.tables.profiles[pool.cost.value];
  profile = std::make_shared<const OperatorProfile>(profile->only({.joint = parts.joint, .skew = parts.skew}));

  const Bounds bounds{.sequences = static_cast<std::uint32_t>(run.requests.size()) + 1, .events_per_tick = 1 << 16};
  const PolicySet policies = find_policies("round_robin", "fcfs", "arrival");
  Core core(bounds, fleet.view, fleet.tables, policies, 1);
  SimFleet devices(fleet.view, fleet.tables, bounds, exact);
  Answers answers(run);
  SimLoop loop(core, bounds, fleet.view.devices(), devices, answers);
  Recorded source(run);
  loop.run(source);
  CHECK_WHY(core.ledger().balances() && core.ledger().in_flight == 0, "everything that arrived has ended (I1)");

  Validation v;
  v.run = run.name, v.model = run.model, v.chip = pool.accelerator, v.version = run.version;
  v.requests = run.requests.size();
  v.max_sequences = pool.max_sequences;
  v.token_budget = pool.token_budget;
  v.kv_blocks = pool.kv_blocks;
  v.kv_blocks_stated = run.kv_blocks && parts.kv_blocks;
  v.prefix_cache = pool.prefix_cache;
  v.skew_millionths = profile->skew_millionths();
  v.decision_hash = core.hash();
  const std::array<Spread, 4> real = spreads_of(run, recorded_times(run)), simulated = spreads_of(run, answers.all);
  constexpr std::array<std::string_view, 4> kNames = {"TTFT", "TPOT", "E2E", "TTFT at once"};
  for (std::size_t i = 0; i < v.metrics.size(); ++i) v.metrics[i] = {kNames[i], real[i], simulated[i]};
  return v;
}

std::int64_t error_of(Duration simulated, Duration real) {
  if (real.count() == 0) return 0;
  return std::llround(1e4 * static_cast<double>((simulated - real).count()) / static_cast<double>(real.count()));
}

std::string validation_text(std::span<const Validation> all) {
  std::string text;
  for (const Validation& v : all) {
    if (!text.empty()) text += "\n";
    text += facts_text(v);
    std::vector<TextColumn> columns{{"ms", Align::left}};
    for (const char* figure : {"mean", "p50", "p99"})
      for (const char* of : {"real", "simulated", "error"}) columns.push_back({of, Align::right, figure});
    TextTable table(std::move(columns));
    for (const Validation::Metric& m : v.metrics) {
      std::vector<std::string> cells{std::string(m.name)};
      for (const auto figure : {&Spread::mean, &Spread::p50, &Spread::p99}) {
        cells.push_back(milliseconds_text(m.real.*figure));
        cells.push_back(milliseconds_text(m.simulated.*figure));
        cells.push_back(error_text(m.simulated.*figure, m.real.*figure));
      }
      table.row(std::move(cells));
    }
    text += table.text();
  }
  return text;
}

std::string validation_json(std::span<const Validation> all) {
  json::List runs(",\n  ");
  for (const Validation& v : all) {
    json::Object run;
    run.text("run", v.run).text("model", v.model).text("accelerator", v.chip).text("vllm_version", v.version);
    run.number("requests", static_cast<std::int64_t>(v.requests)).number("max_sequences", v.max_sequences);
    run.number("token_budget", v.token_budget.count()).number("kv_blocks", v.kv_blocks.count());
    run.raw("kv_blocks_stated", v.kv_blocks_stated ? "true" : "false");
    run.raw("prefix_cache", v.prefix_cache ? "true" : "false").number("skew", v.skew_millionths, 6);
    for (const Validation::Metric& m : v.metrics) {
      json::Object metric;
      for (const auto& [name, figure] :
           {std::pair{"mean", &Spread::mean}, {"p50", &Spread::p50}, {"p99", &Spread::p99}})
        metric.raw(name, json::Object()
                             .number("real_ms", (m.real.*figure).count(), 6)
                             .number("simulated_ms", (m.simulated.*figure).count(), 6)
                             .number("error_percent", error_of(m.simulated.*figure, m.real.*figure), 2)
                             .str());
      std::string name(m.name);
      std::ranges::transform(name, name.begin(), [](char c) {
        return c == ' ' ? '_' : c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
      });
      run.raw(name, metric.str());
    }
    run.text("decision_hash", fmt::format("{:016x}", v.decision_hash));
    runs.add(run.str());
  }
  return json::Object().raw("runs", runs.str()).str() + "\n";
}

}  // namespace yard
