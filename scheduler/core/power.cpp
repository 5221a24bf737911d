#include "scheduler/core/power.h"

#include <algorithm>
#include <utility>

namespace yard {

Power::Power(const FleetView& fleet) : fleet_(fleet) {
  if (fleet.domains.empty()) return;
  domains_.resize(fleet.domains.size());
  pools_.resize(fleet.pools.size());
  pool_of_.resize(fleet.devices());
  feeds_.resize(fleet.devices());
  for (std::size_t d = 0; d < domains_.size(); ++d) {
    CHECK_WHY(!fleet.domains[d].parent.some() || fleet.domains[d].parent.value < d, "parents come first (T2)");
    domains_[d].parent = fleet.domains[d].parent.value;
    domains_[d].cap = fleet.domains[d].cap;
  }
  for (std::uint32_t p = 0; p < pools_.size(); ++p) {
    const PoolView& pool = fleet.pools[p];
    CHECK(pool.busy >= pool.idle);
    pools_[p].domain = pool.domain.value;
    pools_[p].step = pool.busy - pool.idle;
    for (std::uint32_t i = 0; i < pool.devices; ++i) pool_of_[pool.first_device + i] = p;
    for (std::uint32_t d = pools_[p].domain; d != kNone; d = domains_[d].parent) {
      domains_[d].idle += pool.idle * pool.devices;
      domains_[d].pools.push_back(p);
    }
  }
  for (Domain& domain : domains_) domain.peak = domain.idle;
}

bool Power::ask(std::uint32_t d, Time now) {
  if (!limited()) return true;
  Feed& feed = feeds_[d];
  CHECK_WHY(!feed.leased, "a lease is asked for once");
  const Pool& pool = pools_[pool_of_[d]];
  bool granted = true;
  for (std::uint32_t at = pool.domain; at != kNone; at = domains_[at].parent) {
    Domain& domain = domains_[at];
    if (!domain.lacked && domain.leased + pool.step <= domain.room()) continue;
    granted = false;
    domain.lacked = true;
  }
  if (!granted) {
    if (feed.held) return false;
    feed.held = true;
    feed.prev = std::exchange(last_held_, d);
    (feed.prev == kNone ? first_held_ : feeds_[feed.prev].next) = d;
    held_changes(d, +1, now);
    return false;
  }
  if (feed.held) hold_no_more(d, now);
  feed.leased = true;
  for (std::uint32_t at = pool.domain; at != kNone; at = domains_[at].parent) {
    domains_[at].leased += pool.step;
    domains_[at].peak = std::max(domains_[at].peak, domains_[at].idle + domains_[at].leased);
  }
  return true;
}

void Power::gives_back(std::uint32_t d) {
  if (!limited()) return;
  Feed& feed = feeds_[d];
  CHECK_WHY(feed.leased, "a lease is given back once");
  feed.leased = feed.must_end = false;
  const Pool& pool = pools_[pool_of_[d]];
  for (std::uint32_t at = pool.domain; at != kNone; at = domains_[at].parent) domains_[at].leased -= pool.step;
  news_ |= any_held();
}

void Power::hold_no_more(std::uint32_t d, Time now) {
  Feed& feed = feeds_[d];
  CHECK(feed.held);
  feed.held = false;
  (feed.prev == kNone ? first_held_ : feeds_[feed.prev].next) = feed.next;
  (feed.next == kNone ? last_held_ : feeds_[feed.next].prev) = feed.prev;
  feed.prev = feed.next = kNone;
  held_changes(d, -1, now);
  news_ = true;  // who waited behind it
}

void Power::set_cap(DomainId d, Milliwatts cap) {
  CHECK(d.value < domains_.size() && cap.count() >= 0);
  domains_[d.value].cap = cap;
  news_ = cap_news_ = true;
}

void Power::held_changes(std::uint32_t d, int by, Time now) {
  Pool& pool = pools_[pool_of_[d]];
  pool.held_ns += pool.held * (now - pool.settled).count();
  pool.held += by;
  pool.settled = now;
}

Duration Power::held_time(PoolId p, Time now) const {
  if (!limited()) return {};
  const Pool& pool = pools_[p.value];
  return Duration(pool.held_ns + pool.held * (now - pool.settled).count());
}

}  // namespace yard
