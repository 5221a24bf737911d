#include "scheduler/backend/host.h"

#include <algorithm>
#include <cstddef>
#include <exception>
#include <utility>

namespace yard {

HostDevice::HostDevice(Step step, StepperFacts facts, RequestSlab& slab, Shard& shard, HostThreads threads)
    : step_(std::move(step)),
      threads_(std::move(threads)),
      stepper_(std::move(facts), slab, shard),
      parts_(threads_.crew ? threads_.parts : 1),
      countdown_(threads_.spinning),
      parking_(threads_.spinning) {
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
  if (threads_.at_start) threads_.at_start();
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
  const std::size_t parts = std::min(parts_.size(), view.size());
  return parts > 1 ? step_in_parts(view, parts) : call(view);
}

bool HostDevice::step_in_parts(switchyard::StepView view, std::size_t parts) noexcept {
  Crew::Hand& hand = threads_.crew->seat(threads_.seat);
  countdown_.begin(static_cast<std::uint32_t>(parts));
  for (std::size_t i = 0; i < parts; ++i) {
    const std::size_t from = i * view.size() / parts, to = (i + 1) * view.size() / parts;
    parts_[i] = {this, {view.slots.subspan(from, to - from)}, false};
  }
  for (std::size_t i = 1; i < parts; ++i)
    if (!hand.push({act, &parts_[i]})) act(hand, &parts_[i]);
  act(hand, &parts_[0]);
  while (hand.do_newest()) {}
  countdown_.wait();
  return std::all_of(parts_.begin(), parts_.begin() + static_cast<std::ptrdiff_t>(parts),
                     [](const Part& part) { return part.held; });
}

void HostDevice::act(Crew::Hand& hand, void* on) {
  Part& part = *static_cast<Part*>(on);
  HostDevice& device = *part.device;
  part.held = device.call(part.slots);
  const bool own = &hand == &device.threads_.crew->seat(device.threads_.seat);
  device.countdown_.done(own ? DoneBy::waiter : DoneBy::other);
}

bool HostDevice::call(switchyard::StepView view) noexcept {
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
