// Costs beside what was measured: the claims of `switchyard cost validate`, each with its split of the data.
//
// Nothing is chosen on what is held out: splits are by layer, shape, model or system and by seed, and what a fit may
// choose it chooses on a second split inside what it was given. Threads: one a call.
#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "scheduler/cost/claims.h"
#include "scheduler/cost/kernel_fit.h"

namespace yard {

struct CostClaims {
  std::string folder = "../shared/data";
  std::uint64_t seed = 1;
};

// Errors, all: InputError: no such data.
Claim claim_operator(const CostClaims&, KernelFamily, SplitBy);             // of the H200's, a fifth held out
Claim claim_transfer(const CostClaims&, KernelFamily, std::size_t probes);  // of H100 tables and H200 probes

std::vector<Claim> claim_operators(const CostClaims&);    // every family and split
std::vector<Claim> claim_transfers(const CostClaims&);    // every family, 300 probes
std::vector<Claim> claim_collectives(const CostClaims&);  // NCCL by size
std::vector<Claim> claim_deployments(const CostClaims&);  // TPOT, a model left out; and five samples a cell
std::vector<Claim> claim_relatives(const CostClaims&);    // TPOT of keys that nobody measured, by what they share
std::vector<Claim> claim_composed(const CostClaims&);     // TPOT by kernels put together, where some were measured
std::vector<Claim> claim_ttft(const CostClaims&);         // TTFT through the simulator, by model and by chip and engine
std::vector<Claim> claim_intervals(const CostClaims&);    // coverage, before and after a slowdown
std::vector<Claim> claim_energy(const CostClaims&);       // joules a token, a model left out
std::vector<Claim> claim_published(const CostClaims&);    // chips with a few published points

struct NamedClaims {
  std::string_view name, meaning;
  std::vector<Claim> (*make)(const CostClaims&);
};
// What `--only` takes.
inline constexpr std::array kCostClaims = {
    NamedClaims{"operators", "kernels, a fifth of the shapes held out", claim_operators},
    NamedClaims{"transfer", "kernels of a new chip from a relative and 300 probes", claim_transfers},
    NamedClaims{"collectives", "NCCL, sizes left out", claim_collectives},
    NamedClaims{"deployments", "TPOT of real deployments, a model left out; five samples a cell", claim_deployments},
    NamedClaims{"relatives", "TPOT of keys left out, by relatives that share more and more of it", claim_relatives},
    NamedClaims{"composed", "TPOT of dense models by physics, and by measured kernels put together", claim_composed},
    NamedClaims{"ttft", "TTFT of real deployments through the simulator, a model left out", claim_ttft},
    NamedClaims{"intervals", "coverage of 90 % before and after a 1.3x slowdown", claim_intervals},
    NamedClaims{"energy", "joules a token, a model left out", claim_energy},
    NamedClaims{"published", "TPU, Trainium and Inferentia: from physics, and after one point a model",
                claim_published},
};

}  // namespace yard
