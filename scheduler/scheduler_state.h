// What a Scheduler is made of: its shards, their devices, and the slab that its callers share with them.
//
// Threads: constant after construction, but for what has its own rules (cell, slab).
#pragma once
#include <switchyard/scheduler.h>

#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "scheduler/backend/host.h"
#include "scheduler/backend/placed.h"
#include "scheduler/backend/pulled.h"
#include "scheduler/backend/request_slab.h"
#include "scheduler/binder.h"
#include "scheduler/core/core.h"
#include "scheduler/loop/live_cell.h"
#include "scheduler/sync/crew.h"
#include "topology/fleet_view.h"

namespace switchyard {

struct Scheduler::State {
  explicit State(Options);
  ~State();

  Reply submit(const Request&, std::optional<std::uint32_t> lane);
  Ticket place(const PlaceRequest&, std::function<void(const Placement&)>) noexcept;

  void make_crew(const std::vector<Device>&);
  void make_device(const Device&, std::size_t index, const yard::PoolView&);
  yard::DeviceId device_named(std::string_view) const noexcept;  // none if there is none
  void say(std::string_view line) const noexcept;                // in the log
  // Returns: the request as Core takes it. `refused`: why it is not let in; none where it is.
  yard::Submitted facts_of(std::string_view model, std::string_view slo, std::size_t prompt, std::uint32_t max_tokens,
                           yard::PoolKind door, yard::RequestSlab::Refusal& refused) const noexcept;
  yard::ShardId door(const yard::Submitted&) const noexcept;  // the shard that is told of it
  // Of whom a request is, and where it may run.
  void say_where(yard::Submitted&, std::string_view tenant, Names regions, Names providers) const noexcept;

  const yard::FleetView fleet;  // Cores refer to these three
  const yard::CostTables tables;
  std::vector<yard::CellView> shards;  // the fleet's parts, at least one
  const std::function<void(std::string_view)> log;
  std::vector<yard::PoolKind> doors;  // by model
  std::size_t longest_prompt = 0;     // that any device could read

  yard::Spinning spinning;                   // of the shards' threads, the host devices' and the crew's
  const std::vector<std::uint32_t> threads;  // of each device, the crew's included; 1: its own, or none of ours
  yard::Binder binder;
  std::unique_ptr<yard::Crew> crew;  // null where no device wants more than its own thread
  std::uint32_t seats = 0;           // of it, taken
  std::unique_ptr<yard::LiveCell> cell;
  std::shared_ptr<yard::RequestSlab> slab;  // replies and tickets hold it too, and may outlive the rest
  std::vector<std::unique_ptr<yard::HostDevice>> hosts;
  std::vector<std::unique_ptr<yard::PlacedDevice>> endpoints;
  std::vector<std::shared_ptr<yard::PulledDevice>> pulled;  // by DeviceId, null for others; lanes hold them too
  std::vector<yard::DevicePort> ports;                      // by DeviceId
};

Outcome outcome_of(const yard::RequestSlab::Ended&);
Outcome outcome_of(yard::RequestSlab::Refusal);

}  // namespace switchyard
