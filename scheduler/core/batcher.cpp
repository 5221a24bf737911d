#include "scheduler/core/batcher.h"

#include <algorithm>
#include <limits>

namespace yard {
namespace {
constexpr Duration kLongestPace = seconds(3600);  // between two tokens: objectives beyond bind nobody
}

bool Batcher::lease_more(std::uint32_t d, std::int32_t blocks, Sequence& s) {
  std::int32_t& free = devices_[d].free_blocks;
  if (blocks > free) return false;
  free -= blocks;
  s.blocks += blocks;
  devices_.kv().make_room(d, free, now_);
  return true;
}

// The first of the line comes in if the blocks for its first chunk are there, less what the device has read already;
// an engine may ask for more (EngineAdmission).
Batcher::Entry Batcher::admit(Step& step, std::uint32_t i) {
  Sequence& s = pool_[i];
  CHECK(devices_.adapters().admits(step.d, s.adapter));
  KvCache& kv = devices_.kv();
  std::span<const BlockHash> found;
  if (s.prefix_blocks > 0 && kv.unit(step.d) > 0) {
    found = s.reusable(kv.block(step.d));
    found = found.first(kv.kept(step.d, found));
  }
  const std::int32_t hit = static_cast<std::int32_t>(found.size()) * kv.block(step.d).count();
  const std::int32_t chunk = step.time.fits(step.cost, hit, std::min(s.to_read - hit, step.budget));
  if (chunk == 0) return {.stays_for = BoundBy::tokens};
  const auto held = static_cast<std::int32_t>(found.size() - kv.idle_among(step.d, found));
  const EngineAdmission& asks = step.pool.admission;
  const Blocks needs = blocks_for(Tokens(asks.whole ? s.to_read : hit + chunk), step.pool.block_tokens);
  const std::int32_t beside = step.slots > 0 ? asks.watermark.count() : 0;
  if (needs.count() - held * kv.unit(step.d) + beside > step.device.free_blocks) return {.stays_for = BoundBy::kv};
  devices_.admits(pool_, step.d, i);
  devices_.reuses(step.d, s, found);
  if (s.adapter.some()) bring_adapter(step, s);
  CHECK(lease(step.d, step.pool, s, chunk));
  return {.reads = chunk};
}

// It is loaded before the run's step, unless it is there: as vLLM does, whose workers load what a step needs before it
// runs. Loading beside decoding would need a second engine of the device, and a sequence that waits for it in no run.
void Batcher::bring_adapter(Step& step, Sequence& s) {
  s.holds_adapter = true;
  if (!devices_.adapters().hold(step.d, s.adapter)) {
    ++step.found;
    return;
  }
  ++step.loads;
  step.load += Adapters::load(step.pool, fleet_.adapters[s.adapter.value]);
}

void Batcher::take_part(Step& step, std::uint32_t i, std::int32_t tokens) {
  Sequence& s = pool_[i];
  const bool reads = s.reading();
  s.planned = tokens;
  if (!reads) devices_.commits(step.d, s, s.blocks + devices_.shared_blocks(step.d, s));
  step.budget -= tokens;
  step.reads |= reads;
  if (reads) step.time.spend(step.cost, s.context, tokens);
  if (reads) devices_.plans_to_read(step.d, tokens);
  // Field by field into its place: built beside it and copied, the copy waits for the stores (13 % of a replay).
  Slot& slot = step.room[step.slots++];
  slot.sequence = pool_.id(i);
  slot.request = s.request;
  slot.context = Tokens(s.context);
  slot.prefill = Tokens(reads ? tokens : 0);
  slot.generated = Tokens(s.generated);
  slot.output_limit = Tokens(s.output_limit);
  slot.granted = Blocks(s.blocks + devices_.shared_blocks(step.d, s));
  slot.answer = s.answer;
  slot.adapter = s.adapter;
  slot.samples = s.context + tokens >= s.to_read;
}

// The one admitted last gives back all its blocks and goes to the front of the line.
void Batcher::preempt_last(Step& step) {
  const std::uint32_t victim = step.device.running.last();
  Sequence& s = pool_[victim];
  devices_.leaves_running(pool_, step.d, victim);
  move_to(s, SequenceState::bound);
  s.context = 0;
  s.to_read = s.prompt + s.generated;
  s.front = true;
  s.key = 0;
  s.number = ~++preemptions_;  // the one preempted last stands first
  ++s.preemptions;
  ++step.preempted;
  devices_.joins_line(pool_, step.d, victim);
}

// The least, over those who decode, of the time in which each can have its next token and keep its TPOT so far; less
// what their decoding takes. Who is behind in any case is owed one objective.
ReadingTime Batcher::reading_time(const Step& step) const {
  constexpr std::int64_t kNobodyDecodes = std::numeric_limits<std::int64_t>::max();
  std::int64_t context = 0;
  for (std::uint32_t i = step.device.running.first(); i != kNobody; i = pool_[i].next)
    if (!pool_[i].reading()) context += pool_[i].context;
  const std::uint32_t beside = std::min(devices_.running(step.d) + 1, step.pool.max_sequences);
  const std::int64_t decoding = (step.cost.c0(beside) + step.cost.c2() * context).count();
  const std::uint32_t pace = devices_.pace(step.d);
  std::int64_t least = kNobodyDecodes;  // in what costs say
  for (std::uint32_t i = step.device.running.first(); i != kNobody; i = pool_[i].next) {
    const Sequence& s = pool_[i];
    const std::int64_t kept = kept_of(std::min(fleet_.classes[s.slo.value].tpot, kLongestPace).count());
    if (s.reading() || kept <= 0 || s.generated == 0) continue;
    const std::int64_t in_time = std::min(kept * s.generated - (now_ - s.first_token).count(), kLongestPace.count());
    const std::int64_t room = in_time < 0 ? in_time : said_within(in_time * 1000, pace);
    least = std::min(least, room < decoding ? said_within(kept * 1000, pace) : room);
  }
  if (least == kNobodyDecodes) return {};
  return ReadingTime(Picoseconds(std::max<std::int64_t>(0, least - decoding)));
}

void Batcher::plan_running(Step& step) {
  Device& device = step.device;
  std::int32_t leased = device.moving_blocks;
  for (std::uint32_t i = device.running.first(); i != kNobody; i = pool_[i].next) {
    leased += pool_[i].blocks;
    pool_[i].planned = 0;
  }
  leased += static_cast<std::int32_t>(devices_.kv().held(step.d)) * devices_.kv().unit(step.d);
  CHECK_WHY(leased + device.free_blocks == step.pool.kv_blocks.count(), "KV blocks leased + free == total (I4)");

  for (std::uint32_t i = device.running.first(); i != kNobody && step.budget > 0; i = pool_[i].next) {
    Sequence& s = pool_[i];
    const std::int32_t tokens = s.reading() ? step.time.fits(step.cost, s.context, std::min(s.rest(), step.budget)) : 1;
    if (tokens == 0) continue;
    while (!lease(step.d, step.pool, s, tokens)) {
      const bool itself = device.running.last() == i;
      preempt_last(step);
      if (itself) return;
    }
    take_part(step, i, tokens);
  }
}

// A pure decode run goes on for as many steps as no slot can outgrow what is leased for it now.
// Returns: k, the largest that the limits and the free blocks allow; its blocks are then leased.
std::uint32_t Batcher::extend(Step& step) {
  const std::int32_t per_block = step.pool.block_tokens.count();
  std::int32_t most = static_cast<std::int32_t>(steps_per_run_);
  for (const Slot& slot : step.room.first(step.slots))
    most = std::min(most, slot.output_limit.count() - slot.generated.count());

  // Blocks before this plan count as held: what the first step leased is part of the k steps' need.
  const auto needed = [&](std::int32_t k) {
    std::int64_t blocks = 0;
    for (const Slot& slot : step.room.first(step.slots)) {
      const std::int32_t lacks = slot.context.count() + k - slot.granted.count() * per_block;
      if (lacks > 0) blocks += (lacks + per_block - 1) / per_block;
    }
    return blocks;
  };
  std::int32_t k = most;
  if (needed(k) > step.device.free_blocks) {
    std::int32_t fits = 1;  // the first step is leased
    while (k - fits > 1) {
      const std::int32_t middle = fits + (k - fits) / 2;
      (needed(middle) <= step.device.free_blocks ? fits : k) = middle;
    }
    k = fits;
  }
  for (Slot& slot : step.room.first(step.slots)) {
    Sequence& s = pool_[slot.sequence.index];
    CHECK(lease(step.d, step.pool, s, k));
    slot.granted = Blocks(s.blocks + devices_.shared_blocks(step.d, s));
  }
  return static_cast<std::uint32_t>(k);
}

}  // namespace yard
