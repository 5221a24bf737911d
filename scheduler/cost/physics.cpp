#include "scheduler/cost/physics.h"

#include <fmt/format.h>

#include <algorithm>

#include "scheduler/base/check.h"
#include "scheduler/base/hash.h"

namespace yard {
namespace {

// A window at least as long as this is charged per token of context as if it had no end: dearer, never cheaper.
constexpr std::int32_t kShortWindow = 1024;

double real(std::int64_t n) { return static_cast<double>(n); }
double seconds_of(Duration d) { return real(d.count()) / 1e9; }

// NOLINTNEXTLINE(bugprone-incorrect-roundings): never negative, and no libm function may enter a cost.
Picoseconds rounded(double s) { return Picoseconds(static_cast<std::int64_t>(s * 1e12 + 0.5)); }

double bytes(std::int64_t values, Precision p) { return real(values) * (real(bits_per_128_values(p)) / 1024.0); }

// Over how many ranks the KV cache is divided: heads are split while there are any and repeated after; MLA's one latent
// head is on every rank (vLLM, SGLang without attention data parallelism).
std::uint32_t kv_shards(const Replica& r) {
  if (r.model.attention == Attention::mla) return 1;
  return std::min(r.tp, static_cast<std::uint32_t>(r.model.kv_heads));
}

// ---- rates ----------------------------------------------------------------------------------------------------------

// FLOP/s at which weights of this precision are multiplied: the chip's own unit for it, or bf16 after widening (weights
// only, as AWQ and Marlin kernels do). 0 where neither is known. int4 is always widened.
std::int64_t peak_flops(const Accelerator& chip, Precision p) {
  std::int64_t own = 0;
  if (p == Precision::fp8) own = chip.fp8_flops;
  if (p == Precision::int8) own = chip.int8_ops;
  if (p == Precision::fp4) own = chip.fp4_flops;
  return own > 0 ? own : chip.bf16_flops;
}

double flops_per_s(const Accelerator& chip, Precision p) {
  return real(peak_flops(chip, p)) * (real(chip.mfu_thousandths) / 1000.0);
}

// Model bandwidth utilisation as Databricks and vLLM's authors use the word: bytes that a decode step must read over
// the time it takes and the peak.
double bytes_per_s(const Accelerator& chip) {
  return real(chip.memory_bytes_per_s) * (real(chip.mbu_thousandths) / 1000.0);
}

// The fabric that the ranks of one replica talk over. 0: unknown.
std::int64_t link_of(const Replica& r) {
  return r.chip.scale_up_domain > 1 ? r.chip.scale_up_bytes_per_s : r.chip.host_link_bytes_per_s;
}

// ---- parts of a step, in seconds ------------------------------------------------------------------------------------

// Weights that a token meets in routed experts.
std::int64_t routed_active(const Replica& r) {
  return std::int64_t{r.model.moe_layers} * r.model.experts_per_token * r.model.expert_parameters();
}

// A token takes 2 FLOPs per weight it meets (Kaplan et al., Scaling Laws for Neural Language Models, 2020, 2.1).
double flops_time(const Replica& r, std::int64_t weights, Precision p) {
  return weights > 0 ? 2.0 * real(weights) / flops_per_s(r.chip, p) / r.tp : 0.0;
}

// Two all-reduces of the hidden state a layer (Shoeybi et al., Megatron-LM, 2019, section 3), in bf16. A ring moves
// 2 (t - 1) / t of the bytes through each rank's link (Thakur, Rabenseifner, Gropp, 2005).
double all_reduce_time_per_token(const Replica& r) {
  if (r.tp == 1) return 0.0;
  const double moved = 2.0 * (real(r.tp) - 1.0) / real(r.tp) * real(r.model.hidden) * 2.0;
  return 2.0 * real(r.model.layers) * moved / (real(link_of(r)) * (real(r.chip.link_thousandths) / 1000.0));
}

std::int64_t kv_values_per_layer(const ModelCard& m) {
  if (m.attention == Attention::mla) return m.kv_lora_rank + m.qk_rope_head_dim;
  return std::int64_t{2} * m.kv_heads * m.head_dim;
}

bool window_is_short(const ModelCard& m) { return m.sliding_layers > 0 && m.sliding_window < kShortWindow; }

// A prompt token and one that it attends to: 2 FLOPs a value of q k^T and 2 of p v, in the layers that keep all context
// (Hoffmann et al., Training Compute-Optimal Large Language Models, 2022, appendix F). A short window's pairs, and what
// MLA's k and v heads differ from head_dim by, are left out.
double flops_time_per_pair(const Replica& r) {
  const std::int64_t layers = r.model.full_layers + (window_is_short(r.model) ? 0 : r.model.sliding_layers);
  return 4.0 * real(layers * r.model.query_heads * r.model.head_dim) / flops_per_s(r.chip, Precision::bf16) / r.tp;
}

// Reading one token of context in the layers that keep all of it.
double kv_time_per_token(const Replica& r) {
  const std::int64_t layers = r.model.full_layers + (window_is_short(r.model) ? 0 : r.model.sliding_layers);
  return bytes(layers * kv_values_per_layer(r.model), r.kv) / kv_shards(r) / bytes_per_s(r.chip);
}

// What every decoding sequence reads in short windows, however long it is.
double window_reads_per_sequence(const Replica& r) {
  if (!window_is_short(r.model)) return 0.0;
  const std::int64_t values = r.model.sliding_layers * std::int64_t{r.model.sliding_window};
  return bytes(values * kv_values_per_layer(r.model), r.kv) / kv_shards(r) / bytes_per_s(r.chip);
}

}  // namespace

double expected_experts(std::int32_t experts, std::int32_t per_token, std::uint32_t tokens) {
  const double missed_by_one = 1.0 - real(per_token) / real(experts);
  double missed_by_all = 1.0, power = missed_by_one;
  for (std::uint32_t n = tokens; n > 0; n >>= 1) {
    if (n & 1) missed_by_all *= power;
    power *= power;
  }
  return real(experts) * (1.0 - missed_by_all);
}

std::vector<std::uint32_t> batch_edges(std::uint32_t max_sequences) {
  std::vector<std::uint32_t> edges;
  for (std::uint32_t edge = 1; edge < max_sequences;) {
    edges.push_back(edge);
    edge = edge < 8 ? edge * 2 : edge < 512 ? edge + 8 : edge + 64;
  }
  edges.push_back(max_sequences);
  return edges;
}

Refusal refusal_of(const Replica& r) {
  const auto heads = static_cast<std::uint32_t>(r.model.query_heads);
  if (heads % r.tp != 0)
    return {fmt::format("found {} query heads of {} over {} ranks", heads, r.model.id, r.tp),
            "accepted: a tp that divides them"};
  const auto kv_heads = static_cast<std::uint32_t>(r.model.kv_heads);
  if (kv_heads > 0 && kv_heads % r.tp != 0 && r.tp % kv_heads != 0)
    return {fmt::format("found {} KV heads of {} over {} ranks", kv_heads, r.model.id, r.tp),
            "accepted: a tp that divides them or is a multiple"};
  const std::int32_t domain = r.chip.scale_up_domain;
  const std::uint32_t most = domain > 1 ? static_cast<std::uint32_t>(domain) : 8;  // cards in a usual server
  if (r.tp > most)
    return {fmt::format("found {} ranks, {} reaches {} without a network", r.tp, r.chip.id, most),
            fmt::format("accepted: a tp of at most {}", most)};
  if (r.tp > 1 && link_of(r) == 0)
    return {fmt::format("found no link rate of {} in the catalogue", r.chip.id), "accepted: tp 1, or a table"};
  for (const Precision p : {r.weights, r.expert_weights})
    if (peak_flops(r.chip, p) == 0)
      return {fmt::format("found no FLOP/s of {} for {} in the catalogue", r.chip.id, name_of(p)),
              "accepted: another precision, or a table"};
  return {};
}

MemoryFit memory_fit(const Replica& r) {
  const auto bits = [](std::int64_t values, Precision p) { return Wide(values) * Wide(bits_per_128_values(p)); };
  const auto share = [](Wide n, std::int64_t parts) {  // rounded up
    return static_cast<std::int64_t>((n + Wide(parts) - 1) / Wide(parts));
  };
  const std::int64_t routed = r.model.routed_parameters();
  MemoryFit fit;
  fit.usable_bytes = r.chip.memory_bytes / 1000 * r.memory_thousandths - kReserveBytes;
  fit.weight_bytes = share(bits(r.model.total_parameters - routed, r.weights) + bits(routed, r.expert_weights),
                           r.tp * std::int64_t{1024});
  fit.state_bytes = share(Wide(r.model.linear_state_bytes) * r.max_sequences, r.tp);
  // The card's figure is for bf16.
  fit.kv_bytes_per_token =
      share(Wide(r.model.kv_bytes_per_token) * Wide(bits_per_128_values(r.kv)), kv_shards(r) * std::int64_t{128 * 16});
  const std::int64_t left = fit.usable_bytes - fit.weight_bytes - fit.state_bytes;
  fit.kv_tokens = left > 0 ? left / fit.kv_bytes_per_token : 0;
  return fit;
}

// A step reads all weights but the input embedding and the experts that nobody chose. A sequence's own FLOPs hide half
// behind that (assumed, as in the placement study that the catalogue's efficiencies are from: c3 = c1 / 2 + 8 us).
StepPhysics step_physics(const Replica& r, std::uint32_t n) {
  const double rate = bytes_per_s(r.chip);
  const std::int64_t routed = routed_active(r), dense = r.model.active_parameters - routed;
  StepPhysics s;
  s.dense.c1 = flops_time(r, dense, r.weights);
  s.dense.c0 = bytes(dense, r.weights) / r.tp / rate + real(n) * s.dense.c1 / 2.0;
  s.experts.c1 = flops_time(r, routed, r.expert_weights);
  if (r.model.experts > 0)
    s.experts.c0 = bytes(r.model.moe_layers * r.model.expert_parameters(), r.expert_weights) *
                       expected_experts(r.model.experts, r.model.experts_per_token, n) / r.tp / rate +
                   real(n) * s.experts.c1 / 2.0;
  s.attention = {.c0 = real(n) * window_reads_per_sequence(r),
                 .c1 = 0.0,
                 .c2 = kv_time_per_token(r),
                 .c4 = flops_time_per_pair(r)};
  const double fixed = seconds_of(r.chip.per_step) + real(r.model.layers) * seconds_of(r.chip.per_layer);
  const double latency = r.tp == 1 ? 0.0 : 2.0 * real(r.model.layers) * seconds_of(r.chip.per_allreduce);
  const double state = 2.0 * real(r.model.linear_state_bytes) / r.tp / rate;  // there and back
  s.rest.c1 = all_reduce_time_per_token(r);
  s.rest.c0 = fixed + latency + real(n) * (seconds_of(r.chip.per_sequence) + state + s.rest.c1);
  return s;
}

StepCost step_cost(const Replica& r, std::uint32_t error_permille) {
  CHECK(!refusal_of(r).any());
  const auto whole = [](const StepPhysics& s, double PartSeconds::* c) {
    return s.dense.*c + s.experts.*c + s.attention.*c + s.rest.*c;
  };
  std::vector<BatchBucket> buckets;
  for (const std::uint32_t edge : batch_edges(r.max_sequences))
    buckets.push_back({edge, rounded(whole(step_physics(r, edge), &PartSeconds::c0))});
  const StepPhysics one = step_physics(r, 1);
  return StepCost(std::move(buckets), rounded(whole(one, &PartSeconds::c1)), rounded(whole(one, &PartSeconds::c2)),
                  r.max_sequences, rounded(whole(one, &PartSeconds::c4) * 1024.0), error_permille);
}

}  // namespace yard
