// What simulated devices must do for sim_loop: the counterpart of port.h in virtual time. Implemented in backend.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "scheduler/core/command.h"
#include "scheduler/core/event.h"

namespace yard {

// All devices of a shard are one object: a call names the device.
class SimDevices {
 public:
  virtual ~SimDevices() = default;
  // Each returns when the device wants to be fired next; Time::never(): not before something else is asked of it.
  virtual Time launch(const Launch&, Time now) = 0;
  virtual Time interrupt(const Interrupt&, Time now) = 0;
  virtual Time send(const Send&, Time now) = 0;
  virtual Time abort(const Abort&, Time now) = 0;
  // What the device says now, if anything, is added to `said` (slots live until the next call).
  virtual Time fire(std::uint32_t device, Time now, std::vector<Event>& said) = 0;
  // When it wants to be fired first, before anything was asked of it.
  virtual Time starts(std::uint32_t) { return Time::never(); }
  // Whether devices that never rest by themselves do nothing but that: nobody waits for them. Requires: nothing is in
  // flight.
  virtual bool nothing_asked() const { return false; }
  // Told before Core hears of the request, and after its Finish.
  // `prefix` is as of Submitted, and lives as long.
  virtual void arrives(RequestId, Tokens output, std::span<const BlockHash> prefix) = 0;
};

}  // namespace yard
