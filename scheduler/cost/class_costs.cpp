#include "scheduler/cost/class_costs.h"

#include <algorithm>

namespace yard {

ClassCosts::ClassCosts(const StepCost& prior) : rows_(prior.max_sequences() + 1), prior_(prior) {
  correct({});
  std::array<Ratio, kLevels> guess{};
  for (std::size_t l = 0; l < kLevels; ++l)
    guess[l] = guessed_quantile(prior.error_permille() * kRatioOne / 1000, static_cast<Level>(l));
  for (Row& row : rows_) row.ratio = guess;
  reading_.fill(guess);
}

void ClassCosts::correct(const CostCorrection& c) {
  const std::int64_t one = prior_.c0(std::min<std::uint32_t>(1, prior_.max_sequences())).count();
  for (std::uint32_t n = 0; n < rows_.size(); ++n) rows_[n].c0 = scaled_c0(prior_.c0(n).count(), one, c.scale);
  c2_ = scaled(prior_.c2().count(), c.scale, CostTerm::kv);
  c1_ = scaled(prior_.c1().count(), c.scale, CostTerm::prefill);
  c4_ = scaled(prior_.c4().count(), c.scale, CostTerm::pairs);
}

void ClassCosts::bound(const OnlineCosts& costs, std::uint32_t key) {
  std::array<std::array<Ratio, kLevels>, kShapeGroups> by_group{};
  for (std::uint32_t g = 0; g < kShapeGroups; ++g)
    for (std::size_t l = 0; l < kLevels; ++l) by_group[g][l] = costs.quantile(key, g, static_cast<Level>(l));
  for (std::uint32_t n = 0; n < rows_.size(); ++n) rows_[n].ratio = by_group[shape_group(n, 0)];
  for (std::uint32_t g = 0; g < kReadingGroups; ++g) reading_[g] = by_group[kShapeGroups - kReadingGroups + g];
}

}  // namespace yard
