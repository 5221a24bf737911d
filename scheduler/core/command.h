// Everything a shard can ask for.
//
// A Command is a decision as a value; the loop performs it, and what came of it returns as an Event. Each one goes into
// the decision hash field by field (never as raw bytes: padding is no decision).
//
// C1  A command names only what Core owns: its own sequences, leases, runs.
// C2  Every Launch is answered by exactly one RunEnded, whatever happens in between.
// C3  Spans live until the next apply() or poll().
#pragma once
#include <span>
#include <string_view>
#include <type_traits>
#include <variant>

#include "scheduler/base/hash.h"
#include "scheduler/base/id.h"
#include "scheduler/base/units.h"

namespace yard {

// ---- stepped devices ----------------------------------------------------------------------------------------------

struct Slot {
  SequenceId sequence;
  RequestId request;
  Tokens context;        // already in KV
  Tokens prefill;        // to read in this run; 0: decoding
  Tokens generated;      // before this run; the prefill that reaches prompt + generated emits the next one
  Tokens output_limit;   // the device ends it with SlotFate::length when it has generated so many in all
  Blocks granted;        // KV it may hold before the run must end
  std::uint32_t answer;  // of its request, from 0
  AdapterId adapter;
  bool samples;  // false while the prompt is read only in part
};

// What kept more work from entering this run, for the report's "bound by". Who finds no slot for its adapter is bound
// by sequences.
enum class BoundBy : std::uint8_t { work, sequences, kv, tokens };

// Step these slots until something changes. A run with prefill in it is one step; a pure decode run is up to
// `step_limit`.
struct Launch {
  RunId run;
  DeviceId device;
  std::uint32_t step_limit;
  BoundBy bound_by;
  std::span<const Slot> slots;
  // Adapters that those admitted in it want: loaded before its step, which takes so long, and there already.
  std::uint32_t loads = 0, found = 0;
  Duration load = {};
};

// The run ends at the next step boundary, at `now` at the earliest, with RunEnd::interrupted unless something else ends
// it at that boundary. May cross the RunEnded on its way; it is then without effect.
struct Interrupt {
  RunId run;
  DeviceId device;
};

// ---- served devices -----------------------------------------------------------------------------------------------

// Give this sequence to the engine. Answered by exactly one Ended or Failed of this attempt, or ended by an Abort.
struct Send {
  SequenceId sequence;
  RequestId request;
  DeviceId device;
  std::uint32_t attempt;  // of the request, from 1
  Tokens prompt;
  Tokens output_limit;
  AdapterId adapter = {};
};

// The attempt is over: nobody wants its answer. Whatever it still says is ignored.
struct Abort {
  SequenceId sequence;
  RequestId request;
  DeviceId device;
  std::uint32_t attempt;
};

// ---- between stepped devices ----------------------------------------------------------------------------------------

// Move this sequence's KV from a device that read its prompt to one that has leased blocks for it. Answered by exactly
// one MoveEnded. A link has at most as many as it moves at once and Bounds::moves_per_link more; they begin in order.
struct Move {
  SequenceId sequence;
  RequestId request;
  DeviceId from, to;
  LinkId link;
  std::uint32_t attempt;  // of the request, from 1
  std::int64_t bytes;
};

// ---- between shards -------------------------------------------------------------------------------------------------

// Offer a copy of this on the shard's shelf: it cannot be started here in time. Answered, if at all, by one Unshelved
// or Taken.
struct Shelve {
  SequenceId sequence;
  RequestId request;
  Time order;  // on the shelf, the least first: by what is at stake, the most first
  Tokens tokens;
  Time there;             // when its first token is expected here; never: it is refused, or put off
  std::int64_t at_stake;  // promises that it costs here, its own and others'; kOnePromise where it is refused
};

// Take it back, for its turn has come here, or it has ended. Answered by one Unshelved, unless one is on its way
// already: of each Shelve there is one at most, or one Taken, or an Unshelved{gone} and then a Taken.
struct Unshelve {
  SequenceId sequence;
  RequestId request;
};

// What is on that shelf? Answered by an OfferSeen for each of the first kOffersSeen, and one OffersSeen.
struct Look {
  ShardId victim;
};
inline constexpr std::uint32_t kOffersSeen = 8;

// Take the first so many of what was seen by the last Look. Answered by as many Handed and one TakeEnded.
struct Take {
  ShardId victim;
  std::uint32_t offers;
};

// Who asked to cancel it asks there: it was taken.
struct PassOn {
  RequestId request;
  ShardId thief;
};

// ---- callers ------------------------------------------------------------------------------------------------------

enum class Outcome : std::uint8_t { done, cancelled, rejected, failed };
enum class Reason : std::uint8_t {
  none,
  queue_full,
  no_such_model,
  no_region,
  empty_prompt,
  too_long,
  shed,
  device_lost,
  device_failed,
  retries_spent,
  bad_request,
  broken_stream,
  overloaded,
  no_provider,
  no_licence,
  quota,
  only_embeds,
  too_many_answers,
  no_such_adapter
};
inline constexpr std::size_t kReasons = 19;

// What a request went through. Times are unset (Time::never()) where it did not get so far.
struct Account {
  Time arrival, admit = Time::never(), first_token = Time::never(), last_token = Time::never(), finish;
  Tokens prompt, output;
  Tokens cached;  // of the prompt, found in the device's prefix cache
  std::uint32_t preemptions = 0;
  std::uint32_t moves = 0;  // of its KV, that arrived
  DeviceId device;          // that served it last
  SloClassId slo;
  ModelId model;
  TenantId tenant;
  // Of a request of several answers: `output`, `preemptions` and `last_token` are of all, `first_token` is the first of
  // any, the device that of the first; a reader of all side by side waits (last - first) / (longest - 1) for a token.
  std::uint32_t answers = 1;
  Tokens longest;          // of them
  bool no_output = false;  // none was asked for: it is done when its prompt is read

  Tokens longest_answer() const { return answers > 1 ? longest : output; }
};

// Returns: whether what became of a request counts against its tenant, with its prompt and what was generated; else it
// took nothing.
constexpr bool counts_as_used(Outcome outcome, Time admit) {
  return outcome == Outcome::done || (outcome == Outcome::cancelled && admit != Time::never());
}

struct Finish {
  RequestId request;
  Outcome outcome;
  Reason why;
  Duration retry_after;  // 0: unknown
  Account account;
};

using Command = std::variant<Launch, Interrupt, Finish, Send, Abort, Move, Shelve, Unshelve, Look, Take, PassOn>;
static_assert(std::is_trivially_copyable_v<Command>);

// What the decision hash takes in of a command said in the tick of `now`: every field, of slots too.
void add(DecisionHash&, const Command&, Time now);

std::string_view name_of(Outcome);
std::string_view name_of(Reason);
std::string_view name_of(BoundBy);

}  // namespace yard
