// Drives a Core from threads and the real clock: a thread, its inbox, its timers, and a place to sleep.
//
// Threads: tell(), change(), now(), ledger() and snapshot() from any; start(), stop() and the rest from the one that
// owns the loop.
//          Devices, the finish sink and the log are called on the loop's thread, without a lock held.
// V1  `now` of a tick is never before the last one's, nor before any time that its events carry.
// V2  at most Bounds::events_per_tick events between two polls; changes come before other news of a tick.
// V3  sleeps while there is no news and no timer is due; wakes for news, for next_wakeup(), and once, a second after
//     the last news, to close the recording's frame.
// V4  ledger() and snapshot() say what Core has decided before any of it is performed, and all of one moment.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string_view>
#include <thread>
#include <vector>

#include "scheduler/core/core.h"
#include "scheduler/core/ledger.h"
#include "scheduler/loop/live_clock.h"
#include "scheduler/loop/live_meter.h"
#include "scheduler/loop/port.h"
#include "scheduler/loop/recorder.h"
#include "scheduler/sync/flag.h"
#include "scheduler/sync/inbox.h"
#include "scheduler/sync/parking.h"

namespace yard {

struct LiveLoopOptions {
  std::uint32_t events_per_tick = 4096;  // as in the Core's Bounds
  std::size_t news = 0;                  // events that can be on the way at once: the inbox holds them all
  std::function<void(std::string_view)> log;
  Spinning* spinning = nullptr;      // outlives the loop; null: its thread sleeps at once
  std::function<void()> at_start{};  // on the loop's thread; does not throw
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

  // `recorder`: its head written; null for none. Errors: std::bad_alloc.
  LiveLoop(Core, const FleetView&, LiveLoopOptions, std::unique_ptr<Recorder>);
  ~LiveLoop() override;  // stop()

  // `devices`: by DeviceId; outlive the loop's thread. Once. Errors: std::system_error.
  void start(std::vector<DevicePort> devices, FinishSink);

  // Ends the thread after the news told so far; nothing may be told after. Finishes the recording.
  void stop() noexcept;

  Time now() const noexcept override { return clock_.now(); }
  void tell(const Event&) noexcept override;

  // As tell(), for what a user may say any number of times (a DeviceChanged, a CapChanged, a LoadReport): waits while
  // kChanges are on the way.
  void change(const Event&) noexcept;

  Ledger ledger() const noexcept;
  LiveSnapshot snapshot() const;  // Errors: std::bad_alloc

 private:
  static constexpr std::size_t kChanges = 64;
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
  Inbox<Event> news_;
  Inbox<Event> changes_{kChanges};
  Parking parking_{options_.spinning};
  Flag stop_;

  // the loop's thread writes, under the mutex, so that others may read under it
  mutable std::mutex core_mutex_;
  Core core_;
  LiveMeter meter_;

  // the loop's thread
  std::unique_ptr<Recorder> recorder_;
  bool recorder_failed_ = false;
  std::vector<Event> batch_;
  Time last_;

  std::thread thread_;
};

}  // namespace yard
