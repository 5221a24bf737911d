// A replica's step put together of measured kernels, as its model's layers are, and of physics where none was measured.
//
// Of a decoder layer: GEMM of queries, keys and values together, of the attention's output, of the gated half and of
// the way down, each rank with its slice of heads and columns (Shoeybi et al., Megatron-LM, 2019, section 3), of shared
// experts likewise; attention over as many heads as a rank has, in full and in sliding layers apart. LM head once, by
// sequences. By physics (physics.h): routed experts, MLA's and linear attention's projections, norms and launches,
// links. A kernel that hides behind another is none of these: they follow each other on one stream.
//
// What Core reads is a line through that (step_cost.h). c2 and c0 by sequences: least squares of relative errors over
// decodes of batch_edges() sequences that hold 256, 512, ... 16,384 tokens each, as far as the KV pool can; c4: the
// same over prompts of 2,048 to 32,768 tokens, by their attention alone; then c1 over prompts of 128 to 8,192 tokens.
// How far off it says it is: root mean square over those decodes and prompts of what the line misses and of what the
// kernels' spreads and the error of physics make of the step, taken as one common error. Never below kLeastError.
//
// Doubles with + - * / and sqrt alone, in one order; what leaves is integers. Threads: any; nothing is kept.
#pragma once
#include <cstdint>
#include <optional>

#include "scheduler/cost/kernel_table.h"
#include "scheduler/cost/physics.h"

namespace yard {

// Tables of the replica's chip, one a family; null: by physics. They outlive what refers to them.
struct ReplicaKernels {
  const KernelTable* gemm = nullptr;
  const KernelTable* decode = nullptr;
  const KernelTable* prefill = nullptr;
};

// A number format as kernels have it; nothing where none does (int8, fp4, int4).
std::optional<KernelFormat> kernel_format(Precision);

struct ComposedStep {   // seconds
  double seconds = 0;   // all of it
  double measured = 0;  // said by measured kernels
  double held = 0;      // of that: by kernels that lie beyond what was measured
  double doubt = 0;     // one standard deviation, if all parts err alike
};

class KernelStep {
 public:
  // `physics_permille`: how far off physics is. Requires: what step_cost() does, and tables that have the replica's
  // formats. All outlive it.
  KernelStep(const Replica& replica, const ReplicaKernels& kernels, std::uint32_t physics_permille)
      : replica_(replica), kernels_(kernels), physics_permille_(physics_permille) {}

  // n sequences decode a token each, holding so many with it.
  ComposedStep decode(std::uint32_t n, std::int64_t context) const;
  // One prompt of so many tokens is read, nobody decodes.
  ComposedStep prompt(std::int64_t tokens) const;
  // Its attention alone.
  ComposedStep prompt_attention(std::int64_t tokens) const;

 private:
  // The share of the dense weights that a GEMM table prices.
  double covered() const;
  void add_gemm(ComposedStep&, std::int64_t tokens, std::int64_t sequences) const;
  void add_attention(ComposedStep&, const KernelTable&, std::int64_t batch, std::int64_t tokens) const;
  void add_physics(ComposedStep&, double seconds) const;

  const Replica& replica_;
  const ReplicaKernels kernels_;
  const std::uint32_t physics_permille_;
};

struct KernelStepCost {
  static constexpr std::uint32_t kLeastError = 100;  // permille; as cost_error_percent of a fleet file

  StepCost cost;
  // Of the time of the steps that it was made of: said by measured kernels, and by them beyond what was measured.
  std::uint32_t measured_permille = 0, held_permille = 0;
};
// Requires: as KernelStep, and room for one block of KV at least.
KernelStepCost kernel_step_cost(const Replica&, const ReplicaKernels&, std::uint32_t physics_permille);

}  // namespace yard
