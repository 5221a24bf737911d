// A kernel table as a file of whole numbers, and back: the same table bit for bit.
//
//   switchyard-kernel-table 1 CHIP FLOOR_PS GRIDS
//   grid FAMILY FORMAT HEAD_DIM WINDOW N0 N1 N2 N3
//   the nodes of each axis, in 2^-16 octaves; the residuals, likewise; the spreads, thousandths: a line each
//   end HASH
#pragma once
#include <string>

#include "scheduler/cost/kernel_table.h"

namespace yard {

std::string kernel_table_text(const KernelTable&);

// Errors: InputError: not such a file, cut short, damaged, of an unknown chip.
KernelTable read_kernel_table(const std::string& file, std::string_view text);

}  // namespace yard
