// Random events for a Core with stepped devices, all of them such as its page allows: submissions in bursts, cancels of
// the living, the dead and the never heard of, run ends of every fate, late ones, devices that drain, go and come back.
#pragma once
#include <algorithm>
#include <deque>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "scheduler/core/command.h"
#include "scheduler/core/core.h"
#include "scheduler/core/event.h"
#include "scheduler/policy/registry.h"
#include "tests/random_case.h"

namespace yard {

// A random small fleet, orders and bounds, and a stock of requests: queues that are full now and then, patience of a
// few ticks. `scorer`: its name.
inline Case tiny_case(Seed seed, const std::string& scorer) {
  Case c = random_case(seed, 64);
  Rng rng = Rng::stream(seed, 0x74696e79);
  c.options.scorer = scorer;
  c.options.order = orders()[rng.below(orders().size())].name;
  c.options.bind = rng.below(2) ? "arrival" : "room";
  c.options.sequences = static_cast<std::uint32_t>(rng.below(4) ? 4 + rng.below(24) : 1000);
  c.options.steps_per_run = static_cast<std::uint32_t>(rng.below(4) ? 1 + rng.below(12) : 256);
  for (SloClass& slo : c.fleet.classes)
    if (slo.patience.count() > 0) slo.patience = nanoseconds(static_cast<std::int64_t>(1 + rng.below(60)));
  return c;
}

class RandomEvents {
 public:
  // `corrects`: costs, too, now and then.
  explicit RandomEvents(const Case& c, bool corrects = false)
      : requests_(c.requests),
        devices_(c.fleet.devices()),
        rng_(Rng::stream(c.seed, 0x66757a7a)),
        of_costs_(Rng::stream(c.seed, 0x636f7374)),
        cost_rows_(corrects ? static_cast<std::uint32_t>(c.costs.rows.size()) : 0),
        steals_(c.fleet.steal.some()) {}

  static constexpr std::uint32_t kMostPerTick = 48;

  // How long until the next tick, and how many events it has at most.
  Duration pause() { return nanoseconds(static_cast<std::int64_t>(rng_.below(3) == 0 ? 0 : rng_.below(20))); }
  std::uint64_t count() { return rng_.below(rng_.below(8) == 0 ? kMostPerTick : 6); }

  // Returns: the next event, if there is one to be had; its slots live until the next call.
  std::optional<Event> next(Time now) {
    if (cost_rows_ > 0 && of_costs_.below(12) == 0) return correction();
    if (!from_others_.empty()) {
      const Event event = from_others_.front();
      from_others_.pop_front();
      if (const auto* taken = std::get_if<Taken>(&event)) {  // as if it had ended there
        const auto was = std::ranges::find(given_, taken->sequence, &Shelve::sequence);
        free_.push_back(was->request);
        given_.erase(was);
      }
      if (auto* handed = std::get_if<Handed>(&event)) return Handed{handed->victim, submission(now)};
      return event;
    }
    if (steals_ && rng_.below(6) == 0) return of_others();
    if (!moves_.empty() && rng_.below(3) == 0) return move_end();
    switch (rng_.below(16)) {
      case 0:
      case 1:
      case 2:
      case 3:
      case 4: return submission(now);
      case 5:
      case 6: return cancel();
      case 7: return DeviceChanged{{any_device()}, static_cast<DeviceState>(rng_.below(rng_.below(2) ? 1 : 3))};
      case 8: return late_end();
      default: return run_end(now);
    }
  }

  // Returns: the end of some device's open run, if one drawn at random has any.
  std::optional<Event> run_end(Time now) {
    const std::uint32_t d = any_device();
    Device& device = devices_[d];
    if (!device.open) return std::nullopt;
    device.open = false;
    device.earlier.swap(device.latest);
    device.latest.clear();
    const bool device_fails = rng_.below(24) == 0;
    const auto steps = static_cast<std::int32_t>(1 + rng_.below(device.step_limit));
    for (const Slot& slot : device.slots) device.latest.push_back(end_of(slot, steps, device_fails, now));
    return RunEnded{.run = {d, device.run},
                    .device = {d},
                    .why = device_fails ? RunEnd::device_failed : RunEnd::interrupted,
                    .steps = static_cast<std::uint32_t>(steps),
                    .energy = {},
                    .slots = device.latest};
  }

  // Returns: the end of some move under way, or now and then of one that is over.
  std::optional<Event> move_end() {
    if (moves_.empty()) return std::nullopt;
    std::swap(moves_[rng_.below(moves_.size())], moves_.back());
    const Move move = moves_.back();
    if (rng_.below(16) > 0) moves_.pop_back();  // else it ends again later
    return MoveEnded{move.sequence, move.attempt, rng_.below(5) ? MoveEnd::arrived : MoveEnd::failed};
  }

  void performed(const Command& command) {
    if (const auto* move = std::get_if<Move>(&command)) moves_.push_back(*move);
    if (const auto* launch = std::get_if<Launch>(&command)) {
      Device& device = devices_[launch->device.value];
      device.open = true;
      device.run = launch->run.generation;
      device.step_limit = launch->step_limit;
      device.slots.assign(launch->slots.begin(), launch->slots.end());
    } else if (const auto* finish = std::get_if<Finish>(&command)) {
      free_.push_back(finish->request);
    }
    if (const auto* shelve = std::get_if<Shelve>(&command)) shelf_.push_back(*shelve);
    if (const auto* unshelve = std::get_if<Unshelve>(&command)) {
      const auto at = std::ranges::find(shelf_, unshelve->sequence, &Shelve::sequence);
      if (at == shelf_.end()) return;  // given back already
      const Shelve was = *at;
      shelf_.erase(at);
      const bool gone = rng_.below(4) == 0;
      from_others_.push_back(Unshelved{was.sequence, gone});
      if (gone) give(was);
    }
    if (const auto* look = std::get_if<Look>(&command)) {
      const auto n = static_cast<std::uint32_t>(rng_.below(kOffersSeen + 1));
      for (std::uint32_t i = 0; i < n; ++i) {
        Submitted facts = reference::facts_of(requests_[rng_.below(requests_.size())]);
        facts.prefix = {}, facts.adapter = {}, facts.arrival = Time(), facts.answers = 1;
        const Time there =
            rng_.below(3) == 0 ? Time(static_cast<std::int64_t>(rng_.below(1'000'000'000))) : Time::never();
        const auto at_stake = static_cast<std::int64_t>(rng_.below(2 * kOnePromise));
        from_others_.push_back(OfferSeen{look->victim, there, facts, there == Time::never() ? kOnePromise : at_stake});
      }
      from_others_.push_back(OffersSeen{look->victim, n});
    }
    if (const auto* take = std::get_if<Take>(&command)) {
      const bool lost = rng_.below(3) == 0;
      for (std::uint32_t i = 0; i < take->offers && !lost; ++i) from_others_.push_back(Handed{take->victim, {}});
      from_others_.push_back(TakeEnded{take->victim, lost ? TakeOutcome::lost : TakeOutcome::taken});
    }
  }

  bool any_open() const {
    return std::any_of(devices_.begin(), devices_.end(), [](const Device& device) { return device.open; });
  }

 private:
  struct Device {
    std::vector<Slot> slots;  // of the open run
    std::uint32_t step_limit = 0, run = 0;
    bool open = false;
    std::vector<SlotEnd> earlier, latest;  // ends of its last two runs
  };

  void give(const Shelve& was) {
    from_others_.push_back(Taken{was.sequence, ShardId{1}});
    given_.push_back(was);
  }

  // What other shards do: one fills its shelf, takes something, or finds no room.
  std::optional<Event> of_others() {
    if (shelf_.empty() || rng_.below(2) == 0)
      return ShelfFilled{ShardId{1 + static_cast<std::uint32_t>(rng_.below(2))}};
    std::swap(shelf_[rng_.below(shelf_.size())], shelf_.back());
    const Shelve was = shelf_.back();
    shelf_.pop_back();
    if (rng_.below(3) == 0) return Unshelved{was.sequence, false};
    give(was);
    return std::nullopt;
  }

  Submitted submission(Time now) {
    const reference::Request& r = requests_[rng_.below(requests_.size())];
    RequestId id = {used_, 1};
    if (free_.empty()) {
      ++used_;
    } else {
      id = {free_.back().index, free_.back().generation + 1};
      free_.pop_back();
    }
    if (ids_.size() < 32)
      ids_.push_back(id);
    else
      ids_[rng_.below(32)] = id;  // some are forgotten, and some are asked to cancel long after their end
    Submitted facts = reference::facts_of(r);
    facts.request = id;
    facts.arrival = now - nanoseconds(static_cast<std::int64_t>(rng_.below(4) ? 0 : rng_.below(30)));
    facts.prefix = {};  // core_model.h does not know what a device forgets that goes
    facts.answers = 1;  // nor what becomes of several answers
    facts.adapter = {};
    return facts;
  }

  CostCorrected correction() {
    CostCorrected c{
        .row = CostRow{static_cast<std::uint32_t>(of_costs_.below(cost_rows_))}, .scales = {}, .error_permille = 0};
    for (std::uint32_t& scale : c.scales)
      scale =
          static_cast<std::uint32_t>(kLeastCostScale + of_costs_.below(std::uint64_t{1} << (1 + of_costs_.below(22))));
    c.error_permille = static_cast<std::uint32_t>(of_costs_.below(1001));
    if (of_costs_.below(2) == 0) return c;
    std::uint32_t least = 1;
    for (std::uint32_t& quantile : c.spread.quantiles)
      least = quantile =
          least + static_cast<std::uint32_t>(of_costs_.below(of_costs_.below(4) ? 900 : kMostSpread / 3));
    c.spread.common = static_cast<std::uint32_t>(of_costs_.below(c.error_permille + 1));
    return c;
  }

  CancelAsked cancel() {
    RequestId id = {static_cast<std::uint32_t>(rng_.below(2000)), static_cast<std::uint32_t>(rng_.below(3))};
    if (!ids_.empty() && rng_.below(8) > 0) id = ids_[rng_.below(ids_.size())];
    if (rng_.below(32) == 0) id = RequestId{};
    return {id};
  }

  SlotEnd end_of(const Slot& slot, std::int32_t steps, bool device_fails, Time now) {
    SlotEnd end{.sequence = slot.sequence,
                .prefilled = slot.prefill,
                .generated = Tokens(slot.prefill.count() > 0 ? slot.samples : steps),
                .first_token = Time::never(),
                .last_token = Time::never(),
                .fate = SlotFate::running};
    end.generated = std::min(end.generated, std::max(Tokens(0), slot.output_limit - slot.generated));
    if (device_fails || rng_.below(40) == 0) {
      end.fate = SlotFate::failed;
      end.prefilled = Tokens(rng_.below(static_cast<std::uint64_t>(slot.prefill.count()) + 1));
      end.generated = std::min(end.generated, Tokens(rng_.below(2)));
      if (end.prefilled < slot.prefill) end.generated = Tokens(0);
    } else if (slot.samples && slot.generated + end.generated >= slot.output_limit) {
      end.fate = SlotFate::length;
    } else if (slot.samples && rng_.below(12) == 0) {
      end.fate = SlotFate::stopped;
      end.generated -= Tokens(rng_.below(static_cast<std::uint64_t>(end.generated.count()) + 1));
    }
    if (end.generated.count() > 0) end.first_token = end.last_token = now;
    return end;
  }

  // Of a run that is not the device's latest: one before it, or one never launched.
  RunEnded late_end() {
    const std::uint32_t d = any_device();
    const Device& device = devices_[d];
    const bool to_come = rng_.below(4) == 0 || device.run == 0;
    return {.run = {d, to_come ? device.run + 1 : static_cast<std::uint32_t>(rng_.below(device.run))},
            .device = {d},
            .why = RunEnd::step_limit,
            .steps = 1,
            .energy = {},
            .slots = device.earlier};
  }

  std::uint32_t any_device() { return static_cast<std::uint32_t>(rng_.below(devices_.size())); }

  const std::vector<reference::Request>& requests_;
  std::vector<Device> devices_;
  Rng rng_, of_costs_;
  std::uint32_t cost_rows_;  // to be corrected
  std::uint32_t used_ = 0;
  std::vector<Move> moves_;  // under way
  std::vector<RequestId> free_, ids_;
  const bool steals_;
  std::vector<Shelve> shelf_, given_;
  std::deque<Event> from_others_;
};

}  // namespace yard
