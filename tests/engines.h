// Cases before simulated engines: what goes in, and what came of it.
#pragma once
#include <gtest/gtest.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "scheduler/backend/sim_served.h"
#include "scheduler/core/ledger.h"
#include "scheduler/loop/sim_loop.h"
#include "scheduler/policy/registry.h"
#include "tests/random_case.h"
#include "tests/simulate.h"

namespace yard {

using reference::Ending;

struct Outcomes {
  std::vector<Ending> by_row;
  std::uint64_t hash;
  Ledger ledger;
};

inline Outcomes simulate(const Case& c, Exact exact,
                         const std::vector<std::pair<std::uint32_t, EngineFault>>& faults = {}) {
  const Bounds bounds{
      .sequences = c.options.sequences, .events_per_tick = 4096, .steps_per_run = c.options.steps_per_run};
  const PolicySet policies = find_policies(c.options.scorer, c.options.order, c.options.bind);
  Core core(bounds, c.fleet, c.costs, policies, c.options.seed);
  SimFleet devices(c.fleet, c.costs, bounds, exact);
  for (const auto& [device, fault] : faults) devices.served().set_fault(device, fault);
  Endings endings;
  SimLoop loop(core, bounds, c.fleet.devices(), devices, endings);
  Requests source(c.requests);
  loop.run(source);
  EXPECT_TRUE(core.ledger().balances());
  EXPECT_EQ(core.ledger().in_flight, 0u);
  std::sort(endings.all.begin(), endings.all.end(), [](const Ending& a, const Ending& b) { return a.row < b.row; });
  return {endings.all, core.hash(), core.ledger()};
}

// The case with its pools served: first come first served, as engines do.
inline Case served(Case c, Duration delay) {
  for (PoolView& pool : c.fleet.pools) {
    pool.kind = PoolKind::served;
    pool.wire_delay = delay;
  }
  return c;
}

// One engine, every step 1 ms, whatever is in it.
inline Case one_engine(std::uint32_t engines = 1) {
  Case c;
  c.fleet.models = {{"m"}};
  c.fleet.classes.emplace_back();
  c.fleet.classes[0].name = "all";
  c.fleet.tenants = {{.name = "t"}};
  c.fleet.regions = {"r"};
  PoolView pool;
  pool.name = "engines";
  pool.model = {0}, pool.region = {0}, pool.cost = {0};
  pool.devices = engines;
  pool.kv_blocks = Blocks(1000), pool.max_context = Tokens(1000), pool.max_sequences = 8,
  pool.token_budget = Tokens(100);
  pool.kind = PoolKind::served;
  pool.window.unread = Tokens(200);
  pool.window.start_timeout = seconds(1);
  c.fleet.pools = {pool};
  c.costs.rows.emplace_back(std::vector<BatchBucket>{{8, Picoseconds(1'000'000'000)}}, Picoseconds(0), Picoseconds(0),
                            8);
  c.options.scorer = "least_loaded";
  return c;
}

inline void ask(Case& c, std::int64_t at_us, int prompt, int output) {
  reference::Request r;
  r.row = static_cast<std::uint32_t>(c.requests.size());
  r.arrival = Time(at_us * 1000);
  r.prompt = Tokens(prompt), r.output = Tokens(output);
  c.requests.push_back(r);
}

}  // namespace yard
