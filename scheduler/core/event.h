// Everything a shard can be told.
//
// An Event is a fact that has happened, as a value. It is trivially copyable; what varies in length (the slots of a
// run) is a span that lives until Core::apply returns and is copied whole into the recording.
//
// Threads: made by any thread, applied by the shard's own.
// E1  Facts only: what follows from them is Core's to say.
// E2  No event tells an output length before that sequence has ended (I8).
// E3  Facts about load carry the time of their measurement, not of their arrival (I9).
// E4  Recorded events plus recorded ticks give back every command, bit for bit (I6).
#pragma once
#include <span>
#include <type_traits>
#include <variant>

#include "scheduler/base/block_hash.h"
#include "scheduler/base/id.h"
#include "scheduler/base/units.h"
#include "scheduler/cost/correction.h"

namespace yard {

// ---- from callers -------------------------------------------------------------------------------------------------

// A request at the door. Tokenising is done by the caller's thread, before this.
struct Submitted {
  RequestId request;  // not in use by another request in flight
  ModelId model;
  TenantId tenant;
  SloClassId slo;
  Tokens prompt;
  Tokens max_output = Tokens::max();  // as the caller asked; max(): as many as the model and the KV pool can hold
  RegionMask regions;                 // where it may run
  ProviderMask providers = {};        // likewise
  ProviderId primary = {};            // goes elsewhere only where this one cannot serve it; none: all alike
  Time arrival;                       // the caller's clock reading, mapped to the shard's epoch; never after `now`
  std::uint32_t answers = 1;          // wanted of it, each a sequence of its own, at most Bounds::answers; at least 1
  AdapterId adapter = {};             // of its model; none: the model itself
  std::uint64_t session = 0;          // the conversation that it belongs to; 0: none is known
  // Chained hashes of the prompt's leading whole blocks of ModelView::prefix_block tokens, as many as are known; they
  // live until the request's Finish.
  std::span<const BlockHash> prefix = {};
};

struct CancelAsked {
  RequestId request;
};

// ---- from stepped devices: Core forms their batches ---------------------------------------------------------------

enum class SlotFate : std::uint8_t {
  running,
  stopped,
  length,
  failed
};  // stopped: the model ended it; length: max_output

struct SlotEnd {
  SequenceId sequence;
  Tokens prefilled, generated;   // in this run
  Time first_token, last_token;  // of those generated in this run; unset where none was
  SlotFate fate;
};

enum class RunEnd : std::uint8_t { slot_ended, prefill_done, kv_exhausted, step_limit, interrupted, device_failed };

struct RunEnded {
  RunId run;
  DeviceId device;
  RunEnd why;
  std::uint32_t steps;
  Millijoules energy;              // 0 where unmeasured
  std::span<const SlotEnd> slots;  // every slot of the run, in the run's order
};

// ---- from served devices: an engine behind a wire forms its own batches -------------------------------------------
//
// Each names the attempt that it speaks of: what attempt 1 says late cannot end attempt 2. A Send is answered by
// exactly one Ended or Failed, unless Core said Abort before: then whatever still comes is late, and ignored.

struct Accepted {
  SequenceId sequence;
  std::uint32_t attempt;
};  // the endpoint has it; nothing generated yet

struct FirstToken {
  SequenceId sequence;
  std::uint32_t attempt;
  Tokens cached;  // of the prompt, found in the engine's prefix cache; 0 where it does not say
  Time at;
};

struct Ended {
  SequenceId sequence;
  std::uint32_t attempt;
  SlotFate fate;  // stopped or length
  Tokens generated;
  Time last_token;  // Time::never() where none was generated
  Tokens cached;    // as in FirstToken, for those who say it at the end; 0 where they do not
};

enum class Failure : std::uint8_t { refused, throttled, unreachable, timed_out, broken_stream, bad_request };

struct Failed {
  SequenceId sequence;
  std::uint32_t attempt;
  Failure why;
  Duration retry_after;  // as the endpoint said; 0: it did not
};

// What an engine says of itself, all of its senders together.
struct Load {
  std::uint32_t running = 0, waiting = 0;  // sequences in its batches; in its own queue
  Blocks kv_used = {};                     // held by sequences; what its prefix cache keeps for nobody is free
};

// What an engine did with its prefix cache, as it says itself: exact, and as of `measured`. stored: these blocks, each
// behind the one before, the first behind `parent` (0: a prompt's beginning). removed: these, in any order. cleared:
// all. The blocks live until Core::apply returns.
enum class BlocksFate : std::uint8_t { stored, removed, cleared };
struct BlocksChanged {
  DeviceId device;
  BlocksFate fate;
  BlockHash parent;
  std::span<const BlockHash> blocks;
  Time measured;
};

// Scraped: it comes late, and is of a moment.
struct LoadReport {
  DeviceId device;
  Load load;
  Time measured;
};

// ---- about devices ------------------------------------------------------------------------------------------------

enum class DeviceState : std::uint8_t { up, draining, down };  // draining: runs what it has, takes nothing new
struct DeviceChanged {
  DeviceId device;
  DeviceState state;
};

// What came of a Move: the KV is there whole, or not at all. Each Move is answered by exactly one, whatever happens to
// the devices at its ends; until then the blocks at both stay leased.
enum class MoveEnd : std::uint8_t { arrived, failed };
struct MoveEnded {
  SequenceId sequence;
  std::uint32_t attempt;  // of the Move
  MoveEnd how;
};

// The cap of a power domain, from now on. Live, whoever watches the feed says it; simulated, the fleet's file.
struct CapChanged {
  DomainId domain;
  Milliwatts cap;
};

// ---- from other shards of the cell (README.md, "A steal") ----------------------------------------------------------

// Its shelf was empty, and is not any more.
struct ShelfFilled {
  ShardId victim;
};

// What a Look found, one by one, that with the most at stake first; then OffersSeen.
struct OfferSeen {
  ShardId victim;
  Time there;       // when its own shard expects its first token; never: it refuses it, or has put it off
  Submitted facts;  // without a request: it is not ours yet. The prefix lives until Core::apply returns
  std::int64_t at_stake = kOnePromise;  // promises that it costs there, its own and others'
};

struct OffersSeen {
  ShardId victim;
  std::uint32_t offered;  // on the shelf in all, of which those before were told
};

// Before a TakeEnded{taken}: what came with it. As Submitted, by another door.
struct Handed {
  ShardId victim;
  Submitted facts;
};

// lost: the shelf had changed since it was looked at.
enum class TakeOutcome : std::uint8_t { taken, lost };
struct TakeEnded {
  ShardId victim;
  TakeOutcome how;
};

// One of its own went from its shelf to another shard.
struct Taken {
  SequenceId sequence;
  ShardId thief;
};

// What came of an Unshelve, or of a Shelve that found no room; told in the next tick, before any Taken. gone: a thief
// was faster, and its Taken follows.
struct Unshelved {
  SequenceId sequence;
  bool gone;
};

// ---- about costs ----------------------------------------------------------------------------------------------------

// What runs took shows that the row's terms are so many times what was said of them at first, how far off they then
// still are, and how that is spread (loop/cost_learner.h). From now on costs are that.
struct CostCorrected {
  CostRow row;
  CostScales scales;  // in_bounds()
  std::uint32_t error_permille;
  CostSpread spread = {};  // in_bounds()
};

using Event = std::variant<Submitted, CancelAsked, RunEnded, DeviceChanged, Accepted, FirstToken, Ended, Failed,
                           CapChanged, LoadReport, MoveEnded, BlocksChanged, ShelfFilled, OfferSeen, OffersSeen, Handed,
                           TakeEnded, Taken, Unshelved, CostCorrected>;
static_assert(std::is_trivially_copyable_v<Event>);

}  // namespace yard
