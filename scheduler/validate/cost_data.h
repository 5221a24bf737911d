// The public measurements that costs are held against, found in a folder as ../shared/data lays them out.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "scheduler/cost/csv_table.h"
#include "scheduler/cost/kernel_rows.h"

namespace yard {

// The whole text of a file, unpacked where gzip made it. Errors: InputError.
std::string read_text(const std::string& path);

// A table in FOLDER/costs. Errors: InputError.
CsvTable cost_table(const std::string& folder, std::string_view name);

// The one whose name begins and ends so (versions lie between). Errors: InputError where there is none.
CsvTable cost_table_like(const std::string& folder, std::string_view begins, std::string_view ends);

// Kernels that vLLM 0.24 ran on a chip, `system` as aiconfigurator names it. Errors: InputError: none of that chip.
KernelRows vllm_kernels(const std::string& folder, std::string_view system, const Accelerator&, KernelFamily);

}  // namespace yard
