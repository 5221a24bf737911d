// A Scheduler whose threads are bound, or cannot be: it serves the same, counts who runs anywhere, and says so once.
#include <sched.h>
#include <switchyard/scheduler.h>
#include <switchyard/step.h>

#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "tests/live_answers.h"

namespace switchyard {
namespace {

struct Said {
  std::mutex mutex;
  std::vector<std::string> lines;
  auto log() {
    return [this](std::string_view line) {
      const std::lock_guard lock(mutex);
      lines.emplace_back(line);
    };
  }
};

int cpus_of_this_thread() {
  cpu_set_t set;
  CPU_ZERO(&set);
  return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 0;
}

// Of the metrics' text: the sample without labels, or -1 where the family is not there.
int unbound(const Scheduler& scheduler) {
  const std::string text = scheduler.metrics(), name = "\nswitchyard_threads_unbound ";
  const std::size_t at = text.find(name);
  return at == text.npos ? -1 : std::stoi(text.substr(at + name.size()));
}

// On a thread of its own, so that no other test is bound by its mask.
template <class Act>
void in_a_thread(Act act) {
  std::thread(act).join();
}

TEST(PinLive, NobodyIsBoundUnlessAsked) {
  int cpus = 0;
  Scheduler scheduler(one([&](StepView& step) {
    cpus = cpus_of_this_thread();
    count_up(step);
  }));
  Reply reply = scheduler.submit({.prompt = kPrompt, .max_tokens = 3});
  EXPECT_EQ(all(reply), from(4, 3));
  EXPECT_EQ(cpus, cpus_of_this_thread());
  EXPECT_EQ(unbound(scheduler), -1);
}

TEST(PinLive, AThreadWithACoreOfItsOwnIsBoundToIt) {
  Said said;
  int cpus = 0;
  Options options = one([&](StepView& step) {
    cpus = cpus_of_this_thread();
    count_up(step);
  });
  options.pin = Pin::core;
  options.log = said.log();
  Scheduler scheduler(std::move(options));
  Reply reply = scheduler.submit({.prompt = kPrompt, .max_tokens = 3});
  EXPECT_EQ(all(reply), from(4, 3));
  if (cpus_of_this_thread() < 2) GTEST_SKIP() << "one core: nobody but the shard finds one";
  EXPECT_LT(cpus, 1 + cpus_of_this_thread() / 2);
  EXPECT_EQ(unbound(scheduler), 0);
  EXPECT_TRUE(said.lines.empty());
}

TEST(PinLive, MoreThreadsThanCoresRunAnywhereAreCountedAndSaidOnce) {
  in_a_thread([] {
    cpu_set_t one_cpu;
    CPU_ZERO(&one_cpu);
    CPU_SET(sched_getcpu(), &one_cpu);
    ASSERT_EQ(sched_setaffinity(0, sizeof one_cpu, &one_cpu), 0);
    Said said;
    {
      Options options{.devices = {host_device("a", count_up), host_device("b", count_up)}};
      options.pin = Pin::core;
      options.log = said.log();
      Scheduler scheduler(std::move(options));
      for (int i = 0; i < 20; ++i) {
        Reply reply = scheduler.submit({.prompt = kPrompt, .max_tokens = 3});
        EXPECT_EQ(all(reply), from(4, 3));
      }
      while (unbound(scheduler) < 2) std::this_thread::yield();  // each says so as it starts
      EXPECT_EQ(unbound(scheduler), 2);
    }
    ASSERT_EQ(said.lines.size(), 1u);
    EXPECT_NE(said.lines[0].find("runs anywhere: more threads than cores"), std::string::npos) << said.lines[0];
  });
}

TEST(PinLive, NearMemoryEverybodyFindsAPlaceOrRunsAnywhere) {
  Options options{.devices = {host_device("a", count_up, {.threads = 3, .place = "node 0"})}};
  options.pin = Pin::near;
  Said said;
  options.log = said.log();
  Scheduler scheduler(std::move(options));
  Reply reply = scheduler.submit({.prompt = kPrompt, .max_tokens = 3});
  EXPECT_EQ(all(reply), from(4, 3));
  EXPECT_TRUE(said.lines.empty() || unbound(scheduler) > 0);
}

TEST(PinLive, APlaceThatIsNotKnownHereIsSaid) {
  Said said;
  Options options{.devices = {host_device("a", count_up, {.place = "node 4095"})}};
  options.pin = Pin::near;
  options.log = said.log();
  const Scheduler scheduler(std::move(options));
  ASSERT_FALSE(said.lines.empty());
  EXPECT_EQ(said.lines[0], "pin: which memory 'node 4095' is near, where device 'a' is said to be, is unknown here");
}

}  // namespace
}  // namespace switchyard
