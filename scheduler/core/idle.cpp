// A device turns busy or idle: who counts it, and what a power domain has to say.
#include "scheduler/core/state.h"

namespace yard {

void Core::State::turns_busy(std::uint32_t d) {
  occupancy.idle_changes(devices.pool_of(d), -1, now);
  money.in_use(d, +1, now);
}

void Core::State::turns_idle(std::uint32_t d) {
  occupancy.idle_changes(devices.pool_of(d), +1, now);
  money.in_use(d, -1, now);
  power.gives_back(d);
}

// Whether an idle device has something that it could begin now.
bool Core::State::could_begin(std::uint32_t d) {
  const Device& device = devices[d];
  if (!served.serves(d)) return device.idle() && !(device.running.empty() && device.line.empty());
  if (devices.running(d) > 0 || device.line.empty()) return false;
  const Sequence& first = pool[devices.first(pool, d)];
  return served.admits(d, first, placement.expected_output(first), now);
}

// A stepped device whose run ends at its next step boundary; a served one that takes nothing new.
bool Core::State::ends_soon(std::uint32_t d) {
  if (served.serves(d)) return power.must_end(d);
  return !devices[d].idle() && (devices[d].step_limit == 1 || devices[d].interrupted);
}

void Core::State::apply(const CapChanged& e) { power.set_cap(e.domain, e.cap); }

// Before any device begins anything: what a fallen cap ends, and who gets what was given back. A device that may begin,
// or must end, is touched and does so in its turn. Returns: whether a cap changed.
bool Core::State::share_power() {
  const auto touch = [&](std::uint32_t d) { devices.touch(d); };
  for (const std::uint32_t d : devices.touched())
    if (power.held(d) && !could_begin(d)) power.hold_no_more(d, now);
  const bool caps_changed = power.end_overdrawn([&](std::uint32_t d) { return ends_soon(d); }, touch);
  wake_held();
  return caps_changed;
}

void Core::State::wake_held() {
  power.wake(now, [&](std::uint32_t d) { return could_begin(d); }, [&](std::uint32_t d) { devices.touch(d); });
}

}  // namespace yard
