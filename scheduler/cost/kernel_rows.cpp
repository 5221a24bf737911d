#include "scheduler/cost/kernel_rows.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <set>
#include <tuple>

#include "scheduler/base/input_error.h"

namespace yard {
namespace {

constexpr std::int64_t kMostSize = std::int64_t{1} << 24;

// Why a row is refused: the reason, and what was found.
struct Fault {
  std::string_view reason;
  std::string found;
};

struct Reader {
  const CsvTable& table;
  KernelFamily family;
  const Accelerator& chip;
  std::optional<Fault> fault = std::nullopt;

  void refuse(std::string_view reason, std::string found) {
    if (!fault) fault = Fault{reason, std::move(found)};
  }

  std::int64_t size(const CsvTable::Row& row, std::string_view column, std::int64_t least = 1) {
    const auto n = row.whole(column);
    if (!n)
      refuse("no whole number", fmt::format("{} = '{}'", column, printable(row[column])));
    else if (*n < least)
      refuse("a size below 1", fmt::format("{} = {}", column, *n));
    else if (*n > kMostSize)
      refuse("a size above 2^24", fmt::format("{} = {}", column, *n));
    return n.value_or(0);
  }

  KernelFormat format(const CsvTable::Row& row, std::string_view column) {
    const auto at = std::ranges::find(kKernelFormats, row[column]);
    if (at == kKernelFormats.end())
      refuse("an unknown format", fmt::format("{} = '{}'", column, printable(row[column])));
    return static_cast<KernelFormat>(at == kKernelFormats.end() ? 0 : at - kKernelFormats.begin());
  }

  KernelShape shape(const CsvTable::Row& row) {
    KernelShape s;
    s.category.family = family;
    if (family == KernelFamily::gemm) {
      s.category.format = format(row, "gemm_dtype");
      s.m = size(row, "m"), s.n = size(row, "n"), s.k = size(row, "k");
      return s;
    }
    s.category.format = format(row, "kv_cache_dtype");
    s.category.head_dim = static_cast<std::int32_t>(size(row, "head_dim"));
    if (table.has("window_size")) s.category.window = static_cast<std::int32_t>(size(row, "window_size", 0));
    s.batch = size(row, "batch_size");
    s.query_heads = size(row, "num_heads"), s.kv_heads = size(row, "num_key_value_heads");
    s.tokens = size(row, family == KernelFamily::prefill_attention ? "isl" : "step");
    if (!fault && s.query_heads % s.kv_heads != 0)
      refuse("heads that do not divide", fmt::format("{} query heads over {} KV heads", s.query_heads, s.kv_heads));
    return s;
  }

  Picoseconds time(const CsvTable::Row& row) {
    constexpr std::array<std::pair<std::string_view, double>, 4> kUnits = {
        {{"s", 1e12}, {"ms", 1e9}, {"us", 1e6}, {"ns", 1e3}}};
    const bool in_microseconds = table.has("latency_us");
    std::string_view unit = in_microseconds ? "us" : table.has("unit") ? row["unit"] : "ms";
    const std::string_view column = in_microseconds ? "latency_us" : "latency";
    const auto known = std::ranges::find(kUnits, unit, &std::pair<std::string_view, double>::first);
    const auto latency = row.decimal(column);
    if (known == kUnits.end())
      refuse("an unknown unit", fmt::format("unit = '{}'", printable(unit)));
    else if (!latency || !std::isfinite(*latency))
      refuse("no time", fmt::format("{} = '{}'", column, printable(row[column])));
    else if (*latency * known->second < 1.0 || *latency * known->second > 1e15)
      refuse("a time not above 0 or over 1,000 s", fmt::format("{} = {}", column, *latency));
    else
      return Picoseconds(static_cast<std::int64_t>(std::llround(*latency * known->second)));
    return {};
  }

  void hold_against_peak(const KernelShape& s, Picoseconds cost) {
    if (fault) return;
    const Wide least = kernel_flops(s) * 1'000'000'000'000 / static_cast<Wide>(kernel_peak(s.category, chip));
    if (static_cast<Wide>(cost.count()) < least)
      refuse("faster than the chip's peak", fmt::format("{} us where {} takes {} us", cost.count() / 1'000'000, chip.id,
                                                        static_cast<std::int64_t>(least / 1'000'000)));
  }
};

}  // namespace

KernelRows read_kernel_rows(const CsvTable& table, KernelFamily family, const Accelerator& chip) {
  if (!table.has("latency_us")) table.require({"latency"});
  if (family == KernelFamily::gemm)
    table.require({"gemm_dtype", "m", "n", "k"});
  else
    table.require({"batch_size", "num_heads", "num_key_value_heads", "head_dim", "kv_cache_dtype"});
  if (family == KernelFamily::decode_attention) table.require({"step"});
  if (family == KernelFamily::prefill_attention) table.require({"isl"});
  KernelRows out;
  std::set<std::pair<KernelCategory, KernelAxes>> seen;
  for (std::size_t i = 0; i < table.size(); ++i) {
    const CsvTable::Row row = table[i];
    Reader reader{table, family, chip};
    if (!row.of_full_width()) reader.refuse("not as many cells as the heading", "another width");
    const KernelShape shape = reader.shape(row);
    const Picoseconds cost = reader.time(row);
    reader.hold_against_peak(shape, cost);
    if (!reader.fault && !seen.emplace(shape.category, axes_of(shape)).second)
      reader.refuse("a shape twice", name_of(shape.category));
    if (reader.fault)
      out.refused.add(reader.fault->reason, row.place() + ": " + reader.fault->found);
    else
      out.rows.push_back({shape, cost});
  }
  return out;
}

}  // namespace yard
