// Measured kernels: tables as ai-dynamo/aiconfigurator publishes them, and as a calibration run writes its own.
//
// Columns. GEMM: gemm_dtype, m, n, k. Attention: batch_size, num_heads, num_key_value_heads, head_dim, kv_cache_dtype,
// window_size, and isl (prompts) or step (tokens in KV while decoding). All: latency in milliseconds, or latency_us, or
// latency and a column `unit` (s, ms, us, ns). Other columns are passed over.
//
// Refused row by row, with the first offenders: what is no number, sizes below 1 (m = 0), unknown formats and units, a
// time not above 0, a time shorter than the chip's peak FLOP/s allow, and a shape that stands there twice (kernels of
// other names for one shape: the first stays, as what an engine would take cannot be told).
#pragma once
#include <vector>

#include "scheduler/cost/csv_table.h"
#include "scheduler/cost/kernel_shape.h"
#include "scheduler/cost/refusals.h"

namespace yard {

struct KernelRow {
  KernelShape shape;
  Picoseconds cost;
};

struct KernelRows {
  std::vector<KernelRow> rows;
  Refusals refused;
};

// Errors: InputError where a column is missing.
KernelRows read_kernel_rows(const CsvTable&, KernelFamily, const Accelerator&);

}  // namespace yard
