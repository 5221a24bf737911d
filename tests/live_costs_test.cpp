// What the steps of two unlike devices take is learnt while they run, and decides who gets the next request. The
// functions sleep: one takes four times as long as the other, and both longer than anything that is believed at first.
#include <switchyard/scheduler.h>
#include <switchyard/step.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include <gtest/gtest.h>

#include "scheduler/explain.h"
#include "scheduler/loop/reenact.h"
#include "tests/live_answers.h"
#include "tests/scratch.h"

namespace switchyard {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kRequests = 40, kLast = 20;

struct Ran {
  std::vector<std::array<std::uint64_t, 2>> steps;  // by device: slow, fast; of each request in turn
  std::string metrics, learnt;

  int of_last_on_fast() const {
    return static_cast<int>(
        std::ranges::count_if(steps.end() - kLast, steps.end(), [](const auto& of) { return of[1] > 0; }));
  }
};

// One request after the other.
Ran run(bool learn, const std::string& record_to, const std::string& learnt = {}, std::size_t requests = kRequests) {
  std::array<std::atomic<std::uint64_t>, 2> steps{};
  const auto sleeps = [&steps](std::size_t device, std::chrono::milliseconds time) {
    return [&steps, device, time](StepView& step) {
      std::this_thread::sleep_for(time);
      ++steps[device];
      count_up(step);
    };
  };
  Scheduler scheduler({.devices = {host_device("slow", sleeps(0, 20ms)), host_device("fast", sleeps(1, 5ms))},
                       .learn_costs = learn,
                       .learnt_costs = learnt,
                       .record_to = record_to});
  Ran ran;
  ran.steps.resize(requests);
  for (auto& of_request : ran.steps) {
    const std::array<std::uint64_t, 2> before = {steps[0], steps[1]};
    Reply reply = scheduler.submit({.prompt = kPrompt, .max_tokens = 3});
    all(reply);
    EXPECT_EQ(end_of(reply).end, End::done);
    for (std::size_t d = 0; d < 2; ++d) of_request[d] = steps[d] - before[d];
  }
  ran.metrics = scheduler.metrics();
  ran.learnt = scheduler.learnt_costs();
  return ran;
}

TEST(LiveCosts, AreLearntAndDecide) {
  const yard::testing::Scratch scratch;
  const std::string path = scratch.at("learnt.rec");
  const Ran ran = run(true, path);
  EXPECT_GT(ran.steps[0][0], 0u) << "of equals the first";
  EXPECT_GE(ran.of_last_on_fast(), kLast - 4) << "now and then a machine is slow";
  EXPECT_EQ(ran.metrics.find("switchyard_cost_corrections_total 0\n"), std::string::npos) << ran.metrics;

  const yard::Reenactment again = yard::reenact(path);
  EXPECT_TRUE(again.equal);
  EXPECT_GE(again.ledger.corrections, 2u);

  // Why the last one went where it did, by what was known then: before, a step of either was 1 ms.
  const yard::Explanation why = yard::explain(path, {.row = kRequests - 1, .generation = {}});
  const std::vector<yard::Candidate>& candidates = why.placements.at(0).candidates;
  ASSERT_EQ(candidates.size(), 2u);
  EXPECT_GT(candidates[1].terms.tpot, 3'000'000);
  EXPECT_GT(candidates[0].terms.tpot, 2 * candidates[1].terms.tpot);
}

TEST(LiveCosts, ThatAnotherHasLearntDecideFromTheFirst) {
  const yard::testing::Scratch scratch;
  const Ran before = run(true, {});
  ASSERT_FALSE(before.learnt.empty());
  const std::string path = scratch.at("again.rec");
  const Ran again = run(true, path, before.learnt);
  EXPECT_EQ(again.steps[0][0], 0u) << "of equals it would be the first";
  EXPECT_GE(again.of_last_on_fast(), kLast - 4) << "now and then a machine is slow";
  EXPECT_TRUE(yard::reenact(path).equal);
}

TEST(LiveCosts, ThatNobodyHasSaidAreRefused) {
  const auto refused = [](const std::string& learnt) {
    auto opened = Scheduler::open({.devices = {host_device("a", count_up)}, .learnt_costs = learnt});
    const auto* error = std::get_if<ConfigError>(&opened);
    return error ? std::string(error->what()) : "accepted";
  };
  EXPECT_EQ(refused("costs\n"), "learnt_costs:1: found 'costs'; accepted: what was learnt and saved by this version");
  EXPECT_EQ(refused("switchyard learnt costs 2\ntimes 0 a b c d e\n"),
            "learnt_costs:2: found 'times 0 a b c d e'; accepted: 'times', a scale and a key");
  EXPECT_EQ(refused(""), "accepted");
}

TEST(LiveCosts, AreBelievedAsTheyAreWhereNothingIsToBeLearnt) {
  const yard::testing::Scratch scratch;
  const std::string path = scratch.at("as_said.rec");
  const Ran ran = run(false, path, {}, 10);
  EXPECT_NE(ran.metrics.find("switchyard_cost_corrections_total 0\n"), std::string::npos);
  const yard::Reenactment again = yard::reenact(path);
  EXPECT_TRUE(again.equal);
  EXPECT_EQ(again.ledger.corrections, 0u);
}

}  // namespace
}  // namespace switchyard
