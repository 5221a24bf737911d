// Claims about intervals: how often what was measured lies inside the 90 % that was told (cost/online.h, interval.h),
// before everything takes 1.3 times as long, in the next 200 observations (or half of the rest, where fewer are left),
// and later.
//
// Each observation is asked about before it is heard. Splits are by model and by GPU: what is asked about was never
// heard before, but for what the course itself has shown. Orders are drawn by five seeds, from the claims' on.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "scheduler/base/rng.h"
#include "scheduler/cost/deployment_rows.h"
#include "scheduler/cost/online.h"
#include "scheduler/cost/physics.h"
#include "scheduler/validate/cost_data.h"
#include "scheduler/validate/costs.h"
#include "scheduler/validate/learning_system.h"

namespace yard {
namespace {

constexpr std::uint64_t kCourses = 5;
constexpr std::int64_t kSlower = 1331;  // 1.3 times, in 1/1024
constexpr std::size_t kBack = 200;      // observations until it should hold again, or half of those left

// ---- a course -------------------------------------------------------------------------------------------------------

// Coverage in its three stretches: before, the next 200, later.
struct Stretches {
  Coverage before, next{.aims = false}, later;
  Errors errors;

  // `i`-th of `n` asked; the slowdown is in the middle.
  Coverage& at(std::size_t i, std::size_t n) {
    if (i < n / 2) return before;
    return i < n / 2 + std::min<std::size_t>(kBack, n / 4) ? next : later;
  }
  std::vector<Claim> claims(const std::string& what, const std::string& data, const std::string& note) const {
    std::vector<Claim> all(3);
    all[0].what = what + ", before", all[1].what = what + ", then 1.3x: the next 200",
    all[2].what = what + ", and later";
    all[0].coverage = before, all[1].coverage = next, all[2].coverage = later;
    for (Claim& claim : all) claim.data = data;
    const ErrorSummary s = errors.summary();
    all[0].note = fmt::format("{}; what was learnt is {:.1f} % off (bias {:+.1f})", note, 100 * s.mape, 100 * s.bias);
    return all;
  }
};

RunTimed slowed(RunTimed run) {
  run.took = run.took / 1024 * kSlower;
  return run;
}

// Asks about a run, then hears of it. `stretch`: null while it only teaches.
void ask_and_hear(OnlineCosts& costs, std::uint32_t key, const RunTimed& run, Time now, Coverage* stretch,
                  Errors& errors) {
  costs.publish(now);
  if (stretch) {
    const std::int64_t predicted = corrected(run.said, costs.published(key).scale);
    const Ratio score = ratio_of(run.took, predicted);
    stretch->add(score >= costs.quantile(key, run.group, Level::q05) &&
                 score <= costs.quantile(key, run.group, Level::q95));
    errors.add(static_cast<double>(predicted), static_cast<double>(run.took));
  }
  costs.hear(key, run);
}

// ---- deployments, a model left out ----------------------------------------------------------------------------------

struct Served {
  const ModelCard* model;
  CostKey key;
  RunTimed run;
};

// A row in steady state as one step: all decode in the middle of their answers, and as many prompt tokens are read as
// keep the batch full. Its prior is physics, of one attention replica.
std::vector<Served> served(const CostClaims& claims, Refusals& refused) {
  DeploymentRows data = read_deployments(cost_table(claims.folder, "aiconfigurator/measured_ttft_tpot.csv"));
  refused = data.refused;
  std::vector<Served> out;
  for (const Measured& m : data.rows) {
    const Deployment& d = m.deployment;
    const auto sequences = std::max<std::int64_t>(std::llround(m.steady.sequences / d.dp), 1);
    const Replica replica = replica_of(d, static_cast<std::uint32_t>(sequences));
    if (const Refusal no = refusal_of(replica); no.any()) {
      refused.add("no physics of such a replica", no.found);
      continue;
    }
    const auto prompt = std::llround(m.steady.prompt), output = std::llround(m.steady.output);
    const StepsRun step{.n = replica.max_sequences,
                        .read = sequences * prompt / output,
                        .pairs = sequences * prefill_pairs(prompt, 0) / output,
                        .context = sequences * (prompt + output / 2),
                        .decoding = sequences};
    out.push_back({d.model,
                   {.accelerator = d.chip->id,
                    .engine = std::string(kEngines[static_cast<std::size_t>(d.engine)]),
                    .precision = fmt::format("{}/{}", name_of(d.weights), name_of(d.expert_weights)),
                    .model = d.model->id,
                    .parallelism = fmt::format("tp{}-dp{}-ep{}", d.tp, d.dp, d.ep)},
                   {.said = terms_of(step_cost(replica), step),
                    .took = std::llround(m.tpot * 1e12),
                    .group = shape_group(sequences, 0)}});
  }
  return out;
}

void course_of_deployments(const std::vector<Served>& rows, const ModelCard* left_out, Seed seed, Stretches& told) {
  OnlineCosts costs;
  std::vector<std::uint32_t> key_of;
  std::vector<CostKey> keys;
  std::vector<std::size_t> teach, ask;
  for (const Served& row : rows) {
    const auto known = std::ranges::find(keys, row.key);
    key_of.push_back(static_cast<std::uint32_t>(known - keys.begin()));
    if (known == keys.end()) keys.push_back(row.key), costs.add(row.key);
  }
  for (const std::size_t r : learning::shuffled(rows.size(), seed))
    (rows[r].model == left_out ? ask : teach).push_back(r);
  Time now;
  const auto next = [&] { return now += OnlineCosts::kPublishEvery; };
  for (const std::size_t r : teach) ask_and_hear(costs, key_of[r], rows[r].run, next(), nullptr, told.errors);
  for (std::size_t i = 0; i < ask.size(); ++i) {
    const RunTimed& run = rows[ask[i]].run;
    ask_and_hear(costs, key_of[ask[i]], i < ask.size() / 2 ? run : slowed(run), next(), &told.at(i, ask.size()),
                 told.errors);
  }
}

std::vector<Claim> of_deployments(const CostClaims& claims) {
  Refusals refused;
  const std::vector<Served> rows = served(claims, refused);
  std::set<const ModelCard*> models;
  for (const Served& row : rows) models.insert(row.model);
  Stretches told;
  for (Seed seed = claims.seed; seed < claims.seed + kCourses; ++seed)
    for (const ModelCard* left_out : models) course_of_deployments(rows, left_out, seed, told);
  std::vector<Claim> all =
      told.claims("TPOT of deployments", "measured_ttft_tpot",
                  "the other models teach, then the one left out is asked, five orders by seed; prior: physics");
  all[0].refused = refused;
  return all;
}

// ---- kernels, a GPU left out ----------------------------------------------------------------------------------------

// Attention of one layer of Llama 3.1 8B as it was timed on a GPU: bytes over bandwidth and FLOPs over the peak, a
// launch of 8 us, 50 ns a sequence and 2 ns a token read as the prior.
std::vector<RunTimed> attention_of(const CostClaims& claims, std::string_view gpu, const Accelerator& chip,
                                   Refusals& refused) {
  constexpr std::int64_t kBytesAToken = 2 * 8 * 128 * 2, kFlopsAPair = 4 * 32 * 128;
  const std::string name = fmt::format("vllm_runs/{}/Llama-3.1-8B/profile/tp1/attention.csv", gpu);
  const CsvTable table(name, read_text(claims.folder + "/" + name));
  table.require({"prefill_chunk", "kv_prefill", "n_decode", "kv_decode", "time_us"});
  std::vector<RunTimed> out;
  for (std::size_t i = 0; i < table.size(); ++i) {
    const CsvTable::Row row = table[i];
    const auto read = row.whole("prefill_chunk"), behind = row.whole("kv_prefill"), decoding = row.whole("n_decode"),
               context = row.whole("kv_decode");
    const auto us = row.decimal("time_us");
    if (!read || !behind || !decoding || !context || !us || !(*us > 0)) {
      refused.add("no number", row.place());
      continue;
    }
    const std::int64_t bytes = (*decoding * *context + *behind) * kBytesAToken;
    RunTimed run{.took = std::llround(*us * 1e6), .group = shape_group(*decoding, *read)};
    run.said = {8'000'000, *decoding * 50'000, bytes * 1'000'000 / (chip.memory_bytes_per_s / 1'000'000), *read * 2'000,
                prefill_pairs(*read, *behind) * kFlopsAPair * 1'000 / (chip.bf16_flops / 1'000'000'000)};
    out.push_back(run);
  }
  return out;
}

std::vector<Claim> of_kernels(const CostClaims& claims) {
  const Accelerator &elder = *builtin_catalogue().find("RTX4090"), &other = *builtin_catalogue().find("RTXPRO6000");
  Refusals refused;
  const std::vector<RunTimed> known = attention_of(claims, "RTX4090", elder, refused);
  const std::vector<RunTimed> asked = attention_of(claims, "RTXPRO6000", other, refused);
  Stretches told;
  for (Seed seed = claims.seed; seed < claims.seed + kCourses; ++seed) {
    OnlineCosts costs;
    const std::uint32_t a = costs.add({elder.id, "vllm", "bf16", "llama-3.1-8b", "tp1"});
    const std::uint32_t b = costs.add({other.id, "vllm", "bf16", "llama-3.1-8b", "tp1"});
    Time now;
    const auto next = [&] { return now += milliseconds(20); };
    for (const std::size_t r : learning::shuffled(known.size(), seed))
      ask_and_hear(costs, a, known[r], next(), nullptr, told.errors);
    const std::vector<std::size_t> order = learning::shuffled(asked.size(), mix64(seed));
    for (std::size_t i = 0; i < order.size(); ++i) {
      const RunTimed& run = asked[order[i]];
      ask_and_hear(costs, b, i < order.size() / 2 ? run : slowed(run), next(), &told.at(i, order.size()), told.errors);
    }
  }
  std::vector<Claim> all = told.claims("attention kernels of a GPU left out", "vllm_runs, RTX 4090 to RTX PRO 6000",
                                       "five orders by seed; prior: bytes and FLOPs over the peaks");
  all[0].refused = refused;
  return all;
}

// ---- a simulated system ---------------------------------------------------------------------------------------------

std::vector<Claim> of_simulated(const CostClaims& claims) {
  constexpr std::uint64_t kSystems = 40;
  constexpr std::size_t kRuns = 4000;
  Stretches told;
  for (Seed seed = claims.seed; seed < claims.seed + kSystems; ++seed) {
    OnlineCosts costs;
    costs.add({"chip", "engine", "bf16", "model", "tp1"});
    learning::System system(seed, {.scale = {1100, 1024, 900, 1300, 1024}, .noise_permille = 40, .stalls_permille = 5});
    Time now;
    for (std::size_t i = 0; i < kRuns; ++i) {
      if (i == kRuns / 2)
        for (std::int64_t& scale : system.truth.scale) scale = scale * kSlower / 1024;
      const RunTimed run = system.run();
      // The first 500 teach what the prior does not know.
      ask_and_hear(costs, 0, run, now, i < 500 ? nullptr : &told.at(i, kRuns), told.errors);
      now += Duration(run.took / 1000);
    }
  }
  return told.claims("simulated steps", "40 systems by seed",
                     "4 % noise, one in 200 takes three times as long; terms 0.88 to 1.27 times the prior's");
}

}  // namespace

std::vector<Claim> claim_intervals(const CostClaims& claims) {
  std::vector<Claim> all = of_deployments(claims);
  for (const auto& make : {of_kernels, of_simulated})
    for (Claim& claim : make(claims)) all.push_back(std::move(claim));
  return all;
}

}  // namespace yard
