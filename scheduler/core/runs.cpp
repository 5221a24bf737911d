// Runs of stepped devices: launched, interrupted, ended.
#include <algorithm>
#include <utility>

#include "scheduler/core/state.h"

namespace yard {

void Core::State::launch(std::uint32_t d) {
  Device& device = devices[d];
  const PoolView& facts = fleet.pools[devices.pool_of(d)];
  if (on_shelf > 0 && unshelve_for(d)) {
    if (power.limited() && power.leased(d)) power.gives_back(d);
    return;
  }
  if (power.limited() && !power.leased(d) && !(could_begin(d) && power.ask(d, now))) return;
  const std::span<Slot> room{slots.data() + slots_used,
                             std::min<std::size_t>(facts.max_sequences, slots.size() - slots_used)};
  const auto admitted = [&](std::uint32_t i) {
    occupancy.waits_no_more(pool[i].model);
    leave_patience(i);
    shares.serves(pool[i], placement.expected_output(pool[i]));
  };
  Plan plan;
  do {  // twice where moves hold so much that all it ran was preempted: then its line is looked at
    plan = batcher.plan(d, now, room, admitted);
    for (std::uint32_t k = 0; k < plan.preempted; ++k) occupancy.waits(facts.model);
    ledger.preemptions += plan.preempted;
  } while (plan.slots.empty() && plan.preempted > 0);
  if (plan.slots.empty()) {
    CHECK_WHY(!power.leased(d) || device.moves(), "who has power has work (P3)");
    if (power.leased(d)) power.gives_back(d);
    return;
  }
  slots_used += plan.slots.size();

  ++device.run;
  device.step_limit = plan.step_limit;
  device.load = plan.load;
  device.launched = now;
  device.slots_in_run = static_cast<std::uint32_t>(plan.slots.size());
  device.interrupted = device.cancel_asked = device.wanted = false;
  device.first_at_launch = devices.first(pool, d);
  device.first_generation = device.line.empty() ? 0 : pool.id(device.first_at_launch).generation;
  turns_busy(d);
  ++ledger.launches;
  const Launch launch{.run = {d, device.run},
                      .device = {d},
                      .step_limit = plan.step_limit,
                      .bound_by = plan.bound_by,
                      .slots = plan.slots,
                      .loads = plan.loads,
                      .found = plan.found,
                      .load = plan.load};
  say(launch);
}

void Core::State::interrupt_if_needed(std::uint32_t d) {
  Device& device = devices[d];
  if (device.step_limit == 1 || device.interrupted) return;
  const std::uint32_t first = devices.first(pool, d);
  const bool somebody_new =
      first != kNobody && (first != device.first_at_launch || pool.id(first).generation != device.first_generation);
  const bool may_join = somebody_new && devices.running(d) < fleet.pools[devices.pool_of(d)].max_sequences;
  if (!may_join && !device.wanted && !device.cancel_asked && !device.lost && !power.must_end(d)) return;
  device.interrupted = true;
  ++ledger.interrupts;
  const Interrupt interrupt{.run = {d, device.run}, .device = {d}};
  say(interrupt);
}

void Core::State::apply(const RunEnded& e) {
  CHECK(e.device.value < devices.size());
  Device& device = devices[e.device.value];
  if (e.run != RunId{e.device.value, device.run}) {
    ++ledger.late_run_ends;
    return;
  }
  CHECK_WHY(!device.idle() && e.slots.size() == device.slots_in_run,
            "one RunEnded per Launch, with all its slots (C2)");
  device.step_limit = 0;
  device.interrupted = device.cancel_asked = device.wanted = false;
  devices.touch(e.device.value);
  turns_idle(e.device.value);

  std::int64_t read = 0, pairs = 0, context = 0, decoding = 0;
  bool failed = false;
  for (const SlotEnd& slot : e.slots) {
    const std::uint32_t i = slot.sequence.index;
    CHECK_WHY(pool.id(i) == slot.sequence && pool[i].planned > 0, "a RunEnded names the slots of its Launch");
    if (const std::int32_t reads = slot.prefilled.count(); reads > 0)
      read += reads, pairs += prefill_pairs(reads, pool[i].context);
    else if (!pool[i].reading())
      context += pool[i].context, ++decoding;
    failed |= slot.fate == SlotFate::failed;
    slot_ended(e.device.value, pool[i], i, slot, e.steps > 0);
  }
  if (e.steps > 0 && !failed) {
    const StepCost& cost = tables[fleet.pools[devices.pool_of(e.device.value)].cost];
    const auto n = static_cast<std::uint32_t>(e.slots.size());
    const Picoseconds said = read > 0 ? cost.step(n, read, pairs, context + decoding)  // a run of one step
                                      : cost.decode_steps(n, context, e.steps);
    if (said.count() > 0) devices.learns_pace(e.device.value, now - device.launched - device.load, said);
  }
  // Decodes wait for adapters as they do for prompts.
  devices.spent_on_prefill(e.device.value, time_to_read(e.device.value, read, pairs) + device.load, now);
  if (std::exchange(device.lost, false)) lose_running(e.device.value);
}

// A device's pace was learnt beside what costs said before: what they say now of its present step is taken off it.
void Core::State::apply(const CostCorrected& e) {
  CHECK_WHY(e.row.value < tables.rows.size() && in_bounds(e.scales) && in_bounds(e.spread),
            "a correction is of a row that there is");
  ++ledger.corrections;
  StepCost& row = tables.rows[e.row.value];
  const auto each = [&](auto&& act) {
    for (const PoolView& facts : fleet.pools)
      if (facts.cost == e.row && facts.kind == PoolKind::stepped)
        for (std::uint32_t d = facts.first_device; d < facts.first_device + facts.devices; ++d)
          act(d, devices.step_now(d, row));
  };
  each([&](std::uint32_t d, Picoseconds step) { steps_as_were[d] = step; });
  const CorrectedBy& by = corrected_by[e.row.value] = {e.scales, e.error_permille, e.spread};
  row.correct(costs_as_said[e.row], by);
  if (policies.quantile != Quantile::none)
    at_quantile.rows[e.row.value].correct(costs_as_said[e.row], yard::at_quantile(by, policies.quantile));
  each([&](std::uint32_t d, Picoseconds step) { devices.keeps_pace(d, steps_as_were[d], step); });
  placement.costs_changed(e.row);
}

void Core::State::slot_ended(std::uint32_t d, Sequence& s, std::uint32_t i, const SlotEnd& slot, bool stepped) {
  const bool was_reading = s.reading();
  const std::int32_t read = slot.prefilled.count(), generated = slot.generated.count();
  const bool failed = slot.fate == SlotFate::failed;
  const std::int32_t least = slot.fate == SlotFate::stopped ? 0 : 1;  // the model may end it without a token
  const bool kept = was_reading ? read == s.planned && generated <= 1 : read == 0 && generated >= least;
  const bool idle = !stepped && read == 0 && generated == 0 && slot.fate == SlotFate::running;
  CHECK_WHY(failed || (stepped ? kept : idle), "a slot reads what it was asked to, or generates one token a step");
  CHECK_WHY(s.generated + generated <= std::max(s.output_limit, 0), "no device generates beyond the limit");

  const std::int32_t grown = was_reading ? read : generated;
  if (was_reading && read < s.planned) devices.plans_to_read(d, read - s.planned);  // what was not read comes back
  s.planned = 0;
  s.context += grown;
  s.generated += generated;
  devices.grows(d, grown);
  if (generated > 0) {
    if (s.first_token == Time::never()) s.first_token = slot.first_token;
    s.last_token = slot.last_token;
    if (deadlines.some()) deadlines.has_first_token(i, s);
  }

  Device& device = devices[d];
  const std::int32_t keeps = blocks_for(Tokens(s.context), fleet.pools[devices.pool_of(d)].block_tokens).count();
  const std::int32_t own = keeps - devices.shared_blocks(d, s);
  CHECK_WHY(own <= s.blocks, "no sequence outgrows its lease");
  device.free_blocks += s.blocks - own;
  s.blocks = own;
  if (was_reading && !s.reading()) signals.read(s, now);
  if (was_reading && !s.reading() && s.prefix_blocks > 0) devices.shares(d, s, now);
  if (!s.reading()) devices.commits(d, s, keeps);
  if (was_reading && !s.reading() && !failed && s.state != SequenceState::cancelling) fork(i);

  if (failed)
    end(i, Outcome::failed, Reason::device_failed);
  else if (slot.fate != SlotFate::running)
    end(i, Outcome::done, Reason::none);
  else if (s.state == SequenceState::cancelling)
    end(i, Outcome::cancelled, Reason::none);
  else if (!s.reading() && !device.lost && fleet.pools[devices.pool_of(d)].role == PoolRole::prefill)
    has_read(d, i);
}

Duration Core::State::time_to_read(std::uint32_t device, std::int64_t tokens, std::int64_t pairs) const {
  return Duration(tables[fleet.pools[devices.pool_of(device)].cost].reading(tokens, pairs).count() / 1000);
}

}  // namespace yard
