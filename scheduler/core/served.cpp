#include "scheduler/core/served.h"

#include <algorithm>

namespace yard {
namespace {

constexpr std::uint32_t kLimitUnit = 1024;

}  // namespace

Served::Served(const FleetView& fleet, SequencePool& pool, Devices& devices, ForeignLoad& foreign)
    : fleet_(fleet),
      pool_(pool),
      devices_(devices),
      foreign_(foreign),
      endpoints_(fleet.devices()),
      starting_(fleet.pools.size()),
      wakes_(fleet.devices()) {
  for (std::uint32_t d = 0; d < fleet.devices(); ++d) endpoints_[d].limit = facts(d).window.in_flight * kLimitUnit;
}

bool Served::failed(std::uint32_t d, Time now) {
  if (!endpoints_[d].health.failed(now)) return false;
  all_open_ = std::max(all_open_, endpoints_[d].health.until());
  return true;
}

bool Served::panics(ModelId m, Time now) const {
  if (now >= all_open_) return false;
  std::uint32_t all = 0, gone = 0;
  for (const PoolView& pool : fleet_.pools) {
    if (pool.kind != PoolKind::served || pool.model != m) continue;
    for (std::uint32_t d = pool.first_device; d < pool.first_device + pool.devices; ++d, ++all)
      gone += devices_.state(d) == DeviceState::down || endpoints_[d].health.ejected(now);
  }
  return 2 * gone > all;
}

bool Served::admits(std::uint32_t d, const Sequence& s, Tokens expected, Time now) const {
  const PoolView& pool = facts(d);
  const Endpoint& endpoint = endpoints_[d];
  const std::uint32_t in_flight = devices_.running(d);
  if (now < endpoint.closed_until || in_flight >= pool.max_sequences) return false;
  const bool doubtful = endpoint.health.half_open() && !panics(pool.model, now);
  if (doubtful && endpoint.health.ejected(now)) return false;
  if (in_flight == 0) return true;
  if (doubtful) return false;
  const ForeignLoad::Others others = foreign_.on(d, now);
  const std::uint32_t there = in_flight + others.sequences();
  if (there >= pool.max_sequences) return false;
  if (pool.window.rule == WindowRule::sequences) return there < pool.window.in_flight;
  if (pool.window.rule == WindowRule::gradient) return there < endpoint.limit / kLimitUnit;
  const std::int64_t predicted = pool.kv_blocks.count() - devices_[d].free_blocks + others.blocks;
  const std::int64_t unread = endpoint.unread + others.waiting * foreign_.mean_prompt(d);
  const std::int64_t needs = blocks_for(Tokens(s.to_read) + expected, pool.block_tokens).count();
  return unread < pool.window.unread.count() &&
         (predicted + needs) * 1000 <= std::int64_t{pool.kv_blocks.count()} * pool.window.kv_permille;
}

void Served::send(std::uint32_t d, std::uint32_t i, Tokens expected, Time now) {
  devices_.admits(pool_, d, i);
  Sequence& s = pool_[i];
  s.front = false;
  s.blocks = blocks_for(Tokens(s.to_read) + expected, facts(d).block_tokens).count();  // predicted, not leased
  devices_[d].free_blocks -= s.blocks;
  endpoints_[d].unread += s.rest();
  ++endpoints_[d].starting, ++starts_;
  foreign_.sends(d, s.rest());
  s.expiry = now + facts(d).window.start_timeout;
  starting_[devices_.pool_of(d)].push_back(pool_, i);
}

// The limit of the rule `gradient` falls by a tenth where a first token took more than twice the ideal time, and rises
// by one otherwise; never below one nor above what the engine runs together. (Netflix' concurrency-limits have the
// idea.)
void Served::begins(std::uint32_t d, std::uint32_t i, Time at, Duration ideal) {
  Sequence& s = pool_[i];
  if (facts(d).window.rule == WindowRule::gradient) {
    const Time sent = s.expiry - facts(d).window.start_timeout;
    std::uint32_t& limit = endpoints_[d].limit;
    limit = (at - sent).count() / 2 > ideal.count() ? limit / 10 * 9 : limit + kLimitUnit;
    limit = std::clamp(limit, kLimitUnit, facts(d).max_sequences * kLimitUnit);
  }
  starting_[devices_.pool_of(d)].remove(pool_, i);
  s.expiry = Time();
  endpoints_[d].unread -= s.rest();
  --endpoints_[d].starting, --starts_;
  devices_.plans_to_read(d, s.rest());
  devices_.grows(d, s.to_read);
  s.context = s.to_read;
  s.hit = 0;
}

void Served::leaves(std::uint32_t d, std::uint32_t i) {
  Sequence& s = pool_[i];
  if (s.reading()) {
    starting_[devices_.pool_of(d)].remove(pool_, i);
    s.expiry = Time();
    endpoints_[d].unread -= s.rest();
    --endpoints_[d].starting, --starts_;
  }
  devices_.leaves_running(pool_, d, i);
  devices_.touch(d);
  s.context = 0;
}

std::uint32_t Served::overdue(Time now) const {
  if (starts_ == 0) return kNobody;
  for (const PatientList& list : starting_)
    if (!list.empty() && pool_[list.first()].expiry <= now) return list.first();
  return kNobody;
}

Time Served::next_overdue() const {
  Time first = Time::never();
  if (starts_ == 0) return first;
  for (const PatientList& list : starting_)
    if (!list.empty()) first = std::min(first, pool_[list.first()].expiry);
  return first;
}

}  // namespace yard
