// Simulated engines behind a bad wire: what they say comes late, twice or never, and by a clock of their own; they fall
// silent, refuse, throttle and recover.
//
// What a port promises is kept: the words of one attempt come in their order, its first token once; and whoever has
// heard of a first token hears of an end, unless its device goes.
#pragma once
#include <algorithm>
#include <deque>
#include <map>
#include <optional>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

#include "scheduler/backend/sim_served.h"
#include "scheduler/base/rng.h"

namespace yard {

struct EngineChange {
  Time at;
  std::uint32_t device;
  EngineFault fault;
};

class BadWire final : public SimDevices {
 public:
  struct Tally {
    std::uint64_t late = 0, twice = 0, never = 0, skewed = 0;
  };

  // `longest`: how late an answer may be. `changes`: in order of time.
  BadWire(SimFleet& engines, const FleetView& fleet, Seed seed, Duration longest, std::vector<EngineChange> changes)
      : engines_(engines), longest_(longest), changes_(std::move(changes)), held_(fleet.devices()) {
    for (std::uint32_t d = 0; d < fleet.devices(); ++d) {
      rng_.push_back(Rng::stream(seed, 0x77697265 + d));
      const auto off = static_cast<std::int64_t>(rng_[d].below(2 * static_cast<std::uint64_t>(longest.count()) + 1));
      skew_.push_back(Duration(rng_[d].below(2) ? off - longest.count() : 0));
    }
  }

  Time launch(const Launch& c, Time now) override { return engines_.launch(c, now); }
  Time interrupt(const Interrupt& c, Time now) override { return engines_.interrupt(c, now); }
  Time send(const Send& c, Time now) override {
    change(now);
    return also(c.device.value, engines_.send(c, now));
  }
  Time abort(const Abort& c, Time now) override {
    change(now);
    return also(c.device.value, engines_.abort(c, now));
  }
  Time fire(std::uint32_t d, Time now, std::vector<Event>& said) override {
    change(now);
    heard_.clear();
    const Time next = engines_.fire(d, now, heard_);
    for (const Event& event : heard_) pass(d, event, now, said);
    std::deque<Late>& held = held_[d];
    for (auto it = held.begin(); it != held.end();)
      it->at <= now ? (said.push_back(it->event), it = held.erase(it)) : ++it;
    return also(d, next);
  }
  void arrives(RequestId request, Tokens output, std::span<const BlockHash> prefix) override {
    engines_.arrives(request, output, prefix);
  }
  Time starts(std::uint32_t d) override { return engines_.starts(d); }
  bool nothing_asked() const override {
    return engines_.nothing_asked() && std::ranges::all_of(held_, [](const auto& held) { return held.empty(); });
  }

  const Tally& tally() const { return tally_; }

 private:
  struct Late {
    Time at;
    Event event;
  };

  // In order; a fault counts from the first thing that is asked of any engine, or that any says, at its time or after.
  void change(Time now) {
    for (; changed_ < changes_.size() && changes_[changed_].at <= now; ++changed_)
      engines_.served().set_fault(changes_[changed_].device, changes_[changed_].fault);
  }

  Time also(std::uint32_t d, Time next) const {
    for (const Late& late : held_[d]) next = std::min(next, late.at);
    return next;
  }

  // Of one attempt.
  struct Stream {
    bool lost = false;  // nothing of it ever comes
    Time not_before{};  // since what it said before is that late
  };
  using Attempt = std::tuple<std::uint32_t, std::uint32_t, std::uint32_t>;
  static std::optional<Attempt> attempt_of(const Event& event) {
    return std::visit(
        [](const auto& e) -> std::optional<Attempt> {
          if constexpr (requires { e.attempt, e.sequence; })
            return Attempt{e.sequence.index, e.sequence.generation, e.attempt};
          else
            return std::nullopt;
        },
        event);
  }

  void pass(std::uint32_t d, const Event& event, Time now, std::vector<Event>& said) {
    if (auto report = event; auto* load = std::get_if<LoadReport>(&report)) {
      load->measured += skew_[d];
      tally_.skewed += skew_[d].count() != 0;
      return said.push_back(report);
    }
    const std::optional<Attempt> attempt = attempt_of(event);
    if (!attempt) return said.push_back(event);
    const auto [at, is_first] = streams_.try_emplace(*attempt);
    Stream& stream = at->second;
    const auto fate = rng_[d].below(16);
    if (is_first && fate == 0) stream.lost = true;
    if (stream.lost) {
      ++tally_.never;
      return;
    }
    const auto later = [&] {
      return now + Duration(1 + static_cast<std::int64_t>(rng_[d].below(static_cast<std::uint64_t>(longest_.count()))));
    };
    if (fate == 1 || fate == 2) stream.not_before = std::max(stream.not_before, later()), ++tally_.late;
    if (stream.not_before >= now)  // what is due now is told after this
      held_[d].push_back({stream.not_before, event});
    else
      said.push_back(event);
    if (std::holds_alternative<FirstToken>(event) || fate < 3 || fate > 5) return;
    ++tally_.twice;
    held_[d].push_back({std::max(stream.not_before, later()), event});
  }

  SimFleet& engines_;
  const Duration longest_;
  const std::vector<EngineChange> changes_;
  std::size_t changed_ = 0;
  std::vector<Rng> rng_;        // by device
  std::vector<Duration> skew_;  // of its clock
  std::vector<std::deque<Late>> held_;
  std::map<Attempt, Stream> streams_;
  std::vector<Event> heard_;
  Tally tally_;
};

}  // namespace yard
