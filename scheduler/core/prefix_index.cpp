#include "scheduler/core/prefix_index.h"

#include <algorithm>

#include "scheduler/base/check.h"
#include "scheduler/base/hash.h"

namespace yard {
namespace {

// Blocks whose memory is asked for before the first of them is used: an insert waits for about one miss per chunk.
constexpr std::size_t kChunk = 16;

// Returns: the largest i in [0, n] of which held(i) is true; held(0) is taken as true, and held is monotone.
// Cost: O(log n). First 1, 2, 4 .. n, all on their way from memory at once; then by eighths, seven at once.
template <class Fetch, class Held>
std::uint32_t gallop(std::uint32_t n, Fetch fetch, Held held) {
  if (n == 0) return 0;
  for (std::uint32_t at = 1; at < n; at *= 2) fetch(at);
  fetch(n);
  std::uint32_t low = 0, high = 1;
  while (high < n && held(high)) low = high, high *= 2;
  if (high >= n) {
    if (held(n)) return n;
    high = n;
  }
  while (high - low > 1) {
    const std::uint32_t step = (high - low + 7) / 8;
    for (std::uint32_t at = low + step; at < high; at += step) fetch(at);
    std::uint32_t at = low + step;
    while (at < high && held(at)) low = at, at += step;
    high = std::min(high, at);
  }
  return low;
}

std::uint32_t length(PrefixIndex::Prompt prompt) {
  return static_cast<std::uint32_t>(std::min<std::size_t>(prompt.size(), 1u << 30));
}

}  // namespace

PrefixIndex::PrefixIndex(const PrefixBounds& bounds)
    : bound_(bounds.holdings),
      blocks_(bounds.holdings),
      pairs_(bounds.holdings),
      uses_(std::size_t{bounds.holdings} + 1),
      whos_(std::size_t{bounds.holdings} + 1),
      devices_(bounds.devices),
      oldest_(bounds.devices) {
  CHECK(bounds.holdings > 0 && bounds.holdings < 1u << 31);
}

// ---- what devices hold ---------------------------------------------------------------------------------------------

void PrefixIndex::set_capacity(DeviceId d, std::uint32_t blocks) noexcept {
  Device& device = devices_[d.value];
  device.capacity = blocks;
  for (; device.held > blocks; ++counts_.out_of_pool) drop(device.back);
}

std::uint32_t PrefixIndex::insert(DeviceId d, Prompt prompt, Time now, Source source) noexcept {
  stamp_age(d.value, now, source);
  ++stamp_;
  return take_in(d.value, 0, prompt);
}

std::uint32_t PrefixIndex::extend(DeviceId d, BlockHash parent, Prompt blocks, Time now, Source source) noexcept {
  stamp_age(d.value, now, source);
  const Place place = pairs_.at({parent, d.value}).place;
  if (!place) {
    ++counts_.unknown_parent;
    return 0;
  }
  ++stamp_;
  for (Place p = place; p; p = uses_[p].parent) use_behind(devices_[d.value], 0, p);  // the root last: it ends in front
  return take_in(d.value, place, blocks);
}

// Uses the held part of a chain and creates the rest, each block behind its parent (P2).
std::uint32_t PrefixIndex::take_in(std::uint32_t device, Place parent, Prompt prompt) noexcept {
  Device& dev = devices_[device];
  std::uint32_t done = 0;
  while (done < prompt.size()) {
    const Prompt chunk = prompt.subspan(done, std::min<std::size_t>(kChunk, prompt.size() - done));
    std::array<Place, kChunk> places;
    std::uint32_t fresh = 0;
    for (const BlockHash b : chunk) pairs_.prefetch({b, device});
    for (std::size_t i = 0; i < chunk.size(); ++i) {
      places[i] = pairs_.at({chunk[i], device}).place;
      if (places[i])
        __builtin_prefetch(&uses_[places[i]]);
      else
        blocks_.prefetch(chunk[i]), ++fresh;
    }
    // A device holds the beginning of a chain (P1). After the first block that it does not hold, what was found above
    // is not trusted: only a contradicting chain finds anything there, and making room may have dropped it since.
    if (fresh) prefetch_victims(dev, fresh);
    bool held = true;
    for (std::size_t i = 0; i < chunk.size(); ++i, ++done) {
      held = held && places[i];
      if (held && uses_[places[i]].parent != parent) {
        ++counts_.contradictions;
        return done;
      }
      if (held) {
        use_behind(dev, parent, places[i]);
      } else {
        places[i] = create(device, parent, chunk[i]);
        if (places[i] == 0) return done;
      }
      parent = places[i];
    }
  }
  return done;
}

// Returns: 0 where there is no room that this very chain does not need, or where the block has another parent.
PrefixIndex::Place PrefixIndex::create(std::uint32_t device, Place parent, BlockHash block) noexcept {
  Device& dev = devices_[device];
  if (!make_room(dev)) return 0;
  HoldingSlot& pair = pairs_.at({block, device});
  if (!pair.empty()) {
    ++counts_.contradictions;
    return 0;
  }
  const Place p = free_ ? free_ : ++touched_;
  if (free_) free_ = uses_[p].older;
  pair = {block.bits, device, p};

  BlockSlot& slot = blocks_.at(block);
  if (slot.empty())
    slot.hash = block.bits, slot.newest = 0, ++counts_.blocks;
  else
    whos_[slot.newest].ahead = p;
  whos_[p] = {block, device, 0, slot.newest};
  slot.newest = p;
  ++slot.count;

  Use& use = uses_[p];
  use = {.newer = 0, .older = 0, .parent = parent, .child = 0, .sibling = 0, .elder = 0, .stamp = stamp_};
  if (parent) {
    use.sibling = uses_[parent].child;
    if (use.sibling) uses_[use.sibling].elder = p;
    uses_[parent].child = p;
  }
  link_behind(dev, parent, p);
  ++counts_.holdings;
  if (++dev.held == 1 && !dev.queued) {
    dev.queued = true;
    oldest_.set(device, Time(stamp_));
  }
  return p;
}

std::uint32_t PrefixIndex::remove(DeviceId d, std::span<const BlockHash> blocks, Time now, Source source) noexcept {
  stamp_age(d.value, now, source);
  std::uint32_t gone = 0;
  for (const BlockHash b : blocks) {
    const Place p = pairs_.at({b, d.value}).place;
    if (p)
      gone += drop_with_children(p);
    else
      ++counts_.unknown_removed;
  }
  return gone;
}

std::uint32_t PrefixIndex::remove_unused(DeviceId d, BlockHash block, std::uint64_t uses, Time now) noexcept {
  const Place p = pairs_.at({block, d.value}).place;
  if (p && uses_[p].stamp > uses) return 0;  // what lies behind it may be older, and goes with its own eviction
  return remove(d, {&block, 1}, now, Source::report);
}

void PrefixIndex::clear(DeviceId d, Time now, Source source) noexcept {
  stamp_age(d.value, now, source);
  while (devices_[d.value].back) drop(devices_[d.value].back);
}

void PrefixIndex::stamp_age(std::uint32_t device, Time now, Source source) noexcept {
  Ages& ages = devices_[device].ages;
  Time& age = source == Source::placement ? ages.placed : ages.reported;
  age = std::max(age, now);
}

// ---- the order of use ----------------------------------------------------------------------------------------------

void PrefixIndex::use_behind(Device& dev, Place before, Place p) noexcept {
  uses_[p].stamp = stamp_;
  if ((before ? uses_[before].older : dev.front) == p) return;
  unlink(dev, p);
  link_behind(dev, before, p);
}

void PrefixIndex::unlink(Device& dev, Place p) noexcept {
  const Use& use = uses_[p];
  (use.newer ? uses_[use.newer].older : dev.front) = use.older;
  (use.older ? uses_[use.older].newer : dev.back) = use.newer;
}

void PrefixIndex::link_behind(Device& dev, Place before, Place p) noexcept {
  Place& link = before ? uses_[before].older : dev.front;
  uses_[p].newer = before;
  uses_[p].older = link;
  (link ? uses_[link].newer : dev.back) = p;
  link = p;
}

// ---- what goes -----------------------------------------------------------------------------------------------------

// Room for one more holding of this device, never at the cost of the chain being inserted.
bool PrefixIndex::make_room(Device& dev) noexcept {
  const bool in_pool = dev.held >= dev.capacity;
  if (!in_pool && counts_.holdings < bound_) return true;
  const Place victim = in_pool ? dev.back : oldest();
  if (!victim || uses_[victim].stamp == stamp_) return false;
  ++(in_pool ? counts_.out_of_pool : counts_.out_of_room);
  drop(victim);
  return true;
}

// Returns: the least recently used holding of all, 0 where there is none.
PrefixIndex::Place PrefixIndex::oldest() noexcept {
  for (; !oldest_.empty();) {
    const std::uint32_t d = oldest_.first();
    Device& dev = devices_[d];
    if (!dev.back) {
      oldest_.remove(d);
      dev.queued = false;
      continue;
    }
    const Time true_age(uses_[dev.back].stamp);
    if (true_age == oldest_.next()) return dev.back;
    oldest_.set(d, true_age);
  }
  return 0;
}

// Evictions come in rows, from the back of one device mostly: asks for the memory that the next `n` will touch. A hint:
// which one goes is decided when it goes.
void PrefixIndex::prefetch_victims(const Device& dev, std::uint32_t n) noexcept {
  const bool in_pool = dev.held + n > dev.capacity;
  const std::uint32_t room = bound_ - static_cast<std::uint32_t>(counts_.holdings);
  if (!in_pool && room >= n) return;
  std::array<Place, kChunk> victims;
  std::uint32_t found = 0;
  for (Place p = in_pool ? dev.back : oldest(); p && found < n; p = uses_[p].newer) {
    __builtin_prefetch(&whos_[p]);
    victims[found++] = p;
  }
  for (std::uint32_t i = 0; i < found; ++i) {
    const Who& who = whos_[victims[i]];
    pairs_.prefetch({who.block, who.device});
    blocks_.prefetch(who.block);
  }
}

void PrefixIndex::drop(Place p) noexcept {
  Use& use = uses_[p];
  CHECK_WHY(use.child == 0, "P2: what goes has no children");
  Device& dev = devices_[whos_[p].device];
  if (use.parent) (use.elder ? uses_[use.elder].sibling : uses_[use.parent].child) = use.sibling;
  if (use.sibling) uses_[use.sibling].elder = use.elder;
  unlink(dev, p);
  --dev.held;
  unname(p);
  use.older = free_;
  free_ = p;
  --counts_.holdings;
}

// Takes a holding out of both tables.
void PrefixIndex::unname(Place p) noexcept {
  const Who& who = whos_[p];
  HoldingSlot& pair = pairs_.at({who.block, who.device});
  CHECK(pair.place == p);
  pairs_.erase(pair);
  BlockSlot& slot = blocks_.at(who.block);
  (who.ahead ? whos_[who.ahead].behind : slot.newest) = who.behind;
  if (who.behind) whos_[who.behind].ahead = who.ahead;
  if (slot.count > 1) {
    --slot.count;
  } else {
    blocks_.erase(slot);
    --counts_.blocks;
  }
}

// Leaf after leaf, first children first.
std::uint32_t PrefixIndex::drop_with_children(Place top) noexcept {
  std::uint32_t gone = 0;
  for (Place p = top;; ++gone) {
    while (uses_[p].child) p = uses_[p].child;
    const Place parent = uses_[p].parent;
    drop(p);
    if (p == top) return gone + 1;
    p = parent;
  }
}

// ---- questions -----------------------------------------------------------------------------------------------------

// Lists the holders of the block at this depth that are not listed yet.
void PrefixIndex::list(PrefixMatch& match, BlockHash block, std::uint32_t depth) const noexcept {
  const std::uint32_t deeper = match.size;
  const BlockSlot& slot = blocks_.at(block);
  for (Place p = slot.newest; p && match.size < PrefixMatch::kMost; p = whos_[p].behind) {
    const DeviceId device{whos_[p].device};
    const auto known = match.listed().first(deeper);
    if (std::ranges::find(known, device, &PrefixMatch::Holder::device) != known.end()) continue;
    match.holders[match.size++] = {device, depth};
  }
  if (slot.count > match.size) {
    match.unlisted = slot.count - match.size;
    match.unlisted_blocks = depth;
  }
}

// The holders of blocks are nested (P1): whoever holds the deepest held block comes first, and the next depth is the
// deepest block that more devices hold than are listed. One search per distinct depth, not one per holder.
PrefixMatch PrefixIndex::match(Prompt prompt) const noexcept {
  PrefixMatch match;
  std::uint32_t depth = length(prompt);
  do {
    depth = gallop(
        depth, [&](std::uint32_t i) { blocks_.prefetch(prompt[i - 1]); },
        [&](std::uint32_t i) {
          const BlockSlot& slot = blocks_.at(prompt[i - 1]);
          if (slot.count <= match.size) return false;
          __builtin_prefetch(&whos_[slot.newest]);  // one of these is listed next
          return true;
        });
    if (depth == 0) break;
    list(match, prompt[depth - 1], depth);
  } while (--depth > 0 && match.unlisted == 0);
  return match;
}

PrefixMatch PrefixIndex::match_by_walk(Prompt prompt) const noexcept {
  PrefixMatch match;
  std::uint32_t depth = 0;
  while (depth < length(prompt) && holders(prompt[depth]) > 0) ++depth;
  for (; depth > 0 && match.unlisted == 0; --depth)
    if (holders(prompt[depth - 1]) > match.size) list(match, prompt[depth - 1], depth);
  return match;
}

std::uint32_t PrefixIndex::blocks_held(DeviceId d, Prompt prompt) const noexcept {
  return gallop(
      length(prompt), [&](std::uint32_t i) { pairs_.prefetch({prompt[i - 1], d.value}); },
      [&](std::uint32_t i) { return holds(d, prompt[i - 1]); });
}

bool PrefixIndex::holds(DeviceId d, BlockHash block) const noexcept { return !pairs_.at({block, d.value}).empty(); }

// ---- for tests -----------------------------------------------------------------------------------------------------

void PrefixIndex::audit() const {
  std::uint64_t holdings = 0, newest = 0;
  std::vector<bool> met(std::size_t{touched_} + 1);
  for (std::uint32_t d = 0; d < devices_.size(); ++d) {
    const Device& dev = devices_[d];
    CHECK(dev.held <= dev.capacity && (dev.held == 0 || dev.queued));
    std::uint32_t held = 0;
    Place newer = 0;
    for (Place p = dev.front; p; newer = p, p = uses_[p].older, ++held) {
      const Use& use = uses_[p];
      const Who& who = whos_[p];
      CHECK(use.newer == newer && who.device == d && held < bound_);
      CHECK_WHY(newer == 0 || uses_[newer].stamp >= use.stamp, "P3");
      CHECK_WHY(use.parent == 0 || whos_[use.parent].device == d, "P1");
      CHECK_WHY(use.parent == 0 || met[use.parent], "P2");
      met[p] = true;
      CHECK(use.child == 0 || (uses_[use.child].parent == p && uses_[use.child].elder == 0));
      CHECK(use.sibling == 0 || (uses_[use.sibling].parent == use.parent && uses_[use.sibling].elder == p));
      CHECK(pairs_.at({who.block, d}).place == p);
      CHECK(who.behind == 0 || (whos_[who.behind].block == who.block && whos_[who.behind].ahead == p));
      if (who.ahead == 0) {
        const BlockSlot& slot = blocks_.at(who.block);
        CHECK(slot.newest == p);
        std::uint32_t count = 0;
        for (Place h = p; h; h = whos_[h].behind) ++count;
        CHECK(slot.count == count);
        ++newest;
      }
    }
    CHECK(dev.back == newer && dev.held == held);
    holdings += held;
  }
  CHECK_WHY(holdings == counts_.holdings && holdings <= bound_, "P4");
  CHECK(newest == counts_.blocks);
}

std::uint64_t PrefixIndex::fingerprint() const {
  DecisionHash hash;
  for (const Device& dev : devices_) {
    hash.add(dev.held, dev.capacity);
    hash.add(static_cast<std::uint64_t>(dev.ages.placed.ns()));
    hash.add(static_cast<std::uint64_t>(dev.ages.reported.ns()));
    for (Place p = dev.front; p; p = uses_[p].older) {
      hash.add(whos_[p].block.bits, uses_[p].stamp);
      hash.add(whos_[p].ahead ? whos_[whos_[p].ahead].device + std::uint64_t{1} : 0);
    }
  }
  return hash.value();
}

}  // namespace yard
