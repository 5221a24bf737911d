#include "scheduler/validate/deployment_engine.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "scheduler/cost/operator_profile.h"
#include "scheduler/cost/physics.h"

namespace yard {
namespace {

constexpr std::uint64_t kRequestsAClient = 10;
constexpr std::int64_t kBudget = 8192, kBlock = 16;
constexpr std::int32_t kShortest = 800;  // thousandths of the stated lengths

std::int64_t budget_of(const Deployment& d) { return std::min<std::int64_t>(kBudget * d.dp, 1 << 20); }

// A fleet of that one engine, its steps priced so.
CompiledFleet engine(const Deployment& d, const StepCost& cost, std::int64_t tokens) {
  std::string buckets;
  for (const BatchBucket& b : cost.buckets())
    buckets += fmt::format("{}{{up_to: {}, ps: {}}}", buckets.empty() ? "" : ", ", b.up_to, b.c0.count());
  return compile_fleet(read_fleet(
      "deployment",
      fmt::format("slo_classes: [{{name: all, rank: 0}}]\n"
                  "pools:\n"
                  "  - name: engine\n"
                  "    model: deployment\n"
                  "    accelerator: {}\n"
                  "    usd_per_accelerator_hour: 0\n"
                  "    table: {{c0_ps: [{}], c1_ps: {}, c2_ps: {}, c4_ps: {}}}\n"
                  "    max_sequences: {}\n"
                  "    token_budget: {}\n"
                  "    block_tokens: {}\n"
                  "    kv_blocks: {}\n"
                  "    prefix_cache: \"off\"\n"
                  "    served: {{preset: vllm, window: sequences, window_sequences: 1000000, start_timeout_ms: "
                  "3600000}}\n",
                  d.chip->id, buckets, cost.c1().count(), cost.c2().count(), cost.c4().count(), cost.max_sequences(),
                  budget_of(d), kBlock, std::min<std::int64_t>(tokens / kBlock, 1'000'000'000))));
}

// The weighted terms by what they grow with: tokens of a step (weights, experts that these choose, links), sequences,
// and attention. A step that reads a prompt thus reads the experts of all its tokens, which a StepCost, whose c0 is by
// sequences, cannot say. Tokens read in one step count as one prompt.
OperatorProfile operators(const Deployment& d, const Calibration& c, double factor, std::int64_t budget) {
  const auto sum = [&](double n, bool of_sequences, double TermCost::* part) {
    const CostsByTerm terms = term_costs(d, n);
    double seconds = 0.0;
    for (std::size_t i = 0; i < terms.size(); ++i) {
      const bool by_sequence = static_cast<Term>(i) == Term::sequences || static_cast<Term>(i) == Term::kv;
      if (by_sequence == of_sequences) seconds += weight_of_term(c, i, d.engine) * factor * terms[i].*part;
    }
    return seconds;
  };
  const auto picoseconds = [](double s) { return Picoseconds(std::llround(s * 1e12)); };
  std::vector<Curve::Point> by_tokens, by_sequences;
  for (std::int64_t n = 1; n <= 2 * budget; n = n < 16 ? n + 1 : n + n / 4)
    by_tokens.push_back({n, picoseconds(sum(static_cast<double>(n), false, &TermCost::c0))});
  for (const std::int64_t n : {1, 1024})
    by_sequences.push_back({n, picoseconds(sum(static_cast<double>(n), true, &TermCost::c0))});
  const double c2 = sum(1, true, &TermCost::c2), c4 = sum(1, false, &TermCost::c4);
  std::vector<AttentionTable::Row> attention;
  for (std::int64_t read = 0; read <= 2 * budget; read = read == 0 ? 64 : read * 2)
    for (const std::int64_t behind : {0, 16'384})
      for (const std::int64_t decoding : {0, 1024})
        for (const std::int64_t context : {0, 16'384})
          attention.push_back({read, behind, decoding, context,
                               picoseconds(c4 * static_cast<double>(prefill_pairs(read, behind)) +
                                           c2 * static_cast<double>(decoding * context))});
  return {Curve(std::move(by_tokens)), Curve(std::move(by_sequences)), AttentionTable(std::move(attention)), 0};
}

// `truly`: what steps take, where that is known more exactly than `cost` can say it; null: as `cost` says.
ClientTimes simulated(const Measured& m, const StepCost& cost, std::shared_ptr<const OperatorProfile> truly) {
  const auto whole = [](double x) { return static_cast<std::int32_t>(std::lround(x)); };
  const auto clients = static_cast<std::uint32_t>(whole(m.steady.sequences));
  CompiledFleet fleet = engine(m.deployment, cost, kv_tokens(m.deployment));
  fleet.tables.profiles[fleet.view.pools.front().cost.value] = std::move(truly);
  return serve_clients(fleet, {.clients = clients,
                               .requests = clients * kRequestsAClient,
                               .prompt = Tokens(whole(m.steady.prompt)),
                               .output = Tokens(whole(m.steady.output)),
                               .shortest_thousandths = kShortest,
                               .seed = m.id});
}

}  // namespace

// What memory leaves for KV, over all attention replicas: dense weights on each, experts spread over all ranks.
std::int64_t kv_tokens(const Deployment& d) {
  const Replica dense = replica_of(d);
  const MemoryFit fit = memory_fit(dense);
  const auto routed = static_cast<double>(d.model->routed_parameters()) *
                      static_cast<double>(bits_per_128_values(d.expert_weights)) / 1024.0 / d.tp;
  const double left = static_cast<double>(fit.usable_bytes - fit.weight_bytes) + routed * (1.0 - 1.0 / d.dp);
  return left > 0 ? d.dp * static_cast<std::int64_t>(left / static_cast<double>(fit.kv_bytes_per_token)) : 0;
}

ClientTimes simulated(const Measured& m, const Calibration& fit) {
  const double factor = std::exp(fit.lookup(m));
  const auto clients = static_cast<std::uint32_t>(std::lround(m.steady.sequences));
  return simulated(
      m, priced(m.deployment, fit, clients, factor),
      std::make_shared<const OperatorProfile>(operators(m.deployment, fit, factor, budget_of(m.deployment))));
}

ClientTimes simulated(const Measured& m, const StepCost& cost) { return simulated(m, cost, nullptr); }

}  // namespace yard
