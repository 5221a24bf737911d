// What a Core is made of. Only those .cpp files of this room see it that hold a part of Core: core, runs, answers,
// attempts, handoff, idle, inspection, summary.
#pragma once
#include <cstdint>
#include <limits>
#include <vector>

#include "scheduler/base/heap.h"
#include "scheduler/core/answers.h"
#include "scheduler/core/batcher.h"
#include "scheduler/core/block_reports.h"
#include "scheduler/core/core.h"
#include "scheduler/core/deadlines.h"
#include "scheduler/core/handoff.h"
#include "scheduler/core/ledger.h"
#include "scheduler/core/money.h"
#include "scheduler/core/neighbours.h"
#include "scheduler/core/occupancy.h"
#include "scheduler/core/placement.h"
#include "scheduler/core/power.h"
#include "scheduler/core/served.h"
#include "scheduler/core/shares.h"
#include "scheduler/core/signals.h"
#include "scheduler/core/tenants.h"
#include "scheduler/core/waiters.h"

namespace yard {

// One budget of retries for all: ten to begin with, a fifth of one more with each request, at most a hundred at hand. A
// fleet that fails as a whole is thus asked at most 1.2 times as often. (Envoy's retry budget has the same 20 %.)
inline constexpr std::int32_t kPermitsPerRetry = 16, kPermitsPerRequest = 3, kMostPermits = 100 * kPermitsPerRetry;

struct Core::State {
  State(const Bounds&, const FleetView&, const CostTables&, const PolicySet&, Seed);

  void hear();
  bool any_unbound() const;

  // ---- facts ------------------------------------------------------------------------------------------------------
  void apply(const Submitted&);
  void apply(const CancelAsked&);
  void apply(const RunEnded&);
  void apply(const DeviceChanged&);
  void apply(const Accepted&);
  void apply(const FirstToken&);
  void apply(const Ended&);
  void apply(const Failed&);
  void apply(const CapChanged&);
  void apply(const LoadReport&);
  void apply(const BlocksChanged&);
  void apply(const MoveEnded&);
  void apply(const ShelfFilled&);
  void apply(const OfferSeen&);
  void apply(const OffersSeen&);
  void apply(const Handed&);
  void apply(const TakeEnded&);
  void apply(const Taken&);
  void apply(const Unshelved&);
  void apply(const CostCorrected&);

  void ask_of(Sequence&, const Submitted&) const;
  std::uint32_t arrives(const Submitted&);

  void slot_ended(std::uint32_t device, Sequence&, std::uint32_t i, const SlotEnd&, bool stepped);
  void empty_line(std::uint32_t device);
  void lose_running(std::uint32_t device);
  std::uint32_t answering(SequenceId, std::uint32_t attempt);
  void attempt_failed(std::uint32_t i, Reason);
  void failed_at(std::uint32_t device);
  void touch_where_panics(ModelId);
  std::uint32_t find(RequestId) const;
  void has_read(std::uint32_t device, std::uint32_t i);
  void read_anew(std::uint32_t i, Reason in_the_end);
  void lose_moves(std::uint32_t device);
  bool ask_to_end(std::uint32_t i);
  void fork(std::uint32_t i);
  void stop_the_others();

  // ---- decisions, in the order of a poll --------------------------------------------------------------------------
  void say_ends();
  void shed();
  void give_up_overdue();
  void place_arrivals();
  void place_unbound();
  void read_stranded_anew();
  void start_moves();
  void drive_devices();
  bool share_power();
  void wake_held();

  Reason at_the_door(Sequence&);
  void enters(std::uint32_t i);
  bool turned_away(std::uint32_t i);
  void put_off(std::uint32_t i);
  Duration time_to_read(std::uint32_t device, std::int64_t tokens, std::int64_t pairs) const;
  void bind(std::uint32_t i, DeviceId);
  void launch(std::uint32_t device);
  void interrupt_if_needed(std::uint32_t device);
  void wake_when_one_opens(ModelId);
  Time opens_at(std::uint32_t device) const;
  void send_waiting(std::uint32_t device);

  // ---- shelving.cpp -----------------------------------------------------------------------------------------------
  bool may_be_offered(const Sequence&) const;
  Duration may_wait(const Sequence&) const;  // before it is offered
  void offer(std::uint32_t i, Time there, std::int64_t at_stake = kOnePromise);
  bool offer_before_refusal(std::uint32_t i);
  bool offer_before_end(std::uint32_t i);
  void end_offers();
  bool unshelve_for(std::uint32_t device);
  void unshelve(std::uint32_t i);
  bool wants(const OfferSeen&);
  void offer_overdue();
  void say_to_neighbours();
  void look_around();
  void recount_open(std::uint32_t device, Time);

  // ---- a device has something to do, or nothing any more ------------------------------------------------------------
  void turns_busy(std::uint32_t device);
  void turns_idle(std::uint32_t device);
  bool could_begin(std::uint32_t device);
  bool ends_soon(std::uint32_t device);

  // ---- what becomes of a sequence ---------------------------------------------------------------------------------
  void end(std::uint32_t i, Outcome, Reason);  // takes it from wherever it is; Finish is said by the next poll
  void leave_patience(std::uint32_t i);        // and the waiters: it is admitted, or ends
  void say_finish(std::uint32_t i);
  void say_finish(std::uint32_t i, Outcome, Reason, const Account&);

  void say(const Command&);

  const Bounds bounds;
  const FleetView& fleet;
  const CostTables& costs_as_said;
  CostTables tables;                      // as they are believed now
  CostTables at_quantile;                 // likewise, as placement asks for them; no rows where it asks for the mean
  std::vector<CorrectedBy> corrected_by;  // by row
  const PolicySet policies;

  SequencePool pool;
  PrefixIndex prefixes;  // what placement expects to be kept where
  Evictions evictions;   // what they let go, on its way there
  BlockReports reports;  // what engines say of theirs, into it
  KvCache kv;            // what stepped devices keep
  Shares shares;
  Devices devices;
  ForeignLoad foreign;  // what engines say of others' load
  Signals signals;      // what placement sees of the devices
  Served served;
  Power power;
  Money money;
  Handoff handoff;
  Deadlines deadlines;
  Placement placement;
  Batcher batcher;
  Occupancy occupancy;
  Tenants tenants;
  Waiters waiters;
  AnswerGroups groups;
  Ledger ledger;

  LazyArray<std::uint32_t> by_request;  // RequestId.index -> sequence + 1
  SequenceList arrivals, ended;
  std::vector<Line> queues;           // unbound ones, by model
  std::vector<SequenceList> unbound;  // the same, to be walked when devices go
  std::vector<PatientList> patient;   // never admitted ones, by class, in order of submission
  std::vector<Time> latest_expiry;    // by class
  std::uint64_t submissions = 0;

  Neighbours neighbours;
  SequenceList offered, parting;
  TimeHeap overdue_at_home;  // by sequence: of those bound and not offered, when they are all the same
  std::vector<PassOn> cancels_to_pass_on;
  std::uint32_t on_shelf = 0;      // sequences, as far as is known
  std::vector<std::uint8_t> open;  // by device: 1 where it takes somebody, 2 where it has nothing
  std::uint32_t open_now = 0, vacant_now = 0;

  std::uint32_t through_the_door = 0;                  // sequences in flight that the door let in
  std::int32_t retry_permits = 10 * kPermitsPerRetry;  // sixteenths of a retry
  bool unbound_changed = false, devices_went = false;
  bool stranded = false;  // some that were read may have nowhere to go on

  LazyArray<Slot> slots;                   // of this poll's launches
  std::vector<Picoseconds> steps_as_were;  // scratch: by device
  LazyArray<Command> commands;
  std::size_t slots_used = 0, commands_used = 0;

  Time now{std::numeric_limits<std::int64_t>::min()};
  std::uint32_t applied = 0;  // events since the last poll
  DecisionHash decisions;
};

}  // namespace yard
