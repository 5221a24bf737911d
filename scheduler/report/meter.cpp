#include "scheduler/report/meter.h"

#include <algorithm>

#include "scheduler/base/check.h"

namespace yard {
namespace {

constexpr Wide kPicojoulesPerMillijoule = 1'000'000'000;

std::uint64_t unsigned_of(Tokens t) { return static_cast<std::uint64_t>(t.count()); }
Wide wide_of(Duration d) { return static_cast<Wide>(d.count()); }

}  // namespace

bool attains(const SloClass& slo, const Finish& finish) noexcept {
  const Account& a = finish.account;
  if (finish.outcome != Outcome::done) return false;
  const Time first = a.first_token == Time::never() ? a.finish : a.first_token;
  const Time last = a.last_token == Time::never() ? a.finish : a.last_token;
  const Duration ttft = slo.ttft_objective(a.prompt);
  if (ttft.count() > 0 && first - a.arrival > ttft) return false;
  if (slo.e2e.count() > 0 && last - a.arrival > slo.e2e) return false;
  const Tokens longest = a.longest_answer();
  const bool has_tpot = slo.tpot.count() > 0 && longest.count() >= 2;
  return !has_tpot || wide_of(last - first) <= wide_of(slo.tpot) * (unsigned_of(longest) - 1);
}

void ClassTally::merge(const ClassTally& other) {
  for (std::size_t o = 0; o < kOutcomes; ++o) {
    for (std::size_t r = 0; r < kReasons; ++r) ended[o][r] += other.ended[o][r];
  }
  attained += other.attained;
  attained_tokens += other.attained_tokens;
  prompt_tokens += other.prompt_tokens;
  output_tokens += other.output_tokens;
  preemptions += other.preemptions;
  admitted_prompt_tokens += other.admitted_prompt_tokens, cached_tokens += other.cached_tokens;
  several += other.several, answers += other.answers;
  no_output += other.no_output, no_output_done += other.no_output_done;
  ttft.merge(other.ttft);
  tpot.merge(other.tpot);
  e2e.merge(other.e2e);
}

void TenantTally::merge(const TenantTally& other) {
  arrived += other.arrived, done += other.done, attained += other.attained;
  rejected += other.rejected, over_quota += other.over_quota;
  prompt_tokens += other.prompt_tokens, output_tokens += other.output_tokens;
  nano_dollars += other.nano_dollars;
}

void PoolTally::merge(const PoolTally& other) {
  for (std::size_t b = 0; b < kBounds; ++b) busy_ns[b] += other.busy_ns[b];
  runs += other.runs;
  steps += other.steps;
  prefill_tokens += other.prefill_tokens;
  output_tokens += other.output_tokens;
  requests += other.requests;
  preemptions += other.preemptions;
  adapter_loads += other.adapter_loads, adapters_found += other.adapters_found;
  adapter_load_ns += other.adapter_load_ns;
  kv_block_ns += other.kv_block_ns;
  kv_peak = std::max(kv_peak, other.kv_peak);
  busy_picojoules += other.busy_picojoules;
}

void LinkTally::merge(const LinkTally& other) {
  arrived += other.arrived;
  failed += other.failed;
  bytes += other.bytes;
  time.merge(other.time);
}

Meter::Meter(const FleetView& fleet)
    : fleet_(&fleet),
      pool_of_(fleet.devices()),
      open_(fleet.devices()),
      classes_(fleet.classes.size()),
      tenants_(fleet.tenants.size()),
      pools_(fleet.pools.size()),
      links_(fleet.links.size()),
      has_roles_(fleet.models.size()) {
  for (const LinkView& link : fleet.links) has_roles_[fleet.pools[link.from.value].model.value] = true;
  for (std::size_t p = 0; p < fleet.pools.size(); ++p) {
    const PoolView& pool = fleet.pools[p];
    std::fill_n(pool_of_.begin() + pool.first_device, pool.devices, static_cast<std::uint32_t>(p));
  }
}

void Meter::on_finish(const Finish& finish) noexcept {
  const Account& a = finish.account;
  CHECK(a.slo.value < classes_.size());
  ClassTally& tally = classes_[a.slo.value];
  tally.ended[static_cast<std::size_t>(finish.outcome)][static_cast<std::size_t>(finish.why)] += 1;
  tally.prompt_tokens += unsigned_of(a.prompt);
  tally.output_tokens += unsigned_of(a.output);
  tally.preemptions += a.preemptions;
  if (a.admit != Time::never()) {
    tally.admitted_prompt_tokens += unsigned_of(a.prompt);
    tally.cached_tokens += unsigned_of(a.cached);
  }
  tally.several += a.answers > 1;
  tally.answers += a.answers;
  tally.no_output += a.no_output;
  tally.no_output_done += a.no_output && finish.outcome == Outcome::done;
  first_arrival_ = std::min(first_arrival_, a.arrival);
  last_finish_ = std::max(last_finish_, a.finish);

  if (finish.outcome == Outcome::done && a.first_token != Time::never()) {
    CHECK(a.last_token != Time::never());
    tally.ttft.add((a.first_token - a.arrival).count());
    tally.e2e.add((a.last_token - a.arrival).count());
    if (const std::int64_t n = a.longest_answer().count(); n >= 2)
      tally.tpot.add((a.last_token - a.first_token).count() / (n - 1));
  }
  if (finish.outcome == Outcome::done && a.no_output) tally.e2e.add((a.finish - a.arrival).count());
  if (finish.outcome == Outcome::done && a.model.some() && has_roles_[a.model.value]) {
    ++done_with_roles_;
    stayed_ += a.moves == 0;
  }
  const bool attained = attains(fleet_->classes[a.slo.value], finish);
  count_for_tenant(finish, attained);
  if (attained) {
    tally.attained += 1;
    tally.attained_tokens += unsigned_of(a.output);
  }
  if (a.device.some()) {
    PoolTally& pool = pools_[pool_of_[a.device.value]];
    pool.requests += 1;
    pool.preemptions += a.preemptions;
  }
}

void Meter::count_for_tenant(const Finish& finish, bool attained) noexcept {
  const Account& a = finish.account;
  CHECK(a.tenant.value < tenants_.size());
  TenantTally& tally = tenants_[a.tenant.value];
  tally.arrived += 1;
  tally.done += finish.outcome == Outcome::done;
  tally.attained += attained;
  tally.rejected += finish.outcome == Outcome::rejected;
  tally.over_quota += finish.why == Reason::quota;
  if (!counts_as_used(finish.outcome, a.admit)) return;
  const TenantView& tenant = fleet_->tenants[a.tenant.value];
  tally.prompt_tokens += unsigned_of(a.prompt);
  tally.output_tokens += unsigned_of(a.output);
  tally.nano_dollars += static_cast<Wide>(tenant.prompt_price.count()) * unsigned_of(a.prompt) +
                        static_cast<Wide>(tenant.output_price.count()) * unsigned_of(a.output);
}

void Meter::on_launch(const Launch& launch, Time now) noexcept {
  Open& open = open_[launch.device.value];
  std::int64_t blocks = 0;
  for (const Slot& slot : launch.slots) blocks += slot.granted.count();
  open = {now, blocks, launch.run.generation, launch.bound_by, true};
  PoolTally& pool = pools_[pool_of_[launch.device.value]];
  pool.kv_peak = std::max(pool.kv_peak, blocks);
  pool.adapter_loads += launch.loads, pool.adapters_found += launch.found;
  pool.adapter_load_ns += wide_of(launch.load);
}

void Meter::on_run_ended(const RunEnded& ended, Time now) noexcept {
  Open& open = open_[ended.device.value];
  if (!open.running || open.generation != ended.run.generation) return;
  open.running = false;
  const std::uint32_t p = pool_of_[ended.device.value];
  PoolTally& pool = pools_[p];
  CHECK(now >= open.since);
  const Wide took = wide_of(now - open.since);
  pool.busy_ns[static_cast<std::size_t>(open.bound_by)] += took;
  pool.runs += 1;
  pool.steps += ended.steps;
  std::int64_t prefilled = 0, generated = 0;
  for (const SlotEnd& slot : ended.slots) {
    prefilled += slot.prefilled.count();
    generated += slot.generated.count();
  }
  pool.prefill_tokens += static_cast<std::uint64_t>(prefilled);
  pool.output_tokens += static_cast<std::uint64_t>(generated);
  pool.kv_block_ns += took * static_cast<std::uint64_t>(open.blocks);
  pool.busy_picojoules += ended.energy.count() > 0
                              ? static_cast<Wide>(ended.energy.count()) * kPicojoulesPerMillijoule
                              : static_cast<Wide>(fleet_->pools[p].busy.count()) * took;  // mW x ns = pJ
}

void Meter::on_move(const Move& move, Time now) noexcept {
  if (moving_.size() <= move.sequence.index) moving_.resize(move.sequence.index + 1);
  moving_[move.sequence.index] = {now, move.link, move.bytes};
}

void Meter::on_move_ended(const MoveEnded& end, Time now) noexcept {
  if (end.sequence.index >= moving_.size()) return;
  Moving& move = moving_[end.sequence.index];
  if (move.since == Time::never()) return;
  LinkTally& link = links_[move.link.value];
  if (end.how == MoveEnd::arrived) {
    link.arrived += 1;
    link.bytes += static_cast<Wide>(move.bytes);
    link.time.add((now - move.since).count());
  } else {
    link.failed += 1;
  }
  move.since = Time::never();
}

void Meter::merge(const Meter& other) {
  CHECK(classes_.size() == other.classes_.size() && pools_.size() == other.pools_.size());
  for (std::size_t c = 0; c < classes_.size(); ++c) classes_[c].merge(other.classes_[c]);
  for (std::size_t t = 0; t < tenants_.size(); ++t) tenants_[t].merge(other.tenants_[t]);
  for (std::size_t p = 0; p < pools_.size(); ++p) pools_[p].merge(other.pools_[p]);
  for (std::size_t l = 0; l < links_.size(); ++l) links_[l].merge(other.links_[l]);
  done_with_roles_ += other.done_with_roles_, stayed_ += other.stayed_;
  itl_.merge(other.itl_);
  first_arrival_ = std::min(first_arrival_, other.first_arrival_);
  last_finish_ = std::max(last_finish_, other.last_finish_);
}

ClassTally Meter::all() const {
  ClassTally all;
  for (const ClassTally& c : classes_) all.merge(c);
  return all;
}

}  // namespace yard
