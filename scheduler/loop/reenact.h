// Feeds a recording to a new Core: the same commands must come out, hash for hash. No device is simulated.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>

#include "scheduler/core/event.h"
#include "scheduler/core/ledger.h"

namespace yard {

struct Reenactment {
  std::uint64_t ticks = 0, timer_only_ticks = 0;  // timer-only: no news, yet something was decided
  std::uint64_t events = 0;
  std::array<std::uint64_t, std::variant_size_v<Event>> events_by_kind{};  // in the order of `Event`
  std::uint64_t commands = 0;

  bool equal = true;                                    // at every mark that the recording has; true when it has none
  std::uint64_t hash_recorded = 0, hash_reenacted = 0;  // at the last mark; 0 when there is none
  // The first frame at whose end they differ: ticks [first, last], counted from 0.
  struct Difference {
    std::uint64_t first_tick, last_tick;
  };
  std::optional<Difference> difference;

  std::optional<std::uint64_t> cut_at;  // byte; everything above is up to the cut
  Ledger ledger;                        // of the Core that re-enacted
};

// Errors: InputError: unreadable, no recording, damaged, or policies that this build has not.
Reenactment reenact(const std::string& path);

}  // namespace yard
