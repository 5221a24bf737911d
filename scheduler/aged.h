// A fleet whose signals are of an age that was asked for.
#pragma once
#include <cstdint>
#include <utility>

#include <fmt/format.h>

#include "scheduler/base/input_error.h"
#include "topology/fleet.h"

namespace yard {

// `seconds` below 0: as it is. Errors: InputError.
inline Fleet aged(Fleet fleet, double seconds) {
  if (!(seconds <= 3600))
    throw InputError("", 0, "signals_age_s", fmt::format("found {}", seconds), "accepted: at most 3600");
  if (seconds >= 0) fleet.signals_age = Duration(static_cast<std::int64_t>(seconds * 1e9));
  return fleet;
}

}  // namespace yard
