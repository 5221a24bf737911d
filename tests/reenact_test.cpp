// A live recording, made by four submitting threads with everything in it that can happen to a shard, re-enacts to the
// same hash. The test fails where something that it claims is absent from the recording.
#include "scheduler/loop/reenact.h"

#include <switchyard/scheduler.h>
#include <switchyard/step.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "scheduler/base/rng.h"
#include "scheduler/core/core.h"
#include "scheduler/loop/recorder.h"
#include "scheduler/loop/recording_reader.h"
#include "scheduler/loop/tick.h"
#include "scheduler/policy/registry.h"
#include "tests/gate.h"
#include "tests/live_answers.h"

namespace yard {
namespace {

using namespace std::chrono_literals;
using switchyard::count_up;
using switchyard::End;
using switchyard::end_of;
using switchyard::host_device;
using switchyard::Reply;
using switchyard::StepView;
using switchyard::Token;
using switchyard::Wish;

// ---- the life that is recorded -------------------------------------------------------------------------------------

struct Choice {
  std::string policy, order, bind;
  Seed seed;
};

// Device `gated` stands at a gate when the test wants it to; `free_1` and `free_2` serve another model.
class Life {
 public:
  Life(const Choice& choice, const std::string& path) : seed_(choice.seed) {
    switchyard::Options options;
    const auto gated = [this](StepView& step) {
      gate_.pass();
      count_up(step);
    };
    options.devices = {
        host_device("gated", gated,
                    {.model = "gated", .slots = 2, .token_budget = 16, .kv_blocks = 6, .block_tokens = 4}),
        host_device("free_1", count_up,
                    {.model = "free", .slots = 4, .token_budget = 8, .kv_blocks = 12, .block_tokens = 4}),
        host_device("free_2", count_up,
                    {.model = "free", .slots = 4, .token_budget = 8, .kv_blocks = 12, .block_tokens = 4})};
    options.policy = choice.policy;
    options.order = choice.order;
    options.bind = choice.bind;
    options.seed = choice.seed;
    options.classes = {{.name = "patient", .ttft = 1s}, {.name = "hasty", .ttft = 500ms, .patience = 1ms}};
    options.max_waiting = 6;
    options.record_to = path;
    scheduler_.emplace(std::move(options));
    gate_.open();
  }

  void live() {
    wait_beside_a_run();
    end_two_in_one_step();
    preempt();
    submit_from_four_threads();
    EXPECT_TRUE(scheduler_->drain(1h));
    counts = scheduler_->counts();
    scheduler_.reset();
  }

  switchyard::Counts counts;

 private:
  Reply submit(std::uint32_t max_tokens, std::string_view slo = {}) {
    const Token prompt[] = {1, 2, 3};
    return scheduler_->submit({.prompt = prompt, .max_tokens = max_tokens, .model = "gated", .slo = slo});
  }

  // One of each state that a request can be cancelled in, and of each refusal, while a run stands at the gate.
  void wait_beside_a_run() {
    gate_.shut();
    Reply running = submit(20);
    gate_.let(1);
    gate_.wait_for(2);                // its prompt is read: it now stands in a run of many steps
    Reply shed = submit(5, "hasty");  // a tick without news ends it
    EXPECT_EQ(end_of(shed).why, "shed");

    Reply empty = scheduler_->submit({.model = "gated"});
    EXPECT_EQ(end_of(empty).why, "empty_prompt");
    Reply waiting = submit(5);
    Reply too_long = submit(1000);
    EXPECT_EQ(end_of(too_long).why, "too_long");  // the one before it is thus in its line

    // Its end is told on the shard's thread, which then stands at this gate while another comes and goes.
    Gate shard;
    waiting.notify([&shard] { shard.pass(); });
    waiting.cancel();
    shard.wait_for(1);
    Reply arrived = submit(5);
    arrived.cancel();
    shard.open();
    EXPECT_EQ(end_of(arrived).end, End::cancelled);
    EXPECT_EQ(end_of(waiting).end, End::cancelled);

    std::vector<Reply> crowd;
    for (int i = 0; i < 40; ++i) crowd.push_back(submit(5));
    EXPECT_EQ(end_of(crowd.back()).why, "queue_full");
    crowd.clear();

    running.cancel();
    for (int tick = 0; tick < 2; ++tick) {  // the first says that Core has the cancel, the second that the device has
      Reply after = submit(1000);
      end_of(after);
    }
    gate_.open();
    EXPECT_EQ(end_of(running).end, End::cancelled);
  }

  // The first one's end, told on the shard's thread before the second one's, cancels the second: too late.
  void end_two_in_one_step() {
    gate_.shut();
    Reply before = submit(1);
    gate_.wait_for(1);
    Reply first = submit(2);
    Reply second = submit(2);
    first.notify([&] {
      if (first.outcome()) second.cancel();
    });
    gate_.open();
    EXPECT_EQ(end_of(before).end, End::done);
    EXPECT_EQ(end_of(first).end, End::done);
    EXPECT_EQ(end_of(second).end, End::done);
    first.notify({});  // what it calls has returned before the second goes
  }

  void preempt() {
    gate_.shut();
    Reply first = submit(15);
    Reply second = submit(15);
    gate_.open();
    EXPECT_EQ(end_of(first).tokens, 15u);
    EXPECT_EQ(end_of(second).tokens, 15u);
  }

  void submit_from_four_threads() {
    std::vector<std::thread> threads;
    for (std::uint64_t t = 0; t < 4; ++t) threads.emplace_back([this, t] { call(Rng::stream(seed_, t)); });
    for (int i = 0; i < 20; ++i) {
      for (const Wish wish : {Wish::drain, Wish::serve, Wish::remove, Wish::remove, Wish::serve}) {
        scheduler_->set(i % 3 == 2 ? "free_2" : "free_1", wish);
        Reply reply = scheduler_->submit({.prompt = std::vector<Token>{1}, .max_tokens = 3, .model = "free"});
        end_of(reply);
      }
    }
    for (std::thread& t : threads) t.join();
  }

  void call(Rng rng) {
    std::vector<Reply> held;
    for (int i = 0; i < 150; ++i) {
      const std::vector<Token> prompt(1 + rng.below(20), 5);
      held.push_back(scheduler_->submit({.prompt = prompt,
                                         .max_tokens = static_cast<std::uint32_t>(rng.below(25)),
                                         .model = "free",
                                         .slo = rng.below(4) == 0 ? "hasty" : "patient"}));
      const std::uint64_t what = rng.below(8);
      if (what == 0) held.back().cancel();
      if (what == 1) held.pop_back();
      while (held.size() > 3) {
        end_of(held.front());
        held.erase(held.begin());
      }
    }
    for (Reply& reply : held) end_of(reply);
  }

  const Seed seed_;
  Gate gate_;
  std::optional<switchyard::Scheduler> scheduler_;
};

// ---- what a recording has in it ------------------------------------------------------------------------------------

struct Cancels {
  int arrived = 0, waiting = 0, in_run = 0, late = 0;
};

// In which state each cancel found its request, by what was told and said before it.
class Watcher {
 public:
  explicit Watcher(const RecordingHead& head)
      : core_(head.bounds, head.fleet, head.tables, find_policies(head.scorer, head.order, name_of(head.bind)),
              head.seed),
        runs_(head.fleet.devices()) {}

  void watch(const RecordedTick& recorded) {
    ++tick_;
    for (const Event& event : recorded.events) std::visit([this](const auto& e) { told(e); }, event);
    for (const Command& command : tick(core_, recorded.events, recorded.now, nullptr))
      std::visit([this](const auto& c) { said(c); }, command);
  }

  Cancels cancels;

 private:
  struct Request {
    std::uint64_t submitted_in;
    bool in_run;
  };
  void told(const Submitted& e) { requests_[e.request.bits()] = {tick_, false}; }
  void told(const CancelAsked& e) {
    const auto at = requests_.find(e.request.bits());
    if (at == requests_.end())
      ++cancels.late;
    else if (at->second.submitted_in == tick_)
      ++cancels.arrived;
    else if (at->second.in_run)
      ++cancels.in_run;
    else
      ++cancels.waiting;
  }
  void told(const RunEnded& e) {
    for (const std::uint64_t request : runs_[e.device.value]) requests_[request].in_run = false;
  }
  void told(const auto&) {}
  void said(const Launch& c) {
    runs_[c.device.value].clear();
    for (const Slot& slot : c.slots) {
      runs_[c.device.value].push_back(slot.request.bits());
      requests_[slot.request.bits()].in_run = true;
    }
  }
  void said(const auto&) {}
  void said(const Finish& c) { requests_.erase(c.request.bits()); }

  Core core_;
  std::uint64_t tick_ = 0;
  std::map<std::uint64_t, Request> requests_;
  std::vector<std::vector<std::uint64_t>> runs_;
};

Cancels cancels_in(const std::string& path) {
  RecordingReader reader(path);
  Watcher watcher(*reader.head());
  while (const auto recorded = reader.next()) watcher.watch(*recorded);
  return watcher.cancels;
}

std::string scratch() {
  const char* name = testing::UnitTest::GetInstance()->current_test_info()->name();
  std::string file = "reenact-" + std::to_string(::getpid()) + "-" + name;
  for (char& c : file)
    if (c == '/') c = '_';
  return (std::filesystem::temp_directory_path() / file).string();
}

class LiveRecording : public testing::TestWithParam<Choice> {
 protected:
  ~LiveRecording() override { std::filesystem::remove(path); }
  const std::string path = scratch();
};

TEST_P(LiveRecording, HasEverythingInItAndReenactsToTheSameHash) {
  Life life(GetParam(), path);
  life.live();
  const Reenactment result = reenact(path);

  EXPECT_TRUE(result.equal);
  EXPECT_EQ(result.hash_recorded, result.hash_reenacted);
  EXPECT_NE(result.hash_reenacted, DecisionHash().value());
  EXPECT_FALSE(result.cut_at);

  // All that a shard of stepped devices can be told; what served ones say is re-enacted in served_test.
  for (std::size_t kind = 0; kind < Event(Accepted{}).index(); ++kind)
    EXPECT_GT(result.events_by_kind[kind], 0u) << "event kind " << kind;
  EXPECT_GT(result.timer_only_ticks, 0u);
  EXPECT_GT(result.ledger.preemptions, 0u);
  EXPECT_GT(result.ledger.interrupts, 0u);
  for (const Reason why : {Reason::queue_full, Reason::empty_prompt, Reason::too_long, Reason::shed})
    EXPECT_GT(result.ledger.of(why), 0u) << name_of(why);
  EXPECT_GT(result.ledger.late_cancels, 0u);
  EXPECT_GT(result.ledger.same_states, 0u);
  const Cancels cancels = cancels_in(path);
  EXPECT_GT(cancels.arrived, 0);
  EXPECT_GT(cancels.waiting, 0);
  EXPECT_GT(cancels.in_run, 0);
  EXPECT_GT(cancels.late, 0);

  // What the callers saw is what the recording says, but for those refused before the shard heard of them.
  EXPECT_EQ(life.counts.done, result.ledger.of(Outcome::done));
  EXPECT_EQ(life.counts.cancelled, result.ledger.of(Outcome::cancelled));
  EXPECT_EQ(life.counts.failed, result.ledger.of(Outcome::failed));
  EXPECT_EQ(life.counts.rejected, result.ledger.of(Outcome::rejected));
  EXPECT_EQ(result.ledger.in_flight, 0u);
}

INSTANTIATE_TEST_SUITE_P(Choices, LiveRecording,
                         testing::Values(Choice{"expected_seconds", "edf", "arrival", 1},
                                         Choice{"power_of_two", "shortest_first", "arrival", 2},
                                         Choice{"random", "fcfs", "room", 3}, Choice{"round_robin", "edf", "room", 4},
                                         Choice{"least_loaded", "fcfs", "arrival", 5}),
                         [](const auto& of) { return of.param.policy + "_" + of.param.bind; });

// ---- what re-enactment finds ---------------------------------------------------------------------------------------

class Reenact : public LiveRecording {};

TEST_P(Reenact, SaysWhichTicksDecidedOtherwise) {
  Life(GetParam(), path).live();
  const std::string other = path + "-other";
  RecordingReader reader(path);
  const RecordingHead& head = *reader.head();
  std::uint64_t ticks = 0, marks = 0;
  {
    Recorder recorder(other);
    recorder.head(head.fleet, head.tables, find_policies(head.scorer, head.order, name_of(head.bind)), head.bounds,
                  head.seed);
    while (const auto recorded = reader.next()) {
      recorder.tick(recorded->now, recorded->events);
      ++ticks;
      if (!recorded->hash) continue;
      recorder.hash(*recorded->hash ^ (++marks == 1));  // a wrong decision in the first frame
      recorder.flush();
    }
    recorder.finish();
  }
  const Reenactment result = reenact(other);
  std::filesystem::remove(other);
  EXPECT_FALSE(result.equal);
  ASSERT_TRUE(result.difference);
  EXPECT_EQ(result.difference->first_tick, 0u);
  EXPECT_LT(result.difference->last_tick, ticks);
  EXPECT_EQ(result.ticks, ticks);
}

TEST_P(Reenact, IsEqualUpToACut) {
  Life(GetParam(), path).live();
  const auto size = std::filesystem::file_size(path);
  const Reenactment whole = reenact(path);
  for (const auto left : {size - 1, size / 2, size / 3}) {
    std::filesystem::resize_file(path, left);
    const Reenactment result = reenact(path);
    EXPECT_TRUE(result.equal);
    ASSERT_TRUE(result.cut_at);
    EXPECT_LE(*result.cut_at, left);
    EXPECT_LE(result.ticks, whole.ticks);
  }
}

INSTANTIATE_TEST_SUITE_P(Choices, Reenact, testing::Values(Choice{"expected_seconds", "edf", "arrival", 6}),
                         [](const auto& of) { return of.param.policy + "_" + of.param.bind; });

}  // namespace
}  // namespace yard
