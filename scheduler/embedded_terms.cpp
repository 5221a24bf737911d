// Who may ask for how much, and what devices may draw, as an embedder says it.
#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "scheduler/base/input_error.h"
#include "scheduler/embedded.h"

namespace yard {
namespace {

using switchyard::PowerDomain;
using switchyard::Tenant;

// A number of `unit`s as an integer. `most`: in the integer's unit.
std::int64_t integer_of(const std::string& key, double value, double unit, std::int64_t most) {
  const double scaled = value * unit;
  if (!(scaled >= 0) || scaled > static_cast<double>(most))
    refuse_option(key, fmt::format("{}", value), fmt::format("0 to {}", static_cast<double>(most) / unit));
  return static_cast<std::int64_t>(std::llround(scaled));
}

QuotaRate quota_of(const std::string& key, const char* burst_key, double per_s, std::uint64_t burst) {
  QuotaRate quota{.per_s_thousandths = integer_of(key, per_s, 1000, kMostQuota)};
  if (burst > static_cast<std::uint64_t>(kMostQuota))
    refuse_option(burst_key, fmt::format("{}", burst), fmt::format("0 to {}", kMostQuota));
  if (quota.some())
    quota.burst = burst > 0 ? static_cast<std::int64_t>(burst)
                            : std::max<std::int64_t>(1, std::min(quota.per_s_thousandths * 60 / 1000, kMostQuota));
  else if (burst > 0)
    refuse_option(burst_key, "no rate beside it", "a burst of a rate above zero");
  return quota;
}

TenantView tenant_of(const FleetView& fleet, const Tenant& t, std::size_t i) {
  const auto key = [&](const char* field) { return fmt::format("tenants[{}].{}", i, field); };
  if (t.name.empty()) refuse_option(key("name"), "an empty name", "a name of its own");
  for (const TenantView& other : fleet.tenants)
    if (other.name == t.name)
      refuse_option(key("name"), fmt::format("'{}' twice", printable(t.name)), "a name of its own");
  TenantView tenant{.name = t.name, .weight = t.weight, .rank_offset = t.rank_offset};
  if (t.weight > kMostWeight)
    refuse_option(key("weight"), fmt::format("{}", t.weight), fmt::format("0 to {}", kMostWeight));
  if (t.rank_offset < -255 || t.rank_offset > 255)
    refuse_option(key("rank_offset"), fmt::format("{}", t.rank_offset), "-255 to 255");
  tenant.requests = quota_of(key("requests_per_s"), "tenants.requests_burst", t.requests_per_s, t.requests_burst);
  tenant.tokens = quota_of(key("tokens_per_s"), "tenants.tokens_burst", t.tokens_per_s, t.tokens_burst);
  tenant.per_day = NanoDollars(integer_of(key("usd_per_day"), t.usd_per_day, 1e9, kMostBudget));
  // Dollars per million tokens, in thousandths, are nano-dollars per token.
  tenant.prompt_price = NanoDollars(
      integer_of(key("usd_per_million_prompt_tokens"), t.usd_per_million_prompt_tokens, 1e3, kMostTokenPrice));
  tenant.output_price = NanoDollars(
      integer_of(key("usd_per_million_output_tokens"), t.usd_per_million_output_tokens, 1e3, kMostTokenPrice));
  if (tenant.per_day.count() > 0 && tenant.prompt_price.count() + tenant.output_price.count() == 0)
    refuse_option(key("usd_per_day"), "no price beside it", "a price of prompt or output tokens above 0");
  if (t.regions.empty()) return tenant;
  tenant.regions = RegionMask{0};
  for (const std::string& name : t.regions) {
    const auto at = std::ranges::find(fleet.regions, name);
    if (at == fleet.regions.end())
      refuse_option(key("regions"), fmt::format("'{}'", printable(name)), "regions that a device stands in");
    tenant.regions.bits |= std::uint64_t{1} << (at - fleet.regions.begin());
  }
  return tenant;
}

// Where the cap is one of domain d: what its devices draw idle, and what the greediest of them draws more.
struct Draw {
  Milliwatts idle, largest;
};
Draw draw_of(const FleetView& fleet, DomainId d) {
  Draw draw;
  for (const PoolView& pool : fleet.pools)
    for (DomainId above = pool.domain; above.some(); above = fleet.domains[above.value].parent)
      if (above == d) draw.idle += pool.idle, draw.largest = std::max(draw.largest, pool.busy - pool.idle);
  return draw;
}

void add_domain(FleetView& fleet, const PowerDomain& p, std::size_t i) {
  const auto key = [&](const char* field) { return fmt::format("power_domains[{}].{}", i, field); };
  if (p.name.empty()) refuse_option(key("name"), "an empty name", "a name of its own");
  if (domain_named(fleet, p.name).some())
    refuse_option(key("name"), fmt::format("'{}' twice", printable(p.name)), "a name of its own");
  DomainView domain{.name = p.name, .parent = {}, .cap = milliwatts(key("cap_w"), p.cap_w), .caps = {}};
  if (!p.parent.empty()) {
    domain.parent = domain_named(fleet, p.parent);
    if (!domain.parent.some())
      refuse_option(key("parent"), fmt::format("'{}'", printable(p.parent)), "a domain named before");
  }
  for (const std::string& name : p.devices) {
    const auto pool = std::ranges::find(fleet.pools, name, &PoolView::name);
    if (pool == fleet.pools.end())
      refuse_option(key("devices"), fmt::format("'{}'", printable(name)), "names of devices");
    if (pool->domain.some())
      refuse_option(key("devices"), fmt::format("'{}', which is in another domain", printable(name)), "a device once");
    pool->domain = DomainId{static_cast<std::uint32_t>(fleet.domains.size())};
  }
  fleet.domains.push_back(std::move(domain));
}

}  // namespace

Milliwatts milliwatts(const std::string& key, double watts) {
  return Milliwatts(integer_of(key, watts, 1000, 1'000'000'000'000));
}

DomainId domain_named(const FleetView& fleet, std::string_view name) {
  const auto at = std::ranges::find(fleet.domains, name, &DomainView::name);
  return at == fleet.domains.end() ? DomainId{} : DomainId{static_cast<std::uint32_t>(at - fleet.domains.begin())};
}

bool idles_within(const FleetView& fleet, DomainId d, Milliwatts cap) { return cap >= draw_of(fleet, d).idle; }

void add_terms(FleetView& fleet, const switchyard::Options& options) {
  if (!options.tenants.empty()) fleet.tenants.clear();
  bool weighted = false;
  for (std::size_t i = 0; i < options.tenants.size(); ++i) {
    fleet.tenants.push_back(tenant_of(fleet, options.tenants[i], i));
    weighted |= fleet.tenants.back().weight > 0;
  }
  if (weighted)
    for (TenantView& tenant : fleet.tenants) tenant.weight = std::max(tenant.weight, 1u);
  for (std::size_t i = 0; i < options.power_domains.size(); ++i) add_domain(fleet, options.power_domains[i], i);
  for (std::uint32_t d = 0; d < fleet.domains.size(); ++d) {
    const Draw draw = draw_of(fleet, {d});
    if (fleet.domains[d].cap < draw.idle + draw.largest)  // what waits for power would otherwise wait for ever
      refuse_option(fmt::format("power_domains[{}].cap_w", d), fmt::format("{}", options.power_domains[d].cap_w),
                    fmt::format("at least {}, with which any one of its devices can run",
                                static_cast<double>((draw.idle + draw.largest).count()) / 1000));
  }
}

}  // namespace yard
