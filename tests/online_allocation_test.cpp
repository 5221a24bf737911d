// Learning, publishing and predicting allocate nothing: operator new is replaced, and counts.
#include <gtest/gtest.h>

#include <cstdlib>
#include <new>

#include "scheduler/cost/class_costs.h"
#include "scheduler/cost/length_history.h"
#include "scheduler/cost/online.h"
#include "scheduler/cost/request_time.h"
#include "scheduler/validate/learning_system.h"

namespace {
bool armed = false;
std::uint64_t allocations = 0;

void* counted(std::size_t n) {
  if (armed) ++allocations;
  if (void* p = std::malloc(n)) return p;
  throw std::bad_alloc();
}
}  // namespace

void* operator new(std::size_t n) { return counted(n); }
void* operator new[](std::size_t n) { return counted(n); }
void operator delete(void* p) noexcept { std::free(p); }
void operator delete[](void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }
void operator delete[](void* p, std::size_t) noexcept { std::free(p); }

namespace yard {
namespace {

TEST(OnlineAllocation, NothingIsAllocatedOnceAllIsMade) {
  OnlineCosts::Settings settings;
  settings.sources = 4;
  OnlineCosts costs(settings);
  for (const char* chip : {"a", "b", "c"}) costs.add({chip, "engine", "bf16", "model", "tp1"});
  const StepCost prior = learning::prior();
  ClassCosts of(prior);
  LengthHistory history(2, 1);
  RequestTimes times;
  learning::System system(1, {.scale = {1200, 1000, 900, 1500, 1100}, .stalls_permille = 10});
  const ReplicaNow is{.running = 20, .waiting = 3, .prefill_tokens = 900, .kv_tokens = 30'000, .waiting_tokens = 900};

  armed = true;
  void* volatile one = ::operator new(1);  // the counter counts
  ::operator delete(one);
  for (std::int64_t i = 0; i < 3000; ++i) {
    if (i == 1500) system.truth.scale[0] *= 2;
    RunTimed run = system.run();
    run.source = static_cast<std::uint32_t>(i) % 5;
    costs.hear(static_cast<std::uint32_t>(i) % 2, run);
    for (const CostCorrection& c : costs.publish(Time(i * 7'000'000)))
      if (c.key == 0) of.correct(c), of.bound(costs, 0);
    RequestNow q{.prompt = 300};
    q.lengths = history.likely(TenantId{0}, ModelId{0}, Tokens(0), Tokens(4096));
    const RequestTimes::Told told = times.predict(of, costs.parts(0).variances(), is, q);
    times.first_token(told, milliseconds(50)), times.last_token(told, milliseconds(900));
    history.learn(TenantId{0}, ModelId{0}, Tokens(i % 700), LengthHistory::End::of_itself);
  }
  armed = false;
  EXPECT_EQ(allocations, 1u);
  EXPECT_GE(costs.count(0).drifts, 1u);
}

}  // namespace
}  // namespace yard
