// Plans one run of one device: who takes part in it, how much each reads, which KV blocks they may grow into.
//
// The step is vLLM's V1 step (README.md, "Planning one run"): running sequences first, in order of admission; waiting
// ones only if nothing was preempted; the first that lacks KV stops the line. Preemption frees all and recomputes.
#pragma once
#include <span>

#include "scheduler/core/chunk.h"
#include "scheduler/core/device.h"

namespace yard {

struct Plan {
  std::span<Slot> slots;  // empty: nothing to do
  std::uint32_t step_limit = 0;
  BoundBy bound_by = BoundBy::work;
  std::uint32_t preempted = 0;
  std::uint32_t loads = 0, found = 0;  // of adapters
  Duration load = {};
};

class Batcher {
 public:
  Batcher(const FleetView& fleet, const CostTables& tables, SequencePool& pool, Devices& devices,
          std::uint32_t steps_per_run)
      : fleet_(fleet), tables_(tables), pool_(pool), devices_(devices), steps_per_run_(steps_per_run) {}

  // Requires: device d is idle; `room` has a place for each of its max_sequences.
  // Cost: O(sequences running on d). `admitted(i)` hears of each
  // sequence that leaves the line; its `admit` is still unset if it was never admitted before.
  template <class Admitted>
  Plan plan(std::uint32_t d, Time now, std::span<Slot> room, const Admitted& admitted);

 private:
  struct Step;
  // Leases what the sequence lacks to hold `tokens` more. Returns: false, and nothing leased, where too few blocks are
  // free.
  bool lease(std::uint32_t d, const PoolView& facts, Sequence& s, std::int32_t tokens) {
    const std::int32_t per_block = facts.block_tokens.count();
    const std::int32_t lacks = s.context + tokens - (s.blocks + devices_.shared_blocks(d, s)) * per_block;
    return lacks <= 0 || lease_more(d, (lacks + per_block - 1) / per_block, s);
  }
  bool lease_more(std::uint32_t d, std::int32_t blocks, Sequence&);
  void bring_adapter(Step&, Sequence&);
  // Returns: what the step reads of the first of the line, which came in; 0: it stays, for want of KV or of time to
  // read.
  struct Entry {
    std::int32_t reads = 0;
    BoundBy stays_for = BoundBy::work;
  };
  Entry admit(Step&, std::uint32_t i);
  ReadingTime reading_time(const Step&) const;
  void take_part(Step&, std::uint32_t i, std::int32_t tokens);
  void plan_running(Step&);
  void preempt_last(Step&);
  std::uint32_t extend(Step&);

  const FleetView& fleet_;
  const CostTables& tables_;
  SequencePool& pool_;
  Devices& devices_;
  const std::uint32_t steps_per_run_;
  std::uint64_t preemptions_ = 0;
  Time now_;  // of the plan
};

struct Batcher::Step {
  std::uint32_t d;
  Device& device;
  const PoolView& pool;
  std::span<Slot> room;
  std::uint32_t slots = 0;
  std::int32_t budget = 0;
  const StepCost& cost;
  ReadingTime time{};
  std::uint32_t preempted = 0;
  std::uint32_t loads = 0, found = 0;
  Duration load = {};
  bool reads = false;  // some slot reads a prompt
};

template <class Admitted>
Plan Batcher::plan(std::uint32_t d, Time now, std::span<Slot> room, const Admitted& admitted) {
  now_ = now;
  Device& device = devices_[d];
  const PoolView& facts = fleet_.pools[devices_.pool_of(d)];
  Step step{.d = d,
            .device = device,
            .pool = facts,
            .room = room,
            .budget = facts.token_budget.count(),
            .cost = tables_[facts.cost]};
  if (facts.chunk == Chunk::objective) step.time = reading_time(step);
  plan_running(step);

  BoundBy bound_by = step.preempted ? BoundBy::kv : BoundBy::work;
  SequenceList passed_over;  // no slot for their adapters: they stay where they are in the line
  std::uint32_t over = 0;
  while (!step.preempted && !device.line.empty()) {
    if (step.budget == 0) {
      bound_by = BoundBy::tokens;
      break;
    }
    if (devices_.running(d) == facts.max_sequences) {
      bound_by = BoundBy::sequences;
      break;
    }
    const std::uint32_t i = devices_.first(pool_, d);
    Sequence& s = pool_[i];
    if (s.on_shelf) break;  // it is being asked for
    if (!devices_.adapters().admits(d, s.adapter)) {
      bound_by = BoundBy::sequences;
      if (over++ == facts.max_sequences) break;
      device.line.remove(pool_, i);
      passed_over.push_back(pool_, i);
      continue;
    }
    const Entry entry = admit(step, i);
    if (entry.reads == 0) {
      bound_by = entry.stays_for;
      break;
    }
    move_to(s, SequenceState::running);
    s.front = false;
    admitted(i);
    if (s.admit == Time::never()) s.admit = now;
    take_part(step, i, entry.reads);
  }
  while (!passed_over.empty()) device.line.join(pool_, passed_over.pop_front(pool_));
  if (step.slots == 0) return {.slots = {}, .step_limit = 0, .bound_by = bound_by, .preempted = step.preempted};
  const std::uint32_t limit = step.reads || step.preempted ? 1 : extend(step);
  return {.slots = room.first(step.slots),
          .step_limit = limit,
          .bound_by = bound_by,
          .preempted = step.preempted,
          .loads = step.loads,
          .found = step.found,
          .load = step.load};
}

}  // namespace yard
