// One stepped device's runs, step by step: shows a step's slots to whoever computes them, books what they did, and says
// when and why the run ends. What a host device and a pulled one share; whose thread calls it is theirs to say.
//
//   stepper.launch(launch);                                               // the shard
//   if (stepper.take()) {                                                 // the device
//     while (stepper.goes_on()) compute(stepper.show()), stepper.book();
//     stepper.finish();
//   }
//
// Threads: launch() and interrupt() by the shard's, the rest by the device's: one at a time, each after the other's
// work
//          was handed over.
// T1  interrupts are honoured at step boundaries, after at least one step; a run that is finished before has made none.
// T2  a slot's token goes to its reply within emit(); the shard hears of it when the run ends.
// T3  a slot that breaks its contract fails alone; fail() fails all slots of the run.
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "scheduler/backend/request_slab.h"
#include "scheduler/loop/port.h"
#include "scheduler/switchyard/step.h"
#include "scheduler/sync/lane.h"

namespace yard {

struct StepperFacts {
  std::string name;
  std::uint32_t max_sequences;
  Tokens token_budget, block_tokens;
  std::vector<std::string> adapters;  // names, by AdapterId
  std::function<void(std::string_view)> log;
};

class Stepper {
 public:
  // `slab` and `shard` are there while a run is.
  Stepper(StepperFacts, RequestSlab& slab, Shard& shard);
  ~Stepper();

  // ---- the shard's thread

  void launch(const Launch&) noexcept;
  void interrupt(const Interrupt&) noexcept;

  // ---- the device's

  bool take() noexcept;  // Returns: whether a run was launched; it is open until finish()
  bool goes_on() const noexcept { return goes_on_; }
  switchyard::StepView show() noexcept;  // the slots of the next step. Requires: goes_on(), the last one booked
  void book() noexcept;                  // takes in what the step did that was shown last
  void fail() noexcept;                  // instead: it failed, or none was made
  void finish() noexcept;                // tells the shard; a run that goes on ends here as interrupted

  void log(std::string_view) const noexcept;

 private:
  friend struct switchyard::StepSlot;
  friend struct switchyard::StepSlot::Backing;

  struct Order {
    RunId run;
    std::uint32_t step_limit;  // 0: an Interrupt
  };

  void begin(const Order&) noexcept;
  bool account_step() noexcept;
  bool outgrows_grant() const noexcept;
  bool interrupted() noexcept;
  void end(RunEnd why) noexcept;

  // constant after construction
  const StepperFacts facts_;
  RequestSlab& slab_;
  Shard& shard_;

  // handed over: the shard's thread writes before a launch, the device's reads during the run
  std::vector<Slot> slots_;
  Lane<Order> lane_{8};  // an old run's Interrupt, a Launch, its Interrupt

  // the device's thread; `ends_` is read by the shard after a run (P2)
  Order run_{};
  RunEnd why_ = RunEnd::interrupted;
  std::uint32_t steps_ = 0;
  bool goes_on_ = false;
  std::vector<SlotEnd> ends_;
  std::vector<switchyard::StepSlot> views_;
  std::vector<switchyard::StepSlot::Backing> backings_;
  std::vector<RequestSlab::Token> copies_;  // inputs that do not lie in a prompt
  bool reads_ = false;                      // the run reads a prompt: it is one step
  bool told_ = false;                       // the log of a broken contract, once
};

}  // namespace yard
