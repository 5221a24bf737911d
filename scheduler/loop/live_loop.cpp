#include "scheduler/loop/live_loop.h"

#include <algorithm>
#include <exception>
#include <utility>

#include <fmt/format.h>

#include "scheduler/base/check.h"
#include "scheduler/base/input_error.h"
#include "scheduler/loop/tick.h"

namespace yard {

LiveLoop::LiveLoop(Core core, const FleetView& fleet, LiveLoopOptions options, std::unique_ptr<Recorder> recorder)
    : clock_(options.clock),
      devices_of_fleet_(fleet.devices()),
      options_(std::move(options)),
      news_(options_.news),
      shelf_(fleet.steal.some() ? fleet.steal.shelf : 1),
      core_(std::move(core)),
      meter_(fleet.classes.size()),
      recorder_(std::move(recorder)),
      batch_(options_.events_per_tick),
      self_(fleet.steal.self) {
  const auto stepped = [](const PoolView& pool) { return pool.kind == PoolKind::stepped; };
  if (options_.learn_from && std::ranges::any_of(fleet.pools, stepped)) {
    learner_.emplace(fleet, *options_.learn_from);
    learner_->restore(options_.learnt, "learnt_costs");
  }
}

LiveLoop::~LiveLoop() { stop(); }

void LiveLoop::start(std::vector<DevicePort> devices, FinishSink finished) {
  devices_ = std::move(devices);
  finished_ = std::move(finished);
  thread_ = std::thread([this] { run(); });
}

void LiveLoop::stop() noexcept {
  if (!thread_.joinable()) return;
  stop_.raise();
  parking_.ring();
  thread_.join();
}

void LiveLoop::tell(const Event& event) noexcept {
  CHECK_WHY(news_.push(event), "the inbox holds all that can be on the way (I10)");
  if (std::holds_alternative<Submitted>(event)) submitted_.add();
  parking_.ring();
}

bool LiveLoop::tell_by(std::uint32_t lane, const Submitted& facts) noexcept {
  if (!news_.push(lane, facts)) return false;
  submitted_.add();
  parking_.ring();
  return true;
}

void LiveLoop::change(const Event& change) noexcept {
  while (!changes_.push(change)) std::this_thread::yield();
  parking_.ring();
}

Ledger LiveLoop::ledger() const noexcept {
  const std::lock_guard lock(core_mutex_);
  return core_.ledger();
}

LiveSnapshot LiveLoop::snapshot() const {
  std::vector<DeviceLoad> devices(devices_of_fleet_);
  const std::lock_guard lock(core_mutex_);
  const Time now = clock_.now();
  for (std::uint32_t d = 0; d < devices.size(); ++d) devices[d] = core_.load(DeviceId{d}, now);
  return {core_.ledger(), meter_, std::move(devices)};
}

std::string LiveLoop::learnt_costs() const {
  const std::lock_guard lock(core_mutex_);
  return learner_ ? learner_->save() : std::string();
}

bool LiveLoop::summarise(ShardSummary& out) const noexcept {
  const std::unique_lock lock(core_mutex_, std::try_to_lock);
  if (lock.owns_lock()) core_.summarise(out);
  return lock.owns_lock();
}

// ---- the loop's thread ---------------------------------------------------------------------------------------------

void LiveLoop::run() noexcept {
  if (options_.at_start) options_.at_start();
  for (;;) {
    const bool stopping = stop_.up();  // before the drain: it then finds what was told before the stop
    const std::size_t events = drain();
    const Time wakeup = core_.next_wakeup();
    const Time now = time_of_tick(events);
    if (events == 0 && now < wakeup) {
      if (stopping) break;
      const bool open = recorder_ && recorder_->open();
      if (open && now >= last_ + kFrameAge) {
        recorder_->flush();
        continue;
      }
      parking_.wait_until(clock_.at(open ? std::min(wakeup, last_ + kFrameAge) : wakeup));
      continue;
    }
    last_ = now;
    const std::span<const Command> commands = decide(events, now);
    for (const Command& command : commands) std::visit([this](const auto& c) { perform(c); }, command);
    care_for_recording();
  }
  if (!recorder_) return;
  try {
    recorder_->finish();
  } catch (const InputError& e) {
    if (!recorder_failed_) log(e.what());
  }
}

std::span<const Command> LiveLoop::decide(std::size_t events, Time now) noexcept {
  const std::lock_guard lock(core_mutex_);
  if (learner_) learn({batch_.data(), events});
  const std::span<const Command> commands = tick(core_, {batch_.data(), events}, now, recorder_.get());
  for (const Command& command : commands)
    if (const auto* finish = std::get_if<Finish>(&command)) meter_.add(*finish);
  return commands;
}

std::size_t LiveLoop::drain() noexcept {
  const std::span<Event> room(batch_);
  std::size_t n = beside_.empty() ? 0 : drain_answers(room);
  if (learner_) n += drain_corrections(room.subspan(n));
  n += changes_.drain(room.subspan(n));
  return n + news_.drain(room.subspan(n));
}

// Of the last tick's ends.
std::size_t LiveLoop::drain_corrections(std::span<Event> room) noexcept {
  if (corrections_.empty() && learner_->heard()) {
    const std::lock_guard lock(core_mutex_);
    corrections_ = learner_->corrections(last_);
  }
  const std::size_t n = std::min(room.size(), corrections_.size());
  std::copy_n(corrections_.begin(), n, room.begin());
  corrections_ = corrections_.subspan(n);
  return n;
}

void LiveLoop::learn(std::span<const Event> events) noexcept {
  for (const Event& event : events)
    if (const auto* end = std::get_if<RunEnded>(&event)) learner_->run_ended(*end, last_);
}

// Threads read one steady clock, so an event's times are not after a reading made once it was drained; the maximum says
// so to Core, whatever the machine's clock does.
Time LiveLoop::time_of_tick(std::size_t events) const noexcept {
  Time now = std::max(clock_.now(), last_);
  for (std::size_t i = 0; i < events; ++i) {
    if (const auto* e = std::get_if<Submitted>(&batch_[i])) now = std::max(now, e->arrival);
    if (const auto* e = std::get_if<RunEnded>(&batch_[i]))
      for (const SlotEnd& slot : e->slots)
        if (slot.generated.count() > 0) now = std::max(now, slot.last_token);
    if (const auto* e = std::get_if<FirstToken>(&batch_[i])) now = std::max(now, e->at);
    if (const auto* e = std::get_if<LoadReport>(&batch_[i])) now = std::max(now, e->measured);
    if (const auto* e = std::get_if<Ended>(&batch_[i]); e && e->generated.count() > 0)
      now = std::max(now, e->last_token);
  }
  return now;
}

void LiveLoop::perform(const Launch& c) noexcept {
  if (learner_) learner_->launched(c, last_);
  devices_[c.device.value].stepped->launch(c);
}
void LiveLoop::perform(const Interrupt& c) noexcept { devices_[c.device.value].stepped->interrupt(c); }
void LiveLoop::perform(const Send& c) noexcept { devices_[c.device.value].served->send(c); }
void LiveLoop::perform(const Abort& c) noexcept { devices_[c.device.value].served->abort(c); }
void LiveLoop::perform(const Finish& c) noexcept { finished_(c); }

void LiveLoop::care_for_recording() noexcept {
  if (!recorder_ || recorder_failed_ || !recorder_->error()) return;
  recorder_failed_ = true;
  log(fmt::format("{}: {}; the recording ends here, requests are served on", recorder_->path(), *recorder_->error()));
}

void LiveLoop::log(std::string_view line) const noexcept {
  if (!options_.log) return;
  try {
    options_.log(line);
  } catch (...) {  // the user's function: what it throws is no business of the shard's
  }
}

}  // namespace yard
