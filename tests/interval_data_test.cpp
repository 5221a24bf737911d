// Intervals on real rows: deployments that served (time per output token), kernels that were timed. Split by model or
// by shape, never by row: what calibrates is not what is then covered.
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "scheduler/base/rng.h"
#include "scheduler/cost/online.h"
#include "scheduler/cost/physics.h"
#include "scheduler/validate/learning_system.h"
#include "tests/shared_data.h"
#include "topology/catalogue.h"

namespace yard {
namespace {

std::vector<std::string> split(const std::string& line) {
  std::vector<std::string> fields;
  std::istringstream in(line.ends_with('\r') ? line.substr(0, line.size() - 1) : line);
  for (std::string field; std::getline(in, field, ',');) fields.push_back(field);
  return fields;
}

struct Row {
  std::string model;
  CostKey key;
  RunTimed run;
};

struct Rows {
  std::vector<Row> rows;
  std::map<std::string, int> refused;
};

std::int64_t number(const std::string& text) { return text.empty() ? 0 : std::atoll(text.c_str()); }

// Time per output token of a deployment in steady state, as a step of its batch: all decode, at the middle of their
// answers, and beside them as many prompt tokens are read as keep the batch full.
Rows deployments(const std::string& csv) {
  std::ifstream file(csv);
  std::string line;
  std::getline(file, line);
  std::map<std::string, std::size_t> column;
  for (const std::string& name : split(line)) column.emplace(name, column.size());
  Rows out;
  std::map<std::string, StepCost> priors;
  while (std::getline(file, line)) {
    const std::vector<std::string> f = split(line);
    const auto at = [&](const char* name) { return column.at(name) < f.size() ? f[column.at(name)] : std::string(); };
    if (at("mode") != "agg") continue;
    std::string path = at("model_path"), chip = at("system");
    const std::string name = path.substr(path.find('/') + 1);
    for (char& c : chip)
      if (c == '_') c = '-';
    const ModelCard* card = nullptr;
    for (const ModelCard& m : builtin_model_cards().models)
      if (std::string lower = name; true) {
        for (char& c : lower) c = static_cast<char>(std::tolower(c));
        if (lower.starts_with(m.id) && (!card || m.id.size() > card->id.size())) card = &m;
      }
    const Accelerator* accelerator = builtin_catalogue().find(chip);
    const std::int64_t batch = number(at("batch_size")), in = number(at("isl")), answers = number(at("osl"));
    const double ms = std::atof(at("silicon_tpot_ms").c_str());
    if (!card || !accelerator) {
      ++out.refused[!card ? "no card of " + name : "no chip " + chip];
      continue;
    }
    if (batch < 1 || batch > 4096 || in < 1 || answers < 1 || !(ms > 0)) {
      ++out.refused["no batch, length or time"];
      continue;
    }
    const std::string precision = at("precision");
    Replica replica{.model = *card,
                    .chip = *accelerator,
                    .tp = static_cast<std::uint32_t>(number(at("tp_size"))),
                    .weights = card->weights,
                    .expert_weights = card->expert_weights,
                    .max_sequences = 4096};
    if (precision == "fp8") replica.weights = replica.expert_weights = Precision::fp8;
    if (precision == "fp4") replica.weights = replica.expert_weights = Precision::fp4;
    if (precision == "bf16") replica.weights = replica.expert_weights = Precision::bf16;
    if (refusal_of(replica).any()) {
      ++out.refused["tp " + at("tp_size") + " on " + chip];
      continue;
    }
    const std::string parallelism = "tp" + at("tp_size") + "-ep" + at("moe_ep_size") + "-dp" + at("attention_dp_size");
    const std::string id = chip + card->id + precision + at("tp_size");
    if (!priors.contains(id)) priors.emplace(id, step_cost(replica));
    StepsRun shape{.n = static_cast<std::uint32_t>(batch),
                   .read = batch * in / answers,
                   .pairs = batch * prefill_pairs(in, 0) / answers,
                   .context = batch * (in + answers / 2),
                   .decoding = batch};
    out.rows.push_back({card->id,
                        {chip, at("backend"), precision.empty() ? "native" : precision, card->id, parallelism},
                        {.said = terms_of(priors.at(id), shape),
                         .took = static_cast<std::int64_t>(ms * 1e9),
                         .group = shape_group(batch, 0)}});
  }
  return out;
}

struct Coverage {
  std::int64_t inside = 0, q90 = 0, all = 0;
  double absolute = 0, prior_absolute = 0;
  double percent(std::int64_t n) const {
    return 100.0 * static_cast<double>(n) / static_cast<double>(std::max<std::int64_t>(1, all));
  }
};

// One row: asked first, then heard.
void ask_and_hear(OnlineCosts& costs, std::uint32_t k, const RunTimed& run, Time now, Coverage* count) {
  costs.publish(now);
  const CostCorrection c = costs.published(k);
  const std::int64_t predicted = corrected(run.said, c.scale), said = corrected(run.said, kCostsAsSaid);
  const Ratio score = ratio_of(run.took, predicted);
  if (count) {
    const auto q = [&](Level level) { return costs.quantile(k, run.group, level); };
    count->inside += score >= q(Level::q05) && score <= q(Level::q95);
    count->q90 += score <= q(Level::q90);
    ++count->all;
    const double off = static_cast<double>(predicted) / static_cast<double>(run.took) - 1;
    const double prior_off = static_cast<double>(said) / static_cast<double>(run.took) - 1;
    count->absolute += off < 0 ? -off : off, count->prior_absolute += prior_off < 0 ? -prior_off : prior_off;
  }
  costs.hear(k, run);
}

std::string line(const char* what, const Coverage& c) {
  return fmt::format("{}: interval {:.1f} q90 {:.1f} %, error {:.1f} % (prior {:.1f}), n {}", what, c.percent(c.inside),
                     c.percent(c.q90), c.percent(1) * c.absolute, c.percent(1) * c.prior_absolute, c.all);
}

TEST(IntervalData, TimePerTokenOfDeploymentsOfAModelThatWasNotSeen) {
  NEED_SHARED_DATA(csv, "costs/aiconfigurator/measured_ttft_tpot.csv");
  const Rows data = deployments(csv.string());
  for (const auto& [why, n] : data.refused) fmt::print("refused {}: {}\n", n, why);
  ASSERT_GT(data.rows.size(), 1500u);
  std::map<std::string, int> models;
  for (const Row& row : data.rows) ++models[row.model];
  Coverage before, soon, after;
  for (const Seed seed : {1u, 2u, 3u, 4u, 5u}) {
    const std::vector<std::size_t> order = learning::shuffled(data.rows.size(), seed);
    for (const auto& [held_out, n] : models) {
      OnlineCosts costs;
      std::vector<std::uint32_t> key_of;
      std::map<std::string, std::uint32_t> keys;
      for (const Row& row : data.rows) {
        const CostKey& key = row.key;
        const std::string name = key.accelerator + key.engine + key.precision + key.model + key.parallelism;
        if (!keys.contains(name)) keys.emplace(name, costs.add(key));
        key_of.push_back(keys.at(name));
      }
      Time now{};
      for (const bool test : {false, true}) {
        int seen = 0;
        for (const std::size_t r : order) {
          if ((data.rows[r].model == held_out) != test) continue;
          RunTimed run = data.rows[r].run;
          now += milliseconds(100);
          if (test && seen >= n / 2) run.took = run.took / 1024 * 1331;
          Coverage* count = !test                                 ? nullptr
                            : seen < n / 2                        ? &before
                            : seen < n / 2 + std::min(200, n / 4) ? &soon
                                                                  : &after;
          ask_and_hear(costs, key_of[r], run, now, count);
          ++seen;
        }
      }
    }
  }
  fmt::print("{}\n{}\n{}\n", line("before", before), line("the next 200 at 1.3", soon), line("after", after));
  EXPECT_NEAR(before.percent(before.inside), 90, 2);
  EXPECT_NEAR(after.percent(after.inside), 90, 2);
}

// Attention kernels as they were timed on two GPUs, against bytes over bandwidth and FLOPs over peak: what calibrates
// is one GPU, what is covered the other.
std::vector<RunTimed> kernels(const std::string& file, std::int64_t bytes_per_s, std::int64_t flops) {
  std::vector<RunTimed> rows;
  std::ifstream in(file);
  std::string text;
  std::getline(in, text);
  while (std::getline(in, text)) {
    const std::vector<std::string> f = split(text);
    if (f.size() < 5) continue;
    const std::int64_t read = number(f[0]), behind = number(f[1]), decoding = number(f[2]), context = number(f[3]);
    RunTimed run{.took = static_cast<std::int64_t>(std::atof(f[4].c_str()) * 1e6),
                 .group = shape_group(decoding, read)};
    run.said = {8'000'000, decoding * 50'000,
                (decoding * context + behind) * 4096 * 1'000'000 / (bytes_per_s / 1'000'000), read * 2'000,
                prefill_pairs(read, behind) * 4 * 32 * 128 * 1'000'000 / (flops / 1'000'000)};
    rows.push_back(run);
  }
  return rows;
}

TEST(IntervalData, KernelsOfAGpuThatWasNotSeen) {
  NEED_SHARED_DATA(folder, "vllm_runs");
  const auto file = [&](const char* gpu) {
    return folder.string() + "/" + gpu + "/Llama-3.1-8B/profile/tp1/attention.csv";
  };
  const std::vector<RunTimed> seen = kernels(file("RTX4090"), 1'008'000'000'000, 165'000'000'000'000);
  const std::vector<RunTimed> held_out = kernels(file("RTXPRO6000"), 1'792'000'000'000, 500'000'000'000'000);
  ASSERT_GT(seen.size(), 5000u);
  ASSERT_GT(held_out.size(), 10'000u);
  Coverage before, soon, after;
  for (const Seed seed : {1u, 2u, 3u}) {
    OnlineCosts costs;
    const std::uint32_t a = costs.add({"rtx-4090", "vllm", "bf16", "llama-3.1-8b", "tp1"});
    const std::uint32_t b = costs.add({"rtx-pro-6000", "vllm", "bf16", "llama-3.1-8b", "tp1"});
    Time now{};
    for (const std::size_t r : learning::shuffled(seen.size(), seed))
      ask_and_hear(costs, a, seen[r], now += milliseconds(20), nullptr);
    std::size_t i = 0;
    for (const std::size_t r : learning::shuffled(held_out.size(), seed + 10)) {
      RunTimed run = held_out[r];
      const std::size_t half = held_out.size() / 2;
      if (i >= half) run.took = run.took / 1024 * 1331;
      ask_and_hear(costs, b, run, now += milliseconds(20), i < half ? &before : i < half + 200 ? &soon : &after);
      ++i;
    }
  }
  fmt::print("{}\n{}\n{}\n", line("before", before), line("the next 200 at 1.3", soon), line("after", after));
  EXPECT_NEAR(before.percent(before.inside), 90, 2);
  EXPECT_NEAR(before.percent(before.q90), 90, 2);
  EXPECT_NEAR(after.percent(after.inside), 90, 2);
  EXPECT_NEAR(after.percent(after.q90), 90, 2);
}

}  // namespace
}  // namespace yard
