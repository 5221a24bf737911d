// A stepped device whose loop is the embedder's: runs are pulled from it, on a thread that it does not own.
//
// Its Lane shares it, so that it may outlive the Scheduler: what it refers to is there while a run is open, which the
// Scheduler waits for.
//
// Threads: launch() and interrupt() by the shard's, attach() and close() by any, the rest by the lane's. `mutex_`
// guards where the run is; the run itself belongs to whoever has it. U1  a launched run is with the shard's side
// (launched), the loop (in_hand), or nowhere (idle); it leaves in_hand by
//     ended(), failed() or the lane's drop only.
// U2  a run that no loop will take is answered here, as one that made no step.
// U3  once `gone`, no run is ever taken; once `closed`, nothing is told but the end of the run that is in hand.
#pragma once
#include <chrono>
#include <condition_variable>
#include <mutex>

#include "scheduler/backend/stepper.h"
#include "scheduler/base/fork_guard.h"

namespace yard {

class PulledDevice final : public SteppedDevice {
 public:
  PulledDevice(DeviceId, StepperFacts, RequestSlab& slab, Shard& shard);

  void launch(const Launch&) noexcept override;
  void interrupt(const Interrupt&) noexcept override;

  // For the one lane that it has over its life. Returns: false where that was made before.
  bool attach() noexcept;
  bool gone() const noexcept;  // its lane was dropped
  void close() noexcept;       // no run is taken any more; one in hand goes on to its end
  void settle() noexcept;      // once nothing is in flight: whoever told the last end has left the shard

  // ---- the lane's thread

  switchyard::PulledRun* wait(std::chrono::nanoseconds timeout) noexcept;
  void ended(switchyard::PulledRun*) noexcept;
  void failed(switchyard::PulledRun*) noexcept;
  void drop() noexcept;  // no loop is there any more: the device goes down
  bool closing() const noexcept;

  // ---- of the run in hand

  bool more() noexcept;
  switchyard::StepView next() noexcept;

 private:
  enum class Where : std::uint8_t { idle, launched, in_hand };

  void book_shown() noexcept;
  void answer() noexcept;

  const ForkGuard guard_;
  const DeviceId id_;
  Shard& shard_;
  Stepper stepper_;
  switchyard::PulledRun run_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  Where where_ = Where::idle;
  bool attached_ = false, gone_ = false, closed_ = false;

  bool shown_ = false;  // whoever has the run: a step was shown and is not booked yet
};

}  // namespace yard
