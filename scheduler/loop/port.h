// The way out of a shard and the way back: what a device must do, and what it may ask of its shard.
#pragma once
#include "scheduler/base/units.h"
#include "scheduler/core/command.h"
#include "scheduler/core/event.h"

namespace yard {

// A device that steps runs. Implemented in backend.
//
// Threads: launch() and interrupt() are called by the shard's own thread; they return at once.
// P1  every launch() is answered by exactly one RunEnded with every slot, in the run's order, whatever happens (C2).
// P2  the RunEnded's slots stay untouched until the next launch(), which comes only after Core has applied that end.
// P3  an Interrupt that names a run which has ended is without effect.
class SteppedDevice {
 public:
  virtual ~SteppedDevice() = default;
  virtual void launch(const Launch&) noexcept = 0;  // its slots live until this returns (C3): copy them
  virtual void interrupt(const Interrupt&) noexcept = 0;
};

// A shard as its devices and its door see it.
//
// Threads: any.
class Shard {
 public:
  virtual ~Shard() = default;

  // On the shard's clock; goes the same way for every thread.
  virtual Time now() const noexcept = 0;

  // Never refuses: whoever assembles a shard gives its inbox room for all that can be on the way (I10).
  virtual void tell(const Event&) noexcept = 0;
};

}  // namespace yard
