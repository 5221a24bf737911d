// Measured kernels become a dense table (kernel_table.h) by way of a surface (kernel_surface.h).
//
// A node takes what was measured at it; where nothing was, what the surface says. Rounded once, to 2^-16 octaves.
#pragma once
#include <span>

#include "scheduler/cost/kernel_rows.h"
#include "scheduler/cost/kernel_surface.h"
#include "scheduler/cost/kernel_table.h"

namespace yard {

// Requires: rows of one family, at least one.
KernelTable fit_kernels(std::span<const KernelRow> rows, const Accelerator&, const KernelFit&);

// A fifth of the layers or of the points (kernel_shape.h), by seed.
enum class SplitBy : std::uint8_t { layer, point };
bool held_out(const KernelShape&, SplitBy, std::uint64_t seed);

// The fit among some that errs least on a fifth of `rows`, held out once more by another seed. What is to be held
// against the data afterwards must not be in `rows`.
KernelFit best_fit(std::span<const KernelRow> rows, const Accelerator&, SplitBy, std::uint64_t seed);

}  // namespace yard
