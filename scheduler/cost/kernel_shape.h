// What one kernel is asked to do, and the least time that physics allows for it: integers throughout.
//
// Families: GEMM (C[m,n] = A[m,k] B[k,n]), attention of decoding sequences (one query token each over `tokens` in KV)
// and causal attention of prompts (`tokens` each). A category is what is told apart by name, not by size: number
// formats, head dimension, window. Within a category four figures vary, and tables have an axis for each.
#pragma once
#include <array>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "scheduler/base/units.h"
#include "scheduler/cost/fixed_log.h"
#include "topology/catalogue.h"

namespace yard {

enum class KernelFamily : std::uint8_t { gemm, decode_attention, prefill_attention };
inline constexpr std::array<std::string_view, 3> kKernelFamilies = {"gemm", "decode_attention", "prefill_attention"};

// fp8_block: scales per 128 x 128 values of the weights, as DeepSeek-V3 has them; its kernels are others.
enum class KernelFormat : std::uint8_t { bf16, fp8, fp8_block };
inline constexpr std::array<std::string_view, 3> kKernelFormats = {"bfloat16", "fp8", "fp8_block"};

struct KernelCategory {
  KernelFamily family = KernelFamily::gemm;
  KernelFormat format = KernelFormat::bf16;  // of both factors; of attention: the KV cache's
  std::int32_t head_dim = 0, window = 0;     // attention; window 0: none
  auto operator<=>(const KernelCategory&) const = default;
};
std::string name_of(const KernelCategory&);  // "gemm fp8", "decode_attention bfloat16 d128 w4096"

struct KernelShape {
  KernelCategory category;
  std::int64_t m = 0, n = 0, k = 0;                                   // gemm
  std::int64_t batch = 0, tokens = 0, query_heads = 0, kv_heads = 0;  // attention
};

// GEMM: m, n, k, 1. Attention: tokens, batch, KV heads, query heads per KV head. As logarithms.
using KernelAxes = std::array<Log2, 4>;
KernelAxes axes_of(const KernelShape&);
std::array<std::string_view, 4> axis_names(KernelFamily);

// The weights or heads that a model brings, whatever is batched: what splits of data hold out whole, all formats and
// all sizes of it together. The hash of GEMM's (n, k), of attention's (query heads, KV heads, head_dim, window).
std::uint64_t layer_of(const KernelShape&);
// The one point, formats together, and sizes that differ by one only (as m = 128 and 129 do) together.
std::uint64_t point_of(const KernelShape&);

// FLOPs: 2 m n k; of attention 2 for a value of q k^T and 2 of p v, a pair of tokens and query head (Hoffmann et al.,
// Training Compute-Optimal Large Language Models, 2022, appendix F), causal and inside the window.
// Bytes: each operand once (Williams, Waterman, Patterson, Roofline, CACM 2009).
Wide kernel_flops(const KernelShape&);
Wide kernel_bytes(const KernelShape&);

// The chip's dense FLOP/s for that category; bf16's where it has none of its own.
std::int64_t kernel_peak(const KernelCategory&, const Accelerator&);

// `floor`, plus the longer of FLOPs over peak and bytes over bandwidth: the roofline, which no kernel stays under but
// by what lies in its cache already. At least 1 ps. Requires: positive sizes, a known peak and bandwidth.
Picoseconds kernel_roofline(const KernelShape&, const Accelerator&, Picoseconds floor);

}  // namespace yard
