// A stepped device whose step is the embedder's function, on a thread of its own.
//
// Threads: launch() and interrupt() by the shard's, everything else inside on the device's.
// H1  interrupts are honoured at step boundaries; a run makes at least one step.
// H2  a slot's token goes to its reply within emit(); the shard hears of it when the run ends.
// H3  nothing that the function throws leaves here: the slots of that run end as failed (RunEnd::device_failed).
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "scheduler/backend/request_slab.h"
#include "scheduler/loop/port.h"
#include "scheduler/switchyard/step.h"
#include "scheduler/sync/flag.h"
#include "scheduler/sync/lane.h"
#include "scheduler/sync/parking.h"

namespace yard {

struct HostFacts {
  std::string name;
  std::function<void(switchyard::StepView&)> step;
  std::uint32_t max_sequences;
  Tokens token_budget, block_tokens;
  std::function<void(std::string_view)> log;
};

class HostDevice final : public SteppedDevice {
 public:
  // `slab` and `shard` outlive it. Errors: std::system_error where no thread can be made.
  HostDevice(HostFacts, RequestSlab& slab, Shard& shard);
  ~HostDevice() override;  // Requires: no run in flight

  void launch(const Launch&) noexcept override;
  void interrupt(const Interrupt&) noexcept override;

 private:
  friend struct switchyard::StepSlot;
  friend struct switchyard::StepSlot::Backing;

  struct Order {
    RunId run;
    std::uint32_t step_limit;  // 0: an Interrupt
  };

  void run() noexcept;
  void run_steps(const Order&) noexcept;
  void begin_run() noexcept;
  void show_slots() noexcept;
  bool step() noexcept;
  bool account_step() noexcept;
  bool outgrows_grant() const noexcept;
  bool interrupted(RunId) noexcept;
  void log(std::string_view) const noexcept;

  // constant after construction
  const HostFacts facts_;
  RequestSlab& slab_;
  Shard& shard_;

  // handed over: the shard's thread writes before a launch, the device's reads during the run
  std::vector<Slot> slots_;
  Lane<Order> lane_{8};  // an old run's Interrupt, a Launch, its Interrupt
  Parking parking_;
  Flag closing_;

  // the device's thread; `ends_` is read by the shard after a run (P2)
  std::vector<SlotEnd> ends_;
  std::vector<switchyard::StepSlot> views_;
  std::vector<switchyard::StepSlot::Backing> backings_;
  std::vector<RequestSlab::Token> copies_;  // inputs that do not lie in a prompt
  bool reads_ = false;                      // the run reads a prompt: it is one step
  bool told_ = false;                       // the log of a broken contract, once

  std::thread thread_;
};

}  // namespace yard
