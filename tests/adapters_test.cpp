// LoRA adapters: one rule of scheduler/core/README.md, "Adapters", per test.
#include <gtest/gtest.h>

#include <string>

#include "tests/builders.h"
#include "tests/hand_columns.h"
#include "tests/replays.h"

namespace yard {
namespace {

using builders::Given;
using builders::HandColumns;
using builders::Said;
using builders::Scene;

// Four adapters of model 0, whose devices hold two each; loading one takes 100 ns.
Given with_adapters(const builders::PoolSpec& pool = {}) {
  Given given;
  given.pool(pool);
  for (PoolView& facts : given.fleet.pools) facts.adapter_slots = 2, facts.adapter_load = nanoseconds(100);
  for (const char* name : {"a", "b", "c", "d"}) given.fleet.adapters.push_back({name, ModelId{0}, 0});
  return given;
}

// ---- what a device holds ------------------------------------------------------------------------------------------

TEST(Adapters, AreLoadedInTheRunInWhichTheirSequenceIsAdmitted) {
  Scene s(with_adapters());
  s.submit({.adapter = 0}), s.submit({.adapter = 0}), s.submit({.adapter = 1}), s.submit();
  const Said::Run run = s.poll().launches.at(0);
  EXPECT_EQ(run.slots.size(), 4u);
  EXPECT_EQ(run.loads, 2u);
  EXPECT_EQ(run.found, 1u);
  EXPECT_EQ(run.load, nanoseconds(200));
  EXPECT_EQ(run.slots[2].adapter, AdapterId{1});
  EXPECT_FALSE(run.slots[3].adapter.some());
  const Said::Run next = s.step(0).launches.at(0);
  EXPECT_EQ(next.loads + next.found, 0u) << "they are there";
}

TEST(Adapters, ThatNobodyHoldsOnToStay) {
  Scene s(with_adapters());
  s.submit({.max_output = 1, .adapter = 0});
  s.poll(), s.step(0);
  s.submit({.adapter = 0});
  EXPECT_EQ(s.poll().launches.at(0).found, 1u);
}

TEST(Adapters, TheLeastRecentlyUsedThatNobodyHoldsGoes) {
  Scene s(with_adapters());
  for (const std::uint32_t a : {0u, 1u, 0u, 2u})
    s.submit({.max_output = 1, .adapter = a}), s.poll(), s.step(0);  // 1 goes
  s.submit({.max_output = 1, .adapter = 0});
  EXPECT_EQ(s.poll().launches.at(0).found, 1u);
  s.step(0);
  s.submit({.max_output = 1, .adapter = 1});
  EXPECT_EQ(s.poll().launches.at(0).loads, 1u);
}

TEST(Adapters, WhoFindsNoSlotIsPassedOverAndKeepsItsPlace) {
  Scene s(with_adapters());
  s.submit({.max_output = 3, .adapter = 0}), s.submit({.max_output = 9, .adapter = 1});
  const RequestId waits = s.submit({.adapter = 2});
  const RequestId passes = s.submit({.adapter = 1}), base = s.submit();
  const Said::Run run = s.poll().launches.at(0);
  ASSERT_EQ(run.slots.size(), 4u);
  EXPECT_EQ(run.slots[2].request, passes);
  EXPECT_EQ(run.slots[3].request, base);
  EXPECT_EQ(run.bound_by, BoundBy::sequences);
  s.submit({.adapter = 3});  // behind it
  s.step(0);
  const Said said = s.step(0, {.steps = 2});  // 0 is done
  ASSERT_EQ(said.finishes.size(), 1u);
  ASSERT_EQ(said.launches.at(0).slots.size(), 4u);
  EXPECT_EQ(said.launches[0].slots[3].request, waits);
}

TEST(Adapters, OfAPreemptedSequenceMayGo) {
  Scene s(with_adapters({.kv_blocks = 24, .max_context = 24}));
  s.submit({.max_output = 8, .adapter = 0}), s.submit({.max_output = 8, .adapter = 1});
  s.poll();
  Said said = s.step(0);
  while (said.launches.at(0).slots.size() == 2)
    said = s.step(0, {.steps = static_cast<std::int32_t>(said.launches[0].step_limit)});
  EXPECT_GT(s.ledger().preemptions, 0u);
  while (!s.open_run(0).found && !s.open_run(0).loads)
    s.step(0, {.steps = static_cast<std::int32_t>(s.open_run(0).step_limit)});
  EXPECT_EQ(s.open_run(0).found, 1u) << "nobody took its place";
}

TEST(Adapters, AreGoneWithTheDevicesMemory) {
  Scene s(with_adapters());
  s.submit({.max_output = 1, .adapter = 0});
  s.poll(), s.step(0);
  s.change(0, DeviceState::down), s.poll();
  s.change(0, DeviceState::up);
  s.submit({.adapter = 0});
  EXPECT_EQ(s.poll().launches.at(0).loads, 1u);
}

// ---- the door and placement ---------------------------------------------------------------------------------------

TEST(Adapters, UnknownOnesAreRefused) {
  Given given = with_adapters();
  given.pool({.model = 1});
  given.fleet.adapters.push_back({"of the other", ModelId{1}, 0});
  Scene s(given);
  s.submit({.adapter = 9}), s.submit({.adapter = 4}), s.submit({.model = 1, .adapter = 4});
  const Said said = s.poll();
  ASSERT_EQ(said.finishes.size(), 3u) << "no such one, another model's, and of a model none of whose pools has slots";
  for (const Finish& f : said.finishes) EXPECT_EQ(f.why, Reason::no_such_adapter);
}

TEST(Adapters, GoOnlyWhereThereAreSlots) {
  Given given = with_adapters();
  given.pool({});
  Scene s(given);
  for (int k = 0; k < 3; ++k) s.submit({.adapter = 0});
  EXPECT_EQ(s.poll().launches.size(), 1u);
  s.submit(), s.submit();
  EXPECT_EQ(s.poll().launches.size(), 1u) << "round robin: the second pool's turn comes";
}

TEST(Adapters, OfOneNameGatherWithoutOverload) {
  for (const char* policy : {"expected_seconds", "expected_cost"}) {
    Given given = with_adapters({.devices = 2, .c0 = 10'000'000'000, .c1 = 1'000'000'000});  // 10 ms, 1 ms a token
    given.fleet.pools[0].adapter_load = milliseconds(100);
    given.policy(policy);
    Scene s(given);
    for (const std::uint32_t a : {0u, 1u, 0u, 1u}) s.submit({.prompt = 5, .adapter = a});
    const Said said = s.poll();
    ASSERT_EQ(said.launches.size(), 2u) << policy;
    for (const Said::Run& run : said.launches) EXPECT_EQ(run.slots[0].adapter, run.slots[1].adapter) << policy;
    for (int k = 0; k < 20; ++k) s.submit({.prompt = 50, .adapter = 0});
    s.poll();
    EXPECT_GT(s.core().load(DeviceId{0}, s.now()).waiting, 4u) << policy;
    EXPECT_GT(s.core().load(DeviceId{1}, s.now()).waiting, 4u) << policy << ": a load is worth less than such a line";
  }
}

TEST(Adapters, LoadsCountAsReadingForEverybody) {
  HandColumns h(2, {.c0 = 10'000'000'000});
  h.adapter_load = {500'000'000, 0};
  h.running = {0, 1}, h.by_class = {0, 1};
  EXPECT_EQ(h.choose("expected_seconds"), 1u);
  EXPECT_EQ(h.choose("expected_cost"), 1u);
  h.adapter_load = {0, 0};
  EXPECT_EQ(h.choose("expected_seconds"), 0u);
}

// ---- replayed -----------------------------------------------------------------------------------------------------

struct AdaptersReplayed : Replays {
  switchyard::Replayed replay(const std::string& slots, const std::string& exact, const std::string& more = "",
                              const std::string& record = "") {
    return Replays::replay(
        "adapters: [{model: llama-3.1-8b, name: first, mb: 100}, {model: llama-3.1-8b, count: 39, mb: 160}]\n"
        "pools:\n  - {name: a, model: llama-3.1-8b, accelerator: h100-sxm, replicas: 4, adapters: {" +
            slots + "}" + more + "}\n",
        {.trace = "gen:azure-conv?rate=12&adapters=40",
         .policy = "expected_seconds",
         .exact = exact,
         .limit = 1500,
         .requests_csv = "",
         .json = "",
         .record = record,
         .progress = {}});
  }
};

TEST_F(AdaptersReplayed, AffinitySavesLoads) {
  const auto with = replay("slots: 8, load_ms: 50", "jump");
  const auto without = replay("slots: 8, load_ms: 50, affinity: off", "jump");
  EXPECT_EQ(with.done, 1500u);
  EXPECT_EQ(without.done, 1500u);
  EXPECT_LT(number_at(with, "adapter_loads") * 2, number_at(without, "adapter_loads"));
  EXPECT_NE(with.text.find("adapters  wanted  loaded  found %  loading s"), std::string::npos) << with.text;
}

TEST_F(AdaptersReplayed, IsTheSameSteppedAndReenacted) {
  for (const char* more : {"", ", served: {wire_delay_ms: 1}"}) {
    const std::string recording = here.at("day.rec");
    const auto jump = replay("slots: 4", "jump", more, recording);
    EXPECT_EQ(jump.done, 1500u);
    EXPECT_EQ(jump.decision_hash, replay("slots: 4", "step", more).decision_hash);
    EXPECT_TRUE(reenacted(recording).equal);
  }
}

}  // namespace
}  // namespace yard
