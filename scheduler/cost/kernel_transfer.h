// A new accelerator starts from its nearest relative: that one's utilisation on the new roofline, and what a few
// hundred probes say about how it differs.
//
// The difference in log2 is a local plane over octaves, whatever the category but for its number format; how far a
// probe reaches is what errs least on the probes left out one by one.
#pragma once
#include <span>

#include "scheduler/cost/kernel_rows.h"
#include "scheduler/cost/kernel_table.h"

namespace yard {

// Requires: rows of the elder's family. Without probes: the elder's utilisation, all spreads wider by
// kUnprobedPermille.
KernelTable transfer_kernels(const KernelTable& elder, const Accelerator& to, std::span<const KernelRow> probes);
inline constexpr std::uint16_t kUnprobedPermille = 150;

// `n` of the rows, by seed: those with the smallest numbers, the same whatever their order.
std::uint64_t probe_number(const KernelRow&, std::uint64_t seed);
std::vector<KernelRow> probes_of(std::span<const KernelRow> rows, std::size_t n, std::uint64_t seed);

}  // namespace yard
