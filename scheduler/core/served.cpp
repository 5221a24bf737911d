#include "scheduler/core/served.h"

namespace yard {

Served::Served(const FleetView& fleet, SequencePool& pool, Devices& devices, ForeignLoad& foreign)
    : fleet_(fleet),
      pool_(pool),
      devices_(devices),
      foreign_(foreign),
      endpoints_(fleet.devices()),
      starting_(fleet.pools.size()),
      wakes_(fleet.devices()) {}

bool Served::admits(std::uint32_t d, const Sequence& s, Tokens expected, Time now) const {
  const PoolView& pool = facts(d);
  const Endpoint& endpoint = endpoints_[d];
  const std::uint32_t in_flight = devices_.running(d);
  if (now < endpoint.opens_at() || in_flight >= pool.max_sequences) return false;
  if (in_flight == 0) return true;
  if (endpoint.health.half_open()) return false;
  const ForeignLoad::Others others = foreign_.on(d, now);
  const std::uint32_t there = in_flight + others.sequences();
  if (there >= pool.max_sequences) return false;
  if (pool.window.rule == WindowRule::sequences) return there < pool.window.in_flight;
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
  ++endpoints_[d].starting;
  foreign_.sends(d, s.rest());
  s.expiry = now + facts(d).window.start_timeout;
  starting_[devices_.pool_of(d)].push_back(pool_, i);
}

void Served::begins(std::uint32_t d, std::uint32_t i) {
  Sequence& s = pool_[i];
  starting_[devices_.pool_of(d)].remove(pool_, i);
  s.expiry = Time();
  endpoints_[d].unread -= s.rest();
  --endpoints_[d].starting;
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
    --endpoints_[d].starting;
  }
  devices_.leaves_running(pool_, d, i);
  devices_.touch(d);
  s.context = 0;
}

std::uint32_t Served::overdue(Time now) const {
  for (const PatientList& list : starting_)
    if (!list.empty() && pool_[list.first()].expiry <= now) return list.first();
  return kNobody;
}

Time Served::next_overdue() const {
  Time first = Time::never();
  for (const PatientList& list : starting_)
    if (!list.empty()) first = std::min(first, pool_[list.first()].expiry);
  return first;
}

}  // namespace yard
