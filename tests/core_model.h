// What Core must say to any events whatever: the reference's stages (reference.h), driven by events instead of by time,
// with stepped devices that come, go and fail. And which pairs of (state, event) of the page's two tables were met on
// the way.
//
// It knows every sequence's state because it predicts every command: the test holds each poll against Core's.
#pragma once
#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "scheduler/core/core.h"
#include "tests/reference.h"

namespace yard {

using Visited = std::set<std::pair<std::string_view, std::string_view>>;

class CoreModel : private reference::Simulator {
  using Sequence = reference::Sequence;
  using Device = reference::Device;
  using Stage = reference::Stage;

 public:
  CoreModel(const FleetView& the_fleet, const CostTables& the_costs, const reference::Options& the_options, Visited& v)
      : Simulator(the_fleet, the_costs, {}, the_options),
        generations_(devices.size()),
        latest_expiry_(fleet.classes.size()),
        idle_(fleet.pools.size()),
        idle_beside_work_(fleet.pools.size()),
        visited_(v) {}

  void apply(const Event& event, Time now) {
    advance(now);
    std::visit([&](const auto& e) { apply_fact(e); }, event);
  }

  // Returns: a line for each command that Core must say, in order.
  std::vector<std::string> poll(Time now) {
    advance(now);
    said_.clear();
    say_endings();
    shed_the_impatient();
    say_endings();
    while (!arrived_.empty()) {
      const std::size_t who = arrived_.front();
      arrived_.erase(arrived_.begin());
      place(who);
      say_endings();
    }
    lose_the_unbound();
    say_endings();
    bind_from_queues();
    for (std::uint32_t d = 0; d < devices.size(); ++d) {
      if (devices[d].run)
        interrupt(d);
      else
        launch(d);
    }
    look_who_idles();
    return said_;
  }

  std::size_t in_flight() const override { return passed_.size(); }  // as the door counts them
  bool waits(std::size_t who) const override { return passed_.contains(who) && sequences[who].stage != Stage::running; }
  Duration idle_beside_work(PoolId pool) const { return idle_beside_work_[pool.value]; }
  Time next_wakeup() const {
    Time next = Time::never();
    for (const auto& [who, expiry] : expiry_) next = std::min(next, expiry);
    return next;
  }

  // ---- a line for each command; the names that Core gives to sequences are its own ----------------------------------

  static std::string text_of(const Command& command) {
    if (const auto* launch = std::get_if<Launch>(&command)) {
      std::string text = text_of_launch(launch->device.value, launch->run, launch->step_limit, launch->bound_by);
      for (const yard::Slot& slot : launch->slots) text += text_of_slot(slot);
      return text;
    }
    if (const auto* interrupt = std::get_if<Interrupt>(&command))
      return "interrupt " + std::to_string(interrupt->device.value) + " run " + text_of(interrupt->run);
    const auto* f = std::get_if<Finish>(&command);
    return f ? text_of_finish(f->request, reference::ending_of(0, *f)) : "a command to a served device";
  }

 private:
  // ---- time, and what is counted by it ------------------------------------------------------------------------------

  void advance(Time now) {
    for (std::size_t p = 0; p < idle_.size(); ++p) idle_beside_work_[p] += (now - settled_) * idle_[p];
    now_ = settled_ = now;
  }
  void look_who_idles() {
    for (std::size_t p = 0; p < idle_.size(); ++p) {
      const PoolView& pool = fleet.pools[p];
      const bool work = std::any_of(passed_.begin(), passed_.end(), [&](std::size_t who) {
        return sequences[who].request.model == pool.model && sequences[who].stage != Stage::running;
      });
      const auto idles = [&](const Device& device) { return device.pool == &pool && !device.run; };
      idle_[p] = work ? std::count_if(devices.begin(), devices.end(), idles) : 0;
    }
  }

  // ---- facts --------------------------------------------------------------------------------------------------------

  void apply_fact(const Submitted& e) {
    visit("none", "Submitted");
    const std::size_t who = sequences.size();
    const auto row = static_cast<std::uint32_t>(who);
    sequences.push_back(Sequence{.request = {.row = row,
                                             .arrival = e.arrival,
                                             .prompt = e.prompt,
                                             .output = Tokens::max(),
                                             .max_output = e.max_output,
                                             .model = e.model,
                                             .slo = e.slo,
                                             .tenant = e.tenant,
                                             .regions = e.regions},
                                 .stage = Stage::at_door,
                                 .to_read = e.prompt.count()});
    sequences.back().device = DeviceId::kNone;
    ids_.push_back(e.request);
    who_[e.request] = who;
    arrived_.push_back(who);
    if (const Duration patience = fleet.classes[e.slo.value].patience; patience.count() > 0) {
      Time& latest = latest_expiry_[e.slo.value];
      expiry_[who] = latest = std::max(latest, e.arrival + patience);
    }
  }

  void apply_fact(const CancelAsked& e) {
    const auto at = who_.find(e.request);
    const bool over = at == who_.end() || sequences[at->second].stage == Stage::ended;
    visit(over ? "none" : state_of(at->second), "CancelAsked");
    if (over) return;
    Sequence& s = sequences[at->second];
    if (s.cancelling) return;
    if (s.stage == Stage::running && in_run(at->second))
      s.cancelling = true;
    else
      end(at->second, Outcome::cancelled, Reason::none);
  }

  void apply_fact(const RunEnded& e) {
    const std::uint32_t d = e.device.value;
    Device& device = devices[d];
    const bool its = device.run && e.run == RunId{d, generations_[d]};
    visit(state_of(device), its ? "RunEnded, its run" : "RunEnded, another");
    if (!its) return;
    const reference::Run run = *device.run;
    std::vector<std::string_view> states;
    for (const reference::Slot& slot : run.slots) states.push_back(state_of(slot.who));
    const auto failed = [](const SlotEnd& slot) { return slot.fate == SlotFate::failed; };
    if (e.steps > 0 && std::none_of(e.slots.begin(), e.slots.end(), failed)) {
      std::int64_t said = 0;
      for (std::uint32_t step = 1; step <= e.steps; ++step) said += step_cost(device, run, step);
      reference::learn_pace(device, now_ - run.launch, said);
    }
    device.run.reset();
    for (std::size_t k = 0; k < run.slots.size(); ++k) {
      visit(states[k], e.slots[k].fate == SlotFate::running  ? "slot running"
                       : e.slots[k].fate == SlotFate::failed ? "slot failed"
                                                             : "slot ended");
      slot_ended(device, run.slots[k], e.slots[k]);
    }
    if (std::exchange(device.lost, false)) lose_running(device);
  }

  void apply_fact(const auto&) { CHECK_WHY(false, "served devices are not this model's"); }

  void slot_ended(const Device& device, const reference::Slot& slot, const SlotEnd& e) {
    Sequence& s = sequences[slot.who];
    s.context += slot.reads > 0 ? e.prefilled.count() : e.generated.count();
    s.generated += e.generated.count();
    if (e.generated.count() > 0) {
      if (s.first_token == Time::never()) s.first_token = e.first_token;
      s.last_token = e.last_token;
    }
    s.blocks = device.blocks_for(s.context);
    if (e.fate == SlotFate::failed) {
      end(slot.who, Outcome::failed, Reason::device_failed);
    } else if (e.fate != SlotFate::running) {
      scorers_.learn_from(s);
      end(slot.who, Outcome::done, Reason::none);
    } else if (s.cancelling) {
      end(slot.who, Outcome::cancelled, Reason::none);
    }
  }

  void apply_fact(const DeviceChanged& e) {
    Device& device = devices[e.device.value];
    const std::string_view change = e.state == DeviceState::up         ? "up"
                                    : e.state == DeviceState::draining ? "draining"
                                                                       : "down";
    visit(state_of(device), change);
    if (device.state == e.state) return;
    for (const std::size_t who : device.line) visit(state_of(who), change);
    for (const std::size_t who : device.running) visit(state_of(who), change);
    device.state = e.state;
    if (e.state == DeviceState::up) return;
    went_ = change;
    for (const std::size_t who : sorted(device.line)) {
      sequences[who].stage = Stage::at_door;
      arrived_.push_back(who);
    }
    device.line.clear();
    if (e.state != DeviceState::down) return;
    if (device.run)
      device.lost = true;
    else
      lose_running(device);
  }

  void lose_running(Device& device) {
    while (!device.running.empty()) {
      const std::size_t who = device.running.front();
      const bool cancelled = sequences[who].cancelling;
      end(who, cancelled ? Outcome::cancelled : Outcome::failed, cancelled ? Reason::none : Reason::device_lost);
    }
  }

  // ---- decisions ----------------------------------------------------------------------------------------------------

  void shed_the_impatient() {
    std::vector<std::pair<Time, std::size_t>> due;
    for (const auto& [who, expiry] : expiry_) {
      if (expiry <= now_) due.push_back({expiry, who});
    }
    std::sort(due.begin(), due.end());
    for (const auto& [expiry, who] : due) end(who, Outcome::rejected, Reason::shed);
  }

  void place(std::size_t who) {
    Sequence& s = sequences[who];
    if (!passed_.contains(who)) {
      const std::vector<std::size_t> victims = give_way_to(who);
      const Reason why = refusal(s, !victims.empty());
      if (why != Reason::none) return end(who, Outcome::rejected, why);
      if (!victims.empty()) end(victims.front(), Outcome::rejected, Reason::shed);
      passed_.insert(who);
    }
    if (options.bind == "room") {
      s.stage = Stage::unbound;
      queues_[s.request.model.value].push_back(who);
      return;
    }
    const std::vector<std::uint32_t> candidates = eligible(s);
    if (candidates.empty()) return end(who, Outcome::failed, Reason::device_lost);
    bind(who, scorers_.choose(s, candidates));
  }

  void lose_the_unbound() {
    if (went_.empty()) return;
    for (const std::vector<std::size_t>& queue : std::vector(queues_)) {
      for (const std::size_t who : queue) {
        const bool lost = eligible(sequences[who]).empty();
        visit(lost ? "unbound, none eligible left" : "unbound, others eligible", went_);
        if (lost) end(who, Outcome::failed, Reason::device_lost);
      }
    }
    went_ = {};
  }

  void launch(std::uint32_t d) {
    Device& device = devices[d];
    const std::int64_t preempted_before = preemptions_;
    plan(d);
    for (const std::size_t who : device.running) expiry_.erase(who);
    if (!device.run) return;
    ++generations_[d];
    std::int64_t tokens = 0;
    std::string slots;
    for (const reference::Slot& slot : device.run->slots) {
      const Sequence& s = sequences[slot.who];
      tokens += slot.step_tokens();
      slots += text_of_slot({.sequence = {},
                             .request = ids_[slot.who],
                             .context = Tokens(s.context),
                             .prefill = Tokens(slot.reads),
                             .generated = Tokens(s.generated),
                             .output_limit = Tokens(s.limit),
                             .granted = Blocks(s.blocks),
                             .answer = 0,
                             .adapter = {},
                             .samples = s.context + slot.step_tokens() >= s.to_read});
    }
    const PoolView& pool = *device.pool;
    const BoundBy bound_by = preemptions_ > preempted_before               ? BoundBy::kv
                             : device.line.empty()                         ? BoundBy::work
                             : tokens == pool.token_budget.count()         ? BoundBy::tokens
                             : device.running.size() == pool.max_sequences ? BoundBy::sequences
                             : out_of_time_                                ? BoundBy::tokens
                                                                           : BoundBy::kv;
    said_.push_back(text_of_launch(d, {d, generations_[d]}, device.run->step_limit, bound_by) + slots);
  }

  void interrupt(std::uint32_t d) {
    const bool before = devices[d].run->interrupted.has_value();
    interrupt_if_due(devices[d]);
    if (devices[d].run->interrupted.has_value() != before)
      said_.push_back("interrupt " + std::to_string(d) + " run " + text_of(RunId{d, generations_[d]}));
  }

  // ---- ends ---------------------------------------------------------------------------------------------------------

  void end(std::size_t who, Outcome outcome, Reason why) {
    std::erase(arrived_, who);
    expiry_.erase(who);
    passed_.erase(who);
    finish(who, outcome, why);
  }
  void say_endings() {
    for (; endings_said_ < endings_.size(); ++endings_said_) {
      reference::Ending ending = endings_[endings_said_];
      const RequestId id = ids_[ending.row];
      who_.erase(id);
      ending.row = 0;
      ending.finish = now_;
      said_.push_back(text_of_finish(id, ending));
    }
  }

  // ---- names --------------------------------------------------------------------------------------------------------

  std::string_view state_of(std::size_t who) const {
    const Sequence& s = sequences[who];
    switch (s.stage) {
      case Stage::at_door: return "arrived";
      case Stage::unbound: return "unbound";
      case Stage::in_line: return "bound";
      case Stage::running: return s.cancelling ? "cancelling" : in_run(who) ? "in a run" : "between runs";
      case Stage::read:
      case Stage::moving:  // no fleet of its has roles
      case Stage::to_come:
      case Stage::ended: return "none";
    }
    return "";
  }
  static std::string_view state_of(const Device& device) {
    switch (device.state) {
      case DeviceState::up: return device.run ? "device in run, up" : "device idle, up";
      case DeviceState::draining: return device.run ? "device in run, draining" : "device idle, draining";
      case DeviceState::down: return device.run ? "device in run, down" : "device idle, down";
    }
    return "";
  }
  void visit(std::string_view state, std::string_view event) { visited_.insert({state, event}); }

  static std::string text_of(RunId run) { return std::to_string(run.index) + '/' + std::to_string(run.generation); }
  static std::string text_of_launch(std::uint32_t d, RunId run, std::uint32_t steps, BoundBy bound_by) {
    return "launch " + std::to_string(d) + " run " + text_of(run) + " steps " + std::to_string(steps) + " bound by " +
           std::string(name_of(bound_by));
  }
  static std::string text_of_slot(const yard::Slot& s) {
    std::string text = " [request " + std::to_string(s.request.index) + '/' + std::to_string(s.request.generation);
    text += " context " + std::to_string(s.context.count()) + " prefill " + std::to_string(s.prefill.count());
    text += " generated " + std::to_string(s.generated.count()) + " limit " + std::to_string(s.output_limit.count());
    return text + " granted " + std::to_string(s.granted.count()) + (s.samples ? " samples]" : "]");
  }
  static std::string text_of_finish(RequestId request, const reference::Ending& ending) {
    return "finish " + std::to_string(request.index) + '/' + std::to_string(request.generation) + ' ' +
           reference::text_of(ending);
  }

  std::vector<RequestId> ids_;              // by number of submission
  std::map<RequestId, std::size_t> who_;    // those not yet said to have ended
  std::set<std::size_t> passed_;            // the door, and not ended
  std::map<std::size_t, Time> expiry_;      // of the patience of those never admitted
  std::vector<std::uint32_t> generations_;  // of each device's latest run
  std::vector<Time> latest_expiry_;         // by class
  std::vector<std::int64_t> idle_;          // devices beside work since the last poll, by pool
  std::vector<Duration> idle_beside_work_;
  Time settled_;
  std::string_view went_;  // what some device became since the last poll, if it is not up
  std::size_t endings_said_ = 0;
  std::vector<std::string> said_;
  Visited& visited_;
};

}  // namespace yard
