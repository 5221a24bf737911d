// Feeds a recording to a new Core: the same commands must come out, hash for hash. No device is simulated.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "scheduler/core/core.h"
#include "scheduler/core/event.h"
#include "scheduler/core/ledger.h"
#include "scheduler/loop/recording_reader.h"

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

// The same tick by tick, for who wants to see what is decided in it.
//
//   while (const RecordedTick* tick = reenactor.read()) look(tick->events), look(reenactor.run());
class Reenactor {
 public:
  // `onlooker`: sees every placement; null for none. Errors: as reenact().
  explicit Reenactor(const std::string& path, Onlooker* onlooker = nullptr);
  Reenactor(const Reenactor&) = delete;  // the Core refers to the head

  // Returns: the next tick, valid until the next call; null at the end, and at a cut. Errors: as reenact().
  const RecordedTick* read();
  // Decides the tick that was read. Returns: the commands, valid until the next read().
  std::span<const Command> run();

  const RecordingReader& recording() const { return reader_; }
  const Core* core() const { return core_ ? &*core_ : nullptr; }  // null: cut before the end of its head

 private:
  RecordingReader reader_;
  std::optional<Core> core_;
  std::optional<RecordedTick> tick_;
  std::vector<std::vector<BlockHash>> prefixes_;  // by RequestId.index: they live until the request's Finish
};

}  // namespace yard
