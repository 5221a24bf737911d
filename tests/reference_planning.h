// How the reference plans one run of a device: who runs on, who is admitted, who is preempted, and which blocks and
// adapters that takes. reference_reading.h: what a step may read; reference.h: when a device is planned.
#pragma once
#include <algorithm>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include "scheduler/base/check.h"
#include "tests/reference_handoff.h"
#include "tests/reference_reading.h"
#include "tests/reference_values.h"

namespace yard::reference {

class Planner : protected HandoffWorld {
 protected:
  Planner(FleetView the_fleet, CostTables the_costs, Options the_options)
      : HandoffWorld{{std::move(the_fleet), std::move(the_costs), std::move(the_options)}} {}

  void plan(std::uint32_t d) {
    Device& device = devices[d];
    const PoolView& pool = *device.pool;
    const std::int64_t free_before = free_blocks(device);
    std::int64_t budget = pool.token_budget.count();
    ReadingTime time = reading_time(*this, device, now_);
    out_of_time_ = false;
    std::vector<Slot> slots;
    bool preempted = false;
    std::int64_t load = 0;
    std::uint32_t passed_over = 0;

    for (std::size_t i = 0; i < device.running.size() && budget > 0; ++i) {
      const std::size_t who = device.running[i];
      Sequence& s = sequences[who];
      const bool reading = s.context < s.to_read;
      const Slot slot{
          .who = who, .reads = reading ? time.fits(s.context, std::min(s.rest(), budget)) : 0, .held_before = s.blocks};
      if (reading && slot.reads == 0) continue;
      const std::int64_t needs = device.blocks_for(s.context + slot.step_tokens());
      while (s.stage == Stage::running && free_blocks(device) < needs - s.blocks) {
        preempt(device.running.back());
        preempted = true;
      }
      if (s.stage != Stage::running) break;  // it was itself the last admitted
      s.blocks = needs;
      make_room(d);
      budget -= slot.step_tokens();
      time.spend(s.context, slot.reads);
      slots.push_back(slot);
    }

    for (const std::size_t who : preempted ? std::vector<std::size_t>() : sorted(device.line)) {
      if (budget == 0 || device.running.size() + device.coming.size() >= pool.max_sequences) break;
      Sequence& s = sequences[who];
      if (!has_slot_for(device, s.request.adapter)) {
        count(Happening::passed_over_for_adapter);
        if (++passed_over > pool.max_sequences) break;
        continue;
      }
      const std::vector<BlockHash> found = found_on(device, s);
      const std::int64_t hit = static_cast<std::int64_t>(found.size()) * prefix_block(device);
      const Slot slot{.who = who, .reads = time.fits(hit, std::min(s.to_read - hit, budget)), .held_before = 0};
      if (slot.reads == 0) {
        out_of_time_ = true;
        break;
      }
      const std::int64_t held =
          std::count_if(found.begin(), found.end(), [&](BlockHash b) { return device.kept.held(b); });
      if (free_blocks(device) < device.blocks_for(hit + slot.reads) - held * unit_of(device)) {
        count(Happening::line_stopped_by_kv);
        break;
      }
      if (s.preemptions > 0) count(Happening::readmitted);
      load += bring(device, s.request.adapter);
      std::erase(device.line, who);
      device.running.push_back(who);
      s.stage = Stage::running;
      s.preempted_as = 0;
      if (s.admit == Time::never()) s.admit = now_;  // Reading: the first admission, whatever is preempted later
      for (const BlockHash b : found) device.kept.hold(b);
      if (hit > 0) count(Happening::prefix_hit);
      if (hit > 0 && s.first) count(Happening::answers_share_a_prompt);
      if (hit < s.hit) count(Happening::expected_hit_missing);
      s.shared = static_cast<std::int64_t>(found.size());
      if (s.preemptions == 0) s.cached = hit;
      s.context = hit;
      s.hit = 0;
      s.blocks = device.blocks_for(hit + slot.reads);
      make_room(d);
      budget -= slot.reads;
      time.spend(hit, slot.reads);
      slots.push_back(slot);
    }

    if (slots.empty() && preempted) return plan(d);  // nobody runs any more: as if it had begun idle
    if (slots.empty()) return;
    const bool reads = std::any_of(slots.begin(), slots.end(), [](const Slot& slot) { return slot.reads > 0; });
    for (const Slot& slot : slots) {
      if (slot.reads > 0 && slot.reads < sequences[slot.who].rest()) count(Happening::chunked_prefill);
    }
    Run run{.launch = now_ + Duration(load / 1000), .step_limit = 1, .slots = slots, .first_in_line = first_of(device)};
    if (!reads && !preempted) lease_decodes(device, run, free_before);
    device.run = run;
    device.wanted = false;
    walk(device);
  }

  // ---- adapters -----------------------------------------------------------------------------------------------------

  // Returns: picoseconds that loading it takes.
  std::int64_t bring(Device& device, AdapterId a) {
    if (!a.some()) return 0;
    const bool there = among(device.adapters, a);
    count(there ? Happening::adapter_found : Happening::adapter_loaded);
    if (!there && device.adapters.size() == device.pool->adapter_slots) {
      device.adapters.erase(std::find_if(device.adapters.begin(), device.adapters.end(),
                                         [&](AdapterId other) { return !in_use(device, other); }));
      count(Happening::adapter_evicted);
    }
    std::erase(device.adapters, a);
    device.adapters.push_back(a);
    return there ? 0 : load_ps(device, a);
  }

  // ---- blocks -------------------------------------------------------------------------------------------------------

  void preempt(std::size_t who) {
    Sequence& s = sequences[who];
    Device& device = devices[s.device];
    std::erase(device.running, who);
    device.line.push_back(who);
    s.stage = Stage::in_line;
    let_go(device, s);
    s.blocks = 0;
    s.context = 0;
    s.to_read = s.whole();
    s.preempted_as = ++preemptions_;
    ++s.preemptions;
    count(Happening::preemption);
  }

  // The most steps of pure decode that limits and KV allow, and their blocks.
  void lease_decodes(Device& device, Run& run, std::int64_t free_before) {
    bool kv_stops = false;
    for (std::uint32_t k = 2; k <= options.steps_per_run; ++k) {
      bool within_limits = true;
      std::int64_t more = 0;
      for (const Slot& slot : run.slots) {
        const Sequence& s = sequences[slot.who];
        within_limits = within_limits && k <= s.limit - s.generated;
        more += device.blocks_for(s.context + k) - slot.held_before;
      }
      kv_stops = within_limits && more > free_before;
      if (!within_limits || kv_stops) break;
      run.step_limit = k;
    }
    if (kv_stops) count(Happening::run_limited_by_kv);
    for (const Slot& slot : run.slots) {
      Sequence& s = sequences[slot.who];
      s.blocks = device.blocks_for(s.context + run.step_limit);
    }
    make_room(static_cast<std::uint32_t>(&device - devices.data()));
    CHECK(free_blocks(device) >= 0);
  }

  // The whole blocks of a prompt that has been read stay, once.
  void keep_prompt(Device& device, Sequence& s) {
    if (unit_of(device) == 0) return;
    const std::int64_t whole = s.request.prompt.count() / prefix_block(device);
    for (std::size_t i = static_cast<std::size_t>(s.shared);
         i < s.request.prefix.size() && static_cast<std::int64_t>(i) < whole; ++i) {
      if (device.kept.has(s.request.prefix[i])) count(Happening::read_twice);
      device.kept.hold(s.request.prefix[i]);
      ++s.shared;
    }
  }

  // It leaves its device, its blocks from the last to the first.
  void let_go(Device& device, Sequence& s) {
    for (; s.shared > 0; --s.shared) device.kept.let_go(s.request.prefix[static_cast<std::size_t>(s.shared - 1)]);
  }

  void make_room(std::uint32_t d) {
    Device& device = devices[d];
    while (device.kept.idle() * unit_of(device) > free_blocks(device)) {
      expected.remove(d, device.kept.lose_oldest());
      count(Happening::kept_block_went);
    }
  }

  void count(Happening what) { ++happenings_[static_cast<std::size_t>(what)]; }

  Time now_ = Time(std::numeric_limits<std::int64_t>::min());
  std::int64_t preemptions_ = 0;
  bool out_of_time_ = false;  // the last plan stopped its line for want of reading time
  Happenings happenings_{};
};

}  // namespace yard::reference
