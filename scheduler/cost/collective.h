// What chips take to exchange bytes: latency, a middle, and the link.
//
// Seconds = w0 + w1 sqrt(x) + w2 x, where x is the link's own time for what passes through one rank: of n bytes over g
// ranks 2 (g - 1) / g n of an all-reduce, (g - 1) / g n of an all-gather, a reduce-scatter and an all-to-all (Thakur,
// Rabenseifner, Gropp, Optimization of Collective Communication Operations in MPICH, 2005). The latency is Hockney's;
// the root bridges sizes at which a link is half used. w2 below 1 is a switch that adds up itself (NVLink SHARP), which
// passes n bytes instead of twice.
// Doubles; the answer is integer picoseconds.
#pragma once
#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "scheduler/base/units.h"
#include "scheduler/cost/csv_table.h"
#include "scheduler/cost/refusals.h"
#include "topology/catalogue.h"

namespace yard {

enum class Collective : std::uint8_t { all_reduce, all_gather, reduce_scatter, all_to_all };
inline constexpr std::array<std::string_view, 4> kCollectives = {"all_reduce", "all_gather", "reduce_scatter",
                                                                 "alltoall"};

struct Exchange {
  Collective what = Collective::all_reduce;
  std::uint32_t ranks = 2;
  std::int64_t bytes = 0;  // each rank's buffer
  Picoseconds cost;        // measured
};

using CollectiveFit = std::array<double, 3>;  // of one collective over one number of ranks

// The link's own time, at its peak. Requires: at least two ranks, a known link.
Picoseconds collective_roofline(const Exchange&, const Accelerator&);

// Least squares of relative errors, iteratively reweighted to the absolute. Requires: at least three exchanges.
CollectiveFit fit_collective(std::span<const Exchange>, const Accelerator&);
Picoseconds collective_time(const Exchange&, const Accelerator&, const CollectiveFit&);

struct Exchanges {
  std::vector<Exchange> rows;
  Refusals refused;
};

// NCCL as ai-dynamo/aiconfigurator publishes it: op_name, nccl_dtype, num_gpus, message_size, latency in milliseconds.
// message_size counts elements, not bytes: of `half` two bytes each; other types are refused, since theirs is not
// known.
Exchanges read_exchanges(const CsvTable&, const Accelerator&);

}  // namespace yard
