#include "scheduler/report/terms_metrics.h"

#include <algorithm>

#include "scheduler/base/check.h"

namespace yard {
namespace {

constexpr std::uint64_t kNsPerHour = 3'600'000'000'000;

Wide wide(std::int64_t n) { return static_cast<Wide>(n); }
Wide paid(NanoDollars per_hour, Wide ns) { return (wide(per_hour.count()) * ns + kNsPerHour / 2) / kNsPerHour; }
Figure in_hours(Wide ns) { return ratio(ns, kNsPerHour, 6); }
Figure in_watts(Milliwatts mw) { return fixed(wide(mw.count()), 3); }

// The device time that is paid whatever is used.
Wide paid_whole_ns(const ContractView& c, Duration makespan) {
  const Wide all = wide(makespan.count()) * c.devices;
  if (c.kind == ContractKind::reserved) return all;
  return c.kind == ContractKind::committed
             ? all / wide(c.window.count() / 1'000'000'000) * wide(c.committed.count() / 1'000'000'000)
             : 0;
}

}  // namespace

Wide nano_dollars_of(const ContractView& c, const TermsTally::Use& use, Duration makespan) {
  if (c.kind == ContractKind::on_demand || c.kind == ContractKind::spot) return paid(c.per_hour, use.in_use_ns);
  return paid(c.per_hour, paid_whole_ns(c, makespan)) + paid(c.on_demand, use.beyond_ns);
}

std::vector<Record> contracts_of(const Summary& summary) {
  const FleetView& fleet = summary.meter->fleet();
  const Duration makespan = summary.meter->makespan();
  std::vector<Record> records;
  for (std::size_t i = 0; i < fleet.contracts.size(); ++i) {
    const ContractView& c = fleet.contracts[i];
    const TermsTally::Use& use = summary.terms.contracts[i];
    Record record;
    record.set("contract", c.name);
    record.set("kind", std::string(name_of(c.kind)));
    record.set("pool", fleet.pools[c.pool.value].name);
    record.set("replicas", whole(c.devices));
    record.set("price_usd_per_replica_hour", ratio(wide(c.per_hour.count()), kNanoDollarsPerDollar, 6));
    record.set("paid_whole_h", in_hours(paid_whole_ns(c, makespan)));
    record.set("in_use_h", in_hours(use.in_use_ns));
    record.set("beyond_commitment_h", in_hours(use.beyond_ns));
    record.set("cost_usd", ratio(nano_dollars_of(c, use, makespan), kNanoDollarsPerDollar, 6));
    records.push_back(std::move(record));
  }
  return records;
}

std::vector<Record> power_domains_of(const Summary& summary, const std::vector<Bill>& bills) {
  const FleetView& fleet = summary.meter->fleet();
  if (fleet.domains.empty()) return {};
  CHECK(summary.terms.peaks.size() == fleet.domains.size() && summary.terms.held_by_power.size() == fleet.pools.size());
  std::vector<Wide> energy(fleet.domains.size()), held(fleet.domains.size());
  for (std::size_t p = 0; p < fleet.pools.size(); ++p)
    for (DomainId d = fleet.pools[p].domain; d.some(); d = fleet.domains[d.value].parent) {
      energy[d.value] += bills[p].picojoules;
      held[d.value] += wide(summary.terms.held_by_power[p].count());
    }
  std::vector<Record> records;
  for (std::size_t d = 0; d < fleet.domains.size(); ++d) {
    const DomainView& domain = fleet.domains[d];
    Record record;
    record.set("power_domain", domain.name);
    record.set("parent", domain.parent.some() ? fleet.domains[domain.parent.value].name : std::string());
    Milliwatts least = domain.cap, most = domain.cap;
    for (const CapChange& change : domain.caps) least = std::min(least, change.cap), most = std::max(most, change.cap);
    record.set("cap_least_w", in_watts(least));
    record.set("cap_most_w", in_watts(most));
    record.set("peak_w", in_watts(summary.terms.peaks[d]));
    record.set("energy_kwh", ratio(energy[d], kPicojoulesPerKwh, 6));
    record.set("held_by_power_s", ratio(held[d], 1'000'000'000, 3));
    records.push_back(std::move(record));
  }
  return records;
}

}  // namespace yard
