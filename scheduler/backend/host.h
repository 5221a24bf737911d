// A stepped device whose step is the embedder's function, on a thread of its own; or on several, each with some of the
// slots: the device's thread pushes the parts of a step on a deque, a crew's members take what it has not come to.
//
// Threads: launch() and interrupt() by the shard's, everything else inside on the device's, but the function for parts.
// H1  nothing that the function throws leaves here: the slots of that run end as failed (RunEnd::device_failed).
// H2  a step is booked after all its parts are done; nobody touches a part after.
#pragma once
#include <cstdint>
#include <functional>
#include <thread>
#include <vector>

#include "scheduler/backend/stepper.h"
#include "scheduler/sync/countdown.h"
#include "scheduler/sync/crew.h"
#include "scheduler/sync/flag.h"
#include "scheduler/sync/parking.h"

namespace yard {

struct HostThreads {
  Spinning* spinning = nullptr;       // outlives the device; null: its thread sleeps at once
  std::function<void()> at_start{};   // on the device's thread; does not throw
  Crew* crew = nullptr;               // outlives the device; null: all slots in one call
  std::uint32_t seat = 0, parts = 1;  // in the crew, of this device only; parts of a step, at most
};

class HostDevice final : public SteppedDevice {
 public:
  using Step = std::function<void(switchyard::StepView&)>;

  // `slab` and `shard` outlive it. Errors: std::system_error where no thread can be made.
  HostDevice(Step, StepperFacts, RequestSlab& slab, Shard& shard, HostThreads);
  ~HostDevice() override;  // Requires: no run in flight

  void launch(const Launch&) noexcept override;
  void interrupt(const Interrupt&) noexcept override;

 private:
  struct Part {
    HostDevice* device = nullptr;
    switchyard::StepView slots;
    bool held = false;  // its function returned
  };

  void run() noexcept;
  bool step(switchyard::StepView) noexcept;
  bool step_in_parts(switchyard::StepView, std::size_t parts) noexcept;
  bool call(switchyard::StepView) noexcept;
  static void act(Crew::Hand&, void* part);

  const Step step_;
  const HostThreads threads_;
  Stepper stepper_;
  std::vector<Part> parts_;
  Countdown countdown_;
  Parking parking_;
  Flag closing_;
  std::thread thread_;
};

}  // namespace yard
