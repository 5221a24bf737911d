#include "scheduler/backend/pulled.h"

#include <algorithm>
#include <utility>

#include "scheduler/base/check.h"

bool switchyard::PulledRun::more() noexcept { return device_->more(); }
switchyard::StepView switchyard::PulledRun::next() noexcept { return device_->next(); }

namespace yard {

PulledDevice::PulledDevice(DeviceId id, StepperFacts facts, RequestSlab& slab, Shard& shard)
    : id_(id), shard_(shard), stepper_(std::move(facts), slab, shard), run_(*this) {}

// ---- the shard's thread --------------------------------------------------------------------------------------------

void PulledDevice::launch(const Launch& launch) noexcept {
  const std::lock_guard lock(mutex_);
  CHECK(where_ == Where::idle);
  stepper_.launch(launch);
  where_ = Where::launched;
  if (!gone_ && !closed_) return changed_.notify_one();
  CHECK(stepper_.take());
  // Decided before the shard heard that it is gone; or somebody set it up again: it must not go round and round.
  if (gone_ && !closed_) shard_.tell(DeviceChanged{id_, DeviceState::down});
  answer();
}

void PulledDevice::interrupt(const Interrupt& interrupt) noexcept { stepper_.interrupt(interrupt); }

// ---- whoever opens, closes -----------------------------------------------------------------------------------------

bool PulledDevice::attach() noexcept {
  const std::lock_guard lock(mutex_);
  return !std::exchange(attached_, true);
}

bool PulledDevice::gone() const noexcept {
  const std::lock_guard lock(mutex_);
  return gone_;
}

bool PulledDevice::closing() const noexcept {
  guard_.check();
  const std::lock_guard lock(mutex_);
  return closed_;
}

void PulledDevice::settle() noexcept { const std::lock_guard lock(mutex_); }

void PulledDevice::close() noexcept {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  if (where_ == Where::launched) {
    CHECK(stepper_.take());
    answer();
  }
  changed_.notify_all();
}

// ---- the lane's thread ---------------------------------------------------------------------------------------------

switchyard::PulledRun* PulledDevice::wait(std::chrono::nanoseconds timeout) noexcept {
  guard_.check();
  constexpr std::chrono::nanoseconds kForever = std::chrono::hours(24 * 365 * 10);  // far from the clock's end
  std::unique_lock lock(mutex_);
  if (where_ == Where::in_hand) return &run_;
  changed_.wait_for(lock, std::clamp(timeout, std::chrono::nanoseconds::zero(), kForever),
                    [this] { return where_ == Where::launched || closed_; });
  if (where_ != Where::launched) return nullptr;
  where_ = Where::in_hand;
  shown_ = false;
  CHECK(stepper_.take());
  return &run_;
}

bool PulledDevice::more() noexcept {
  guard_.check();
  book_shown();
  return stepper_.goes_on();
}

switchyard::StepView PulledDevice::next() noexcept {
  guard_.check();
  book_shown();
  if (!stepper_.goes_on()) return {};
  shown_ = true;
  return stepper_.show();
}

void PulledDevice::book_shown() noexcept {
  if (std::exchange(shown_, false)) stepper_.book();
}

void PulledDevice::ended(switchyard::PulledRun* run) noexcept {
  guard_.check();
  const std::lock_guard lock(mutex_);
  if (run != &run_ || where_ != Where::in_hand) return;
  book_shown();
  answer();
}

void PulledDevice::failed(switchyard::PulledRun* run) noexcept {
  guard_.check();
  const std::lock_guard lock(mutex_);
  if (run != &run_ || where_ != Where::in_hand) return;
  stepper_.fail();
  answer();
}

void PulledDevice::drop() noexcept {
  guard_.check();
  const std::lock_guard lock(mutex_);
  gone_ = true;
  if (!closed_) shard_.tell(DeviceChanged{id_, DeviceState::down});  // first: nothing is launched after its run's end
  if (where_ == Where::idle) return;
  if (where_ == Where::launched) CHECK(stepper_.take());
  if (shown_) stepper_.fail();
  answer();
}

// Under the mutex: the next launch, which the shard makes once it has the answer, finds the device idle.
void PulledDevice::answer() noexcept {
  shown_ = false;
  where_ = Where::idle;
  stepper_.finish();
}

}  // namespace yard
