// Live recordings of what comes through the second and third doors re-enact to the same hash.
#include <switchyard/scheduler.h>
#include <switchyard/step.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "scheduler/base/rng.h"
#include "scheduler/core/core.h"
#include "scheduler/loop/reenact.h"

namespace yard {
namespace {

using namespace std::chrono_literals;
using switchyard::endpoint;
using switchyard::Placement;
using switchyard::Ticket;
using switchyard::Wish;

// A recording's path, and the file gone again.
struct Scratch {
  explicit Scratch(const std::string& name)
      : path((std::filesystem::temp_directory_path() / ("doors-" + std::to_string(::getpid()) + "-" + name)).string()) {
  }
  ~Scratch() { std::filesystem::remove(path); }
  const std::string path;
};

void expect_equal(const Reenactment& result, const switchyard::Counts& counts) {
  EXPECT_TRUE(result.equal);
  EXPECT_EQ(result.hash_recorded, result.hash_reenacted);
  EXPECT_NE(result.hash_reenacted, DecisionHash().value());
  EXPECT_FALSE(result.cut_at);
  EXPECT_EQ(counts.done, result.ledger.of(Outcome::done));
  EXPECT_EQ(counts.cancelled, result.ledger.of(Outcome::cancelled));
  EXPECT_EQ(counts.failed, result.ledger.of(Outcome::failed));
  EXPECT_EQ(result.ledger.in_flight, 0u);
}

// One placed request, whose endpoint behaves as a number says: too seldom badly for all endpoints to be ejected at
// once, which is thirty seconds' wait.
class Client {
 public:
  Client(switchyard::Scheduler& scheduler, std::uint64_t behaviour) : behaviour_(behaviour) {
    Ticket ticket = scheduler.place({.prompt = std::string_view("a prompt of some tokens"), .max_tokens = 20},
                                    [heard = heard_](const Placement& to) { heard->tell(to); });
    if (behaviour % 13 == 0) ticket.cancel();
    for (;;) {
      const auto [attempt, end] = heard_->next();
      if (end) return;
      answer(ticket, attempt);
    }
  }

 private:
  struct Heard {
    void tell(const Placement& to) {
      const std::lock_guard lock(mutex);
      attempt = to.attempt, end = to.end.has_value(), fresh = true;
      changed.notify_all();
    }
    std::pair<std::uint32_t, bool> next() {
      std::unique_lock lock(mutex);
      changed.wait(lock, [this] { return fresh; });
      fresh = false;
      return {attempt, end};
    }
    std::mutex mutex;
    std::condition_variable changed;
    std::uint32_t attempt = 0;
    bool end = false, fresh = false;
  };

  void answer(Ticket& ticket, std::uint32_t attempt) const {
    if (attempt == 1 && behaviour_ % 10 == 1) return ticket.failed(503, {}, attempt);
    if (attempt == 1 && behaviour_ % 5 == 2) return ticket.failed(429, 1ms, attempt);
    if (attempt <= 2 && behaviour_ % 29 == 3) return;  // silent: its time runs out
    if (behaviour_ % 19 == 4) return ticket.failed(400, {}, attempt);
    if (behaviour_ % 3 != 0) ticket.first_token(attempt);
    if (behaviour_ % 23 == 5) return ticket.failed(0, {}, attempt);
    if (behaviour_ % 7 == 6) {
      ticket = Ticket();
      return;
    }
    ticket.ended(static_cast<std::uint32_t>(behaviour_ % 25), 0, attempt);
    ticket.ended(1, 0, attempt);
  }

  const std::uint64_t behaviour_;
  const std::shared_ptr<Heard> heard_ = std::make_shared<Heard>();
};

class PlacedRecording : public testing::TestWithParam<std::pair<const char*, const char*>> {};

TEST_P(PlacedRecording, ReenactsToTheSameHash) {
  const auto [policy, bind] = GetParam();
  const Scratch scratch(std::string(policy) + "-" + bind);
  const switchyard::EndpointOptions kOptions{.concurrency = 4, .unread_tokens = 12, .start_timeout = 2ms};
  switchyard::Options options;
  options.devices = {endpoint("a", kOptions), endpoint("b", kOptions), endpoint("c", kOptions)};
  options.policy = policy;
  options.bind = bind;
  options.record_to = scratch.path;
  switchyard::Counts counts;
  {
    switchyard::Scheduler scheduler(std::move(options));
    std::vector<std::thread> threads;
    for (std::uint64_t t = 0; t < 4; ++t)
      threads.emplace_back([&scheduler, t] {
        Rng rng = Rng::stream(7, t);
        for (int i = 0; i < 150; ++i) {
          const Client client(scheduler, rng.below(1'000'000));
        }
      });
    for (const Wish wish : {Wish::remove, Wish::serve, Wish::drain, Wish::serve}) scheduler.set("c", wish);
    for (std::thread& t : threads) t.join();
    EXPECT_TRUE(scheduler.drain(1h));
    counts = scheduler.counts();
  }
  const Reenactment result = reenact(scratch.path);
  expect_equal(result, counts);

  // What the recording claims to cover is in it.
  for (const std::size_t kind : {Event(Submitted{}).index(), Event(CancelAsked{}).index(), Event(FirstToken{}).index(),
                                 Event(Ended{}).index(), Event(Failed{}).index(), Event(DeviceChanged{}).index()})
    EXPECT_GT(result.events_by_kind[kind], 0u) << "event kind " << kind;
  EXPECT_GT(result.ledger.retries, 0u);
  EXPECT_GT(result.ledger.of(Reason::bad_request), 0u);
  EXPECT_GT(result.ledger.of(Reason::broken_stream), 0u);
  EXPECT_GT(result.timer_only_ticks, 0u);
}

INSTANTIATE_TEST_SUITE_P(Policies, PlacedRecording,
                         testing::Values(std::pair{"least_loaded", "arrival"}, std::pair{"expected_seconds", "arrival"},
                                         std::pair{"expected_cost", "room"}, std::pair{"power_of_two", "room"}),
                         [](const auto& of) { return std::string(of.param.first) + "_" + of.param.second; });

// ---- lanes ---------------------------------------------------------------------------------------------------------

// A loop that now and then hands a run back before its time, or fails it.
void pull(switchyard::Lane lane, Rng rng) {
  while (!lane.closing()) {
    switchyard::PulledRun* run = lane.wait(1h);
    if (!run) continue;
    const std::uint64_t steps = rng.below(16);
    for (std::uint64_t n = 0; n < steps && run->more(); ++n)
      for (switchyard::StepSlot& slot : run->next())
        if (slot.samples) slot.emit(slot.input.back() + 1);
    rng.below(100) == 0 ? lane.failed(run) : lane.ended(run);
  }
}

TEST(PulledRecording, ReenactsToTheSameHash) {
  const Scratch scratch("lane");
  switchyard::Options options;
  const switchyard::HostOptions small{.slots = 4, .token_budget = 16, .kv_blocks = 20, .block_tokens = 4};
  options.devices = {switchyard::pulled_device("a", small), switchyard::pulled_device("b", small)};
  options.record_to = scratch.path;
  switchyard::Counts counts;
  std::vector<std::thread> loops;
  {
    switchyard::Scheduler scheduler(std::move(options));
    loops.emplace_back(pull, scheduler.lane("a"), Rng::stream(1, 0));
    loops.emplace_back(pull, scheduler.lane("b"), Rng::stream(1, 1));
    Rng rng(3);
    std::vector<switchyard::Reply> replies;
    for (int i = 0; i < 400; ++i) {
      const std::vector<switchyard::Token> prompt(1 + rng.below(30), 5);
      replies.push_back(scheduler.submit({.prompt = prompt, .max_tokens = static_cast<std::uint32_t>(rng.below(40))}));
      if (rng.below(8) == 0) replies.back().cancel();
      if (rng.below(8) == 1) replies.pop_back();
    }
    EXPECT_TRUE(scheduler.drain(1h));
    counts = scheduler.counts();
  }
  for (std::thread& loop : loops) loop.join();
  const Reenactment result = reenact(scratch.path);
  expect_equal(result, counts);
  EXPECT_GT(result.ledger.preemptions, 0u);
  EXPECT_GT(result.ledger.of(Reason::device_failed), 0u);
}

}  // namespace
}  // namespace yard
