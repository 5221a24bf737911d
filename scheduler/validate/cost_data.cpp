#include "scheduler/validate/cost_data.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <vector>

#include "scheduler/base/input_error.h"
#include "scheduler/trace/lines.h"

namespace yard {

std::string read_text(const std::string& path) {
  LineReader lines(path);
  lines.allow_lines_of(std::size_t{1} << 20);
  std::string text;
  for (std::string_view line; lines.next(line);) {
    text += line;
    text += '\n';
  }
  return text;
}

CsvTable cost_table(const std::string& folder, std::string_view name) {
  const std::string path = fmt::format("{}/costs/{}", folder, name);
  return CsvTable(std::string(name), read_text(path));
}

CsvTable cost_table_like(const std::string& folder, std::string_view begins, std::string_view ends) {
  const std::filesystem::path at =
      std::filesystem::path(folder) / "costs" / std::filesystem::path(begins).parent_path();
  const std::string first = std::filesystem::path(begins).filename().string();
  std::vector<std::string> found;
  std::error_code no;
  for (const auto& entry : std::filesystem::directory_iterator(at, no)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(first) && name.ends_with(ends)) found.push_back(name);
  }
  if (found.empty())
    throw InputError(at.string(), 0, "", fmt::format("found no file {}*{}", first, ends),
                     "accepted: the folder with the public data, e.g. ../shared/data");
  std::ranges::sort(found);
  return CsvTable(found.back(), read_text((at / found.back()).string()));
}

KernelRows vllm_kernels(const std::string& folder, std::string_view system, const Accelerator& chip,
                        KernelFamily family) {
  constexpr std::array<std::string_view, 3> kWhat = {"gemm", "attention", "attention"};
  constexpr std::array<std::string_view, 3> kTable = {"gemm_perf.csv.gz", "generation_attention_perf.csv.gz",
                                                      "context_attention_perf.csv.gz"};
  const auto i = static_cast<std::size_t>(family);
  const CsvTable table =
      cost_table_like(folder, fmt::format("aiconfigurator/{}__{}__vllm__0.24", system, kWhat[i]), kTable[i]);
  return read_kernel_rows(table, family, chip);
}

}  // namespace yard
