// What the function of a device may rely on, and what becomes of one that throws or breaks its contract.
#include <switchyard/scheduler.h>
#include <switchyard/step.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "tests/live_answers.h"

namespace switchyard {
namespace {

TEST(HostDevice, WhatItsFunctionThrowsFailsTheStepAndNothingElse) {
  std::atomic<int> steps = 0;
  std::atomic<int> lines = 0;
  Options options = one([&](StepView& step) {
    count_up(step);
    if (++steps == 3) throw std::runtime_error("out of luck");
    if (steps == 4) throw 7;
  });
  options.log = [&](std::string_view line) {
    if (line == "device 'host': out of luck" || line == "device 'host': an exception that is no std::exception")
      ++lines;
  };
  Scheduler scheduler(std::move(options));
  for (const std::uint32_t tokens : {3u, 0u}) {
    Reply reply = scheduler.submit({.prompt = kPrompt, .max_tokens = 9});
    const Outcome outcome = end_of(reply);
    EXPECT_EQ(outcome.end, End::failed);
    EXPECT_EQ(outcome.why, "device_failed");
    EXPECT_GE(outcome.tokens, tokens);
  }
  Reply reply = scheduler.submit({.prompt = kPrompt, .max_tokens = 2});
  EXPECT_EQ(all(reply), from(4, 2));
  EXPECT_EQ(lines, 2);
}

TEST(HostDevice, StopEndsASequenceWithOrWithoutAToken) {
  Scheduler scheduler(one([](StepView& step) {
    for (StepSlot& slot : step) {
      const Token next = slot.input.back() + 1;
      if (next < 6 || next == 16) slot.emit(next);
      if (next >= 6) slot.stop();
    }
  }));
  Reply without = scheduler.submit({.prompt = kPrompt});
  EXPECT_EQ(all(without), from(4, 2));
  EXPECT_EQ(without.outcome()->end, End::done);
  const Token other[] = {15};
  Reply with = scheduler.submit({.prompt = other});
  EXPECT_EQ(all(with), from(16, 1));
  const Token third[] = {30};
  Reply none = scheduler.submit({.prompt = third});
  EXPECT_EQ(end_of(none).end, End::done);
  EXPECT_EQ(none.outcome()->tokens, 0u);
}

TEST(HostDevice, SlotThatBreaksItsContractFailsAlone) {
  Scheduler scheduler(one(
      [](StepView& step) {
        for (StepSlot& slot : step) {
          const Token last = slot.input.back();
          if (last == 100) slot.emit(1), slot.emit(2);     // twice
          if (last == 200) continue;                       // neither a token nor a stop
          if (last == 300 && !slot.samples) slot.emit(1);  // before the prompt is read
          if (last != 100 && slot.samples) slot.emit(last + 1);
        }
      },
      {.slots = 4, .token_budget = 8}));
  const std::vector<Token> early(9, 300);
  const Token twice[] = {100}, neither[] = {200};
  Reply bad[] = {scheduler.submit({.prompt = twice}), scheduler.submit({.prompt = neither}),
                 scheduler.submit({.prompt = early})};
  Reply good = scheduler.submit({.prompt = kPrompt, .max_tokens = 20});
  for (Reply& reply : bad) EXPECT_EQ(end_of(reply).why, "device_failed");
  EXPECT_EQ(all(good), from(4, 20));
}

TEST(HostDevice, SequencesJoinAndLeaveWhileOthersRun) {
  std::atomic<std::size_t> most = 0;
  Scheduler scheduler(one(
      [&](StepView& step) {
        most = std::max(most.load(), step.size());
        count_up(step);
      },
      {.slots = 8}));
  std::vector<Reply> replies;
  for (Token i = 0; i < 40; ++i) {
    const Token prompt[] = {i * 1000};
    replies.push_back(scheduler.submit({.prompt = prompt, .max_tokens = 20 + static_cast<std::uint32_t>(i) * 7}));
  }
  for (Token i = 0; i < 40; ++i) EXPECT_EQ(all(replies[i]), from(i * 1000 + 1, 20 + static_cast<std::size_t>(i) * 7));
  EXPECT_LE(most, 8u);
  EXPECT_GE(most, 2u);
}

}  // namespace
}  // namespace switchyard
