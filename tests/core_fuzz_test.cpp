// Random events against a Core with a tiny fleet of stepped devices: every poll is what the model says (core_model.h),
// every rule that can be seen from outside holds (watch.h), and every pair of (state, event) of the page's two tables
// is met.
//
// SWITCHYARD_SEED=n runs case n alone; SWITCHYARD_CASES=n runs so many.
#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "scheduler/policy/registry.h"
#include "tests/builders.h"
#include "tests/core_model.h"
#include "tests/random_case.h"
#include "tests/watch.h"

namespace yard {
namespace {

std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
  const char* text = std::getenv(variable);
  return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

// A random small fleet, policies and a stock of requests; a queue that is full now and then; patience of a few ticks.
Case tiny_case(Seed seed) {
  Case c = random_case(seed, 64);
  Rng rng = Rng::stream(seed, 0x74696e79);
  static constexpr std::array kScorers = {"expected_cost", "least_loaded", "power_of_two", "round_robin", "random"};
  const auto any_of = [&](const auto& named) { return std::string(named[rng.below(named.size())].name); };
  c.options.scorer = kScorers[rng.below(kScorers.size())];  // those that the model knows
  c.options.order = any_of(orders());
  c.options.bind = rng.below(2) ? "arrival" : "room";
  c.options.sequences = static_cast<std::uint32_t>(rng.below(4) ? 4 + rng.below(24) : 1000);
  c.options.steps_per_run = static_cast<std::uint32_t>(rng.below(4) ? 1 + rng.below(12) : 256);
  for (SloClass& slo : c.fleet.classes)
    if (slo.patience.count() > 0) slo.patience = nanoseconds(static_cast<std::int64_t>(1 + rng.below(60)));
  return c;
}

class Fuzz {
 public:
  Fuzz(const Case& c, Visited& visited)
      : case_(c),
        bounds_{.sequences = c.options.sequences, .events_per_tick = 48, .steps_per_run = c.options.steps_per_run},
        core_(bounds_, c.fleet, c.costs, find_policies(c.options.scorer, c.options.order, c.options.bind),
              c.options.seed),
        model_(c.fleet, c.costs, c.options, visited),
        watch_(c.fleet, bounds_),
        devices_(c.fleet.devices()),
        rng_(Rng::stream(c.seed, 0x66757a7a)) {}

  void run(int ticks) {
    for (int tick = 0; tick < ticks; ++tick) {
      now_ += nanoseconds(static_cast<std::int64_t>(rng_.below(3) == 0 ? 0 : rng_.below(20)));
      const std::uint64_t events = rng_.below(rng_.below(8) == 0 ? 48 : 6);
      for (std::uint64_t k = 0; k < events; ++k) something_happens();
      ASSERT_NO_FATAL_FAILURE(poll());
    }
    ASSERT_NO_FATAL_FAILURE(come_to_rest());
  }

 private:
  struct Device {
    std::vector<Slot> slots;  // of the open run
    std::uint32_t steps = 0, run = 0;
    bool open = false;
    RunEnded earlier{};  // the end of its run before the latest, if there was one
    std::vector<SlotEnd> earlier_slots, latest_slots;
  };

  // ---- events -------------------------------------------------------------------------------------------------------

  void something_happens() {
    switch (rng_.below(16)) {
      case 0:
      case 1:
      case 2:
      case 3:
      case 4: return submit();
      case 5:
      case 6: return cancel();
      case 7: return change_device();
      case 8: return late_end();
      default: return end_run();
    }
  }

  void tell(const Event& event) {
    watch_.applied(event);
    model_.apply(event, now_);
    core_.apply(event, now_);
  }

  void submit() {
    const reference::Request& r = case_.requests[rng_.below(case_.requests.size())];
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
    tell(Submitted{.request = id,
                   .model = r.model,
                   .tenant = r.tenant,
                   .slo = r.slo,
                   .prompt = r.prompt,
                   .max_output = r.max_output,
                   .regions = r.regions,
                   .arrival = now_ - nanoseconds(static_cast<std::int64_t>(rng_.below(4) ? 0 : rng_.below(30)))});
  }

  void cancel() {
    RequestId id = {static_cast<std::uint32_t>(rng_.below(2000)), static_cast<std::uint32_t>(rng_.below(3))};
    if (!ids_.empty() && rng_.below(8) > 0) id = ids_[rng_.below(ids_.size())];
    if (rng_.below(32) == 0) id = RequestId{};
    tell(CancelAsked{id});
  }

  void change_device() {
    tell(DeviceChanged{{any_device()}, static_cast<DeviceState>(rng_.below(rng_.below(2) ? 1 : 3))});
  }

  void end_run() {
    const std::uint32_t d = any_device();
    Device& device = devices_[d];
    if (!device.open) return;
    device.open = false;
    std::vector<SlotEnd> ends;
    const bool device_fails = rng_.below(24) == 0;
    const auto steps = static_cast<std::int32_t>(1 + rng_.below(device.steps));
    for (const Slot& slot : device.slots) ends.push_back(end_of(slot, steps, device_fails));
    RunEnded end{.run = {d, device.run},
                 .device = {d},
                 .why = device_fails ? RunEnd::device_failed : RunEnd::interrupted,
                 .steps = static_cast<std::uint32_t>(steps),
                 .energy = {},
                 .slots = ends};
    tell(end);
    device.earlier_slots = std::exchange(device.latest_slots, ends);
  }

  SlotEnd end_of(const Slot& slot, std::int32_t steps, bool device_fails) {
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
    if (end.generated.count() > 0) end.first_token = end.last_token = now_;
    return end;
  }

  // Of a run that is not the device's latest: before it, or one never launched.
  void late_end() {
    const std::uint32_t d = any_device();
    const Device& device = devices_[d];
    const std::uint32_t run =
        rng_.below(4) == 0 || device.run == 0 ? device.run + 1 : static_cast<std::uint32_t>(rng_.below(device.run));
    tell(RunEnded{.run = {d, run},
                  .device = {d},
                  .why = RunEnd::step_limit,
                  .steps = 1,
                  .energy = {},
                  .slots = device.earlier_slots});
  }

  // ---- polls --------------------------------------------------------------------------------------------------------

  void poll() {
    const std::vector<std::string> expected = model_.poll(now_);
    std::size_t k = 0;
    for (const Command& command : core_.poll(now_)) {
      watch_.said(command, now_);
      ASSERT_EQ(CoreModel::text_of(command), k < expected.size() ? expected[k] : "nothing more") << "command " << k;
      ++k;
      if (const auto* launch = std::get_if<Launch>(&command)) {
        Device& device = devices_[launch->device.value];
        device.open = true;
        device.run = launch->run.generation;
        device.steps = launch->step_limit;
        device.slots.assign(launch->slots.begin(), launch->slots.end());
      } else if (const auto* finish = std::get_if<Finish>(&command)) {
        free_.push_back(finish->request);
      }
    }
    ASSERT_EQ(k, expected.size()) << "and Core did not say: " << expected[k];
    watch_.ticked(now_, core_);
    ASSERT_EQ(watch_.fault(), "");
    ASSERT_EQ(core_.next_wakeup(), model_.next_wakeup());
    ASSERT_TRUE(core_.poll(now_).empty()) << "a second poll at one instant";
    for (std::uint32_t p = 0; p < case_.fleet.pools.size(); ++p)
      ASSERT_EQ(core_.idle_beside_work(PoolId{p}, now_), model_.idle_beside_work(PoolId{p})) << "pool " << p;
  }

  void come_to_rest() {
    for (std::uint32_t d = 0; d < devices_.size(); ++d) tell(DeviceChanged{{d}, DeviceState::up});
    for (int tick = 0; core_.ledger().in_flight > 0; ++tick) {
      ASSERT_LT(tick, 20'000) << "somebody waits for ever";
      now_ += nanoseconds(1);
      for (int k = 0; k < 8; ++k) end_run();
      ASSERT_NO_FATAL_FAILURE(poll());
    }
    for (const Device& device : devices_) EXPECT_FALSE(device.open);
  }

  std::uint32_t any_device() { return static_cast<std::uint32_t>(rng_.below(devices_.size())); }

  const Case& case_;
  const Bounds bounds_;
  Core core_;
  CoreModel model_;
  Watch watch_;
  std::vector<Device> devices_;
  Rng rng_;
  Time now_{1000};
  std::uint32_t used_ = 0;
  std::vector<RequestId> free_, ids_;
};

// The pairs that the two tables of core/README.md call legal or ignored; what they call CHECK is below.
const std::map<std::string_view, std::vector<std::string_view>> kTables = {
    {"none", {"Submitted", "CancelAsked"}},
    {"arrived", {"CancelAsked"}},
    {"unbound", {"CancelAsked"}},
    {"unbound, others eligible", {"draining", "down"}},
    {"unbound, none eligible left", {"draining", "down"}},
    {"bound", {"CancelAsked", "draining", "down"}},
    {"between runs", {"CancelAsked", "draining", "down"}},
    {"in a run", {"CancelAsked", "slot running", "slot ended", "slot failed", "draining", "down"}},
    {"cancelling", {"CancelAsked", "slot running", "slot ended", "slot failed", "draining", "down"}},
    {"device idle, up", {"RunEnded, another", "up", "draining", "down"}},
    {"device idle, draining", {"RunEnded, another", "up", "draining", "down"}},
    {"device idle, down", {"RunEnded, another", "up", "draining", "down"}},
    {"device in run, up", {"RunEnded, its run", "RunEnded, another", "up", "draining", "down"}},
    {"device in run, draining", {"RunEnded, its run", "RunEnded, another", "up", "draining", "down"}},
    {"device in run, down", {"RunEnded, its run", "RunEnded, another", "up", "draining", "down"}},
};

TEST(CoreFuzz, SaysWhatTheModelSaysAndMeetsEveryPairOfTheTables) {
  const bool one = std::getenv("SWITCHYARD_SEED") != nullptr;
  const Seed first = number_from("SWITCHYARD_SEED", 0), cases = number_from("SWITCHYARD_CASES", one ? 1 : 800);
  Visited visited;
  for (Seed seed = first; seed < first + cases; ++seed) {
    SCOPED_TRACE("again with SWITCHYARD_SEED=" + std::to_string(seed));
    const Case c = tiny_case(seed);
    SCOPED_TRACE(c.text());
    Fuzz fuzz(c, visited);
    ASSERT_NO_FATAL_FAILURE(fuzz.run(300));
  }
  if (one) return;
  for (const auto& [state, events] : kTables)
    for (const std::string_view event : events)
      EXPECT_TRUE(visited.contains({state, event})) << "never met: " << state << " x " << event;
}

// ---- the pairs that are a bug of the loop or of a device ------------------------------------------------------------

using builders::Given;
using builders::Scene;

class CoreDeathTest : public testing::Test {
 protected:
  CoreDeathTest() { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
  Scene s_{Given().pool({})};

  Submitted asked_again(RequestId request) const {
    return {.request = request,
            .model = ModelId{0},
            .tenant = TenantId{0},
            .slo = SloClassId{0},
            .prompt = Tokens(1),
            .max_output = Tokens(1),
            .regions = {},
            .arrival = s_.now()};
  }
};

TEST_F(CoreDeathTest, SubmittedOfARequestInFlight) {
  const RequestId a = s_.submit();
  EXPECT_DEATH(s_.core().apply(asked_again(a), s_.now()), "not in use");
}

TEST_F(CoreDeathTest, SubmittedBeyondTheIdsThatTheBoundsAllow) {
  EXPECT_DEATH(s_.core().apply(asked_again({128, 1}), s_.now()), "below sequences \\+ events_per_tick");
}

TEST_F(CoreDeathTest, RunEndedOfTheLatestRunOfAnIdleDevice) {
  s_.submit({.max_output = 1});
  s_.poll();
  const RunEnded end = s_.ending(0, {});
  s_.core().apply(end, s_.now());
  EXPECT_DEATH(s_.core().apply(end, s_.now()), "one RunEnded per Launch");
}

TEST_F(CoreDeathTest, RunEndedWithoutOneOfItsSlots) {
  s_.submit(), s_.submit();
  s_.poll();
  RunEnded end = s_.ending(0, {});
  end.slots = end.slots.first(1);
  EXPECT_DEATH(s_.core().apply(end, s_.now()), "with all its slots");
}

TEST_F(CoreDeathTest, RunEndedNamingASequenceThatIsNotInTheRun) {
  s_.submit();
  s_.poll();
  s_.submit();  // arrived: the pool's second place
  const RunEnded end = s_.ending(0, {});
  std::vector<SlotEnd> slots(end.slots.begin(), end.slots.end());
  slots[0].sequence.index = 1;
  RunEnded wrong = end;
  wrong.slots = slots;
  EXPECT_DEATH(s_.core().apply(wrong, s_.now()), "names the slots of its Launch");
}

TEST_F(CoreDeathTest, ASlotThatGeneratesBeyondItsLimit) {
  s_.submit({.max_output = 3});
  s_.poll();
  s_.step(0);
  const RunEnded end = s_.ending(0, {});
  std::vector<SlotEnd> slots(end.slots.begin(), end.slots.end());
  slots[0].generated = Tokens(3);
  RunEnded wrong = end;
  wrong.slots = slots;
  EXPECT_DEATH(s_.core().apply(wrong, s_.now()), "beyond the limit");
}

TEST_F(CoreDeathTest, TimeThatGoesBack) {
  s_.at(10);
  s_.poll();
  EXPECT_DEATH(s_.poll_at(9), "time never goes back");
}

TEST_F(CoreDeathTest, MoreEventsThanATickMayHave) {
  for (int k = 0; k < 64; ++k) s_.cancel({});
  EXPECT_DEATH(s_.cancel({}), "events_per_tick");
}

}  // namespace
}  // namespace yard
