// Served devices: when the next sequence of a line is sent, what is in flight there, and how an attempt ends.
//
// The window (README.md, "Served devices") keeps what an engine holds to what it can start soon. Own sends and ends
// count at once; nothing waits for a scrape, which only says what others have there.
//
// Threads: the shard's own.
// W1  in flight == the device's running list; unread == tokens to read of those in it that gave no token yet.
// W2  a sequence in flight stands in exactly one start list (its pool's) until its first token or its end.
#pragma once
#include <cstdint>
#include <vector>

#include "scheduler/base/heap.h"
#include "scheduler/core/device.h"
#include "scheduler/core/foreign_load.h"
#include "scheduler/core/health.h"

namespace yard {

struct Endpoint {
  std::int64_t unread = 0;     // tokens sent and not yet begun
  std::uint32_t starting = 0;  // sequences, likewise
  std::uint32_t limit = 0;     // of the rule `gradient`: 1/1024 of a sequence in flight
  Time closed_until;           // as it asked, by retry_after
  Health health;

  Time opens_at() const { return std::max(closed_until, health.until()); }
};

class Served {
 public:
  Served(const FleetView& fleet, SequencePool& pool, Devices& devices, ForeignLoad& foreign);

  bool serves(std::uint32_t d) const { return facts(d).kind == PoolKind::served; }
  Endpoint& endpoint(std::uint32_t d) { return endpoints_[d]; }
  const Endpoint& endpoint(std::uint32_t d) const { return endpoints_[d]; }

  // Returns: whether the device may be sent this sequence now; `expected` is the length of its answer.
  bool admits(std::uint32_t d, const Sequence&, Tokens expected, Time now) const;

  // An attempt there failed. Returns: whether that ejects it.
  bool failed(std::uint32_t d, Time now);
  // Whether more than half of those that serve its model are ejected or down: then that somebody is ejected is no
  // reason to leave it out (Envoy's panic threshold, 50 %). Cost: O(devices of the model) while any is ejected, else
  // O(1).
  bool panics(ModelId, Time now) const;
  // Whether nothing new is bound to it while others are eligible: it asked for that, or is ejected.
  bool shut(std::uint32_t d, Time now) const {
    const Endpoint& e = endpoints_[d];
    return now < e.closed_until || (e.health.ejected(now) && !panics(facts(d).model, now));
  }

  // The first of the line goes out. Requires: admits().
  void send(std::uint32_t d, std::uint32_t i, Tokens expected, Time now);
  // It gave its first token, at `at`: the engine has read its prompt; alone there that takes `ideal`.
  void begins(std::uint32_t d, std::uint32_t i, Time at, Duration ideal);
  // An attempt is over, however: the sequence leaves the device.
  void leaves(std::uint32_t d, std::uint32_t i);

  // What we have there.
  ForeignLoad::Own own(std::uint32_t d) const {
    return {devices_.running(d), endpoints_[d].starting, facts(d).kv_blocks.count() - devices_.free_blocks(d)};
  }

  // Returns: a sequence whose start is overdue at `now`; kNobody if there is none.
  std::uint32_t overdue(Time now) const;
  Time next_overdue() const;

  // A device whose line waits for it to open is looked at again then.
  void wake_at(std::uint32_t d, Time at) { wakes_.set(d, at); }
  Time next_wake() const { return wakes_.next(); }
  std::uint32_t take_wake() {
    const std::uint32_t d = wakes_.first();
    wakes_.remove(d);
    return d;
  }

 private:
  const PoolView& facts(std::uint32_t d) const { return fleet_.pools[devices_.pool_of(d)]; }

  const FleetView& fleet_;
  SequencePool& pool_;
  Devices& devices_;
  ForeignLoad& foreign_;
  std::vector<Endpoint> endpoints_;    // by device
  std::vector<PatientList> starting_;  // by pool: sent, no token yet, in order of sending
  std::uint64_t starts_ = 0;           // in all of these
  TimeHeap wakes_;
  Time all_open_;  // nobody is ejected from then on
};

}  // namespace yard
