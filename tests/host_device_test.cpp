// What is said of a function of a device that throws. What it may rely on otherwise, as a lane may: lane_test.cpp.
#include <switchyard/scheduler.h>
#include <switchyard/step.h>

#include <atomic>
#include <cstdint>
#include <stdexcept>
#include <string_view>
#include <utility>

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

}  // namespace
}  // namespace switchyard
