// A simulated system that runs steps and takes not quite what its costs say: to learn from. All draws come from a seed,
// and no number in it depends on a library.
#pragma once
#include <array>
#include <cstdint>
#include <numeric>
#include <utility>
#include <vector>

#include "scheduler/base/rng.h"
#include "scheduler/cost/online.h"

namespace yard::learning {

// Of an 8B model on an H100, about: c0 8.4 to 14 ms over 256 sequences, 30 us a prompt token, KV at 40 ns a token.
inline StepCost prior() {
  std::vector<BatchBucket> buckets;
  for (std::uint32_t n = 1; n <= 256; n += n < 8 ? 1 : 8)
    buckets.push_back({n, Picoseconds(8'400'000'000 + 22'000'000 * std::int64_t{n})});
  return StepCost(std::move(buckets), Picoseconds(30'000'000), Picoseconds(40'000), 256, Picoseconds(9'000'000));
}

class System {
 public:
  struct Truth {
    std::array<std::int64_t, kCostTerms> scale = {1024, 1024, 1024, 1024, 1024};  // 1/1024
    std::int64_t noise_permille = 30, stalls_permille = 0;                        // a stall takes three times as long
  };

  System(std::uint64_t seed, Truth as) : rng_(seed), truth(as) {}

  // Approximately normal, deviation 1024: the sum of twelve uniform draws.
  std::int64_t normal() {
    std::int64_t sum = -6 * 1024;
    for (int i = 0; i < 12; ++i) sum += static_cast<std::int64_t>(rng_.below(1025));
    return sum;
  }
  std::uint64_t below(std::uint64_t n) { return rng_.below(n); }

  StepsRun shape(bool decodes_only = false) {
    StepsRun run;
    run.n = 1 + static_cast<std::uint32_t>(rng_.below(8) == 0 ? rng_.below(256) : rng_.below(48));
    run.decoding = run.n;
    run.context = run.n * (100 + static_cast<std::int64_t>(rng_.below(4000)));
    if (!decodes_only && rng_.below(4) == 0) {
      run.read = 32 + static_cast<std::int64_t>(rng_.below(2000));
      run.pairs = prefill_pairs(run.read, static_cast<std::int64_t>(rng_.below(8000)));
      run.decoding = run.n - 1;
    }
    return run;
  }

  RunTimed run(const StepsRun& shape) {
    RunTimed timed{.said = terms_of(cost_, shape), .group = shape_group(shape.n, shape.read)};
    std::int64_t true_ps = 0;
    for (std::size_t i = 0; i < kCostTerms; ++i) true_ps += timed.said[i] / 1024 * truth.scale[i];
    const std::int64_t noisy = 1024 * 1000 + normal() * truth.noise_permille;
    timed.took = true_ps / (1024 * 1000) * (noisy > 100'000 ? noisy : 100'000);
    if (static_cast<std::int64_t>(rng_.below(1000)) < truth.stalls_permille) timed.took *= 3;
    return timed;
  }
  RunTimed run() { return run(shape()); }

 private:
  StepCost cost_ = prior();
  Rng rng_;

 public:
  Truth truth;
};

// 0 to n - 1 in a random order: rows of one key as a service sees shapes.
inline std::vector<std::size_t> shuffled(std::size_t n, Seed seed) {
  std::vector<std::size_t> order(n);
  std::iota(order.begin(), order.end(), std::size_t{0});
  Rng rng(seed);
  for (std::size_t i = n; i > 1; --i) std::swap(order[i - 1], order[rng.below(i)]);
  return order;
}

}  // namespace yard::learning
