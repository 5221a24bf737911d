// Requests of several answers: one rule of scheduler/core/README.md, "Several answers", per test.
#include <gtest/gtest.h>

#include <string>

#include "tests/builders.h"
#include "tests/replays.h"

namespace yard {
namespace {

using builders::Given;
using builders::Said;
using builders::Scene;

TEST(Answers, JoinTheDeviceOfTheFirstWhenThePromptIsRead) {
  Scene s(Given().pool({.devices = 2, .token_budget = 8}));
  s.submit({.prompt = 10, .max_output = 3, .answers = 3});
  EXPECT_EQ(s.poll().launches.at(0).slots.size(), 1u);
  EXPECT_EQ(s.step(0).launches.at(0).slots.size(), 1u) << "its prompt has two tokens left to read";
  const Said said = s.step(0);
  ASSERT_EQ(said.order, "L");
  ASSERT_EQ(said.launches[0].device, DeviceId{0}) << "round robin would say 1";
  ASSERT_EQ(said.launches[0].slots.size(), 2u) << "a token of the budget for the first, seven for the second";
  EXPECT_EQ(said.launches[0].slots[0].prefill, Tokens(0));
  EXPECT_EQ(said.launches[0].slots[1].prefill, Tokens(7));
  EXPECT_EQ(said.launches[0].slots[1].answer, 1u);
}

TEST(Answers, EndTogetherWithOneFinishOfAll) {
  Scene s(Given().pool({}));
  s.submit({.prompt = 10, .max_output = 3, .answers = 2});
  s.poll(), s.step(0), s.step(0);
  EXPECT_EQ(s.ledger().in_flight, 1u);
  const Said first = s.step(0);  // the first has its three
  EXPECT_TRUE(first.finishes.empty());
  const Said said = s.step(0);
  ASSERT_EQ(said.finishes.size(), 1u);
  const Account& a = said.finishes[0].account;
  EXPECT_EQ(said.finishes[0].outcome, Outcome::done);
  EXPECT_EQ(a.answers, 2u);
  EXPECT_EQ(a.output, Tokens(6));
  EXPECT_EQ(a.longest, Tokens(3));
  EXPECT_EQ(a.first_token, Time(1)) << "the first of any";
  EXPECT_EQ(a.last_token, Time(4)) << "the last of all";
  EXPECT_EQ(s.ledger().submitted, 1u);
  EXPECT_EQ(s.ledger().of(Outcome::done), 1u);
  EXPECT_EQ(s.ledger().in_flight, 0u);
}

TEST(Answers, JoinAlsoWhereTheFirstEndsWithItsFirstToken) {
  Scene s(Given().pool({}));
  s.submit({.max_output = 1, .answers = 2});
  s.poll();
  EXPECT_EQ(s.step(0).order, "L");
  const Said said = s.step(0);
  ASSERT_EQ(said.finishes.size(), 1u);
  EXPECT_EQ(said.finishes[0].account.output, Tokens(2));
}

TEST(Answers, ACancelEndsAllWhereverTheyAre) {
  Scene s(Given().pool({.max_sequences = 2}));
  const RequestId request = s.submit({.max_output = 9, .answers = 4});
  s.poll(), s.step(0);  // two run, two stand in the line
  s.cancel(request);
  EXPECT_TRUE(s.poll().finishes.empty());
  s.cancel(request);
  EXPECT_EQ(s.ledger().late_cancels, 1u);
  const Said said = s.step(0);
  ASSERT_EQ(said.order, "F");
  EXPECT_EQ(said.finishes[0].outcome, Outcome::cancelled);
  EXPECT_EQ(s.ledger().of(Outcome::cancelled), 1u);
}

TEST(Answers, ACancelBeforeThePromptIsReadLeavesNobodyToJoin) {
  Scene s(Given().pool({}));
  const RequestId request = s.submit({.answers = 3});
  s.poll();
  s.cancel(request);
  s.poll();
  EXPECT_EQ(s.step(0).order, "F");
  for (int k = 0; k < 64; ++k) s.submit();
  EXPECT_TRUE(s.poll().finishes.empty()) << "their places are free";
}

TEST(Answers, AreCancelledThoughTheFirstIsDoneInTheRunOfTheCancel) {
  Scene s(Given().pool({}));
  const RequestId request = s.submit({.max_output = 1, .answers = 2});
  s.poll();
  s.cancel(request);
  s.poll();
  const Said said = s.step(0);
  ASSERT_EQ(said.order, "F");
  EXPECT_EQ(said.finishes[0].outcome, Outcome::cancelled);
  EXPECT_EQ(said.finishes[0].account.output, Tokens(1));
}

TEST(Answers, OneThatFailsFailsTheRequestAndStopsTheOthers) {
  Scene s(Given().pool({.devices = 1, .max_sequences = 3}));
  const RequestId other = s.submit({.max_output = 9});
  const RequestId request = s.submit({.max_output = 9, .answers = 3});
  s.poll();
  s.step(0);  // both have a token; one of the two others joins
  s.at(2);
  RunEnded end = s.ending(0, {});
  std::vector<SlotEnd> slots(end.slots.begin(), end.slots.end());
  ASSERT_EQ(slots.size(), 3u);
  ASSERT_EQ(s.open_run(0).slots[2].answer, 1u);
  slots[2].fate = SlotFate::failed;
  end.slots = slots;
  s.core().apply(end, s.now());
  const Said said = s.poll();
  ASSERT_EQ(said.finishes.size(), 1u);
  EXPECT_EQ(said.finishes[0].request, request);
  EXPECT_EQ(said.finishes[0].outcome, Outcome::failed);
  EXPECT_EQ(said.finishes[0].why, Reason::device_failed);
  ASSERT_EQ(said.launches.size(), 1u);
  ASSERT_EQ(said.launches[0].slots.size(), 1u) << "nobody else of it runs or waits";
  EXPECT_EQ(said.launches[0].slots[0].request, other);
}

TEST(Answers, ThoseOfADeviceThatDrainsGoElsewhere) {
  Scene s(Given().pool({.devices = 2}));
  s.submit({.max_output = 2, .answers = 2});
  s.poll();
  s.change(0, DeviceState::draining);
  const Said said = s.step(0);
  ASSERT_EQ(said.launches.size(), 2u);
  EXPECT_EQ(said.launches[1].device, DeviceId{1});
  EXPECT_EQ(said.launches[1].slots[0].answer, 1u);
}

TEST(Answers, FailWhereNothingIsLeftThatCouldServeThem) {
  for (const char* bind : {"arrival", "room"}) {
    Scene s(Given().pool({}).policy("round_robin", "fcfs", bind));
    const RequestId request = s.submit({.max_output = 9, .answers = 3});
    s.poll();
    s.change(0, DeviceState::draining);
    EXPECT_TRUE(s.poll().finishes.empty()) << "the first runs on";
    const Said said = s.step(0);
    ASSERT_EQ(said.finishes.size(), 1u) << bind;
    EXPECT_EQ(said.finishes[0].request, request);
    EXPECT_EQ(said.finishes[0].outcome, Outcome::failed);
    EXPECT_EQ(said.finishes[0].why, Reason::device_lost);
    EXPECT_EQ(s.ledger().in_flight, 0u);
  }
}

TEST(Answers, TakeThePlacesOfAllAtTheDoor) {
  Given given;
  given.bounds.sequences = 4;
  Scene s(given.pool({}));
  s.submit({.answers = 3});
  s.submit({.answers = 2});
  s.submit();
  s.submit();
  const Said said = s.poll();
  ASSERT_EQ(said.finishes.size(), 2u);
  EXPECT_EQ(said.finishes[0].account.answers, 2u);
  for (const Finish& f : said.finishes) EXPECT_EQ(f.why, Reason::queue_full);
}

TEST(Answers, MoreThanTheBoundAreRefused) {
  Given given;
  given.bounds.answers = 3;
  Scene s(given.pool({}));
  s.submit({.answers = 4});
  EXPECT_EQ(s.poll().finishes.at(0).why, Reason::too_many_answers);
  s.submit({.answers = 3});
  EXPECT_TRUE(s.poll().finishes.empty());
}

TEST(Answers, LessImportantOnesGiveWayOnlyIfTheyAreEnough) {
  Given given;
  given.bounds.sequences = 4;
  given.fleet.classes.push_back(given.fleet.classes[0]);
  given.fleet.classes[1].rank = 1;
  Scene s(given.pool({.max_sequences = 1}));
  s.submit(), s.submit({.slo = 1}), s.submit({.slo = 1}), s.submit({.slo = 1});
  s.poll();  // the first runs
  s.submit({.answers = 4});
  EXPECT_EQ(s.poll().finishes.at(0).why, Reason::queue_full) << "three would have to give way for nothing";
  s.submit({.answers = 3});
  const Said said = s.poll();
  EXPECT_EQ(said.order, "FFF");
  for (const Finish& f : said.finishes) EXPECT_EQ(f.why, Reason::shed);
}

TEST(Answers, AScoreIsOneHoweverOftenItIsAskedFor) {
  Scene s(Given().pool({}));
  s.submit({.max_output = 0, .answers = 5});
  s.poll();
  const Said said = s.step(0);
  ASSERT_EQ(said.order, "F");
  EXPECT_EQ(said.finishes[0].account.answers, 1u);
}

TEST(Answers, CountAllAgainstTheirTenantsTokens) {
  Given given;
  given.fleet.tenants[0].tokens = {.per_s_thousandths = 1, .burst = 30};
  Scene s(given.pool({}));
  s.submit({.prompt = 10, .max_output = 7, .answers = 3});  // 31
  EXPECT_EQ(s.poll().finishes.at(0).why, Reason::quota);
  s.submit({.prompt = 10, .max_output = 7, .answers = 2});  // 24; takes 12
  s.poll();
  s.step(0, {.stop = {}});
  const Said said = [&] {
    Said last;
    while (s.in_run(0)) {
      last = s.step(0, {.stop = {s.open_run(0).slots[0].request}});
      if (!last.finishes.empty()) break;
    }
    return last;
  }();
  ASSERT_EQ(said.finishes.size(), 1u);
  const std::int32_t took = 10 + said.finishes[0].account.output.count();
  s.submit({.prompt = 1, .max_output = 30 - took});  // one more than is left
  EXPECT_EQ(s.poll().finishes.at(0).why, Reason::quota);
  s.submit({.prompt = 1, .max_output = 29 - took});
  EXPECT_TRUE(s.poll().finishes.empty());
}

// ---- replayed -----------------------------------------------------------------------------------------------------

struct AnswersReplayed : Replays {
  AnswersReplayed() {
    std::string trace = "arrival_ns,prompt_tokens,output_tokens,n\n";
    for (std::int64_t k = 0; k < 300; ++k)
      trace +=
          std::to_string(k * 20'000'000) + "," + std::to_string(1024 + k) + ",20," + (k % 3 == 0 ? "4" : "") + '\n';
    here.with("trace.csv", trace);
  }
  switchyard::Replayed replay(const std::string& pool, const std::string& exact, const std::string& record = "") {
    return Replays::replay("pools:\n  - {name: a, model: llama-3.1-8b, accelerator: h100-sxm, " + pool + "}\n",
                           {.trace = here.at("trace.csv"),
                            .policy = "expected_seconds",
                            .exact = exact,
                            .requests_csv = "",
                            .json = "",
                            .record = record,
                            .progress = {}});
  }
  static long prefilled(const switchyard::Replayed& replayed) { return number_at(replayed, "prefill_tokens"); }
};

TEST_F(AnswersReplayed, APromptIsReadOnceWhereItIsKept) {
  const auto kept = replay("replicas: 2", "jump"), anew = replay("replicas: 2, prefix_cache: off", "jump");
  EXPECT_EQ(kept.done, 300u);
  EXPECT_EQ(anew.done, 300u);
  const long once = 300 * 1024 + 299 * 150;
  EXPECT_EQ(prefilled(anew), once + 3 * (100 * 1024 + 99 * 150)) << "four times, of every third";
  EXPECT_LT(prefilled(kept), once + 300 * 512) << "of each prompt at most a block and a rest are read again";
  EXPECT_NE(kept.text.find("asked for several answers: 100; answers to all: 600"), std::string::npos) << kept.text;
}

TEST_F(AnswersReplayed, IsTheSameSteppedAndReenacted) {
  for (const char* pool : {"replicas: 2", "replicas: 2, served: {wire_delay_ms: 1}"}) {
    const std::string recording = here.at("day.rec");
    const auto jump = replay(pool, "jump", recording);
    EXPECT_EQ(jump.done, 300u);
    EXPECT_EQ(jump.decision_hash, replay(pool, "step").decision_hash);
    EXPECT_TRUE(reenacted(recording).equal) << pool;
  }
}

}  // namespace
}  // namespace yard
