// Measured deployments: aiconfigurator's measured_ttft_tpot.csv, its aggregated rows.
//
// Columns: backend, model_path, system, precision, mode, isl, osl, batch_size, tp_size, pp_size, attention_dp_size,
// moe_tp_size, moe_ep_size, silicon_ttft_ms, silicon_tpot_ms, silicon_data_source (which may say
// silicon_concurrency=N).
//
// What is known to be wrong with it, and what is done. tp_size above 8 beside expert parallelism is the product of both
// (16 = 4 x 4, 64 = 8 x 8 on servers of 8): divided by moe_ep_size. Likewise attention_dp_size. The same measurement
// stands under two names of one shape (DeepSeek-R1 and V3): the second is refused. Speculative decoding and the
// engine's version are not told apart, so a noise floor remains.
//
// Refused row by row: other modes are passed over; unknown model, chip, engine, precision; no concurrency; sizes or
// times below 0; ranks that do not divide the heads.
#pragma once
#include <string>
#include <vector>

#include "scheduler/cost/calibration.h"
#include "scheduler/cost/csv_table.h"
#include "scheduler/cost/refusals.h"

namespace yard {

struct DeploymentRows {
  std::vector<Measured> rows;
  Refusals refused;
};

// The card by which a shape is known: one for DeepSeek-V3 and R1. Returns: null where there is none.
const ModelCard* shape_of(std::string_view model);

// Errors: InputError where a column is missing.
DeploymentRows read_deployments(const CsvTable&);

}  // namespace yard
