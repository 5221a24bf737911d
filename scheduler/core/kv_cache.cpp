#include "scheduler/core/kv_cache.h"

namespace yard {

KvCache::KvCache(const FleetView& fleet, std::uint32_t bound, Evictions& told)
    : table_(bound), blocks_(std::size_t{bound} + 1), bound_(bound), devices_(fleet.devices()), told_(told) {
  for (const PoolView& pool : fleet.pools) {
    const Tokens block = fleet.models[pool.model.value].prefix_block;
    const bool divides = block.count() % pool.block_tokens.count() == 0;
    for (std::uint32_t d = pool.first_device; d < pool.first_device + pool.devices; ++d) {
      devices_[d].block = block;
      if (pool.prefix_cache && pool.kind == PoolKind::stepped && divides)
        devices_[d].unit = block.count() / pool.block_tokens.count();
    }
  }
}

std::uint32_t KvCache::kept(std::uint32_t d, Prompt prompt) const noexcept {
  if (devices_[d].held + devices_[d].idle == 0) return 0;
  std::uint32_t n = 0;
  while (n < prompt.size() && find(d, prompt[n]) != 0) ++n;
  return n;
}

std::uint32_t KvCache::idle_among(std::uint32_t d, Prompt prompt) const noexcept {
  std::uint32_t n = 0;
  for (const BlockHash hash : prompt) n += blocks_[find(d, hash)].holders == 0;
  return n;
}

std::uint32_t KvCache::hold(std::uint32_t d, Prompt prompt) noexcept {
  std::uint32_t were_idle = 0;
  for (const BlockHash hash : prompt) {
    const Place place = find(d, hash);
    CHECK(place != 0);
    if (blocks_[place].holders++ > 0) continue;
    leave_idle(devices_[d], place);
    ++were_idle;
  }
  return were_idle;
}

KvCache::Taken KvCache::keep(std::uint32_t d, Prompt chain, std::uint32_t from, Time now) noexcept {
  Taken taken;
  bool any_new = false;
  Device& device = devices_[d];
  for (const BlockHash hash : chain.subspan(from)) {
    HoldingSlot* slot = &table_.at({hash, d});
    if (slot->empty()) {
      if (free_ == 0 && touched_ == bound_) {
        if (device.idle == 0) break;
        evict_oldest(d, now);
        slot = &table_.at({hash, d});  // it may have moved
      }
      const Place place = take_place();
      *slot = {hash.bits, d, place};
      blocks_[place] = {hash, 0, 0, 0};
      any_new = true;
    } else if (blocks_[slot->place].holders == 0) {
      leave_idle(device, slot->place);
      --device.held;  // counted again below
    }
    Block& block = blocks_[slot->place];
    if (block.holders++ == 0) ++device.held, ++taken.fresh;
    ++taken.blocks;
  }
  if (watcher_ && any_new) watcher_->keeps(DeviceId{d}, chain.first(from + taken.blocks), now);
  return taken;
}

std::uint32_t KvCache::release(std::uint32_t d, Prompt prompt) noexcept {
  std::uint32_t became_idle = 0;
  for (std::size_t i = prompt.size(); i-- > 0;) {
    const Place place = find(d, prompt[i]);
    CHECK(place != 0 && blocks_[place].holders > 0);
    if (--blocks_[place].holders > 0) continue;
    join_idle(devices_[d], place);
    ++became_idle;
  }
  return became_idle;
}

void KvCache::clear(std::uint32_t d, Time now) noexcept {
  CHECK(devices_[d].held == 0);
  while (devices_[d].idle > 0) evict_oldest(d, now);
}

void KvCache::leave_idle(Device& device, Place place) noexcept {
  const Block& b = blocks_[place];
  (b.older ? blocks_[b.older].newer : device.oldest) = b.newer;
  (b.newer ? blocks_[b.newer].older : device.newest) = b.older;
  --device.idle, ++device.held;
}

void KvCache::join_idle(Device& device, Place place) noexcept {
  Block& b = blocks_[place];
  b.older = device.newest, b.newer = 0;
  (device.newest ? blocks_[device.newest].newer : device.oldest) = place;
  device.newest = place;
  ++device.idle, --device.held;
}

void KvCache::evict_oldest(std::uint32_t d, Time now) noexcept {
  Device& device = devices_[d];
  const Place place = device.oldest;
  const BlockHash hash = blocks_[place].hash;
  leave_idle(device, place);
  --device.held;
  table_.erase(table_.at({hash, d}));
  blocks_[place].older = free_;
  free_ = place;
  told_.gone(DeviceId{d}, hash, now);
  if (watcher_) watcher_->lets_go(DeviceId{d}, hash, now);
}

KvCache::Place KvCache::take_place() noexcept {
  if (free_ == 0) return ++touched_;
  const Place place = free_;
  free_ = blocks_[place].older;
  return place;
}

}  // namespace yard
