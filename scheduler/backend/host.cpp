#include "scheduler/backend/host.h"

#include <exception>
#include <utility>

#include <fmt/format.h>

#include "scheduler/base/check.h"

// What a slot of the present step did.
struct switchyard::StepSlot::Backing {
  yard::HostDevice* device;
  std::uint32_t index;
  bool samples, emitted, stopped, misused;

  void emit(Token token) noexcept;
};

void switchyard::StepSlot::emit(Token token) noexcept { backing->emit(token); }
void switchyard::StepSlot::stop() noexcept { backing->stopped = true; }

void switchyard::StepSlot::Backing::emit(Token token) noexcept {
  yard::HostDevice& d = *device;
  if (emitted || !samples) {
    misused = true;
    return;
  }
  yard::SlotEnd& end = d.ends_[index];
  const yard::Time now = d.shard_.now();  // before the caller can see it
  if (!d.slab_.emit(d.slots_[index].request, token)) {
    misused = true;
    return;
  }
  emitted = true;
  if (end.generated.count() == 0) end.first_token = now;
  end.last_token = now;
  end.generated += yard::Tokens(1);
}

namespace yard {

HostDevice::HostDevice(HostFacts facts, RequestSlab& slab, Shard& shard)
    : facts_(std::move(facts)), slab_(slab), shard_(shard) {
  slots_.reserve(facts_.max_sequences);
  ends_.reserve(facts_.max_sequences);
  views_.resize(facts_.max_sequences);
  backings_.resize(facts_.max_sequences);
  copies_.reserve(static_cast<std::size_t>(facts_.token_budget.count()) + facts_.max_sequences);
  thread_ = std::thread([this] { run(); });
}

HostDevice::~HostDevice() {
  closing_.raise();
  parking_.ring();
  thread_.join();
}

// ---- the shard's thread --------------------------------------------------------------------------------------------

void HostDevice::launch(const Launch& launch) noexcept {
  CHECK(launch.slots.size() <= facts_.max_sequences && launch.step_limit > 0);
  slots_.assign(launch.slots.begin(), launch.slots.end());  // within its capacity
  CHECK(lane_.push({launch.run, launch.step_limit}));
  parking_.ring();
}

void HostDevice::interrupt(const Interrupt& interrupt) noexcept {
  CHECK(lane_.push({interrupt.run, 0}));  // no ring: heard at the next step boundary, or late and without effect
}

// ---- the device's thread -------------------------------------------------------------------------------------------

void HostDevice::run() noexcept {
  for (;;) {
    const bool closing = closing_.up();
    Order order;
    if (lane_.pop(order)) {
      if (order.step_limit > 0) run_steps(order);
      continue;
    }
    if (closing) return;
    parking_.wait_until(Parking::kForever);
  }
}

void HostDevice::run_steps(const Order& order) noexcept {
  begin_run();
  RunEnd why;
  std::uint32_t steps = 0;
  for (;;) {
    show_slots();
    const bool whole = step();
    ++steps;
    if (!whole) {
      for (SlotEnd& end : ends_) end.fate = SlotFate::failed;
      why = RunEnd::device_failed;
      break;
    }
    const bool ended = account_step();
    const bool stop = interrupted(order.run);
    if (ended) {
      why = RunEnd::slot_ended;
    } else if (reads_) {
      why = RunEnd::prefill_done;
    } else if (steps == order.step_limit) {
      why = RunEnd::step_limit;
    } else if (outgrows_grant()) {
      why = RunEnd::kv_exhausted;
    } else if (stop) {
      why = RunEnd::interrupted;
    } else {
      continue;
    }
    break;
  }
  shard_.tell(RunEnded{
      .run = order.run, .device = DeviceId{order.run.index}, .why = why, .steps = steps, .energy = {}, .slots = ends_});
}

void HostDevice::begin_run() noexcept {
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

void HostDevice::show_slots() noexcept {
  copies_.clear();
  for (std::uint32_t i = 0; i < slots_.size(); ++i) {
    const Slot& slot = slots_[i];
    const bool decodes = slot.prefill.count() == 0;
    const Tokens context = decodes ? slot.context + ends_[i].generated : slot.context;
    const bool samples = (decodes || slot.samples) && slot.generated < slot.output_limit;
    backings_[i] = {
        .device = this, .index = i, .samples = samples, .emitted = false, .stopped = false, .misused = false};
    views_[i] = {.sequence = slot.sequence.bits(),
                 .context = static_cast<std::uint32_t>(context.count()),
                 .input = slab_.read(slot.request, context, decodes ? Tokens(1) : slot.prefill, copies_),
                 .kv_blocks = {},
                 .samples = samples,
                 .backing = &backings_[i]};
  }
}

// Returns: false when the function threw.
bool HostDevice::step() noexcept {
  switchyard::StepView view{{views_.data(), slots_.size()}};
  try {
    facts_.step(view);
    return true;
  } catch (const std::exception& e) {
    log(e.what());
  } catch (...) {
    log("an exception that is no std::exception");
  }
  return false;
}

// Returns: whether a slot ended.
bool HostDevice::account_step() noexcept {
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
bool HostDevice::outgrows_grant() const noexcept {
  for (std::uint32_t i = 0; i < slots_.size(); ++i) {
    const Tokens next = slots_[i].context + ends_[i].generated + Tokens(1);
    if (blocks_for(next, facts_.block_tokens) > slots_[i].granted) return true;
  }
  return false;
}

bool HostDevice::interrupted(RunId run) noexcept {
  bool yes = false;
  // Until this run's end is told the lane holds Interrupts only: this run's, or late ones of runs before.
  for (Order order; lane_.pop(order);) yes |= order.run == run;
  return yes;
}

void HostDevice::log(std::string_view what) const noexcept {
  if (!facts_.log) return;
  try {
    facts_.log(fmt::format("device '{}': {}", facts_.name, what));
  } catch (...) {  // the user's function: what it throws is no business of ours
  }
}

}  // namespace yard
