// What the page's section "Prefill and decode pools" says, the plain way: who may go where, how long a move takes, and
// what a device's blocks are for. Questions only; reference.h changes things.
#pragma once
#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

#include "tests/reference_world.h"

namespace yard::reference {

// KV on its way.
struct Moving {
  std::size_t who;
  std::uint32_t link;
  Time end;
};

struct HandoffWorld : World {
  std::vector<std::vector<std::size_t>> read{};  // by pool: read, in this order, and waiting to move
  std::vector<Moving> moving{};                  // in the order in which they were said
  std::vector<std::vector<Time>> places{};       // by link: when each of those that it moves at once is free

  const LinkView& link_of(std::uint32_t l) const { return fleet.links[l]; }
  std::uint32_t pool_of(std::uint32_t d) const {
    return static_cast<std::uint32_t>(devices[d].pool - fleet.pools.data());
  }
  bool gives_away(const Device& device) const { return device.pool->role == PoolRole::prefill; }

  static std::int64_t needs(const Sequence& s) {
    const bool open_ended = s.request.max_output == Tokens::max();
    return s.request.prompt.count() + (open_ended ? s.generated + 1 : std::max(1, s.request.max_output.count()));
  }
  bool serves_adapter(const PoolView& pool, const Sequence& s) const {
    const AdapterId a = s.request.adapter;
    if (!a.some()) return true;
    return a.value < fleet.adapters.size() && fleet.adapters[a.value].model == s.request.model &&
           pool.adapter_slots > 0;
  }
  // Serves its model in its regions, and holds it: as far as the pool's role goes.
  bool may_be_in(const Sequence& s, std::uint32_t p) const {
    const PoolView& pool = fleet.pools[p];
    if (pool.model != s.request.model || !s.request.regions.has(pool.region)) return false;
    if (!serves_adapter(pool, s)) return false;
    if (pool.role != PoolRole::prefill) return needs(s) <= pool.max_context.count();
    return s.whole() + 1 <= pool.max_context.count() && !pools_behind(s, p).empty();
  }
  std::vector<std::uint32_t> pools_behind(const Sequence& s, std::uint32_t p) const {
    std::vector<std::uint32_t> behind;
    for (const LinkView& link : fleet.links)
      if (link.from.value == p && may_be_in(s, link.to.value)) behind.push_back(link.to.value);
    return behind;
  }
  bool has_up(std::uint32_t p) const {
    return std::any_of(devices.begin(), devices.end(),
                       [&](const Device& d) { return d.pool == &fleet.pools[p] && d.state == DeviceState::up; });
  }

  // Devices that are up and may have it to begin with, ascending.
  std::vector<std::uint32_t> eligible(const Sequence& s) const {
    std::vector<std::uint32_t> result;
    for (std::uint32_t d = 0; d < devices.size(); ++d) {
      const std::uint32_t p = pool_of(d);
      if (devices[d].state != DeviceState::up || !may_be_in(s, p)) continue;
      const auto behind = pools_behind(s, p);
      const bool goes_on = std::any_of(behind.begin(), behind.end(), [&](std::uint32_t to) { return has_up(to); });
      if (!gives_away(devices[d]) || goes_on) result.push_back(d);
    }
    return result;
  }

  // A short rest to read, and a step that reads all there is to read within the TPOT that its class is promised.
  bool may_stay(const Sequence& s, std::uint32_t d) const {
    const std::int64_t reads = s.whole() - expected_hit(s, d);
    if (reads > fleet.stay_tokens.count()) return false;
    const Load load = load_of(d);
    const StepCost& cost = costs.rows[devices[d].pool->cost.value];
    const std::int64_t n = std::min<std::int64_t>(load.running + 1, devices[d].pool->max_sequences);
    const std::int64_t step = c0(cost, static_cast<std::size_t>(n)) + cost.c2().count() * load.kv_tokens +
                              cost.c1().count() * (load.prefill_tokens + reads);
    const std::int64_t tpot = fleet.classes[s.request.slo.value].tpot.count() * 1000;
    return tpot == 0 || step <= tpot;
  }

  // Among which devices the scorer chooses for one that stands at the door or in its queue.
  std::vector<std::uint32_t> candidates(const Sequence& s, bool need_room) const {
    std::vector<std::uint32_t> all = eligible(s);
    const bool roles = std::any_of(fleet.pools.begin(), fleet.pools.end(), [&](const PoolView& pool) {
      return pool.model == s.request.model && pool.role == PoolRole::prefill;
    });
    const auto role = [&](std::uint32_t d) { return devices[d].pool->role; };
    const auto keep = [&](std::vector<std::uint32_t> from, const auto& which) {
      std::erase_if(from, [&](std::uint32_t d) { return !which(d); });
      return from;
    };
    const auto room = [&](std::uint32_t d) { return !need_room || has_room(devices[d], s); };
    if (!roles) return keep(all, room);
    const auto stays = [&](std::uint32_t d) { return role(d) == PoolRole::decode && may_stay(s, d) && room(d); };
    if (std::any_of(all.begin(), all.end(), stays))
      return keep(all, [&](std::uint32_t d) { return stays(d) || (role(d) == PoolRole::both && room(d)); });
    const std::vector<std::uint32_t> others = keep(all, [&](std::uint32_t d) { return role(d) != PoolRole::decode; });
    return keep(others.empty() ? all : others, room);
  }

  bool has_room(const Device& device, const Sequence& s) const {
    std::int64_t committed = 0;
    for (const std::size_t who : device.line) committed += device.blocks_for(sequences[who].to_read);
    for (const std::size_t who : device.running) {
      const Sequence& other = sequences[who];
      const Slot* slot = slot_of(device, who);
      if (other.context < other.to_read)
        committed += device.blocks_for(other.to_read);
      else
        committed += slot ? device.blocks_for(other.context + slot->step_tokens()) : other.blocks;
    }
    for (const std::size_t who : device.leaving) committed += sequences[who].blocks;
    for (const std::size_t who : device.coming) committed += sequences[who].to_blocks;
    return device.line.size() + device.running.size() + device.coming.size() < device.pool->max_sequences &&
           device.pool->kv_blocks.count() - committed >= device.blocks_for(s.whole());
  }

  // The link from its device to another, if there is one.
  std::optional<std::uint32_t> link_to(const Sequence& s, std::uint32_t d) const {
    for (std::uint32_t l = 0; l < fleet.links.size(); ++l)
      if (link_of(l).from.value == pool_of(s.device) && link_of(l).to.value == pool_of(d)) return l;
    return std::nullopt;
  }
  // Where it could go on, room at hand or only after the end of a run there.
  std::vector<std::uint32_t> with_room_behind(const Sequence& s) const {
    std::vector<std::uint32_t> result;
    for (std::uint32_t d = 0; d < devices.size(); ++d) {
      const std::optional<std::uint32_t> l = link_to(s, d);
      if (!l || devices[d].state != DeviceState::up || !may_be_in(s, pool_of(d)) || !has_room(devices[d], s)) continue;
      const auto under_way = std::count_if(moving.begin(), moving.end(), [&](const Moving& m) { return m.link == *l; });
      if (under_way < static_cast<std::int64_t>(link_of(*l).at_once) + options.moves_per_link) result.push_back(d);
    }
    return result;
  }

  Duration move_time(std::uint32_t l, std::int64_t tokens) const {
    const Wide bytes = static_cast<Wide>(tokens) * static_cast<Wide>(fleet.pools[link_of(l).from.value].kv_token_bytes);
    const Wide rate = static_cast<Wide>(link_of(l).bytes_per_s);
    const auto ns = static_cast<std::int64_t>((bytes * 1'000'000'000 + rate - 1) / rate);
    return std::max(Duration(1), link_of(l).latency + Duration(ns));
  }
  // As it is expected when a device is chosen; 0 for one that does not move.
  Duration expected_move(const Sequence& s, std::uint32_t d) const {
    return s.stage == Stage::read ? move_time(*link_to(s, d), s.context - expected_hit(s, d)) : Duration(0);
  }
};

}  // namespace yard::reference
