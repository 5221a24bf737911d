// Power domains: what the devices under a cap may draw together, as leases.
//
// What its devices draw idle is always held. A device leases what it draws more when it works (busy - idle) in every
// domain above it, for as long as it is in a run, or has a sequence in flight; the whole of it or nothing. A device
// whose lease is not to be had is *held*: it idles beside its work until power is released or a cap rises, first come,
// first served within what they lack, so that a large one is not passed by small ones for ever. A cap that falls below
// what is leased ends runs at their next step boundary (a served device takes nothing new until it is empty), from the
// last device of the domain to the first, until what stays fits; nothing is re-timed.
//
// Threads: the shard's own.
// P1  leased == sum over the domain's devices that hold a lease, checked whenever a cap changes.
// P2  leased <= max(cap - idle, what was leased when the cap fell and is not given back yet): no lease is granted into
// an
//     overdrawn domain, and after a poll that took in a cap, what is not about to end fits it.
// P3  a held device holds no lease; it has work that it could begin at once.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "scheduler/base/check.h"
#include "scheduler/base/units.h"
#include "topology/fleet_view.h"

namespace yard {

class Power {
 public:
  explicit Power(const FleetView&);

  bool limited() const { return !domains_.empty(); }  // otherwise nothing of this is ever asked
  bool leased(std::uint32_t d) const { return limited() && feeds_[d].leased; }
  bool held(std::uint32_t d) const { return limited() && feeds_[d].held; }
  bool any_held() const { return first_held_ != kNone; }
  bool must_end(std::uint32_t d) const { return limited() && feeds_[d].must_end; }

  // Returns: whether the device may work; it then has its lease. Otherwise it is held.
  bool ask(std::uint32_t d, Time now);
  void gives_back(std::uint32_t d);
  void hold_no_more(std::uint32_t d, Time now);  // it has nothing to begin

  void set_cap(DomainId, Milliwatts);

  // Those held ask again, first come first, if anything was given back or a cap changed since this was last called.
  // `could_begin(d)`: it still has work; `look(d)`: it has its lease, or is held no more.
  template <class CouldBegin, class Look>
  void wake(Time now, const CouldBegin& could_begin, const Look& look);

  // What a fallen cap ends. `ends_anyway(d)`: its work ends at the next boundary whatever is done; `look(d)`:
  // must_end(d) changed. Returns: whether any cap changed since this was last called.
  template <class EndsAnyway, class Look>
  bool end_overdrawn(const EndsAnyway& ends_anyway, const Look& look);
  template <class EndsAnyway>
  void check(const EndsAnyway& ends_anyway) const;  // P1, P2

  Milliwatts peak(DomainId d) const { return domains_[d.value].peak; }  // most that was drawn, idle included
  Duration held_time(PoolId, Time now) const;                           // device time, until `now`

  static constexpr std::uint32_t kNone = 0xffff'ffff;

 private:
  struct Feed {  // of a device
    bool leased = false, held = false, must_end = false;
    std::uint32_t prev = kNone, next = kNone;  // of the held, in the order of asking
  };
  struct Domain {
    std::uint32_t parent = kNone;
    Milliwatts cap, idle, leased, peak;
    bool lacked = false;               // by a device that is held: who asks later waits behind it
    std::vector<std::uint32_t> pools;  // of it and of those below it
    Milliwatts room() const { return cap > idle ? cap - idle : Milliwatts(); }
  };
  struct Pool {
    std::uint32_t domain = kNone;
    Milliwatts step;  // busy - idle, of one device
    std::int64_t held = 0, held_ns = 0;
    Time settled;
  };
  void held_changes(std::uint32_t d, int by, Time now);
  template <class Each>
  void last_to_first(const Domain&, const Each&) const;

  const FleetView& fleet_;
  std::vector<Domain> domains_;
  std::vector<Pool> pools_;
  std::vector<std::uint32_t> pool_of_;  // by device
  std::vector<Feed> feeds_;
  std::uint32_t first_held_ = kNone, last_held_ = kNone;
  bool news_ = false, cap_news_ = false;
};

// `each(device, step)`; stops when it says false.
template <class Each>
void Power::last_to_first(const Domain& domain, const Each& each) const {
  for (auto p = domain.pools.rbegin(); p != domain.pools.rend(); ++p) {
    const PoolView& pool = fleet_.pools[*p];
    for (std::uint32_t d = pool.first_device + pool.devices; d-- > pool.first_device;)
      if (!each(d, pools_[*p].step)) return;
  }
}

template <class CouldBegin, class Look>
void Power::wake(Time now, const CouldBegin& could_begin, const Look& look) {
  if (!news_) return;
  for (Domain& domain : domains_) domain.lacked = false;
  for (std::uint32_t d = first_held_, next; d != kNone; d = next) {
    next = feeds_[d].next;
    const bool begins = could_begin(d);
    if (!begins) hold_no_more(d, now);
    if (!begins || ask(d, now)) look(d);
  }
  news_ = false;  // who was let go stood before nobody that has not asked since
}

template <class EndsAnyway, class Look>
bool Power::end_overdrawn(const EndsAnyway& ends_anyway, const Look& look) {
  if (!cap_news_) return false;
  cap_news_ = false;
  for (std::uint32_t d = 0; d < feeds_.size(); ++d)
    if (feeds_[d].must_end) feeds_[d].must_end = false, look(d);  // said again below, where it is still so
  for (auto domain = domains_.rbegin(); domain != domains_.rend(); ++domain) {
    Milliwatts over = domain->leased - domain->room();
    last_to_first(*domain, [&](std::uint32_t d, Milliwatts step) {
      if (feeds_[d].leased && (feeds_[d].must_end || ends_anyway(d))) over -= step;
      return true;
    });
    last_to_first(*domain, [&](std::uint32_t d, Milliwatts step) {
      if (over.count() <= 0) return false;
      if (!feeds_[d].leased || feeds_[d].must_end || ends_anyway(d) || step.count() == 0) return true;
      feeds_[d].must_end = true;
      over -= step;
      look(d);
      return true;
    });
  }
  return true;
}

template <class EndsAnyway>
void Power::check(const EndsAnyway& ends_anyway) const {
  for (const Domain& domain : domains_) {
    Milliwatts leased, stays;
    last_to_first(domain, [&](std::uint32_t d, Milliwatts step) {
      if (feeds_[d].leased) leased += step;
      if (feeds_[d].leased && !ends_anyway(d)) stays += step;
      return true;
    });
    CHECK_WHY(leased == domain.leased, "leased == what the domain's devices hold (P1)");
    CHECK_WHY(stays <= domain.room(), "what is not about to end fits the cap (P2)");
  }
}

}  // namespace yard
