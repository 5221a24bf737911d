// The scheduler's mind: facts in, decisions out, and nothing else.
//
// Core is a state machine over values. It has no thread, clock, lock, file or random device, and allocates only in its
// constructor; the live loop and the simulator drive the same object. One tick is: apply every waiting event, then
// poll.
//
//   for (const Event& e : inbox.drain()) core.apply(e, now);
//   for (const Command& c : core.poll(now)) perform(c);
//   sleep_until(core.next_wakeup());
//
// Threads: one; whoever calls apply() owns the object.
// Errors:  none leave here. A full bound is a Finish{rejected}; a broken invariant ends the process (CHECK).
//
// I1  submitted + taken == done + cancelled + rejected + failed + given + in flight, after every poll.
// I2  a sequence moves only along the transitions listed in sequence.h.
// I3  `now` never goes back.
// I4  KV blocks leased + free == total, per device.
// I5  arrival <= admit <= first token <= finish, as far as it got.
// I7  after poll no device idles beside a sequence that waits in its line or that fits it, unless held by a power
//     domain, or while its shelf is asked for it.
#pragma once
#include <cstdint>
#include <memory>
#include <span>

#include "scheduler/base/hash.h"
#include "scheduler/base/rng.h"
#include "scheduler/core/command.h"
#include "scheduler/core/event.h"
#include "scheduler/core/money.h"
#include "scheduler/cost/step_cost.h"
#include "topology/fleet_view.h"

namespace yard {

struct DeadlineCounts;  // deadlines.h
struct Ledger;          // ledger.h
struct PolicySet;       // policy.h
struct ShardSummary;    // summary.h

// All memory that Core will ever own follows from these (I10).
struct Bounds {
  std::uint32_t sequences = 1u << 20;      // waiting and running together; beyond it: Finish{rejected, queue_full}
  std::uint32_t events_per_tick = 4096;    // applied between two polls
  std::uint32_t retries = 2;               // of one request, over its life
  std::uint32_t steps_per_run = 256;       // of a pure decode run
  std::uint32_t moves_per_link = 4;        // said and not begun, beside those that the link moves at once
  std::uint32_t answers = 64;              // of one request (n); beyond it: Finish{rejected, too_many_answers}
  std::uint32_t prefix_blocks = 1u << 20;  // known to be kept, over all devices; beyond it the least recently used go
};

// A device as whoever watches a shard sees it.
struct DeviceLoad {
  std::uint32_t waiting = 0, running = 0;  // sequences in its line; admitted or sent
  std::int64_t kv_tokens = 0;              // context of the admitted ones
  DeviceState state = DeviceState::up;
  bool ejected = false, half_open = false;  // a served one: not tried now; one attempt at a time
  std::uint32_t others = 0;                 // likewise: sequences of others', as it said; less where that is old
  Duration said_ago = {};                   // likewise: the age of what it said; zero where it never did
};

// How placements found their devices: by the index of classes (class_index.h), or by a scan, since the index does not
// know what was asked.
struct PlacementWays {
  std::uint64_t indexed = 0, scanned = 0;
};

class Core {
 public:
  // Requires: fleet and tables outlive the Core and do not change; changes come as events.
  Core(const Bounds&, const FleetView&, const CostTables&, const PolicySet&, Seed);
  ~Core();
  Core(Core&&) noexcept;
  Core& operator=(Core&&) noexcept;

  // Takes in one fact. Cost: O(1), but for a run's end: O(slots).
  void apply(const Event&, Time now) noexcept;

  // Decides. Returns: the commands in the order to perform them, valid until the next call; empty when there is nothing
  // to do, and then a second poll at the same `now` is empty too.
  std::span<const Command> poll(Time now) noexcept;

  // Returns: when poll() must be called even without news (a waiting request's patience); Time::never() if never.
  Time next_wakeup() const noexcept;

  const Ledger& ledger() const noexcept;
  DeviceLoad load(DeviceId, Time now) const noexcept;
  // Device-nanoseconds that the pool's devices had nothing to do, since the epoch, until `now`.
  Duration idle(PoolId, Time now) const noexcept;
  // Device-nanoseconds that the pool's devices stood idle while a sequence of their model waited, until `now`.
  Duration idle_beside_work(PoolId, Time now) const noexcept;
  // Device-nanoseconds that the pool's devices could have worked but for the cap of a power domain, until `now`.
  Duration held_by_power(PoolId, Time now) const noexcept;
  // The greatest age of a signal that made a placement on the pool's devices (I9); zero where all were fresh.
  Duration oldest_signal(PoolId) const noexcept;
  // The most that a power domain drew at a time, what its devices draw idle included; chips only.
  Milliwatts peak_draw(DomainId) const noexcept;
  // Of FleetView::contracts[i], until `now`.
  ContractUse use_of_contract(std::uint32_t i, Time now) const noexcept;
  // What those above the shard may know of it. Requires: a summary made for this fleet. Cost: O(devices).
  void summarise(ShardSummary&) const noexcept;
  // As they are believed now: as they were said, but for corrections. The row's place in memory does not change.
  const StepCost& cost(CostRow) const noexcept;
  const StepCost& cost_to_placement(CostRow) const noexcept;  // the same, or at the quantile that it asks for
  PlacementWays placements() const noexcept;
  const DeadlineCounts& deadlines() const noexcept;  // of hard ones; without any nothing counts
  void audit() const;                   // what the index of classes knows, or the process ends. Cost: all. For tests.
  std::uint64_t hash() const noexcept;  // over every (tick, command) so far, in order

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace yard
