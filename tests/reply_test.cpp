// What a caller may rely on of its Reply: the three ways to read it, and cancelling. Nothing here sleeps; where a state
// must hold, the device's function stands at a Gate.
#include <switchyard/scheduler.h>
#include <switchyard/step.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <optional>
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

// ---- the three ways to read ----------------------------------------------------------------------------------------

TEST(Reply, TakeGivesWhatIsThereWithoutBlocking) {
  Gate gate;
  Scheduler scheduler(one(count_up_behind(gate)));
  Reply reply = scheduler.submit({.prompt = kPrompt, .max_tokens = 4});
  std::array<Token, 3> out{};
  gate.wait_for(1);
  EXPECT_EQ(reply.take(out), 0u);
  EXPECT_FALSE(reply.outcome());
  gate.open();
  std::vector<Token> taken;
  for (;;) {
    const bool ended = reply.outcome().has_value();  // first, so that nothing can come after the last take
    const std::size_t n = reply.take(out);
    ASSERT_LE(n, out.size());
    taken.insert(taken.end(), out.begin(), out.begin() + static_cast<std::ptrdiff_t>(n));
    if (ended && n == 0) break;
    std::this_thread::yield();
  }
  EXPECT_EQ(taken, from(4, 4));
}

TEST(Reply, NotifyCallsAfterEachTokenAndTheEnd) {
  Gate gate, over;
  over.open();
  std::atomic<int> calls = 0;
  Scheduler scheduler(one(count_up_behind(gate)));
  Reply reply = scheduler.submit({.prompt = kPrompt, .max_tokens = 3});
  reply.notify([&] {
    ++calls;
    over.pass();
  });
  gate.open();
  over.wait_for(4);
  EXPECT_EQ(all(reply), from(4, 3));
  EXPECT_EQ(calls, 4);
}

TEST(Reply, NotifyIsNotCalledOnceItWasTakenBack) {
  Gate gate;
  Scheduler scheduler(one(count_up_behind(gate)));
  auto alive = std::make_unique<int>(0);  // the sanitizers see a call after this is gone
  Reply reply = scheduler.submit({.prompt = kPrompt, .max_tokens = 50});
  reply.notify([p = alive.get()] { ++*p; });
  gate.open();
  reply.notify({});
  alive.reset();
  EXPECT_EQ(all(reply), from(4, 50));
}

TEST(Reply, MayBeReadAfterItsSchedulerIsGone) {
  std::optional<Reply> reply;
  {
    Scheduler scheduler(one(count_up));
    reply.emplace(scheduler.submit({.prompt = kPrompt, .max_tokens = 5}));
    EXPECT_TRUE(scheduler.drain(1h));
  }
  EXPECT_EQ(all(*reply), from(4, 5));
  reply->cancel();
  EXPECT_EQ(reply->outcome()->end, End::done);
}

TEST(Reply, MovedFromOneIsEmptyAndTheOtherGoesOn) {
  Scheduler scheduler(one(count_up));
  Reply first = scheduler.submit({.prompt = kPrompt, .max_tokens = 5});
  Reply second = std::move(first);
  EXPECT_EQ(all(second), from(4, 5));
  second = scheduler.submit({.prompt = kPrompt, .max_tokens = 2});
  EXPECT_EQ(all(second), from(4, 2));
}

// ---- cancelling ----------------------------------------------------------------------------------------------------

TEST(Reply, CancelEndsARunningSequenceAtAStepBoundary) {
  Gate gate;
  Scheduler scheduler(one(count_up_behind(gate)));
  Reply reply = scheduler.submit({.prompt = kPrompt, .max_tokens = 1u << 30});
  gate.wait_for(1);
  reply.cancel();
  gate.open();
  EXPECT_EQ(end_of(reply).end, End::cancelled);
}

TEST(Reply, CancelEndsAWaitingOneAtOnce) {
  Gate gate;
  Scheduler scheduler(one(count_up_behind(gate), {.slots = 1}));
  Reply running = scheduler.submit({.prompt = kPrompt, .max_tokens = 2});
  gate.wait_for(1);
  Reply waiting = scheduler.submit({.prompt = kPrompt, .max_tokens = 2});
  waiting.cancel();
  EXPECT_EQ(end_of(waiting).end, End::cancelled);  // while the device still stands at the gate
  gate.open();
  EXPECT_EQ(end_of(running).end, End::done);
}

TEST(Reply, DroppingItCancels) {
  Gate gate;
  Scheduler scheduler(one(count_up_behind(gate)));
  {
    Reply reply = scheduler.submit({.prompt = kPrompt});
    gate.wait_for(1);
  }
  gate.open();
  EXPECT_TRUE(scheduler.drain(1h));
  EXPECT_EQ(scheduler.counts().cancelled, 1u);
}

TEST(Reply, CancelAfterTheEndChangesNothing) {
  Scheduler scheduler(one(count_up));
  Reply reply = scheduler.submit({.prompt = kPrompt, .max_tokens = 2});
  all(reply);
  reply.cancel();
  EXPECT_EQ(reply.outcome()->end, End::done);
}

}  // namespace
}  // namespace switchyard
