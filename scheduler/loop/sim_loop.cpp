#include "scheduler/loop/sim_loop.h"

#include <algorithm>
#include <functional>

#include "scheduler/core/ledger.h"

namespace yard {

SimLoop::SimLoop(Core& core, const Bounds& bounds, std::uint32_t devices, SimDevices& sim, SimObserver& observer)
    : core_(core),
      bounds_(bounds),
      devices_(sim),
      observer_(observer),
      wakes_(devices),
      rows_(std::size_t{bounds.sequences} + bounds.events_per_tick),
      generations_(rows_.size()),
      free_(rows_.size()) {
  for (std::uint32_t d = 0; d < devices; ++d) fire_next(d, sim.starts(d));
}

RequestId SimLoop::take_id(std::uint64_t row) {
  std::uint32_t i;
  if (free_count_ > 0) {
    i = free_[--free_count_];
  } else {
    CHECK(used_ < rows_.size());
    i = used_++;
  }
  rows_[i] = row;
  most_in_flight_ = std::max<std::uint64_t>(most_in_flight_, used_ - free_count_);
  return {i, ++generations_[i]};
}

Time SimLoop::run(ArrivalSource& source, const std::vector<Fault>& faults) {
  if (!next_) next_ = source.next();
  for (;;) {
    Time now = next_instant();
    // Cancels, faults and news of what is over do not keep the loop going.
    const bool over = now == Time::never() || (!next_ && devices_.nothing_asked());
    if (core_.ledger().in_flight == 0 && over) return last_;
    now = std::min(now, next_other(faults));
    CHECK_WHY(now != Time::never(), "a request waits for ever");
    instant(now, source, faults);
  }
}

void SimLoop::run_until(Time until, ArrivalSource& source, const std::vector<Fault>& faults) {
  CHECK(!next_);
  next_ = source.next();
  for (;;) {
    const Time now = std::min(next_instant(), next_other(faults));
    if (now >= until) break;
    instant(now, source, faults);
  }
  CHECK_WHY(!next_, "arrivals of a piece lie before its end");
}

Time SimLoop::next_instant() const {
  return std::min({wakes_.next(), links_ ? links_->next() : Time::never(), next_ ? next_->facts.arrival : Time::never(),
                   core_.next_wakeup()});
}

Time SimLoop::next_other(const std::vector<Fault>& faults) const {
  return std::min({cancels_.empty() ? Time::never() : cancels_.front().at,
                   faults_done_ < faults.size() ? faults[faults_done_].at : Time::never(),
                   news_ ? news_->next() : Time::never(), neighbours_ ? neighbours_->next() : Time::never()});
}

void SimLoop::instant(Time now, ArrivalSource& source, const std::vector<Fault>& faults) {
  ends_at(now);
  arrivals_at(now, source);
  others_at(now, faults);
  costs_at(now);
  poll(now);
  last_ = now;
}

void SimLoop::end(Time now, const std::vector<Fault>& faults) {
  others_at(now, faults);
  costs_at(now);
  poll(now);
  last_ = now;
}

void SimLoop::tell(const Event& event, Time now) {
  if (told_ == bounds_.events_per_tick) poll(now);
  ++told_;
  observer_.applied(event);
  core_.apply(event, now);
}

void SimLoop::ends_at(Time now) {
  while (wakes_.next() <= now) {
    const std::uint32_t device = wakes_.first();
    said_.clear();
    fire_next(device, devices_.fire(device, wakes_.next(), said_));
    for (const Event& event : said_) {
      if (const auto* end = std::get_if<RunEnded>(&event)) {
        observer_.run_ended(*end, now);
        if (learner_) learner_->run_ended(*end, now);
      }
      tell(event, now);
    }
  }
  while (links_ && links_->next() <= now) {
    const MoveEnded end = links_->take();
    observer_.move_ended(end, now);
    tell(end, now);
  }
}

void SimLoop::arrivals_at(Time now, ArrivalSource& source) {
  while (next_ && next_->facts.arrival <= now) {
    submit(*next_, now);
    next_ = source.next();
  }
}

void SimLoop::submit(const Arrival& arrival, Time now) {
  if (told_ == bounds_.events_per_tick) poll(now);
  const Submitted facts = take_in(arrival);
  if (arrival.cancel_at != Time::never()) {
    cancels_.push_back({std::max(arrival.cancel_at, now), arrival.row, facts.request});
    std::push_heap(cancels_.begin(), cancels_.end(), std::greater<>());
  }
  tell(facts, now);
}

RequestId SimLoop::take_over(const Arrival& arrival, ShardId victim, Time now) {
  if (told_ == bounds_.events_per_tick) poll(now);
  const Submitted facts = take_in(arrival);
  tell(Handed{.victim = victim, .facts = facts}, now);
  return facts.request;
}

// Returns: as Core is told of it, its prefix where it outlives its row.
Submitted SimLoop::take_in(const Arrival& arrival) {
  Submitted facts = arrival.facts;
  facts.request = take_id(arrival.row);
  const std::uint32_t i = facts.request.index;
  if (!facts.prefix.empty()) {
    if (prefixes_.size() <= i) prefixes_.resize(i + 1);
    prefixes_[i].assign(facts.prefix.begin(), facts.prefix.end());
    facts.prefix = prefixes_[i];
  }
  if (neighbours_) {
    if (asked_.size() <= i) asked_.resize(i + 1);
    asked_[i] = arrival;
    asked_[i].facts = facts;
  }
  devices_.arrives(facts.request, arrival.output, facts.prefix);
  return facts;
}

void SimLoop::others_at(Time now, const std::vector<Fault>& faults) {
  while (!cancels_.empty() && cancels_.front().at <= now) {
    std::pop_heap(cancels_.begin(), cancels_.end(), std::greater<>());
    tell(CancelAsked{cancels_.back().request}, now);
    cancels_.pop_back();
  }
  while (faults_done_ < faults.size() && faults[faults_done_].at <= now) tell(faults[faults_done_++].change, now);
  while (news_ && news_->next() <= now) tell(news_->take(), now);
  if (neighbours_ && neighbours_->next() <= now) neighbours_->tell(now);
}

void SimLoop::costs_at(Time now) {
  if (!learner_) return;
  for (const CostCorrected& c : learner_->corrections(now)) tell(c, now);
}

void SimLoop::poll(Time now) {
  told_ = 0;
  for (const Command& command : core_.poll(now)) {
    std::visit([&](const auto& c) { perform(c, now); }, command);
  }
  observer_.ticked(now, core_);
}

void SimLoop::perform(const Launch& launch, Time now) {
  observer_.launched(launch, now);
  if (learner_) learner_->launched(launch, now);
  fire_next(launch.device.value, devices_.launch(launch, now));
}

void SimLoop::perform(const Interrupt& interrupt, Time now) {
  observer_.interrupted(interrupt, now);
  fire_next(interrupt.device.value, devices_.interrupt(interrupt, now));
}

void SimLoop::perform(const Send& send, Time now) {
  observer_.sent(send, now);
  fire_next(send.device.value, devices_.send(send, now));
}

void SimLoop::perform(const Abort& abort, Time now) {
  observer_.aborted(abort, now);
  fire_next(abort.device.value, devices_.abort(abort, now));
}

void SimLoop::perform(const Move& move, Time now) {
  CHECK_WHY(links_, "a fleet with links has what moves over them");
  observer_.moves(move, now);
  links_->move(move, now);
}

void SimLoop::perform(const Finish& finish, Time) {
  observer_.finished(rows_[finish.request.index], finish);
  if (neighbours_) neighbours_->finished(finish.request);
  free_[free_count_++] = finish.request.index;
}

}  // namespace yard
