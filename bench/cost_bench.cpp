// What a believed cost takes to look up, to learn and to bound.
#include <benchmark/benchmark.h>

#include <vector>

#include "scheduler/base/rng.h"
#include "scheduler/cost/class_costs.h"
#include "scheduler/cost/length_history.h"
#include "scheduler/cost/online.h"
#include "scheduler/cost/request_time.h"

namespace {

using namespace yard;

StepCost prior(std::uint32_t most) {
  std::vector<BatchBucket> buckets;
  for (std::uint32_t n = 1; n <= most; n += 8)
    buckets.push_back({n, Picoseconds(8'400'000'000 + 22'000'000 * std::int64_t{n})});
  return StepCost(std::move(buckets), Picoseconds(30'000'000), Picoseconds(40'000), most, Picoseconds(9'000'000));
}

StepsRun shape(Rng& rng) {
  StepsRun s{.n = 1 + static_cast<std::uint32_t>(rng.below(256))};
  s.read = rng.below(4) == 0 ? static_cast<std::int64_t>(rng.below(2048)) + 1 : 0;
  s.pairs = prefill_pairs(s.read, 500);
  s.decoding = s.n - (s.read > 0);
  s.context = s.decoding * static_cast<std::int64_t>(rng.below(4000));
  return s;
}

RunTimed timed(const StepCost& cost, Rng& rng) {
  const StepsRun s = shape(rng);
  RunTimed run{.said = terms_of(cost, s), .group = shape_group(s.n, s.read)};
  for (const std::int64_t term : run.said) run.took += term;
  run.took = run.took / 1000 * static_cast<std::int64_t>(1050 + rng.below(200));
  return run;
}

OnlineCosts learnt(const StepCost& cost, std::uint32_t keys) {
  OnlineCosts online;
  Rng rng(2);
  for (std::uint32_t k = 0; k < keys; ++k) online.add({"chip" + std::to_string(k), "engine", "bf16", "model", "tp1"});
  for (std::int64_t i = 0; i < 600; ++i) {
    for (std::uint32_t k = 0; k < keys; ++k) online.hear(k, timed(cost, rng));
    online.publish(Time(i * 100'000'000));
  }
  return online;
}

// The claim: one lookup of a class, its correction in, times its quantile. Classes: range(0), drawn for each lookup.
void lookup(benchmark::State& state) {
  const auto classes = static_cast<std::uint32_t>(state.range(0));
  const StepCost cost = prior(256);
  const OnlineCosts online = learnt(cost, std::min<std::uint32_t>(classes, 16));
  std::vector<ClassCosts> of;
  for (std::uint32_t c = 0; c < classes; ++c) {
    of.emplace_back(cost);
    of.back().correct(online.correction(c % online.size()));
    of.back().bound(online, c % online.size());
  }
  struct Question {
    std::uint32_t c, n;
    std::int64_t read, pairs, context;
    Level level;
  };
  std::vector<Question> asked;
  Rng rng(1);
  constexpr std::array<Level, 3> kAsked = {Level::q50, Level::q90, Level::q99};
  for (int i = 0; i < 4096; ++i) {
    const StepsRun s = shape(rng);
    asked.push_back({static_cast<std::uint32_t>(rng.below(classes)), s.n, s.read, s.pairs, s.context + s.decoding,
                     kAsked[rng.below(3)]});
  }
  std::size_t i = 0;
  std::int64_t sum = 0;
  for (auto _ : state) {
    const Question& q = asked[i++ & 4095];
    sum += of[q.c].step(q.n, q.read, q.pairs, q.context, q.level).count();
    benchmark::DoNotOptimize(sum);
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(lookup)->Arg(1)->Arg(16)->Arg(512);

// Once for each run of a device.
void hear(benchmark::State& state) {
  const StepCost cost = prior(256);
  OnlineCosts online;
  online.add({"chip", "engine", "bf16", "model", "tp1"});
  std::vector<RunTimed> runs;
  Rng rng(3);
  for (int i = 0; i < 4096; ++i) runs.push_back(timed(cost, rng));
  std::size_t i = 0;
  for (auto _ : state) benchmark::DoNotOptimize(online.hear(0, runs[i++ & 4095]));
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(hear);

// At most ten times a second and key: the correction into its class's table, quantiles too.
void recompile(benchmark::State& state) {
  const StepCost cost = prior(256);
  const OnlineCosts online = learnt(cost, 1);
  ClassCosts of(cost);
  for (auto _ : state) {
    of.correct(online.correction(0));
    of.bound(online, 0);
    benchmark::DoNotOptimize(of);
  }
}
BENCHMARK(recompile);

// A whole request on one class of devices: its likely lengths, then first and last token at three levels.
void request(benchmark::State& state) {
  const StepCost cost = prior(256);
  const ClassCosts of(cost);
  LengthHistory history(4, 1);
  Rng rng(4);
  for (int i = 0; i < 4000; ++i)
    history.learn(TenantId{static_cast<std::uint32_t>(rng.below(4))}, ModelId{0}, Tokens(1 + rng.below(800)),
                  LengthHistory::End::of_itself);
  const RequestTimes times;
  RequestNow q{.prompt = 700, .lengths = history.likely(TenantId{1}, ModelId{0}, Tokens(0), Tokens(4096))};
  const bool with_lengths = state.range(0) != 0;
  for (auto _ : state) {
    if (with_lengths) q.lengths = history.likely(TenantId{1}, ModelId{0}, Tokens(0), Tokens(4096));
    const ReplicaNow is{.running = static_cast<std::int64_t>(rng.below(256)), .kv_tokens = 100'000};
    benchmark::DoNotOptimize(times.predict(of, {}, is, q));
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(request)->Arg(0)->Arg(1);

}  // namespace

BENCHMARK_MAIN();
