#include "scheduler/core/kv_cache.h"

#include <utility>

#include "scheduler/base/gallop.h"

namespace yard {

KvCache::KvCache(const FleetView& fleet, std::uint32_t bound, Evictions& told)
    : table_(bound),
      runs_(bound),
      hashes_(std::size_t{bound} + 1),
      bound_(bound),
      devices_(fleet.devices()),
      told_(told) {
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

// By galloping, from what is kept already: who keeps a block keeps all before it, and its depth is their number. Where
// it is another, the chain contradicts what is kept, and is walked.
std::uint32_t KvCache::kept(std::uint32_t d, Place behind, Prompt prompt) const noexcept {
  if (devices_[d].held + devices_[d].idle == 0) return 0;
  const std::uint32_t n = gallop(
      static_cast<std::uint32_t>(prompt.size()), [&](std::uint32_t i) { table_.prefetch({prompt[i - 1], d}); },
      [&](std::uint32_t i) { return find(d, prompt[i - 1]) != 0; });
  if (n == 0 || runs_.depth(find(d, prompt[n - 1])) == runs_.depth(behind) + n) return n;
  std::uint32_t same = 0;
  for (Place above = behind; same < n; ++same) {
    const Place p = find(d, prompt[same]);
    if (p == 0 || runs_.above(p) != above) break;
    above = p;
  }
  return same;
}

std::uint32_t KvCache::idle_among(std::uint32_t d, Prompt prompt) const noexcept {
  if (prompt.empty()) return 0;
  std::uint32_t n = 0;
  const Place last = find(d, prompt.back());
  std::uint32_t behind = runs_.depth(runs_.last(runs_.run_of(last))) - runs_.depth(last);  // not of the prompt
  for (Run r = runs_.run_of(last); r && runs_[r].holders == 0; r = runs_.before(r))        // and then all before (K3)
    n += runs_.size(r) - std::exchange(behind, 0);
  return n;
}

std::uint32_t KvCache::hold(std::uint32_t d, Prompt prompt) noexcept {
  if (prompt.empty()) return 0;
  const Place last = find(d, prompt.back());
  CHECK(last != 0 && runs_.depth(last) == prompt.size());
  return hold_up_to(devices_[d], last, 0);
}

// One holder more of what stands before `last`, itself included, and behind `behind`, the last of its run or none.
// Returns: how many were idle.
std::uint32_t KvCache::hold_up_to(Device& device, Place last, Place behind) noexcept {
  Run r = runs_.run_of(last);
  if (runs_.last(r) != last) {
    const auto [upper, lower] = runs_.cut(last);
    if (runs_[r].holders == 0)
      lower == r ? link_newer(device, lower, upper) : link_newer(device, runs_[upper].older, lower);
    r = upper;
  }
  std::uint32_t were_idle = 0;
  for (const Run end = runs_.run_of(behind); r != end; r = runs_.before(r))
    if (runs_[r].holders++ == 0) leave_idle(device, r), were_idle += runs_.size(r);
  return were_idle;
}

KvCache::Taken KvCache::keep(std::uint32_t d, Prompt chain, std::uint32_t from, Time now) noexcept {
  Device& device = devices_[d];
  Place last = from > 0 ? find(d, chain[from - 1]) : 0;
  const Prompt read = chain.subspan(from);
  Taken taken{.blocks = kept(d, last, read)};
  if (taken.blocks > 0) {  // others read them meanwhile
    const Place behind = std::exchange(last, find(d, read[taken.blocks - 1]));
    taken.fresh = hold_up_to(device, last, behind);
  }
  Run run = 0;
  const std::uint32_t known = taken.blocks;
  for (const BlockHash hash : read.subspan(known)) {
    if (find(d, hash) != 0) break;  // another chain's
    if (kept_ == bound_) {
      if (device.idle == 0) break;
      evict_oldest(d, now);
    }
    const Place place = run ? runs_.append(run) : runs_.begin(last, {.holders = 1, .older = 0, .newer = 0});
    run = runs_.run_of(place);
    table_.at({hash, d}) = {hash.bits, d, place};
    hashes_[place] = hash;
    ++kept_, ++device.held, ++taken.fresh, ++taken.blocks;
  }
  if (watcher_ && taken.blocks > known) watcher_->keeps(DeviceId{d}, chain.first(from + taken.blocks), now);
  return taken;
}

std::uint32_t KvCache::release(std::uint32_t d, Prompt prompt) noexcept {
  if (prompt.empty()) return 0;
  const Place last = find(d, prompt.back());
  CHECK(last != 0 && runs_.depth(last) == prompt.size() && runs_.last(runs_.run_of(last)) == last);
  std::uint32_t became_idle = 0;
  for (Run r = runs_.run_of(last); r; r = runs_.before(r)) {
    CHECK(runs_[r].holders > 0);
    if (--runs_[r].holders > 0) continue;
    join_idle(devices_[d], r);
    became_idle += runs_.size(r);
  }
  return became_idle;
}

void KvCache::clear(std::uint32_t d, Time now) noexcept {
  CHECK(devices_[d].held == 0);
  while (devices_[d].idle > 0) evict_oldest(d, now);
}

void KvCache::leave_idle(Device& device, Run r) noexcept {
  const Held& h = runs_[r];
  (h.older ? runs_[h.older].newer : device.oldest) = h.newer;
  (h.newer ? runs_[h.newer].older : device.newest) = h.older;
  device.idle -= runs_.size(r), device.held += runs_.size(r);
}

void KvCache::join_idle(Device& device, Run r) noexcept {
  link_newer(device, device.newest, r);
  device.idle += runs_.size(r), device.held -= runs_.size(r);
}

// Into the idle list, to go right after `older`; first of all where that is none.
void KvCache::link_newer(Device& device, Run older, Run r) noexcept {
  Run& link = older ? runs_[older].newer : device.oldest;
  runs_[r].older = older, runs_[r].newer = link;
  (link ? runs_[link].older : device.newest) = r;
  link = r;
}

// The last block of the run that goes first.
void KvCache::evict_oldest(std::uint32_t d, Time now) noexcept {
  Device& device = devices_[d];
  const Run r = device.oldest;
  const BlockHash hash = hashes_[runs_.last(r)];
  if (runs_.size(r) == 1) {
    leave_idle(device, r);
    --device.held;
  } else {
    --device.idle;
  }
  runs_.drop_last(r);
  --kept_;
  table_.erase(table_.at({hash, d}));
  told_.gone(DeviceId{d}, hash, now);
  if (watcher_) watcher_->lets_go(DeviceId{d}, hash, now);
}

}  // namespace yard
