#include "scheduler/cost/compile_kernels.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <vector>

#include "scheduler/base/input_error.h"
#include "scheduler/cost/kernel_table_text.h"

namespace yard {
namespace {

constexpr std::size_t kMostBytes = std::size_t{256} << 20;

std::string_view family_name(const KernelTable& table) {
  return kKernelFamilies[static_cast<std::size_t>(table.grids().front().category.family)];
}

std::string formats_of(const KernelTable& table) {
  std::vector<std::string_view> names;
  for (const KernelGrid& grid : table.grids()) {
    const std::string_view name = kKernelFormats[static_cast<std::size_t>(grid.category.format)];
    if (std::ranges::find(names, name) == names.end()) names.push_back(name);
  }
  return listed(names);
}

bool has_format(const KernelTable& table, Precision p) {
  const auto wanted = kernel_format(p);
  return wanted && std::ranges::any_of(table.grids(), [&](const KernelGrid& grid) {
           const KernelFormat has = grid.category.format;
           return has == *wanted || (p == Precision::fp8 && has == KernelFormat::fp8_block);
         });
}

}  // namespace

void PoolKernels::refuse(const FleetPool& pool, const std::string& found, const std::string& accepted) const {
  throw InputError(fleet_.file, pool.line, pool.path + ".kernels", found, "accepted: " + accepted);
}

const KernelTable& PoolKernels::table(const FleetPool& pool, const std::string& file) {
  const std::filesystem::path path = (std::filesystem::path(fleet_.file).parent_path() / file).lexically_normal();
  if (const auto known = tables_.find(path.string()); known != tables_.end()) return known->second;
  std::error_code no;
  if (!std::filesystem::exists(path, no))
    refuse(pool, fmt::format("found no file '{}'", printable(path.string())),
           "a file that switchyard cost fit --out wrote; a relative path lies beside the fleet file");
  KernelTable read = read_kernel_table(path.string(), read_file(path.string(), kMostBytes));
  return tables_.emplace(path.string(), std::move(read)).first->second;
}

void PoolKernels::check(const FleetPool& pool, const Replica& replica, const KernelTable& table,
                        const std::string& file) const {
  if (table.chip().id != replica.chip.id)
    refuse(pool, fmt::format("found a table of {} in '{}' for {}", table.chip().id, printable(file), replica.chip.id),
           fmt::format("a table of the pool's accelerator: switchyard cost fit --accelerator {}", replica.chip.id));
  const bool gemm = table.grids().front().category.family == KernelFamily::gemm;
  if (!gemm && replica.model.attention == Attention::mla)
    refuse(pool,
           fmt::format("found a table of {} in '{}' for {}, whose attention is MLA", family_name(table),
                       printable(file), replica.model.id),
           "a table of gemm");
  const Precision wanted = gemm ? replica.weights : replica.kv;
  if (!has_format(table, wanted))
    refuse(pool,
           fmt::format("found a table of {} in '{}' for {} of {}", formats_of(table), printable(file),
                       gemm ? "weights" : "a KV cache", name_of(wanted)),
           kernel_format(wanted) ? "a table with the pool's number format"
                                 : fmt::format("bf16 or fp8, or no table of {}", family_name(table)));
}

KernelStepCost PoolKernels::cost_of(const FleetPool& pool, const Replica& replica) {
  ReplicaKernels kernels;
  for (const std::string& file : pool.kernels) {
    const KernelTable& of = table(pool, file);
    check(pool, replica, of, file);
    const KernelFamily family = of.grids().front().category.family;
    const KernelTable*& place = family == KernelFamily::gemm               ? kernels.gemm
                                : family == KernelFamily::decode_attention ? kernels.decode
                                                                           : kernels.prefill;
    if (place) refuse(pool, fmt::format("found two tables of {}", family_name(of)), "one a family");
    place = &of;
  }
  return kernel_step_cost(replica, kernels, pool.cost_error_permille);
}

}  // namespace yard
