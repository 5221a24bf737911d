// Three places where runtimes that share work among threads are weak: many tiny pieces submitted flat; requests that
// come one by one at low load, each paying a sleep and a wake; and another tenant on every core.
//
//   build/release/bench/open_places_bench --benchmark_enable_random_interleaving=true --benchmark_repetitions=9
//       --benchmark_report_aggregates_only=true
//
// Ours is sync/crew. Beside it oneTBB (task_arena, task_group), Taskflow where its headers are there
// (SWITCHYARD_TASKFLOW), a mutex with a condition variable, and what M/M/k would have given the same arrivals and
// services.
//
// Open loop: a thread on a core of its own spins until the next arrival is due and submits it; its lateness is nobody's
// latency, since a request's time counts from the moment before it is submitted, and so does the ideal's. On two cores
// that leaves one core for who serves: k = 1. A service is a loop of so many rounds, calibrated at start.
//
// SWITCHYARD_BENCH_REALTIME=1: who submits, and without hogs who serves, run as SCHED_FIFO, so that a machine's other
// jobs take no part; they only keep the core from going to sleep, which makes waking cheaper.
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <memory>
#include <queue>
#include <string>
#include <thread>
#include <vector>

#include <benchmark/benchmark.h>
#include <switchyard/scheduler.h>
#include <switchyard/step.h>

#include "bench/open_places_pools.h"
#include "bench/spin_context.h"
#include "bench/two_cores.h"

namespace yard::bench {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::duration;
using std::chrono::nanoseconds;

double seconds_of(Clock::duration d) { return duration<double>(d).count(); }

double burnt_by(int who) {
  rusage used{};
  getrusage(who, &used);
  const auto s = [](const timeval& t) { return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6; };
  return s(used.ru_utime) + s(used.ru_stime);
}

void rounds(std::uint64_t n) {
  std::uint64_t x = n;
  for (std::uint64_t i = 0; i < n; ++i) benchmark::DoNotOptimize(x = x * 6364136223846793005u + 1442695040888963407u);
}

// The least of many tries: what else ran meanwhile only adds.
double rounds_per_us() {
  static const double per_us = [] {
    double best = 0;
    for (int i = 0; i < 200; ++i) {
      const auto before = Clock::now();
      rounds(20'000);
      best = std::max(best, 20'000 / (seconds_of(Clock::now() - before) * 1e6));
    }
    return best;
  }();
  return per_us;
}

// A tenant that takes what it gets of a core; a process, as tenants are.
class Hogs {
 public:
  explicit Hogs(int cores) {
    for (int core = 0; core < cores; ++core) {
      const pid_t child = fork();
      if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        pin_to(core);
        for (volatile std::uint64_t n = 0;;) n = n + 1;
      }
      if (child > 0) children_.push_back(child);
    }
  }
  ~Hogs() {
    for (const pid_t child : children_) {
      kill(child, SIGKILL);
      waitpid(child, nullptr, 0);
    }
  }
  Hogs(const Hogs&) = delete;

 private:
  std::vector<pid_t> children_;
};

// ---- (a) flat submission -------------------------------------------------------------------------------------------

constexpr std::uint64_t kFlat = 1'000'000;

// From inside: a piece that makes a million tiny ones. Per piece; argument: threads, the submitting one included.
template <class Pool>
void flat_inside(benchmark::State& state) {
  unpin();
  const Undisturbed undisturbed;  // the pool's threads inherit it
  const auto pool = std::make_unique<Pool>(static_cast<unsigned>(state.range(0)));
  for (auto _ : state) {
    const auto before = Clock::now();
    pool->flat(kFlat);
    state.SetIterationTime(seconds_of(Clock::now() - before) / static_cast<double>(kFlat));
  }
}

void mark(void* of) { std::atomic_ref(*static_cast<char*>(of)).store(1); }

// From outside: a thread that is none of the pool's submits them; it does what is refused. Argument: the pool's
// threads.
template <class Pool>
void flat_outside(benchmark::State& state) {
  unpin();
  const Undisturbed undisturbed;  // the pool's threads inherit it
  const auto pool = std::make_unique<Pool>(static_cast<unsigned>(state.range(0)));
  std::vector<char> done(kFlat);
  for (auto _ : state) {
    std::fill(done.begin(), done.end(), 0);
    const auto before = Clock::now();
    for (char& d : done) pool->template submit<mark>(&d);
    for (char& d : done)
      while (!std::atomic_ref(d).load()) std::this_thread::yield();
    state.SetIterationTime(seconds_of(Clock::now() - before) / static_cast<double>(kFlat));
  }
}

// ---- (b) and (c): open loop ----------------------------------------------------------------------------------------

struct Request {
  std::uint64_t rounds;
  Clock::time_point come, done;
  std::atomic<std::uint64_t>* left;
};

void serve(void* of) {
  Request& request = *static_cast<Request*>(of);
  rounds(request.rounds);
  request.done = Clock::now();
  request.left->fetch_sub(1, std::memory_order_release);
}

double exponential(std::uint64_t& draw) {  // mean 1
  draw += 0x9e3779b97f4a7c15u;
  const double u = (static_cast<double>(mix64(draw) >> 11) + 0.5) * 0x1p-53;
  return -std::log(u);
}

double at(std::vector<double>& values, double share) {
  const auto nth = values.begin() + static_cast<std::ptrdiff_t>(share * static_cast<double>(values.size() - 1));
  std::nth_element(values.begin(), nth, values.end());
  return *nth;
}

// What one queue in front of `servers` would have made of the same arrivals and services.
std::vector<double> ideal(const std::vector<Request>& requests, unsigned servers) {
  std::priority_queue<double, std::vector<double>, std::greater<>> free;
  for (unsigned i = 0; i < servers; ++i) free.push(0);
  std::vector<double> took;
  for (const Request& r : requests) {
    const double come = seconds_of(r.come - requests.front().come) * 1e6;
    const double begin = std::max(come, free.top());
    free.pop();
    const double end = begin + static_cast<double>(r.rounds) / rounds_per_us();
    free.push(end);
    took.push_back(end - come);
  }
  return took;
}

struct Pinning {
  bool hogs;
  std::atomic<bool> done{false};
};
void pin(void* of) {
  pin_to(1);
  keep_others_out(static_cast<Pinning*>(of)->hogs);
  static_cast<Pinning*>(of)->done.store(true);
}

constexpr double kServiceUs = 10, kRunUs = 200'000;

// Arguments: load in hundredths, hogs.
template <class Pool>
void open_loop(benchmark::State& state) {
  const unsigned servers = 1;
  const double load = static_cast<double>(state.range(0)) / 100;
  rounds_per_us();
  pin_to(1);  // whom the pool makes begins there
  const auto pool = std::make_unique<Pool>(servers);
  Pinning pinned{.hogs = state.range(1) != 0};
  pool->template submit<pin>(&pinned);
  while (!pinned.done.load()) std::this_thread::sleep_for(std::chrono::microseconds(100));
  pin_to(0);
  std::uint64_t draw = static_cast<std::uint64_t>(state.range(0)) * 1000;
  for (auto _ : state) {
    const double gap = kServiceUs / load / servers;
    std::vector<Request> requests(static_cast<std::size_t>(kRunUs / gap));
    std::vector<double> due;
    std::atomic<std::uint64_t> left{requests.size()};
    double when = 0;
    for (Request& r : requests) {
      due.push_back(when += gap * exponential(draw));
      r.rounds = static_cast<std::uint64_t>(kServiceUs * exponential(draw) * rounds_per_us());
      r.left = &left;
    }
    std::vector<double> late;
    double burnt = 0, wall = 0;
    {
      const Hogs hogs(state.range(1) ? 2 : 0);
      keep_others_out(false);  // the generator is nobody's rival
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
      const double before = burnt_by(RUSAGE_SELF) - burnt_by(RUSAGE_THREAD);
      const auto start = Clock::now();
      for (std::size_t i = 0; i < requests.size(); ++i) {
        const auto moment = start + std::chrono::duration_cast<Clock::duration>(duration<double, std::micro>(due[i]));
        while (Clock::now() < moment) {}
        requests[i].come = Clock::now();
        pool->template submit<serve>(&requests[i]);
      }
      while (left.load(std::memory_order_acquire) > 0) std::this_thread::sleep_for(std::chrono::microseconds(50));
      wall = seconds_of(Clock::now() - start);
      burnt = burnt_by(RUSAGE_SELF) - burnt_by(RUSAGE_THREAD) - before;
      keep_others_out(true);
      for (std::size_t i = 0; i < requests.size(); ++i)
        late.push_back(seconds_of(requests[i].come - start) * 1e6 - due[i]);
    }
    std::vector<double> took, best = ideal(requests, servers);
    double work = 0;
    for (const Request& r : requests) {
      took.push_back(seconds_of(r.done - r.come) * 1e6);
      work += static_cast<double>(r.rounds) / rounds_per_us() * 1e-6;
    }
    const double p50 = at(took, 0.5), p99 = at(took, 0.99), ideal_p50 = at(best, 0.5), ideal_p99 = at(best, 0.99);
    state.SetIterationTime(p50 * 1e-6);
    state.counters["p50_us"] = p50;
    state.counters["p99_us"] = p99;
    state.counters["ideal_p50"] = ideal_p50;
    state.counters["ideal_p99"] = ideal_p99;
    state.counters["p50_ratio"] = p50 / ideal_p50;
    state.counters["p99_ratio"] = p99 / ideal_p99;
    state.counters["cpu_%"] = 100 * burnt / wall;
    state.counters["work_%"] = 100 * work / wall;
    state.counters["late_p99"] = at(late, 0.99);
  }
}

// ---- idle ----------------------------------------------------------------------------------------------------------

// CPU that a pool of two burns while nothing comes (argument 0) or so many requests a second.
template <class Pool>
void idle(benchmark::State& state) {
  unpin();
  const auto pool = std::make_unique<Pool>(2u);
  std::atomic<std::uint64_t> left{1};
  Request first{.rounds = 1, .come = {}, .done = {}, .left = &left};
  pool->template submit<serve>(&first);
  while (left.load() > 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  for (auto _ : state) {
    const double before = burnt_by(RUSAGE_SELF);
    const auto start = Clock::now();
    if (state.range(0) == 0) std::this_thread::sleep_for(std::chrono::seconds(1));
    for (std::int64_t i = 0; i < state.range(0); ++i) {
      left.store(1);
      pool->template submit<serve>(&first);
      std::this_thread::sleep_for(std::chrono::microseconds(1'000'000 / state.range(0)));
    }
    const double wall = seconds_of(Clock::now() - start);
    state.SetIterationTime(wall);
    state.counters["cpu_%"] = 100 * (burnt_by(RUSAGE_SELF) - before) / wall;
  }
}

// The same of a Scheduler with two host devices: what its threads' looking costs.
void idle_scheduler(benchmark::State& state) {
  unpin();
  const auto echo = [](switchyard::StepView& step) {
    for (auto& slot : step)
      if (slot.samples) slot.emit(slot.input.back());
  };
  switchyard::Scheduler scheduler(
      {.devices = {switchyard::host_device("one", echo), switchyard::host_device("two", echo)}});
  const switchyard::Token prompt[] = {1, 2, 3};
  const auto ask = [&] {
    for (const switchyard::Token token : scheduler.submit({.prompt = prompt, .max_tokens = 4}))
      benchmark::DoNotOptimize(token);
  };
  ask();
  std::this_thread::sleep_for(std::chrono::milliseconds(1100));  // a second after the last news it looks once
  for (auto _ : state) {
    const double before = burnt_by(RUSAGE_SELF);
    const auto start = Clock::now();
    if (state.range(0) == 0) std::this_thread::sleep_for(std::chrono::seconds(1));
    for (std::int64_t i = 0; i < state.range(0); ++i) {
      ask();
      std::this_thread::sleep_for(std::chrono::microseconds(1'000'000 / state.range(0)));
    }
    const double wall = seconds_of(Clock::now() - start);
    state.SetIterationTime(wall);
    state.counters["cpu_%"] = 100 * (burnt_by(RUSAGE_SELF) - before) / wall;
  }
}

// A host device whose step takes 20 us a slot, 32 slots, on so many threads; per step.
void host_step(benchmark::State& state) {
  unpin();
  {
    const Undisturbed undisturbed;  // its threads inherit it
    switchyard::Scheduler scheduler(
        {.devices = {switchyard::host_device("host",
                                             [](switchyard::StepView& step) {
                                               for (auto& slot : step) {
                                                 rounds(static_cast<std::uint64_t>(20 * rounds_per_us()));
                                                 if (slot.samples) slot.emit(slot.input.back());
                                               }
                                             },
                                             {.slots = 32, .threads = static_cast<std::uint32_t>(state.range(0))})}});
    constexpr std::uint32_t kSteps = 200;
    const switchyard::Token prompt[] = {1};
    for (auto _ : state) {
      std::vector<switchyard::Reply> replies;
      const auto before = Clock::now();
      for (int i = 0; i < 32; ++i) replies.push_back(scheduler.submit({.prompt = prompt, .max_tokens = kSteps}));
      for (auto& reply : replies)
        for (const switchyard::Token token : reply) benchmark::DoNotOptimize(token);
      state.SetIterationTime(seconds_of(Clock::now() - before) / kSteps);
    }
  }
}

#define YARD_BENCH_POOL(Pool)                                                    \
  BENCHMARK(flat_inside<Pool>)->Arg(1)->Arg(2)->Iterations(1)->UseManualTime();  \
  BENCHMARK(flat_outside<Pool>)->Arg(1)->Arg(2)->Iterations(1)->UseManualTime(); \
  BENCHMARK(open_loop<Pool>)                                                     \
      ->ArgsProduct({{20, 35, 50, 65, 80, 90}, {0, 1}})                          \
      ->Iterations(1)                                                            \
      ->UseManualTime()                                                          \
      ->Unit(benchmark::kMicrosecond);                                           \
  BENCHMARK(idle<Pool>)->Arg(0)->Arg(100)->Iterations(1)->UseManualTime()->Unit(benchmark::kMillisecond)

BENCHMARK(flag_round_trip);
BENCHMARK(host_step)->Arg(1)->Arg(2)->Iterations(1)->UseManualTime()->Unit(benchmark::kMicrosecond);
BENCHMARK(idle_scheduler)->Arg(0)->Arg(100)->Iterations(1)->UseManualTime()->Unit(benchmark::kMillisecond);
BENCHMARK(flat_inside<OursDeep>)->Arg(1)->Arg(2)->Iterations(1)->UseManualTime();
YARD_BENCH_POOL(Ours);
YARD_BENCH_POOL(Mutex);
YARD_BENCH_POOL(OneTbb);
#ifdef SWITCHYARD_HAS_TASKFLOW
YARD_BENCH_POOL(Taskflow);
#endif

}  // namespace
}  // namespace yard::bench

int main(int argc, char** argv) { return yard::bench::run_beside_spin(argc, argv); }
