#include "scheduler/backend/sim_stepped.h"

#include <algorithm>
#include <span>

namespace yard {

SimStepped::SimStepped(const FleetView& fleet, const CostTables& tables, const Bounds& bounds, Exact exact)
    : exact_(exact),
      runs_(fleet.devices()),
      outputs_(std::size_t{bounds.sequences} + bounds.events_per_tick),
      last_tokens_(outputs_.size()) {
  paces_.reserve(fleet.devices());
  for (const PoolView& pool : fleet.pools)
    paces_.insert(paces_.end(), pool.devices, Pace{&tables[pool.cost], tables.profile(pool.cost)});
}

Picoseconds SimStepped::after(Run& run, const Pace& pace, std::uint32_t steps) {
  const std::uint32_t n = run.slot_count;
  if (pace.kernels) return summed(run, *pace.kernels, steps);
  if (run.prefill > 0) return pace.row->step(n, run.prefill, run.pairs, run.context + run.decoding);
  return pace.row->decode_steps(n, run.context, steps);
}

// A decode holds a token more with each step.
Picoseconds SimStepped::summed(Run& run, const OperatorProfile& kernels, std::uint32_t steps) {
  while (run.sums.size() < steps) {
    const auto passed = static_cast<std::int64_t>(run.sums.size());
    const Picoseconds step = kernels.step({.slots = run.slot_count,
                                           .read = run.prefill,
                                           .read_behind = run.behind,
                                           .decoding = run.decoding,
                                           .decode_context = run.context + passed * run.decoding,
                                           .longest = run.longest + passed});
    run.sums.push_back(passed == 0 ? step : run.sums.back() + step);
  }
  return run.sums[steps - 1];
}

Time SimStepped::boundary(Run& run, const Pace& pace, std::uint32_t steps) {
  return run.start + ceil_to_ns(after(run, pace, steps));
}

Time SimStepped::launch(const Launch& launch, Time now) {
  Run& run = runs_[launch.device.value];
  run.slot_count = static_cast<std::uint32_t>(launch.slots.size());
  if (run.slots.size() < run.slot_count) run.slots.resize(run.slot_count);
  SlotState* state = run.slots.data();
  run.id = launch.run;
  run.start = now + launch.load;  // of its steps
  run.step_limit = launch.step_limit;
  run.done = 0;
  run.context = run.prefill = run.pairs = run.behind = run.longest = 0;
  run.sums.clear();
  run.decoding = 0;
  run.interrupted = false;
  auto steps = static_cast<std::int32_t>(launch.step_limit);
  for (const Slot& slot : launch.slots) {
    const std::int32_t end = std::min(outputs_[slot.request.index], slot.output_limit.count());
    state->sequence = slot.sequence;
    state->request = slot.request.index;
    state->prefill = slot.prefill.count();
    state->generated = slot.generated.count();
    state->end = end;
    state->samples = slot.samples;
    ++state;
    if (slot.prefill.count() > 0) {
      run.prefill += slot.prefill.count();
      run.pairs += prefill_pairs(slot.prefill.count(), slot.context.count());
      run.behind += slot.context.count();
    } else {
      ++run.decoding;
      run.context += slot.context.count();
      run.longest = std::max<std::int64_t>(run.longest, slot.context.count());
      steps = std::min(steps, end - slot.generated.count());
    }
  }
  run.most_steps = run.ends_at = run.prefill > 0 ? 1 : static_cast<std::uint32_t>(steps);
  CHECK(run.most_steps >= 1);
  return boundary(run, paces_[launch.device.value], exact_ == Exact::jump ? run.ends_at : 1);
}

// The first at or after now, of those up to its end: times grow with the steps, so halve.
std::uint32_t SimStepped::first_boundary(Run& run, const Pace& pace, Time now) {
  std::uint32_t before = 0, at = run.ends_at;
  while (at - before > 1) {
    const std::uint32_t middle = before + (at - before) / 2;
    (boundary(run, pace, middle) >= now ? at : before) = middle;
  }
  return at;
}

Time SimStepped::interrupt(const Interrupt& interrupt, Time now) {
  const std::uint32_t device = interrupt.device.value;
  Run& run = runs_[device];
  CHECK(run.id == interrupt.run);
  const Pace& pace = paces_[device];
  run.interrupted = true;
  if (exact_ == Exact::step) {
    std::uint32_t at = run.done + 1;  // unless one that has passed lies at this very instant
    while (at > 1 && boundary(run, pace, at - 1) >= now) --at;
    run.ends_at = std::min(run.ends_at, at);
    return boundary(run, pace, run.ends_at);
  }
  run.ends_at = first_boundary(run, pace, now);
  return boundary(run, pace, run.ends_at);
}

Time SimStepped::fire(std::uint32_t device, Time now, std::vector<Event>& said) {
  Run& run = runs_[device];
  const Pace& pace = paces_[device];
  run.done = exact_ == Exact::jump ? run.ends_at : std::min(run.done + 1, run.ends_at);
  CHECK(boundary(run, pace, run.done) == now);
  if (run.done < run.ends_at) return boundary(run, pace, run.done + 1);
  RunEnded end{.run = run.id,
               .device = {device},
               .why = RunEnd::interrupted,
               .steps = run.done,
               .energy = Millijoules(),
               .slots = {}};
  end_slots(run, pace, end);
  said.push_back(end);
  return Time::never();
}

void SimStepped::end_slots(Run& run, const Pace& pace, RunEnded& end) {
  const std::uint32_t steps = run.done;
  const Time first = boundary(run, pace, 1), last = boundary(run, pace, steps);
  record_gaps(run, pace, steps, first);
  // Slots are written field by field into their place: built beside it and copied, the copy waits for the stores.
  if (ends_.size() < run.slot_count) ends_.resize(run.slot_count);
  SlotEnd* out = ends_.data();
  bool any_ended = false;
  for (const SlotState& slot : std::span(run.slots).first(run.slot_count)) {
    SlotEnd& e = *out++;
    e.sequence = slot.sequence;
    e.prefilled = Tokens(slot.prefill);
    e.generated = Tokens(0);
    e.first_token = e.last_token = Time::never();
    e.fate = SlotFate::running;
    if (slot.samples) {
      const std::int32_t made = std::min(static_cast<std::int32_t>(steps), slot.end - slot.generated);
      if (made > 0) {
        e.generated = Tokens(made);
        e.first_token = first;
        e.last_token = last_tokens_[slot.sequence.index] = last;
      }
      if (slot.generated + made >= slot.end) {
        e.fate = slot.end == outputs_[slot.request] ? SlotFate::stopped : SlotFate::length;
        any_ended = true;
      }
    }
  }
  if (any_ended)
    end.why = RunEnd::slot_ended;
  else if (run.prefill > 0)
    end.why = RunEnd::prefill_done;
  else if (steps == run.step_limit)
    end.why = RunEnd::step_limit;
  end.slots = std::span(ends_).first(run.slot_count);
}

// The first gap of a slot reaches back to its last token, which most often is the run's start.
void SimStepped::record_gaps(Run& run, const Pace& pace, std::uint32_t steps, Time first) {
  std::uint64_t together = 0;
  for (const SlotState& slot : std::span(run.slots).first(run.slot_count)) {
    if (!slot.samples || slot.end <= slot.generated) continue;
    const Time before = slot.generated == 0 ? Time::never() : last_tokens_[slot.sequence.index];
    if (before == run.start)
      ++together;
    else if (before != Time::never())
      gaps_.add((first - before).count());
  }
  gaps_.add((first - run.start).count(), together);
  if (steps < 2) return;
  if (!pace.kernels) return record_decode_gaps(run, *pace.row, steps);
  for (std::uint32_t j = 2; j <= steps; ++j)
    gaps_.add((after(run, pace, j) - after(run, pace, j - 1)).count() / 1000, run.slot_count);
}

// Later steps of a decode run cost linearly more each: they are added bucket by bucket of the histogram, not one by
// one.
void SimStepped::record_decode_gaps(const Run& run, const StepCost& cost, std::uint32_t steps) {
  const std::int64_t n = run.slot_count;
  const std::int64_t base = (cost.c0(static_cast<std::uint32_t>(n)) + cost.c2() * run.context).count();
  const std::int64_t slope = (cost.c2() * n).count();  // picoseconds that each step costs more than the one before
  for (std::int64_t j = 2; j <= steps;) {
    const std::int64_t gap = (base + slope * j) / 1000;
    std::int64_t last = steps;
    if (slope > 0) {
      const std::int64_t edge = Histogram::edge_above(gap);
      if (edge <= (base + slope * last) / 1000) last = std::min(last, (edge * 1000 - 1 - base) / slope);
    }
    // Within a bucket the middle step stands for all, so that the mean stays within the bucket's width.
    gaps_.add((base + slope * ((j + last) / 2)) / 1000, static_cast<std::uint64_t>((last - j + 1) * n));
    j = last + 1;
  }
}

}  // namespace yard
