// Writes a recording (recording.h) while a loop runs.
//
//   Recorder recorder("day.rec");
//   recorder.head(fleet, tables, policies, bounds, seed);
//   per tick: recorder.tick(now, events); ... apply, poll ...; recorder.hash(core.hash());     // loop/tick.h
//   recorder.finish();
//
// A recording must survive a crash of the process that it is to explain: it is written under its final name, and each
// frame is handed to the system once it is whole. What a crash costs is the frame not yet closed: at most
// recording::kFrameBytes of events, and, where the loop calls flush() when it goes idle, what came since it was last
// busy. A recording that was not finish()ed reads as cut. (A power cut may cost more: nothing is fsync()ed.)
//
// Threads: one. Errors: the constructor and finish() throw InputError; in between a failure to write is kept, recording
// stops, and error() says why, so that a full disk never stops a shard.
// Cost: on the thread of the tick; zstd level 1 on a closed frame. Memory: two frames.
#pragma once
#include <cstdint>
#include <cstdio>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "scheduler/core/core.h"
#include "scheduler/core/event.h"
#include "scheduler/core/policy.h"

namespace yard {

class Recorder {
 public:
  // Errors: InputError when the file cannot be made. A file of that name is replaced.
  explicit Recorder(std::string path);
  ~Recorder();
  Recorder(Recorder&&) = delete;

  // Once, before the first tick: all that the Core was made with.
  void head(const FleetView&, const CostTables&, const PolicySet&, const Bounds&, Seed) noexcept;

  // A tick: its events in the order they are applied, and its time. Or one by one, for a loop that does not hold them.
  void tick(Time now, std::span<const Event> events) noexcept {
    for (const Event& e : events) event(e);
    ticked(now);
  }
  void event(const Event&) noexcept;  // its slots are copied
  void ticked(Time now) noexcept;

  void hash(std::uint64_t decisions) noexcept;  // after the poll; closes the frame when it is large enough

  bool open() const noexcept { return ticks_in_frame_ > 0; }  // ticks that a crash would cost
  void flush() noexcept;                                      // closes the frame now, if there is anything in it

  // Errors: InputError, also when something could not be written before.
  void finish();

  const std::optional<std::string>& error() const noexcept { return error_; }
  const std::string& path() const noexcept { return path_; }

 private:
  struct Packer;
  void write_frame(std::uint32_t kind, std::string& raw) noexcept;
  void open_tick();
  void fail(std::string why) noexcept;

  std::string path_;
  std::FILE* file_ = nullptr;
  std::unique_ptr<Packer> packer_;
  std::string frame_;        // raw, being filled
  std::size_t tick_at_ = 0;  // where the present tick begins in it; 0: none has begun
  std::uint32_t events_in_tick_ = 0, ticks_in_frame_ = 0;
  std::uint64_t ticks_ = 0, events_ = 0, decisions_ = 0;
  std::optional<std::string> error_;
};

}  // namespace yard
