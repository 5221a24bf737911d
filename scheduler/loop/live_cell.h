// The live shards of one cell: a loop for each, on one clock, and the door in front of them. Often there is one.
//
// The door is core/cell_placement over the shards' summaries, as in a simulation (shards.h). Whoever submits and finds
// them older than `door_lag` hears them anew: of a shard that is deciding just then the former one stays. So nobody is
// woken to be asked. A shard that has not come to what it was sent a lag ago stands still (its thread has no core): it
// gets no more until it has, but from models that nobody else serves. What was sent before waits with it.
//
// Threads: lend_lane(), give_back_lane(), door(), at(), now(), ledger() and snapshot() from any; the rest from the one
// that owns it. D1  with one shard all is as without: its loop, its recording, no door. D2  device and domain ids
// outside are the fleet's; each shard's devices have numbers of its own.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "scheduler/core/cell_placement.h"
#include "scheduler/core/core.h"
#include "scheduler/core/summary.h"
#include "scheduler/loop/live_loop.h"
#include "topology/cells.h"

namespace yard {

struct LiveCellOptions {
  Bounds bounds;  // of each shard
  Seed seed = 1;
  std::size_t news = 0;   // of each shard, as LiveLoopOptions has it
  std::string record_to;  // a recording; of several shards FILE.shard0, ...; empty: none
  bool learn_costs = false;
  std::string learnt;  // of such costs before, as learnt_costs() says it
  std::function<void(std::string_view)> log;
  Spinning* spinning = nullptr;
  std::vector<std::function<void()>> at_start;  // by shard
  Duration door_lag = milliseconds(10);
};

class LiveCell {
 public:
  // Requires: fleet, shards (at least one) and tables outlive it. Errors: InputError, std::bad_alloc.
  LiveCell(const FleetView& fleet, std::span<const CellView> shards, const CostTables&, const PolicySet&,
           LiveCellOptions);

  std::uint32_t size() const noexcept { return static_cast<std::uint32_t>(loops_.size()); }
  std::vector<Shard*> shards() const;  // by ShardId

  // A lane into each shard (port.h): lent to one at a time. Returns: none where all are lent. Errors: std::bad_alloc.
  std::optional<std::uint32_t> lend_lane();
  void give_back_lane(std::uint32_t) noexcept;
  bool lent_any() const noexcept;

  // Returns: the shard that is to have the request; without a wait for any shard.
  ShardId door(const Submitted&) noexcept;

  struct Place {
    LiveLoop* loop;
    DeviceId device;  // as the loop knows it
  };
  const Place& at(DeviceId in_fleet) const noexcept { return places_[in_fleet.value]; }
  // Returns: the loop of the one shard in which the domain's devices are.
  LiveLoop& of_domain(DomainId) const noexcept;

  // `devices`: by DeviceId in the fleet; they, `offers` and what `finished` calls outlive the loops' threads. Once.
  // Errors: std::system_error.
  void start(const std::vector<DevicePort>& devices, Offers& offers, LiveLoop::FinishSink finished);
  void stop() noexcept;

  Time now() const noexcept { return loops_.front()->now(); }
  // Of all shards, one after the other: what one gave away another may have taken already.
  Ledger ledger() const noexcept;
  std::string learnt_costs() const;  // of all shards. Errors: std::bad_alloc
  LiveSnapshot snapshot() const;     // its devices: by DeviceId in the fleet. Errors: std::bad_alloc

 private:
  void hear(Time now) noexcept;

  const FleetView& fleet_;
  const std::span<const CellView> views_;
  const PolicySet policies_;
  const Duration lag_;
  std::vector<std::unique_ptr<LiveLoop>> loops_;
  std::vector<Place> places_;

  mutable std::mutex lanes_mutex_;
  std::uint64_t lanes_lent_ = 0;

  std::mutex door_mutex_;
  CellPlacement door_;
  std::vector<ShardSummary> summaries_, heard_;  // by shard: the last ones; as the door has them
  std::vector<std::uint64_t> sent_then_;         // by shard: requests, up to the last hearing
  Time heard_at_;
};

}  // namespace yard
