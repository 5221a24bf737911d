#include "scheduler/backend/host.h"

#include <exception>
#include <utility>

namespace yard {

HostDevice::HostDevice(Step step, StepperFacts facts, RequestSlab& slab, Shard& shard, Spinning* spinning)
    : step_(std::move(step)), stepper_(std::move(facts), slab, shard), parking_(spinning) {
  thread_ = std::thread([this] { run(); });
}

HostDevice::~HostDevice() {
  closing_.raise();
  parking_.ring();
  thread_.join();
}

// ---- the shard's thread --------------------------------------------------------------------------------------------

void HostDevice::launch(const Launch& launch) noexcept {
  stepper_.launch(launch);
  parking_.ring();
}

// No ring: heard at the next step boundary, or late and without effect.
void HostDevice::interrupt(const Interrupt& interrupt) noexcept { stepper_.interrupt(interrupt); }

// ---- the device's thread -------------------------------------------------------------------------------------------

void HostDevice::run() noexcept {
  for (;;) {
    const bool closing = closing_.up();
    if (stepper_.take()) {
      while (stepper_.goes_on()) step(stepper_.show()) ? stepper_.book() : stepper_.fail();
      stepper_.finish();
      continue;
    }
    if (closing) return;
    parking_.wait_until(Parking::kForever);
  }
}

// Returns: false when the function threw.
bool HostDevice::step(switchyard::StepView view) noexcept {
  try {
    step_(view);
    return true;
  } catch (const std::exception& e) {
    stepper_.log(e.what());
  } catch (...) {
    stepper_.log("an exception that is no std::exception");
  }
  return false;
}

}  // namespace yard
