#include "scheduler/cost/show_terms.h"

#include <fmt/format.h>

#include <string_view>

#include "scheduler/cost/json.h"
#include "scheduler/cost/show_table.h"

namespace yard {
namespace {

std::int64_t hours(Duration d) { return d.count() / 3'600'000'000'000; }

// What its kind adds to it.
std::string terms_of(const ContractView& c) {
  switch (c.kind) {
    case ContractKind::committed:
      return fmt::format("{} of {} h, beyond at {} USD/h", hours(c.committed), hours(c.window),
                         rounded(c.on_demand.count(), 9, 2));
    case ContractKind::spot:
      return fmt::format("notice {} s, reclaimed {} a day for {} s", c.notice.count() / 1'000'000'000,
                         c.reclaims_per_day, c.away.count() / 1'000'000'000);
    case ContractKind::reserved: return "paid whole: one more hour costs nothing";
    case ContractKind::on_demand: return "paid while in use";
  }
  return "";
}

std::string show_contracts(const FleetView& view) {
  if (view.contracts.empty()) return "";
  ShowTable table(4, {"contract", "kind", "pool", "terms", "n", "usd_h"});
  for (const ContractView& c : view.contracts)
    table.add({c.name, std::string(name_of(c.kind)), view.pools[c.pool.value].name, terms_of(c),
               fmt::format("{}", c.devices), rounded(c.per_hour.count(), 9, 2)});
  return table.str() + "\n";
}

std::string show_licences(const Fleet& fleet) {
  if (fleet.licences.empty()) return "";
  ShowTable table(2, {"licences of", "models"});
  for (const FleetLicence& licence : fleet.licences) {
    std::string models;
    for (const FleetLicence::Model& model : licence.models) models += (models.empty() ? "" : ", ") + model.name;
    table.add({licence.provider, models});
  }
  return table.str() + "\n";
}

struct Draw {
  std::int64_t idle = 0, busy = 0;  // of all its devices, milliwatts
};
std::vector<Draw> draws_of(const FleetView& view) {
  std::vector<Draw> draws(view.domains.size());
  for (const PoolView& pool : view.pools)
    for (DomainId d = pool.domain; d.some(); d = view.domains[d.value].parent) {
      draws[d.value].idle += pool.idle.count() * pool.devices;
      draws[d.value].busy += pool.busy.count() * pool.devices;
    }
  return draws;
}

std::string show_domains(const FleetView& view) {
  if (view.domains.empty()) return "";
  ShowTable table(2, {"power domain", "in", "idle_w", "busy_w", "cap_w", "later caps"});
  const std::vector<Draw> draws = draws_of(view);
  for (std::size_t d = 0; d < view.domains.size(); ++d) {
    const DomainView& domain = view.domains[d];
    std::string caps;
    for (std::size_t k = 0; k < domain.caps.size() && k < 4; ++k)
      caps += fmt::format("{}{} from {} s", k ? ", " : "", rounded(domain.caps[k].cap.count(), 3, 0),
                          rounded(domain.caps[k].at.ns(), 9, 0));
    if (domain.caps.size() > 4) caps += fmt::format(", {} more", domain.caps.size() - 4);
    table.add({domain.name, domain.parent.some() ? view.domains[domain.parent.value].name : "",
               rounded(draws[d].idle, 3, 0), rounded(draws[d].busy, 3, 0), rounded(domain.cap.count(), 3, 0), caps});
  }
  return table.str() + "\n";
}

// Does any pool serve this row of the mix, in its regions?
bool in_region(const MixEntry& entry, const PoolView& pool) {
  return pool.model == entry.model && entry.regions.has(pool.region);
}

}  // namespace

std::string show_terms(const Fleet& fleet, const FleetView& view) {
  return show_contracts(view) + show_licences(fleet) + show_domains(view);
}

std::string terms_json(const Fleet& fleet, const FleetView& view) {
  json::List contracts(",\n  "), licences, domains(",\n  ");
  for (const ContractView& c : view.contracts) {
    json::Object row;
    row.text("name", c.name)
        .text("kind", name_of(c.kind))
        .text("pool", view.pools[c.pool.value].name)
        .number("replicas", c.devices)
        .number("price_usd_per_replica_hour", c.per_hour.count(), 9);
    if (c.kind == ContractKind::committed)
      row.number("window_hours", hours(c.window))
          .number("commit_hours", hours(c.committed))
          .number("on_demand_usd_per_replica_hour", c.on_demand.count(), 9);
    if (c.kind == ContractKind::spot)
      row.number("reclaim_notice_s", c.notice.count(), 9)
          .number("reclaims_per_day", c.reclaims_per_day)
          .number("away_s", c.away.count(), 9);
    contracts.add(row.str());
  }
  for (const FleetLicence& licence : fleet.licences) {
    json::List models;
    for (const FleetLicence::Model& model : licence.models) models.add(json::quoted(model.name));
    licences.add(json::Object().text("provider", licence.provider).raw("models", models.str()).str());
  }
  const std::vector<Draw> draws = draws_of(view);
  for (std::size_t d = 0; d < view.domains.size(); ++d) {
    const DomainView& domain = view.domains[d];
    json::List caps, pools;
    for (const CapChange& change : domain.caps)
      caps.add(json::Object().number("at_s", change.at.ns(), 9).number("cap_w", change.cap.count(), 3).str());
    for (const PoolView& pool : view.pools)
      if (pool.domain.value == d) pools.add(json::quoted(pool.name));
    json::Object row;
    row.text("name", domain.name);
    if (domain.parent.some()) row.text("parent", view.domains[domain.parent.value].name);
    domains.add(row.raw("pools", pools.str())
                    .number("idle_w", draws[d].idle, 3)
                    .number("busy_w", draws[d].busy, 3)
                    .number("cap_w", domain.cap.count(), 3)
                    .raw("caps", caps.str())
                    .str());
  }
  std::string text;
  if (!view.contracts.empty()) text += ",\n \"contracts\": " + contracts.str();
  if (!fleet.licences.empty()) text += ",\n \"licences\": " + licences.str();
  if (!view.domains.empty()) text += ",\n \"power_domains\": " + domains.str();
  return text;
}

std::string check_terms(const FleetView& view, const Mix& mix) {
  std::string text;
  for (const PoolView& pool : view.pools)
    if (!pool.licensed)
      text += fmt::format("note: {} has no licence for {}: pool {} serves nothing\n", pool.provider,
                          view.models[pool.model.value].name, pool.name);
  for (const MixEntry& entry : mix.entries()) {
    bool region = false, provider = false, licence = false;
    for (const PoolView& pool : view.pools) {
      const bool at = in_region(entry, pool);
      region |= at;
      provider |= at && entry.providers.has(pool.provider_id);
      licence |= at && entry.providers.has(pool.provider_id) && pool.licensed;
    }
    if (!region || licence) continue;
    text += fmt::format("note: no pool {} {} at {}: such requests are rejected ({})\n",
                        provider ? "has a licence for" : "serves", view.models[entry.model.value].name,
                        providers_of(entry, view), provider ? "no_licence" : "no_provider");
  }
  return text;
}

std::string providers_of(const MixEntry& entry, const FleetView& view) {
  std::string text;
  for (std::uint32_t p = 0; p < view.providers.size() && !entry.providers.anywhere(); ++p)
    if (entry.providers.has(ProviderId{p})) text += (text.empty() ? "" : ", ") + view.providers[p];
  if (text.empty()) text = "all";
  if (entry.primary.some()) text += "; " + view.providers[entry.primary.value] + " first";
  return text;
}

}  // namespace yard
