// Drives a Core in virtual time: arrivals in, simulated devices answering, no clock and no thread.
//
// One instant is: all run ends due, by device index; then the ends of moves, by link and number; then arrivals, in the
// order of the trace; then anything else (cancels, faults); then one poll. What a poll causes at the same instant makes
// another tick there. (core/README.md, "One tick")
//
// Threads: one. The loop owns the request ids; devices and observer are the assembly's.
#pragma once
#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

#include "scheduler/base/heap.h"
#include "scheduler/base/lazy_array.h"
#include "scheduler/core/core.h"
#include "scheduler/loop/cost_learner.h"
#include "scheduler/loop/sim_links.h"
#include "scheduler/loop/sim_news.h"
#include "scheduler/loop/sim_port.h"

namespace yard {

// More may come at one instant of virtual time than a live tick takes.
inline constexpr Bounds kSimulationBounds{.sequences = 1u << 21, .events_per_tick = 1u << 16};

// A request as a simulation knows it: what Core is told, and the secret that only its device may use.
struct Arrival {
  std::uint64_t row;  // its number in the trace
  Submitted facts;    // `request` is the loop's to fill in; its prefix lives until the next call of next()
  Tokens output;      // true length of the answer (I8: never Core's to read)
  Time cancel_at = Time::never();
};

class ArrivalSource {
 public:
  virtual ~ArrivalSource() = default;
  // Returns: the next one, in order of arrival; nothing at the end.
  virtual std::optional<Arrival> next() = 0;
};

class SimObserver {
 public:
  virtual ~SimObserver() = default;
  virtual void finished(std::uint64_t, const Finish&) {}
  virtual void launched(const Launch&, Time) {}
  virtual void interrupted(const Interrupt&, Time) {}
  virtual void run_ended(const RunEnded&, Time) {}
  virtual void sent(const Send&, Time) {}
  virtual void aborted(const Abort&, Time) {}
  virtual void moves(const Move&, Time) {}
  virtual void move_ended(const MoveEnded&, Time) {}
  // Every event as Core is told it, and each tick's end: what a recording holds.
  virtual void applied(const Event&) {}
  virtual void ticked(Time, const Core&) {}
};

// Something that happens at a time whatever Core does: a device's state.
struct Fault {
  Time at;
  DeviceChanged change;
};

// What a shard asks of the others of its cell (shards.h).
class SimNeighbours {
 public:
  virtual ~SimNeighbours() = default;
  virtual void shelve(const Shelve&, Time now) = 0;
  virtual void unshelve(const Unshelve&, Time now) = 0;
  virtual void look(const Look&, Time now) = 0;
  virtual void take(const Take&, Time now) = 0;
  virtual void pass_on(const PassOn&, Time now) = 0;
  virtual void finished(RequestId) = 0;  // before its id is given back

  // What is told to the shard, and when next; Time::never(): nothing. told() is called when next() has come.
  virtual Time next() const = 0;
  virtual void tell(Time now) = 0;
};

class SimLoop {
 public:
  // Requires: all outlive the loop. `bounds` are the Core's own.
  SimLoop(Core&, const Bounds&, std::uint32_t devices, SimDevices&, SimObserver&);

  // What befalls the fleet by its own terms. Before it runs; outlives the loop.
  void hears(SimNews& news) { news_ = &news; }

  // Core's costs become those that its devices show. Before it runs; outlives the loop.
  void learns(CostLearner& learner) { learner_ = &learner; }

  // What moves KV, where the fleet has links. Before it runs; outlives the loop.
  void moves_over(SimLinks& links) { links_ = &links; }

  // Runs until every arrival has ended. `faults` in order of time.
  // Returns: the last instant at which something happened.
  Time run(ArrivalSource&, const std::vector<Fault>& faults = {});

  // Runs what lies before `until`, of a simulation that goes on after it: cell by cell, cells.h. In pieces or at once
  // is the same: nothing happens at a piece's end.
  // Requires: every arrival before `until` comes from the source, none at or after it.
  void run_until(Time until, ArrivalSource&, const std::vector<Fault>& faults = {});

  // ---- one of several shards: whoever drives them all steps each ----------------------------------------------------

  // Before it runs; outlives the loop.
  void lives_beside(SimNeighbours& neighbours) { neighbours_ = &neighbours; }
  Time next(const std::vector<Fault>& faults) const { return std::min(next_instant(), next_other(faults)); }
  // An instant: what ends, then whoever is submit()ted in between, then all else and the poll.
  void begin(Time now) { ends_at(now); }
  void end(Time now, const std::vector<Fault>& faults);
  void submit(const Arrival&, Time now);
  // What a take brought: as submit(), by Handed. Returns: its id here.
  RequestId take_over(const Arrival&, ShardId victim, Time now);
  void tell(const Event&, Time now);
  // What was asked, with the secret; its prefix lives until the request's end, or release(). Requires: lives_beside().
  const Arrival& asked(RequestId request) const { return asked_[request.index]; }
  // One that was given away has ended elsewhere.
  void release(RequestId request) { free_[free_count_++] = request.index; }
  // Whether nothing is to come but cancels, faults and news.
  bool rests() const { return next_instant() == Time::never() || devices_.nothing_asked(); }

  std::uint64_t most_in_flight() const { return most_in_flight_; }

 private:
  struct Cancel {
    Time at;
    std::uint64_t row;
    RequestId request;
    bool operator>(const Cancel& other) const { return at != other.at ? at > other.at : row > other.row; }
  };
  Time next_instant() const;
  Time next_other(const std::vector<Fault>&) const;
  void instant(Time now, ArrivalSource&, const std::vector<Fault>&);
  void ends_at(Time now);
  void arrivals_at(Time now, ArrivalSource&);
  void others_at(Time now, const std::vector<Fault>&);
  void costs_at(Time now);
  Submitted take_in(const Arrival&);
  void poll(Time now);
  void perform(const Launch&, Time now);
  void perform(const Interrupt&, Time now);
  void perform(const Send&, Time now);
  void perform(const Abort&, Time now);
  void perform(const Move&, Time now);
  void perform(const Finish&, Time now);
  void perform(const Shelve& c, Time now) { beside().shelve(c, now); }
  void perform(const Unshelve& c, Time now) { beside().unshelve(c, now); }
  void perform(const Look& c, Time now) { beside().look(c, now); }
  void perform(const Take& c, Time now) { beside().take(c, now); }
  void perform(const PassOn& c, Time now) { beside().pass_on(c, now); }
  SimNeighbours& beside() {
    CHECK_WHY(neighbours_, "a shard of several has others beside it");
    return *neighbours_;
  }
  RequestId take_id(std::uint64_t row);
  void fire_next(std::uint32_t device, Time at) { at == Time::never() ? wakes_.clear(device) : wakes_.set(device, at); }

  Core& core_;
  const Bounds bounds_;
  SimDevices& devices_;
  SimObserver& observer_;
  TimeHeap wakes_;  // of the devices
  std::vector<Event> said_;
  std::optional<Arrival> next_;
  std::vector<Cancel> cancels_;  // a heap, the earliest on top
  std::size_t faults_done_ = 0;
  SimNews* news_ = nullptr;
  SimLinks* links_ = nullptr;
  CostLearner* learner_ = nullptr;
  SimNeighbours* neighbours_ = nullptr;
  std::uint32_t told_ = 0;  // events since the last poll
  Time last_;               // instant at which something happened

  LazyArray<std::uint64_t> rows_;                 // by RequestId.index
  std::vector<std::vector<BlockHash>> prefixes_;  // likewise, as far as they were ever in use
  std::vector<Arrival> asked_;                    // likewise, where it lives beside others
  LazyArray<std::uint32_t> generations_, free_;
  std::uint32_t free_count_ = 0, used_ = 0;
  std::uint64_t most_in_flight_ = 0;
};

}  // namespace yard
