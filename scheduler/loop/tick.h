// One tick: record, apply, poll. The same lines live and simulated; what differs is who drains and who performs.
#pragma once
#include <span>

#include "scheduler/core/core.h"
#include "scheduler/loop/recorder.h"

namespace yard {

// Requires: at most Bounds::events_per_tick events; `now` not before the last tick's. `recorder`: null for none.
// Returns: what is to be performed, in order; valid until the next tick.
inline std::span<const Command> tick(Core& core, std::span<const Event> events, Time now, Recorder* recorder) {
  if (recorder) recorder->tick(now, events);
  for (const Event& event : events) core.apply(event, now);
  const std::span<const Command> commands = core.poll(now);
  if (recorder) recorder->hash(core.hash());
  return commands;
}

}  // namespace yard
