// What a kernel takes on one accelerator: the roofline times a utilisation from a dense table over octaves.
//
// A table has, for each category of its family, four ascending axes and at each node log2(time / roofline) and how far
// off that may be. Between nodes all axes are linear in logarithms; beyond the last node the utilisation is held, the
// roofline goes on, and the spread widens by kHeldPermille an octave. A category that was not measured takes the
// nearest that was, likewise wider. Nothing else is made up.
//
// Integers throughout: the same bits on every build. Threads: immutable.
// K1  every grid has at least one node on each axis, and as many residuals and spreads as nodes.
#pragma once
#include <cstdint>
#include <vector>

#include "scheduler/cost/kernel_shape.h"

namespace yard {

struct KernelGrid {
  KernelCategory category;
  std::array<std::vector<Log2>, 4> axes;
  std::vector<Log2> residual;         // node by node, the last axis fastest
  std::vector<std::uint16_t> spread;  // relative standard deviation, thousandths

  std::size_t nodes() const { return axes[0].size() * axes[1].size() * axes[2].size() * axes[3].size(); }
};

struct KernelAnswer {
  Picoseconds cost;
  std::uint32_t spread_permille = 0;
  bool held = false;  // somewhere beyond what was measured
};

class KernelTable {
 public:
  static constexpr std::uint32_t kHeldPermille = 100;
  static constexpr std::uint32_t kMostSpread = 2000;

  // `floor`: of the roofline, what a kernel takes that does nothing. Requires: K1, one family, at least one grid.
  KernelTable(const Accelerator&, Picoseconds floor, std::vector<KernelGrid> grids);

  // Requires: a shape of the table's family, sizes positive. Cost: O(log nodes an axis).
  KernelAnswer at(const KernelShape&) const;

  const std::vector<KernelGrid>& grids() const { return grids_; }
  Picoseconds floor() const { return floor_; }
  const Accelerator& chip() const { return chip_; }
  std::uint64_t hash() const;  // of every integer in it

 private:
  const KernelGrid& nearest(const KernelCategory&) const;

  Accelerator chip_;
  Picoseconds floor_;
  std::vector<KernelGrid> grids_;  // by category
};

}  // namespace yard
