// Cases of random_case.h of which some classes have hard deadlines, and placement may ask for a quantile. The reference
// knows neither.
#pragma once
#include <string>

#include "tests/random_case.h"

namespace yard {

inline void give_deadlines(Case& c) {
  Rng rng = Rng::stream(c.seed, 0x68617264);
  for (SloClass& slo : c.fleet.classes) {
    if (slo.ttft.count() == 0 && slo.e2e.count() == 0)
      slo.ttft = nanoseconds(static_cast<std::int64_t>(rng.below(5000)));
    slo.sure = static_cast<Quantile>(rng.below(kQuantileValues));
    if (slo.sure != Quantile::none && rng.below(4)) slo.on_overload = Overload::reject;
  }
  if (const auto quantile = rng.below(kQuantileValues); quantile > 0)
    c.options.scorer.insert(std::min(c.options.scorer.find('+'), c.options.scorer.size()),
                            "@" + std::string(kQuantileNames[quantile]));
}

}  // namespace yard
