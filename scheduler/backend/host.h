// A stepped device whose step is the embedder's function, on a thread of its own.
//
// Threads: launch() and interrupt() by the shard's, everything else inside on the device's.
// H1  nothing that the function throws leaves here: the slots of that run end as failed (RunEnd::device_failed).
#pragma once
#include <functional>
#include <thread>

#include "scheduler/backend/stepper.h"
#include "scheduler/sync/flag.h"
#include "scheduler/sync/parking.h"

namespace yard {

class HostDevice final : public SteppedDevice {
 public:
  using Step = std::function<void(switchyard::StepView&)>;

  // `slab`, `shard` and `spinning` outlive it; without `spinning` its thread sleeps at once. Errors: std::system_error
  // where no thread can be made.
  HostDevice(Step, StepperFacts, RequestSlab& slab, Shard& shard, Spinning* spinning = nullptr);
  ~HostDevice() override;  // Requires: no run in flight

  void launch(const Launch&) noexcept override;
  void interrupt(const Interrupt&) noexcept override;

 private:
  void run() noexcept;
  bool step(switchyard::StepView) noexcept;

  const Step step_;
  Stepper stepper_;
  Parking parking_;
  Flag closing_;
  std::thread thread_;
};

}  // namespace yard
