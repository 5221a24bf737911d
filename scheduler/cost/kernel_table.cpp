#include "scheduler/cost/kernel_table.h"

#include <algorithm>
#include <cstdlib>

#include "scheduler/base/check.h"

namespace yard {
namespace {

struct Bracket {
  std::size_t low = 0, high = 0;
  std::int64_t part = 0, whole = 1;
  Log2 beyond = 0;
};

Bracket bracket(const std::vector<Log2>& nodes, Log2 value) {
  if (value <= nodes.front()) return {.beyond = nodes.front() - value};
  if (value >= nodes.back()) return {nodes.size() - 1, nodes.size() - 1, 0, 1, value - nodes.back()};
  const auto above = static_cast<std::size_t>(std::ranges::upper_bound(nodes, value) - nodes.begin());
  return {above - 1, above, value - nodes[above - 1], nodes[above] - nodes[above - 1], 0};
}

std::int64_t octaves_apart(std::int64_t a, std::int64_t b) {
  return std::abs(log2_of(static_cast<std::uint64_t>(a)) - log2_of(static_cast<std::uint64_t>(b)));
}

// How unlike two categories are: another number format most, then a window that is none, then sizes in octaves.
std::int64_t unlike(const KernelCategory& a, const KernelCategory& b) {
  std::int64_t far = 0;
  if (a.format != b.format) far += 16 * kOctave;
  if ((a.window > 0) != (b.window > 0)) far += 4 * kOctave;
  if (a.window > 0 && b.window > 0) far += octaves_apart(a.window, b.window);
  if (a.head_dim > 0 && b.head_dim > 0) far += octaves_apart(a.head_dim, b.head_dim);
  return far;
}

}  // namespace

KernelTable::KernelTable(const Accelerator& chip, Picoseconds floor, std::vector<KernelGrid> grids)
    : chip_(chip), floor_(floor), grids_(std::move(grids)) {
  CHECK(!grids_.empty());
  std::ranges::sort(grids_, {}, &KernelGrid::category);
  for (const KernelGrid& grid : grids_) {
    CHECK(grid.nodes() > 0 && grid.residual.size() == grid.nodes() && grid.spread.size() == grid.nodes());
    CHECK(grid.category.family == grids_.front().category.family);
  }
}

const KernelGrid& KernelTable::nearest(const KernelCategory& category) const {
  return *std::ranges::min_element(grids_, {}, [&](const KernelGrid& g) { return unlike(g.category, category); });
}

KernelAnswer KernelTable::at(const KernelShape& shape) const {
  const KernelGrid& grid = nearest(shape.category);
  const KernelAxes axes = axes_of(shape);
  std::array<Bracket, 4> at;
  std::int64_t beyond = unlike(grid.category, shape.category);
  for (std::size_t i = 0; i < 4; ++i) {
    at[i] = bracket(grid.axes[i], axes[i]);
    beyond += at[i].beyond;
  }
  std::array<std::int64_t, 16> residual{}, spread{};
  for (std::size_t corner = 0; corner < 16; ++corner) {
    std::size_t node = 0;
    for (std::size_t i = 0; i < 4; ++i) node = node * grid.axes[i].size() + (corner >> i & 1 ? at[i].high : at[i].low);
    residual[corner] = grid.residual[node], spread[corner] = grid.spread[node];
  }
  for (std::size_t i = 4; i-- > 0;)  // folds the highest bit away
    for (std::size_t corner = 0; corner < std::size_t{1} << i; ++corner)
      for (auto* of : {&residual, &spread}) {
        const std::int64_t low = (*of)[corner], high = (*of)[corner + (std::size_t{1} << i)];
        (*of)[corner] = low + (high - low) * at[i].part / at[i].whole;
      }
  const Picoseconds ideal = kernel_roofline(shape, chip_, floor_);
  const std::int64_t cost = scaled_by(ideal.count(), static_cast<Log2>(residual[0]));
  const std::int64_t wide = spread[0] + std::min<std::int64_t>(beyond, 64 * kOctave) * kHeldPermille / kOctave;
  return {Picoseconds(std::max<std::int64_t>(cost, 1)),
          static_cast<std::uint32_t>(std::min<std::int64_t>(wide, kMostSpread)), beyond > 0};
}

std::uint64_t KernelTable::hash() const {
  DecisionHash hash;
  const auto add = [&](std::int64_t n) { hash.add(static_cast<std::uint64_t>(n)); };
  add(floor_.count());
  for (const KernelGrid& grid : grids_) {
    add(static_cast<std::int64_t>(grid.category.family) * 8 + static_cast<std::int64_t>(grid.category.format));
    add(grid.category.head_dim), add(grid.category.window);
    for (const auto& axis : grid.axes)
      for (const Log2 node : axis) add(node);
    for (const Log2 r : grid.residual) add(r);
    for (const std::uint16_t s : grid.spread) add(s);
  }
  return hash.value();
}

}  // namespace yard
