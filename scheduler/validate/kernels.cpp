// Claims about steps put together of measured kernels: seconds between tokens of dense models on the chips whose
// kernels were measured, beside the same replicas by physics alone. Nothing is fitted to a deployment.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "scheduler/cost/deployment_rows.h"
#include "scheduler/cost/kernel_fit.h"
#include "scheduler/cost/kernel_step.h"
#include "scheduler/validate/cost_data.h"
#include "scheduler/validate/costs.h"

namespace yard {
namespace {

constexpr std::array kSystems = {std::pair{"h100_sxm", "h100-sxm"}, std::pair{"h200_sxm", "h200-sxm"}};

// vLLM's kernels of one chip, of the categories that these models ask for: heads of 128 values, no window.
struct ChipKernels {
  std::vector<KernelTable> tables;  // GEMM, decode attention, prefill attention

  ChipKernels(const CostClaims& claims, std::string_view system, const Accelerator& chip) {
    for (const KernelFamily family :
         {KernelFamily::gemm, KernelFamily::decode_attention, KernelFamily::prefill_attention}) {
      std::vector<KernelRow> rows = vllm_kernels(claims.folder, system, chip, family).rows;
      std::erase_if(rows, [&](const KernelRow& row) {
        const KernelCategory& c = row.shape.category;
        return family != KernelFamily::gemm && (c.head_dim != 128 || c.window != 0);
      });
      KernelFit fit;  // as inner splits of such rows mostly choose
      if (family == KernelFamily::gemm) fit = {.octaves = {0.01, 0.7, 0.7, 1.0}, .ridge = 0.02, .echo = 0.5};
      tables.push_back(fit_kernels(rows, chip, fit));
    }
  }
  ReplicaKernels of_replica() const { return {.gemm = &tables[0], .decode = &tables[1], .prefill = &tables[2]}; }
};

bool is_asked(const Deployment& d) {
  return d.model->experts == 0 && d.dp == 1 && d.pp == 1 && kernel_format(d.weights) && kernel_format(d.kv) &&
         std::ranges::any_of(kSystems, [&](const auto& system) { return d.chip->id == system.second; });
}

}  // namespace

std::vector<Claim> claim_composed(const CostClaims& claims) {
  const DeploymentRows data = read_deployments(cost_table(claims.folder, "aiconfigurator/measured_ttft_tpot.csv"));
  std::map<std::string, ChipKernels> kernels;
  for (const auto& [system, id] : kSystems)
    kernels.emplace(id, ChipKernels(claims, system, *builtin_catalogue().find(id)));
  std::vector<Claim> all(2);
  Claim &physics = all[0], &composed = all[1];
  physics.what = "TPOT, dense models, by physics", composed.what = "TPOT, dense models, by kernels put together";
  for (Claim& claim : all) claim.data = "measured_ttft_tpot, H100 and H200", claim.unit = "ms";
  composed.note = "nothing fitted to a deployment; by model, chip, engine: physics, kernels put together";
  struct Both {
    Errors physics, composed;
  };
  std::map<std::tuple<std::string, std::string, Engine>, Both> cells;
  using Priced = std::pair<StepCost, StepCost>;
  std::map<std::tuple<std::string, std::string, Precision, Precision, std::uint32_t>, Priced> costs;
  for (const Measured& m : data.rows) {
    const Deployment& d = m.deployment;
    if (!is_asked(d)) continue;
    const Replica replica = replica_of(d, 1024);
    if (const Refusal no = refusal_of(replica); no.any()) {
      composed.refused.add("no such replica", no.found);
      continue;
    }
    if (m.steady.sequences > replica.max_sequences) {
      composed.refused.add("more than 1,024 sequences", fmt::format("{}", m.steady.sequences));
      continue;
    }
    const std::tuple key{d.model->id, d.chip->id, d.weights, d.kv, d.tp};
    auto priced = costs.find(key);
    if (priced == costs.end()) {
      const KernelStepCost cost = kernel_step_cost(replica, kernels.at(d.chip->id).of_replica(), 100);
      priced = costs.emplace(key, Priced(step_cost(replica), cost.cost)).first;
    }
    Both& cell = cells[{d.model->id, d.chip->id, d.engine}];
    const double by_physics = steady_tpot(priced->second.first, m.steady);
    const double by_kernels = steady_tpot(priced->second.second, m.steady);
    for (Errors* errors : {&cell.physics, &physics.errors}) errors->add(by_physics * 1e3, m.tpot * 1e3);
    for (Errors* errors : {&cell.composed, &composed.errors}) errors->add(by_kernels * 1e3, m.tpot * 1e3);
  }
  for (const auto& [cell, both] : cells) {
    const ErrorSummary a = both.physics.summary(), b = both.composed.summary();
    composed.note += fmt::format("; {} {} {} n {}: {:.1f} (bias {:+.1f}), {:.1f} % (bias {:+.1f})", std::get<0>(cell),
                                 std::get<1>(cell), kEngines[static_cast<std::size_t>(std::get<2>(cell))], a.n,
                                 100 * a.mape, 100 * a.bias, 100 * b.mape, 100 * b.bias);
  }
  return all;
}

}  // namespace yard
