#include "scheduler/cost/kernel_transfer.h"

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "scheduler/base/hash.h"
#include "scheduler/cost/local_plane.h"

namespace yard {
namespace {

using Place = std::array<double, 6>;  // octaves of the four axes, of the head dimension and of the roofline

double square(double x) { return x * x; }

// `work`: of the roofline, ps: what is done, whichever way the sizes make it up.
Place place_of(const KernelCategory& category, const KernelAxes& axes, std::int64_t work) {
  Place place{};
  for (std::size_t i = 0; i < 4; ++i) place[i] = static_cast<double>(axes[i]) / kOctave;
  const std::int32_t dim = std::max(category.head_dim, 1);
  place[4] = static_cast<double>(log2_of(static_cast<std::uint64_t>(dim))) / kOctave;
  if (category.family == KernelFamily::gemm) return place;  // m, n and k say it already
  place[5] = static_cast<double>(log2_of(static_cast<std::uint64_t>(work))) / kOctave;
  return place;
}

// The shape at a node, whose sizes may be no whole numbers.
KernelShape shape_at(const KernelCategory& category, const KernelAxes& axes) {
  const auto size = [](Log2 log) { return std::max<std::int64_t>(scaled_by(1 << 20, log) >> 20, 1); };
  KernelShape s{.category = category};
  if (category.family == KernelFamily::gemm) {
    s.m = size(axes[0]), s.n = size(axes[1]), s.k = size(axes[2]);
  } else {
    s.tokens = size(axes[0]), s.batch = size(axes[1]), s.kv_heads = size(axes[2]);
    s.query_heads = size(axes[2] + axes[3]);
  }
  return s;
}

struct Probe {
  KernelFormat format;
  bool window;
  Place place;
  double off;  // log2(measured / the elder's word)
};

struct Reach {
  double octaves, ridge;
};

double difference(const std::vector<Probe>& probes, const Probe* without, const Probe& at, const Reach& reach) {
  const auto distance = [&](const Probe& p) {
    double q = p.format == at.format ? 0.0 : 2.0;
    if (p.window != at.window) q += 0.5;
    for (std::size_t i = 0; i < p.place.size(); ++i) q += square((p.place[i] - at.place[i]) / reach.octaves);
    return q;
  };
  double least = 1e300;
  for (const Probe& p : probes)
    if (&p != without) least = std::min(least, distance(p));
  LocalPlane<6> plane;
  for (const Probe& p : probes) {
    if (&p == without) continue;
    const double q = distance(p) - least;
    if (q >= 16.0) continue;
    double w = 1.0 - q / 16.0;
    for (int i = 0; i < 4; ++i) w *= w;
    if (w < 1e-4) continue;
    Place from;
    for (std::size_t i = 0; i < from.size(); ++i) from[i] = p.place[i] - at.place[i];
    plane.add(from, p.off, w);
  }
  return plane.size() == 0 ? 0.0 : plane.value(reach.ridge);
}

// Returns: the best reach, and the mean error in octaves of what is left out.
std::pair<Reach, double> best_reach(const std::vector<Probe>& probes) {
  std::pair<Reach, double> best{{2.0, 1.0}, std::numeric_limits<double>::max()};
  for (const double octaves : {0.7, 1.0, 1.5, 2.0, 3.0, 5.0})
    for (const double ridge : {0.3, 3.0, 1e6}) {
      double error = 0.0;
      for (const Probe& p : probes) {
        const double off = p.off - difference(probes, &p, p, {octaves, ridge});
        error += off > 0.0 ? off : -off;
      }
      error /= static_cast<double>(probes.size());
      if (error < best.second) best = {{octaves, ridge}, error};
    }
  return best;
}

}  // namespace

std::uint64_t probe_number(const KernelRow& row, std::uint64_t seed) {
  const auto format = static_cast<std::uint64_t>(row.shape.category.format);
  return mix64(point_of(row.shape) ^ mix64(seed + format) ^ static_cast<std::uint64_t>(row.shape.m));
}

std::vector<KernelRow> probes_of(std::span<const KernelRow> rows, std::size_t n, std::uint64_t seed) {
  std::vector<std::pair<std::uint64_t, std::size_t>> drawn;
  for (std::size_t i = 0; i < rows.size(); ++i) drawn.emplace_back(probe_number(rows[i], seed), i);
  std::ranges::sort(drawn);
  std::vector<KernelRow> probes;
  for (std::size_t i = 0; i < std::min(n, drawn.size()); ++i) probes.push_back(rows[drawn[i].second]);
  return probes;
}

KernelTable transfer_kernels(const KernelTable& elder, const Accelerator& to, std::span<const KernelRow> rows) {
  std::vector<KernelGrid> grids = elder.grids();
  const KernelTable alike(to, elder.floor(), grids);
  std::vector<Probe> probes;
  for (const KernelRow& row : rows) {
    const auto log = [](Picoseconds p) { return log2_of(static_cast<std::uint64_t>(p.count())); };
    const double off = static_cast<double>(log(row.cost) - log(alike.at(row.shape).cost)) / kOctave;
    const KernelCategory& c = row.shape.category;
    probes.push_back({c.format, c.window > 0,
                      place_of(c, axes_of(row.shape), kernel_roofline(row.shape, to, elder.floor()).count()), off});
  }
  const auto [reach, error] = best_reach(probes);
  for (KernelGrid& grid : grids) {
    const auto wider = probes.size() < 2 ? kUnprobedPermille
                                         : static_cast<std::uint16_t>(std::min(error * 0.693 * 1000.0 * 1.25, 1000.0));
    std::size_t node = 0;
    for (const Log2 a : grid.axes[0])
      for (const Log2 b : grid.axes[1])
        for (const Log2 c : grid.axes[2])
          for (const Log2 d : grid.axes[3]) {
            const std::int64_t work = kernel_roofline(shape_at(grid.category, {a, b, c, d}), to, elder.floor()).count();
            const Probe at{grid.category.format, grid.category.window > 0, place_of(grid.category, {a, b, c, d}, work),
                           0.0};
            if (!probes.empty()) {
              const double octaves = difference(probes, nullptr, at, reach) * kOctave;
              grid.residual[node] += static_cast<Log2>(octaves < 0.0 ? octaves - 0.5 : octaves + 0.5);
            }
            grid.spread[node] = static_cast<std::uint16_t>(std::min(grid.spread[node] + wider, 1000));
            ++node;
          }
  }
  return KernelTable(to, elder.floor(), std::move(grids));
}

}  // namespace yard
