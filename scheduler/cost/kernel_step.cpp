#include "scheduler/cost/kernel_step.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "scheduler/base/check.h"

namespace yard {
namespace {

double real(std::int64_t n) { return static_cast<double>(n); }
std::int64_t slice(std::int64_t n, std::uint32_t ranks) { return (n + ranks - 1) / ranks; }

// NOLINTNEXTLINE(bugprone-incorrect-roundings): never negative.
Picoseconds rounded(double seconds) { return Picoseconds(static_cast<std::int64_t>(seconds * 1e12 + 0.5)); }

// Weights that tokens, or sequences, are multiplied by: `count` times n x k on each rank.
struct Gemm {
  std::int64_t count, n, k, weights;  // `weights`: of all ranks and layers
  bool of_sequences = false;
};

// Queries, keys, values; attention's output; up and down, of dense layers and of shared experts; LM head.
std::array<Gemm, 7> gemms_of(const ModelCard& m, std::uint32_t tp) {
  const std::int64_t attends = m.attention == Attention::mla ? 0 : m.full_layers + m.sliding_layers;
  const std::int64_t queries = m.query_heads * std::int64_t{m.head_dim},
                     both = 2 * m.kv_heads * std::int64_t{m.head_dim};
  const std::int64_t own_kv = m.kv_heads == 0 ? 0 : 2 * slice(m.kv_heads, tp) * m.head_dim;
  const std::int64_t dense = m.layers - m.moe_layers, wide = m.intermediate, up = m.ffn_matrices - 1;
  const std::int64_t shares = m.shared_experts > 0 ? m.moe_layers : 0;
  const std::int64_t shared = m.shared_experts * std::int64_t{m.moe_intermediate};
  const auto weights = [&](std::int64_t layers, std::int64_t n) { return layers * n * m.hidden; };
  return {{{attends, slice(queries, tp) + own_kv, m.hidden, weights(attends, queries + both)},
           {attends, m.hidden, slice(queries, tp), weights(attends, queries)},
           {dense, up * slice(wide, tp), m.hidden, weights(dense, up * wide)},
           {dense, m.hidden, slice(wide, tp), weights(dense, wide)},
           {shares, up * slice(shared, tp), m.hidden, weights(shares, up * shared)},
           {shares, m.hidden, slice(shared, tp), weights(shares, shared)},
           {m.embeds ? 0 : 1, slice(m.vocab, tp), m.hidden, weights(m.embeds ? 0 : 1, m.vocab), true}}};
}

void add_kernel(ComposedStep& step, const KernelAnswer& kernel, std::int64_t count) {
  const double seconds = real(kernel.cost.count()) * real(count) / 1e12;
  step.seconds += seconds, step.measured += seconds;
  step.doubt += seconds * kernel.spread_permille / 1000.0;
  if (kernel.held) step.held += seconds;
}

// fp8 is by tensor or row, or else by block, where the table has but that.
KernelFormat format_in(const KernelTable& table, Precision p) {
  const auto wanted = kernel_format(p);
  CHECK(wanted.has_value());
  const bool has =
      std::ranges::any_of(table.grids(), [&](const KernelGrid& g) { return g.category.format == *wanted; });
  return has ? *wanted : KernelFormat::fp8_block;
}

}  // namespace

std::optional<KernelFormat> kernel_format(Precision p) {
  if (p == Precision::bf16) return KernelFormat::bf16;
  if (p == Precision::fp8) return KernelFormat::fp8;
  return {};
}

// ---- a step ---------------------------------------------------------------------------------------------------------

double KernelStep::covered() const {
  if (!kernels_.gemm) return 0.0;
  const ModelCard& m = replica_.model;
  std::int64_t weights = 0;
  for (const Gemm& gemm : gemms_of(m, replica_.tp)) weights += gemm.weights;
  const std::int64_t routed = std::int64_t{m.moe_layers} * m.experts_per_token * m.expert_parameters();
  return std::min(1.0, real(weights) / real(m.active_parameters - routed));
}

void KernelStep::add_gemm(ComposedStep& step, std::int64_t tokens, std::int64_t sequences) const {
  if (!kernels_.gemm) return;
  const KernelFormat format = format_in(*kernels_.gemm, replica_.weights);
  for (const Gemm& gemm : gemms_of(replica_.model, replica_.tp)) {
    if (gemm.count == 0) continue;
    const KernelShape shape{.category = {.family = KernelFamily::gemm, .format = format},
                            .m = gemm.of_sequences ? sequences : tokens,
                            .n = gemm.n,
                            .k = gemm.k};
    add_kernel(step, kernels_.gemm->at(shape), gemm.count);
  }
}

void KernelStep::add_attention(ComposedStep& step, const KernelTable& table, std::int64_t batch,
                               std::int64_t tokens) const {
  const ModelCard& m = replica_.model;
  for (const auto& [layers, window] : {std::pair{m.full_layers, 0}, std::pair{m.sliding_layers, m.sliding_window}}) {
    if (layers == 0) continue;
    const KernelShape shape{.category = {.family = table.grids().front().category.family,
                                         .format = format_in(table, replica_.kv),
                                         .head_dim = m.head_dim,
                                         .window = window},
                            .batch = batch,
                            .tokens = tokens,
                            .query_heads = slice(m.query_heads, replica_.tp),
                            .kv_heads = slice(m.kv_heads, replica_.tp)};
    add_kernel(step, table.at(shape), layers);
  }
}

void KernelStep::add_physics(ComposedStep& step, double seconds) const {
  step.seconds += seconds;
  step.doubt += seconds * physics_permille_ / 1000.0;
}

ComposedStep KernelStep::decode(std::uint32_t n, std::int64_t context) const {
  const StepPhysics physics = step_physics(replica_, n);
  ComposedStep step;
  add_gemm(step, n, n);
  add_physics(step, physics.dense.c0 * (1.0 - covered()) + physics.experts.c0 + physics.rest.c0);
  if (kernels_.decode)
    add_attention(step, *kernels_.decode, n, context);
  else
    add_physics(step, physics.attention.c0 + physics.attention.c2 * n * real(context));
  return step;
}

ComposedStep KernelStep::prompt(std::int64_t tokens) const {
  const StepPhysics physics = step_physics(replica_, 1);
  const auto whole = [&](const PartSeconds& part) { return part.c0 + part.c1 * real(tokens); };
  ComposedStep step = prompt_attention(tokens);
  add_gemm(step, tokens, 1);
  add_physics(step, whole(physics.dense) * (1.0 - covered()) + whole(physics.experts) + whole(physics.rest));
  return step;
}

ComposedStep KernelStep::prompt_attention(std::int64_t tokens) const {
  ComposedStep step;
  if (kernels_.prefill)
    add_attention(step, *kernels_.prefill, 1, tokens);
  else
    add_physics(step, step_physics(replica_, 1).attention.c4 * real(prefill_pairs(tokens, 0)));
  return step;
}

// ---- the line through it --------------------------------------------------------------------------------------------

namespace {

constexpr std::int64_t kFirstContext = 256, kLastContext = 16'384;

// Decodes of n sequences: what a step takes by the tokens that they hold, errors relative.
struct Line {
  struct Point {
    double tokens;
    ComposedStep step;
    double weight;
  };
  std::vector<Point> points;
  double weight = 0, tokens = 0, seconds = 0;  // means, weighted

  void add(double held, const ComposedStep& step) {
    points.push_back({held, step, 1.0 / (step.seconds * step.seconds)});
  }
  void take_means() {
    for (const Point& p : points)
      weight += p.weight, tokens += p.weight * p.tokens, seconds += p.weight * p.step.seconds;
    tokens /= weight, seconds /= weight;
  }
};

// What a step's cost says of steps, beside how they were composed.
struct Misses {
  double squares = 0, measured = 0, held = 0;
  std::int64_t n = 0;

  void add(double told, const ComposedStep& step) {
    const double off = told / step.seconds - 1.0, doubt = step.doubt / step.seconds;
    squares += off * off + doubt * doubt;
    measured += step.measured / step.seconds, held += step.held / step.seconds;
    ++n;
  }
  std::uint32_t permille(double sum) const { return static_cast<std::uint32_t>(1000.0 * sum / real(n) + 0.5); }
};

// The slope that errs least in relative terms: y = slope x.
struct Slope {
  double xy = 0, xx = 0;
  void add(double x, double y, double scale) { xy += x * y / (scale * scale), xx += x * x / (scale * scale); }
  double value() const { return std::max(xy / xx, 0.0); }
};

}  // namespace

KernelStepCost kernel_step_cost(const Replica& replica, const ReplicaKernels& kernels, std::uint32_t physics_permille) {
  const KernelStep step(replica, kernels, physics_permille);
  const std::vector<std::uint32_t> edges = batch_edges(replica.max_sequences);
  const std::int64_t room = memory_fit(replica).kv_tokens;
  std::vector<Line> lines(edges.size());
  double xy = 0, xx = 0;
  for (std::size_t b = 0; b < edges.size(); ++b) {
    Line& line = lines[b];
    for (std::int64_t context = kFirstContext; context <= kLastContext; context *= 2)
      if (context == kFirstContext || context * edges[b] <= room)
        line.add(real(context * edges[b]), step.decode(edges[b], context));
    line.take_means();
    for (const Line::Point& p : line.points) {
      xy += p.weight * (p.tokens - line.tokens) * (p.step.seconds - line.seconds);
      xx += p.weight * (p.tokens - line.tokens) * (p.tokens - line.tokens);
    }
  }
  const double c2 = xx > 0 ? std::max(xy / xx, 0.0) : step_physics(replica, 1).attention.c2;
  std::vector<BatchBucket> buckets;
  Misses misses;
  double c0_of_one = 0;
  for (std::size_t b = 0; b < edges.size(); ++b) {
    const double c0 = std::max(lines[b].seconds - c2 * lines[b].tokens, 0.0);
    if (b == 0) c0_of_one = c0;
    buckets.push_back({edges[b], rounded(c0)});
    for (const Line::Point& p : lines[b].points) misses.add(c0 + c2 * p.tokens, p.step);
  }
  Slope c4, c1;
  for (std::int64_t tokens = 2048; tokens <= 32'768; tokens *= 2) {
    const double seconds = step.prompt_attention(tokens).seconds;
    c4.add(real(prefill_pairs(tokens, 0)), seconds, seconds);
  }
  std::vector<std::pair<std::int64_t, ComposedStep>> prompts;
  for (std::int64_t tokens = 128; tokens <= 8192; tokens *= 2) {
    const ComposedStep prompt = step.prompt(tokens);
    c1.add(real(tokens), prompt.seconds - c0_of_one - c4.value() * real(prefill_pairs(tokens, 0)), prompt.seconds);
    prompts.emplace_back(tokens, prompt);
  }
  for (const auto& [tokens, prompt] : prompts)
    misses.add(c0_of_one + c1.value() * real(tokens) + c4.value() * real(prefill_pairs(tokens, 0)), prompt);
  const double error = 1000.0 * std::sqrt(misses.squares / real(misses.n));
  const auto permille = static_cast<std::uint32_t>(std::clamp(error + 0.5, real(KernelStepCost::kLeastError), 1000.0));
  return {.cost = StepCost(std::move(buckets), rounded(c1.value()), rounded(c2), replica.max_sequences,
                           rounded(c4.value() * 1024.0), permille),
          .measured_permille = misses.permille(misses.measured),
          .held_permille = misses.permille(misses.held)};
}

}  // namespace yard
