#include "scheduler/core/placement.h"

#include <algorithm>
#include <array>
#include <utility>

#include "scheduler/core/drain.h"

namespace yard {
namespace {

constexpr std::uint32_t kScan = 0xffff'fffe;  // instead of a device: the index cannot say

}  // namespace

Placement::Placement(const FleetView& fleet, const CostTables& tables, const PolicySet& policies, Seed seed,
                     Devices& devices, Signals& signals, const Served& served, const Power& power,
                     PrefixIndex& prefixes, const Handoff& handoff, Deadlines& deadlines)
    : fleet_(fleet),
      tables_(tables),
      policies_(policies),
      devices_(devices),
      signals_(signals),
      served_(served),
      power_(power),
      prefixes_(prefixes),
      handoff_(handoff),
      deadlines_(deadlines),
      models_(fleet.models.size()),
      means_(fleet.models.size() * fleet.classes.size()),
      lengths_(fleet.models.size() * fleet.classes.size(), kUnknownAnswers),
      round_robin_(fleet.models.size()),
      chosen_(fleet.devices()),
      scarcity_(fleet.models.size()),
      state_{Rng(seed), round_robin_, chosen_, scarcity_, policies.settings} {
  eligible_.reserve(fleet.devices());
  if (deadlines.some()) in_time_.reserve(fleet.devices());
  if (policies.indexed != nullptr && policies.onlooker == nullptr && !signals.differ()) index_.emplace(fleet, tables);
  if (index_) short_.reserve(ClassIndex::kMostClasses);
  for (std::uint32_t p = 0; p < fleet.pools.size(); ++p) {
    const PoolView& facts = fleet.pools[p];
    if (facts.devices == 0) continue;  // stands in other cells
    Model& model = models_[facts.model.value];
    model.pools.push_back(p);
    model.served |= facts.kind == PoolKind::served;
    model.licensed &= facts.licensed;
    model.caches |= facts.prefix_cache;
    model.roles |= facts.role == PoolRole::prefill;
    model.adapts &= facts.adapter_slots > 0;
    model.block = fleet.models[facts.model.value].prefix_block;
    const std::int64_t keeps = std::int64_t{facts.kv_blocks.count()} * facts.block_tokens.count() / model.block.count();
    for (std::uint32_t i = 0; i < facts.devices; ++i)
      prefixes.set_capacity(DeviceId{facts.first_device + i},
                            facts.prefix_cache ? static_cast<std::uint32_t>(keeps) : 0);
    model.least_context = std::min(model.least_context, facts.max_context);
    for (std::uint32_t i = 0; i < facts.devices; ++i) model.devices.push_back(facts.first_device + i);
  }
}

// A prefill pool holds it if it can hold its prompt, and some pool behind it can hold it to its end.
bool Placement::can_hold(std::uint32_t p, const Sequence& s) const {
  const PoolView& facts = fleet_.pools[p];
  if (facts.role != PoolRole::prefill) return may_come_to(s) <= facts.max_context.count();
  const auto links = handoff_.links_from(p);
  return std::int64_t{s.prompt} + s.generated + 1 <= facts.max_context.count() &&
         std::any_of(links.begin(), links.end(), [&](LinkId l) {
           const std::uint32_t to = handoff_.at(l).to.value;
           return allowed(fleet_.pools[to], s) && can_hold(to, s);
         });
}

bool Placement::goes_on(std::uint32_t p, const Sequence& s) const {
  for (const LinkId l : handoff_.links_from(p)) {
    const PoolView& to = fleet_.pools[handoff_.at(l).to.value];
    if (!allowed(to, s) || !can_hold(handoff_.at(l).to.value, s)) continue;
    for (std::uint32_t d = to.first_device; d < to.first_device + to.devices; ++d)
      if (devices_[d].state == DeviceState::up) return true;
  }
  return false;
}

std::int32_t Placement::output_limit(std::uint32_t device, const Sequence& s) const {
  const std::uint32_t p = devices_.pool_of(device);
  Tokens context = fleet_.pools[p].max_context;
  if (fleet_.pools[p].role == PoolRole::prefill) {
    context = Tokens(0);
    for (const LinkId l : handoff_.links_from(p)) {
      const PoolView& to = fleet_.pools[handoff_.at(l).to.value];
      if (allowed(to, s)) context = std::max(context, to.max_context);
    }
  }
  return std::min(s.max_output, context.count() - s.prompt);
}

Reason Placement::at_the_door(const Sequence& s) const {
  if (s.prompt <= 0) return Reason::empty_prompt;
  if (!s.model.some() || s.model.value >= models_.size() || models_[s.model.value].pools.empty())
    return Reason::no_such_model;
  if (fleet_.models[s.model.value].embeds && s.generates()) return Reason::only_embeds;
  if (s.adapter.some() &&
      (s.adapter.value >= fleet_.adapters.size() || fleet_.adapters[s.adapter.value].model != s.model))
    return Reason::no_such_adapter;
  if (models_[s.model.value].not_up == 0 && goes_anywhere(s)) return Reason::none;
  bool adapts_any = false, in_region = false, at_provider = false, licensed = false, holds = false;
  for (const std::uint32_t p : models_[s.model.value].pools) {
    const PoolView& pool = fleet_.pools[p];
    if (!adapts(pool, s)) continue;
    adapts_any = true;
    if (!s.regions.has(pool.region)) continue;
    in_region = true;
    if (!s.providers.has(pool.provider_id)) continue;
    at_provider = true;
    licensed |= pool.licensed;
    holds |= pool.licensed && can_hold(p, s);
  }
  if (!adapts_any) return Reason::no_such_adapter;
  if (!in_region) return Reason::no_region;
  if (!at_provider) return Reason::no_provider;
  if (!licensed) return Reason::no_licence;
  if (!holds) return Reason::too_long;
  return eligible_anywhere(s) ? Reason::none : Reason::device_lost;
}

// Whether every device of its model that is up may serve it to its end.
bool Placement::goes_anywhere(const Sequence& s) const {
  const Model& model = models_[s.model.value];
  return s.regions.anywhere() && s.providers.anywhere() && model.licensed && !model.roles &&
         (model.adapts || !s.adapter.some()) && may_come_to(s) <= model.least_context.count();
}

bool Placement::eligible_anywhere(const Sequence& s) const {
  const Model& model = models_[s.model.value];
  for (const std::uint32_t p : model.pools) {
    const PoolView& facts = fleet_.pools[p];
    if (!allowed(facts, s) || !can_hold(p, s)) continue;
    if (model.not_up == 0) return true;
    if (facts.role == PoolRole::prefill && !goes_on(p, s)) continue;
    for (std::uint32_t d = facts.first_device; d < facts.first_device + facts.devices; ++d)
      if (devices_[d].state == DeviceState::up) return true;
  }
  return false;
}

// What a decision may know of the devices now.
const DeviceColumns& Placement::seen(Time now) {
  if (signals_.differ()) signals_.note(devices_.take_changed(), now);
  return signals_.columns();
}

Duration Placement::come_back_in(const Sequence& s, Time now) {
  const DeviceColumns& columns = seen(now);
  const Duration may_wait = fleet_.classes[s.slo.value].ttft_objective(Tokens(s.prompt));
  const std::int64_t expected = expected_output(s).count();
  Duration least = kLatest;
  for (const std::uint32_t p : models_[s.model.value].pools) {
    const PoolView& facts = fleet_.pools[p];
    if (!allowed(facts, s) || !can_hold(p, s) || facts.role == PoolRole::decode) continue;
    for (std::uint32_t d = facts.first_device; d < facts.first_device + facts.devices; ++d)
      if (devices_[d].state == DeviceState::up)
        least = std::min(least, yard::first_token_in(columns, facts, tables_[facts.cost], d, s.prompt, expected));
  }
  return std::max(kSoonest, least - may_wait);
}

Duration Placement::first_token_in(const Sequence& s, std::uint32_t d, Time now) {
  const PoolView& facts = fleet_.pools[devices_.pool_of(d)];
  const std::int64_t reads = std::max<std::int64_t>(1, s.prompt - hit_on(s, d));
  return yard::first_token_in(seen(now), facts, tables_[facts.cost], d, reads, expected_output(s).count());
}

std::int64_t Placement::promises_on(const Sequence& s, std::uint32_t d, Time now) {
  if (policies_.promises == nullptr) return 0;
  devices_.expects_hit(d, hit_on(s, d));
  const std::int64_t promises = policies_.promises(d, seen(now), fleet_, tables_, ask_of(s, now));
  devices_.expects_hit(d, 0);
  return promises;
}

bool Placement::has_room(std::uint32_t d, const Sequence& s, Tokens expected, Time now) {
  const PoolView& facts = fleet_.pools[devices_.pool_of(d)];
  if (facts.kind == PoolKind::served)
    return devices_[d].line.empty() && served_.admits(d, s, expected, now) && gains(d, s, now);
  return devices_.waiting(d) + devices_.running(d) < facts.max_sequences &&
         facts.kv_blocks.count() - devices_[d].committed_blocks >=
             blocks_for(Tokens(s.prompt + s.generated), facts.block_tokens).count();
}

// Where the window asks: whether it does less harm than it is worth. While none of ours is there, it may go in any
// case.
bool Placement::gains(std::uint32_t d, const Sequence& s, Time now) {
  if (fleet_.pools[devices_.pool_of(d)].window.rule != WindowRule::net_gain) return true;
  if (s.let_in || devices_.running(d) == 0 || policies_.promises == nullptr) return true;
  return policies_.promises(d, seen(now), fleet_, tables_, ask_of(s, now)) < kOnePromise;
}

// A prompt of which little is to be read stays where it is decoded, while a step that reads all that is to be read
// there still keeps its own class's TPOT.
bool Placement::stays_at(std::uint32_t d, const Sequence& s) const {
  const DeviceColumns& columns = signals_.columns();
  const std::int64_t reads = s.prompt + s.generated - columns.hit_tokens[d];
  if (reads > fleet_.stay_tokens.count()) return false;
  const Duration tpot = fleet_.classes[s.slo.value].tpot;
  const PoolView& facts = fleet_.pools[columns.pool[d]];
  const StepCost& cost = tables_[facts.cost];
  const std::uint32_t n = std::min(columns.running[d] + 1, facts.max_sequences);
  const Wide step = static_cast<Wide>(cost.c0(n).count()) +
                    static_cast<Wide>(cost.c2().count()) * static_cast<Wide>(columns.kv_tokens[d]) +
                    static_cast<Wide>(cost.c1().count()) * static_cast<Wide>(columns.prefill_tokens[d] + reads);
  return tpot.count() == 0 || step <= static_cast<Wide>(tpot.count()) * 1000;
}

// Where it stays, if it may stay anywhere, or else where it is only read; devices that do both are always meant. While
// nobody is up that reads for others, those that decode read all themselves.
void Placement::gather(const Sequence& s, Time now, Filter filter) {
  if (!models_[s.model.value].roles) return gather_parts(s, now, filter);
  seen(now);  // by which some stay
  const auto some_of = [&](std::uint32_t parts, Filter with) {
    with.parts = parts;
    gather_parts(s, now, with);
    return !eligible_.empty();
  };
  if (some_of(stays, filter)) {
    some_of(stays | both, filter);
    return;
  }
  Filter at_all = filter;
  at_all.need_room = at_all.powered = false;
  const bool others = some_of(prefill | both, at_all);
  some_of(others ? prefill | both : decode, filter);
}

// Fills eligible_.
void Placement::gather_parts(const Sequence& s, Time now, Filter filter) {
  eligible_.clear();
  const Tokens expected = expected_output(s);
  for (const std::uint32_t p : models_[s.model.value].pools) {
    const PoolView& facts = fleet_.pools[p];
    if (!allowed(facts, s) || !can_hold(p, s)) continue;
    if (filter.primary_only && facts.provider_id != s.primary) continue;
    const bool asks_stays = facts.role == PoolRole::decode && !(filter.parts & decode);
    const Part part = facts.role == PoolRole::both ? both : facts.role == PoolRole::prefill ? prefill : decode;
    if (!(filter.parts & (asks_stays ? stays : part))) continue;
    if (facts.role == PoolRole::prefill && !goes_on(p, s)) continue;
    for (std::uint32_t d = facts.first_device; d < facts.first_device + facts.devices; ++d) {
      if (devices_[d].state != DeviceState::up) continue;
      if (filter.spare && (s.avoid == DeviceId{d} || served_.shut(d, now))) continue;
      if (filter.powered && power_.held(d)) continue;
      if (asks_stays && !stays_at(d, s)) continue;
      if (!filter.need_room || has_room(d, s, expected, now)) eligible_.push_back(d);
    }
  }
}

// To its primary provider goes what that can serve, also if it must wait for room or power there; the rest to all.
void Placement::gather_at_primary(const Sequence& s, Time now, Filter filter) {
  gather(s, now, {.need_room = false, .spare = filter.spare, .powered = false, .primary_only = true});
  filter.primary_only = !eligible_.empty();
  gather(s, now, filter);
}

Ask Placement::ask_of(const Sequence& s, Time now) {
  return {.model = s.model,
          .slo = s.slo,
          .tenant = s.tenant,
          .prefix_head = s.prefix_blocks > 0 ? s.prefix[0].bits : 0,
          .session = s.session,
          .prompt = Tokens(s.prompt + s.generated),
          .expected_output = expected_output(s),
          .now = now,
          .arrival = s.arrival,
          .answers = answers(s.model),
          .scarcity = scarcity_[s.model.value],
          .may_refuse = !s.let_in,
          .counts = !s.shown};
}

Placement::Choice Placement::place(const Sequence& s, Time now, bool need_room) {
  const Model& model = models_[s.model.value];
  const bool hits = model.caches && s.prefix_blocks > 0;
  Ask ask = ask_of(s, now);
  if (hits) fill_hits(s);  // who stays, and who gains, depends on them
  if (s.adapter.some()) show_loads(s);
  const bool hard = ask.may_refuse && deadlines_.hard(s.slo);
  const Deadlines::Asked due = hard ? deadlines_.ask(s, ask) : Deadlines::Asked{};
  if (index_ && !need_room) {
    const std::uint32_t d = choose_by_index(s, ask, hits);
    if (hard && d < kScan && !deadlines_.keeps(due, devices_.columns(), d)) {
      ask.counts = false;  // it is asked about again, elsewhere
    } else if (d != kScan) {
      if (hard) deadlines_.was_asked(false);
      if (hits) clear_hits(s.model);
      if (d == kRefused) return {.device = {}, .refused = true};
      return {.device = {d}};
    }
  }
  std::span<const std::uint32_t> eligible = model.devices;
  if (need_room || model.not_up > 0 || model.served || s.primary.some() || power_.any_held() || !goes_anywhere(s)) {
    const auto look = [&](Filter filter) {
      s.primary.some() ? gather_at_primary(s, now, filter) : gather(s, now, filter);
      return !eligible_.empty();
    };
    Filter filter{.need_room = need_room, .spare = true, .powered = power_.any_held()};
    bool some = look(filter);
    if (!some && std::exchange(filter.powered, false)) some = look(filter);
    if (!some && model.served && std::exchange(filter.spare, false)) look(filter);
    eligible = eligible_;
  }
  if (eligible.empty()) {
    if (hits) clear_hits(s.model);
    clear_loads(s);
    return {};
  }
  const DeviceColumns& columns = seen(now);
  ++ways_.scanned;
  std::span<const std::uint32_t> among = eligible;
  if (hard) {
    in_time_.clear();
    for (const std::uint32_t d : eligible)
      if (deadlines_.keeps(due, columns, d)) in_time_.push_back(d);
    deadlines_.was_asked(in_time_.empty());
    among = in_time_;
  }
  const std::uint32_t at = among.empty() ? kRefused : policies_.scorer(among, columns, fleet_, tables_, ask, state_);
  if (!among.empty()) eligible = among;
  if (policies_.onlooker) policies_.onlooker->saw({s.request, eligible, columns, ask, at});
  if (hits) clear_hits(s.model);
  clear_loads(s);
  if (at == kRefused) {
    CHECK(ask.may_refuse);
    return {.device = {}, .refused = true};
  }
  CHECK(at < eligible.size());
  signals_.used(eligible[at], now);
  return {.device = {eligible[at]}};
}

// Returns: a device, kRefused, or kScan: the sequence asks what the index does not know.
std::uint32_t Placement::choose_by_index(const Sequence& s, const Ask& ask, bool hits) {
  std::span<const std::uint32_t> classes = index_->classes_of(s.model);
  if (classes.empty() || s.adapter.some() || s.primary.some() || s.avoid.some() || power_.any_held()) return kScan;
  if (hits && match_.size == PrefixMatch::kMost) return kScan;  // more may hold some of it
  index_->note(devices_.take_changed(), devices_);
  const Model& model = models_[s.model.value];
  const auto serves = [&](std::uint32_t p) { return allowed(fleet_.pools[p], s) && can_hold(p, s); };
  if (model.not_up > 0 || !goes_anywhere(s)) {
    short_.clear();
    for (const std::uint32_t c : classes)
      if ((*index_)[c].up > 0 && serves((*index_)[c].pool)) short_.push_back(c);
    classes = short_;
    if (classes.empty()) return kScan;
  }
  std::array<std::uint32_t, PrefixMatch::kMost> singly;
  std::size_t some = 0;
  if (hits)
    for (const PrefixMatch::Holder& holder : match_.listed())
      if (const std::uint32_t d = holder.device.value;
          devices_[d].state == DeviceState::up && serves(devices_.pool_of(d)))
        singly[some++] = d;
  const std::uint32_t d = policies_.indexed({*index_, classes, std::span(singly).first(some)}, devices_.columns(),
                                            fleet_, tables_, ask, state_);
  ++ways_.indexed;
  CHECK(d != kRefused || ask.may_refuse);
  return d;
}

Placement::Takeover Placement::choose_takeover(const Sequence& s, Time now) {
  const Model& model = models_[s.model.value];
  const bool hits = model.caches && s.prefix_blocks > 0;
  const std::uint32_t from = devices_.pool_of(s.device.value);
  const auto link_to = [&](std::uint32_t d) {
    const auto links = handoff_.links_from(from);
    return *std::find_if(links.begin(), links.end(),
                         [&](LinkId l) { return handoff_.at(l).to.value == devices_.pool_of(d); });
  };
  // To a scorer the device has all of the prompt already, after the time that the rest of it takes to come.
  if (hits) fill_hits(s);
  for (const std::uint32_t d : eligible_) {
    const std::int64_t bytes = fleet_.pools[from].kv_token_bytes * (s.context - devices_.columns().hit_tokens[d]);
    devices_.expects_move(d, handoff_.at(link_to(d)).time(bytes));
  }
  if (hits) clear_hits(s.model);
  for (const std::uint32_t d : eligible_) devices_.expects_hit(d, s.prompt + s.generated);
  Ask ask = ask_of(s, now);
  ask.may_refuse = false;
  ask.read = true;
  const DeviceColumns& columns = seen(now);
  const std::uint32_t at = policies_.scorer(eligible_, columns, fleet_, tables_, ask, state_);
  if (policies_.onlooker) policies_.onlooker->saw({s.request, eligible_, columns, ask, at});
  for (const std::uint32_t d : eligible_) devices_.expects_hit(d, 0), devices_.expects_move(d, Duration());
  CHECK(at < eligible_.size());
  const std::uint32_t to = eligible_[at];
  signals_.used(to, now);
  return {.device = DeviceId{to}, .link = link_to(to)};
}

std::span<const BlockHash> Placement::kept(const Sequence& s, std::uint32_t device) const {
  const KvCache& kv = devices_.kv();
  if (s.prefix_blocks == 0 || kv.unit(device) == 0) return {};
  const std::span<const BlockHash> prompt = s.reusable(kv.block(device));
  return prompt.first(kv.kept(device, prompt));
}

std::int64_t Placement::bytes_to_move(const Sequence& s, std::size_t kept_blocks) const {
  const std::int64_t kept = static_cast<std::int64_t>(kept_blocks) * models_[s.model.value].block.count();
  return fleet_.pools[devices_.pool_of(s.device.value)].kv_token_bytes * (s.context - kept);
}

// Which devices are expected to hold how much of its prompt, as a column: exact, though a match lists but sixteen.
void Placement::fill_hits(const Sequence& s) {
  const Model& model = models_[s.model.value];
  const std::span<const BlockHash> prompt = s.reusable(model.block);
  const auto tokens = [&](std::uint32_t blocks) { return static_cast<std::int32_t>(blocks) * model.block.count(); };
  match_ = prefixes_.match(prompt);
  if (match_.size < PrefixMatch::kMost)
    for (const PrefixMatch::Holder& holder : match_.listed())
      devices_.expects_hit(holder.device.value, tokens(holder.blocks));
  else
    for (const std::uint32_t d : model.devices)
      devices_.expects_hit(d, tokens(prefixes_.blocks_held(DeviceId{d}, prompt)));
}

void Placement::clear_hits(ModelId m) {
  if (match_.size < PrefixMatch::kMost)
    for (const PrefixMatch::Holder& holder : match_.listed()) devices_.expects_hit(holder.device.value, 0);
  else
    for (const std::uint32_t d : models_[m.value].devices) devices_.expects_hit(d, 0);
}

void Placement::clear_loads(const Sequence& s) {
  if (!s.adapter.some()) return;
  for (const std::uint32_t d : models_[s.model.value].devices) devices_.expects_load(d, {});
}

// What loading its adapter would take, device by device; nothing where it is expected to be.
void Placement::show_loads(const Sequence& s) {
  for (const std::uint32_t p : models_[s.model.value].pools) {
    const PoolView& pool = fleet_.pools[p];
    if (!adapts(pool, s) || !pool.adapter_affinity) continue;
    const Duration load = Adapters::load(pool, fleet_.adapters[s.adapter.value]);
    for (std::uint32_t d = pool.first_device; d < pool.first_device + pool.devices; ++d)
      if (!devices_.adapters().expected(d, s.adapter)) devices_.expects_load(d, load);
  }
}

// What the device is expected to hold of its prompt.
std::int32_t Placement::hit_on(const Sequence& s, std::uint32_t d) const {
  const Model& model = models_[s.model.value];
  if (!model.caches || s.prefix_blocks == 0) return 0;
  return static_cast<std::int32_t>(prefixes_.blocks_held(DeviceId{d}, s.reusable(model.block))) * model.block.count();
}

std::int32_t Placement::expects_hit(const Sequence& s, std::uint32_t device, Time now) {
  const Model& model = models_[s.model.value];
  if (!model.caches || s.prefix_blocks == 0) return 0;
  std::uint32_t held;
  prefixes_.insert(DeviceId{device}, {s.prefix, s.prefix_blocks}, now, PrefixIndex::Source::placement, held);
  held = std::min(held, static_cast<std::uint32_t>(s.reusable(model.block).size()));
  devices_.caches(device, std::int64_t{prefixes_.held(DeviceId{device})} * model.block.count());
  return static_cast<std::int32_t>(held) * model.block.count();
}

void Placement::foretells(std::uint32_t i, const Sequence& s, std::uint32_t device, Time now) {
  deadlines_.binds(i, s, deadlines_.ask(s, ask_of(s, now)), seen(now), device, now);
}

void Placement::recount_cached(std::uint32_t d) {
  if (prefixes_.uses() == 0) return;  // nothing was ever held
  const Model& model = models_[fleet_.pools[devices_.pool_of(d)].model.value];
  if (model.caches) devices_.caches(d, std::int64_t{prefixes_.held(DeviceId{d})} * model.block.count());
}

void Placement::device_changed(std::uint32_t device, bool up) {
  Model& model = models_[fleet_.pools[devices_.pool_of(device)].model.value];
  up ? --model.not_up : ++model.not_up;
}

}  // namespace yard
