// log2(time / roofline) of a kernel family between what was measured: a local plane, a relative, and an echo.
//
// The plane: through the neighbours in a category, weighed by distance (Cleveland, Robust Locally Weighted Regression,
// JASA 74, 1979). Distances are of what the kernel's grid of thread blocks sees: of decode attention tokens, batch x KV
// heads, KV heads and query heads per KV head; of prefill batch x query heads instead; of GEMM m, n, k. Beyond the data
// a plane is level: nothing is extrapolated by a slope.
// The relative: a category of few layers says only how it differs from its nearest relative with many, where that comes
// nearer to each of its layers left out.
// The echo: how far others are off their own planes. All of one layer share some; of GEMM with one m those that share n
// or share k (waves of tiles are as many); of attention those of one size in other categories.
//
// Doubles with + - * / and sqrt alone, in fixed order: the same from every compiler. Threads: immutable.
#pragma once
#include <map>
#include <optional>
#include <set>
#include <span>
#include <utility>
#include <vector>

#include "scheduler/cost/kernel_rows.h"

namespace yard {

struct KernelFit {
  std::array<double, 4> octaves = {0.1, 0.3, 1.0, 1.0};  // how far a neighbour reaches on each distance
  double ridge = 0.05;                                   // against slopes
  double echo = 0.4;                                     // share of the others' word that is believed
  std::size_t thin = 20;                                 // layers below which a category may lean on its relative
};

// What was measured of one category, sliced by its first axis.
class KernelSamples {
 public:
  using Place = std::array<double, 4>;  // octaves, as distances are taken
  struct Sample {
    KernelAxes axes;
    Place place;
    double value;  // log2(time / roofline)
    std::uint64_t layer;
  };
  struct Guess {
    double value = 0, deviation = 0;
    double nearest = 0;  // squared distance of the nearest neighbour, in reaches
  };

  void add(const Sample&);
  // From the neighbours but for those of layer `without` (0: none).
  Guess guess(const Place&, const KernelFit&, std::uint64_t without) const;
  // Returns: null where that place was not measured.
  const double* measured(const KernelAxes&) const;

  const std::map<Log2, std::vector<Sample>>& slices() const { return slices_; }
  std::size_t layers() const { return layers_.size(); }

 private:
  std::map<Log2, std::vector<Sample>> slices_;
  std::map<KernelAxes, double> by_axes_;
  std::set<std::uint64_t> layers_;
};

class KernelSurface {
 public:
  // Requires: rows of one family, at least one.
  KernelSurface(std::span<const KernelRow>, const Accelerator&, const KernelFit&);

  using Guess = KernelSamples::Guess;
  // Requires: a category that was measured.
  Guess at(const KernelCategory&, const KernelAxes&) const;
  // Without the echo; and the echo whole.
  std::pair<double, double> parts(const KernelCategory&, const KernelAxes&) const;
  // Returns: what was measured there, if anything was.
  std::optional<double> measured(const KernelCategory&, const KernelAxes&) const;

  bool has(const KernelCategory& category) const { return categories_.contains(category); }
  const std::map<KernelCategory, KernelSamples>& categories() const { return categories_; }
  // Returns: whose surface a thin category leans on; null where it needs none.
  const KernelSamples* relative(const KernelCategory&) const;
  Picoseconds floor() const { return floor_; }  // the shortest time of all

 private:
  struct Off {
    KernelCategory category;
    KernelAxes axes;
    double by;
  };
  using Key = std::pair<KernelCategory, KernelAxes>;  // an axis that does not matter is kAny

  KernelSamples::Place place_of(const KernelAxes&) const;
  void lean();
  void listen();
  double left_out_error(const KernelSamples&, const KernelFit&) const;
  KernelFit wide() const;
  double prior(const KernelCategory&, KernelAxes) const;
  Guess leaning(const KernelCategory&, const KernelAxes&, std::uint64_t without) const;
  std::vector<Key> keys(const KernelCategory&, const KernelAxes&) const;
  double worth(const Key&, const KernelCategory&, const KernelAxes&, const Off&) const;
  double echo(const KernelCategory&, const KernelAxes&) const;

  KernelFit fit_;
  KernelFamily family_;
  Picoseconds floor_;
  std::map<KernelCategory, KernelSamples> categories_;  // of a thin one, what differs from the relative
  std::map<KernelCategory, KernelCategory> relatives_;
  std::map<Key, std::vector<Off>> off_;
};

}  // namespace yard
