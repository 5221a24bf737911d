#include "scheduler/backend/stepper.h"

#include <utility>

#include <fmt/format.h>

#include "scheduler/base/check.h"

// What a slot of the present step did.
struct switchyard::StepSlot::Backing {
  yard::Stepper* device;
  std::uint32_t index;
  bool samples, emitted, stopped, misused;

  void emit(Token token) noexcept;
};

void switchyard::StepSlot::emit(Token token) noexcept { backing->emit(token); }
void switchyard::StepSlot::stop() noexcept { backing->stopped = true; }

void switchyard::StepSlot::Backing::emit(Token token) noexcept {
  yard::Stepper& d = *device;
  if (emitted || !samples) {
    misused = true;
    return;
  }
  yard::SlotEnd& end = d.ends_[index];
  const yard::Time now = d.shard_.now();  // before the caller can see it
  if (!d.slab_.emit(d.slots_[index].request, d.slots_[index].answer, token)) {
    misused = true;
    return;
  }
  emitted = true;
  if (end.generated.count() == 0) end.first_token = now;
  end.last_token = now;
  end.generated += yard::Tokens(1);
}

namespace yard {

Stepper::Stepper(StepperFacts facts, RequestSlab& slab, Shard& shard)
    : facts_(std::move(facts)), slab_(slab), shard_(shard) {
  slots_.reserve(facts_.max_sequences);
  ends_.reserve(facts_.max_sequences);
  views_.resize(facts_.max_sequences);
  backings_.resize(facts_.max_sequences);
  copies_.reserve(static_cast<std::size_t>(facts_.token_budget.count()) + facts_.max_sequences);
}

Stepper::~Stepper() = default;

// ---- the shard's thread --------------------------------------------------------------------------------------------

void Stepper::launch(const Launch& launch) noexcept {
  CHECK(launch.slots.size() <= facts_.max_sequences && launch.step_limit > 0);
  slots_.assign(launch.slots.begin(), launch.slots.end());  // within its capacity
  CHECK(lane_.push({launch.run, launch.step_limit}));
}

void Stepper::interrupt(const Interrupt& interrupt) noexcept { CHECK(lane_.push({interrupt.run, 0})); }

// ---- the device's thread -------------------------------------------------------------------------------------------

bool Stepper::take() noexcept {
  for (Order order; lane_.pop(order);) {
    if (order.step_limit == 0) continue;  // of a run that has ended
    begin(order);
    return true;
  }
  return false;
}

void Stepper::begin(const Order& order) noexcept {
  run_ = order;
  steps_ = 0;
  goes_on_ = true;
  ends_.clear();
  reads_ = false;
  for (const Slot& slot : slots_) {
    reads_ |= slot.prefill.count() > 0;
    ends_.push_back({.sequence = slot.sequence,
                     .prefilled = {},
                     .generated = {},
                     .first_token = Time::never(),
                     .last_token = Time::never(),
                     .fate = SlotFate::running});
  }
}

switchyard::StepView Stepper::show() noexcept {
  CHECK(goes_on_);
  ++steps_;
  copies_.clear();
  for (std::uint32_t i = 0; i < slots_.size(); ++i) {
    const Slot& slot = slots_[i];
    const bool decodes = slot.prefill.count() == 0;
    const Tokens context = decodes ? slot.context + ends_[i].generated : slot.context;
    const bool samples = (decodes || slot.samples) && slot.generated < slot.output_limit;
    backings_[i] = {
        .device = this, .index = i, .samples = samples, .emitted = false, .stopped = false, .misused = false};
    views_[i] = {
        .sequence = slot.sequence.bits(),
        .context = static_cast<std::uint32_t>(context.count()),
        .input = slab_.read(slot.request, slot.answer, context, decodes ? Tokens(1) : slot.prefill, copies_),
        .kv_blocks = {},
        .samples = samples,
        .scores = slot.samples && slot.output_limit == Tokens(0),
        .tag = slab_.tag(slot.request),
        .adapter = slot.adapter.some() ? std::string_view(facts_.adapters[slot.adapter.value]) : std::string_view(),
        .answer = slot.answer,
        .backing = &backings_[i]};
  }
  return {{views_.data(), slots_.size()}};
}

void Stepper::book() noexcept {
  const bool ended = account_step();
  const bool stop = interrupted();
  if (ended) {
    end(RunEnd::slot_ended);
  } else if (reads_) {
    end(RunEnd::prefill_done);
  } else if (steps_ == run_.step_limit) {
    end(RunEnd::step_limit);
  } else if (outgrows_grant()) {
    end(RunEnd::kv_exhausted);
  } else if (stop) {
    end(RunEnd::interrupted);
  }
}

void Stepper::fail() noexcept {
  for (SlotEnd& slot : ends_) slot.fate = SlotFate::failed;
  end(RunEnd::device_failed);
}

void Stepper::finish() noexcept {
  if (goes_on_) end(RunEnd::interrupted);
  shard_.tell(RunEnded{
      .run = run_.run, .device = DeviceId{run_.run.index}, .why = why_, .steps = steps_, .energy = {}, .slots = ends_});
}

void Stepper::end(RunEnd why) noexcept {
  why_ = why;
  goes_on_ = false;
}

// Returns: whether a slot ended.
bool Stepper::account_step() noexcept {
  bool some = false;
  for (std::uint32_t i = 0; i < slots_.size(); ++i) {
    const Slot& slot = slots_[i];
    const switchyard::StepSlot::Backing& did = backings_[i];
    SlotEnd& end = ends_[i];
    end.prefilled = slot.prefill;
    if (did.misused || (did.samples && !did.emitted && !did.stopped)) {
      end.fate = SlotFate::failed;
      if (!std::exchange(told_, true))
        log("a slot that samples must emit one token or stop(), and no other slot may emit");
    } else if (did.stopped) {
      end.fate = SlotFate::stopped;
    } else if ((slot.prefill.count() == 0 || slot.samples) && slot.generated + end.generated >= slot.output_limit) {
      end.fate = SlotFate::length;
    }
    some |= end.fate != SlotFate::running;
  }
  return some;
}

// Whether another decode step would hold more KV than Core has leased: Core's step limit keeps a run from getting
// there.
bool Stepper::outgrows_grant() const noexcept {
  for (std::uint32_t i = 0; i < slots_.size(); ++i) {
    const Tokens next = slots_[i].context + ends_[i].generated + Tokens(1);
    if (blocks_for(next, facts_.block_tokens) > slots_[i].granted) return true;
  }
  return false;
}

bool Stepper::interrupted() noexcept {
  bool yes = false;
  // Until this run's end is told the lane holds Interrupts only: this run's, or late ones of runs before.
  for (Order order; lane_.pop(order);) yes |= order.run == run_.run;
  return yes;
}

void Stepper::log(std::string_view what) const noexcept {
  if (!facts_.log) return;
  try {
    facts_.log(fmt::format("device '{}': {}", facts_.name, what));
  } catch (...) {  // the user's function: what it throws is no business of ours
  }
}

}  // namespace yard
