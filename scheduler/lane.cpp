// The third way in: lane() gives a pulled device's runs to the loop that steps it.
#include <utility>

#include <fmt/format.h>

#include "scheduler/base/input_error.h"
#include "scheduler/scheduler_state.h"

namespace switchyard {

Lane Scheduler::lane(std::string_view device) noexcept {
  if (!state_) return {};
  state_->slab->check_process();
  const yard::DeviceId id = state_->device_named(device);
  const char* why = nullptr;
  if (!id.some())
    why = "there is no device";
  else if (!state_->pulled[id.value])
    why = "no pulled device is";
  else if (!state_->pulled[id.value]->attach())
    why = "there was a lane before of device";
  if (!why) return Lane(state_->pulled[id.value]);
  state_->say(fmt::format("lane: {} '{}'", why, yard::printable(device)));
  return {};
}

Lane& Lane::operator=(Lane&& other) noexcept {
  if (this == &other) return *this;
  if (device_) device_->drop();
  device_ = std::move(other.device_);
  return *this;
}

Lane::~Lane() {
  if (device_) device_->drop();
}

PulledRun* Lane::wait(std::chrono::nanoseconds timeout) noexcept { return device_ ? device_->wait(timeout) : nullptr; }

void Lane::ended(PulledRun* run) noexcept {
  if (device_) device_->ended(run);
}

void Lane::failed(PulledRun* run) noexcept {
  if (device_) device_->failed(run);
}

bool Lane::closing() const noexcept { return !device_ || device_->closing(); }

}  // namespace switchyard
