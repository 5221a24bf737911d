#include "scheduler/cost/kernel_shape.h"

#include <fmt/format.h>

#include <algorithm>

namespace yard {
namespace {

Wide wide(std::int64_t n) { return static_cast<Wide>(n); }

bool is_gemm(const KernelShape& s) { return s.category.family == KernelFamily::gemm; }
std::int64_t value_bytes(KernelFormat f) { return f == KernelFormat::bf16 ? 2 : 1; }

// Tokens that a token may look back at, itself included.
std::int64_t reach(const KernelShape& s) {
  return s.category.window > 0 ? std::min<std::int64_t>(s.tokens, s.category.window) : s.tokens;
}

// (token, token that it attends to), of one sequence and head.
std::int64_t pairs(const KernelShape& s) {
  const std::int64_t w = reach(s);
  if (s.category.family == KernelFamily::decode_attention) return w;
  return w * (w + 1) / 2 + (s.tokens - w) * w;
}

std::uint64_t hashed(std::initializer_list<std::int64_t> words) {
  DecisionHash hash;
  for (const std::int64_t word : words) hash.add(static_cast<std::uint64_t>(word));
  return hash.value();
}

}  // namespace

std::string name_of(const KernelCategory& c) {
  std::string name = fmt::format("{} {}", kKernelFamilies[static_cast<std::size_t>(c.family)],
                                 kKernelFormats[static_cast<std::size_t>(c.format)]);
  if (c.head_dim > 0) name += fmt::format(" d{}", c.head_dim);
  if (c.window > 0) name += fmt::format(" w{}", c.window);
  return name;
}

KernelAxes axes_of(const KernelShape& s) {
  const auto log = [](std::int64_t n) { return log2_of(static_cast<std::uint64_t>(n)); };
  if (is_gemm(s)) return {log(s.m), log(s.n), log(s.k), 0};
  return {log(s.tokens), log(s.batch), log(s.kv_heads), log(s.query_heads) - log(s.kv_heads)};
}

std::array<std::string_view, 4> axis_names(KernelFamily family) {
  if (family == KernelFamily::gemm) return {"m", "n", "k", "-"};
  return {"tokens", "batch", "kv_heads", "query_heads/kv_heads"};
}

std::uint64_t layer_of(const KernelShape& s) {
  if (is_gemm(s)) return hashed({0, s.n, s.k});
  return hashed({1, s.query_heads, s.kv_heads, s.category.head_dim, s.category.window});
}

std::uint64_t point_of(const KernelShape& s) {
  const auto paired = [](std::int64_t n) { return n > 17 ? n / 2 : n; };  // 16 and 17 are two: tiles end at 16
  if (is_gemm(s)) return hashed({0, paired(s.m), s.n, s.k});
  return hashed({1, s.batch, s.tokens, s.query_heads, s.kv_heads, s.category.head_dim, s.category.window});
}

Wide kernel_flops(const KernelShape& s) {
  if (is_gemm(s)) return 2 * wide(s.m) * wide(s.n) * wide(s.k);
  return 4 * wide(s.batch) * wide(s.query_heads) * wide(s.category.head_dim) * wide(pairs(s));
}

Wide kernel_bytes(const KernelShape& s) {
  const std::int64_t each = value_bytes(s.category.format);
  if (is_gemm(s)) return (wide(s.m) * wide(s.k) + wide(s.n) * wide(s.k)) * wide(each) + 2 * wide(s.m) * wide(s.n);
  const bool decodes = s.category.family == KernelFamily::decode_attention;
  const Wide cached = 2 * wide(s.kv_heads) * wide(each) * wide(decodes ? reach(s) : s.tokens);
  const Wide queries = 4 * wide(s.query_heads) * wide(decodes ? 1 : s.tokens);  // in and out, 2 bytes each
  return wide(s.batch) * wide(s.category.head_dim) * (cached + queries);
}

std::int64_t kernel_peak(const KernelCategory& c, const Accelerator& chip) {
  return c.format != KernelFormat::bf16 && chip.fp8_flops > 0 ? chip.fp8_flops : chip.bf16_flops;
}

Picoseconds kernel_roofline(const KernelShape& s, const Accelerator& chip, Picoseconds floor) {
  constexpr Wide kPicoseconds = 1'000'000'000'000;
  const Wide compute = kernel_flops(s) * kPicoseconds / wide(kernel_peak(s.category, chip));
  const Wide memory = kernel_bytes(s) * kPicoseconds / wide(chip.memory_bytes_per_s);
  constexpr Wide kMost = Wide{1} << 55;
  const Wide longer = std::min(std::max({compute, memory, Wide{1}}), kMost);
  return Picoseconds(static_cast<std::int64_t>(longer)) + floor;
}

}  // namespace yard
