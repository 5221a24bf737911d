#include "scheduler/cost/kernel_fit.h"

#include <algorithm>

#include "scheduler/base/check.h"
#include "scheduler/base/hash.h"

namespace yard {
namespace {

Log2 fixed(double octaves) {
  const double held = std::clamp(octaves, -20.0, 20.0) * kOctave;
  return static_cast<Log2>(held < 0.0 ? held - 0.5 : held + 0.5);
}

std::uint16_t permille(const KernelSurface::Guess& guess) {
  // An octave is a factor of two: 0.693 of the value, near it. Far neighbours are worth less.
  const double relative = 0.693 * guess.deviation * (1.0 + guess.nearest / 4.0);
  return static_cast<std::uint16_t>(std::clamp(relative * 1000.0 + 0.5, 10.0, 1000.0));
}

KernelGrid grid_of(const KernelSurface& surface, const KernelCategory& category, const KernelSamples& samples) {
  KernelGrid grid{.category = category, .axes = {}, .residual = {}, .spread = {}};
  for (const KernelSamples* known : {&samples, surface.relative(category)}) {
    if (!known) continue;
    for (const auto& [axis, slice] : known->slices())
      for (const KernelSamples::Sample& s : slice)
        for (std::size_t i = 0; i < 4; ++i) grid.axes[i].push_back(s.axes[i]);
  }
  for (auto& axis : grid.axes) {
    std::ranges::sort(axis);
    const auto [first, last] = std::ranges::unique(axis);
    axis.erase(first, last);
  }
  CHECK(grid.nodes() < std::size_t{1} << 26);
  grid.residual.reserve(grid.nodes()), grid.spread.reserve(grid.nodes());
  for (const Log2 a : grid.axes[0])
    for (const Log2 b : grid.axes[1])
      for (const Log2 c : grid.axes[2])
        for (const Log2 d : grid.axes[3]) {
          const KernelAxes axes = {a, b, c, d};
          if (const auto measured = surface.measured(category, axes)) {
            grid.residual.push_back(fixed(*measured)), grid.spread.push_back(10);
          } else {
            const KernelSurface::Guess guess = surface.at(category, axes);
            grid.residual.push_back(fixed(guess.value)), grid.spread.push_back(permille(guess));
          }
        }
  return grid;
}

std::vector<KernelFit> candidates(KernelFamily family) {
  std::vector<KernelFit> some;
  if (family == KernelFamily::gemm) {
    for (const double reach : {0.5, 0.7}) some.push_back({.octaves = {0.01, reach, reach, 1.0}, .ridge = 0.02});
    return some;
  }
  for (const double heads : {0.7, 1.0, 1.5})
    for (const double tokens : {0.1, 0.6}) some.push_back({.octaves = {tokens, 0.3, heads, heads}});
  return some;
}

}  // namespace

KernelTable fit_kernels(std::span<const KernelRow> rows, const Accelerator& chip, const KernelFit& fit) {
  const KernelSurface surface(rows, chip, fit);
  std::vector<KernelGrid> grids;
  for (const auto& [category, samples] : surface.categories()) grids.push_back(grid_of(surface, category, samples));
  return KernelTable(chip, surface.floor(), std::move(grids));
}

bool held_out(const KernelShape& shape, SplitBy by, std::uint64_t seed) {
  return mix64((by == SplitBy::layer ? layer_of(shape) : point_of(shape)) ^ mix64(seed)) % 5 == 0;
}

KernelFit best_fit(std::span<const KernelRow> rows, const Accelerator& chip, SplitBy by, std::uint64_t seed) {
  const std::uint64_t inner = mix64(seed ^ 0x696e6e6572);  // "inner"
  std::vector<KernelRow> known, asked;
  for (const KernelRow& row : rows) (held_out(row.shape, by, inner) ? asked : known).push_back(row);
  if (known.empty() || asked.empty()) return {};
  constexpr std::array<double, 5> kEchoes = {0.0, 0.4, 0.5, 0.6, 0.8};
  KernelFit best;
  double least = 1e300;
  for (const KernelFit& fit : candidates(rows.front().shape.category.family)) {
    const KernelSurface surface(known, chip, fit);
    std::array<double, kEchoes.size()> error{};
    for (std::size_t i = 0; i < asked.size(); i += 3) {  // every third will do
      const KernelShape& shape = asked[i].shape;
      if (!surface.has(shape.category)) continue;
      const Picoseconds ideal = kernel_roofline(shape, chip, surface.floor());
      const auto [plane, echo] = surface.parts(shape.category, axes_of(shape));
      for (std::size_t e = 0; e < kEchoes.size(); ++e) {
        const double ratio = static_cast<double>(scaled_by(ideal.count(), fixed(plane + kEchoes[e] * echo))) /
                             static_cast<double>(asked[i].cost.count());
        error[e] += ratio > 1.0 ? ratio - 1.0 : 1.0 - ratio;
      }
    }
    for (std::size_t e = 0; e < kEchoes.size(); ++e) {
      if (error[e] >= least) continue;
      least = error[e], best = fit;
      best.echo = kEchoes[e];
    }
  }
  return best;
}

}  // namespace yard
