// What a live shard counts of the requests that ended, for its metrics: by outcome and reason, and how long they took.
//
// Threads: the loop's writes, under the mutex under which others read (live_loop.h).
// E1  every Finish counts once in `ended`; in `e2e` if it is done, in `ttft` if it had a first token.
#pragma once
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "scheduler/base/hash.h"
#include "scheduler/core/command.h"

namespace yard {

// Coarse on purpose: a scrape stays short, and whoever wants percentiles reads a report of the recording.
struct CoarseHistogram {
  static constexpr std::array<std::int64_t, 15> kEdges = {
      1'000'000,     5'000'000,      10'000'000,     25'000'000,     50'000'000,      // ns: 1 ms to 50 ms
      100'000'000,   250'000'000,    500'000'000,    1'000'000'000,  2'500'000'000,   // to 2.5 s
      5'000'000'000, 10'000'000'000, 30'000'000'000, 60'000'000'000, 300'000'000'000  // to 5 min
  };
  std::array<std::uint64_t, kEdges.size() + 1> counts{};  // of each bucket alone; an edge belongs to the one below it
  Wide sum_ns = 0;

  void add(const CoarseHistogram& other) {
    for (std::size_t i = 0; i < counts.size(); ++i) counts[i] += other.counts[i];
    sum_ns += other.sum_ns;
  }
  void add(Duration d) {
    const std::int64_t ns = std::max<std::int64_t>(d.count(), 0);
    ++counts[static_cast<std::size_t>(std::lower_bound(kEdges.begin(), kEdges.end(), ns) - kEdges.begin())];
    sum_ns += static_cast<Wide>(ns);
  }
};

struct LiveMeter {
  explicit LiveMeter(std::size_t classes) : ttft(classes), e2e(classes) {}

  void add(const Finish& f) {
    ++ended[static_cast<std::size_t>(f.outcome)][static_cast<std::size_t>(f.why)];
    const Account& a = f.account;
    output_tokens += static_cast<std::uint64_t>(a.output.count());
    if (a.first_token != Time::never()) ttft[a.slo.value].add(a.first_token - a.arrival);
    if (f.outcome != Outcome::done) return;
    prompt_tokens += static_cast<std::uint64_t>(a.prompt.count());
    e2e[a.slo.value].add((a.last_token != Time::never() ? a.last_token : a.finish) - a.arrival);
  }

  void add(const LiveMeter& other) {  // another shard's, of the same classes
    for (std::size_t o = 0; o < ended.size(); ++o)
      for (std::size_t r = 0; r < kReasons; ++r) ended[o][r] += other.ended[o][r];
    for (std::size_t c = 0; c < ttft.size(); ++c) ttft[c].add(other.ttft[c]), e2e[c].add(other.e2e[c]);
    prompt_tokens += other.prompt_tokens, output_tokens += other.output_tokens;
  }

  std::array<std::array<std::uint64_t, kReasons>, 4> ended{};  // by Outcome, Reason
  std::vector<CoarseHistogram> ttft, e2e;                      // by class
  std::uint64_t prompt_tokens = 0, output_tokens = 0;          // of those done; of all
};

}  // namespace yard
