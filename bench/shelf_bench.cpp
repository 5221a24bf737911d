// The shelf beside what it is made of: two bare compare-and-swaps, and the time that a flag takes to another core and
// back.
#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <set>
#include <utility>
#include <vector>

#include <benchmark/benchmark.h>

#include "bench/two_cores.h"
#include "scheduler/base/rng.h"
#include "scheduler/sync/shelf.h"

namespace yard {
namespace {

using Answer = Shelf::Answer;
using Clock = std::chrono::steady_clock;

ShelfEntry entry(std::uint64_t id, std::uint64_t due) {
  return {id, Time(static_cast<std::int64_t>(due << 12)), Tokens(100)};
}
double seconds_since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

struct alignas(64) Word {
  std::atomic<std::uint64_t> value{0};
};

// ---- calibration ----------------------------------------------------------------------------------------------------

BENCHMARK(bench::two_bare_cas);
BENCHMARK(bench::flag_round_trip)->UseRealTime();

// ---- one thread -----------------------------------------------------------------------------------------------------

// Behind as many as the argument says, all as urgent: the one taken is the one that came first.
void publish_one_take_one(benchmark::State& state) {
  Shelf shelf;
  const ShelfEntry made = entry(1, 1);
  for (std::int64_t n = 0; n < state.range(0); ++n) shelf.publish(made);
  ShelfEntry out;
  for (auto _ : state) {
    benchmark::DoNotOptimize(shelf.publish(made).has_value());
    benchmark::DoNotOptimize(shelf.take(out));
    benchmark::DoNotOptimize(out);
  }
}
BENCHMARK(publish_one_take_one)->Arg(0)->Arg(16)->Arg(255);

// The same where each is more urgent than all that are there: a republication of them all.
void publish_urgent_take_one(benchmark::State& state) {
  Shelf shelf;
  std::uint64_t n = 0;
  for (; n < static_cast<std::uint64_t>(state.range(0)); ++n) shelf.publish(entry(n, 1000 + n));
  ShelfEntry out;
  for (auto _ : state) {
    benchmark::DoNotOptimize(shelf.publish(entry(++n, 1)));
    benchmark::DoNotOptimize(shelf.take(out));
  }
}
BENCHMARK(publish_urgent_take_one)->Arg(1)->Arg(16)->Arg(255);

void publish_one_withdraw_it(benchmark::State& state) {
  Shelf shelf;
  std::uint64_t n = 0;
  for (; n < static_cast<std::uint64_t>(state.range(0)); ++n) shelf.publish(entry(n, n));
  for (auto _ : state) {
    ++n;
    benchmark::DoNotOptimize(shelf.publish(entry(n, n)));
    benchmark::DoNotOptimize(shelf.withdraw(n));
  }
}
BENCHMARK(publish_one_withdraw_it)->Arg(16)->Arg(255);

// ---- across cores ---------------------------------------------------------------------------------------------------

// A thief takes as many as the argument says, at once, of twice as many that another core has just published. Per
// entry.
void take_across(benchmark::State& state) {
  const auto most = static_cast<std::uint64_t>(state.range(0));
  Shelf shelf;
  Word ready, done;
  bench::Companion owner([&](const std::atomic<bool>& stop) {
    std::uint64_t n = 0;
    std::array<ShelfEntry, 256> out;
    for (std::uint64_t round = 1; !stop.load(std::memory_order_relaxed); ++round) {
      while (shelf.offered() > 0) shelf.take(out);
      for (std::uint64_t i = 0; i < 2 * most; ++i, ++n) shelf.publish(entry(n, n));
      ready.value.store(round, std::memory_order_release);
      while (done.value.load(std::memory_order_acquire) != round && !stop.load(std::memory_order_relaxed)) {}
    }
  });
  std::array<ShelfEntry, 128> out;
  std::uint64_t round = 0;
  for (auto _ : state) {
    ++round;
    while (ready.value.load(std::memory_order_acquire) != round) {}
    const Clock::time_point begin = Clock::now();
    const auto taken = shelf.take(std::span(out).first(most));
    state.SetIterationTime(seconds_since(begin) / static_cast<double>(most));
    if (taken.entries != most) state.SkipWithError("an undisturbed take was lost");
    done.value.store(round, std::memory_order_release);
  }
}
BENCHMARK(take_across)->Arg(1)->Arg(16)->Arg(64)->UseManualTime();

void clock_alone(benchmark::State& state) {
  for (auto _ : state) {
    const Clock::time_point begin = Clock::now();
    state.SetIterationTime(seconds_since(begin));
  }
}
BENCHMARK(clock_alone)->UseManualTime();

// The owner publishes one and takes one while a thief takes whatever it gets.
void owner_under_a_thief(benchmark::State& state) {
  Shelf shelf;
  std::uint64_t stolen = 0, tried = 0, n = 0, lost = 0;
  {
    bench::Companion thief([&](const std::atomic<bool>& stop) {
      ShelfEntry out;
      while (!stop.load(std::memory_order_relaxed)) {
        ++tried;
        stolen += shelf.take(out) == Answer::taken;
      }
    });
    ShelfEntry out;
    for (auto _ : state) {
      ++n;
      benchmark::DoNotOptimize(shelf.publish(entry(n, n)));
      lost += shelf.take(out) == Answer::lost;
    }
  }
  state.counters["stolen_pct"] = 100.0 * static_cast<double>(stolen) / static_cast<double>(n);
  state.counters["owner_lost_pct"] = 100.0 * static_cast<double>(lost) / static_cast<double>(n);
  state.counters["thief_tries_per_item"] = static_cast<double>(tried) / static_cast<double>(n);
}
BENCHMARK(owner_under_a_thief)->UseRealTime();

// ---- rank error -----------------------------------------------------------------------------------------------------

struct Life {  // of an entry
  Clock::time_point publishing, published, taking, taken;
  ShelfEntry entry;
};

// Takes that left something more urgent behind: `surely`, which had been published before the take began and was taken
// by one that began after it ended; `perhaps`, which was being published when the take began, and so may not have been
// there yet.
std::pair<std::uint64_t, std::uint64_t> rank_errors(std::vector<Life>& lives) {
  std::sort(lives.begin(), lives.end(), [](const Life& a, const Life& b) { return a.taken < b.taken; });
  std::vector<std::size_t> by_publishing(lives.size()), by_taking(lives.size());
  for (std::size_t i = 0; i < lives.size(); ++i) by_publishing[i] = by_taking[i] = i;
  std::sort(by_publishing.begin(), by_publishing.end(),
            [&](std::size_t a, std::size_t b) { return lives[a].publishing < lives[b].publishing; });
  std::sort(by_taking.begin(), by_taking.end(),
            [&](std::size_t a, std::size_t b) { return lives[a].taking < lives[b].taking; });
  std::set<std::pair<Time, std::size_t>> there;  // from publishing to taking
  std::size_t came = 0, went = 0;
  std::uint64_t surely = 0, perhaps = 0;
  std::vector<bool> gone(lives.size());
  for (const Life& x : lives) {
    for (; went < lives.size() && lives[by_taking[went]].taking <= x.taken; ++went) {
      gone[by_taking[went]] = true;
      there.erase({lives[by_taking[went]].entry.deadline(), by_taking[went]});
    }
    for (; came < lives.size() && lives[by_publishing[came]].publishing < x.taking; ++came) {
      const std::size_t y = by_publishing[came];
      if (!gone[y]) there.insert({lives[y].entry.deadline(), y});
    }
    bool sure = false, maybe = false;
    for (auto y = there.begin(); y != there.end() && y->first < x.entry.deadline(); ++y) {
      sure = sure || lives[y->second].published < x.taking;
      maybe = true;
    }
    surely += sure;
    perhaps += maybe && !sure;
  }
  return {surely, perhaps};
}

// The argument: of a hundred publications, so many are more urgent than what is there. A thief and the owner take.
void rank_error(benchmark::State& state) {
  constexpr std::uint64_t kEach = 200'000;
  std::uint64_t takes = 0, surely = 0, perhaps = 0, republished = 0, by_thief = 0;
  for (auto _ : state) {
    Shelf shelf;
    std::vector<Life> lives(kEach);
    const auto take = [&](std::array<ShelfEntry, 1>& out) {
      const Clock::time_point taking = Clock::now();
      if (shelf.take(out).answer != Answer::taken) return false;
      Life& life = lives[out[0].id()];
      life.taking = taking;
      life.taken = Clock::now();
      return true;
    };
    {
      bench::Companion thief([&](const std::atomic<bool>& stop) {
        std::array<ShelfEntry, 1> out;
        while (!stop.load(std::memory_order_acquire)) by_thief += take(out);
      });
      Rng rng(1);
      std::array<ShelfEntry, 1> out;
      for (std::uint64_t id = 0; id < kEach; ++id) {
        const bool urgent = rng.below(100) < static_cast<std::uint64_t>(state.range(0));
        Life& life = lives[id];
        life.entry = entry(id, 1'000'000 + id - (urgent ? 1 + rng.below(1000) : 0));
        while (shelf.offered() > 128) take(out);
        life.publishing = Clock::now();
        shelf.publish(life.entry);
        life.published = Clock::now();
        if (rng.below(2) == 0) take(out);
      }
      while (shelf.offered() > 0) take(out);
    }
    const auto [sure, maybe] = rank_errors(lives);
    takes += kEach;
    surely += sure;
    perhaps += maybe;
    republished += shelf.republications();
  }
  const auto share = [&](std::uint64_t n) { return 100.0 * static_cast<double>(n) / static_cast<double>(takes); };
  state.counters["rank_error_pct"] = share(surely);
  state.counters["while_published_pct"] = share(perhaps);
  state.counters["republished_pct"] = share(republished);
  state.counters["by_thief_pct"] = share(by_thief);
}
BENCHMARK(rank_error)->Arg(0)->Arg(12)->Arg(50)->Iterations(2)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace yard

BENCHMARK_MAIN();
