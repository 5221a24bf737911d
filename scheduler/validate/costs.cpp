#include "scheduler/validate/costs.h"

#include <fmt/format.h>

#include "scheduler/base/hash.h"
#include "scheduler/cost/collective.h"
#include "scheduler/cost/kernel_fit.h"
#include "scheduler/cost/kernel_transfer.h"
#include "scheduler/validate/cost_data.h"

namespace yard {
namespace {

constexpr std::array kFamilies = {KernelFamily::decode_attention, KernelFamily::gemm, KernelFamily::prefill_attention};
constexpr std::array<std::string_view, 3> kShort = {"GEMM", "decode attention", "prefill attention"};

std::string_view short_name(KernelFamily family) { return kShort[static_cast<std::size_t>(family)]; }

const Accelerator& chip(std::string_view id) { return *builtin_catalogue().find(id); }

double microseconds(Picoseconds p) { return static_cast<double>(p.count()) / 1e6; }

Claim held_against(const KernelTable& table, const std::vector<KernelRow>& rows) {
  Claim claim;
  claim.unit = "us";
  for (const KernelRow& row : rows) claim.errors.add(microseconds(table.at(row.shape).cost), microseconds(row.cost));
  return claim;
}

double aim_of(KernelFamily family, std::array<double, 3> gemm_decode_prefill) {
  return gemm_decode_prefill[static_cast<std::size_t>(family)];
}

std::string told(const KernelFit& fit) {
  return fmt::format("reach {} {} {} {} octaves, echo {}", fit.octaves[0], fit.octaves[1], fit.octaves[2],
                     fit.octaves[3], fit.echo);
}

}  // namespace

Claim claim_operator(const CostClaims& claims, KernelFamily family, SplitBy by) {
  const Accelerator& h200 = chip("h200-sxm");
  const KernelRows data = vllm_kernels(claims.folder, "h200_sxm", h200, family);
  std::vector<KernelRow> known, asked;
  for (const KernelRow& row : data.rows) (held_out(row.shape, by, claims.seed) ? asked : known).push_back(row);
  const KernelFit fit = best_fit(known, h200, by, claims.seed);
  const KernelTable table = fit_kernels(known, h200, fit);
  const bool points = by == SplitBy::point;
  Claim claim = held_against(table, asked);
  claim.what = fmt::format("{}, {} held out", short_name(family), points ? "shapes" : "whole layers");
  claim.data = "H200 vLLM 0.24";
  claim.aim = points ? aim_of(family, {0.042, 0.021, 0.036}) : 0;
  claim.note = fmt::format("a fifth of {}, all number formats of one together; {}; table {:016x}",
                           points ? "the shapes" : "the (n, k), of the (heads, KV heads, head_dim, window)", told(fit),
                           table.hash());
  claim.refused = data.refused;
  return claim;
}

std::vector<Claim> claim_operators(const CostClaims& claims) {
  std::vector<Claim> all;
  for (const SplitBy by : {SplitBy::point, SplitBy::layer})
    for (const KernelFamily family : kFamilies) all.push_back(claim_operator(claims, family, by));
  return all;
}

Claim claim_transfer(const CostClaims& claims, KernelFamily family, std::size_t probes) {
  const Accelerator& h200 = chip("h200-sxm");
  const KernelRows old = vllm_kernels(claims.folder, "h100_sxm", chip("h100-sxm"), family);
  const KernelRows fresh = vllm_kernels(claims.folder, "h200_sxm", h200, family);
  KernelFit fit;  // as inner splits of such rows mostly choose
  if (family == KernelFamily::gemm) fit = {.octaves = {0.01, 0.7, 0.7, 1.0}, .ridge = 0.02, .echo = 0.5};
  const KernelTable elder = fit_kernels(old.rows, chip("h100-sxm"), fit);
  const std::vector<KernelRow> known = probes_of(fresh.rows, probes, claims.seed);
  std::vector<KernelRow> asked;
  for (const KernelRow& row : fresh.rows)
    if (known.empty() || probe_number(row, claims.seed) > probe_number(known.back(), claims.seed)) asked.push_back(row);
  Claim claim = held_against(transfer_kernels(elder, h200, known), asked);
  claim.what = fmt::format("{}, H100 to H200, {} probes", short_name(family), probes);
  claim.data = "H100, H200 vLLM 0.24";
  claim.aim = probes > 0 ? aim_of(family, {0.065, 0.055, 0.050}) : 0;
  claim.refused = fresh.refused;
  return claim;
}

std::vector<Claim> claim_transfers(const CostClaims& claims) {
  std::vector<Claim> all;
  for (const KernelFamily family : kFamilies) all.push_back(claim_transfer(claims, family, 300));
  return all;
}

std::vector<Claim> claim_collectives(const CostClaims& claims) {
  std::vector<Claim> all;
  for (const auto& [system, id] : {std::pair{"h100_sxm", "h100-sxm"}, std::pair{"h200_sxm", "h200-sxm"}}) {
    const Accelerator& on = chip(id);
    const CsvTable table =
        cost_table_like(claims.folder, fmt::format("aiconfigurator/{}__comm__nccl", system), "nccl_perf.csv.gz");
    const Exchanges data = read_exchanges(table, on);
    Claim claim;
    claim.what = fmt::format("collectives, sizes left out, {}", id);
    claim.data = "NCCL 2.29", claim.unit = "us", claim.refused = data.refused;
    claim.note = "each fifth of the sizes left out in turn, of all collectives and ranks together";
    for (std::uint64_t fold = 0; fold < 5; ++fold)
      for (std::size_t what = 0; what < kCollectives.size(); ++what)
        for (const std::uint32_t ranks : {2u, 4u, 8u}) {
          std::vector<Exchange> known, asked;
          for (const Exchange& e : data.rows)
            if (e.what == static_cast<Collective>(what) && e.ranks == ranks)
              (mix64(static_cast<std::uint64_t>(e.bytes) ^ mix64(claims.seed)) % 5 == fold ? asked : known)
                  .push_back(e);
          if (known.size() < 3) continue;
          const CollectiveFit fit = fit_collective(known, on);
          for (const Exchange& e : asked)
            claim.errors.add(microseconds(collective_time(e, on, fit)), microseconds(e.cost));
        }
    all.push_back(std::move(claim));
  }
  return all;
}

}  // namespace yard
