// The requests of one Scheduler: a fixed number of slots, each with a generation, a prompt, and the answer as it comes.
//
// A slot has two owners: the shard, from enter() to finish(), and the Reply or Ticket, from enter() to drop(). It is
// free again when both have let go. Slots are made in chunks as they are first needed, by the thread that submits, and
// never move. A request that was placed has no prompt and no answer here: its embedder sends it and tells how it went.
// Where there are several shards they share the slab: a request that one takes from another stays in its slot.
//
// Threads: as each group says. A record's `mutex` guards its answer and end; `wake_mutex` is held while its wake is
//          called, and nothing else is then.
// S1  a slot's prompt is written before its Submitted is told and not again until the slot is free.
// S2  its answer grows by one device at a time, the one Core runs it on; a device's hand-over passes through the shard.
// S3  at most one CancelAsked is told per request, and none after its finish(). Hence at most kNewsPerSlot events of
//     one slot are on the way at once: a cancel of its former tenant, and Submitted and CancelAsked of the present one;
//     with several shards also the former tenant's Taken, and a cancel that was passed on.
// S4  per attempt at most one FirstToken and then at most one Ended or Failed is told, and none after its request's
//     finish(). Core drains in order and ends a request after its Submitted, so that what a former tenant's attempts
//     told may still be on the way, but nothing of one before: news_per_placed() bounds the events of one slot.
// S5  a request that was placed hears of at most one placement per attempt, and then of its end, once, on the shard's
//     thread; no lock is held then.
#pragma once
#include <array>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <numeric>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "scheduler/base/fork_guard.h"
#include "scheduler/core/command.h"
#include "scheduler/core/event.h"
#include "scheduler/loop/port.h"

namespace yard {

class RequestSlab final : public Offers {
 public:
  using Token = std::int32_t;
  static constexpr std::size_t kNewsPerSlot = 3, kNewsBetweenShards = 2;
  static constexpr std::size_t news_per_placed(std::uint32_t retries) {
    return kNewsPerSlot + std::size_t{2} * 2 * (retries + 1);
  }

  struct Ended {
    Outcome outcome = Outcome::done;
    Reason why = Reason::none;
    Duration retry_after, ttft, e2e;
    Tokens tokens;
  };
  enum class Refusal : std::uint8_t { none, full, closed, no_memory, no_such_class, no_endpoint, only_endpoints };
  static constexpr std::size_t kRefusals = 7;

  // What its embedder hears of a request that was placed: where to send it, or (`end` set) how it ended.
  struct Placed {
    std::string_view device;
    std::uint32_t attempt = 0;
    const Ended* end = nullptr;
  };
  using OnPlaced = std::function<void(const Placed&)>;  // does not throw

  // `shards`: by ShardId, at least one, on one clock; they outlive every request in flight.
  RequestSlab(std::uint32_t slots, std::vector<Shard*> shards);

  // ---- the door: any thread

  // Takes a slot, copies the prompt and tells that shard `facts`, whose request and arrival it fills in.
  // `keep`: false where the prompt is longer than any device could read: it is then not copied. Errors: Refusal.
  // `lane`: its caller's own (port.h); none: the shared ring.
  Refusal enter(ShardId, std::span<const Token> prompt, bool keep, Submitted facts, RequestId& request,
                std::uint64_t tag = 0, std::optional<std::uint32_t> lane = {}) noexcept;
  // The same for one that its embedder sends. `on`: moved from unless refused.
  Refusal place(ShardId, OnPlaced&& on, Submitted facts, RequestId& request) noexcept;
  void refuse(Refusal) noexcept;  // counts one that its caller did not let in
  void close() noexcept;          // enter() refuses from now on
  bool wait_until_idle(std::chrono::nanoseconds patience) noexcept;
  void cancel_all() noexcept;
  void wait_until_idle() noexcept;

  struct Totals {
    std::uint64_t entered = 0;
    std::array<std::uint64_t, kRefusals> refused{};  // by Refusal
    std::uint64_t late_calls = 0;                    // of tickets: of an attempt or a request that was over, or twice
    std::uint64_t cached_tokens = 0;                 // of prompts, as tickets told

    std::uint64_t all_refused() const { return std::accumulate(refused.begin(), refused.end(), std::uint64_t{0}); }
  };
  Totals totals() const noexcept;
  void check_process() const noexcept { guard_.check(); }  // as every call here does

  // ---- devices: the one that runs the sequence

  // Returns: tokens [from, from + n) of prompt and answer, in place, or in `copy` where they lie in the answer.
  // Requires: capacity in `copy` (spans given before stay valid).
  std::span<const Token> read(RequestId, std::uint32_t answer, Tokens from, Tokens n,
                              std::vector<Token>& copy) const noexcept;
  std::uint64_t tag(RequestId id) const noexcept { return at(id).tag; }
  bool emit(RequestId, std::uint32_t answer, Token) noexcept;  // Returns: false when there is no memory

  // ---- the thread of the shard that has it

  void finish(const Finish&) noexcept;
  void send(const Send&, std::string_view device) noexcept;
  void abort(const Abort&) noexcept;

  // ---- shards that take from one another (port.h)

  void offer(const Shelve&) noexcept override;
  SequenceId offered_as(RequestId) const noexcept override;
  std::optional<Offer> offered(RequestId) const noexcept override;
  void hand_over(RequestId, ShardId thief) noexcept override;

  // ---- the ticket: any thread. `attempt` 0: the latest. What is late or said twice is ignored and counted.

  bool first_token(RequestId, std::uint32_t attempt) noexcept;  // Returns: false where it is late
  void end(RequestId, std::uint32_t attempt, Tokens generated, Tokens cached) noexcept;
  void fail(RequestId, std::uint32_t attempt, Failure, Duration retry_after) noexcept;
  void cancel_ticket(RequestId) noexcept;
  void drop_ticket(RequestId) noexcept;

  // ---- the reply: one thread at a time; cancel() and ended(): any

  struct AnswerToken {
    Token token;
    std::uint32_t answer;
  };
  std::optional<AnswerToken> wait_for_token(RequestId) noexcept;  // nothing: the end
  // Calls `put(token, answer)` for each of at most so many. Returns: how many there were.
  template <class Put>
  std::size_t take(RequestId id, std::size_t most, const Put& put) noexcept {
    Record& record = at(id);
    const std::lock_guard lock(record.mutex);
    const std::size_t n = std::min(most, record.written() - record.taken);
    for (std::size_t k = 0; k < n; ++k) {
      const AnswerToken next = record.next();
      put(k, next.token, next.answer);
    }
    return n;
  }
  std::optional<Ended> ended(RequestId) const noexcept;
  void notify(RequestId, std::function<void()>);
  bool cancel(RequestId) noexcept;  // Returns: false where it had ended or was cancelled before
  void drop(RequestId) noexcept;

 private:
  // What the shard asked for last, of a request that was placed.
  struct Attempt {
    SequenceId sequence;
    std::uint32_t number = 0;
    Tokens limit;  // of its answer
    bool open = false, began = false;
  };
  struct Record {
    // written by enter() only
    std::uint32_t generation = 0;
    std::vector<Token> prompt;
    std::uint64_t tag = 0;

    mutable std::mutex mutex;
    std::condition_variable news;
    // Each is read without the mutex by the device that writes it.
    std::vector<Token> answer;               // the first one
    std::vector<std::vector<Token>> others;  // of a request of several
    std::vector<std::uint32_t> order;        // likewise: whose each token was, as they came
    std::vector<std::size_t> taken_of;       // likewise: of each answer
    std::size_t taken = 0;
    const std::vector<Token>& of(std::uint32_t a) const { return a == 0 ? answer : others[a - 1]; }
    std::vector<Token>& of(std::uint32_t a) { return a == 0 ? answer : others[a - 1]; }
    std::size_t written() const { return others.empty() ? answer.size() : order.size(); }
    AnswerToken next() {
      if (others.empty()) return {answer[taken++], 0};
      const std::uint32_t a = order[taken++];
      return {of(a)[taken_of[a]++], a};
    }

    ShardId shard;  // that has it, or is about to be told that it has
    Offer offer;    // of what stands on its shelf, or stood
    std::optional<Ended> ended;
    bool in_flight = false, held = false, cancelled = false;
    Attempt attempt;
    OnPlaced placed;  // enter(), then the shard's thread

    std::mutex wake_mutex;
    std::function<void()> wake;
  };
  static constexpr std::uint32_t kChunk = 256;
  using Chunk = std::array<Record, kChunk>;

  Record& at(RequestId) const noexcept;
  Refusal take_slot(std::uint32_t& index) noexcept;
  Refusal give_back_slot(std::uint32_t index, Refusal) noexcept;  // no shard was told of it. Returns: why
  // Returns: false where the lane is full.
  bool tell(ShardId, std::uint32_t index, Submitted facts, RequestId&, std::optional<std::uint32_t> lane) noexcept;
  void tell(const Record& record, const Event& event) noexcept { shards_[record.shard.value]->tell(event); }
  Time now() const noexcept { return shards_.front()->now(); }
  static bool answers(const Attempt& a, std::uint32_t attempt) {
    return a.open && (attempt == 0 || attempt == a.number);
  }
  void late_call() noexcept;
  void release(RequestId) noexcept;
  void set_free(std::uint32_t index) noexcept;
  static void ring(Record&) noexcept;

  const ForkGuard guard_;
  const std::vector<Shard*> shards_;
  const std::uint32_t slots_;
  std::vector<std::unique_ptr<Chunk>> chunks_;  // its size is fixed; an element is set before an id in it is given out

  mutable std::mutex mutex_;
  std::condition_variable idle_;
  std::vector<std::uint32_t> free_;
  std::uint32_t made_ = 0;
  bool closed_ = false;
  std::uint64_t in_flight_ = 0;
  Totals totals_;
};

std::string_view name_of(RequestSlab::Refusal);  // as an Outcome's `why`

}  // namespace yard
