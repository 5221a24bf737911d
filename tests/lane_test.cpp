// The third way in, on real threads. First the laws that hold for every device that we step, whoever owns its loop:
// each test runs with a host device and with a pulled one. Then what a Lane is apart from that.
#include <switchyard/scheduler.h>
#include <switchyard/step.h>

#include <atomic>
#include <chrono>
#include <exception>
#include <functional>
#include <memory>
#include <numeric>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "tests/gate.h"
#include "tests/live_answers.h"

namespace switchyard {
namespace {

using namespace std::chrono_literals;
using yard::Gate;
using Step = std::function<void(StepView&)>;

// ---- whoever owns the loop -----------------------------------------------------------------------------------------

enum class Owner { us, user };

// A loop as its user would write it.
void pull(Lane lane, const Step& step) {
  while (!lane.closing()) {
    PulledRun* run = lane.wait(1h);
    if (!run) continue;
    try {
      while (run->more()) {
        StepView view = run->next();
        step(view);
      }
      lane.ended(run);
    } catch (...) {
      lane.failed(run);
    }
  }
}

// One device and its scheduler; the loop, if it is the user's, ends with it.
class Yard {
 public:
  Yard(Owner owner, Step step, const HostOptions& options = {}) {
    Device device = owner == Owner::us ? host_device("d", step, options) : pulled_device("d", options);
    scheduler_.emplace(Options{.devices = {std::move(device)}});
    if (owner == Owner::user) loop_ = std::thread(pull, scheduler_->lane("d"), step);
  }
  ~Yard() { close(); }

  void close() {
    scheduler_.reset();
    if (loop_.joinable()) loop_.join();
  }
  Scheduler* operator->() { return &*scheduler_; }

 private:
  std::optional<Scheduler> scheduler_;
  std::thread loop_;
};

class EitherLoop : public testing::TestWithParam<Owner> {};

TEST_P(EitherLoop, Answers) {
  Yard yard(GetParam(), count_up);
  Reply reply = yard->submit({.prompt = kPrompt, .max_tokens = 5});
  EXPECT_EQ(all(reply), from(4, 5));
  EXPECT_EQ(reply.outcome()->end, End::done);
}

TEST_P(EitherLoop, ReadsALongPromptInChunksAndSamplesOnlyAfterTheLast) {
  std::vector<std::vector<Token>> inputs;
  std::vector<bool> samples;
  std::vector<std::uint32_t> contexts;
  Yard yard(GetParam(),
            [&](StepView& step) {
              for (const StepSlot& slot : step) {
                inputs.emplace_back(slot.input.begin(), slot.input.end());
                samples.push_back(slot.samples);
                contexts.push_back(slot.context);
              }
              count_up(step);
            },
            {.slots = 2, .token_budget = 4});
  const std::vector<Token> prompt = from(10, 6);
  Reply reply = yard->submit({.prompt = prompt, .max_tokens = 3});
  EXPECT_EQ(all(reply), from(16, 3));
  EXPECT_EQ(inputs, (std::vector<std::vector<Token>>{from(10, 4), from(14, 2), {16}, {17}}));
  EXPECT_EQ(samples, (std::vector<bool>{false, true, true, true}));
  EXPECT_EQ(contexts, (std::vector<std::uint32_t>{0, 4, 6, 7}));
}

TEST_P(EitherLoop, PreemptedSequenceGoesOnWhereItWas) {
  Gate gate;
  Yard yard(GetParam(), count_up_behind(gate), {.slots = 2, .token_budget = 64, .kv_blocks = 6, .block_tokens = 4});
  Reply a = yard->submit({.prompt = kPrompt, .max_tokens = 15});
  Reply b = yard->submit({.prompt = kPrompt, .max_tokens = 15});
  gate.open();
  EXPECT_EQ(all(a), from(4, 15));
  EXPECT_EQ(all(b), from(4, 15));
}

TEST_P(EitherLoop, SequencesJoinAndLeaveWhileOthersRun) {
  std::atomic<std::size_t> most = 0;
  Yard yard(GetParam(),
            [&](StepView& step) {
              most = std::max(most.load(), step.size());
              count_up(step);
            },
            {.slots = 8});
  std::vector<Reply> replies;
  for (Token i = 0; i < 40; ++i) {
    const Token prompt[] = {i * 1000};
    replies.push_back(yard->submit({.prompt = prompt, .max_tokens = 20 + static_cast<std::uint32_t>(i) * 7}));
  }
  for (Token i = 0; i < 40; ++i)
    EXPECT_EQ(all(replies[static_cast<std::size_t>(i)]), from(i * 1000 + 1, 20 + static_cast<std::size_t>(i) * 7));
  EXPECT_LE(most, 8u);
  EXPECT_GE(most, 2u);
}

TEST_P(EitherLoop, StopEndsASequenceWithOrWithoutAToken) {
  Yard yard(GetParam(), [](StepView& step) {
    for (StepSlot& slot : step) {
      const Token next = slot.input.back() + 1;
      if (next < 6 || next == 16) slot.emit(next);
      if (next >= 6) slot.stop();
    }
  });
  Reply without = yard->submit({.prompt = kPrompt});
  EXPECT_EQ(all(without), from(4, 2));
  EXPECT_EQ(without.outcome()->end, End::done);
  const Token other[] = {15}, third[] = {30};
  Reply with = yard->submit({.prompt = other});
  EXPECT_EQ(all(with), from(16, 1));
  Reply none = yard->submit({.prompt = third});
  EXPECT_EQ(end_of(none).end, End::done);
  EXPECT_EQ(none.outcome()->tokens, 0u);
}

TEST_P(EitherLoop, WhatTheStepThrowsFailsItAndNothingElse) {
  std::atomic<int> steps = 0;
  Yard yard(GetParam(), [&](StepView& step) {
    count_up(step);
    if (++steps == 3) throw std::runtime_error("out of luck");
  });
  Reply reply = yard->submit({.prompt = kPrompt, .max_tokens = 9});
  const Outcome outcome = end_of(reply);
  EXPECT_EQ(outcome.why, "device_failed");
  EXPECT_EQ(outcome.tokens, 3u);
  Reply next = yard->submit({.prompt = kPrompt, .max_tokens = 2});
  EXPECT_EQ(all(next), from(4, 2));
}

TEST_P(EitherLoop, SlotThatBreaksItsContractFailsAlone) {
  Yard yard(GetParam(),
            [](StepView& step) {
              for (StepSlot& slot : step) {
                const Token last = slot.input.back();
                if (last == 100) slot.emit(1), slot.emit(2);     // twice
                if (last == 200) continue;                       // neither a token nor a stop
                if (last == 300 && !slot.samples) slot.emit(1);  // before the prompt is read
                if (last != 100 && slot.samples) slot.emit(last + 1);
              }
            },
            {.slots = 4, .token_budget = 8});
  const std::vector<Token> early(9, 300);
  const Token twice[] = {100}, neither[] = {200};
  Reply bad[] = {yard->submit({.prompt = twice}), yard->submit({.prompt = neither}), yard->submit({.prompt = early})};
  Reply good = yard->submit({.prompt = kPrompt, .max_tokens = 20});
  for (Reply& reply : bad) EXPECT_EQ(end_of(reply).why, "device_failed");
  EXPECT_EQ(all(good), from(4, 20));
}

TEST_P(EitherLoop, CancelEndsARunningSequenceAtAStepBoundary) {
  Gate gate;
  Yard yard(GetParam(), count_up_behind(gate));
  Reply reply = yard->submit({.prompt = kPrompt, .max_tokens = 1u << 30});
  gate.wait_for(1);
  reply.cancel();
  gate.open();
  EXPECT_EQ(end_of(reply).end, End::cancelled);
}

TEST_P(EitherLoop, RemovedDeviceFailsWhatItRuns) {
  Gate gate;
  Yard yard(GetParam(), count_up_behind(gate));
  Reply running = yard->submit({.prompt = kPrompt, .max_tokens = 1u << 30});
  gate.wait_for(1);
  yard->set("d", Wish::remove);
  gate.open();
  EXPECT_EQ(end_of(running).why, "device_lost");
  yard->set("d", Wish::serve);
  Reply again = yard->submit({.prompt = kPrompt, .max_tokens = 2});
  EXPECT_EQ(all(again), from(4, 2));
}

TEST_P(EitherLoop, TheEndOfTheSchedulerCancelsWhatIsInFlight) {
  Gate gate;
  gate.open();
  Yard yard(GetParam(), count_up_behind(gate));
  Reply reply = yard->submit({.prompt = kPrompt, .max_tokens = 1u << 30});
  gate.wait_for(1);
  yard.close();
  EXPECT_EQ(end_of(reply).end, End::cancelled);
}

INSTANTIATE_TEST_SUITE_P(Of, EitherLoop, testing::Values(Owner::us, Owner::user),
                         [](const auto& of) { return of.param == Owner::us ? "HostDevice" : "Lane"; });

// ---- what a lane is ------------------------------------------------------------------------------------------------

TEST(Lane, WaitsForItsTimeAndThenAnswersNothing) {
  Scheduler scheduler({.devices = {pulled_device("d")}});
  Lane lane = scheduler.lane("d");
  EXPECT_TRUE(lane);
  EXPECT_FALSE(lane.closing());
  EXPECT_EQ(lane.wait(0ns), nullptr);
  EXPECT_EQ(lane.wait(1ms), nullptr);
  EXPECT_EQ(lane.wait(-1ns), nullptr);
}

TEST(Lane, RequestsWaitUntilThereIsOne) {
  Scheduler scheduler({.devices = {pulled_device("d")}});
  Reply reply = scheduler.submit({.prompt = kPrompt, .max_tokens = 1});
  Lane lane = scheduler.lane("d");
  PulledRun* run = lane.wait(1h);
  ASSERT_NE(run, nullptr);
  EXPECT_EQ(lane.wait(1h), run);  // the one in hand
  ASSERT_TRUE(run->more());
  StepView view = run->next();
  count_up(view);
  EXPECT_FALSE(run->more());
  EXPECT_FALSE(run->more());
  EXPECT_EQ(run->next().size(), 0u);
  lane.ended(run);
  lane.ended(run);  // no longer in hand
  lane.failed(run);
  lane.ended(nullptr);
  EXPECT_EQ(all(reply), from(4, 1));
  EXPECT_EQ(reply.outcome()->end, End::done);
}

TEST(Lane, ARunHandedBackEarlyComesAgainWhereItWas) {
  Scheduler scheduler({.devices = {pulled_device("d")}});
  Lane lane = scheduler.lane("d");
  Reply reply = scheduler.submit({.prompt = kPrompt, .max_tokens = 12});
  while (!reply.outcome()) {
    PulledRun* run = lane.wait(1ms);
    if (!run) continue;
    StepView view = run->next();  // without asking more(), and one step of each run
    count_up(view);
    lane.ended(run);
  }
  EXPECT_EQ(all(reply), from(4, 12));
}

TEST(Lane, ARunHandedBackWithoutAStepComesAgain) {
  Scheduler scheduler({.devices = {pulled_device("d")}});
  Lane lane = scheduler.lane("d");
  Reply reply = scheduler.submit({.prompt = kPrompt, .max_tokens = 1});
  lane.ended(lane.wait(1h));
  PulledRun* run = lane.wait(1h);
  ASSERT_NE(run, nullptr);
  StepView view = run->next();
  ASSERT_EQ(view.size(), 1u);
  EXPECT_EQ(view.begin()->input.size(), 3u);
  count_up(view);
  lane.ended(run);
  EXPECT_EQ(all(reply), from(4, 1));
}

TEST(Lane, AStepThatWasShownWhenItIsDroppedHasFailed) {
  Scheduler scheduler({.devices = {pulled_device("d")}});
  std::optional<Lane> lane = scheduler.lane("d");
  Reply reply = scheduler.submit({.prompt = kPrompt});
  EXPECT_EQ(lane->wait(1h)->next().size(), 1u);
  lane.reset();
  EXPECT_EQ(end_of(reply).why, "device_failed");
}

TEST(Lane, DroppingItLosesTheRunInHandAndSendsTheRestElsewhere) {
  Scheduler scheduler(
      {.devices = {pulled_device("d", {.slots = 1}), host_device("h", count_up)}, .policy = "round_robin"});
  std::optional<Lane> lane = scheduler.lane("d");
  Reply in_hand = scheduler.submit({.prompt = kPrompt, .max_tokens = 3});
  ASSERT_NE(lane->wait(1h), nullptr);
  Reply on_host = scheduler.submit({.prompt = kPrompt, .max_tokens = 3});
  Reply waiting = scheduler.submit({.prompt = kPrompt, .max_tokens = 3});
  EXPECT_EQ(all(on_host), from(4, 3));
  lane.reset();
  EXPECT_EQ(end_of(in_hand).why, "device_lost");
  EXPECT_EQ(all(waiting), from(4, 3));
}

TEST(Lane, OnceDroppedTheDeviceIsDownForGood) {
  std::string said;
  Scheduler scheduler({.devices = {pulled_device("d")}, .log = [&](std::string_view line) { said = line; }});
  Reply launched = scheduler.submit({.prompt = kPrompt});
  { const Lane lane = scheduler.lane("d"); }
  EXPECT_EQ(end_of(launched).why, "device_lost");
  scheduler.set("d", Wish::serve);
  EXPECT_EQ(said, "set: the lane of device 'd' is gone");
  EXPECT_FALSE(scheduler.lane("d"));
  EXPECT_EQ(said, "lane: there was a lane before of device 'd'");
  Reply late = scheduler.submit({.prompt = kPrompt});
  EXPECT_EQ(end_of(late).why, "device_lost");
}

TEST(Lane, OfNothingIsClosing) {
  std::string said;
  Scheduler scheduler({.devices = {pulled_device("d"), host_device("h", count_up)},
                       .log = [&](std::string_view line) { said = line; }});
  const auto refused = [&](std::string_view name) {
    Lane lane = scheduler.lane(name);
    EXPECT_FALSE(lane);
    EXPECT_TRUE(lane.closing());
    EXPECT_EQ(lane.wait(1h), nullptr);
    lane.ended(nullptr);
    return said;
  };
  EXPECT_EQ(refused("e"), "lane: there is no device 'e'");
  EXPECT_EQ(refused("h"), "lane: no pulled device is 'h'");
  const Lane first = scheduler.lane("d");
  EXPECT_EQ(refused("d"), "lane: there was a lane before of device 'd'");
  EXPECT_FALSE(first.closing());
}

TEST(Lane, MayOutliveItsScheduler) {
  Lane lane;
  std::optional<Reply> reply;
  {
    Scheduler scheduler({.devices = {pulled_device("d")}});
    lane = scheduler.lane("d");
    reply.emplace(scheduler.submit({.prompt = kPrompt}));
  }
  EXPECT_TRUE(lane.closing());
  EXPECT_EQ(lane.wait(1h), nullptr);
  EXPECT_EQ(end_of(*reply).end, End::cancelled);
}

TEST(Lane, MovesAndGoesOn) {
  Scheduler scheduler({.devices = {pulled_device("d"), pulled_device("e")}});
  Lane first = scheduler.lane("d");
  Lane second = std::move(first);
  EXPECT_FALSE(first);
  EXPECT_FALSE(second.closing());
  second = scheduler.lane("e");  // drops the first device's
  EXPECT_FALSE(scheduler.lane("d"));
  EXPECT_FALSE(second.closing());
}

TEST(Lane, DroppedWhileTheSchedulerEndsNeitherHangsNorTellsItAnything) {
  for (int i = 0; i < 200; ++i) {
    std::optional<Scheduler> scheduler(std::in_place, Options{.devices = {pulled_device("d")}});
    Lane lane = scheduler->lane("d");
    Reply reply = scheduler->submit({.prompt = kPrompt});
    Gate started;
    started.open();
    std::thread loop([&started, i, lane = std::move(lane)]() mutable {
      if (i % 2 == 0) lane.wait(1h);
      started.pass();
    });
    if (i % 3 != 0) started.wait_for(1);
    scheduler.reset();
    loop.join();
    EXPECT_NE(end_of(reply).end, End::done);
  }
}

}  // namespace
}  // namespace switchyard
