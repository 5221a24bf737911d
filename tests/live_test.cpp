// The front door on real threads: what a caller may rely on. Nothing here sleeps; where a state must hold, the device's
// function stands at a Gate. (reply_test.cpp: a Reply; host_device_test.cpp: the function of a device.)
#include <switchyard/scheduler.h>
#include <switchyard/step.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include <gtest/gtest.h>

#include "tests/gate.h"
#include "tests/live_answers.h"

namespace switchyard {
namespace {

using namespace std::chrono_literals;
using yard::Gate;

// ---- hello, world --------------------------------------------------------------------------------------------------

TEST(Scheduler, AnswersHelloWorld) {
  Scheduler scheduler(one(count_up));
  Reply reply = scheduler.submit({.prompt = kPrompt, .max_tokens = 5});
  EXPECT_EQ(all(reply), from(4, 5));
  const Outcome outcome = reply.outcome().value();
  EXPECT_EQ(outcome.end, End::done);
  EXPECT_EQ(outcome.tokens, 5u);
  EXPECT_GT(outcome.ttft, 0ns);
  EXPECT_GE(outcome.e2e, outcome.ttft);
}

TEST(Scheduler, ReadsALongPromptInChunksAndSamplesOnlyAfterTheLast) {
  std::vector<std::vector<Token>> inputs;
  std::vector<bool> samples;
  Scheduler scheduler(one(
      [&](StepView& step) {
        for (const StepSlot& slot : step) {
          inputs.emplace_back(slot.input.begin(), slot.input.end());
          samples.push_back(slot.samples);
        }
        count_up(step);
      },
      {.slots = 2, .token_budget = 4}));
  const std::vector<Token> prompt = from(10, 6);
  Reply reply = scheduler.submit({.prompt = prompt, .max_tokens = 3});
  EXPECT_EQ(all(reply), from(16, 3));
  EXPECT_EQ(inputs, (std::vector<std::vector<Token>>{from(10, 4), from(14, 2), {16}, {17}}));
  EXPECT_EQ(samples, (std::vector<bool>{false, true, true, true}));
}

TEST(Scheduler, RequestOfNoTokensIsDoneWhenItsPromptIsRead) {
  std::atomic<bool> sampled = false;
  Scheduler scheduler(one([&](StepView& step) {
    for (const StepSlot& slot : step) sampled = sampled || slot.samples;
  }));
  Reply reply = scheduler.submit({.prompt = kPrompt, .max_tokens = 0});
  EXPECT_EQ(end_of(reply).end, End::done);
  EXPECT_FALSE(sampled);
}

TEST(Scheduler, AScoreIsDueInTheStepThatEndsItsPromptAndTheTagSaysWhereItGoes) {
  std::array<std::atomic<int>, 2> sums{};
  Scheduler scheduler(one(
      [&](StepView& step) {
        for (const StepSlot& slot : step)
          if (slot.scores) sums.at(slot.tag) += slot.input.back();
      },
      {.slots = 2, .token_budget = 2, .only_embeds = true}));
  Reply refused = scheduler.submit({.prompt = kPrompt, .max_tokens = 1});
  EXPECT_EQ(end_of(refused).why, "only_embeds");
  Reply reply = scheduler.submit({.prompt = kPrompt, .max_tokens = 0, .tag = 1});
  EXPECT_EQ(end_of(reply).end, End::done);
  EXPECT_EQ(sums[1], 3) << "once, at its last token";
  EXPECT_EQ(sums[0], 0);
}

TEST(Scheduler, AnswersOfOneRequestComeWithTheirNumbers) {
  Scheduler scheduler(one([](StepView& step) {
    for (StepSlot& slot : step)
      if (slot.samples) slot.emit(slot.input.back() + 10 * (slot.context < 3 ? slot.answer + 1 : 1));
  }));
  Reply reply = scheduler.submit({.prompt = kPrompt, .max_tokens = 3, .n = 3});
  std::vector<std::vector<Token>> answers(3);
  for (auto at = reply.begin(); at != reply.end(); ++at) answers.at(at.answer()).push_back(*at);
  EXPECT_EQ(answers, (std::vector<std::vector<Token>>{{13, 23, 33}, {23, 33, 43}, {33, 43, 53}}));
  EXPECT_EQ(reply.outcome()->end, End::done);
  EXPECT_EQ(reply.outcome()->tokens, 9u);
  EXPECT_EQ(scheduler.counts().done, 1u);
}

TEST(Scheduler, AnswersAreTakenWithTheirNumbersAndMoreThanMayBeAreRefused) {
  Scheduler scheduler(one(count_up));
  Reply reply = scheduler.submit({.prompt = kPrompt, .max_tokens = 2, .n = 2});
  while (!reply.outcome()) std::this_thread::yield();
  std::array<AnswerToken, 8> tokens;
  ASSERT_EQ(reply.take(std::span(tokens).first(3)), 3u);
  ASSERT_EQ(reply.take(std::span(tokens).subspan(3)), 1u);
  int of_first = 0;
  for (const AnswerToken& t : std::span(tokens).first(4)) {
    EXPECT_TRUE(t.token == 4 || t.token == 5);
    of_first += t.answer == 0;
  }
  EXPECT_EQ(of_first, 2);
  Reply refused = scheduler.submit({.prompt = kPrompt, .n = 65});
  EXPECT_EQ(end_of(refused).why, "too_many_answers");
}

TEST(Scheduler, AStepSeesWhichAdapterASequenceWants) {
  std::vector<std::string> seen;
  Scheduler scheduler(one(
      [&](StepView& step) {
        for (const StepSlot& slot : step) seen.emplace_back(slot.adapter);
        count_up(step);
      },
      {.adapters = {"legal", "medical"}, .adapter_slots = 1}));
  Reply medical = scheduler.submit({.prompt = kPrompt, .max_tokens = 1, .adapter = "medical"});
  EXPECT_EQ(end_of(medical).end, End::done);
  Reply base = scheduler.submit({.prompt = kPrompt, .max_tokens = 1});
  EXPECT_EQ(end_of(base).end, End::done);
  EXPECT_EQ(seen, (std::vector<std::string>{"medical", ""}));
  Reply unknown = scheduler.submit({.prompt = kPrompt, .adapter = "medial"});
  EXPECT_EQ(end_of(unknown).why, "no_such_adapter");
}

TEST(Scheduler, PreemptedSequenceGoesOnWhereItWas) {
  // Room for two prompts, not for two answers: the second admitted is preempted and reads its answer so far again.
  Gate gate;
  std::atomic<int> restarts = 0;
  Scheduler scheduler(one(
      [&](StepView& step) {
        gate.pass();
        for (const StepSlot& slot : step) restarts += slot.context == 0 && slot.input.size() > 3;
        count_up(step);
      },
      {.slots = 2, .token_budget = 64, .kv_blocks = 6, .block_tokens = 4}));
  Reply a = scheduler.submit({.prompt = kPrompt, .max_tokens = 15});
  Reply b = scheduler.submit({.prompt = kPrompt, .max_tokens = 15});
  gate.open();
  EXPECT_EQ(all(a), from(4, 15));
  EXPECT_EQ(all(b), from(4, 15));
  EXPECT_GE(restarts, 1);
}

// ---- refusals ------------------------------------------------------------------------------------------------------

TEST(Scheduler, RejectsWhatIsBeyondMaxWaiting) {
  Gate gate;
  Options options = one(count_up_behind(gate), {.slots = 1});
  options.max_waiting = 2;
  Scheduler scheduler(std::move(options));
  std::vector<Reply> replies;
  for (int i = 0; i < 10; ++i) replies.push_back(scheduler.submit({.prompt = kPrompt, .max_tokens = 2}));
  // Three may be there at once, one of them running; the others are refused while the device stands at the gate.
  std::size_t rejected = 0;
  for (std::size_t i = 3; i < replies.size(); ++i) {
    const Outcome outcome = end_of(replies[i]);
    rejected += outcome.end == End::rejected && outcome.why == "queue_full";
  }
  EXPECT_EQ(rejected, 7u);
  gate.open();
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(end_of(replies[i]).end, End::done);
}

TEST(Scheduler, RejectsAtTheDoorWhenAllSlotsAreHeld) {
  Options options = one(count_up, {.slots = 1});
  options.max_waiting = 1;
  Scheduler scheduler(std::move(options));
  std::vector<Reply> held;
  for (int i = 0; i < 6000; ++i) {
    held.push_back(scheduler.submit({.prompt = kPrompt, .max_tokens = 1}));
    if (i % 64 == 0) all(held.back());
  }
  EXPECT_EQ(end_of(held.back()).why, "queue_full");
  held.clear();
  Reply reply = scheduler.submit({.prompt = kPrompt, .max_tokens = 1});
  end_of(reply);
  const Counts counts = scheduler.counts();
  EXPECT_EQ(counts.submitted, 6001u);
  EXPECT_EQ(counts.submitted, counts.done + counts.cancelled + counts.rejected + counts.failed + counts.in_flight);
}

TEST(Scheduler, SaysWhyItRejects) {
  Scheduler scheduler(one(count_up, {.model = "small", .max_context = 8}));
  const auto why = [&](Request request) {
    Reply reply = scheduler.submit(request);
    const Outcome outcome = end_of(reply);
    EXPECT_EQ(outcome.end, End::rejected);
    return outcome.why;
  };
  EXPECT_EQ(why({}), "empty_prompt");
  EXPECT_EQ(why({.prompt = kPrompt, .max_tokens = 6}), "too_long");
  EXPECT_EQ(why({.prompt = from(0, 100), .max_tokens = 1}), "too_long");
  EXPECT_EQ(why({.prompt = kPrompt, .max_tokens = 1, .model = "large"}), "no_such_model");
  EXPECT_EQ(why({.prompt = kPrompt, .max_tokens = 1, .slo = "platinum"}), "no_such_class");
}

TEST(Scheduler, ShedsWhatHasWaitedBeyondItsPatience) {
  Gate gate;
  Options options = one(count_up_behind(gate), {.slots = 1});
  options.classes = {{.name = "patient"}, {.name = "hasty", .patience = 1ms}};
  Scheduler scheduler(std::move(options));
  Reply running = scheduler.submit({.prompt = kPrompt, .max_tokens = 1});
  gate.wait_for(1);
  Reply hasty = scheduler.submit({.prompt = kPrompt, .max_tokens = 1, .slo = "hasty"});
  EXPECT_EQ(end_of(hasty).why, "shed");
  gate.open();
  EXPECT_EQ(end_of(running).end, End::done);
}

TEST(Scheduler, DrainsAndThenRefuses) {
  Gate gate;
  Scheduler scheduler(one(count_up_behind(gate)));
  Reply reply = scheduler.submit({.prompt = kPrompt, .max_tokens = 2});
  EXPECT_FALSE(scheduler.drain(0ns));
  gate.open();
  EXPECT_TRUE(scheduler.drain(1h));
  EXPECT_EQ(reply.outcome()->end, End::done);
  Reply late = scheduler.submit({.prompt = kPrompt});
  EXPECT_EQ(late.outcome()->why, "draining");
}

// ---- devices that come and go --------------------------------------------------------------------------------------

TEST(Scheduler, DrainedDeviceFinishesWhatItRunsAndTakesNothingNew) {
  Gate gate;
  Scheduler scheduler(one(count_up_behind(gate)));
  Reply running = scheduler.submit({.prompt = kPrompt, .max_tokens = 5});
  gate.wait_for(1);
  scheduler.set("host", Wish::drain);
  Reply refused = scheduler.submit({.prompt = kPrompt});
  EXPECT_EQ(end_of(refused).why, "device_lost");
  gate.open();
  EXPECT_EQ(all(running), from(4, 5));
  scheduler.set("host", Wish::serve);
  Reply again = scheduler.submit({.prompt = kPrompt, .max_tokens = 2});
  EXPECT_EQ(all(again), from(4, 2));
}

TEST(Scheduler, RemovedDeviceFailsWhatItRuns) {
  Gate gate;
  Scheduler scheduler(one(count_up_behind(gate)));
  Reply running = scheduler.submit({.prompt = kPrompt, .max_tokens = 1u << 30});
  gate.wait_for(1);
  scheduler.set("host", Wish::remove);
  gate.open();
  EXPECT_EQ(end_of(running).why, "device_lost");
}

TEST(Scheduler, SpreadsOverItsDevicesAndModels) {
  std::array<std::atomic<int>, 3> steps{};
  const auto device = [&](std::size_t i, std::string model, Token add) {
    return host_device(std::to_string(i),
                       [&steps, i, add](StepView& step) {
                         ++steps[i];
                         for (StepSlot& slot : step)
                           if (slot.samples) slot.emit(slot.input.back() + add);
                       },
                       {.model = std::move(model), .slots = 2});
  };
  Scheduler scheduler({.devices = {device(0, "a", 1), device(1, "a", 1), device(2, "b", 5)}, .policy = "round_robin"});
  std::vector<Reply> replies;
  for (int i = 0; i < 12; ++i) {
    replies.push_back(scheduler.submit({.prompt = kPrompt, .max_tokens = 3, .model = i % 3 == 2 ? "b" : "a"}));
  }
  for (int i = 0; i < 12; ++i) EXPECT_EQ(all(replies[i]), i % 3 == 2 ? (std::vector<Token>{8, 13, 18}) : from(4, 3));
  for (const std::atomic<int>& n : steps) EXPECT_GT(n, 0);
  Reply unnamed = scheduler.submit({.prompt = kPrompt});
  EXPECT_EQ(end_of(unnamed).why, "no_such_model");
}

// ---- whole lives ---------------------------------------------------------------------------------------------------

TEST(Scheduler, DestructorCancelsWhatIsInFlight) {
  std::optional<Reply> reply;
  Gate gate;
  gate.open();
  {
    Scheduler scheduler(one(count_up_behind(gate)));
    reply.emplace(scheduler.submit({.prompt = kPrompt, .max_tokens = 1u << 30}));
    gate.wait_for(1);
  }
  EXPECT_EQ(end_of(*reply).end, End::cancelled);
}

TEST(Scheduler, TwoInOneProcessDoNotMeet) {
  Scheduler up(one(count_up));
  Scheduler down(one([](StepView& step) {
    for (StepSlot& slot : step)
      if (slot.samples) slot.emit(slot.input.back() - 1);
  }));
  Reply a = up.submit({.prompt = kPrompt, .max_tokens = 3});
  Reply b = down.submit({.prompt = kPrompt, .max_tokens = 3});
  EXPECT_EQ(all(a), (std::vector<Token>{4, 5, 6}));
  EXPECT_EQ(all(b), (std::vector<Token>{2, 1, 0}));
  EXPECT_EQ(up.counts().done, 1u);
  EXPECT_EQ(down.counts().done, 1u);
}

TEST(Scheduler, MovesAndGoesOn) {
  Scheduler first(one(count_up));
  Reply reply = first.submit({.prompt = kPrompt, .max_tokens = 30});
  Scheduler second(std::move(first));
  EXPECT_EQ(all(reply), from(4, 30));
  Reply more = second.submit({.prompt = kPrompt, .max_tokens = 3});
  EXPECT_EQ(all(more), from(4, 3));
  Reply none = first.submit({.prompt = kPrompt});
  EXPECT_EQ(none.outcome()->end, End::rejected);
}

TEST(Scheduler, CountsBalanceWhileManyThreadsSubmit) {
  Scheduler scheduler(one(count_up, {.slots = 4, .kv_blocks = 64, .block_tokens = 4}));
  constexpr int kThreads = 4, kEach = 100;
  std::vector<std::thread> callers;
  std::atomic<int> wrong = 0;
  for (int t = 0; t < kThreads; ++t) {
    callers.emplace_back([&, t] {
      for (int i = 0; i < kEach; ++i) {
        const Token prompt[] = {t * 100000 + i * 100};
        const auto n = static_cast<std::uint32_t>(1 + i % 30);
        Reply reply = scheduler.submit({.prompt = prompt, .max_tokens = n});
        if (i % 10 == 9) continue;  // dropped
        if (i % 10 == 8) reply.cancel();
        const std::vector<Token> answer = all(reply);
        const std::vector<Token> expected = from(prompt[0] + 1, n);
        if (answer.size() > n || !std::equal(answer.begin(), answer.end(), expected.begin())) ++wrong;
        if (i % 10 < 8 && answer.size() != n) ++wrong;
      }
    });
  }
  for (int i = 0; i < 1000; ++i) {
    const Counts c = scheduler.counts();
    ASSERT_EQ(c.submitted, c.done + c.cancelled + c.rejected + c.failed + c.in_flight);
    ASSERT_LE(c.in_flight, c.submitted);
  }
  for (std::thread& t : callers) t.join();
  EXPECT_TRUE(scheduler.drain(1h));
  EXPECT_EQ(wrong, 0);
  const Counts c = scheduler.counts();
  EXPECT_EQ(c.submitted, std::uint64_t{kThreads * kEach});
  EXPECT_EQ(c.in_flight, 0u);
  EXPECT_EQ(c.done + c.cancelled, std::uint64_t{kThreads * kEach});
}

// ---- wrong options -------------------------------------------------------------------------------------------------

std::string key_of(Options options) {
  auto opened = Scheduler::open(std::move(options));
  const auto* error = std::get_if<ConfigError>(&opened);
  return error ? error->key : "";
}

TEST(Scheduler, WrongOptionsAreNamed) {
  EXPECT_EQ(key_of({}), "devices");
  EXPECT_EQ(key_of({.devices = {host_device("a", {})}}), "devices[0].step");
  EXPECT_EQ(key_of({.devices = {host_device("a", count_up), host_device("a", count_up)}}), "devices[1].name");
  EXPECT_EQ(key_of(one(count_up, {.slots = 0})), "devices[0].slots");
  EXPECT_EQ(key_of(one(count_up, {.slots = 10, .token_budget = 9})), "devices[0].token_budget");
  EXPECT_EQ(key_of(one(count_up, {.kv_blocks = 0})), "devices[0].kv_blocks");
  EXPECT_EQ(key_of(one(count_up, {.role = "prefill"})), "devices[0].role");
  EXPECT_EQ(key_of({.devices = {host_device("a", count_up)}, .max_waiting = 0}), "max_waiting");
  EXPECT_EQ(key_of({.devices = {host_device("a", count_up)}, .classes = {{.name = "x"}, {.name = "x"}}}),
            "classes.name");
  EXPECT_THROW(Scheduler({.devices = {host_device("a", count_up)}, .policy = "best"}), ConfigError);
  EXPECT_THROW(Scheduler({.devices = {pulled_device("a", {.role = "prefill"})}}), ConfigError);
  EXPECT_THROW(Scheduler({.devices = {host_device("a", count_up)}, .record_to = "no/such/folder/x.rec"}), ConfigError);
}

TEST(Scheduler, UnknownDeviceIsSaidInTheLog) {
  std::string said;
  Options options = one(count_up);
  options.log = [&](std::string_view line) { said = line; };
  Scheduler scheduler(std::move(options));
  scheduler.set("hots", Wish::drain);
  EXPECT_EQ(said, "set: there is no device 'hots'");
}

}  // namespace
}  // namespace switchyard
