#include "scheduler/core/prefix_index.h"

#include <algorithm>

#include "scheduler/base/check.h"
#include "scheduler/base/gallop.h"
#include "scheduler/base/hash.h"

namespace yard {
namespace {

// Blocks whose memory is asked for before the first of them is used: an insert waits for about one miss per chunk.
constexpr std::size_t kChunk = 16;

std::uint32_t length(PrefixIndex::Prompt prompt) {
  return static_cast<std::uint32_t>(std::min<std::size_t>(prompt.size(), 1u << 30));
}

}  // namespace

PrefixIndex::PrefixIndex(const PrefixBounds& bounds)
    : bound_(bounds.holdings),
      blocks_(bounds.holdings),
      pairs_(bounds.holdings),
      runs_(bounds.holdings),
      whos_(std::size_t{bounds.holdings} + 1),
      devices_(bounds.devices),
      oldest_(bounds.devices) {
  CHECK(bounds.holdings > 0 && bounds.holdings < 1u << 31);
}

// ---- what devices hold ---------------------------------------------------------------------------------------------

void PrefixIndex::set_capacity(DeviceId d, std::uint32_t blocks) noexcept {
  Device& device = devices_[d.value];
  device.capacity = blocks;
  for (; device.held > blocks; ++counts_.out_of_pool) drop_last(device.back);
}

std::uint32_t PrefixIndex::insert(DeviceId d, Prompt prompt, Time now, Source source,
                                  std::uint32_t& held_before) noexcept {
  stamp_age(d.value, now, source);
  ++stamp_;
  return take_in(d.value, 0, prompt, held_before = known(d.value, 0, prompt));
}

std::uint32_t PrefixIndex::extend(DeviceId d, BlockHash parent, Prompt blocks, Time now, Source source) noexcept {
  stamp_age(d.value, now, source);
  const Place place = pairs_.at({parent, d.value}).place;
  if (!place) {
    ++counts_.unknown_parent;
    return 0;
  }
  ++stamp_;
  return take_in(d.value, place, blocks, known(d.value, place, blocks));
}

// Uses the held part of a chain and creates the rest. Returns: how many of the blocks the device holds.
std::uint32_t PrefixIndex::take_in(std::uint32_t device, Place parent, Prompt prompt, std::uint32_t held) noexcept {
  const Place last = held > 0 ? pairs_.at({prompt[held - 1], device}).place : parent;
  if (last) use(devices_[device], last);
  return held + create(device, last, prompt.subspan(held));
}

// Returns: how many leading blocks the device holds behind `parent`. By galloping: it holds the beginning of a chain
// (P1), and what it holds at its end stands as deep as it is long. Else it contradicts itself, and is walked.
std::uint32_t PrefixIndex::known(std::uint32_t device, Place parent, Prompt prompt) noexcept {
  const std::uint32_t held = blocks_held({device}, prompt);
  if (held == 0) return 0;
  if (runs_.depth(pairs_.at({prompt[held - 1], device}).place) == runs_.depth(parent) + held) return held;
  std::uint32_t n = 0;
  for (Place above = parent; n < held; ++n) {
    const Place p = pairs_.at({prompt[n], device}).place;
    if (p == 0 || runs_.above(p) != above) break;
    above = p;
  }
  return n;
}

// The chain that ends in this block is used: its runs come to the front, the first last, so that it stands before those
// that follow it (P2).
void PrefixIndex::use(Device& dev, Place last) noexcept {
  Run run = runs_.run_of(last);
  if (runs_.last(run) != last) {
    const Runs::Parts parts = runs_.cut(last);
    if (parts.upper == run)
      link_behind(dev, run, parts.lower);
    else
      link_behind(dev, runs_[run].newer, parts.upper);
    run = parts.upper;
  }
  for (; run; run = runs_.before(run)) {
    runs_[run].stamp = stamp_;
    if (dev.front == run) continue;
    unlink(dev, run);
    link_behind(dev, 0, run);
  }
}

// Holds what is new behind `parent`, which is used already. Returns: how many: fewer where there is no room that this
// very chain does not need, or where a block is there that has another parent.
std::uint32_t PrefixIndex::create(std::uint32_t device, Place parent, Prompt prompt) noexcept {
  Device& dev = devices_[device];
  const Run before = runs_.run_of(parent);
  Run run = 0;
  for (std::uint32_t done = 0; done < prompt.size(); ++done) {
    if (done % kChunk == 0) {
      const Prompt chunk = prompt.subspan(done, std::min<std::size_t>(kChunk, prompt.size() - done));
      for (const BlockHash b : chunk) pairs_.prefetch({b, device}), blocks_.prefetch(b);
      prefetch_victims(dev, static_cast<std::uint32_t>(chunk.size()));
    }
    const BlockHash block = prompt[done];
    if (!make_room(dev)) return done;
    HoldingSlot& pair = pairs_.at({block, device});
    if (!pair.empty()) {
      ++counts_.contradictions;
      return done;
    }
    const Place p = run ? runs_.append(run) : runs_.begin(parent, {.newer = 0, .older = 0, .stamp = stamp_});
    if (!run) link_behind(dev, before, run = runs_.run_of(p));
    pair = {block.bits, device, p};
    BlockSlot& slot = blocks_.at(block);
    if (slot.empty())
      slot.hash = block.bits, slot.newest = 0, ++counts_.blocks;
    else
      whos_[slot.newest].ahead = p;
    whos_[p] = {block, device, 0, slot.newest};
    slot.newest = p;
    ++slot.count;
    ++counts_.holdings;
    if (++dev.held == 1 && !dev.queued) {
      dev.queued = true;
      oldest_.set(device, Time(stamp_));
    }
  }
  return static_cast<std::uint32_t>(prompt.size());
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
  if (p && runs_[runs_.run_of(p)].stamp > uses)
    return 0;  // what lies behind it may be older, and goes with its own eviction
  return remove(d, {&block, 1}, now, Source::report);
}

void PrefixIndex::clear(DeviceId d, Time now, Source source) noexcept {
  stamp_age(d.value, now, source);
  while (devices_[d.value].back) drop_last(devices_[d.value].back);
}

void PrefixIndex::stamp_age(std::uint32_t device, Time now, Source source) noexcept {
  Ages& ages = devices_[device].ages;
  Time& age = source == Source::placement ? ages.placed : ages.reported;
  age = std::max(age, now);
}

// ---- the order of use ----------------------------------------------------------------------------------------------

void PrefixIndex::unlink(Device& dev, Run r) noexcept {
  const Use& use = runs_[r];
  (use.newer ? runs_[use.newer].older : dev.front) = use.older;
  (use.older ? runs_[use.older].newer : dev.back) = use.newer;
}

void PrefixIndex::link_behind(Device& dev, Run before, Run r) noexcept {
  Run& link = before ? runs_[before].older : dev.front;
  runs_[r].newer = before;
  runs_[r].older = link;
  (link ? runs_[link].newer : dev.back) = r;
  link = r;
}

// ---- what goes -----------------------------------------------------------------------------------------------------

// Room for one more holding of this device, never at the cost of the chain being inserted.
bool PrefixIndex::make_room(Device& dev) noexcept {
  const bool in_pool = dev.held >= dev.capacity;
  if (!in_pool && counts_.holdings < bound_) return true;
  const Run victim = in_pool ? dev.back : oldest();
  if (!victim || runs_[victim].stamp == stamp_) return false;
  ++(in_pool ? counts_.out_of_pool : counts_.out_of_room);
  drop_last(victim);
  return true;
}

// Returns: the least recently used run of all, 0 where there is none.
PrefixIndex::Run PrefixIndex::oldest() noexcept {
  for (; !oldest_.empty();) {
    const std::uint32_t d = oldest_.first();
    Device& dev = devices_[d];
    if (!dev.back) {
      oldest_.remove(d);
      dev.queued = false;
      continue;
    }
    const Time true_age(runs_[dev.back].stamp);
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
  for (Run r = in_pool ? dev.back : oldest(); r && found < n; r = runs_[r].newer) {
    Place p = runs_.last(r);
    for (std::uint32_t left = runs_.size(r); left > 0 && found < n; --left, p = runs_.above(p)) {
      __builtin_prefetch(&whos_[p]);
      victims[found++] = p;
    }
  }
  for (std::uint32_t i = 0; i < found; ++i) {
    const Who& who = whos_[victims[i]];
    pairs_.prefetch({who.block, who.device});
    blocks_.prefetch(who.block);
  }
}

// The last block of a run that nothing follows (P2).
void PrefixIndex::drop_last(Run r) noexcept {
  const Place p = runs_.last(r);
  Device& dev = devices_[whos_[p].device];
  if (runs_.size(r) == 1) unlink(dev, r);
  --dev.held;
  unname(p);
  runs_.drop_last(r);
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

// Leaf after leaf.
std::uint32_t PrefixIndex::drop_with_children(Place top) noexcept {
  Run r = runs_.run_of(top);
  for (std::uint32_t gone = 1;; ++gone) {
    while (runs_.follower(r)) r = runs_.follower(r);
    const bool all = runs_.last(r) == top;
    const Run next = runs_.size(r) > 1 ? r : runs_.before(r);
    drop_last(r);
    if (all) return gone;
    r = next;
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

// So many blocks, the last of them given.
template <class Act>
void PrefixIndex::first_to_last(Place last, std::uint32_t blocks, const Act& act) const {
  if (blocks > 1) first_to_last(runs_.above(last), blocks - 1, act);
  act(last);
}

void PrefixIndex::audit() const {
  std::uint64_t holdings = 0, newest = 0;
  std::vector<bool> met(std::size_t{runs_.touched()} + 1);
  for (std::uint32_t d = 0; d < devices_.size(); ++d) {
    const Device& dev = devices_[d];
    CHECK(dev.held <= dev.capacity && (dev.held == 0 || dev.queued));
    std::uint32_t held = 0;
    Run newer = 0;
    for (Run r = dev.front; r; newer = r, r = runs_[r].older) {
      runs_.audit(r);
      CHECK(runs_[r].newer == newer && held < bound_);
      CHECK_WHY(newer == 0 || runs_[newer].stamp >= runs_[r].stamp, "P3");
      first_to_last(runs_.last(r), runs_.size(r), [&](Place p) {
        const Who& who = whos_[p];
        const Place parent = runs_.above(p);
        CHECK(who.device == d);
        CHECK_WHY(parent == 0 || whos_[parent].device == d, "P1");
        CHECK_WHY(parent == 0 || met[parent], "P2");
        met[p] = true, ++held;
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
      });
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
    for (Run r = dev.front; r; r = runs_[r].older)
      first_to_last(runs_.last(r), runs_.size(r), [&](Place p) {
        hash.add(whos_[p].block.bits, runs_[r].stamp);
        hash.add(whos_[p].ahead ? whos_[whos_[p].ahead].device + std::uint64_t{1} : 0);
      });
  }
  return hash.value();
}

}  // namespace yard
