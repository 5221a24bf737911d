// The requests of one Scheduler: a fixed number of slots, each with a generation, a prompt, and the answer as it comes.
//
// A slot has two owners: the shard, from enter() to finish(), and the Reply, from enter() to drop(). It is free again
// when both have let go. Slots are made in chunks as they are first needed, by the thread that submits, and never move.
//
// Threads: as each group says. A record's `mutex` guards its answer and end; `wake_mutex` is held while its wake is
//          called, and nothing else is then.
// S1  a slot's prompt is written before its Submitted is told and not again until the slot is free.
// S2  its answer grows by one device at a time, the one Core runs it on; a device's hand-over passes through the shard.
// S3  at most one CancelAsked is told per request, and none after its finish(). Hence at most kNewsPerSlot events of
// one
//     slot are on the way at once: a cancel of its former tenant, and Submitted and CancelAsked of the present one.
#pragma once
#include <array>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "scheduler/core/command.h"
#include "scheduler/core/event.h"
#include "scheduler/loop/port.h"

namespace yard {

class RequestSlab {
 public:
  using Token = std::int32_t;
  static constexpr std::size_t kNewsPerSlot = 3;

  struct Ended {
    Outcome outcome = Outcome::done;
    Reason why = Reason::none;
    Duration retry_after, ttft, e2e;
    Tokens tokens;
  };
  enum class Refusal : std::uint8_t { none, full, closed, no_memory };

  // `shard`: outlives every request in flight.
  RequestSlab(std::uint32_t slots, Shard& shard);

  // ---- the door: any thread

  // Takes a slot, copies the prompt and tells the shard `facts`, whose request and arrival it fills in.
  // `keep`: false where the prompt is longer than any device could read: it is then not copied. Errors: Refusal.
  Refusal enter(std::span<const Token> prompt, bool keep, Submitted facts, RequestId& request) noexcept;
  void refuse() noexcept;  // counts one that its caller did not let in
  void close() noexcept;   // enter() refuses from now on
  bool wait_until_idle(std::chrono::nanoseconds patience) noexcept;
  void cancel_all() noexcept;
  void wait_until_idle() noexcept;

  struct Totals {
    std::uint64_t entered, refused;
  };
  Totals totals() const noexcept;

  // ---- devices: the one that runs the sequence

  // Returns: tokens [from, from + n) of prompt and answer, in place, or in `copy` where they lie in the answer.
  // Requires: capacity in `copy` (spans given before stay valid).
  std::span<const Token> read(RequestId, Tokens from, Tokens n, std::vector<Token>& copy) const noexcept;
  bool emit(RequestId, Token) noexcept;  // Returns: false when there is no memory

  // ---- the shard's thread

  void finish(const Finish&) noexcept;

  // ---- the reply: one thread at a time; cancel() and ended(): any

  std::optional<Token> wait_for_token(RequestId) noexcept;  // nothing: the end
  std::size_t take(RequestId, std::span<Token>) noexcept;
  std::optional<Ended> ended(RequestId) const noexcept;
  void notify(RequestId, std::function<void()>);
  void cancel(RequestId) noexcept;
  void drop(RequestId) noexcept;

 private:
  struct Record {
    // written by enter() only
    std::uint32_t generation = 0;
    std::vector<Token> prompt;

    mutable std::mutex mutex;
    std::condition_variable news;
    std::vector<Token> answer;  // read without the mutex by the device that writes it
    std::size_t taken = 0;
    std::optional<Ended> ended;
    bool in_flight = false, held = false, cancelled = false;

    std::mutex wake_mutex;
    std::function<void()> wake;
  };
  static constexpr std::uint32_t kChunk = 256;
  using Chunk = std::array<Record, kChunk>;

  Record& at(RequestId) const noexcept;
  void set_free(std::uint32_t index) noexcept;
  static void ring(Record&) noexcept;

  Shard& shard_;
  const std::uint32_t slots_;
  std::vector<std::unique_ptr<Chunk>> chunks_;  // its size is fixed; an element is set before an id in it is given out

  mutable std::mutex mutex_;
  std::condition_variable idle_;
  std::vector<std::uint32_t> free_;
  std::uint32_t made_ = 0;
  bool closed_ = false;
  std::uint64_t entered_ = 0, refused_ = 0, in_flight_ = 0;
};

}  // namespace yard
