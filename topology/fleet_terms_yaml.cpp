#include "topology/fleet_terms_yaml.h"

#include <array>

#include <fmt/format.h>

#include "topology/fleet_names.h"

namespace yard {
namespace {

using yaml::Field;

constexpr std::size_t kMostContracts = 10'000, kMostDomains = 10'000, kMostCaps = 10'000, kMostModels = 1000;
constexpr std::int64_t kMostNanoDollars = 100'000'000'000'000;  // 100,000 USD an hour
constexpr std::int64_t kMostMilliwatts = 100'000'000'000'000;   // 100 GW
constexpr std::int64_t kHour = 3'600'000'000'000, kMostHours = 87'600, kDayS = 86'400;

// ---- contracts ------------------------------------------------------------------------------------------------------

void read_commitment(const Field& entry, FleetContract& contract) {
  contract.window = Duration(entry.need("window_hours").integer(1, kMostHours) * kHour);
  const Field hours = entry.need("commit_hours");
  contract.committed = Duration(hours.integer(1, kMostHours) * kHour);
  if (contract.committed > contract.window) hours.refuse_value("at most window_hours; they are of each replica");
}

// What a cloud takes back it announces: two minutes ahead at AWS, half a minute at Google and Azure.
void read_reclaims(const Field& entry, FleetContract& contract) {
  contract.notice = seconds(entry.need("reclaim_notice_s").integer(0, kDayS));
  const Field per_day = entry.need("reclaims_per_day");
  contract.reclaims_per_day = static_cast<std::uint32_t>(per_day.integer(0, kDayS));
  const auto away = entry.get("away_s");
  contract.away = seconds(away ? away->integer(1, 30 * kDayS) : 600);
  if (contract.reclaims_per_day * (contract.notice + contract.away).count() > kDayS * 1'000'000'000)
    per_day.refuse_value("so many that notices and absences (away_s) fit into a day");
}

void read_covers(const Field& entry, const Fleet& fleet, std::vector<std::uint32_t>& covered, FleetContract& contract) {
  const std::string provider = entry.need("provider").name();
  find(entry.need("provider"), "a provider", views(fleet.providers));
  const auto replicas = entry.get("replicas");
  const Field pools = entry.need("pools");
  for (const Field& item : pools.items(fleet.pools.size())) {
    const std::uint32_t p = find(item, "a pool", names_of(fleet.pools));
    const FleetPool& pool = fleet.pools[p];
    if (const std::string& at = fleet.sites[pool.site].provider; at != provider)
      item.refuse(fmt::format("found '{}', which is at {}", pool.name, at),
                  fmt::format("accepted: pools at {}", provider));
    const std::uint32_t left = pool.replicas - covered[p];
    const auto n = replicas ? static_cast<std::uint32_t>(replicas->integer(1, 1 << 20)) : pool.replicas;
    if (n > left)
      item.refuse(fmt::format("found contracts of {} replicas of '{}', which has {}", std::uint64_t{covered[p]} + n,
                              pool.name, pool.replicas),
                  "accepted: one contract for a replica; give each its share with replicas");
    contract.covers.push_back({.pool = p, .first = covered[p], .replicas = n});
    covered[p] += n;
  }
  if (contract.covers.empty()) pools.refuse("found no pool", "accepted: at least one pool");
}

void read_contracts(const Field& root, Fleet& fleet) {
  constexpr std::array<std::string_view, 4> kKinds = {"reserved", "committed", "on_demand", "spot"};
  const auto list = root.get("contracts");
  if (!list) return;
  std::vector<std::uint32_t> covered(fleet.pools.size());
  for (const Field& entry : list->items(kMostContracts)) {
    entry.only({"name", "provider", "kind", "pools", "replicas", "usd_per_replica_hour", "window_hours", "commit_hours",
                "reclaim_notice_s", "reclaims_per_day", "away_s"});
    FleetContract contract;
    contract.name = entry.need("name").name();
    refuse_twice(entry.need("name"), contract.name, names_of(fleet.contracts));
    contract.kind = static_cast<ContractKind>(entry.need("kind").one_of(kKinds));
    const auto only_of = [&](ContractKind kind, std::initializer_list<std::string_view> keys) {
      for (const std::string_view key : keys)
        if (const auto field = entry.get(key); field && contract.kind != kind)
          field->refuse(fmt::format("found it with kind {}", kKinds[static_cast<std::size_t>(contract.kind)]),
                        fmt::format("accepted: with kind {} only", kKinds[static_cast<std::size_t>(kind)]));
    };
    only_of(ContractKind::committed, {"window_hours", "commit_hours"});
    only_of(ContractKind::spot, {"reclaim_notice_s", "reclaims_per_day", "away_s"});
    read_covers(entry, fleet, covered, contract);
    if (const auto price = entry.get("usd_per_replica_hour"))
      contract.per_hour = NanoDollars(price->decimal(9, 0, kMostNanoDollars));
    if (contract.kind == ContractKind::committed) read_commitment(entry, contract);
    if (contract.kind == ContractKind::spot) read_reclaims(entry, contract);
    fleet.contracts.push_back(std::move(contract));
  }
}

// ---- licences -------------------------------------------------------------------------------------------------------

void read_licences(const Field& root, Fleet& fleet) {
  const auto list = root.get("licences");
  if (!list) return;
  for (const Field& entry : list->items(fleet.providers.size() + 1)) {
    entry.only({"provider", "models"});
    FleetLicence licence;
    const Field provider = entry.need("provider");
    find(provider, "a provider", views(fleet.providers));
    licence.provider = provider.name();
    for (const FleetLicence& before : fleet.licences)
      if (before.provider == licence.provider)
        provider.refuse(fmt::format("found '{}' twice", licence.provider), "accepted: one licence entry of each");
    const Field models = entry.need("models");
    for (const Field& model : models.items(kMostModels))
      licence.models.push_back({.name = model.name(), .line = model.line(), .path = model.path()});
    if (licence.models.empty()) models.refuse("found no model", "accepted: at least one, or no entry: all models");
    fleet.licences.push_back(std::move(licence));
  }
}

// ---- power domains --------------------------------------------------------------------------------------------------

Milliwatts read_cap(const Field& entry, FleetDomain& domain) {
  const Field cap = entry.need("cap_w");
  domain.cap_places.push_back({.line = cap.line(), .path = cap.path()});
  return Milliwatts(cap.decimal(3, 0, kMostMilliwatts));
}

void read_domains(const Field& root, Fleet& fleet) {
  const auto list = root.get("power_domains");
  if (!list) return;
  std::vector<std::string> domain_of(fleet.pools.size());
  for (const Field& entry : list->items(kMostDomains)) {
    entry.only({"name", "cap_w", "parent", "pools", "caps"});
    FleetDomain domain;
    domain.name = entry.need("name").name();
    refuse_twice(entry.need("name"), domain.name, names_of(fleet.domains));
    if (const auto parent = entry.get("parent"))
      domain.parent = DomainId{find(*parent, "a power domain named before", names_of(fleet.domains))};
    domain.cap = read_cap(entry, domain);
    if (const auto caps = entry.get("caps"))
      for (const Field& change : caps->items(kMostCaps)) {
        change.only({"at_s", "cap_w"});
        const Field at = change.need("at_s");
        const Time when(at.decimal(9, 0, 10 * 366 * kDayS * 1'000'000'000));
        if (!domain.caps.empty() && when <= domain.caps.back().at) at.refuse_value("ascending times");
        domain.caps.push_back({when, read_cap(change, domain)});
      }
    if (const auto pools = entry.get("pools"))
      for (const Field& item : pools->items(fleet.pools.size())) {
        const std::uint32_t p = find(item, "a pool", names_of(fleet.pools));
        if (!domain_of[p].empty())
          item.refuse(fmt::format("found '{}', which is in '{}'", fleet.pools[p].name, domain_of[p]),
                      "accepted: a pool in one domain; nest domains with parent");
        domain_of[p] = domain.name;
        domain.pools.push_back(p);
      }
    fleet.domains.push_back(std::move(domain));
  }
}

}  // namespace

void read_terms(const Field& root, Fleet& fleet) {
  read_contracts(root, fleet);
  read_licences(root, fleet);
  read_domains(root, fleet);
}

}  // namespace yard
