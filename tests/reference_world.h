// What the reference simulator knows at an instant, and what follows from that without anything changing: what a step
// costs and where a run ends, the order of a line, the load of a device. Plain values; nothing is stored that can be
// worked out.
#pragma once
#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

#include "scheduler/base/check.h"
#include "scheduler/core/event.h"
#include "scheduler/cost/step_cost.h"
#include "tests/prefix_model.h"
#include "tests/reference_prefixes.h"
#include "tests/reference_values.h"
#include "topology/fleet_view.h"

namespace yard::reference {

enum class Stage { to_come, at_door, unbound, in_line, running, read, moving, ended };

struct Sequence {
  Request request;
  Stage stage = Stage::to_come;
  std::uint32_t device = DeviceId::kNone;
  std::int64_t limit = 0;              // of its output, fixed by binding
  std::int64_t to_read = 0;            // prompt, and after a preemption what it had generated until then
  std::int64_t context = 0;            // tokens in KV
  std::int64_t generated = 0;          // in all
  std::int64_t blocks = 0;             // leased, those that it shares among them
  std::int64_t shared = 0;             // prefix blocks that it holds on to
  std::int64_t hit = 0;                // tokens that its device is expected to keep, until it is admitted
  std::int64_t cached = 0;             // tokens found at its first admission
  std::int64_t preempted_as = 0;       // number of its preemption while it waits after one, else 0
  std::uint32_t to = DeviceId::kNone;  // where its KV moves to, and what it has there
  std::int64_t to_blocks = 0, to_shared = 0;
  std::uint32_t preemptions = 0;
  bool cancelling = false;
  std::int64_t number = 0;             // of its submission, by the order in which they come in
  std::optional<std::size_t> first{};  // of its request, where it is another answer
  std::vector<std::size_t> others{};   // where it is the first
  std::int64_t to_come = 0;            // answers that join when the prompt has been read
  bool inside = false;                 // through the door, and its place not given back
  Time admit = Time::never(), first_token = Time::never(), last_token = Time::never();

  std::int64_t rest() const { return std::max<std::int64_t>(0, to_read - context); }
  std::int64_t whole() const { return request.prompt.count() + generated; }  // what a fresh start would read
  std::int64_t answer() const { return std::min<std::int64_t>(request.output.count(), limit); }
};

struct Slot {
  std::size_t who;
  std::int64_t reads;        // prompt tokens in a run's only step; 0: decodes
  std::int64_t held_before;  // blocks, before this plan
  std::int64_t step_tokens() const { return reads > 0 ? reads : 1; }
};

struct Run {
  Time launch;  // of its first step: adapters are loaded before
  std::uint32_t step_limit;
  std::vector<Slot> slots;
  std::optional<std::size_t> first_in_line;  // when it was launched
  std::optional<Time> interrupted{};
  std::vector<std::int64_t> boundaries{};  // picoseconds since launch, of every step until the run's end

  Time time_of(std::int64_t p) const { return launch + Duration((p + 999) / 1000); }
  Time end() const { return time_of(boundaries.back()); }
};

struct Device {
  const PoolView* pool;
  std::vector<std::size_t> line{};               // in no order
  std::vector<std::size_t> running{};            // in order of admission
  std::vector<std::size_t> leaving{}, coming{};  // read here, and not gone yet; on their way to here
  Kept kept{};
  std::vector<AdapterId> adapters{}, expected_adapters{};  // each: the one wanted last stands last
  std::optional<Run> run{};
  DeviceState state = DeviceState::up;
  bool lost = false;    // went down in its run
  bool wanted = false;  // its run is to end, for somebody who comes
  std::int64_t pace = 1024;

  std::int64_t blocks_for(std::int64_t tokens) const {
    return (tokens + pool->block_tokens.count() - 1) / pool->block_tokens.count();
  }
};

struct Load {
  std::int64_t waiting = 0, running = 0, prefill_tokens = 0, kv_tokens = 0, waiting_tokens = 0;
  std::int64_t sequences() const { return waiting + running; }
};

struct World {
  FleetView fleet;
  CostTables costs;
  Options options;
  std::vector<Sequence> sequences{};  // in order of submission
  std::vector<Device> devices{};
  prefix_model::Model expected{1u << 20, fleet.devices()};  // what placement expects to be kept where

  // ---- memory -------------------------------------------------------------------------------------------------------

  static const Slot* slot_of(const Device& device, std::size_t who) {
    if (!device.run) return nullptr;
    for (const Slot& slot : device.run->slots) {
      if (slot.who == who) return &slot;
    }
    return nullptr;
  }

  bool in_run(std::size_t who) const { return slot_of(devices[sequences[who].device], who) != nullptr; }

  std::int64_t free_blocks(const Device& device) const {
    std::int64_t free = device.pool->kv_blocks.count();
    for (const std::size_t who : device.running)
      free -= sequences[who].blocks - sequences[who].shared * unit_of(device);
    for (const std::size_t who : device.leaving)
      free -= sequences[who].blocks - sequences[who].shared * unit_of(device);
    for (const std::size_t who : device.coming)
      free -= sequences[who].to_blocks - sequences[who].to_shared * unit_of(device);
    return free - device.kept.held() * unit_of(device);
  }

  // ---- prefixes -----------------------------------------------------------------------------------------------------

  std::int64_t prefix_block(const Device& device) const {
    return fleet.models[device.pool->model.value].prefix_block.count();
  }
  // KV blocks of a prefix block; 0 where the device keeps none.
  std::int64_t unit_of(const Device& device) const {
    const std::int64_t per_block = device.pool->block_tokens.count();
    return device.pool->prefix_cache && prefix_block(device) % per_block == 0 ? prefix_block(device) / per_block : 0;
  }
  // The leading blocks that need not be read anew.
  std::vector<BlockHash> reusable(const Device& device, const Sequence& s) const {
    const std::int64_t whole = (std::max<std::int64_t>(s.to_read, 1) - 1) / prefix_block(device);
    const auto n = std::min<std::int64_t>(whole, static_cast<std::int64_t>(s.request.prefix.size()));
    return {s.request.prefix.begin(), s.request.prefix.begin() + n};
  }
  // Those of them that are kept there, without a gap.
  std::vector<BlockHash> found_on(const Device& device, const Sequence& s) const {
    std::vector<BlockHash> found = unit_of(device) > 0 ? reusable(device, s) : std::vector<BlockHash>();
    while (!found.empty() && !std::all_of(found.begin(), found.end(), [&](BlockHash b) { return device.kept.has(b); }))
      found.pop_back();
    return found;
  }
  std::int64_t expected_hit(const Sequence& s, std::uint32_t d) const {
    return expected.blocks_held(d, reusable(devices[d], s)) * prefix_block(devices[d]);
  }

  // ---- adapters -----------------------------------------------------------------------------------------------------

  std::int64_t load_ps(const Device& device, AdapterId a) const {
    const std::int64_t bytes = fleet.adapters[a.value].bytes, rate = device.pool->adapter_bytes_per_s;
    return (device.pool->adapter_load.count() + (rate == 0 ? 0 : (bytes * 1'000'000'000 + rate - 1) / rate)) * 1000;
  }
  bool in_use(const Device& device, AdapterId a) const {
    return std::any_of(device.running.begin(), device.running.end(),
                       [&](std::size_t who) { return sequences[who].request.adapter == a; });
  }
  static bool among(const std::vector<AdapterId>& all, AdapterId a) {
    return std::find(all.begin(), all.end(), a) != all.end();
  }
  bool has_slot_for(const Device& device, AdapterId a) const {
    if (!a.some() || among(device.adapters, a) || device.adapters.size() < device.pool->adapter_slots) return true;
    return std::any_of(device.adapters.begin(), device.adapters.end(),
                       [&](AdapterId other) { return !in_use(device, other); });
  }

  // ---- time ---------------------------------------------------------------------------------------------------------

  // Step after step until the run ends.
  // Reading: an Interrupt at nanosecond t stops the run at the first boundary whose time in nanoseconds, rounded up as
  // a token's is, is not before t.
  void walk(Device& device) const {
    Run& run = *device.run;
    run.boundaries.clear();
    std::int64_t p = 0;
    for (std::uint32_t steps = 1;; ++steps) {
      p += step_cost(device, run, steps);
      run.boundaries.push_back(p);
      const bool ended =
          std::any_of(run.slots.begin(), run.slots.end(), [&](const Slot& slot) { return has_ended(slot, steps); });
      if (ended || steps == run.step_limit || (run.interrupted && *run.interrupted <= run.end())) return;
    }
  }

  // Picoseconds. Of the run's step number `steps`, from 1; contexts are as at its launch.
  std::int64_t step_cost(const Device& device, const Run& run, std::uint32_t steps) const {
    const StepCost& cost = costs.rows[device.pool->cost.value];
    std::int64_t p = c0(cost, run.slots.size());
    std::int64_t pairs = 0;
    for (const Slot& slot : run.slots) {
      const std::int64_t context = sequences[slot.who].context;
      p += slot.reads > 0 ? cost.c1().count() * slot.reads : cost.c2().count() * (context + steps);
      for (std::int64_t k = 1; k <= slot.reads; ++k) pairs += context + k;  // itself and all before it
    }
    return p + cost.c4().count() * pairs / 1024;
  }

  bool has_ended(const Slot& slot, std::uint32_t steps) const {
    const Sequence& s = sequences[slot.who];
    return slot.reads < s.rest() ? false : s.generated + steps >= s.answer();
  }

  static std::int64_t c0(const StepCost& cost, std::size_t n) {
    for (const BatchBucket& bucket : cost.buckets()) {
      if (n <= bucket.up_to) return bucket.c0.count();
    }
    return cost.buckets().back().c0.count();
  }

  // ---- lines --------------------------------------------------------------------------------------------------------

  std::uint64_t key_of(const Sequence& s) const {
    if (options.order == "fcfs") return 0;
    if (options.order == "shortest_first") return static_cast<std::uint64_t>(s.request.prompt.count());
    CHECK(options.order == "edf");
    const SloClass& slo = fleet.classes[s.request.slo.value];
    const std::int64_t deadline = slo.deadline(s.request.arrival, s.request.prompt).ns();
    const std::int64_t clamped = std::clamp<std::int64_t>(deadline, 0, (std::int64_t{1} << 56) - 1);
    return std::uint64_t{slo.rank} << 56 | static_cast<std::uint64_t>(clamped);
  }

  std::vector<std::size_t> sorted(std::vector<std::size_t> line) const {
    std::sort(line.begin(), line.end(), [&](std::size_t a, std::size_t b) {
      const Sequence &x = sequences[a], &y = sequences[b];
      if (x.preempted_as != y.preempted_as) return x.preempted_as > y.preempted_as;
      if (key_of(x) != key_of(y)) return key_of(x) < key_of(y);
      return x.number != y.number ? x.number < y.number : a < b;
    });
    return line;
  }

  std::optional<std::size_t> first_of(const Device& device) const {
    return device.line.empty() ? std::nullopt : std::optional(sorted(device.line).front());
  }

  // ---- loads --------------------------------------------------------------------------------------------------------

  Load load_of(std::uint32_t d) const {
    const Device& device = devices[d];
    Load load;
    for (const std::size_t who : device.line) {
      const Sequence& s = sequences[who];
      ++load.waiting;
      load.prefill_tokens += s.to_read - s.hit;
      load.waiting_tokens += s.whole();
    }
    for (const std::size_t who : device.running) {
      const Sequence& s = sequences[who];
      const Slot* slot = slot_of(device, who);
      ++load.running;
      load.prefill_tokens += s.rest() - (slot ? slot->reads : 0);  // planned is as good as read
      load.kv_tokens += s.context;                                 // grows at the run's end only
    }
    for (const std::size_t who : device.leaving) load.waiting_tokens += sequences[who].context;
    for (const std::size_t who : device.coming) ++load.running, load.kv_tokens += sequences[who].context;
    return load;
  }
};

}  // namespace yard::reference
