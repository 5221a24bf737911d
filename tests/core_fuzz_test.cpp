// Random events against a Core with a tiny fleet of stepped devices: every poll is what the model says (core_model.h),
// every rule that can be seen from outside holds (watch.h), and every pair of (state, event) of the page's two tables
// is met.
//
// SWITCHYARD_SEED=n runs case n alone; SWITCHYARD_CASES=n runs so many.
#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "scheduler/policy/registry.h"
#include "tests/builders.h"
#include "tests/core_model.h"
#include "tests/random_events.h"
#include "tests/random_handoff.h"
#include "tests/watch.h"

namespace yard {
namespace {

std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
  const char* text = std::getenv(variable);
  return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

class Fuzz {
 public:
  // `predicted`: whether the model knows the scorer.
  Fuzz(const Case& c, bool predicted, Visited& visited)
      : case_(c),
        bounds_{.sequences = c.options.sequences,
                .events_per_tick = RandomEvents::kMostPerTick,
                .steps_per_run = c.options.steps_per_run,
                .moves_per_link = c.options.moves_per_link},
        core_(bounds_, c.fleet, c.costs, find_policies(c.options.scorer, c.options.order, c.options.bind),
              c.options.seed),
        watch_(c.fleet, bounds_),
        events_(c, !predicted) {
    if (predicted) model_.emplace(c.fleet, c.costs, c.options, visited);
  }

  void run(int ticks) {
    for (int tick = 0; tick < ticks; ++tick) {
      now_ += events_.pause();
      for (std::uint64_t k = events_.count(); k > 0; --k)
        if (const std::optional<Event> event = events_.next(now_)) tell(*event);
      ASSERT_NO_FATAL_FAILURE(poll());
    }
    ASSERT_NO_FATAL_FAILURE(come_to_rest());
  }
  const Ledger& ledger() const { return core_.ledger(); }

 private:
  void tell(const Event& event) {
    watch_.applied(event);
    if (model_) model_->apply(event, now_);
    core_.apply(event, now_);
  }

  void poll() {
    const std::vector<std::string> expected = model_ ? model_->poll(now_) : std::vector<std::string>();
    std::size_t k = 0;
    for (const Command& command : core_.poll(now_)) {
      watch_.said(command, now_);
      events_.performed(command);
      if (!model_) continue;
      ASSERT_EQ(CoreModel::text_of(command), k < expected.size() ? expected[k] : "nothing more") << "command " << k;
      ++k;
    }
    ASSERT_EQ(k, expected.size()) << "and Core did not say: " << expected[k];
    watch_.ticked(now_, core_);
    ASSERT_EQ(watch_.fault(), "");
    ASSERT_TRUE(core_.poll(now_).empty()) << "a second poll at one instant";
    if (!model_) return;
    ASSERT_EQ(core_.next_wakeup(), model_->next_wakeup());
    for (std::uint32_t p = 0; p < case_.fleet.pools.size(); ++p)
      ASSERT_EQ(core_.idle_beside_work(PoolId{p}, now_), model_->idle_beside_work(PoolId{p})) << "pool " << p;
  }

  void come_to_rest() {
    for (std::uint32_t d = 0; d < case_.fleet.devices(); ++d) tell(DeviceChanged{{d}, DeviceState::up});
    for (int tick = 0; core_.ledger().in_flight > 0; ++tick) {
      ASSERT_LT(tick, 20'000) << "somebody waits for ever";
      now_ += nanoseconds(1);
      for (int k = 0; k < 8; ++k)
        if (const std::optional<Event> event = k % 2 ? events_.move_end() : events_.run_end(now_)) tell(*event);
      ASSERT_NO_FATAL_FAILURE(poll());
    }
    EXPECT_FALSE(events_.any_open());
  }

  const Case& case_;
  const Bounds bounds_;
  Core core_;
  std::optional<CoreModel> model_;
  Watch watch_;
  RandomEvents events_;
  Time now_{1000};
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

// Runs `run(seed)` for one seed or many. Returns: whether it was for many.
template <class Run>
bool for_seeds(std::uint64_t many, const Run& run) {
  const bool one = std::getenv("SWITCHYARD_SEED") != nullptr;
  const Seed first = number_from("SWITCHYARD_SEED", 0), cases = number_from("SWITCHYARD_CASES", one ? 1 : many);
  for (Seed seed = first; seed < first + cases && !testing::Test::HasFatalFailure(); ++seed) {
    SCOPED_TRACE("again with SWITCHYARD_SEED=" + std::to_string(seed));
    run(seed);
  }
  return !one;
}

TEST(CoreFuzz, SaysWhatTheModelSaysAndMeetsEveryPairOfTheTables) {
  static constexpr std::array kScorers = {"expected_seconds", "least_loaded", "power_of_two", "round_robin", "random"};
  Visited visited;
  const bool many = for_seeds(800, [&](Seed seed) {
    const Case c = tiny_case(seed, kScorers[seed % kScorers.size()]);
    SCOPED_TRACE(c.text());
    Fuzz(c, true, visited).run(300);
  });
  if (!many) return;
  for (const auto& [state, events] : kTables)
    for (const std::string_view event : events)
      EXPECT_TRUE(visited.contains({state, event})) << "never met: " << state << " x " << event;
}

TEST(CoreFuzz, KeepsTheRulesWhereTheScorerRefuses) {
  std::uint64_t refused = 0;
  const bool many = for_seeds(200, [&](Seed seed) {
    static constexpr std::array kScorers = {"expected_cost", "llm_d+refusal", "round_robin+refusal"};
    Case c = tiny_case(seed, kScorers[seed % kScorers.size()]);
    SCOPED_TRACE(c.text());
    // Promises of about the length of a tick, so that some can be kept.
    for (SloClass& slo : c.fleet.classes) slo.ttft = nanoseconds(200), slo.tpot = nanoseconds(50);
    if (seed % 2) c.fleet.classes.back().ttft = c.fleet.classes.back().tpot = Duration();  // waits, is not refused
    for (StepCost& row : c.costs.rows)
      row = StepCost({{1, Picoseconds(10'000)}, {4, Picoseconds(20'000)}}, Picoseconds(100), Picoseconds(10),
                     row.max_sequences());
    Visited none;
    Fuzz fuzz(c, false, none);
    fuzz.run(150);
    refused += fuzz.ledger().of(Reason::overloaded);
  });
  if (many) {
    EXPECT_GT(refused, 0u);
  }
}

TEST(CoreFuzz, KeepsTheRulesWherePoolsHaveRoles) {
  Ledger sum;
  const bool many = for_seeds(400, [&](Seed seed) {
    static constexpr std::array kScorers = {"expected_seconds", "expected_cost", "dynamo_kv", "round_robin"};
    const Case c = with_handoff(tiny_case(seed, kScorers[seed % kScorers.size()]));
    SCOPED_TRACE(c.text());
    Visited none;
    Fuzz fuzz(c, false, none);
    fuzz.run(200);
    sum.moves += fuzz.ledger().moves, sum.moves_failed += fuzz.ledger().moves_failed;
    sum.late_answers += fuzz.ledger().late_answers, sum.retries += fuzz.ledger().retries;
  });
  if (!many) return;
  EXPECT_GT(sum.moves, 1000u);
  EXPECT_GT(sum.moves_failed, 100u);
  EXPECT_GT(sum.late_answers, 10u);
  EXPECT_GT(sum.retries, 100u);
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
