#include "scheduler/loop/recording.h"

#include <algorithm>
#include <array>
#include <type_traits>
#include <utility>

namespace yard::recording {
namespace {

using wire::Malformed;

constexpr std::array<std::uint32_t, 256> kCrcTable = [] {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0u);
    table[byte] = crc;
  }
  return table;
}();

// ---- the fields, once for both directions --------------------------------------------------------------------------

constexpr auto kString = [](auto& io, auto& s) { io(s); };

constexpr auto kPool = [](auto& io, auto& p) {
  io(p.name), io(p.provider), io(p.region_name), io(p.accelerator);
  io(p.model), io(p.region), io(p.provider_id), io(p.domain), io(p.cost), io.one_of(p.licensed, 2);
  io(p.first_device), io(p.devices), io(p.accelerators_per_device);
  io(p.kv_blocks), io(p.block_tokens), io(p.max_sequences), io(p.token_budget), io(p.max_context);
  io.one_of(p.chunk, 2);
  io(p.per_hour), io(p.idle), io(p.busy);
  io.one_of(p.prefix_cache, 2), io.one_of(p.kind, 2), io.one_of(p.window.rule, kWindowRules);
  io(p.window.unread), io(p.window.in_flight), io(p.window.kv_permille), io(p.window.start_timeout), io(p.wire_delay);
  io.one_of(p.admission.whole, 2), io.one_of(p.admission.ahead, 2), io(p.admission.watermark);
  io(p.window.use_by);
  io(p.adapter_slots), io(p.adapter_load), io(p.adapter_bytes_per_s), io.one_of(p.adapter_affinity, 2);
};
constexpr std::size_t kLeastPool =
    4 * 4 + 5 * 4 + 1 + 3 * 4 + 5 * 4 + 3 * 8 + 4 * 1 + 3 * 4 + 3 * 8 + 2 + 4 + 4 + 8 + 8 + 1;

constexpr auto kModel = [](auto& io, auto& m) { io(m.name), io(m.prefix_block), io.one_of(m.embeds, 2); };
constexpr auto kAdapter = [](auto& io, auto& a) { io(a.name), io(a.model), io(a.bytes); };
constexpr auto kClass = [](auto& io, auto& c) {
  io(c.name), io(c.rank), io(c.ttft), io(c.ttft_per_token), io(c.tpot), io(c.e2e), io(c.patience),
      io.one_of(c.on_overload, 2), io.one_of(c.sure, kQuantileValues);
};
constexpr std::size_t kLeastClass = 4 + 4 + 5 * 8 + 2;

constexpr auto kRate = [](auto& io, auto& r) { io(r.per_s_thousandths), io(r.burst); };
constexpr auto kTenant = [](auto& io, auto& t) {
  io(t.name), io(t.weight), io(t.rank_offset), kRate(io, t.requests), kRate(io, t.tokens);
  io(t.per_day), io(t.prompt_price), io(t.output_price), io(t.regions);
};
constexpr std::size_t kLeastTenant = 4 + 4 + 4 + 4 * 8 + 4 * 8;

constexpr auto kContract = [](auto& io, auto& c) {
  io(c.name), io.one_of(c.kind, 4), io(c.pool), io(c.first_device), io(c.devices);
  io(c.per_hour), io(c.on_demand), io(c.window), io(c.committed), io(c.notice), io(c.away), io(c.reclaims_per_day);
};
constexpr std::size_t kLeastContract = 4 + 1 + 3 * 4 + 6 * 8 + 4;
constexpr auto kCap = [](auto& io, auto& c) { io(c.at), io(c.cap); };
constexpr auto kDomain = [](auto& io, auto& d) { io(d.name), io(d.parent), io(d.cap), io.list(d.caps, 16, kCap); };
constexpr std::size_t kLeastDomain = 4 + 4 + 8 + 4;

constexpr auto kFleet = [](auto& io, auto& f) {
  io(f.name);
  io.list(f.pools, kLeastPool, kPool);
  io.list(f.models, 9, kModel);
  io.list(f.adapters, 4 + 4 + 8, kAdapter);
  io.list(f.classes, kLeastClass, kClass);
  io.list(f.tenants, kLeastTenant, kTenant);
  io.list(f.regions, 4, kString);
  io.list(f.providers, 4, kString);
  io.list(f.contracts, kLeastContract, kContract);
  io.list(f.domains, kLeastDomain, kDomain);
  io(f.pue_thousandths), io(f.signals_age);
};

// Behind the rest of a head, where the fleet has links; a head without is as before there were any.
constexpr auto kLink = [](auto& io, auto& l) { io(l.from), io(l.to), io(l.at_once), io(l.latency), io(l.bytes_per_s); };
constexpr std::size_t kLinkBytes = 3 * 4 + 2 * 8;
constexpr auto kHandoff = [](auto& io, auto& fleet, auto& bounds) {
  for (auto& pool : fleet.pools) io.one_of(pool.role, 3), io(pool.kv_token_bytes);
  io.list(fleet.links, kLinkBytes, kLink);
  io(fleet.stay_tokens), io(bounds.moves_per_link);
};

// Behind these, where the fleet is one of several shards.
constexpr auto kSteal = [](auto& io, auto& s) {
  io(s.self), io.list(s.distance, 8, [](auto& each, auto& d) { each(d); });
  io(s.worth_permille), io(s.offer_permille), io(s.stands), io(s.patience), io(s.least_gain), io(s.shelf);
};

constexpr auto kBounds = [](auto& io, auto& b) {
  io(b.sequences), io(b.events_per_tick), io(b.retries), io(b.steps_per_run), io(b.answers), io(b.prefix_blocks);
};
constexpr auto kBucket = [](auto& io, auto& b) { io(b.up_to), io(b.c0); };

constexpr auto kSlotEnd = [](auto& io, auto& s) {
  io(s.sequence), io(s.prefilled), io(s.generated), io(s.first_token), io(s.last_token), io.one_of(s.fate, 4);
};
constexpr std::size_t kSlotEndBytes = 8 + 4 + 4 + 8 + 8 + 1;

constexpr auto kSubmitted = [](auto& io, auto& e) {
  io(e.request), io(e.model), io(e.tenant), io(e.slo), io(e.prompt), io(e.max_output), io(e.regions), io(e.arrival);
  io(e.providers), io(e.primary), io(e.answers), io(e.adapter), io(e.session);
};
constexpr auto kCancelAsked = [](auto& io, auto& e) { io(e.request); };
constexpr auto kRunEnded = [](auto& io, auto& e) {
  io(e.run), io(e.device), io.one_of(e.why, 6), io(e.steps), io(e.energy);
};
constexpr auto kShelfFilled = [](auto& io, auto& e) { io(e.victim); };
constexpr auto kOfferSeen = [](auto& io, auto& e) {
  io(e.victim), io(e.there), io(e.at_stake), kSubmitted(io, e.facts);
};
constexpr auto kOffersSeen = [](auto& io, auto& e) { io(e.victim), io(e.offered); };
constexpr auto kHanded = [](auto& io, auto& e) { io(e.victim), kSubmitted(io, e.facts); };
constexpr auto kTakeEnded = [](auto& io, auto& e) { io(e.victim), io.one_of(e.how, 2); };
constexpr auto kTaken = [](auto& io, auto& e) { io(e.sequence), io(e.thief); };
constexpr auto kUnshelved = [](auto& io, auto& e) { io(e.sequence), io.one_of(e.gone, 2); };
constexpr auto kAccepted = [](auto& io, auto& e) { io(e.sequence), io(e.attempt); };
constexpr auto kFirstToken = [](auto& io, auto& e) { io(e.sequence), io(e.attempt), io(e.cached), io(e.at); };
constexpr auto kEnded = [](auto& io, auto& e) {
  io(e.sequence), io(e.attempt), io.one_of(e.fate, 4), io(e.generated), io(e.last_token), io(e.cached);
};
constexpr auto kFailed = [](auto& io, auto& e) {
  io(e.sequence), io(e.attempt), io.one_of(e.why, 6), io(e.retry_after);
};
constexpr auto kDeviceChanged = [](auto& io, auto& e) { io(e.device), io.one_of(e.state, 3); };
constexpr auto kLoadReport = [](auto& io, auto& e) {
  io(e.device), io(e.load.running), io(e.load.waiting), io(e.load.kv_used), io(e.measured);
};
constexpr auto kBlocksChanged = [](auto& io, auto& e) {
  io(e.device), io.one_of(e.fate, 3), io(e.parent.bits), io(e.measured);
};
constexpr auto kCapChanged = [](auto& io, auto& e) { io(e.domain), io(e.cap); };
constexpr auto kCostCorrected = [](auto& io, auto& e) {
  io(e.row), io(e.error_permille);
  for (auto& scale : e.scales) io(scale);
  for (auto& quantile : e.spread.quantiles) io(quantile);
  io(e.spread.common);
};
constexpr auto kMoveEnded = [](auto& io, auto& e) { io(e.sequence), io(e.attempt), io.one_of(e.how, 2); };

void require(bool holds, const char* what) {
  if (!holds) throw Malformed{what};
}

// ---- tables --------------------------------------------------------------------------------------------------------

constexpr const char* kCost = "a step cost beyond its bounds";  // step_cost.h

void write_row(wire::Writer& io, const StepCost& row) {
  io.list(row.buckets(), 12, kBucket);
  io(row.c1()), io(row.c2()), io(row.c4()), io(row.error_permille()), io(row.max_sequences());
}

// `room`: entries that all rows together may still have.
StepCost read_row(wire::Reader& io, std::uint64_t& room) {
  std::vector<BatchBucket> buckets;
  Picoseconds c1, c2, c4;
  std::uint32_t error_permille, max_sequences;
  io.list(buckets, 12, kBucket);
  io(c1), io(c2), io(c4), io(error_permille), io(max_sequences);
  if (buckets.empty()) throw Malformed{"a step cost without a bucket"};
  for (const BatchBucket& b : buckets) require(b.c0.count() >= 0 && b.c0.count() <= StepCost::kMostC0, kCost);
  require(c1.count() >= 0 && c1.count() <= StepCost::kMostC1 && c2.count() >= 0 && c2.count() <= StepCost::kMostC2,
          kCost);
  require(c4.count() >= 0 && c4.count() <= StepCost::kMostC4 && error_permille <= StepCost::kUnknown, kCost);
  if (max_sequences >= room) throw Malformed{"step costs beyond their bound"};
  for (std::size_t i = 1; i < buckets.size(); ++i)
    if (buckets[i].up_to <= buckets[i - 1].up_to) throw Malformed{"buckets of a step cost out of order"};
  room -= max_sequences + 1;
  return StepCost(std::move(buckets), c1, c2, max_sequences, c4, error_permille);
}

// ---- what must hold before a Core is made of it --------------------------------------------------------------------

void check_pool(const PoolView& p, const RecordingHead& head) {
  require(p.model.value < head.fleet.models.size() && p.region.value < head.fleet.regions.size() &&
              p.cost.value < head.tables.rows.size(),
          "a pool whose model, region or cost row there is not (V3)");
  require(p.kv_blocks.count() >= 1 && p.block_tokens.count() >= 1 && p.token_budget.count() >= 1 &&
              p.max_sequences >= 1 && p.max_sequences <= static_cast<std::uint32_t>(p.token_budget.count()),
          "a pool whose limits contradict each other (V2)");
  require(p.max_context.count() - 1 <= std::int64_t{p.kv_blocks.count()} * p.block_tokens.count(),
          "a pool whose sequences outgrow its KV blocks");
  require(p.max_sequences <= head.tables[p.cost].max_sequences(), "a pool beyond its step cost");
  constexpr std::int64_t kMostTime = 1'000'000'000'000'000;
  require(p.window.use_by.count() >= 0 && p.window.use_by.count() <= kMostTime && p.wire_delay.count() >= 0 &&
              p.wire_delay.count() <= kMostTime,
          "a pool whose word of load lasts for ever");
  require((p.adapter_slots == 0 || p.role == PoolRole::both) && p.adapter_slots <= kMostAdapterSlots &&
              p.adapter_load.count() >= 0 && p.adapter_load <= seconds(kMostAdapterSeconds) &&
              (p.adapter_bytes_per_s == 0 || p.adapter_bytes_per_s >= kLeastAdapterBytesPerS),
          "a pool whose adapters are beyond their bounds");
}

void check_tenant(const TenantView& t, bool shares) {
  const auto within = [](std::int64_t n, std::int64_t most) { return n >= 0 && n <= most; };
  const auto good = [&](const QuotaRate& r) {
    return within(r.per_s_thousandths, kMostQuota) && within(r.burst, kMostQuota) && (!r.some() || r.burst >= 1);
  };
  require(t.weight <= kMostWeight && (t.weight > 0) == shares, "weights of some tenants only (V4)");
  require(t.rank_offset >= -255 && t.rank_offset <= 255 && good(t.requests) && good(t.tokens) &&
              within(t.per_day.count(), kMostBudget) && within(t.prompt_price.count(), kMostTokenPrice) &&
              within(t.output_price.count(), kMostTokenPrice),
          "a tenant's limits beyond their bounds (V4)");
}

constexpr std::int64_t kMostMilliwatts = 1'000'000'000'000'000;  // of a cap

// T1 to T3, and bounds at which no sum of prices or watts leaves 64 bits.
void check_terms(const FleetView& fleet) {
  constexpr std::int64_t kMost = 1'000'000'000'000'000, kMostTime = 4'000'000'000'000'000'000;
  require(!fleet.providers.empty() && fleet.providers.size() <= 64, "a fleet without providers");
  const auto within = [](auto quantity, std::int64_t most) {
    return quantity.count() >= 0 && quantity.count() <= most;
  };
  std::vector<bool> covered(fleet.devices());
  for (const ContractView& c : fleet.contracts) {
    require(c.pool.value < fleet.pools.size(), "a contract of a pool that there is not (T1)");
    const PoolView& pool = fleet.pools[c.pool.value];
    require(c.first_device >= pool.first_device && c.devices <= pool.devices &&
                c.first_device - pool.first_device <= pool.devices - c.devices,
            "a contract of devices outside of its pool (T1)");
    for (std::uint32_t d = c.first_device; d < c.first_device + c.devices; ++d) {
      require(!covered[d], "a device of two contracts (T1)");
      covered[d] = true;
    }
    require(within(c.per_hour, kMost) && within(c.on_demand, kMost) && within(c.notice, kMostTime) &&
                within(c.away, kMostTime),
            "a contract beyond its bounds");
    require(c.kind != ContractKind::committed ||
                (within(c.window, kMostTime) && c.window >= seconds(1) && c.window.count() % seconds(1).count() == 0 &&
                 within(c.committed, c.window.count())),
            "a commitment without a window (T3)");
  }
  for (std::uint32_t d = 0; d < fleet.domains.size(); ++d) {
    const DomainView& domain = fleet.domains[d];
    require(!domain.parent.some() || domain.parent.value < d, "a power domain before its parent (T2)");
    require(within(domain.cap, kMostMilliwatts), "a cap beyond its bounds");
    for (const CapChange& change : domain.caps) require(within(change.cap, kMostMilliwatts), "a cap beyond its bounds");
  }
  for (const PoolView& pool : fleet.pools) {
    require(pool.provider_id.value < fleet.providers.size(), "a pool whose provider there is not (V3)");
    require(!pool.domain.some() || pool.domain.value < fleet.domains.size(), "a pool whose domain there is not (V3)");
    require(within(pool.idle, kMost / 1000) && pool.busy >= pool.idle && within(pool.busy, kMost / 1000),
            "a pool that draws less when it works");
  }
}

// V5.
void check_handoff(const FleetView& fleet) {
  std::vector<bool> linked(fleet.pools.size());
  std::vector<std::pair<PoolId, PoolId>> before;
  for (const LinkView& l : fleet.links) {
    require(l.from.value < fleet.pools.size() && l.to.value < fleet.pools.size(), "a link to no pool (V5)");
    const PoolView &from = fleet.pools[l.from.value], &to = fleet.pools[l.to.value];
    require(from.role == PoolRole::prefill && to.role != PoolRole::prefill && from.model == to.model &&
                from.kind == PoolKind::stepped && to.kind == PoolKind::stepped &&
                from.kv_token_bytes == to.kv_token_bytes,
            "a link between pools that cannot hand over (V5)");
    constexpr std::int64_t kMostBytes = std::int64_t{1} << 40, kMostLatency = 1'000'000'000'000;
    require(from.kv_token_bytes >= 1 && from.kv_token_bytes <= kMostBytes && l.at_once >= 1 && l.at_once <= 1u << 16 &&
                l.latency.count() >= 0 && l.latency.count() <= kMostLatency && l.bytes_per_s >= 1,
            "a link beyond its bounds");
    linked[l.from.value] = true;
    require(std::find(before.begin(), before.end(), std::pair(l.from, l.to)) == before.end(), "a link twice (V5)");
    before.emplace_back(l.from, l.to);
  }
  for (std::size_t p = 0; p < fleet.pools.size(); ++p)
    require(fleet.pools[p].role != PoolRole::prefill || linked[p], "a prefill pool without a link (V5)");
}

// Of several shards; alone, nothing is there.
void check_steal(const StealView& s) {
  if (!s.some()) return;
  constexpr std::int64_t kMost = 3'600'000'000'000;
  require(s.distance.size() >= 2 && s.distance.size() <= kMostShards && s.self.value < s.distance.size(),
          "shards beyond their bounds");
  for (const Duration d : s.distance) require(d.count() >= 0 && d.count() <= kMost, "a shard an hour away");
  require(s.worth_permille <= 1'000'000 && s.offer_permille <= 1'000'000 && s.stands.count() >= 0 &&
              s.stands.count() <= kMost && s.patience.count() >= 0 && s.patience.count() <= kMost &&
              s.least_gain.count() >= 0 && s.least_gain.count() <= kMost && s.shelf >= 1 && s.shelf <= 512,
          "a shelf beyond its bounds");
}

void check_head(const RecordingHead& head) {
  const FleetView& fleet = head.fleet;
  check_steal(fleet.steal);
  constexpr std::int64_t kMostAge = 3'600'000'000'000;
  require(fleet.signals_age.count() >= 0 && fleet.signals_age.count() <= kMostAge, "signals older than an hour");
  require(!fleet.classes.empty() && !fleet.tenants.empty() && !fleet.regions.empty() && fleet.regions.size() <= 64,
          "a fleet without classes, tenants or regions");
  for (const TenantView& tenant : fleet.tenants) check_tenant(tenant, fleet.shares());
  const Bounds& b = head.bounds;
  for (const std::uint32_t bound : {b.sequences, b.events_per_tick, b.steps_per_run, b.answers, b.prefix_blocks})
    require(bound >= 1 && bound <= kMaxSequences, "bounds that no shard has");
  std::uint64_t devices = 0, slots = 0, adapter_slots = 0;
  for (const PoolView& p : fleet.pools) {
    check_pool(p, head);
    require(p.first_device == devices, "pools whose devices are not numbered one after another (V1)");
    devices += p.devices;
    slots += std::uint64_t{p.devices} * p.max_sequences;
    adapter_slots += std::uint64_t{p.devices} * p.adapter_slots;
    require(slots <= kMaxSlots && adapter_slots <= kMaxSlots, "more devices and sequences than a shard has");
  }
  require(fleet.adapters.size() <= kMostAdapters, "more adapters than a fleet has");
  for (const AdapterView& a : fleet.adapters)
    require(a.model.value < fleet.models.size() && a.bytes >= 0 && a.bytes <= kMostAdapterBytes,
            "an adapter of a model that there is not, or beyond its bounds");
  check_terms(fleet);
  check_handoff(fleet);
}

template <class E>
Event decoded(wire::Reader& io, const auto& fields) {
  E e;
  fields(io, e);
  return e;
}

}  // namespace

std::uint32_t crc32c(std::string_view bytes, std::uint32_t before) {
  std::uint32_t crc = ~before;
  for (const char c : bytes) crc = crc >> 8 ^ kCrcTable[(crc ^ static_cast<unsigned char>(c)) & 0xff];
  return ~crc;
}

std::string encode(const FleetView& fleet, const CostTables& tables, const PolicySet& policies, const Bounds& bounds,
                   Seed seed) {
  std::string raw;
  wire::Writer io(raw);
  kFleet(io, fleet);
  io.list(tables.rows, 4, write_row);
  io(policies.scorer_name), io(policies.order_name), io.one_of(policies.bind, 2);
  kBounds(io, bounds);
  io(seed);
  if (!fleet.links.empty() || fleet.steal.some()) kHandoff(io, fleet, bounds);
  if (fleet.steal.some()) kSteal(io, fleet.steal);
  return raw;
}

RecordingHead decode_head(std::string_view raw) {
  wire::Reader io(raw);
  RecordingHead head;
  kFleet(io, head.fleet);
  std::uint32_t rows;
  io(rows);
  if (rows > io.left() / 48) throw Malformed{"a count beyond the bytes there are"};
  head.tables.rows.reserve(rows);
  std::uint64_t room = kMaxSequences;
  for (std::uint32_t i = 0; i < rows; ++i) head.tables.rows.push_back(read_row(io, room));
  io(head.scorer), io(head.order), io.one_of(head.bind, 2);
  kBounds(io, head.bounds);
  io(head.seed);
  if (io.left() > 0) kHandoff(io, head.fleet, head.bounds);
  if (io.left() > 0) kSteal(io, head.fleet.steal);
  io.expect_end();
  check_head(head);
  return head;
}

void encode(wire::Writer& io, const Event& event) {
  io(static_cast<std::uint8_t>(event.index()));
  const auto hashes = [&io](std::span<const BlockHash> blocks) {
    io(static_cast<std::uint32_t>(blocks.size()));
    for (const BlockHash hash : blocks) io(hash.bits);
  };
  std::visit(
      [&](const auto& e) {
        using E = std::decay_t<decltype(e)>;
        if constexpr (std::is_same_v<E, Submitted>) {
          kSubmitted(io, e);
          hashes(e.prefix);
        }
        if constexpr (std::is_same_v<E, BlocksChanged>) {
          kBlocksChanged(io, e);
          hashes(e.blocks);
        }
        if constexpr (std::is_same_v<E, OfferSeen>) kOfferSeen(io, e), hashes(e.facts.prefix);
        if constexpr (std::is_same_v<E, Handed>) kHanded(io, e), hashes(e.facts.prefix);
        if constexpr (std::is_same_v<E, ShelfFilled>) kShelfFilled(io, e);
        if constexpr (std::is_same_v<E, OffersSeen>) kOffersSeen(io, e);
        if constexpr (std::is_same_v<E, TakeEnded>) kTakeEnded(io, e);
        if constexpr (std::is_same_v<E, Taken>) kTaken(io, e);
        if constexpr (std::is_same_v<E, Unshelved>) kUnshelved(io, e);
        if constexpr (std::is_same_v<E, CancelAsked>) kCancelAsked(io, e);
        if constexpr (std::is_same_v<E, DeviceChanged>) kDeviceChanged(io, e);
        if constexpr (std::is_same_v<E, Accepted>) kAccepted(io, e);
        if constexpr (std::is_same_v<E, FirstToken>) kFirstToken(io, e);
        if constexpr (std::is_same_v<E, Ended>) kEnded(io, e);
        if constexpr (std::is_same_v<E, Failed>) kFailed(io, e);
        if constexpr (std::is_same_v<E, CapChanged>) kCapChanged(io, e);
        if constexpr (std::is_same_v<E, LoadReport>) kLoadReport(io, e);
        if constexpr (std::is_same_v<E, MoveEnded>) kMoveEnded(io, e);
        if constexpr (std::is_same_v<E, CostCorrected>) kCostCorrected(io, e);
        if constexpr (std::is_same_v<E, RunEnded>) {
          kRunEnded(io, e);
          io(static_cast<std::uint32_t>(e.slots.size()));
          for (const SlotEnd& slot : e.slots) kSlotEnd(io, slot);
        }
      },
      event);
}

Event decode_event(wire::Reader& io, std::vector<SlotEnd>& slots, std::vector<BlockHash>& hashes,
                   std::uint32_t& of_it) {
  std::uint8_t kind;
  io(kind);
  of_it = 0;
  const auto read_hashes = [&] {
    io(of_it);
    if (of_it > io.left() / sizeof(BlockHash)) throw Malformed{"a count beyond the bytes there are"};
    for (std::uint32_t i = 0; i < of_it; ++i) io(hashes.emplace_back().bits);
  };
  switch (kind) {
    case 0: {
      const Event event = decoded<Submitted>(io, kSubmitted);
      read_hashes();
      return event;
    }
    case 1: return decoded<CancelAsked>(io, kCancelAsked);
    case 2: {
      const Event event = decoded<RunEnded>(io, kRunEnded);
      io(of_it);
      if (of_it > io.left() / kSlotEndBytes) throw Malformed{"a count beyond the bytes there are"};
      for (std::uint32_t i = 0; i < of_it; ++i) kSlotEnd(io, slots.emplace_back());
      return event;
    }
    case 3: return decoded<DeviceChanged>(io, kDeviceChanged);
    case 4: return decoded<Accepted>(io, kAccepted);
    case 5: return decoded<FirstToken>(io, kFirstToken);
    case 6: return decoded<Ended>(io, kEnded);
    case 7: return decoded<Failed>(io, kFailed);
    case 8: return decoded<CapChanged>(io, kCapChanged);
    case 9: return decoded<LoadReport>(io, kLoadReport);
    case 10: return decoded<MoveEnded>(io, kMoveEnded);
    case 11: {
      const Event event = decoded<BlocksChanged>(io, kBlocksChanged);
      read_hashes();
      return event;
    }
    case 12: return decoded<ShelfFilled>(io, kShelfFilled);
    case 13: {
      const Event event = decoded<OfferSeen>(io, kOfferSeen);
      read_hashes();
      return event;
    }
    case 14: return decoded<OffersSeen>(io, kOffersSeen);
    case 15: {
      const Event event = decoded<Handed>(io, kHanded);
      read_hashes();
      return event;
    }
    case 16: return decoded<TakeEnded>(io, kTakeEnded);
    case 17: return decoded<Taken>(io, kTaken);
    case 18: return decoded<Unshelved>(io, kUnshelved);
    case 19: return decoded<CostCorrected>(io, kCostCorrected);
    default: throw Malformed{"an event of no known kind"};
  }
}

void check_event(const Event& event, const FleetView& fleet) {
  const auto request = [&](const Submitted& e) {
    require(e.slo.value < fleet.classes.size() && e.tenant.value < fleet.tenants.size(),
            "a request of a class or tenant that there is not");
    require(e.answers >= 1, "a request of no answer");
  };
  const auto other = [&](ShardId shard) {
    require(shard.value < fleet.steal.distance.size() && shard != fleet.steal.self,
            "news of a shard that there is not");
  };
  if (const auto* e = std::get_if<Submitted>(&event)) request(*e);
  if (const auto* e = std::get_if<OfferSeen>(&event)) request(e->facts), other(e->victim);
  if (const auto* e = std::get_if<Handed>(&event)) request(e->facts), other(e->victim);
  if (const auto* e = std::get_if<ShelfFilled>(&event)) other(e->victim);
  if (const auto* e = std::get_if<OffersSeen>(&event)) other(e->victim);
  if (const auto* e = std::get_if<TakeEnded>(&event)) other(e->victim);
  if (const auto* e = std::get_if<Taken>(&event)) other(e->thief);
  if (const auto* e = std::get_if<RunEnded>(&event))
    require(e->device.value < fleet.devices(), "a run's end on a device that there is not");
  if (const auto* e = std::get_if<DeviceChanged>(&event))
    require(e->device.value < fleet.devices(), "news of a device that there is not");
  if (const auto* e = std::get_if<BlocksChanged>(&event))
    require(e->device.value < fleet.devices(), "the blocks of a device that there is not");
  if (const auto* e = std::get_if<LoadReport>(&event))
    require(e->device.value < fleet.devices(), "the load of a device that there is not");
  if (const auto* e = std::get_if<CostCorrected>(&event))
    require(std::ranges::any_of(fleet.pools, [&](const PoolView& p) { return p.cost == e->row; }) &&
                in_bounds(e->scales) && e->error_permille <= StepCost::kUnknown && in_bounds(e->spread),
            "a correction of costs that there are not, or beyond its bounds");
  if (const auto* e = std::get_if<CapChanged>(&event)) {
    require(e->domain.value < fleet.domains.size(), "the cap of a power domain that there is not");
    require(e->cap.count() >= 0 && e->cap.count() <= kMostMilliwatts, "a cap beyond its bounds");
  }
}

}  // namespace yard::recording
