#include "topology/tenants_yaml.h"

#include <algorithm>
#include <string_view>
#include <vector>

#include <fmt/format.h>

namespace yard {
namespace {

using yaml::Field;

constexpr std::size_t kMostTenants = 1000, kMostRegionsNamed = 64;

std::vector<std::string_view> names_of(const std::vector<TenantView>& tenants) {
  std::vector<std::string_view> names;
  for (const TenantView& tenant : tenants) names.push_back(tenant.name);
  return names;
}

// A rate in thousandths and what it may save up: what a minute brings, where nothing is said.
QuotaRate read_rate(const Field& entry, std::string_view rate_key, std::string_view burst_key) {
  QuotaRate quota;
  const auto rate = entry.get(rate_key), burst = entry.get(burst_key);
  if (!rate) {
    if (burst) burst->refuse(fmt::format("found no {} beside it", rate_key), fmt::format("add {}", rate_key));
    return quota;
  }
  quota.per_s_thousandths = rate->decimal(3, 1, kMostQuota);
  const std::int64_t in_a_minute = std::min(quota.per_s_thousandths * 60 / 1000, kMostQuota);
  quota.burst = burst ? burst->integer(1, kMostQuota) : std::max<std::int64_t>(1, in_a_minute);
  return quota;
}

void read_money(const Field& entry, TenantView& tenant) {
  // Dollars per million tokens, in thousandths, are nano-dollars per token.
  const auto price = [&](std::string_view key) {
    const auto field = entry.get(key);
    return NanoDollars(field ? field->decimal(3, 0, kMostTokenPrice) : 0);
  };
  tenant.prompt_price = price("usd_per_million_prompt_tokens");
  tenant.output_price = price("usd_per_million_output_tokens");
  const auto budget = entry.get("usd_per_day");
  if (!budget) return;
  tenant.per_day = NanoDollars(budget->decimal(9, 1, kMostBudget));
  if (tenant.prompt_price.count() + tenant.output_price.count() == 0)
    budget->refuse("found no price beside it",
                   "add usd_per_million_prompt_tokens or usd_per_million_output_tokens, above 0");
}

RegionMask read_mask(const Field& list, const Fleet& fleet) {
  RegionMask mask{0};
  const std::vector<std::string_view> names(fleet.regions.begin(), fleet.regions.end());
  for (const Field& region : list.items(kMostRegionsNamed)) {
    const auto at = std::ranges::find(names, std::string_view(region.name()));
    if (at == names.end()) region.refuse_name("a region", names);
    mask.bits |= std::uint64_t{1} << (at - names.begin());
  }
  if (mask.bits == 0) list.refuse("found no region", "accepted: at least one, or no regions");
  return mask;
}

}  // namespace

bool read_tenants(const Field& root, Fleet& fleet) {
  const auto list = root.get("tenants");
  if (!list) return false;
  bool weighted = false;
  for (const Field& entry : list->items(kMostTenants)) {
    entry.only({"name", "weight", "rank_offset", "requests_per_s", "requests_burst", "tokens_per_s", "tokens_burst",
                "usd_per_day", "usd_per_million_prompt_tokens", "usd_per_million_output_tokens", "regions"});
    TenantView tenant;
    const Field name = entry.need("name");
    tenant.name = name.name();
    if (std::ranges::find(fleet.tenants, tenant.name, &TenantView::name) != fleet.tenants.end())
      name.refuse(fmt::format("found '{}' twice", tenant.name), "accepted: a name of its own");
    if (const auto weight = entry.get("weight"))
      tenant.weight = static_cast<std::uint32_t>(weight->integer(1, kMostWeight));
    weighted |= tenant.weight > 0;
    if (const auto offset = entry.get("rank_offset"))
      tenant.rank_offset = static_cast<std::int32_t>(offset->integer(-255, 255));
    tenant.requests = read_rate(entry, "requests_per_s", "requests_burst");
    tenant.tokens = read_rate(entry, "tokens_per_s", "tokens_burst");
    read_money(entry, tenant);
    if (const auto regions = entry.get("regions")) tenant.regions = read_mask(*regions, fleet);
    fleet.tenants.push_back(std::move(tenant));
  }
  if (fleet.tenants.empty()) list->refuse("found an empty list", "accepted: at least one tenant, or no tenants");
  // One weight makes shares, and then everybody has one (V4).
  if (weighted)
    for (TenantView& tenant : fleet.tenants) tenant.weight = std::max(tenant.weight, 1u);
  return true;
}

TenantId tenant_of(const Field& row, bool listed, Fleet& fleet) {
  const auto field = row.get("tenant");
  if (listed && !field && fleet.tenants.size() > 1) row.need("tenant");
  const std::string name = field ? field->name() : listed ? fleet.tenants.front().name : "default";
  const auto at = std::ranges::find(fleet.tenants, name, &TenantView::name);
  if (at != fleet.tenants.end()) return {static_cast<std::uint32_t>(at - fleet.tenants.begin())};
  if (listed) field->refuse_name("a tenant", names_of(fleet.tenants));
  fleet.tenants.push_back({.name = name});
  return {static_cast<std::uint32_t>(fleet.tenants.size() - 1)};
}

}  // namespace yard
