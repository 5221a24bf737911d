#include "scheduler/core/placement.h"

#include <algorithm>
#include <utility>

#include "scheduler/core/drain.h"

namespace yard {

Placement::Placement(const FleetView& fleet, const CostTables& tables, const PolicySet& policies, Seed seed,
                     Devices& devices, Signals& signals, const Served& served, const Power& power,
                     PrefixIndex& prefixes)
    : fleet_(fleet),
      tables_(tables),
      policies_(policies),
      devices_(devices),
      signals_(signals),
      served_(served),
      power_(power),
      prefixes_(prefixes),
      models_(fleet.models.size()),
      means_(fleet.models.size() * fleet.classes.size()),
      round_robin_(fleet.models.size()),
      chosen_(fleet.devices()),
      state_{Rng(seed), round_robin_, chosen_} {
  eligible_.reserve(fleet.devices());
  for (std::uint32_t p = 0; p < fleet.pools.size(); ++p) {
    const PoolView& facts = fleet.pools[p];
    if (facts.devices == 0) continue;  // stands in other cells
    Model& model = models_[facts.model.value];
    model.pools.push_back(p);
    model.served |= facts.kind == PoolKind::served;
    model.licensed &= facts.licensed;
    model.caches |= facts.prefix_cache;
    model.block = fleet.models[facts.model.value].prefix_block;
    const std::int64_t keeps = std::int64_t{facts.kv_blocks.count()} * facts.block_tokens.count() / model.block.count();
    for (std::uint32_t i = 0; i < facts.devices; ++i)
      prefixes.set_capacity(DeviceId{facts.first_device + i},
                            facts.prefix_cache ? static_cast<std::uint32_t>(keeps) : 0);
    model.least_context = std::min(model.least_context, facts.max_context);
    for (std::uint32_t i = 0; i < facts.devices; ++i) model.devices.push_back(facts.first_device + i);
  }
}

bool Placement::can_hold(const PoolView& facts, const Sequence& s) const {
  return may_come_to(s) <= facts.max_context.count();
}

Reason Placement::at_the_door(const Sequence& s) const {
  if (s.prompt <= 0) return Reason::empty_prompt;
  if (!s.model.some() || s.model.value >= models_.size() || models_[s.model.value].pools.empty())
    return Reason::no_such_model;
  if (fleet_.models[s.model.value].embeds && s.max_output > 0) return Reason::only_embeds;
  bool in_region = false, at_provider = false, licensed = false, holds = false;
  for (const std::uint32_t p : models_[s.model.value].pools) {
    const PoolView& pool = fleet_.pools[p];
    if (!s.regions.has(pool.region)) continue;
    in_region = true;
    if (!s.providers.has(pool.provider_id)) continue;
    at_provider = true;
    licensed |= pool.licensed;
    holds |= pool.licensed && can_hold(pool, s);
  }
  if (!in_region) return Reason::no_region;
  if (!at_provider) return Reason::no_provider;
  if (!licensed) return Reason::no_licence;
  if (!holds) return Reason::too_long;
  return eligible_anywhere(s) ? Reason::none : Reason::device_lost;
}

bool Placement::eligible_anywhere(const Sequence& s) const {
  const Model& model = models_[s.model.value];
  for (const std::uint32_t p : model.pools) {
    const PoolView& facts = fleet_.pools[p];
    if (!allowed(facts, s) || !can_hold(facts, s)) continue;
    if (model.not_up == 0) return true;
    for (std::uint32_t d = facts.first_device; d < facts.first_device + facts.devices; ++d)
      if (devices_[d].state == DeviceState::up) return true;
  }
  return false;
}

// What a decision may know of the devices now.
DeviceColumns Placement::seen(Time now) {
  if (signals_.differ()) signals_.note(devices_.take_changed(), now);
  return signals_.columns();
}

Duration Placement::come_back_in(const Sequence& s, Time now) {
  const DeviceColumns columns = seen(now);
  const Duration may_wait = fleet_.classes[s.slo.value].ttft_objective(Tokens(s.prompt));
  const std::int64_t expected = expected_output(s).count();
  Duration least = kLatest;
  for (const std::uint32_t p : models_[s.model.value].pools) {
    const PoolView& facts = fleet_.pools[p];
    if (!allowed(facts, s) || !can_hold(facts, s)) continue;
    for (std::uint32_t d = facts.first_device; d < facts.first_device + facts.devices; ++d)
      if (devices_[d].state == DeviceState::up)
        least = std::min(least, first_token_in(columns, facts, tables_[facts.cost], d, s.prompt, expected));
  }
  return std::max(kSoonest, least - may_wait);
}

bool Placement::has_room(std::uint32_t d, const Sequence& s, Tokens expected, Time now) const {
  const PoolView& facts = fleet_.pools[devices_.pool_of(d)];
  if (facts.kind == PoolKind::served) return devices_[d].line.empty() && served_.admits(d, s, expected, now);
  return devices_.waiting(d) + devices_.running(d) < facts.max_sequences &&
         facts.kv_blocks.count() - devices_[d].committed_blocks >=
             blocks_for(Tokens(s.prompt + s.generated), facts.block_tokens).count();
}

// Fills eligible_.
void Placement::gather(const Sequence& s, Time now, Filter filter) {
  eligible_.clear();
  const Tokens expected = expected_output(s);
  for (const std::uint32_t p : models_[s.model.value].pools) {
    const PoolView& facts = fleet_.pools[p];
    if (!allowed(facts, s) || !can_hold(facts, s)) continue;
    if (filter.primary_only && facts.provider_id != s.primary) continue;
    for (std::uint32_t d = facts.first_device; d < facts.first_device + facts.devices; ++d) {
      if (devices_[d].state != DeviceState::up) continue;
      if (filter.spare && (s.avoid == DeviceId{d} || served_.endpoint(d).health.ejected(now))) continue;
      if (filter.powered && power_.held(d)) continue;
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

Placement::Choice Placement::place(const Sequence& s, Time now, bool need_room) {
  const Model& model = models_[s.model.value];
  const bool hits = model.caches && s.prefix_blocks > 0;
  const Ask ask{.model = s.model,
                .slo = s.slo,
                .tenant = s.tenant,
                .prefix_head = s.prefix_blocks > 0 ? s.prefix[0].bits : 0,
                .session = s.session,
                .prompt = Tokens(s.prompt + s.generated),
                .expected_output = expected_output(s),
                .now = now,
                .arrival = s.arrival,
                .may_refuse = !s.let_in};
  std::span<const std::uint32_t> eligible = model.devices;
  const bool fits_all = may_come_to(s) <= model.least_context.count();
  const bool anywhere = s.regions.anywhere() && s.providers.anywhere() && !s.primary.some() && model.licensed;
  if (need_room || model.not_up > 0 || model.served || !fits_all || !anywhere || power_.any_held()) {
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
  if (eligible.empty()) return {};
  if (hits) fill_hits(s);
  const DeviceColumns columns = seen(now);
  const std::uint32_t at = policies_.scorer(eligible, columns, fleet_, tables_, ask, state_);
  if (policies_.onlooker) policies_.onlooker->saw({s.request, eligible, columns, ask, at});
  if (hits) clear_hits(s.model);
  if (at == kRefused) {
    CHECK(ask.may_refuse);
    return {.device = {}, .refused = true};
  }
  CHECK(at < eligible.size());
  signals_.used(eligible[at], now);
  return {.device = {eligible[at]}};
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

std::int32_t Placement::expects_hit(const Sequence& s, std::uint32_t device, Time now) {
  const Model& model = models_[s.model.value];
  if (!model.caches || s.prefix_blocks == 0) return 0;
  const std::uint32_t held = prefixes_.blocks_held(DeviceId{device}, s.reusable(model.block));
  prefixes_.insert(DeviceId{device}, {s.prefix, s.prefix_blocks}, now, PrefixIndex::Source::placement);
  devices_.caches(device, std::int64_t{prefixes_.held(DeviceId{device})} * model.block.count());
  return static_cast<std::int32_t>(held) * model.block.count();
}

void Placement::device_changed(std::uint32_t device, bool up) {
  Model& model = models_[fleet_.pools[devices_.pool_of(device)].model.value];
  up ? --model.not_up : ++model.not_up;
}

}  // namespace yard
