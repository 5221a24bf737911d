// What a running system has shown of costs, in integers: a scale for each term and an error. It is all of learning that
// enters decisions.
#pragma once
#include <algorithm>
#include <array>
#include <cstdint>

namespace yard {

// What a step is made of, as StepCost has it: c0 of one sequence (weights, launches), what more sequences add to c0, KV
// that is read (c2), prompt tokens read (c1), and the pairs that these attend to (c4).
enum class CostTerm : std::uint8_t { fixed, sequences, kv, prefill, pairs };
inline constexpr std::size_t kCostTerms = 5;

// By term: 1/1024 of what was said of it before anything was measured.
using CostScales = std::array<std::uint32_t, kCostTerms>;
inline constexpr std::uint32_t kCostAsSaid = 1024, kLeastCostScale = 1, kMostCostScale = 1u << 30;
inline constexpr CostScales kCostsAsSaid = {kCostAsSaid, kCostAsSaid, kCostAsSaid, kCostAsSaid, kCostAsSaid};

// How a row differs from what was said of it.
struct CorrectedBy {
  CostScales scales = kCostsAsSaid;
  std::uint32_t error_permille = 0;  // of a run so corrected: relative standard deviation
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
constexpr std::int64_t scaled(std::int64_t cost, const CostScales& scales, CostTerm term) {
  return scaled(cost, scales[static_cast<std::size_t>(term)]);
}
// Of a step's c0, where that of one sequence is `one`: told apart as terms_of() does.
constexpr std::int64_t scaled_c0(std::int64_t c0, std::int64_t one, const CostScales& scales) {
  if (c0 < one) return scaled(c0, scales, CostTerm::fixed);
  return scaled(one, scales, CostTerm::fixed) + scaled(c0 - one, scales, CostTerm::sequences);
}

}  // namespace yard
