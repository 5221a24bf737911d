// What a running system has shown of costs, in integers: a scale for each term, an error, and how it is spread. It is
// all of learning that enters decisions.
#pragma once
#include <algorithm>
#include <array>
#include <cstdint>

#include "scheduler/base/quantile.h"

namespace yard {

// What a step is made of, as StepCost has it: c0 of one sequence (weights, launches), what more sequences add to c0, KV
// that is read (c2), prompt tokens read (c1), and the pairs that these attend to (c4).
enum class CostTerm : std::uint8_t { fixed, sequences, kv, prefill, pairs };
inline constexpr std::size_t kCostTerms = 5;

// By term: 1/1024 of what was said of it before anything was measured.
using CostScales = std::array<std::uint32_t, kCostTerms>;
inline constexpr std::uint32_t kCostAsSaid = 1024, kLeastCostScale = 1, kMostCostScale = 1u << 30;
inline constexpr CostScales kCostsAsSaid = {kCostAsSaid, kCostAsSaid, kCostAsSaid, kCostAsSaid, kCostAsSaid};

// Of runs of corrected costs, in permille: with each probability one takes at most so many times what it should; and of
// the error, what stays with a device from run to run (the rest is new in each, and averages out).
struct CostSpread {
  std::array<std::uint32_t, kQuantiles> quantiles{};  // q50, q90, q99; all 0: nobody knows, they follow from the error
  std::uint32_t common = 0;                           // at most the error, where quantiles are known
  bool known() const { return quantiles[0] > 0; }
  bool operator==(const CostSpread&) const = default;
};
inline constexpr std::uint32_t kMostSpread = 64'000;

// Known or not, and in order.
constexpr bool in_bounds(const CostSpread& s) {
  return s.quantiles[0] <= s.quantiles[1] && s.quantiles[1] <= s.quantiles[2] && s.quantiles[2] <= kMostSpread &&
         s.common <= kMostSpread && (s.quantiles[0] > 0 || s == CostSpread{});
}

// What an error says of it, where nothing else does: a normal distribution, all of which stays.
constexpr CostSpread spread_by(std::uint32_t error_permille) {
  return {.quantiles = {1000, 1000 + error_permille * 1282 / 1000, 1000 + error_permille * 2326 / 1000},
          .common = error_permille};
}

// How a row differs from what was said of it.
struct CorrectedBy {
  CostScales scales = kCostsAsSaid;
  std::uint32_t error_permille = 0;  // of a run so corrected: relative standard deviation
  CostSpread spread{};
  bool operator==(const CorrectedBy&) const = default;
};

constexpr bool in_bounds(const CostScales& scales) {
  return std::ranges::all_of(scales, [](std::uint32_t s) { return s >= kLeastCostScale && s <= kMostCostScale; });
}

inline constexpr std::int64_t kMostScaled = std::int64_t{1} << 61;  // ps: 27 days

constexpr std::int64_t scaled(std::int64_t cost, std::uint32_t scale) {
  if (cost / kCostAsSaid >= kMostScaled / scale) return kMostScaled;
  return cost / kCostAsSaid * scale + cost % kCostAsSaid * scale / kCostAsSaid;
}
// What costs are corrected by where they are to hold with a probability: every term takes as much longer.
constexpr CorrectedBy at_quantile(const CorrectedBy& by, Quantile asked) {
  if (asked == Quantile::none) return by;
  const CostSpread spread = by.spread.known() ? by.spread : spread_by(by.error_permille);
  CorrectedBy is = by;
  for (std::uint32_t& scale : is.scales)
    scale = static_cast<std::uint32_t>(std::clamp<std::uint64_t>(
        std::uint64_t{scale} * spread.quantiles[place_of(asked)] / 1000, kLeastCostScale, kMostCostScale));
  return is;
}

constexpr std::int64_t scaled(std::int64_t cost, const CostScales& scales, CostTerm term) {
  return scaled(cost, scales[static_cast<std::size_t>(term)]);
}
// Of a step's c0, where that of one sequence is `one`: told apart as terms_of() does.
constexpr std::int64_t scaled_c0(std::int64_t c0, std::int64_t one, const CostScales& scales) {
  if (c0 < one) return scaled(c0, scales, CostTerm::fixed);
  return scaled(one, scales, CostTerm::fixed) + scaled(c0 - one, scales, CostTerm::sequences);
}

}  // namespace yard
