#include "scheduler/report/metrics.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "scheduler/base/check.h"
#include "scheduler/report/terms_metrics.h"

namespace yard {
namespace {

constexpr std::uint64_t kNsPerSecond = 1'000'000'000;
constexpr std::uint64_t kNsPerHour = 3600 * kNsPerSecond;

Wide wide(std::int64_t n) { return static_cast<Wide>(n); }

// Durations are kept to the microsecond, or to the millisecond where they are long.
Figure in_ms(std::int64_t ns) { return ratio(wide(ns), 1'000'000, 3); }
Figure in_s(Wide ns) { return ratio(ns, kNsPerSecond, 3); }
Figure percent(Wide part, Wide whole_of) { return ratio(part * 100, whole_of, 3); }
Figure per_second(Wide n, Wide ns) { return ratio(n * kNsPerSecond, ns, 3); }

void set_latency(Record& record, std::string_view name, const Histogram& h) {
  constexpr std::array<std::pair<std::string_view, std::uint32_t>, 3> kPercentiles{
      {{"p50", 500}, {"p90", 900}, {"p99", 990}}};
  const auto key = [&](std::string_view what) { return fmt::format("{}_{}_ms", name, what); };
  const bool some = h.count() > 0;
  for (const auto& [what, per_mille] : kPercentiles) {
    record.set(key(what), some ? in_ms(h.percentile(per_mille)) : Figure());
  }
  record.set(key("mean"), some ? ratio(h.sum(), static_cast<Wide>(h.count()) * 1'000'000, 3) : Figure());
}

// Which reasons go with which outcome: these are always listed, so that the keys are the same in every report.
bool goes_with(Outcome o, Reason r) {
  if (r >= Reason::no_provider) return false;  // listed where it happened: few have such terms or limits
  if (o == Outcome::rejected) return r < Reason::device_failed || r == Reason::overloaded;
  return r >= Reason::device_lost && r != Reason::overloaded;
}

void set_ends(Record& record, const ClassTally& tally) {
  record.set("arrived", whole(tally.arrived()));
  for (const Outcome o : {Outcome::done, Outcome::cancelled, Outcome::rejected, Outcome::failed}) {
    record.set(std::string(name_of(o)), whole(tally.of(o)));
  }
  for (const Outcome o : {Outcome::rejected, Outcome::failed}) {
    for (std::size_t r = 1; r < kReasons; ++r) {
      const std::uint64_t count = tally.ended[static_cast<std::size_t>(o)][r];
      const Reason reason = static_cast<Reason>(r);
      if (count == 0 && !goes_with(o, reason)) continue;
      record.set(fmt::format("{}_{}", name_of(o), name_of(reason)), whole(count));
    }
  }
}

Record of_class(std::string_view name, const ClassTally& tally, Duration makespan) {
  const Wide ns = wide(makespan.count());
  Record record;
  record.set("class", std::string(name));
  set_ends(record, tally);
  record.set("attained", whole(tally.attained));
  record.set("attainment_pct", percent(tally.attained, tally.arrived()));
  record.set("arrivals_per_s", per_second(tally.arrived(), ns));
  record.set("goodput_requests_per_s", per_second(tally.attained, ns));
  record.set("goodput_tokens_per_s", per_second(tally.attained_tokens, ns));
  record.set("output_tokens_per_s", per_second(tally.output_tokens, ns));
  record.set("prompt_tokens", whole(tally.prompt_tokens));
  record.set("output_tokens", whole(tally.output_tokens));
  record.set("preemptions", whole(tally.preemptions));
  if (tally.cached_tokens > 0) {
    record.set("cached_prompt_tokens", whole(tally.cached_tokens));
    record.set("prompt_hit_pct", percent(tally.cached_tokens, tally.admitted_prompt_tokens));
  }
  if (tally.several > 0) {
    record.set("several_answers_arrived", whole(tally.several));
    record.set("answers", whole(tally.answers));
  }
  if (tally.no_output > 0) {
    record.set("no_output_arrived", whole(tally.no_output));
    record.set("no_output_done", whole(tally.no_output_done));
  }
  set_latency(record, "ttft", tally.ttft);
  set_latency(record, "tpot", tally.tpot);
  set_latency(record, "e2e", tally.e2e);
  return record;
}

Record of_tenant(const TenantView& tenant, const TenantTally& tally, std::uint64_t tokens_of_all) {
  Record record;
  record.set("tenant", tenant.name);
  record.set("weight", tenant.weight > 0 ? whole(tenant.weight) : Figure());
  record.set("arrived", whole(tally.arrived));
  record.set("done", whole(tally.done));
  record.set("rejected", whole(tally.rejected));
  record.set("rejected_quota", whole(tally.over_quota));
  record.set("attained", whole(tally.attained));
  record.set("attainment_pct", percent(tally.attained, tally.arrived));
  record.set("prompt_tokens", whole(tally.prompt_tokens));
  record.set("output_tokens", whole(tally.output_tokens));
  record.set("tokens_share_pct", percent(tally.tokens(), tokens_of_all));
  record.set("charged_usd", ratio(tally.nano_dollars, kNanoDollarsPerDollar, 6));
  return record;
}

// What a pool cost over the makespan: every replica draws power from the first arrival to the last end, and is paid for
// as its contract says; without one it is paid whole.
Bill bill_of(const Summary& summary, std::size_t p) {
  const FleetView& fleet = summary.meter->fleet();
  const PoolView& pool = fleet.pools[p];
  const PoolTally& tally = summary.meter->pools()[p];
  const Duration makespan = summary.meter->makespan();
  const Wide paid_ns = wide(makespan.count()) * pool.devices;
  const Wide idle_ns = paid_ns > tally.busy() ? paid_ns - tally.busy() : 0;
  const Wide chips = tally.busy_picojoules + wide(pool.idle.count()) * idle_ns;
  Wide whole_ns = paid_ns, by_contract = 0;
  for (std::size_t c = 0; c < fleet.contracts.size(); ++c) {
    if (fleet.contracts[c].pool.value != p) continue;
    whole_ns -= wide(makespan.count()) * fleet.contracts[c].devices;
    by_contract += nano_dollars_of(fleet.contracts[c], summary.terms.contracts[c], makespan);
  }
  return {.picojoules = chips * wide(fleet.pue_thousandths) / 1000,
          .nano_dollars = by_contract + (wide(pool.per_hour.count()) * whole_ns + kNsPerHour / 2) / kNsPerHour};
}

void set_bill(Record& record, const Bill& bill) {
  record.set("energy_kwh", ratio(bill.picojoules, kPicojoulesPerKwh, 6));
  record.set("cost_usd", ratio(bill.nano_dollars, kNanoDollarsPerDollar, 6));
}

std::string model_name(const FleetView& fleet, ModelId id) {
  return id.value < fleet.models.size() ? fleet.models[id.value].name : std::string();
}

Record of_pool(const FleetView& fleet, std::size_t p, const PoolTally& tally, Duration idle_beside_work,
               Duration makespan, const Bill& bill) {
  const PoolView& pool = fleet.pools[p];
  const Wide paid_ns = wide(makespan.count()) * pool.devices, busy = tally.busy();
  Record record;
  record.set("pool", pool.name);
  record.set("provider", pool.provider);
  record.set("region", pool.region_name);
  record.set("accelerator", pool.accelerator);
  record.set("model", model_name(fleet, pool.model));
  record.set("replicas", whole(pool.devices));
  record.set("accelerators", whole(static_cast<Wide>(pool.devices) * pool.accelerators_per_device));
  record.set("requests", whole(tally.requests));
  record.set("runs", whole(tally.runs));
  record.set("steps", whole(tally.steps));
  record.set("prefill_tokens", whole(tally.prefill_tokens));
  record.set("output_tokens", whole(tally.output_tokens));
  record.set("preemptions", whole(tally.preemptions));
  record.set("busy_s", in_s(busy));
  record.set("utilisation_pct", percent(busy, paid_ns));
  record.set("idle_beside_work_s", in_s(wide(idle_beside_work.count())));
  record.set("idle_beside_work_pct", percent(wide(idle_beside_work.count()), paid_ns));
  record.set("kv_blocks", whole(wide(pool.kv_blocks.count())));
  record.set("kv_busy_pct", percent(tally.kv_block_ns, busy * wide(pool.kv_blocks.count())));
  record.set("kv_peak_pct", tally.runs == 0 ? Figure() : percent(wide(tally.kv_peak), wide(pool.kv_blocks.count())));
  for (std::size_t b = 0; b < kBounds; ++b) {
    record.set(fmt::format("bound_by_{}_pct", name_of(static_cast<BoundBy>(b))), percent(tally.busy_ns[b], busy));
  }
  if (pool.adapter_slots > 0) {
    record.set("adapter_loads", whole(tally.adapter_loads));
    record.set("adapters_found", whole(tally.adapters_found));
    record.set("adapters_found_pct", percent(tally.adapters_found, tally.adapter_loads + tally.adapters_found));
    record.set("adapter_load_s", in_s(tally.adapter_load_ns));
  }
  set_bill(record, bill);
  return record;
}

// What moved over a link; GB are 10^9 bytes.
Record of_link(const FleetView& fleet, const LinkView& link, const LinkTally& tally) {
  Record record;
  record.set("from", fleet.pools[link.from.value].name);
  record.set("to", fleet.pools[link.to.value].name);
  record.set("at_once", whole(link.at_once));
  record.set("rate_gb_per_s", ratio(wide(link.bytes_per_s), 1'000'000'000, 3));
  record.set("moves", whole(tally.arrived));
  record.set("moves_failed", whole(tally.failed));
  record.set("moved_gb", ratio(tally.bytes, 1'000'000'000, 3));
  set_latency(record, "move", tally.time);
  return record;
}

Record about(const Summary& summary) {
  Record record;
  record.set("version", summary.version);
  record.set("trace", summary.trace);
  record.set("fleet", summary.meter->fleet().name);
  record.set("policy", summary.policy);
  record.set("order", summary.order);
  record.set("bind", summary.bind);
  record.set("seed", whole(summary.seed));
  record.set("decision_hash", fmt::format("{:016x}", summary.decision_hash));
  if (summary.cells > 0) {
    record.set("cells", whole(summary.cells));
    record.set("control_lag_ms", in_ms(summary.control_lag.count()));
  }
  if (summary.shards > 0) {
    record.set("shards", whole(summary.shards));
    record.set("door_lag_ms", in_ms(summary.door_lag.count()));
    record.set("offered", whole(summary.steals.offered));
    record.set("taken", whole(summary.steals.taken));
    record.set("looks", whole(summary.steals.looks));
    record.set("takes_lost", whole(summary.steals.lost));
  }
  if (summary.corrections) record.set("cost_corrections", whole(*summary.corrections));
  return record;
}

Record run_of(const Summary& summary, std::uint64_t requests) {
  const auto some = [](Duration d) { return d.count() > 0 ? in_s(wide(d.count())) : Figure(); };
  Record record;
  record.set("wall_s", some(summary.wall));
  record.set("cpu_s", some(summary.cpu));
  record.set("requests_per_cpu_s",
             summary.cpu.count() > 0 ? per_second(requests, wide(summary.cpu.count())) : Figure());
  return record;
}

}  // namespace

bool Record::has(std::string_view key) const {
  return std::ranges::any_of(entries_, [key](const auto& entry) { return entry.first == key; });
}

const Record::Value& Record::at(std::string_view key) const {
  for (const auto& [name, value] : entries_) {
    if (name == key) return value;
  }
  CHECK_WHY(false, "no such key in the record");
  return entries_.front().second;
}

const Figure& Record::figure(std::string_view key) const {
  const Figure* figure = std::get_if<Figure>(&at(key));
  CHECK(figure);
  return *figure;
}

const std::string& Record::name(std::string_view key) const {
  const std::string* name = std::get_if<std::string>(&at(key));
  CHECK(name);
  return *name;
}

Metrics measure(const Summary& summary) {
  CHECK(summary.meter);
  const Meter& meter = *summary.meter;
  const FleetView& fleet = meter.fleet();
  CHECK(summary.idle_beside_work.size() == fleet.pools.size());
  const Duration makespan = meter.makespan();
  const ClassTally all = meter.all();

  Metrics metrics;
  metrics.about = about(summary);
  metrics.all = of_class("all", all, makespan);
  set_latency(metrics.all, "itl", meter.itl());
  for (std::size_t c = 0; c < fleet.classes.size(); ++c) {
    metrics.classes.push_back(of_class(fleet.classes[c].name, meter.classes()[c], makespan));
  }
  CHECK(summary.terms.contracts.size() == fleet.contracts.size());
  std::uint64_t tokens = 0;
  for (const TenantTally& tally : meter.tenants()) tokens += tally.tokens();
  for (std::size_t t = 0; t < fleet.tenants.size(); ++t)
    metrics.tenants.push_back(of_tenant(fleet.tenants[t], meter.tenants()[t], tokens));
  Bill total;
  std::vector<Bill> bills;  // by pool
  Wide replicas = 0;
  for (std::size_t p = 0; p < fleet.pools.size(); ++p) {
    const PoolTally& tally = meter.pools()[p];
    const Bill bill = bill_of(summary, p);
    bills.push_back(bill);
    metrics.pools.push_back(of_pool(fleet, p, tally, summary.idle_beside_work[p], makespan, bill));
    total.picojoules += bill.picojoules;
    total.nano_dollars += bill.nano_dollars;
    replicas += fleet.pools[p].devices;
    if (!fleet.domains.empty())
      metrics.pools.back().set("held_by_power_s", in_s(wide(summary.terms.held_by_power[p].count())));
    if (!summary.oldest_signals.empty())
      metrics.pools.back().set("oldest_signal_ms", in_ms(summary.oldest_signals[p].count()));
  }
  metrics.contracts = contracts_of(summary);
  metrics.power_domains = power_domains_of(summary, bills);
  for (std::size_t l = 0; l < fleet.links.size(); ++l)
    metrics.links.push_back(of_link(fleet, fleet.links[l], meter.links()[l]));
  metrics.totals.set("makespan_s", in_s(wide(makespan.count())));
  metrics.totals.set("replicas", whole(replicas));
  metrics.totals.set("pue", ratio(wide(fleet.pue_thousandths), 1000, 3));
  set_bill(metrics.totals, total);
  metrics.totals.set(
      "cost_per_million_output_tokens_usd",
      ratio(total.nano_dollars * 1'000'000, static_cast<Wide>(all.output_tokens) * kNanoDollarsPerDollar, 6));
  metrics.totals.set("energy_per_output_token_j",
                     ratio(total.picojoules, static_cast<Wide>(all.output_tokens) * 1'000'000'000'000ull, 3));
  if (!fleet.links.empty()) metrics.totals.set("stayed_pct", percent(meter.stayed(), meter.done_with_roles()));
  metrics.run = run_of(summary, all.arrived());
  return metrics;
}

}  // namespace yard
