// From submit to start on a live shard: from the moment before a submit until the shard's thread is at the device's
// launch(), where the shard looks for news (`gap` 5 us after the last request) or sleeps (400 us), among 1, 2 and 4
// shards, by the shared ring or by a submitter's own lane; beside the flag round trip of the same minute.
//
//   SWITCHYARD_BENCH_REALTIME=1 build/release/bench/submit_bench --benchmark_enable_random_interleaving=true
//       --benchmark_repetitions=9 --benchmark_report_aggregates_only=true
//
// A device of the public Scheduler starts on a thread of its own, which is a second hand-over. So `launch` is what a
// Scheduler puts together (LiveCell, RequestSlab, and its door) with devices that end at once, on the shard's thread;
// `step` and `place` are the public Scheduler: until a host device's function is called, and until the callback of a
// place(), which the shard's thread calls. `bell` is a Parking alone, `inbox` one with news and no Core. The submitter
// has the first core, the shards have the others. Where there are several shards, each has a model of its own and all
// requests are of the first one's, or
// (`shared`) one model is everywhere and the door chooses.
//
// A repetition's time is its median; `flags` is that by the flag round trip measured beside it.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <benchmark/benchmark.h>
#include <switchyard/scheduler.h>
#include <switchyard/step.h>

#include "bench/spin_context.h"
#include "bench/two_cores.h"
#include "scheduler/backend/request_slab.h"
#include "scheduler/backend/stepper.h"
#include "scheduler/embedded.h"
#include "scheduler/loop/live_cell.h"
#include "scheduler/loop/live_spin.h"
#include "scheduler/policy/registry.h"
#include "scheduler/sync/laned_inbox.h"
#include "scheduler/sync/parking.h"

namespace yard::bench {
namespace {

using Clock = std::chrono::steady_clock;
using Token = switchyard::Token;

constexpr std::int64_t kLooks = 5, kSleeps = 400;  // us from one request to the next
constexpr int kWarm = 64;

std::int64_t ns_now() { return std::chrono::nanoseconds(Clock::now().time_since_epoch()).count(); }

void spin_for(std::int64_t us) {
  for (const std::int64_t until = ns_now() + us * 1000; ns_now() < until;) {}
}

// When the shard came to the request, and how many have ended.
struct Seen {
  alignas(64) std::atomic<std::int64_t> started{0};
  alignas(64) std::atomic<std::uint64_t> ended{0};

  void start() {
    if (started.load(std::memory_order_relaxed) == 0) started.store(ns_now(), std::memory_order_release);
  }
  void end() { ended.fetch_add(1, std::memory_order_release); }
};

double at(std::vector<double>& values, double share) {
  const auto nth = values.begin() + static_cast<std::ptrdiff_t>(share * static_cast<double>(values.size() - 1));
  std::nth_element(values.begin(), nth, values.end());
  return *nth;
}

// The median of some hundreds of round trips at a time.
double flag_ns() {
  Echo echo;
  constexpr int kTimes = 21, kEach = 500;
  std::vector<double> took;
  for (int t = 0; t < kTimes; ++t) {
    const std::int64_t before = ns_now();
    for (int i = 0; i < kEach; ++i) echo.round_trip();
    took.push_back(static_cast<double>(ns_now() - before) / kEach);
  }
  return at(took, 0.5);
}

struct Took {
  std::vector<double> in_all, after_return, submit;

  void add(std::int64_t begin, std::int64_t returned, std::int64_t started) {
    in_all.push_back(static_cast<double>(started - begin));
    after_return.push_back(static_cast<double>(started - returned));
    submit.push_back(static_cast<double>(returned - begin));
  }
};

int requests_for(std::int64_t gap) { return gap == kLooks ? 3000 : 300; }

// `run`: returns a Took.
template <class Run>
void beside_flags(benchmark::State& state, Run run) {
  for (auto _ : state) {
    const double before = flag_ns();
    Took took = run();
    const double flag = (before + flag_ns()) / 2, p50 = at(took.in_all, 0.5);
    state.SetIterationTime(p50 * 1e-9);
    state.counters["flag_ns"] = flag;
    state.counters["flags"] = p50 / flag;
    state.counters["p99_flags"] = at(took.in_all, 0.99) / flag;
    state.counters["returned_flags"] = at(took.after_return, 0.5) / flag;
    state.counters["submit_ns"] = at(took.submit, 0.5);
  }
}

// Argument 0: us between requests. `submit`: hands one over; `settle`: after it has started, until it has ended.
template <class Submit, class Settle>
void measure(benchmark::State& state, Seen& seen, Submit submit, Settle settle) {
  const std::int64_t gap = state.range(0);
  beside_flags(state, [&] {
    pin_to(0);
    Took took;
    for (int i = -kWarm; i < requests_for(gap); ++i) {
      spin_for(gap);
      seen.started.store(0, std::memory_order_release);
      const std::int64_t begin = ns_now();
      submit();
      const std::int64_t returned = ns_now();
      std::int64_t started = 0;
      while (started == 0) started = seen.started.load(std::memory_order_acquire);
      settle();
      if (i >= 0) took.add(begin, returned, started);
    }
    return took;
  });
}

// Takes a run, makes its steps and ends it, all within launch().
class EndsAtOnce final : public SteppedDevice {
 public:
  EndsAtOnce(StepperFacts facts, RequestSlab& slab, Shard& shard, Seen& seen)
      : stepper_(std::move(facts), slab, shard), seen_(seen) {}

  void launch(const Launch& launch) noexcept override {
    seen_.start();
    stepper_.launch(launch);
    if (!stepper_.take()) return;
    while (stepper_.goes_on()) {
      for (switchyard::StepSlot& slot : stepper_.show())
        if (slot.samples) slot.emit(1);
      stepper_.book();
    }
    stepper_.finish();
  }
  void interrupt(const Interrupt& interrupt) noexcept override { stepper_.interrupt(interrupt); }

 private:
  Stepper stepper_;
  Seen& seen_;
};

std::string model_of(std::uint32_t shard, bool shared) { return shared ? "m0" : "m" + std::to_string(shard); }

switchyard::Options some_devices(std::uint32_t shards, bool shared) {
  switchyard::Options options{.shards = shards};
  for (std::uint32_t s = 0; s < shards; ++s)
    options.devices.push_back(
        switchyard::host_device("d" + std::to_string(s), [](switchyard::StepView&) {}, {.model = model_of(s, shared)}));
  return options;
}

// What a Scheduler puts together, but for the devices.
class Shards {
 public:
  Shards(std::uint32_t shards, bool shared)
      : options_(some_devices(shards, shared)),
        fleet_(fleet_of(options_.devices, options_.classes)),
        tables_(costs_of(options_)),
        views_(shards_of(fleet_, options_)),
        spinning_(plan_spin_here().pauses, plan_spin_here().at_once, plan_spin_here().ns) {
    const Bounds bounds = bounds_of(options_);
    const std::uint32_t slots = bounds.sequences + bounds.events_per_tick;
    LiveCellOptions how{.bounds = bounds,
                        .news = (RequestSlab::kNewsPerSlot + RequestSlab::kNewsBetweenShards) * slots + 3 * shards,
                        .record_to = {},
                        .learn_costs = true,
                        .learnt = {},
                        .log = {},
                        .spinning = &spinning_,
                        .at_start = {}};
    const auto others = static_cast<std::uint32_t>(std::max(CPU_COUNT(&started_with()) - 1, 1));
    for (std::uint32_t s = 0; s < shards; ++s)
      how.at_start.push_back([core = static_cast<int>(1 + s % others)] { pin_to(core); });
    cell_.emplace(fleet_, views_, tables_, find_policies(options_.policy, options_.order, options_.bind),
                  std::move(how));
    slab_.emplace(slots, cell_->shards());
    std::vector<DevicePort> ports;
    for (std::uint32_t d = 0; d < shards; ++d) {
      const PoolView& pool = fleet_.pools[d];
      devices_.push_back(std::make_unique<EndsAtOnce>(StepperFacts{.name = pool.name,
                                                                   .max_sequences = pool.max_sequences,
                                                                   .token_budget = pool.token_budget,
                                                                   .block_tokens = pool.block_tokens,
                                                                   .adapters = {},
                                                                   .log = {}},
                                                      *slab_, *cell_->at({d}).loop, seen));
      ports.push_back({.stepped = devices_.back().get(), .served = nullptr});
    }
    cell_->start(ports, *slab_, [this](const Finish& finish) {
      slab_->finish(finish);
      seen.end();
    });
  }
  ~Shards() { cell_->stop(); }
  Shards(const Shards&) = delete;

  std::optional<std::uint32_t> lane() { return cell_->lend_lane(); }

  // As Scheduler::State::submit().
  RequestId submit(std::optional<std::uint32_t> lane) {
    static constexpr Token kPrompt[] = {1, 2, 3};
    Submitted facts{};
    facts.model = model_named(fleet_, "m0");
    facts.tenant = {0}, facts.slo = {0};
    facts.prompt = Tokens(3), facts.max_output = Tokens(1);
    RequestId id;
    slab_->enter(cell_->door(facts), kPrompt, true, facts, id, 0, lane);
    return id;
  }
  void drop(RequestId id) { slab_->drop(id); }

  Seen seen;

 private:
  const switchyard::Options options_;
  const FleetView fleet_;
  const CostTables tables_;
  const std::vector<CellView> views_;
  Spinning spinning_;
  std::optional<LiveCell> cell_;
  std::optional<RequestSlab> slab_;
  std::vector<std::unique_ptr<EndsAtOnce>> devices_;
};

// Arguments: us between requests, shards, whether by a lane, whether the model is shared.
void launch(benchmark::State& state) {
  const Undisturbed undisturbed;
  Shards shards(static_cast<std::uint32_t>(state.range(1)), state.range(3) != 0);
  const std::optional<std::uint32_t> lane = state.range(2) ? shards.lane() : std::nullopt;
  RequestId id;
  std::uint64_t ended = 0;
  measure(
      state, shards.seen, [&] { id = shards.submit(lane); },
      [&] {
        for (++ended; shards.seen.ended.load(std::memory_order_acquire) < ended;) {}
        shards.drop(id);
      });
}

// Arguments: us between requests, whether by a lane. Shard, device and submitter are three threads, on any core: so the
// submitter sleeps until the answer is there, and then until the next is due, or (a shard that looks) asks at once.
void step(benchmark::State& state) {
  const Undisturbed undisturbed;
  unpin();
  Seen seen;
  switchyard::Scheduler scheduler({.devices = {switchyard::host_device("host", [&](switchyard::StepView& view) {
                                     seen.start();
                                     for (switchyard::StepSlot& slot : view)
                                       if (slot.samples) slot.emit(1);
                                   })}});
  std::optional<switchyard::Submitter> mine;
  if (state.range(1)) mine = scheduler.submitter();
  const Token prompt[] = {1, 2, 3};
  const switchyard::Request request{.prompt = prompt, .max_tokens = 1};
  const std::int64_t gap = state.range(0);
  beside_flags(state, [&] {
    unpin();
    Took took;
    for (int i = -kWarm; i < requests_for(gap); ++i) {
      if (gap == kSleeps) std::this_thread::sleep_for(std::chrono::microseconds(gap));
      seen.started.store(0, std::memory_order_release);
      const std::int64_t begin = ns_now();
      switchyard::Reply reply = mine ? mine->submit(request) : scheduler.submit(request);
      const std::int64_t returned = ns_now();
      for (const Token token : reply) benchmark::DoNotOptimize(token);
      if (i >= 0) took.add(begin, returned, seen.started.load(std::memory_order_acquire));
    }
    return took;
  });
}

// Arguments: us between requests, shards.
void place(benchmark::State& state) {
  const Undisturbed undisturbed;
  Seen seen;
  pin_to(1);
  switchyard::Options options{.shards = static_cast<std::uint32_t>(state.range(1))};
  for (std::uint32_t s = 0; s < options.shards; ++s)
    options.devices.push_back(switchyard::endpoint("e" + std::to_string(s), {.model = model_of(s, false)}));
  switchyard::Scheduler scheduler(std::move(options));
  const Token prompt[] = {1, 2, 3};
  const switchyard::PlaceRequest request{.prompt = std::span<const Token>(prompt), .max_tokens = 1, .model = "m0"};
  switchyard::Ticket ticket;
  std::uint64_t ended = 0;
  measure(
      state, seen,
      [&] {
        ticket = scheduler.place(request, [&seen](const switchyard::Placement& p) {
          if (p.end)
            seen.end();
          else
            seen.start();
        });
      },
      [&] {
        ticket.ended(1);
        for (++ended; seen.ended.load(std::memory_order_acquire) < ended;) {}
      });
}

// A thread that hears a bell and looks for news, as a shard does. Argument 0: us between two.
template <class Look, class Push>
void hear(benchmark::State& state, Look look, Push push) {
  const Undisturbed undisturbed;
  Seen seen;
  const SpinPlan plan = plan_spin_here();
  Spinning spinning(plan.pauses, 1, plan.ns);
  Parking parking(&spinning);
  std::atomic<bool> over{false};
  std::thread hears([&] {
    for (pin_to(1); !over.load(std::memory_order_relaxed);) {
      parking.wait_until(kForever);
      if (look()) seen.start();
    }
  });
  measure(
      state, seen,
      [&] {
        push();
        parking.ring();
      },
      [] {});
  over.store(true);
  parking.ring();
  hears.join();
}

void bell(benchmark::State& state) {
  hear(state, [] { return true; }, [] {});
}

// Argument 1: whether by a lane.
void inbox(benchmark::State& state) {
  LanedInbox<Event> news(std::size_t{1} << 18);
  news.make_lane(0, 1024);
  std::vector<Event> batch(256);
  const Event event = Submitted{};
  const bool lane = state.range(1) != 0;
  hear(
      state, [&] { return news.drain(batch) > 0; },
      [&] { benchmark::DoNotOptimize(lane ? news.push(0, event) : news.push(event)); });
}

BENCHMARK(flag_round_trip);
BENCHMARK(bell)->ArgName("gap")->Arg(kLooks)->Arg(kSleeps)->Iterations(1)->UseManualTime();
BENCHMARK(inbox)->ArgNames({"gap", "lane"})->ArgsProduct({{kLooks, kSleeps}, {0, 1}})->Iterations(1)->UseManualTime();
BENCHMARK(launch)
    ->ArgNames({"gap", "shards", "lane", "shared"})
    ->ArgsProduct({{kLooks, kSleeps}, {1, 2, 4}, {0, 1}, {0}})
    ->ArgsProduct({{kLooks, kSleeps}, {2, 4}, {0, 1}, {1}})
    ->Iterations(1)
    ->UseManualTime();
BENCHMARK(place)
    ->ArgNames({"gap", "shards"})
    ->ArgsProduct({{kLooks, kSleeps}, {1, 2, 4}})
    ->Iterations(1)
    ->UseManualTime();
BENCHMARK(step)->ArgNames({"gap", "lane"})->ArgsProduct({{kLooks, kSleeps}, {0, 1}})->Iterations(1)->UseManualTime();

}  // namespace
}  // namespace yard::bench

int main(int argc, char** argv) { return yard::bench::run_beside_spin(argc, argv); }
