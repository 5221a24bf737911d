#include "scheduler/cost/deployment.h"

#include <algorithm>
#include <cmath>

#include "scheduler/base/check.h"
#include "scheduler/cost/physics.h"

namespace yard {
Replica replica_of(const Deployment& d, std::uint32_t max_sequences) {
  return {.model = *d.model,
          .chip = *d.chip,
          .tp = d.tp,
          .weights = d.weights,
          .expert_weights = d.expert_weights,
          .kv = d.kv,
          .max_sequences = max_sequences};
}

namespace {

constexpr double kMicrosecond = 1e-6;
constexpr std::int32_t kShortWindow = 1024;  // as physics.cpp has it

double real(std::int64_t n) { return static_cast<double>(n); }
double bytes(double values, Precision p) { return values * (real(bits_per_128_values(p)) / 1024.0); }

double peak(const Accelerator& chip, Precision p) {
  std::int64_t own = 0;
  if (p == Precision::fp4) own = chip.fp4_flops > 0 ? chip.fp4_flops : chip.fp8_flops;
  if (p == Precision::fp8) own = chip.fp8_flops;
  if (p == Precision::int8) own = chip.int8_ops;
  return real(own > 0 ? own : chip.bf16_flops);
}

double link(const Deployment& d) {
  return real(d.chip->scale_up_domain > 1 ? d.chip->scale_up_bytes_per_s : d.chip->host_link_bytes_per_s);
}

// log2, linear between powers of two: no libm where the same bits are wanted everywhere.
double log2_of_ranks(std::uint32_t ranks) {
  double log = 0.0;
  std::uint32_t power = 1;
  for (; power * 2 <= ranks; power *= 2) log += 1.0;
  return log + real(ranks - power) / real(power);
}

// The chance that nobody of n tokens chose an expert, n not whole: linear between whole numbers.
double experts_touched(const ModelCard& m, double tokens) {
  const auto low = static_cast<std::uint32_t>(std::max(tokens, 1.0));
  const double at = expected_experts(m.experts, m.experts_per_token, low);
  const double next = expected_experts(m.experts, m.experts_per_token, low + 1);
  return at + (next - at) * std::max(tokens - real(low), 0.0);
}

// What the rank with most of its touched experts has, over the mean.
double fullest_rank(const ModelCard& m, double touched, std::uint32_t ep) {
  if (ep == 1) return 1.0;
  const double mean = touched / ep, idle = 1.0 - touched / m.experts;
  const double fullest = 1.0 + std::sqrt(2.0 * 0.693 * log2_of_ranks(ep) * std::max(idle, 0.0) / mean);
  return std::min(fullest, real(ep));
}

}  // namespace

CostsByTerm term_costs(const Deployment& d, double n) {
  const ModelCard& m = *d.model;
  const double bandwidth = real(d.chip->memory_bytes_per_s), tp = d.tp, dp = d.dp, chips = d.chips();
  const double layers = m.layers, hidden = m.hidden;
  const double routed = real(std::int64_t{m.moe_layers} * m.experts_per_token * m.expert_parameters());
  const double dense = real(m.active_parameters) - routed;
  CostsByTerm t;
  const auto at = [&](Term term) -> TermCost& { return t[static_cast<std::size_t>(term)]; };
  // Stages follow each other: what one of them reads in turn adds up to all of it again.
  at(Term::dense_weights).c0 = bytes(dense, d.weights) / tp / bandwidth;
  if (m.experts > 0)
    at(Term::expert_weights).c0 = bytes(real(m.moe_layers * m.expert_parameters()), d.expert_weights) *
                                  experts_touched(m, n) * fullest_rank(m, experts_touched(m, n), d.ep) / (tp * dp) /
                                  bandwidth;
  const bool mla = m.attention == Attention::mla;
  const double values = mla ? m.kv_lora_rank + m.qk_rope_head_dim : 2.0 * m.kv_heads * m.head_dim;
  // Of whole heads: 8 on 24 ranks are on each as on 8, 32 on 24 take as long as on 16. In chips' worth of bandwidth.
  const double ranks = tp * d.cores, heads_of_fullest = std::ceil(real(m.kv_heads) / ranks);
  const double shards = mla ? 1.0 : real(m.kv_heads) / heads_of_fullest / d.cores;
  const bool is_short = m.sliding_layers > 0 && m.sliding_window < kShortWindow;
  const double full = m.full_layers + (is_short ? 0 : m.sliding_layers);
  at(Term::kv).c2 = bytes(full * values, d.kv) / shards / dp / bandwidth;
  at(Term::kv).c0 = n / dp * 2.0 * real(m.linear_state_bytes) / tp / bandwidth;
  if (is_short)
    at(Term::kv).c0 += n / dp * bytes(real(m.sliding_layers) * m.sliding_window * values, d.kv) / shards / bandwidth;
  const double a_token =
      2.0 * (dense / peak(*d.chip, d.weights) + routed / peak(*d.chip, d.expert_weights)) / (tp * dp);
  at(Term::compute) = {.c0 = n * a_token, .c1 = a_token};
  const double head_dim = mla ? 192.0 : m.head_dim;  // DeepSeek-V3's 128 + 64 of q k^T
  at(Term::attention).c4 = 4.0 * full * m.query_heads * head_dim / real(d.chip->bf16_flops) / (tp * dp);
  if (d.tp > 1) {
    const double moved = 2.0 * layers * 2.0 * (tp - 1.0) / tp * hidden * 2.0 / link(d) / dp;
    at(Term::all_reduce) = {.c0 = n * moved, .c1 = moved};
  }
  if (const std::uint32_t all = d.tp * d.cores * d.dp; all > 1)
    at(Term::hops).c0 = 2.0 * layers * log2_of_ranks(all) * 3.0 * kMicrosecond;
  at(Term::layers).c0 = layers * 40.0 * kMicrosecond;
  at(Term::moe_layers).c0 = m.moe_layers * 10.0 * kMicrosecond;
  at(Term::step).c0 = 500.0 * kMicrosecond;
  at(Term::sequences).c0 = n * 5.0 * kMicrosecond;
  const double activations = layers * hidden * 2.0 * 20.0 / chips / bandwidth;
  at(Term::activations) = {.c0 = n * activations, .c1 = activations};
  if (d.pp > 1) {
    const double handed = (d.pp - 1.0) * hidden * 2.0 / link(d);
    at(Term::stages) = {.c0 = n * handed + (d.pp - 1.0) * 10.0 * kMicrosecond, .c1 = handed};
  }
  return t;
}

std::array<double, kTerms.size()> step_seconds(const Deployment& d, const Steady& s) {
  const CostsByTerm terms = term_costs(d, s.sequences);
  std::array<double, kTerms.size()> seconds{};
  for (std::size_t i = 0; i < terms.size(); ++i)
    seconds[i] = terms[i].c0 + terms[i].c1 * s.prompt_tokens() + terms[i].c2 * s.context() + terms[i].c4 * s.pairs();
  return seconds;
}

}  // namespace yard
