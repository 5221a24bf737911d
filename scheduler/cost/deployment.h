// A model served by an engine on some chips, and what a step of it costs: physics by terms, each with a weight of its
// own.
//
// A step is priced as Core prices it (step_cost.h): c0 by the sequences of the step, c1 a prompt token read, c2 a token
// of KV that is decoded over, c4 a pair of prompt tokens. Each term says what it adds to each. In a mixed step weights,
// launches and latencies are so paid once, and decodes on top of a prefill cost what they add.
//
// Terms and where they are from:
//   dense weights    bytes of the weights that every step reads, over tensor-parallel ranks, at the peak bandwidth
//                    (Pope et al., Efficiently Scaling Transformer Inference, 2022, section 2)
//   expert weights   the same of routed experts: of E with k a token, n tokens touch E (1 - (1 - k/E)^n) if all are
//                    equally likely. Sliced over ranks they are balanced; placed whole on ep of them, all wait for the
//                    rank with most: mean + deviation x sqrt(2 ln ep), of as many draws (Raab, Steger, Balls into Bins,
//                    1998; why fullest ranks matter: DeepSeek-V3 Technical Report, 2024, section 3.4)
//   kv               keys and values of the context: 2 x KV heads x head_dim values a token and full layer; ranks hold
//                    whole heads, one at least, and who has most of them sets the pace; of MLA kv_lora_rank +
//                    qk_rope_head_dim, on every rank (DeepSeek-AI, DeepSeek-V2, 2024, section 2.1); a short window's
//                    and linear attention's state are the same however long the context (Beltagy et al., Longformer,
//                    2020; Yang et al., Gated DeltaNet, 2024)
//   compute          2 FLOPs per weight and token (Kaplan et al., Scaling Laws, 2020, section 2.1)
//   attention        4 x query heads x head_dim FLOPs a pair of prompt tokens and full layer (Hoffmann et al., 2022,
//                    appendix F)
//   all-reduce       two of the hidden state a layer in bf16, a ring moving 2 (t - 1) / t of it through each link
//                    (Shoeybi et al., Megatron-LM, 2019, section 3; Thakur, Rabenseifner, Gropp, 2005)
//   hops             their latency: two a layer, growing with the logarithm of the ranks (ibid.)
//   layers, moe layers   kernel launches: a time a layer, more where it routes; by engine
//   step             what the engine does between steps
//   sequences        sampling and bookkeeping
//   activations      some 20 values of the hidden width a token and layer, written and read
//   stages           pipeline parallelism: a hidden state handed on between stages (Huang et al., GPipe, 2019)
// Doubles; what leaves is integers (priced()).
#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "scheduler/cost/model_card.h"
#include "scheduler/cost/physics.h"
#include "scheduler/cost/step_cost.h"
#include "topology/catalogue.h"

namespace yard {

enum class Engine : std::uint8_t { vllm, sglang, trtllm };
inline constexpr std::array<std::string_view, 3> kEngines = {"vllm", "sglang", "trtllm"};

struct Deployment {
  const ModelCard* model = nullptr;
  const Accelerator* chip = nullptr;
  Engine engine = Engine::vllm;
  Precision weights = Precision::bf16, expert_weights = Precision::bf16, kv = Precision::bf16;
  std::uint32_t tp = 1;     // tensor-parallel chips of attention
  std::uint32_t dp = 1;     // attention's data-parallel replicas; experts are spread over tp x dp
  std::uint32_t pp = 1;     // pipeline stages
  std::uint32_t ep = 1;     // ranks over which whole experts are placed; at most tp x dp
  std::uint32_t cores = 1;  // of a chip that are each a rank with its part of the chip's memory (NeuronCores)
  std::uint32_t chips() const { return tp * dp * pp; }
};

// One of its attention replicas, as physics has it.
Replica replica_of(const Deployment&, std::uint32_t max_sequences = 256);

enum class Term : std::uint8_t {
  dense_weights,
  expert_weights,
  kv,
  compute,
  attention,
  all_reduce,
  hops,
  layers,
  moe_layers,
  step,
  sequences,
  activations,
  stages
};
inline constexpr std::array<std::string_view, 13> kTerms = {
    "dense weights", "expert weights", "kv",   "compute",   "attention",   "all-reduce", "hops",
    "layers",        "moe layers",     "step", "sequences", "activations", "stages"};

// Seconds of one term at n sequences: a step of them takes c0 + c1 x prompt tokens + c2 x KV tokens + c4 x pairs.
struct TermCost {
  double c0 = 0, c1 = 0, c2 = 0, c4 = 0;
};
using CostsByTerm = std::array<TermCost, kTerms.size()>;

// Requires: a model and a chip whose peaks are known. At the full peaks; weights (calibration.h) say what is reached.
CostsByTerm term_costs(const Deployment&, double sequences);

// A steady state: so many sequences at once, each with so long a prompt and answer; a step reads as many prompt tokens
// as ends make room for.
struct Steady {
  double sequences = 1, prompt = 1, output = 1;
  double prompt_tokens() const { return sequences * prompt / output; }  // a step
  double pairs() const { return prompt_tokens() * prompt / 2; }
  double context() const { return sequences * (prompt + output / 2); }
};

// Seconds of each term in a step of that state.
std::array<double, kTerms.size()> step_seconds(const Deployment&, const Steady&);

}  // namespace yard
