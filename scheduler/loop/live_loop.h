// Drives a Core from threads and the real clock: a thread, its inbox, its timers, and a place to sleep.
//
// Threads: tell(), tell_by(), change(), now(), ledger() and snapshot() from any; start(), stop() and the rest from the
// one that owns the loop.
//          Devices, the finish sink and the log are called on the loop's thread, without a lock held.
// V1  `now` of a tick is never before the last one's, nor before any time that its events carry.
// V2  at most Bounds::events_per_tick events between two polls; changes come before other news of a tick.
// V3  sleeps while there is no news and no timer is due; wakes for news, for next_wakeup(), and once, a second after
//     the last news, to close the recording's frame.
// V4  ledger() and snapshot() say what Core has decided before any of it is performed, and all of one moment.
// V5  what its own commands are answered with at shelves, its own and others', is told in its next tick, before all
// else.
// V6  what its runs show of costs is told in the tick behind that of their ends, which follows at once.
#pragma once
#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "scheduler/core/core.h"
#include "scheduler/core/ledger.h"
#include "scheduler/core/summary.h"
#include "scheduler/loop/cost_learner.h"
#include "scheduler/loop/live_clock.h"
#include "scheduler/loop/live_meter.h"
#include "scheduler/loop/port.h"
#include "scheduler/loop/recorder.h"
#include "scheduler/sync/counter.h"
#include "scheduler/sync/flag.h"
#include "scheduler/sync/inbox.h"
#include "scheduler/sync/laned_inbox.h"
#include "scheduler/sync/number_set.h"
#include "scheduler/sync/parking.h"
#include "scheduler/sync/shelf.h"

namespace yard {

struct LiveLoopOptions {
  std::uint32_t events_per_tick = 4096;    // as in the Core's Bounds
  std::size_t news = 0;                    // events that can be on the way at once: the inbox holds them all
  const CostTables* learn_from = nullptr;  // the Core's, as said; outlive the loop; null: it learns nothing
  std::string_view learnt{};               // before: as CostLearner::save() says it; read by the constructor only
  std::function<void(std::string_view)> log;
  Spinning* spinning = nullptr;      // outlives the loop; null: its thread sleeps at once
  std::function<void()> at_start{};  // on the loop's thread; does not throw
  LiveClock clock{};                 // one for all shards of a cell
};

// A shard at one moment, between two ticks.
struct LiveSnapshot {
  Ledger ledger;
  LiveMeter meter;
  std::vector<DeviceLoad> devices;  // by DeviceId
};

class LiveLoop final : public Shard {
 public:
  using FinishSink = std::function<void(const Finish&)>;

  // `recorder`: its head written; null for none. Errors: InputError, of what was learnt; std::bad_alloc.
  LiveLoop(Core, const FleetView&, LiveLoopOptions, std::unique_ptr<Recorder>);
  ~LiveLoop() override;  // stop()

  // Before any of them starts, where the fleet's view says that it is not alone. `all`: by ShardId, itself included;
  // they and `offers` outlive every loop's thread.
  void lives_beside(std::vector<LiveLoop*> all, Offers& offers);

  // `devices`: by DeviceId; outlive the loop's thread. Once. Errors: std::system_error.
  void start(std::vector<DevicePort> devices, FinishSink);

  // Ends the thread after the news told so far; nothing may be told after. Finishes the recording.
  void stop() noexcept;

  Time now() const noexcept override { return clock_.now(); }
  void tell(const Event&) noexcept override;
  bool tell_by(std::uint32_t lane, const Submitted&) noexcept override;
  // Before the first tell_by(). From any thread, one at a time. Errors: std::bad_alloc.
  void make_lane(std::uint32_t lane) { news_.make_lane(lane, kLane); }

  // As tell(), for what a user may say any number of times (a DeviceChanged, a CapChanged, a LoadReport): waits while
  // kChanges are on the way.
  void change(const Event&) noexcept;

  Ledger ledger() const noexcept;
  LiveSnapshot snapshot() const;     // Errors: std::bad_alloc
  std::string learnt_costs() const;  // as CostLearner::save(); empty where it learns nothing. Errors: std::bad_alloc
  // Never waits. Returns: false, and nothing is written, while the shard decides.
  bool summarise(ShardSummary&) const noexcept;
  std::uint64_t submitted() const noexcept { return submitted_.count(); }  // requests that it was told of so far
  void filled(ShardId victim) noexcept;                                    // its shelf was empty

 private:
  static constexpr std::size_t kChanges = 64;
  static constexpr std::size_t kLane = 1024;
  static constexpr Duration kFrameAge = seconds(1);

  void run() noexcept;
  std::size_t drain() noexcept;
  std::span<const Command> decide(std::size_t events, Time now) noexcept;
  Time time_of_tick(std::size_t events) const noexcept;
  void perform(const Launch&) noexcept;
  void perform(const Interrupt&) noexcept;
  void perform(const Finish&) noexcept;
  void perform(const Send&) noexcept;
  void perform(const Abort&) noexcept;
  void perform(const Shelve&) noexcept;
  void perform(const Unshelve&) noexcept;
  void perform(const Look&) noexcept;
  void perform(const Take&) noexcept;
  void perform(const PassOn&) noexcept;
  std::size_t drain_answers(std::span<Event>) noexcept;
  std::size_t drain_corrections(std::span<Event>) noexcept;
  void learn(std::span<const Event>) noexcept;
  void perform(const Move&) noexcept { CHECK_WHY(false, "no device of a live shard has a role (embedded.cpp)"); }
  void care_for_recording() noexcept;
  void log(std::string_view) const noexcept;

  // constant once started
  const LiveClock clock_;
  const std::uint32_t devices_of_fleet_;
  const LiveLoopOptions options_;
  std::vector<DevicePort> devices_;
  FinishSink finished_;

  // shared
  LanedInbox<Event> news_;
  Inbox<Event> changes_{kChanges};
  Parking parking_{options_.spinning};
  Flag stop_;
  Shelf shelf_;
  NumberSet filled_;  // others' shelves
  Counter submitted_;

  // the loop's thread writes, under the mutex, so that others may read under it
  mutable std::mutex core_mutex_;
  Core core_;
  LiveMeter meter_;

  // the loop's thread
  std::unique_ptr<Recorder> recorder_;
  bool recorder_failed_ = false;
  std::vector<Event> batch_;
  Time last_;
  std::optional<CostLearner> learner_;          // what it knows changes under the mutex, too
  std::span<const CostCorrected> corrections_;  // its, not told yet

  // its thread's part in stealing (live_steal.cpp)
  struct Saw {
    Shelf::Seen head;  // what the last Look found there, as far as it could be read
    std::array<RequestId, kOffersSeen> requests;
    std::array<Offers::Offer, kOffersSeen> offers;
  };
  std::vector<LiveLoop*> beside_;  // by ShardId; none: it is alone
  Offers* offers_ = nullptr;
  const ShardId self_;
  std::vector<Saw> saw_;        // by victim
  std::vector<Event> answers_;  // to its own commands

  std::thread thread_;
};

}  // namespace yard
