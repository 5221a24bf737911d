// The scorers that the reference knows, by the formulas of scheduler/core/README.md; every load is summed up anew for
// every question.
#pragma once
#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "scheduler/base/check.h"
#include "scheduler/base/rng.h"
#include "tests/reference_world.h"

namespace yard::reference {

inline constexpr std::array<std::string_view, 7> kScorers = {"round_robin",
                                                             "random",
                                                             "least_loaded",
                                                             "power_of_two",
                                                             "expected_seconds",
                                                             "smg_power_of_two",
                                                             "least_outstanding_tokens"};

class Scorers {
 public:
  explicit Scorers(const World& world) : world_(world), rng_(world.options.seed) {
    counters_.resize(world.fleet.models.size(), 0);
    expected_.resize(world.fleet.models.size(), std::vector<std::int64_t>(world.fleet.classes.size(), 256 * 256));
  }

  // `done`: a sequence that has just ended as done.
  void learn_from(const Sequence& done) {
    if (done.request.max_output == Tokens(0)) return;  // it says nothing about answers
    std::int64_t& m = expected_[done.request.model.value][done.request.slo.value];
    m += (256 * done.generated - m) / 64;
  }

  // Returns: one of the candidates, which are ascending.
  // `later`: for each, when the KV of one that is read would be there; empty for others.
  std::uint32_t choose(const Sequence& s, const std::vector<std::uint32_t>& candidates,
                       const std::vector<Duration>& later = {}) {
    CHECK(!candidates.empty());
    if (world_.options.scorer == "round_robin") return round_robin(s.request.model, candidates);
    if (world_.options.scorer == "random") return candidates[rng_.below(candidates.size())];
    if (world_.options.scorer == "power_of_two") return power_of_two(candidates);
    if (world_.options.scorer == "least_loaded") {
      return *std::min_element(candidates.begin(), candidates.end(), [&](std::uint32_t a, std::uint32_t b) {
        return world_.load_of(a).sequences() < world_.load_of(b).sequences();
      });
    }
    if (world_.options.scorer == "smg_power_of_two") return smg_power_of_two(candidates);
    if (world_.options.scorer == "least_outstanding_tokens") {
      const auto tokens = [&](std::uint32_t d) {
        return world_.load_of(d).prefill_tokens + world_.load_of(d).kv_tokens;
      };
      return *std::min_element(candidates.begin(), candidates.end(),
                               [&](std::uint32_t a, std::uint32_t b) { return tokens(a) < tokens(b); });
    }
    CHECK(world_.options.scorer == "expected_seconds");
    return *std::min_element(candidates.begin(), candidates.end(), [&](std::uint32_t a, std::uint32_t b) {
      const auto seconds = [&](std::uint32_t d) {
        const auto at =
            static_cast<std::size_t>(std::find(candidates.begin(), candidates.end(), d) - candidates.begin());
        return expected_seconds(s, d, later.empty() ? Duration(0) : later[at]);
      };
      return seconds(a) < seconds(b);
    });
  }

 private:
  std::uint32_t round_robin(ModelId model, const std::vector<std::uint32_t>& candidates) {
    std::vector<std::uint32_t> all;
    for (std::uint32_t d = 0; d < world_.devices.size(); ++d) {
      if (world_.devices[d].pool->model == model) all.push_back(d);
    }
    std::size_t& counter = counters_[model.value];
    for (;; ++counter) {
      const std::uint32_t d = all[counter % all.size()];
      if (std::find(candidates.begin(), candidates.end(), d) == candidates.end()) continue;
      ++counter;
      return d;
    }
  }

  std::uint32_t power_of_two(const std::vector<std::uint32_t>& candidates) {
    const std::size_t m = candidates.size();
    if (m == 1) return candidates[0];
    const std::size_t i = rng_.below(m);
    std::size_t j = rng_.below(m - 1);
    j += j >= i ? 1 : 0;
    const std::uint32_t a = candidates[std::min(i, j)], b = candidates[std::max(i, j)];
    return world_.load_of(b).sequences() < world_.load_of(a).sequences() ? b : a;
  }

  std::uint32_t smg_power_of_two(const std::vector<std::uint32_t>& candidates) {
    const std::size_t m = candidates.size();
    if (m == 1) return candidates[0];
    const std::size_t first = rng_.below(m);
    const std::uint32_t a = candidates[first], b = candidates[(first + 1 + rng_.below(m - 1)) % m];
    const auto pool = [&](std::uint32_t d) {
      return std::int64_t{world_.devices[d].pool->kv_blocks.count()} * world_.devices[d].pool->block_tokens.count();
    };
    return world_.load_of(a).kv_tokens * pool(b) <= world_.load_of(b).kv_tokens * pool(a) ? a : b;
  }

  // Picoseconds, by the formula of the page, letter by letter.
  std::int64_t expected_seconds(const Sequence& s, std::uint32_t d, Duration later) const {
    const PoolView& pool = *world_.devices[d].pool;
    const StepCost& cost = world_.costs.rows[pool.cost.value];
    const Load load = world_.load_of(d);
    const std::int64_t n = load.running, w = load.waiting, p = s.whole();
    const std::int64_t Q = load.prefill_tokens, K = load.kv_tokens, W = load.waiting_tokens;
    const std::int64_t M = pool.max_sequences, B = pool.token_budget.count();
    const std::int64_t C = std::int64_t{pool.kv_blocks.count()} * pool.block_tokens.count();
    const std::int64_t m = expected_[s.request.model.value][s.request.slo.value];
    const std::int64_t o = std::min<std::int64_t>(std::max<std::int64_t>(1, m / 256), s.request.max_output.count());
    const std::int64_t b = std::min(n + w + 1, M);
    const std::int64_t c0_b = World::c0(cost, static_cast<std::size_t>(b)), c1 = cost.c1().count(),
                       c2 = cost.c2().count();
    const std::int64_t tpot = c0_b + c2 * (K + W + p + o / 2);
    const std::int64_t over = std::max<std::int64_t>(0, n + w + 1 - M);
    const std::int64_t excess = std::max<std::int64_t>(0, K + W + p - C);
    const std::int64_t wait = over * (o * tpot / M) + excess * (o * tpot / C);
    const std::int64_t r = s.stage == Stage::read ? Q : Q + p - world_.expected_hit(s, d);
    const std::int64_t steps = std::max<std::int64_t>(1, (r + B - 1) / B);
    const AdapterId adapter = s.request.adapter;
    const bool there =
        !adapter.some() || !pool.adapter_affinity || World::among(world_.devices[d].expected_adapters, adapter);
    const std::int64_t loading = there ? 0 : world_.load_ps(world_.devices[d], adapter);
    const std::int64_t first = c1 * r + steps * (c0_b + c2 * K) + wait + later.count() * 1000 + loading;
    const std::int64_t last = first + o * tpot;
    return first + last;
  }

  const World& world_;
  Rng rng_;
  std::vector<std::size_t> counters_;                // round_robin's, by model
  std::vector<std::vector<std::int64_t>> expected_;  // output by (model, class), in 256ths
};

}  // namespace yard::reference
