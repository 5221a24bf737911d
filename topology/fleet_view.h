// A fleet as Core sees it: columns of integers, fixed while a Core lives. What changes comes as events.
//
// Made by topology/fleet (from YAML) or by the front door (from the embedder's devices); written whole into the head of
// a recording. Names are for reports only; no decision reads one.
//
// V1  devices are numbered pool by pool: pool p owns [first_device, first_device + devices).
// V2  every pool has 1 <= max_sequences <= token_budget, kv_blocks >= 1 and block_tokens >= 1.
// V3  every index (model, region, cost row, class) is inside its table.
// V4  weights of tenants are all zero (no shares) or all above; a rate above zero has a burst of at least one.
// V5  a link leads from a prefill pool to a decode pool or one that does both, of one model and of KV of one size; both
//     are stepped. There is at most one between two pools, and at least one from each prefill pool.
#pragma once
#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "scheduler/base/hash.h"
#include "scheduler/base/id.h"
#include "scheduler/base/quantile.h"
#include "scheduler/base/units.h"
#include "topology/terms.h"

namespace yard {

// stepped: launched on runs that Core forms. served: an engine behind a wire, that takes sequences one by one and forms
// its own batches.
enum class PoolKind : std::uint8_t { stepped, served };

// When a served device may be sent the next sequence: never more than it can start soon, so that what waits elsewhere
// can still be reordered, cancelled and bound elsewhere. tokens: while the prompt tokens sent and not yet begun are
// below `unread`. sequences: while fewer than `in_flight` are sent and not ended. gradient: while fewer are than a
// limit that begins at `in_flight` and follows the time to first tokens. net_gain: as tokens, and to a sequence that
// may be refused only where its own promise and everybody's there cost less than one.
enum class WindowRule : std::uint8_t { tokens, sequences, gradient, net_gain };
inline constexpr std::uint32_t kWindowRules = 4;

struct Window {
  WindowRule rule = WindowRule::tokens;
  Tokens unread{4096};                                // two chunks of 2,048
  std::uint32_t in_flight = 32;                       // of the rules `sequences` and `gradient`
  std::uint32_t kv_permille = 970;                    // of its KV pool that prompts and expected answers may fill
  Duration start_timeout = Duration(60'000'000'000);  // from a send to its first token; then the attempt is given up
  Duration use_by = Duration(3'000'000'000);          // of what the engine says of its load; older word counts less
};

// What others ask of a simulated engine, that nobody told us of: requests of one size, at times drawn evenly.
struct Background {
  std::int64_t per_s_thousandths = 0;  // on each device; 0: none
  Tokens prompt{512}, output{128};
};

// How an engine behind a wire lets waiting sequences in, where it is simulated. vLLM, since V1: the blocks of all that
// a sequence has to read must be free, though it leases those of its first chunk (scheduler_reserve_full_isl); and
// where others run, so many blocks besides (watermark). With async_scheduling it plans a step ahead: what arrives while
// a step runs joins the one after the next.
struct EngineAdmission {
  bool whole = false, ahead = false;
  Blocks watermark = {};
};

// What a pool's devices do of a sequence: prefill ones read its prompt and give its KV away (core/handoff.h), decode
// ones take over what others have read, and read short prompts themselves.
enum class PoolRole : std::uint8_t { both, prefill, decode };

// What a step reads of prompts. budget: what those who decode leave of the token budget. objective: besides, no more
// than lets each of them keep its TPOT objective (core/README.md, "What a step reads").
enum class Chunk : std::uint8_t { budget, objective };

// Replicas of one kind that serve one model.
struct PoolView {
  std::string name, provider, region_name, accelerator;
  ModelId model;
  RegionId region;
  ProviderId provider_id{0};
  bool licensed = true;  // its provider may serve its model
  DomainId domain;       // the innermost power domain that it lies in; none: nothing limits its draw
  CostRow cost;
  std::uint32_t first_device = 0, devices = 0;
  std::uint32_t accelerators_per_device = 1;  // tensor x pipeline parallel ranks of one replica
  Blocks kv_blocks;                           // of one replica
  Tokens block_tokens{16};
  std::uint32_t max_sequences = 256;  // running together on one replica
  Tokens token_budget{2048};          // read in one step, prefill and decode together
  Chunk chunk = Chunk::budget;        // of a stepped one
  Tokens max_context;                 // prompt and answer of one sequence; at most what the KV pool holds + 1
  NanoDollars per_hour;               // of one replica
  bool prefix_cache = true;           // keeps the KV of prompts that it has read, for others that begin alike
  PoolKind kind = PoolKind::stepped;
  Window window;              // of a served one
  EngineAdmission admission;  // likewise, simulated
  Duration wire_delay;        // of a served one, simulated: from us to the engine, and as much back
  Duration scrape;            // likewise: so often it says what its load is; zero: never
  Duration scrape_lag;        // likewise: its word comes so much later
  Background background;      // likewise
  bool block_events = false;  // likewise: it says what its prefix cache stores and lets go
  Milliwatts idle, busy;      // of one replica; chips only, PUE apart
  PoolRole role = PoolRole::both;
  std::int64_t kv_token_bytes = 0;  // of one token's KV, all layers and ranks; 0: unknown, then no link leads here

  // LoRA adapters that one replica holds and runs together; 0: it serves none. Loading one takes `adapter_load`, and
  // its bytes over `adapter_bytes_per_s` where that is not 0.
  std::uint32_t adapter_slots = 0;
  Duration adapter_load;
  std::int64_t adapter_bytes_per_s = 0;
  bool adapter_affinity = true;  // placement counts what loading takes
};

struct AdapterView {
  std::string name;
  ModelId model;
  std::int64_t bytes = 0;
};

struct ModelView {
  std::string name;
  Tokens prefix_block{512};  // what its prompts are hashed by; a pool caches prefixes if its KV blocks divide this
  bool embeds = false;       // makes no tokens: a request must ask for none
};

// What becomes of a request that would cost more promises than it keeps: told to come back, or kept waiting without a
// promise until it harms nobody.
enum class Overload : std::uint8_t { reject, defer };

// A promise. A request attains it when TTFT <= ttft + ttft_per_token * prompt, TPOT <= tpot and E2E <= e2e; an
// objective of zero is none. Classes are ordered by rank: all of a lower rank go before any of a higher.
struct SloClass {
  std::string name;
  std::uint32_t rank = 0;
  Duration ttft, ttft_per_token, tpot, e2e;
  Duration patience;  // shed when not admitted so long after arrival; zero: never
  Overload on_overload = Overload::reject;
  // Where not none, its deadlines (TTFT, E2E) are hard: it goes only where it is expected to keep them with this
  // probability, and is rejected where that is nowhere (core/deadlines.h). Then on_overload is reject.
  Quantile sure = Quantile::none;

  constexpr Duration ttft_objective(Tokens prompt) const { return ttft + ttft_per_token * prompt.count(); }
  // When its first token is due (its last one, where only E2E is promised): what EDF orders by.
  constexpr Time deadline(Time arrival, Tokens prompt) const {
    if (ttft.count() > 0) return arrival + ttft_objective(prompt);
    return e2e.count() > 0 ? arrival + e2e : Time::never();
  }
};

// What comes back with time: so many a second, in thousandths, up to `burst` at hand. A rate of zero: no limit.
struct QuotaRate {
  std::int64_t per_s_thousandths = 0, burst = 0;

  constexpr bool some() const { return per_s_thousandths > 0; }
  constexpr bool operator==(const QuotaRate&) const = default;
};

// Who asks and pays. core/tenants.h says what its limits mean.
struct TenantView {
  std::string name;
  std::uint32_t weight = 0;      // of its share while more is wanted than there is; zero: the fleet gives no shares
  std::int32_t rank_offset = 0;  // added to the rank of its requests' classes: a negative one goes before others
  QuotaRate requests = {}, tokens = {};
  NanoDollars per_day = {};                          // its budget; zero: none
  NanoDollars prompt_price = {}, output_price = {};  // of one token
  RegionMask regions = {};                           // where its requests may run, whatever they ask for

  // The rank of its requests of a class of this rank.
  constexpr std::uint32_t rank(std::uint32_t of_class) const {
    const std::int64_t rank = std::int64_t{of_class} + rank_offset;
    return static_cast<std::uint32_t>(rank < 0 ? 0 : rank > 255 ? 255 : rank);
  }
  bool operator==(const TenantView&) const = default;
};

// Bounds of adapters.
inline constexpr std::uint32_t kMostAdapterSlots = 1024, kMostAdapters = 100'000;
inline constexpr std::int64_t kMostAdapterBytes = 1'000'000'000'000, kMostAdapterSeconds = 600;
inline constexpr std::int64_t kLeastAdapterBytesPerS = 1'000'000;

// The most that a limit of a tenant may be, so that products of them with nanoseconds fit 128 bits by far.
inline constexpr std::int64_t kMostQuota = 1'000'000'000'000;           // thousandths a second; of a burst
inline constexpr std::int64_t kMostBudget = 1'000'000'000'000'000'000;  // nano-dollars a day
inline constexpr std::int64_t kMostTokenPrice = 1'000'000'000;          // nano-dollars of one token
inline constexpr std::uint32_t kMostWeight = 1'000'000;

// Over which KV of sequences moves from a prefill pool to another: one way, so many moves at once, each as fast as if
// it were alone.
struct LinkView {
  PoolId from, to;
  std::uint32_t at_once = 1;
  Duration latency;
  std::int64_t bytes_per_s = 1;  // of one move

  // How long a move of so many bytes takes, at least a nanosecond.
  constexpr Duration time(std::int64_t bytes) const {
    const auto ns = (static_cast<Wide>(bytes) * 1'000'000'000 + static_cast<Wide>(bytes_per_s) - 1) /
                    static_cast<Wide>(bytes_per_s);
    const auto most = static_cast<Wide>(kLongestMove);
    return Duration(std::max<std::int64_t>(1, latency.count() + static_cast<std::int64_t>(ns < most ? ns : most)));
  }
  static constexpr std::int64_t kLongestMove = 1'000'000'000'000'000;  // ns: eleven days
};

// Shards of one cell, each with a part of its devices, that take from one another what they cannot start in time
// (core/README.md, "A steal").
struct StealView {
  ShardId self{0};
  std::vector<Duration> distance = {};  // from it to each shard, one way; empty: it is alone
  // A request is offered when so much of a promise is at stake where it was bound, its own or others', and taken where
  // so much less would be.
  std::uint32_t worth_permille = 10;
  // It is offered, too, when it is expected to wait for more than so much of its TTFT objective (of `patience`, where
  // its class has none). What is refused is offered in any case, and stands so long before it is.
  std::uint32_t offer_permille = 500;
  Duration stands = milliseconds(50);
  Duration patience = seconds(1);
  Duration least_gain =
      milliseconds(20);       // where no less is at stake: a thief must be expected to start it so much sooner
  std::uint32_t shelf = 256;  // offers at once, a power of two

  bool some() const { return !distance.empty(); }
};
inline constexpr std::uint32_t kMostShards = 64;

struct FleetView {
  std::string name;
  std::vector<PoolView> pools;
  std::vector<ModelView> models;
  std::vector<AdapterView> adapters = {};
  std::vector<SloClass> classes;                // at least one
  std::vector<TenantView> tenants;              // at least one
  std::vector<std::string> regions;             // at least one, at most 64
  std::vector<std::string> providers{"local"};  // at least one, at most 64
  std::vector<ContractView> contracts = {};
  std::vector<DomainView> domains = {};
  std::int64_t pue_thousandths = 1000;
  Duration signals_age = {};  // of what placement sees of devices beyond its own placements (core/signals.h)
  std::vector<LinkView> links = {};
  // A prompt of which at most so many tokens are to be read is read where it is decoded.
  Tokens stay_tokens{512};
  StealView steal = {};

  std::uint32_t devices() const { return pools.empty() ? 0 : pools.back().first_device + pools.back().devices; }
  bool shares() const { return !tenants.empty() && tenants.front().weight > 0; }
};

}  // namespace yard
