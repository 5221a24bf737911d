// Roles for a case of random_case.h: of some models, some pools read for others, over links that are now quick, now
// slow, and move one or a few at once.
//
// The same seed gives the same roles on every build.
#pragma once
#include <algorithm>
#include <vector>

#include "scheduler/base/rng.h"
#include "tests/random_case.h"

namespace yard {

class HandoffMaker {
 public:
  explicit HandoffMaker(Seed seed) : rng_(Rng::stream(seed, 0x68616e64)) {}

  void add_to(Case& c) {
    const std::int64_t step_ns = std::max<std::int64_t>(1, c.costs.rows[0].c0(1).count() / 1000);
    c.fleet.stay_tokens = Tokens(rng_.below(4) == 0 ? 0 : between(0, 40));
    c.options.moves_per_link = static_cast<std::uint32_t>(rng_.below(2) ? rng_.below(2) : 4);
    for (SloClass& slo : c.fleet.classes)
      if (rng_.below(2)) slo.tpot = nanoseconds(step_ns * between(1, 8));
    for (std::uint32_t m = 0; m < c.fleet.models.size(); ++m) {
      std::vector<std::uint32_t> pools = pools_of(c.fleet, m);
      if (pools.empty()) continue;
      if (pools.size() < 2 || rng_.below(3) == 0) pools.push_back(one_more(c, pools[0]));
      give_roles(c.fleet, pools, step_ns);
    }
  }

 private:
  static std::vector<std::uint32_t> pools_of(const FleetView& fleet, std::uint32_t m) {
    std::vector<std::uint32_t> pools;
    for (std::uint32_t p = 0; p < fleet.pools.size(); ++p)
      if (fleet.pools[p].model.value == m) pools.push_back(p);
    return pools;
  }

  // Another pool like it, of another size now and then.
  std::uint32_t one_more(Case& c, std::uint32_t like) {
    PoolView pool = c.fleet.pools[like];
    pool.name += " more";
    pool.first_device = c.fleet.devices();
    pool.devices = static_cast<std::uint32_t>(between(1, 3));
    if (rng_.below(2)) {
      const std::int64_t more = between(0, pool.kv_blocks.count());
      pool.kv_blocks = pool.kv_blocks + Blocks(more);
      pool.max_context = pool.max_context + Tokens(more * pool.block_tokens.count());
    }
    c.fleet.pools.push_back(pool);
    return static_cast<std::uint32_t>(c.fleet.pools.size() - 1);
  }

  void give_roles(FleetView& fleet, const std::vector<std::uint32_t>& pools, std::int64_t step_ns) {
    const std::int64_t bytes = between(1, 1000);
    const std::size_t reads = rng_.below(pools.size()),
                      goes_on = (reads + 1 + rng_.below(pools.size() - 1)) % pools.size();
    for (std::size_t k = 0; k < pools.size(); ++k) {
      PoolView& pool = fleet.pools[pools[k]];
      pool.kv_token_bytes = bytes;
      pool.role = k == reads ? PoolRole::prefill : static_cast<PoolRole>(rng_.below(k == goes_on ? 2 : 3));
      if (k == goes_on && pool.role == PoolRole::prefill) pool.role = PoolRole::decode;
      if (pool.role != PoolRole::both) pool.adapter_slots = 0;  // adapters do not move
    }
    for (const std::uint32_t from : pools)
      for (const std::uint32_t to : pools) {
        if (fleet.pools[from].role != PoolRole::prefill || fleet.pools[to].role == PoolRole::prefill) continue;
        if (to != pools[goes_on] && rng_.below(3) == 0) continue;
        // A move of a hundred tokens takes up to twenty steps.
        const std::int64_t ns = step_ns * between(0, 20) + 1;
        fleet.links.push_back({.from = PoolId{from},
                               .to = PoolId{to},
                               .at_once = static_cast<std::uint32_t>(between(1, 3)),
                               .latency = nanoseconds(rng_.below(2) ? 0 : step_ns * between(0, 3)),
                               .bytes_per_s = std::max<std::int64_t>(1, bytes * 100 * 1'000'000'000 / ns)});
      }
  }

  std::int64_t between(std::int64_t low, std::int64_t high) {
    return low + static_cast<std::int64_t>(rng_.below(static_cast<std::uint64_t>(high - low + 1)));
  }

  Rng rng_;
};

inline Case with_handoff(Case c) {
  HandoffMaker(c.seed).add_to(c);
  return c;
}

}  // namespace yard
