// What a policy is: a pure function over columns, its state handed in, called once per decision and never per
// candidate.
//
// An order says which waiting sequence goes first; a scorer says which device a sequence goes to. Both are chosen by
// name (policy/registry.h). They read no clock, hold nothing, allocate nothing.
#pragma once
#include <array>
#include <cstdint>
#include <span>
#include <string>

#include "scheduler/base/block_hash.h"
#include "scheduler/base/id.h"
#include "scheduler/base/rng.h"
#include "scheduler/base/units.h"
#include "scheduler/core/pace.h"
#include "scheduler/cost/step_cost.h"
#include "topology/fleet_view.h"

namespace yard {

namespace policy {
struct Settings;
}

// ---- what a scorer sees -------------------------------------------------------------------------------------------

// One row per device of the shard. All are as of the device's last run boundary plus what Core has bound to it since.
struct DeviceColumns {
  std::span<const std::uint32_t> pool;
  std::span<const std::uint32_t> waiting;        // sequences in the device's line
  std::span<const std::uint32_t> running;        // admitted sequences
  std::span<const std::int64_t> prefill_tokens;  // not yet read: of the line, and of open prefills
  std::span<const std::int64_t> kv_tokens;       // context of the running ones
  std::span<const std::int64_t> waiting_tokens;  // prompts (and answers so far) of the line
  std::span<const std::uint32_t>
      by_class;  // of those in the line or admitted, who generate: [device * classes + class]
  std::span<const std::uint32_t> prefill_share;  // of its time, lately (5 s), 1/65536
  std::span<const std::int64_t> prefill_burst;   // seconds of prefill that one prompt brings, size-biased mean, ns
  std::span<const std::int32_t> hit_tokens;      // of the asked prompt, expected in the device's prefix cache
  std::span<const std::int64_t> cached_tokens;   // believed to be in the device's prefix cache, in all
  std::span<const std::int64_t> marginal_price;  // of one more hour, nano-dollars (money.h); 0 where it is paid anyway
  std::span<const std::int64_t> move_time = {};  // to there, of the KV of a sequence that is read (Ask::read), ns
  std::span<const std::int64_t> adapter_load =
      {};                                    // of the asked adapter, ns; 0 where it is expected, or none is asked
  std::span<const std::uint32_t> pace = {};  // of its steps, 1/1024 of what their costs say (pace.h)

  std::uint32_t pace_of(std::uint32_t d) const { return pace.empty() ? kPaceAsSaid : pace[d]; }
};

// How long answers are: lengths that 1/8, 3/8, 5/8 and 7/8 of them stay below, so that each stands for a quarter, and
// the share of each quarter among those who decode at one moment, 1/65536.
struct AnswerLengths {
  std::array<std::int32_t, 4> tokens{1, 1, 1, 1}, at_work{16384, 16384, 16384, 16384};

  // An answer is at work for as many steps as it has tokens. Requires: tokens of at least one.
  void weigh() {
    std::int64_t sum = 0;
    for (const std::int32_t length : tokens) sum += length;
    for (std::size_t i = 0; i < tokens.size(); ++i)
      at_work[i] = static_cast<std::int32_t>(std::int64_t{tokens[i]} * 65536 / sum);
  }
  std::int64_t mean() const { return (std::int64_t{tokens[0]} + tokens[1] + tokens[2] + tokens[3]) / 4; }
};

inline constexpr AnswerLengths kUnknownAnswers{.tokens{256, 256, 256, 256}};

// The sequence to be placed.
struct Ask {
  ModelId model;
  SloClassId slo;
  TenantId tenant;
  std::uint64_t prefix_head;  // hash of the prompt's first block; 0: none is known
  std::uint64_t session;      // the conversation that it belongs to; 0: none is known
  Tokens prompt;
  Tokens expected_output;  // mean of what this class and model generated so far, at most what the caller allows; 0
                           // where it asks for no token, and only there
  Time now;
  Time arrival;
  std::span<const AnswerLengths> answers;  // of its model, by class
  std::int32_t scarcity = 0;               // PolicyState's of its model, before the choice
  bool may_refuse = true;                  // false: it was let in before
  bool counts = true;  // false: it was asked about before, at another shard or for one: no news of how many come
  bool read = false;   // elsewhere: its KV moves to the device, as a hit of all of it, and what is placed is decoding
};

// What policies may remember: owned by Core, part of its state, seeded by its seed.
struct PolicyState {
  Rng rng;
  std::span<std::uint32_t> next;          // by model: round_robin's next place among the model's devices
  std::span<std::uint64_t> chosen = {};   // by device: how often a scorer that counts has chosen it
  std::span<std::int32_t> scarcity = {};  // by model: how many promises those who ask are expected to miss, 1/65536
  const policy::Settings* settings = nullptr;  // PolicySet's
};

// Instead of a position: it should not be served now, it would cost others more than it gains. Only if Ask::may_refuse.
inline constexpr std::uint32_t kRefused = 0xffff'ffff;

// Returns: a position in `eligible` (device indices, ascending, at least one), never beyond it; or kRefused.
using Scorer = std::uint32_t (*)(std::span<const std::uint32_t> eligible, const DeviceColumns&, const FleetView&,
                                 const CostTables&, const Ask&, PolicyState&) noexcept;

// The same choice without a look at every device, for a scorer of which something in `index` says how good a device can
// be at the best (class_index.h).
class ClassIndex;
struct Shortlist {
  const ClassIndex& index;
  std::span<const std::uint32_t> classes;  // those that are up in these are eligible; ascending, some are up
  std::span<const std::uint32_t> singly;   // of them, those expected to hold some of the prompt; in any order
};

// Returns: the device that the scorer would choose; or kRefused.
using IndexedScorer = std::uint32_t (*)(const Shortlist&, const DeviceColumns&, const FleetView&, const CostTables&,
                                        const Ask&, PolicyState&) noexcept;

// ---- what an order sees -------------------------------------------------------------------------------------------

struct Waiting {
  Time arrival, deadline;
  std::uint32_t rank;  // of the SLO class
  Tokens prompt;
};

// Returns: its key; the least goes first, ties in the order of submission.
using Order = std::uint64_t (*)(const Waiting&) noexcept;

// ---- the choice ---------------------------------------------------------------------------------------------------

// arrival: a sequence is bound to a device at once and waits in that device's line. room: it waits unbound, and is
// placed when a device has room.
enum class Bind : std::uint8_t { arrival, room };

// One placement: what the scorer saw, and what it said. Columns and spans live until the call returns.
struct Decision {
  RequestId request;
  std::span<const std::uint32_t> eligible;
  const DeviceColumns& devices;
  const Ask& ask;
  std::uint32_t at;  // what the scorer returned
};

// Sees every placement and changes none: for those who explain a recording. Threads: the shard's own.
class Onlooker {
 public:
  virtual void saw(const Decision&) noexcept = 0;

 protected:
  ~Onlooker() = default;
};

// Returns: how many promises the sequence would cost on this device, its own and others'; in kOnePromise, which it is
// worth itself.
using Promises = std::int64_t (*)(std::uint32_t device, const DeviceColumns&, const FleetView&, const CostTables&,
                                  const Ask&) noexcept;

// Sees what devices keep of prompts, and what they let go. Threads: the shard's own.
class BlockWatcher {
 public:
  // The device keeps this chain now, from a prompt's beginning. Spans live until the call returns.
  virtual void keeps(DeviceId, std::span<const BlockHash> chain, Time) noexcept = 0;
  virtual void lets_go(DeviceId, BlockHash, Time) noexcept = 0;

 protected:
  ~BlockWatcher() = default;
};

struct PolicySet {
  std::string scorer_name, order_name;
  Scorer scorer = nullptr;
  Order order = nullptr;
  IndexedScorer indexed = nullptr;     // null: every device is looked at
  Quantile quantile = Quantile::none;  // of what steps take, that the scorer is shown as their costs
  Bind bind = Bind::arrival;
  Promises promises = nullptr;     // asked by windows of the rule `net_gain`, and of who may move; null: nobody has any
  Onlooker* onlooker = nullptr;    // no part of the choice; outlives the Core
  BlockWatcher* blocks = nullptr;  // likewise
  const policy::Settings* settings = nullptr;  // of a scorer that takes any (expected_cost_by); outlives the Core
};

}  // namespace yard
