// What is said of a function of a device that throws. What it may rely on otherwise, as a lane may: lane_test.cpp.
#include <switchyard/scheduler.h>
#include <switchyard/step.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <stdexcept>
#include <string_view>
#include <utility>
#include <variant>
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

// Each sequence gets the tokens that it would get alone, however many threads its step was shared among.
TEST(HostDevice, AStepInPartsGivesEachSequenceItsOwnTokens) {
  for (const std::uint32_t threads : {0u, 2u, 4u}) {
    std::atomic<std::uint64_t> calls = 0, slots = 0;
    Scheduler scheduler({.devices = {host_device("parts",
                                                 [&](StepView& step) {
                                                   ++calls;
                                                   slots += step.size();
                                                   count_up(step);
                                                 },
                                                 {.slots = 16, .threads = threads})}});
    std::vector<Reply> replies;
    std::vector<std::array<Token, 1>> prompts;
    for (Token i = 0; i < 64; ++i) prompts.push_back({100 * i});
    for (const auto& prompt : prompts) replies.push_back(scheduler.submit({.prompt = prompt, .max_tokens = 20}));
    for (std::size_t i = 0; i < replies.size(); ++i)
      EXPECT_EQ(all(replies[i]), from(static_cast<Token>(100 * i) + 1, 20));
    EXPECT_GE(slots, 64u * 20);
    if (threads > 1) {
      EXPECT_LT(slots, calls * 16);  // it was called with some of the slots
    }
  }
}

// Several answers to one request are slots of several parts.
TEST(HostDevice, AnswersOfOneRequestMayBeMadeAtOnce) {
  Scheduler scheduler({.devices = {host_device("parts", count_up, {.slots = 8, .threads = 3})}});
  for (int turn = 0; turn < 50; ++turn) {
    Reply reply = scheduler.submit({.prompt = kPrompt, .max_tokens = 8, .n = 8});
    std::array<std::vector<Token>, 8> answers;
    for (auto token = reply.begin(); token != reply.end(); ++token) answers[token.answer()].push_back(*token);
    for (const std::vector<Token>& answer : answers) EXPECT_EQ(answer, from(4, 8));
  }
}

TEST(HostDevice, WhatOnePartThrowsFailsTheStepAndNothingElse) {
  std::atomic<bool> broken = true;
  std::atomic<int> lines = 0;
  Options options{.devices = {host_device("parts",
                                          [&](StepView& step) {
                                            for (const StepSlot& slot : step)
                                              if (broken && slot.tag == 3) throw std::runtime_error("out of luck");
                                            count_up(step);
                                          },
                                          {.slots = 4, .threads = 2})}};
  options.log = [&](std::string_view line) { lines += line == "device 'parts': out of luck"; };
  Scheduler scheduler(std::move(options));
  Reply bad = scheduler.submit({.prompt = kPrompt, .max_tokens = 5, .tag = 3});
  EXPECT_EQ(end_of(bad).why, "device_failed");
  EXPECT_GE(lines, 1);
  broken = false;
  Reply good = scheduler.submit({.prompt = kPrompt, .max_tokens = 5, .tag = 3});
  EXPECT_EQ(all(good), from(4, 5));
}

TEST(HostDevice, TwoDevicesShareTheThreads) {
  Scheduler scheduler({.devices = {host_device("one", count_up, {.slots = 4, .threads = 3}),
                                   host_device("two", count_up, {.slots = 4, .threads = 2}),
                                   host_device("alone", count_up, {.slots = 4})}});
  std::vector<Reply> replies;
  for (int i = 0; i < 60; ++i) replies.push_back(scheduler.submit({.prompt = kPrompt, .max_tokens = 10}));
  for (Reply& reply : replies) EXPECT_EQ(all(reply), from(4, 10));
}

TEST(HostDevice, ThreadsAreBoundedAndAPulledDevicesAreItsLoops) {
  for (const Device& device :
       {host_device("host", count_up, {.threads = 257}), pulled_device("lane", {.threads = 2})}) {
    const auto opened = Scheduler::open({.devices = {device}});
    const auto* error = std::get_if<ConfigError>(&opened);
    ASSERT_TRUE(error);
    EXPECT_EQ(error->key, "devices[0].threads");
  }
}

}  // namespace
}  // namespace switchyard
