// The devices of a shard: columns for those who choose among them, and what Core alone keeps of each.
//
// Threads: the shard's own.
// D1  free + sum of blocks leased by the running list, by what leaves and what comes + prefix blocks held == kv_blocks
//     (I4), checked at every plan.
// D2  A device with a run open has exactly one; RunId.generation counts them.
// D4  `running` of the columns counts what comes, too: its place is taken from the moment its KV is on the way.
// D3  A device that is not up has none in its line but those that it preempted since.
#pragma once
#include <algorithm>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "scheduler/core/adapters.h"
#include "scheduler/core/event.h"
#include "scheduler/core/kv_cache.h"
#include "scheduler/core/line.h"
#include "scheduler/core/policy.h"
#include "scheduler/core/sequence.h"

namespace yard {

struct Device {
  Line line;
  SequenceList running;          // in order of admission
  std::uint32_t run = 0;         // generation of its latest run
  std::uint32_t step_limit = 0;  // of the open run; 0: idle
  std::uint32_t slots_in_run = 0;
  std::uint32_t first_at_launch = kNobody;  // of its line
  std::uint32_t first_generation = 0;
  std::int32_t free_blocks = 0;
  SequenceList leaving;               // read; their KV waits to move, or moves
  PatientList coming;                 // their KV is on the way to here
  std::int32_t moving_blocks = 0;     // leased by these two
  Duration load;                      // of adapters, in the open run
  Time launched;                      // the open run
  std::int32_t committed_blocks = 0;  // what its line and its admitted ones need, as far as they have to read
  DeviceState state = DeviceState::up;
  bool interrupted = false;   // the open run
  bool cancel_asked = false;  // for a sequence of the open run
  bool lost = false;          // went down during the open run: its sequences fail at the end
  bool wanted = false;        // somebody joins at the next boundary, or waits for blocks that the open run leases ahead
  bool touched = false;       // something happened since the last poll
  bool changed = false;       // something happened since take_changed()

  bool idle() const { return step_limit == 0; }
  bool moves() const { return !leaving.empty() || !coming.empty(); }  // some of its blocks and places are taken by KV
};

class Devices {
 public:
  Devices(const FleetView& fleet, KvCache& kv, const Shares& shares)
      : fleet_(fleet), kv_(kv), shares_(shares), adapters_(fleet) {
    const std::uint32_t n = fleet.devices();
    all_.resize(n);
    pool_.resize(n);
    waiting_.resize(n), running_.resize(n);
    prefill_.resize(n), kv_tokens_.resize(n), waiting_tokens_.resize(n);
    by_class_.resize(n * fleet.classes.size());
    prefill_share_.resize(n), prefill_burst_.resize(n), share_since_.resize(n), sizes_.resize(n);
    hits_.resize(n), cached_.resize(n), move_time_.resize(n), adapter_load_.resize(n), pace_.resize(n, kPaceAsSaid);
    touched_.reserve(n), changed_.reserve(n), told_.reserve(n);
    for (std::uint32_t p = 0; p < fleet.pools.size(); ++p)
      for (std::uint32_t i = 0; i < fleet.pools[p].devices; ++i) {
        pool_[fleet.pools[p].first_device + i] = p;
        all_[fleet.pools[p].first_device + i].free_blocks = fleet.pools[p].kv_blocks.count();
      }
    columns_ = {pool_,          waiting_, running_, prefill_, kv_tokens_, waiting_tokens_, by_class_, prefill_share_,
                prefill_burst_, hits_,    cached_,  {},       move_time_, adapter_load_,   pace_};
  }
  Devices(const Devices&) = delete;  // its columns are of its own
  Devices& operator=(const Devices&) = delete;

  Device& operator[](std::uint32_t d) { return all_[d]; }
  std::uint32_t size() const { return static_cast<std::uint32_t>(all_.size()); }
  DeviceState state(std::uint32_t d) const { return all_[d].state; }
  std::uint32_t pool_of(std::uint32_t d) const { return pool_[d]; }
  std::uint32_t waiting(std::uint32_t d) const { return waiting_[d]; }
  std::uint32_t running(std::uint32_t d) const { return running_[d]; }
  std::int32_t free_blocks(std::uint32_t d) const { return all_[d].free_blocks; }

  void show_prices(std::span<const std::int64_t> by_device) { columns_.marginal_price = by_device; }

  const DeviceColumns& columns() const { return columns_; }

  // Returns: the first of its line; kNobody where that is empty.
  std::uint32_t first(const SequencePool& pool, std::uint32_t d) const { return all_[d].line.first(pool, shares_); }

  // ---- the columns follow what happens to a sequence --------------------------------------------------------------

  void joins_line(SequencePool& pool, std::uint32_t d, std::uint32_t i) {
    const std::int64_t tokens = pool[i].to_read;
    all_[d].line.join(pool, i);
    commits(d, pool[i], blocks_for(Tokens(pool[i].to_read), fleet_.pools[pool_[d]].block_tokens).count());
    counts(d, pool[i], +1);
    ++waiting_[d], prefill_[d] += pool[i].rest(), waiting_tokens_[d] += tokens;
    touch(d);
  }
  void leaves_line(SequencePool& pool, std::uint32_t d, std::uint32_t i) {
    const std::int64_t tokens = pool[i].to_read;
    all_[d].line.remove(pool, i);
    commits(d, pool[i], 0);
    counts(d, pool[i], -1);
    --waiting_[d], prefill_[d] -= pool[i].rest(), waiting_tokens_[d] -= tokens;
    touch(d);
  }
  // One of its line, the first, is admitted; what it has to read stays in prefill_tokens until it is planned.
  void admits(SequencePool& pool, std::uint32_t d, std::uint32_t i) {
    all_[d].line.remove(pool, i);
    --waiting_[d], ++running_[d];
    waiting_tokens_[d] -= pool[i].to_read;
    all_[d].running.push_back(pool, i);
  }
  // Holds on to what its device keeps of its prompt. Requires: all of `found` is kept, and the KV blocks of what is
  // idle among it are free.
  void reuses(std::uint32_t d, Sequence& s, std::span<const BlockHash> found) {
    all_[d].free_blocks -= static_cast<std::int32_t>(kv_.hold(d, found)) * kv_.unit(d);
    s.shared = static_cast<std::uint32_t>(found.size());
    const std::int32_t tokens = static_cast<std::int32_t>(found.size()) * kv_.block(d).count();
    if (s.admit == Time::never()) s.cached = tokens;
    prefill_[d] += std::exchange(s.hit, 0) - tokens;
    s.context = tokens;
    grows(d, tokens);
  }
  // Its prompt has been read: the whole blocks of it are kept for others.
  void shares(std::uint32_t d, Sequence& s, Time now) {
    const std::int32_t unit = kv_.unit(d);
    const auto whole = std::min(s.prefix_blocks, static_cast<std::uint32_t>(s.prompt / kv_.block(d).count()));
    if (unit == 0 || whole <= s.shared) return;
    const KvCache::Taken taken = kv_.keep(d, {s.prefix, whole}, s.shared, now);
    s.blocks -= static_cast<std::int32_t>(taken.blocks) * unit;
    s.shared += taken.blocks;
    all_[d].free_blocks += static_cast<std::int32_t>(taken.blocks - taken.fresh) * unit;
  }
  std::int32_t shared_blocks(std::uint32_t d, const Sequence& s) const {
    return s.shared == 0 ? 0 : static_cast<std::int32_t>(s.shared) * kv_.unit(d);
  }
  KvCache& kv() { return kv_; }
  Adapters& adapters() { return adapters_; }

  void commits(std::uint32_t d, Sequence& s, std::int32_t blocks) {
    all_[d].committed_blocks += blocks - s.committed;
    s.committed = blocks;
  }
  // A prompt that takes so long to read came to the device: the size-biased mean of such (E[x^2] / E[x], gain 1/50)
  // says for how long a decode waits when it waits for prefill.
  void brings_prefill(std::uint32_t d, Duration seconds) {
    Sizes& s = sizes_[d];
    const std::int64_t us = std::min<std::int64_t>(seconds.count() / 1000, 1'000'000'000);
    s.mean += (us * 64 - s.mean) / 50;
    s.square += (us * us - s.square) / 50;
    prefill_burst_[d] = s.mean > 0 ? s.square * 64 / s.mean * 1000 : 0;
  }
  // Of the time since it was last told, so much went into reading prompts.
  void spent_on_prefill(std::uint32_t d, Duration prefill, Time now) {
    constexpr std::int64_t kWindow = 5'000'000;  // us
    const std::int64_t passed = std::min<std::int64_t>((now - share_since_[d]).count() / 1000, 1'000'000'000);
    const std::int64_t of_it = std::min(prefill.count() / 1000, passed);
    share_since_[d] = now;
    prefill_share_[d] = static_cast<std::uint32_t>((prefill_share_[d] * kWindow + of_it * 65536) / (kWindow + passed));
  }

  // A run of it ended that should have taken so long.
  void learns_pace(std::uint32_t d, Duration took, Picoseconds said) { pace_[d] = pace_after(pace_[d], took, said); }
  std::uint32_t pace(std::uint32_t d) const { return pace_[d]; }
  // What a step of those that run there would cost now; of one, where nobody does.
  Picoseconds step_now(std::uint32_t d, const StepCost& cost) const {
    const std::uint32_t n = std::clamp<std::uint32_t>(running_[d], 1, cost.max_sequences());
    return cost.c0(n) + cost.c2() * kv_tokens_[d];
  }
  // Costs say something else than they did.
  void keeps_pace(std::uint32_t d, Picoseconds said_before, Picoseconds says) {
    pace_[d] = pace_beside(pace_[d], said_before, says);
    changes(d);
  }

  // Of the prompt that placement asks about now.
  void expects_hit(std::uint32_t d, std::int32_t tokens) { hits_[d] = tokens; }
  void expects_load(std::uint32_t d, Duration load) { adapter_load_[d] = load.count(); }
  void caches(std::uint32_t d, std::int64_t tokens) { cached_[d] = tokens; }

  // To there, of the KV of the sequence that placement asks about now.
  void expects_move(std::uint32_t d, Duration time) { move_time_[d] = time.count(); }

  void plans_to_read(std::uint32_t d, std::int64_t tokens) { prefill_[d] -= tokens; }
  void grows(std::uint32_t d, std::int64_t context) { kv_tokens_[d] += context; }

  // A running one leaves: its context, what it still had to read (not yet planned), its blocks.
  void leaves_running(SequencePool& pool, std::uint32_t d, std::uint32_t i) {
    Sequence& s = pool[i];
    all_[d].running.remove(pool, i);
    --running_[d];
    counts(d, s, -1);
    kv_tokens_[d] -= s.context;
    if (s.reading()) prefill_[d] -= s.rest();
    gives_back(d, s, std::exchange(s.blocks, 0), std::exchange(s.shared, 0));
    if (std::exchange(s.holds_adapter, false)) adapters_.release(d, s.adapter);
    commits(d, s, 0);
  }

  // ---- KV that moves (handoff.cpp) --------------------------------------------------------------------------------

  // Its prompt has been read, for another device to go on: it runs no more, and keeps its blocks until it has left.
  void has_read(SequencePool& pool, std::uint32_t d, std::uint32_t i) {
    Sequence& s = pool[i];
    all_[d].running.remove(pool, i);
    all_[d].leaving.push_back(pool, i);
    all_[d].moving_blocks += s.blocks;
    --running_[d];
    counts(d, s, -1);
    kv_tokens_[d] -= s.context;
    waiting_tokens_[d] += s.context;
  }
  void has_left(SequencePool& pool, std::uint32_t d, std::uint32_t i) {
    Sequence& s = pool[i];
    all_[d].leaving.remove(pool, i);
    all_[d].moving_blocks -= s.blocks;
    waiting_tokens_[d] -= s.context;
    gives_back(d, s, std::exchange(s.blocks, 0), std::exchange(s.shared, 0));
    commits(d, s, 0);
    touch(d);
  }
  // It is about to come: leases what `found`, kept here already, does not hold. Requires: the blocks of its context and
  // one more token are free.
  void awaits(SequencePool& pool, std::uint32_t d, std::uint32_t i, std::span<const BlockHash> found, Time now) {
    Sequence& s = pool[i];
    Device& device = all_[d];
    const std::int32_t all = blocks_for(Tokens(s.context + 1), fleet_.pools[pool_[d]].block_tokens).count();
    device.free_blocks -= static_cast<std::int32_t>(kv_.hold(d, found)) * kv_.unit(d);
    s.to = DeviceId{d};
    s.to_shared = static_cast<std::uint32_t>(found.size());
    s.to_blocks = all - static_cast<std::int32_t>(found.size()) * kv_.unit(d);
    device.free_blocks -= s.to_blocks;
    kv_.make_room(d, device.free_blocks, now);
    device.moving_blocks += s.to_blocks;
    device.committed_blocks += all;
    device.coming.push_back(pool, i);
    ++running_[d], counts(d, s, +1);
    kv_tokens_[d] += s.context;
    touch(d);
  }
  // It is there, and runs from now on.
  void takes_over(SequencePool& pool, std::uint32_t d, std::uint32_t i) {
    Sequence& s = pool[i];
    all_[d].coming.remove(pool, i);
    all_[d].running.push_back(pool, i);
    all_[d].moving_blocks -= s.to_blocks;
    s.blocks = std::exchange(s.to_blocks, 0);
    s.shared = std::exchange(s.to_shared, 0);
    s.committed = s.blocks + shared_blocks(d, s);
    s.device = DeviceId{d};
    touch(d);
  }
  void awaits_no_more(SequencePool& pool, std::uint32_t d, std::uint32_t i) {
    Sequence& s = pool[i];
    all_[d].coming.remove(pool, i);
    all_[d].moving_blocks -= s.to_blocks;
    all_[d].committed_blocks -= s.to_blocks + static_cast<std::int32_t>(s.to_shared) * kv_.unit(d);
    --running_[d], counts(d, s, -1);
    kv_tokens_[d] -= s.context;
    gives_back(d, s, std::exchange(s.to_blocks, 0), std::exchange(s.to_shared, 0));
    touch(d);
  }

  void touch(std::uint32_t d) {
    changes(d);
    if (all_[d].touched) return;
    all_[d].touched = true;
    touched_.push_back(d);
  }
  // It changed since it was touched: what was planned changed its columns.
  void changes(std::uint32_t d) {
    if (!all_[d].changed) all_[d].changed = true, changed_.push_back(d);
  }
  std::vector<std::uint32_t>& touched() { return touched_; }
  // Those touched since this was asked last, also within a tick. Valid until something else is touched.
  std::span<const std::uint32_t> take_changed() {
    told_.swap(changed_);
    changed_.clear();
    for (const std::uint32_t d : told_) all_[d].changed = false;
    return told_;
  }

 private:
  // Blocks of its own, and of its prefix.
  void gives_back(std::uint32_t d, const Sequence& s, std::int32_t blocks, std::uint32_t shared) {
    all_[d].free_blocks += blocks;
    if (shared > 0) all_[d].free_blocks += static_cast<std::int32_t>(kv_.release(d, {s.prefix, shared})) * kv_.unit(d);
  }
  struct Sizes {
    std::int64_t mean = 0, square = 0;  // 1/64 us, us^2
  };
  // Of a class whose promises others can break.
  void counts(std::uint32_t d, const Sequence& s, int by) {
    if (s.generates()) by_class_[d * fleet_.classes.size() + s.slo.value] += static_cast<std::uint32_t>(by);
  }

  const FleetView& fleet_;
  KvCache& kv_;
  const Shares& shares_;
  Adapters adapters_;
  std::vector<Device> all_;
  std::vector<std::uint32_t> pool_, waiting_, running_;
  std::vector<std::int64_t> prefill_, kv_tokens_, waiting_tokens_;
  std::vector<std::uint32_t> by_class_, prefill_share_;
  std::vector<std::uint32_t> pace_;
  std::vector<std::int64_t> prefill_burst_;
  std::vector<std::int32_t> hits_;          // of the prompt asked about; zero between decisions
  std::vector<std::int64_t> cached_;        // tokens
  std::vector<std::int64_t> move_time_;     // of the sequence asked about, ns; zero between decisions
  std::vector<std::int64_t> adapter_load_;  // of the adapter asked about, ns; zero between decisions
  std::vector<Time> share_since_;
  std::vector<Sizes> sizes_;
  DeviceColumns columns_;
  std::vector<std::uint32_t> touched_, changed_, told_;
};

}  // namespace yard
