// Registered submitters: what goes through their lanes is as what goes through the shared way in.
#include <switchyard/scheduler.h>
#include <switchyard/step.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <filesystem>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "scheduler/base/rng.h"
#include "scheduler/loop/reenact.h"
#include "tests/gate.h"
#include "tests/live_answers.h"

namespace yard {
namespace {

using switchyard::all;
using switchyard::count_up;
using switchyard::End;
using switchyard::end_of;
using switchyard::from;
using switchyard::host_device;
using switchyard::Reply;
using switchyard::Scheduler;
using switchyard::Submitter;
using switchyard::Token;

constexpr std::size_t kLane = 1024;

TEST(Submitter, ItsRequestsAreAnswered) {
  Scheduler scheduler({.devices = {host_device("one", count_up)}});
  Submitter submitter = scheduler.submitter();
  const Token prompt[] = {7};
  Reply reply = submitter.submit({.prompt = prompt, .max_tokens = 3});
  EXPECT_EQ(all(reply), from(8, 3));
  Submitter moved = std::move(submitter);
  Reply again = moved.submit({.prompt = prompt, .max_tokens = 2});
  EXPECT_EQ(all(again), from(8, 2));
  EXPECT_EQ(submitter.submit({.prompt = prompt}).outcome()->why, "moved_from");  // NOLINT(bugprone-use-after-move)
}

TEST(Submitter, AFullLaneRejectsAndOthersAreLetIn) {
  Gate gate;
  Scheduler scheduler({.devices = {host_device("one", count_up)}});
  std::atomic<bool> stuck{false};
  Submitter submitter = scheduler.submitter(), other = scheduler.submitter();
  const Token prompt[] = {7};
  Reply first = submitter.submit({.prompt = prompt, .max_tokens = 1 << 20});
  first.notify([&] {  // on the shard's thread, or the device's, which the shard waits for at the end
    if (first.outcome()) stuck = true, gate.pass();
  });
  first.cancel();
  while (!stuck) std::this_thread::yield();
  std::vector<Reply> replies;
  for (std::size_t i = 0; i < kLane; ++i) replies.push_back(submitter.submit({.prompt = prompt, .max_tokens = 1}));
  const Reply refused = submitter.submit({.prompt = prompt, .max_tokens = 1});
  ASSERT_TRUE(refused.outcome());
  EXPECT_EQ(refused.outcome()->end, End::rejected);
  EXPECT_EQ(refused.outcome()->why, "queue_full");
  replies.push_back(other.submit({.prompt = prompt, .max_tokens = 1}));
  replies.push_back(scheduler.submit({.prompt = prompt, .max_tokens = 1}));
  gate.open();
  for (Reply& reply : replies) EXPECT_EQ(end_of(reply).end, End::done);
  const switchyard::Counts counts = scheduler.counts();
  EXPECT_EQ(counts.submitted, kLane + 4);
  EXPECT_EQ(counts.done, kLane + 2);
  EXPECT_EQ(counts.rejected, 1u);
  EXPECT_EQ(counts.in_flight, 0u);
}

TEST(Submitter, MoreThanThereAreLanesShareAndALaneIsLentAgain) {
  Scheduler scheduler({.devices = {host_device("one", count_up)}});
  const Token prompt[] = {1};
  for (int round = 0; round < 3; ++round) {
    std::vector<Submitter> many;
    for (int i = 0; i < 70; ++i) many.push_back(scheduler.submitter());
    std::vector<Reply> replies;
    for (Submitter& submitter : many) replies.push_back(submitter.submit({.prompt = prompt, .max_tokens = 1}));
    for (Reply& reply : replies) EXPECT_EQ(end_of(reply).end, End::done);
  }
}

TEST(SubmitterDeathTest, OneThatOutlivesItsScheduler) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(
      {
        Submitter submitter;
        const Scheduler scheduler({.devices = {host_device("one", count_up)}});
        submitter = const_cast<Scheduler&>(scheduler).submitter();
      },
      "a Submitter goes before its Scheduler");
}

// Some through lanes, some through the shared way, cancelled at once or later by another thread, over shards that take
// from one another: each ends once, a cancel never comes before its request, and all re-enacts.
class Mixed : public testing::TestWithParam<std::uint32_t> {};

TEST_P(Mixed, EveryRequestEndsOnceAndEachShardReenacts) {
  const std::uint32_t shards = GetParam();
  const std::string path = (std::filesystem::temp_directory_path() /
                            ("submitters-" + std::to_string(::getpid()) + "-" + std::to_string(shards)))
                               .string();
  constexpr int kThreads = 4, kEach = 600;
  std::array<std::atomic<int>, 4> ends{};
  {
    switchyard::Options options{.shards = shards, .record_to = path};
    for (int d = 0; d < 4; ++d)
      options.devices.push_back(host_device("d" + std::to_string(d), count_up, {.slots = 2, .token_budget = 4096}));
    Scheduler scheduler(std::move(options));
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t)
      threads.emplace_back([&, t] {
        Rng rng = Rng::stream(shards, static_cast<std::uint64_t>(t));
        std::optional<Submitter> mine;
        if (t > 0) mine = scheduler.submitter();
        std::vector<Reply> held;
        const auto settle = [&](Reply& reply) { ++ends[static_cast<std::size_t>(end_of(reply).end)]; };
        for (int i = 0; i < kEach; ++i) {
          const std::vector<Token> prompt(1 + rng.below(3000), static_cast<Token>(i));
          const switchyard::Request request{.prompt = prompt, .max_tokens = 1 + static_cast<std::uint32_t>(i) % 4};
          held.push_back(mine && i % 7 != 0 ? mine->submit(request) : scheduler.submit(request));
          if (rng.below(3) == 0) held.back().cancel();
          if (held.size() < 8) continue;
          settle(held.front());
          held.erase(held.begin());
        }
        for (Reply& reply : held) settle(reply);
      });
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(scheduler.counts().in_flight, 0u);
  }
  EXPECT_EQ(ends[static_cast<std::size_t>(End::done)] + ends[static_cast<std::size_t>(End::cancelled)],
            kThreads * kEach);
  Ledger sum;
  for (std::uint32_t s = 0; s < shards; ++s) {
    const std::string file = shards == 1 ? path : path + ".shard" + std::to_string(s);
    const Reenactment again = reenact(file);
    EXPECT_TRUE(again.equal);
    EXPECT_TRUE(again.ledger.balances());
    add(sum, again.ledger);
    std::filesystem::remove(file);
  }
  EXPECT_EQ(sum.submitted, std::uint64_t{kThreads} * kEach);
  EXPECT_EQ(sum.in_flight, 0u);
}
INSTANTIATE_TEST_SUITE_P(Shards, Mixed, testing::Values(1u, 2u, 4u));

}  // namespace
}  // namespace yard
