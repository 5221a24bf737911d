#include "scheduler/cost/collective.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "scheduler/base/check.h"
#include "scheduler/base/hash.h"
#include "scheduler/base/input_error.h"
#include "scheduler/cost/least_squares.h"

namespace yard {
namespace {

CollectiveFit row_of(const Exchange& e, const Accelerator& chip) {
  const double x = static_cast<double>(collective_roofline(e, chip).count()) / 1e12;
  return {1e-6, std::sqrt(x) * 1e-3, x};
}

double dot(const CollectiveFit& a, const CollectiveFit& b) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }

}  // namespace

Picoseconds collective_roofline(const Exchange& e, const Accelerator& chip) {
  CHECK(e.ranks > 1);
  const std::int64_t link = chip.scale_up_domain > 1 ? chip.scale_up_bytes_per_s : chip.host_link_bytes_per_s;
  const Wide passes = static_cast<Wide>(e.bytes) * (e.ranks - 1) * (e.what == Collective::all_reduce ? 2 : 1);
  return Picoseconds(static_cast<std::int64_t>(passes * 1'000'000'000'000 / e.ranks / static_cast<Wide>(link)));
}

CollectiveFit fit_collective(std::span<const Exchange> exchanges, const Accelerator& chip) {
  CHECK(exchanges.size() >= 3);
  std::vector<double> weight(exchanges.size(), 1.0);
  CollectiveFit fit{};
  for (int round = 0; round < 10; ++round) {
    NormalEquations<3> equations;
    for (std::size_t i = 0; i < exchanges.size(); ++i) {
      const double t = static_cast<double>(exchanges[i].cost.count()) / 1e12;
      equations.add(row_of(exchanges[i], chip), t, weight[i] / (t * t));
    }
    fit = equations.solve();
    for (std::size_t i = 0; i < exchanges.size(); ++i) {
      const double t = static_cast<double>(exchanges[i].cost.count()) / 1e12;
      weight[i] = 1.0 / std::max(std::abs(dot(row_of(exchanges[i], chip), fit) / t - 1.0), 0.03);
    }
  }
  return fit;
}

Picoseconds collective_time(const Exchange& e, const Accelerator& chip, const CollectiveFit& fit) {
  return Picoseconds(std::max<std::int64_t>(std::llround(dot(row_of(e, chip), fit) * 1e12), 1));
}

Exchanges read_exchanges(const CsvTable& table, const Accelerator& chip) {
  table.require({"op_name", "nccl_dtype", "num_gpus", "message_size", "latency"});
  Exchanges out;
  for (std::size_t i = 0; i < table.size(); ++i) {
    const CsvTable::Row row = table[i];
    const auto what = std::ranges::find(kCollectives, row["op_name"]);
    const auto ranks = row.whole("num_gpus"), elements = row.whole("message_size");
    const auto latency = row.decimal("latency");
    const auto refuse = [&](std::string_view why, std::string_view found) {
      out.refused.add(why, fmt::format("{}: '{}'", row.place(), printable(found)));
    };
    if (what == kCollectives.end())
      refuse("an unknown collective", row["op_name"]);
    else if (row["nccl_dtype"] != "half")
      refuse("a type whose size is not known", row["nccl_dtype"]);
    else if (!ranks || *ranks < 2 || *ranks > 1024)
      refuse("fewer than two ranks", row["num_gpus"]);
    else if (!elements || *elements < 1 || *elements > std::int64_t{1} << 40)
      refuse("no size", row["message_size"]);
    else if (!latency || !(*latency > 0) || !(*latency < 1e6))
      refuse("no time", row["latency"]);
    else {
      const Exchange e{static_cast<Collective>(what - kCollectives.begin()), static_cast<std::uint32_t>(*ranks),
                       *elements * 2, Picoseconds(std::llround(*latency * 1e9))};
      // A switch that adds up halves an all-reduce; nothing is faster than that.
      if (e.cost.count() * 2 < collective_roofline(e, chip).count())
        refuse("faster than the link", row["latency"]);
      else
        out.rows.push_back(e);
    }
  }
  return out;
}

}  // namespace yard
