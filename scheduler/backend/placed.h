// A served device whose sends its embedder performs: an attempt goes to the callback of its request's place(), and what
// became of it comes back through the request's Ticket (request_slab.h).
//
// Threads: the shard's own.
#pragma once
#include <string_view>

#include "scheduler/backend/request_slab.h"
#include "scheduler/loop/port.h"

namespace yard {

class PlacedDevice final : public ServedDevice {
 public:
  // `slab` and the name outlive it.
  PlacedDevice(std::string_view name, RequestSlab& slab) : name_(name), slab_(slab) {}

  void send(const Send& c) noexcept override { slab_.send(c, name_); }
  void abort(const Abort& c) noexcept override { slab_.abort(c); }

 private:
  const std::string_view name_;
  RequestSlab& slab_;
};

}  // namespace yard
