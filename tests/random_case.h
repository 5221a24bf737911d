// Random fleets and traces, small and tight: everything that the scheduler's page speaks of happens often in them.
// tests/random_case_test.cpp counts how often, over the seeds 0 to 999.
//
// The same seed gives the same case on every build. Every case keeps the promises of FleetView (V1 to V3, and
// max_context at most what the KV pool holds + 1) and of reference::Simulator.
#pragma once
#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "scheduler/base/rng.h"
#include "scheduler/base/units.h"
#include "scheduler/cost/step_cost.h"
#include "tests/reference_values.h"
#include "topology/fleet_view.h"

namespace yard {

struct Case {
  Seed seed = 0;
  FleetView fleet;
  CostTables costs;
  std::vector<reference::Request> requests;
  reference::Options options;

  std::string text() const {
    return "seed " + std::to_string(seed) + ": " + options.order + ", " + options.scorer + ", bind at " + options.bind +
           ", " + std::to_string(fleet.pools.size()) + " pools, " + std::to_string(fleet.devices()) + " devices";
  }
};

class CaseMaker {
 public:
  explicit CaseMaker(Seed seed) : seed_(seed), rng_(Rng::stream(seed, 0x63617365)) {}

  Case make(std::uint32_t requests) {
    Case c;
    c.seed = seed_;
    choose_scale();
    c.options = options();
    c.fleet.name = "random " + std::to_string(seed_);
    c.fleet.tenants = {{.name = "a"}, {.name = "b"}};
    name_regions_and_models(c.fleet);
    add_classes(c.fleet);
    add_pools(c);
    add_requests(c, requests);
    name_prefixes(c);
    embed(c);
    ask_for_several(c);
    adapt(c);
    size_chunks(c);
    return c;
  }

 private:
  // Drawn apart, so that whatever is added leaves the rest of a seed's case as it is.
  void size_chunks(Case& c) {
    Rng rng = Rng::stream(seed_, 0x6368756e6b);
    for (SloClass& slo : c.fleet.classes)
      if (rng.below(2) == 0) slo.tpot = steps(1 + static_cast<std::int64_t>(rng.below(8)));
    for (PoolView& pool : c.fleet.pools)
      if (rng.below(2) == 0) pool.chunk = Chunk::objective;
  }

  // What a step costs by and large, and on which grid times lie.
  void choose_scale() {
    switch (rng_.below(10)) {
      case 0:
      case 1:  // below or about a nanosecond: several boundaries of one nanosecond, rounding everywhere
        step_ps_ = between(100, 20'000);
        break;
      case 2:
      case 3:
      case 4:
      case 5:  // everything a multiple of one step: arrivals and cancels fall on boundaries
        round_ = true;
        step_ps_ = 1000 * std::array{1, 10, 1000, 25'000}[rng_.below(4)];
        break;
      default: step_ps_ = between(1'000'000, 100'000'000);
    }
    typical_tokens_ = between(24, chance(4) ? 600 : 160);
    gap_steps_ = std::array{1, 4, 16}[rng_.below(3)];
  }

  reference::Options options() {
    constexpr std::array orders = {"fcfs", "edf", "shortest_first"};
    constexpr std::array scorers = {"round_robin", "random", "least_loaded", "power_of_two", "expected_seconds"};
    constexpr std::array binds = {"arrival", "room"};
    constexpr std::array<std::uint32_t, 6> steps = {1, 2, 3, 7, 16, 256};
    reference::Options o;
    o.order = orders[rng_.below(orders.size())];
    o.scorer = scorers[rng_.below(scorers.size())];
    o.bind = binds[rng_.below(binds.size())];
    o.seed = rng_.next();
    o.sequences = chance(2) ? static_cast<std::uint32_t>(between(2, 24)) : 256;
    o.steps_per_run = chance(2) ? 256 : steps[rng_.below(steps.size())];
    return o;
  }

  void name_regions_and_models(FleetView& fleet) {
    regions_ = chance(2) ? 2 : 1;
    served_models_ = chance(3) ? 2 : 1;
    fleet.regions = {"east", "west"};  // nothing need lie in the west
    fleet.models = {{"small"}, {"large"}, {"unserved"}};
  }

  void add_classes(FleetView& fleet) {
    const std::uint64_t n = 1 + rng_.below(3);
    for (std::uint64_t i = 0; i < n; ++i) {
      SloClass slo;
      slo.name = "class " + std::to_string(i);
      slo.rank = static_cast<std::uint32_t>(rng_.below(3));
      if (chance(2)) slo.ttft = steps(between(1, 100));
      if (chance(2)) slo.ttft_per_token = steps(between(0, 2));
      if (chance(2)) slo.e2e = steps(between(1, 1000));
      if (!chance(3)) slo.patience = std::max(nanoseconds(1), steps(between(1, 80)));
      fleet.classes.push_back(slo);
    }
  }

  void add_pools(Case& c) {
    const std::uint64_t n = std::max(served_models_, 1 + rng_.below(4));
    for (std::uint64_t i = 0; i < n; ++i) {
      PoolView pool;
      pool.name = "pool " + std::to_string(i);
      // Where two models are served, the first two pools see to it that each is.
      pool.model = ModelId{static_cast<std::uint32_t>(i < served_models_ ? i : rng_.below(served_models_))};
      pool.region = RegionId{static_cast<std::uint32_t>(rng_.below(regions_))};
      pool.cost = CostRow{static_cast<std::uint32_t>(i)};
      pool.first_device = c.fleet.devices();
      pool.devices = static_cast<std::uint32_t>(chance(2) ? 1 : between(1, 4));
      pool.max_sequences = chance(8) ? 64 : static_cast<std::uint32_t>(between(1, 8));
      pool.token_budget =
          Tokens(chance(2) ? between(pool.max_sequences, pool.max_sequences + 24) : between(pool.max_sequences, 512));
      pool.block_tokens = Tokens(std::array{1, 4, 16}[rng_.below(3)]);
      const std::int64_t context = std::max<std::int64_t>(16, between(typical_tokens_ / 2, typical_tokens_ * 3 / 2));
      const std::int64_t spare = chance(3) ? between(0, 20) * typical_tokens_ : between(0, typical_tokens_);
      const std::int64_t per_block = pool.block_tokens.count();
      pool.kv_blocks = Blocks((context - 1 + per_block - 1) / per_block + spare / per_block);
      pool.max_context = Tokens(context);
      c.costs.rows.push_back(cost(pool.max_sequences));
      c.fleet.pools.push_back(pool);
    }
  }

  StepCost cost(std::uint32_t max_sequences) {
    std::vector<BatchBucket> buckets;
    std::int64_t c0 = step_ps_;
    std::uint32_t up_to = static_cast<std::uint32_t>(between(1, 3));
    const std::uint64_t n = 2 + rng_.below(4);
    for (std::uint64_t i = 0; i < n; ++i) {
      buckets.push_back({up_to, Picoseconds(c0)});
      up_to += static_cast<std::uint32_t>(between(1, 4));
      c0 += round_ ? step_ps_ * between(0, 1) : between(0, step_ps_);
    }
    const std::int64_t c1 = round_ ? (chance(4) ? step_ps_ : 0) : between(0, step_ps_ / 20 + 1);
    const std::int64_t c2 = round_ ? 0 : between(0, step_ps_ / 500 + 1);
    const std::int64_t c4 = round_ ? 0 : between(0, step_ps_ / 10 + 1);
    return StepCost(std::move(buckets), Picoseconds(c1), Picoseconds(c2), max_sequences, Picoseconds(c4));
  }

  void add_requests(Case& c, std::uint32_t n) {
    const bool some_empty = chance(6), some_unserved = chance(6), some_masked = chance(3), cancels = !chance(3);
    Time now(0);
    std::uint64_t burst = 0;  // how many more arrive in this instant
    for (std::uint32_t row = 0; row < n; ++row) {
      if (burst > 0) {
        --burst;
      } else {
        now += steps(between(0, gap_steps_));
        if (!round_) now += nanoseconds(between(0, 3));
        if (chance(6)) burst = rng_.below(10);
        if (chance(20)) now += steps(200);  // a pause in which all comes to rest
      }
      reference::Request r;
      r.row = row;
      r.arrival = now;
      r.prompt = Tokens(some_empty && chance(16) ? 0 : prompt());
      r.output = Tokens(chance(16) ? 0 : chance(4) ? between(1, 3) : between(0, 100));
      if (chance(2)) r.max_output = Tokens(between(1, chance(4) ? 150 : 40));
      if (chance(r.prompt <= Tokens(8) ? 16 : 64)) r.max_output = Tokens(0);
      const bool unserved = some_unserved && chance(16);
      r.model = ModelId{static_cast<std::uint32_t>(unserved ? 2 : rng_.below(served_models_))};
      r.slo = SloClassId{static_cast<std::uint32_t>(rng_.below(c.fleet.classes.size()))};
      r.tenant = TenantId{static_cast<std::uint32_t>(rng_.below(2))};
      if (some_masked && chance(3)) r.regions = RegionMask{1 + rng_.below(2)};
      if (cancels && chance(3)) r.cancel_at = now + cancel_delay();
      c.requests.push_back(r);
    }
  }

  // In every second case prompts begin alike: each goes down a tree of blocks, and is known as far as it does. From a
  // stream of its own, so that all else is as without.
  void name_prefixes(Case& c) {
    Rng rng = Rng::stream(seed_, 0x70726566);
    if (rng.below(2) == 0) return;
    const std::int64_t block =
        std::array{4, 8, 16, 24}[rng.below(4)];  // 24 is no multiple of 16: those pools keep none
    for (ModelView& model : c.fleet.models) model.prefix_block = Tokens(block);
    for (PoolView& pool : c.fleet.pools) pool.prefix_cache = rng.below(8) != 0;
    const std::uint64_t roots = 1 + rng.below(3), branches = 1 + rng.below(3);
    for (reference::Request& r : c.requests) {
      std::uint64_t name = mix64(1000 + r.model.value * 16 + rng.below(roots));
      const std::int64_t whole = r.prompt.count() / block;
      for (std::int64_t i = 0; i < whole && rng.below(8) != 0; ++i) {
        r.prefix.push_back({name});
        name = mix64(name + 1 + rng.below(branches));
      }
    }
  }

  // In every third case there are adapters, for few slots, and most requests want one.
  void adapt(Case& c) {
    Rng rng = Rng::stream(seed_, 0x6c6f7261);
    if (rng.below(3) != 0) return;
    const std::uint64_t each = 1 + rng.below(5);
    for (std::uint64_t a = 0; a < each * served_models_; ++a)
      c.fleet.adapters.push_back({"a" + std::to_string(a), ModelId{static_cast<std::uint32_t>(a % served_models_)},
                                  static_cast<std::int64_t>(rng.below(4'000'000))});
    for (PoolView& pool : c.fleet.pools) {
      pool.adapter_slots = static_cast<std::uint32_t>(rng.below(8) == 0 ? 0 : 1 + rng.below(3));
      pool.adapter_load =
          round_ ? steps(static_cast<std::int64_t>(rng.below(4)))
                 : nanoseconds(static_cast<std::int64_t>(rng.below(5) * static_cast<std::uint64_t>(step_ps_) / 1000));
      if (!round_ && rng.below(2)) pool.adapter_bytes_per_s = 1'000'000'000'000;
      pool.adapter_affinity = rng.below(4) != 0;
    }
    for (reference::Request& r : c.requests) {
      if (rng.below(4) == 0) continue;
      r.adapter = AdapterId{static_cast<std::uint32_t>(rng.below(c.fleet.adapters.size() + (rng.below(8) == 0)))};
      if (r.adapter.value < c.fleet.adapters.size() && c.fleet.adapters[r.adapter.value].model != r.model &&
          rng.below(8))
        r.adapter = {};
    }
  }

  // In every third case some ask for several answers, now and then for more than there may be; most of these say what
  // their prompt is, so that they share it.
  void ask_for_several(Case& c) {
    Rng rng = Rng::stream(seed_, 0x616e7377);
    if (rng.below(3) != 0) return;
    for (ModelView& model : c.fleet.models)
      if (model.prefix_block == Tokens(512)) model.prefix_block = Tokens(std::array{4, 8, 16}[rng.below(3)]);
    for (reference::Request& r : c.requests) {
      if (rng.below(4) != 0) continue;
      r.answers = static_cast<std::uint32_t>(rng.below(16) == 0 ? 65 : 2 + rng.below(4));
      std::uint64_t name = mix64(seed_ * 1000 + r.row);
      if (!r.prefix.empty() || rng.below(4) == 0) continue;
      const std::int64_t whole = r.prompt.count() / c.fleet.models[r.model.value].prefix_block.count();
      for (std::int64_t i = 0; i < whole; ++i) r.prefix.push_back({name = mix64(name)});
    }
  }

  // In every sixth case a model makes no tokens; most of its requests know that. From a stream of its own, too.
  void embed(Case& c) {
    Rng rng = Rng::stream(seed_, 0x656d6264);
    if (rng.below(6) != 0) return;
    const auto model = static_cast<std::uint32_t>(rng.below(served_models_));
    c.fleet.models[model].embeds = true;
    for (reference::Request& r : c.requests)
      if (r.model == ModelId{model} && rng.below(8) != 0) r.max_output = Tokens(0);
  }

  std::int64_t prompt() {
    if (chance(4)) return between(1, 12);
    if (chance(12)) return between(typical_tokens_, typical_tokens_ * 7 / 4);  // too long for some pools or all
    return between(1, typical_tokens_ / 2);
  }

  Duration cancel_delay() {
    if (chance(8)) return Duration(0);
    const Duration delay = steps(between(0, chance(2) ? 10 : 120));
    return round_ ? delay : delay + nanoseconds(between(0, 2));
  }

  Duration steps(std::int64_t n) const { return nanoseconds(n * step_ps_ / 1000); }

  // In [low, high].
  std::int64_t between(std::int64_t low, std::int64_t high) {
    return low + static_cast<std::int64_t>(rng_.below(static_cast<std::uint64_t>(high - low + 1)));
  }
  bool chance(std::uint64_t one_in) { return rng_.below(one_in) == 0; }

  Seed seed_;
  Rng rng_;
  bool round_ = false;
  std::int64_t step_ps_ = 0, typical_tokens_ = 0, gap_steps_ = 1;
  std::uint64_t regions_ = 1, served_models_ = 1;
};

inline Case random_case(Seed seed, std::uint32_t requests = 50) { return CaseMaker(seed).make(requests); }

}  // namespace yard
