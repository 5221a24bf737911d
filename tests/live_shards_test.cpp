// Several live shards that take from one another what they cannot start in time: nothing is lost, nothing is doubled,
// whoever stands still; and each shard's recording re-enacts alone.
#include <switchyard/scheduler.h>
#include <switchyard/step.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "scheduler/base/rng.h"
#include "scheduler/loop/reenact.h"
#include "tests/gate.h"
#include "tests/live_answers.h"
#include "tests/stress.h"

namespace yard {
namespace {

using namespace std::chrono_literals;
using switchyard::all;
using switchyard::count_up;
using switchyard::count_up_behind;
using switchyard::End;
using switchyard::end_of;
using switchyard::from;
using switchyard::host_device;
using switchyard::Options;
using switchyard::Reply;
using switchyard::Scheduler;
using switchyard::StepView;
using switchyard::Token;
using switchyard::Wish;

// Where its recordings go.
class LiveShards : public testing::Test {
 protected:
  LiveShards() {
    std::string name = testing::UnitTest::GetInstance()->current_test_info()->name();
    std::ranges::replace(name, '/', '_');
    path = (std::filesystem::temp_directory_path() / ("shards-" + std::to_string(::getpid()) + "-" + name)).string();
  }
  ~LiveShards() override {
    for (int s = 0; s < 8; ++s) std::filesystem::remove(path + ".shard" + std::to_string(s));
  }
  // Each shard's recording gives its own commands back. Returns: what all of them counted.
  Ledger reenact_all(std::uint32_t shards) const {
    Ledger sum;
    for (std::uint32_t s = 0; s < shards; ++s) {
      const Reenactment again = reenact(path + ".shard" + std::to_string(s));
      EXPECT_TRUE(again.equal) << "shard " << s;
      EXPECT_EQ(again.hash_recorded, again.hash_reenacted);
      EXPECT_FALSE(again.cut_at);
      EXPECT_TRUE(again.ledger.balances());
      add(sum, again.ledger);
    }
    EXPECT_EQ(sum.given, sum.taken) << "what one gave away another has taken";
    EXPECT_EQ(sum.in_flight, 0u);
    return sum;
  }
  std::string path;
};

// By the costs that a host device is placed by, a prompt of 30,000 tokens is read in 0.3 s.
constexpr std::size_t kLong = 30'000;
const switchyard::HostOptions kOneByOne{.slots = 1, .token_budget = 32'768};
const std::vector<switchyard::SloClass> kSoon{{.name = "soon", .ttft = 100ms}};

TEST_F(LiveShards, WhatOneCannotStartAnotherTakes) {
  Gate gate;
  std::atomic<bool> at_gate{false};
  const auto stuck = [&](StepView& step) {
    at_gate = true;
    gate.pass();
    count_up(step);
  };
  std::uint64_t submitted = 0;
  {
    Scheduler scheduler({.devices = {host_device("stuck", stuck, kOneByOne), host_device("free", count_up, kOneByOne)},
                         .classes = kSoon,
                         .shards = 2,
                         .record_to = path});
    std::vector<Reply> replies;
    const auto submit = [&] {
      replies.push_back(
          scheduler.submit({.prompt = std::vector<Token>(kLong, static_cast<Token>(replies.size())), .max_tokens = 2}));
    };
    // One after the other until one stands at the gate. (Two at once, and one might be taken to the shard that is about
    // to be stuck: from there nobody takes it again.)
    while (!at_gate) {
      submit();
      while (!at_gate && scheduler.counts().in_flight > 0) std::this_thread::yield();
    }
    for (int i = 0; i < 20; ++i) submit();
    submitted = replies.size();
    // All end but the one that stands at the gate, and who was bound right behind it: he was expected to wait for
    // nobody.
    const auto deadline = std::chrono::steady_clock::now() + 60s;
    while (scheduler.counts().in_flight > 2 && std::chrono::steady_clock::now() < deadline)
      std::this_thread::sleep_for(1ms);
    EXPECT_LE(scheduler.counts().in_flight, 2u);
    gate.open();
    for (std::size_t i = 0; i < replies.size(); ++i) EXPECT_EQ(all(replies[i]), from(static_cast<Token>(i) + 1, 2));
    const std::string metrics = scheduler.metrics();
    EXPECT_EQ(metrics.find("switchyard_steals_total 0\n"), std::string::npos) << metrics;
  }
  const Ledger ledger = reenact_all(2);
  EXPECT_EQ(ledger.of(Outcome::done), submitted);
  EXPECT_EQ(ledger.submitted, submitted);
  EXPECT_GT(ledger.taken, 0u);
}

TEST_F(LiveShards, ApartTheyOfferNothing) {
  for (const bool steal : {false, true}) {
    Gate gate;
    {
      Scheduler scheduler({.devices = {host_device("a", count_up_behind(gate), kOneByOne),
                                       host_device("b", count_up_behind(gate), kOneByOne)},
                           .classes = kSoon,
                           .shards = 2,
                           .steal = steal,
                           .record_to = path});
      std::vector<Reply> replies;
      for (Token i = 0; i < 8; ++i)
        replies.push_back(scheduler.submit({.prompt = std::vector<Token>(kLong, i), .max_tokens = 2}));
      gate.open();
      for (Reply& reply : replies) EXPECT_EQ(end_of(reply).end, End::done);
    }
    const Ledger ledger = reenact_all(2);
    EXPECT_EQ(ledger.offered > 0, steal);
    EXPECT_EQ(ledger.looks > 0, steal);
    EXPECT_EQ(ledger.of(Outcome::done), 8u);
  }
}

TEST_F(LiveShards, DevicesAreNamedInAnyShard) {
  Scheduler scheduler(
      {.devices = {host_device("a", count_up, {.model = "x"}), host_device("b", count_up, {.model = "y"}),
                   host_device("c", count_up, {.model = "z"})},
       .shards = 3});
  const auto ends = [&](std::string_view model) {
    Reply reply = scheduler.submit({.prompt = switchyard::kPrompt, .max_tokens = 2, .model = model});
    return end_of(reply);
  };
  for (const std::string_view model : {"x", "y", "z"}) EXPECT_EQ(ends(model).end, End::done) << model;
  EXPECT_EQ(ends("w").end, End::rejected);
  scheduler.set("b", Wish::remove);
  while (scheduler.metrics().find("switchyard_device_state{device=\"b\",state=\"down\"} 1") == std::string::npos)
    std::this_thread::sleep_for(1ms);
  EXPECT_EQ(ends("x").end, End::done);
  EXPECT_EQ(ends("y").end, End::rejected);
  EXPECT_EQ(ends("z").end, End::done);
  EXPECT_EQ(scheduler.counts().done, 5u);
  EXPECT_EQ(scheduler.counts().submitted, 7u);
}

// ---- many at once ---------------------------------------------------------------------------------------------------

struct Choice {
  std::string policy, bind;
  std::uint32_t shards;
  Seed seed;
};

// Eight devices, some slow; the costs that they are placed by know nothing of it.
Options crowd(const Choice& choice, const std::string& path) {
  Options options{.policy = choice.policy,
                  .bind = choice.bind,
                  .classes = {{.name = "soon", .ttft = 20ms, .patience = 400ms}, {.name = "late"}},
                  .max_waiting = 4096,
                  .seed = choice.seed,
                  .shards = choice.shards,
                  // Where only seconds count it would learn that nothing takes long enough for a thief to gain by it.
                  .learn_costs = choice.policy != "expected_seconds",
                  .record_to = path};
  for (int d = 0; d < 8; ++d) {
    const auto slow = std::chrono::microseconds(d % 3 == 0 ? 300 : 0);
    options.devices.push_back(host_device("d" + std::to_string(d),
                                          [slow](StepView& step) {
                                            if (slow > 0us) std::this_thread::sleep_for(slow);
                                            count_up(step);
                                          },
                                          {.slots = 2, .token_budget = 4096}));
  }
  return options;
}

struct Seen {
  std::uint64_t done = 0, cancelled = 0, rejected = 0, failed = 0, wrong = 0;
};

// Submits, cancels, drops and reads.
Seen call(Scheduler& scheduler, Rng rng, int requests) {
  Seen seen;
  struct Held {
    Reply reply;
    Token first;
  };
  std::vector<Held> held;
  const auto settle = [&](Held& one) {
    const std::vector<Token> tokens = all(one.reply);
    const auto outcome = one.reply.outcome().value();
    seen.done += outcome.end == End::done, seen.cancelled += outcome.end == End::cancelled;
    seen.rejected += outcome.end == End::rejected, seen.failed += outcome.end == End::failed;
    seen.wrong += tokens != from(one.first + 1, tokens.size());
    seen.wrong += outcome.end == End::done && tokens.size() != outcome.tokens;
  };
  for (int i = 0; i < requests; ++i) {
    const auto first = static_cast<Token>(rng.below(1000));
    held.push_back({scheduler.submit({.prompt = std::vector<Token>(100 + rng.below(4000), first),
                                      .max_tokens = static_cast<std::uint32_t>(1 + rng.below(8)),
                                      .slo = rng.below(4) == 0 ? "late" : "soon"}),
                    first});
    if (rng.below(8) == 0) held.back().reply.cancel();
    while (held.size() > 24) {
      const std::size_t which = rng.below(held.size());
      if (rng.below(6) == 0) held[which].reply.cancel();
      settle(held[which]);
      held.erase(held.begin() + static_cast<std::ptrdiff_t>(which));
    }
  }
  for (Held& one : held) settle(one);
  return seen;
}

void add(Seen& all, const Seen& one) {
  all.done += one.done, all.cancelled += one.cancelled, all.rejected += one.rejected, all.failed += one.failed;
  all.wrong += one.wrong;
}

class Crowd : public LiveShards, public testing::WithParamInterface<Choice> {};

TEST_P(Crowd, EveryRequestEndsOnceAndEachShardReenacts) {
  const Choice choice = GetParam();
  constexpr int kThreads = 4, kEach = 200;
  std::vector<Seen> seen(kThreads);
  {
    Scheduler scheduler(crowd(choice, path));
    std::vector<std::thread> threads;
    for (std::size_t t = 0; t < kThreads; ++t)
      threads.emplace_back([&, t] { seen[t] = call(scheduler, Rng::stream(choice.seed, t), kEach); });
    for (std::thread& t : threads) t.join();
    const switchyard::Counts counts = scheduler.counts();
    EXPECT_EQ(counts.submitted, std::uint64_t{kThreads} * kEach);
    EXPECT_EQ(counts.in_flight, 0u);
  }
  Seen sum;
  for (const Seen& one : seen) add(sum, one);
  EXPECT_EQ(sum.wrong, 0u) << "tokens";
  const Ledger ledger = reenact_all(choice.shards);
  EXPECT_EQ(ledger.of(Outcome::done), sum.done);
  EXPECT_EQ(ledger.of(Outcome::cancelled), sum.cancelled);
  EXPECT_EQ(ledger.of(Outcome::failed), sum.failed);
  EXPECT_LE(ledger.of(Outcome::rejected), sum.rejected) << "some before a shard heard of them";
  EXPECT_EQ(ledger.submitted, ledger.all_ended());
  std::printf("%s: %llu offered, %llu looks, %llu taken, %llu lost\n", choice.policy.c_str(),
              static_cast<unsigned long long>(ledger.offered), static_cast<unsigned long long>(ledger.looks),
              static_cast<unsigned long long>(ledger.taken), static_cast<unsigned long long>(ledger.takes_lost));
  EXPECT_GT(ledger.taken, 0u);
}

INSTANTIATE_TEST_SUITE_P(Choices, Crowd,
                         testing::Values(Choice{"expected_seconds", "arrival", 4, 1},
                                         Choice{"expected_cost", "arrival", 4, 2}, Choice{"random", "arrival", 8, 3},
                                         Choice{"least_loaded", "room", 2, 4}),
                         [](const auto& of) { return of.param.policy + "_" + std::to_string(of.param.shards); });

// ---- who stands still -----------------------------------------------------------------------------------------------

// A shard's thread is stopped in the middle of whatever it does, as by SIGSTOP: the others go on.
TEST_F(LiveShards, OneThatStandsStillHoldsNobodyElse) {
  const stress::StandStill still;
  const Choice choice{"expected_seconds", "arrival", 4, 5};
  std::atomic<std::uint64_t> ended{0};
  std::uint64_t stops = 0;
  {
    Scheduler scheduler(crowd(choice, path));
    // Of each request's end its shard's thread tells.
    std::atomic<pthread_t> shard{};
    {
      Reply first = scheduler.submit({.prompt = switchyard::kPrompt, .max_tokens = 1});
      first.notify([&] { shard = pthread_self(); });
      end_of(first);
    }
    ASSERT_NE(shard.load(), pthread_t{});
    std::atomic<bool> over{false};
    std::vector<std::thread> threads;
    std::vector<Seen> seen(3);
    for (std::size_t t = 0; t < seen.size(); ++t)
      threads.emplace_back([&, t] {
        for (std::uint64_t round = 0; !over; ++round) {
          add(seen[t], call(scheduler, Rng::stream(choice.seed, 100 * t + round), 40));
          ended += 40;
        }
      });
    for (int k = 0; k < 3; ++k) {
      for (const std::uint64_t had = ended; ended < had + 40;) std::this_thread::yield();
      still.hold(shard);
      // But for those who went to it before anybody could know, what comes now ends now. Where it does not, this never
      // ends.
      std::vector<Reply> replies;
      const auto done = [&] {
        return std::ranges::count_if(replies, [](const Reply& reply) {
          const auto outcome = reply.outcome();
          return outcome && outcome->end == End::done;
        });
      };
      while (done() < 20) {
        replies.push_back(scheduler.submit({.prompt = switchyard::kPrompt, .max_tokens = 1, .slo = "late"}));
        std::this_thread::sleep_for(2ms);
      }
      still.let_go();
      ++stops;
    }
    over = true;
    for (std::thread& t : threads) t.join();
    Seen sum;
    for (const Seen& one : seen) add(sum, one);
    EXPECT_EQ(sum.wrong, 0u);
  }
  EXPECT_EQ(stops, 3u);
  const Ledger ledger = reenact_all(choice.shards);
  EXPECT_EQ(ledger.submitted, ledger.all_ended());
}

// ---- what is refused ------------------------------------------------------------------------------------------------

std::string refusal_of(Options options) {
  auto opened = Scheduler::open(std::move(options));
  const auto* error = std::get_if<switchyard::ConfigError>(&opened);
  return error ? error->message : "";
}

TEST(LiveShardsInput, MoreThanDevicesOrNone) {
  for (const std::uint32_t shards : {0u, 2u}) {
    const std::string said = refusal_of({.devices = {host_device("a", count_up)}, .shards = shards});
    EXPECT_NE(said.find("shards"), std::string::npos) << said;
    EXPECT_NE(said.find("1 to 1"), std::string::npos) << said;
  }
}

TEST(LiveShardsInput, APowerDomainOverTwo) {
  Options options{.devices = {host_device("a", count_up, {.busy_w = 10}), host_device("b", count_up, {.busy_w = 10})},
                  .power_domains = {{.name = "rack", .cap_w = 100, .devices = {"a", "b"}}},
                  .shards = 2};
  EXPECT_NE(refusal_of(options).find("rack"), std::string::npos);
  options.shards = 1;
  EXPECT_EQ(refusal_of(options), "");
}

TEST(LiveShardsInput, ALimitTooSmallToShare) {
  Options options{.devices = {host_device("a", count_up), host_device("b", count_up)},
                  .tenants = {{.name = "t", .requests_per_s = 0.001, .requests_burst = 1}},
                  .shards = 2};
  EXPECT_NE(refusal_of(options).find("'t'"), std::string::npos) << refusal_of(options);
}

// More of them than may be busy: they run, and that is said once.
TEST(LiveShardsInput, MoreThanCores) {
  constexpr std::uint32_t kMany = 64;
  std::vector<std::string> said;
  Options options{.max_waiting = 64, .shards = kMany, .log = [&](std::string_view line) { said.emplace_back(line); }};
  for (std::uint32_t d = 0; d < kMany; ++d) options.devices.push_back(host_device("d" + std::to_string(d), count_up));
  {
    Scheduler scheduler(std::move(options));
    Reply reply = scheduler.submit({.prompt = switchyard::kPrompt, .max_tokens = 2});
    EXPECT_EQ(end_of(reply).end, End::done);
  }
  if (std::thread::hardware_concurrency() >= kMany) GTEST_SKIP() << "a machine of 64 cores: one for each";
  ASSERT_EQ(said.size(), 1u);
  EXPECT_NE(said[0].find("shards: 64"), std::string::npos) << said[0];
}

}  // namespace
}  // namespace yard
