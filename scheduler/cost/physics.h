// What a replica can hold and what its steps cost, from first principles: bytes over bandwidth, FLOPs over peak.
//
// A starting point where nothing was measured, and never more exact than the assumed efficiencies of the catalogue. Not
// in it: expert parallelism, imbalance among experts, pipeline parallelism.
// Memory is computed in integers. Times are computed in doubles with + - * / alone and rounded once, to whole
// picoseconds.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "scheduler/cost/model_card.h"
#include "scheduler/cost/step_cost.h"
#include "topology/catalogue.h"

namespace yard {

// One copy of a model on `tp` chips, and how its engine is set up. Refers to its card and chip.
struct Replica {
  const ModelCard& model;
  const Accelerator& chip;
  std::uint32_t tp = 1;  // tensor-parallel ranks
  Precision weights = Precision::bf16, expert_weights = Precision::bf16, kv = Precision::bf16;
  std::uint32_t max_sequences = 256;
  std::int32_t memory_thousandths = 900;  // of a chip's memory that the engine may use; vLLM's default is 0.9
};

// Kept free for activations, graphs and the runtime: 0.5 GiB a chip, assumed.
inline constexpr std::int64_t kReserveBytes = std::int64_t{512} << 20;

// Per chip of the replica.
struct MemoryFit {
  std::int64_t usable_bytes = 0;  // memory x utilization - reserve
  std::int64_t weight_bytes = 0;
  std::int64_t state_bytes = 0;  // of linear attention, for max_sequences
  std::int64_t kv_bytes_per_token = 0;
  std::int64_t kv_tokens = 0;  // what fits; 0 when the weights alone do not
};

// Why the replica cannot be built at all, whatever its memory; empty when it can. One line, with the remedy.
struct Refusal {
  std::string found, remedy;
  bool any() const { return !found.empty(); }
};
Refusal refusal_of(const Replica&);

// Requires, both: !refusal_of(replica).any().
MemoryFit memory_fit(const Replica&);
StepCost step_cost(const Replica&, std::uint32_t error_permille = 100);

// A step's parts in seconds, told apart by what measured kernels can stand in for: a step of n sequences takes the sum
// of c0 + c1 x prompt tokens + c2 x KV tokens + c4 x pairs of prompt tokens.
struct PartSeconds {
  double c0 = 0, c1 = 0, c2 = 0, c4 = 0;
};
struct StepPhysics {
  PartSeconds dense;      // weights that every token meets
  PartSeconds experts;    // routed ones
  PartSeconds attention;  // over the KV cache, and of prompts
  PartSeconds rest;       // launches, sampling, links, and linear attention's state
};
// Requires: !refusal_of(replica).any().
StepPhysics step_physics(const Replica&, std::uint32_t n);

// Sequences by which c0 is told apart, up to and with max_sequences: the batch sizes for which vLLM's V1 engine
// captures CUDA graphs and to which it pads (1, 2, 4, then multiples of 8 to 512; `cudagraph_capture_sizes`); beyond,
// by 64.
std::vector<std::uint32_t> batch_edges(std::uint32_t max_sequences);

// How many of E experts n tokens choose, k each, if all are equally likely: E (1 - (1 - k/E)^n).
double expected_experts(std::int32_t experts, std::int32_t per_token, std::uint32_t tokens);

}  // namespace yard
