// Opens one trace many times, for as many seeds: what gen:overlay holds in memory is read once and shared.
//
// Threads: any number may open at once.
#pragma once
#include <memory>
#include <string>

#include "scheduler/trace/overlay.h"
#include "scheduler/trace/trace.h"

namespace yard {

class TraceOpener {
 public:
  // Errors: InputError: of an overlay's name or trace.
  explicit TraceOpener(std::string name);

  // As open_trace. Errors: InputError.
  std::unique_ptr<TraceReader> open(Seed, std::uint64_t limit, double rate_scale) const;

 private:
  const std::string name_;
  OverlaySpec overlay_;
  std::shared_ptr<const TraceRows> rows_;  // of an overlay only
};

}  // namespace yard
