// The way out of a shard and the way back: what a device must do, and what it may ask of its shard; and what shards of
// one cell share.
#pragma once
#include <optional>

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

// An engine behind a wire: takes sequences one by one. Implemented in backend.
//
// Threads: both are called by the shard's own thread; they return at once.
// P4  every send() is answered by at most one FirstToken and exactly one Ended or Failed, in this order; after an
//     abort() of that attempt nothing need come, and what comes is ignored.
class ServedDevice {
 public:
  virtual ~ServedDevice() = default;
  virtual void send(const Send&) noexcept = 0;
  virtual void abort(const Abort&) noexcept = 0;
};

// One of a shard's devices, by its kind; the other is null.
struct DevicePort {
  SteppedDevice* stepped = nullptr;
  ServedDevice* served = nullptr;
};

// Where a cell's requests lie, whichever of its shards has them: what those are told of one that stands on a shelf, and
// who has it from then on. Implemented in backend.
//
// P5  offer() happens before its request is published on a shelf, hand_over() after it was taken from there, and before
//     its thief is told of it; whoever tells a shard of the request afterwards tells the thief.
class Offers {
 public:
  struct Offer {
    SequenceId sequence;  // its home's
    Time there;           // this and the next as OfferSeen has them
    std::int64_t at_stake;
    Submitted facts;
  };
  virtual ~Offers() = default;
  virtual void offer(const Shelve&) noexcept = 0;               // its home's thread
  virtual SequenceId offered_as(RequestId) const noexcept = 0;  // likewise
  // Any shard's thread; never waits. Returns: none where it is gone, or just spoken of by somebody else.
  virtual std::optional<Offer> offered(RequestId) const noexcept = 0;
  virtual void hand_over(RequestId, ShardId thief) noexcept = 0;  // the thief's thread
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

  // Of a registered submitter, through its own lane; one thread at a time. Returns: false, and nothing is told, where
  // the lane is full.
  virtual bool tell_by(std::uint32_t lane, const Submitted&) noexcept = 0;
};

}  // namespace yard
