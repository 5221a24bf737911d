// Tenants for a random case: two to four of them, with and without weights, offsets, quotas, budgets and regions, tight
// enough to be felt. The requests are dealt out among them anew.
#pragma once
#include <algorithm>

#include "tests/random_case.h"

namespace yard {

inline void give_tenants(Case& c) {
  Rng rng = Rng::stream(c.seed, 0x74656e616e7473);
  const auto between = [&](std::int64_t low, std::int64_t high) {
    return low + static_cast<std::int64_t>(rng.below(static_cast<std::uint64_t>(high - low + 1)));
  };
  const auto chance = [&](std::uint64_t one_in) { return rng.below(one_in) == 0; };
  const std::int64_t tenants = between(2, 4);
  std::int64_t tokens = 0;
  for (reference::Request& r : c.requests) {
    r.tenant = TenantId{static_cast<std::uint32_t>(rng.below(static_cast<std::uint64_t>(tenants)))};
    tokens += r.prompt.count() + r.output.count();
  }
  const std::int64_t span = std::max<std::int64_t>(1000, c.requests.back().arrival.ns());
  const auto count = static_cast<std::int64_t>(c.requests.size());
  // Of what its tenant asks for in the whole of the case, some at once and some by the end.
  const auto rate = [&](std::int64_t all) {
    const std::int64_t mine = std::max<std::int64_t>(1, all / tenants);
    const Wide per_s = static_cast<Wide>(mine) * 1'000'000'000'000 / static_cast<Wide>(span) / (1 + rng.below(4)) + 1;
    return QuotaRate{.per_s_thousandths = static_cast<std::int64_t>(std::min<Wide>(per_s, kMostQuota)),
                     .burst = between(std::max<std::int64_t>(1, mine / 8), mine)};
  };
  const bool weighted = !chance(4);
  c.fleet.tenants.clear();
  for (std::int64_t t = 0; t < tenants; ++t) {
    TenantView tenant{.name = "tenant " + std::to_string(t)};
    if (weighted) tenant.weight = static_cast<std::uint32_t>(between(1, chance(3) ? 1000 : 5));
    if (chance(3)) tenant.rank_offset = static_cast<std::int32_t>(between(-2, 2));
    if (chance(3)) tenant.requests = rate(count);
    if (chance(3)) tenant.tokens = rate(tokens);
    if (chance(2))
      tenant.prompt_price = NanoDollars(between(1, 100)), tenant.output_price = NanoDollars(between(0, 400));
    if (chance(4)) tenant.per_day = NanoDollars(between(1, tokens * 50 / tenants));
    if (chance(4)) tenant.regions = RegionMask{1 + rng.below(3)};
    c.fleet.tenants.push_back(std::move(tenant));
  }
}

}  // namespace yard
