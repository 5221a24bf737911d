// A yard small enough for arithmetic by hand, for tests of the reference simulator.
//
// Unless a test says otherwise: one device, KV blocks of one token, plenty of them; steps of 10 ns for one sequence,
// 12 ns for two and 20 ns for more, 1 ns per token read, nothing per token of context.
#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "tests/reference.h"

namespace yard::reference {

struct Yard {
  FleetView fleet;
  CostTables costs;
  Options options;

  Yard() {
    fleet.models = {{"model"}};
    fleet.classes.resize(1);
    fleet.tenants = {{.name = "tenant"}};
    fleet.regions = {"region"};
    add_pool({10'000, 12'000, 20'000}, 1000);
  }

  // One device that takes c0[0] for one sequence, c0[1] for two, c0[2] for more. All in picoseconds.
  void add_pool(std::array<std::int64_t, 3> c0, std::int64_t c1) {
    PoolView pool;
    pool.model = ModelId{0};
    pool.region = RegionId{0};
    pool.cost = CostRow{static_cast<std::uint32_t>(costs.rows.size())};
    pool.first_device = fleet.devices();
    pool.devices = 1;
    pool.kv_blocks = Blocks(1000);
    pool.block_tokens = Tokens(1);
    pool.max_sequences = 4;
    pool.token_budget = Tokens(200);
    pool.max_context = Tokens(1001);
    fleet.pools.push_back(pool);
    costs.rows.push_back(StepCost({{1, Picoseconds(c0[0])}, {2, Picoseconds(c0[1])}, {3, Picoseconds(c0[2])}},
                                  Picoseconds(c1), Picoseconds(0), 64));
  }
  void set_cost(std::int64_t one, std::int64_t two, std::int64_t c1, std::int64_t c2) {
    costs.rows[0] = StepCost({{1, Picoseconds(one)}, {2, Picoseconds(two)}}, Picoseconds(c1), Picoseconds(c2), 64);
  }
  PoolView& pool() { return fleet.pools[0]; }

  std::vector<Ending> run(const std::vector<Request>& requests) const {
    return reference::Simulator(fleet, costs, requests, options).run();
  }
};

inline Request request(std::uint32_t row, std::int64_t arrival, int prompt, int output) {
  Request r;
  r.row = row;
  r.arrival = Time(arrival);
  r.prompt = Tokens(prompt);
  r.output = Tokens(output);
  return r;
}

inline Request cancelled(Request r, std::int64_t at) {
  r.cancel_at = Time(at);
  return r;
}

inline Request limited(Request r, int max_output) {
  r.max_output = Tokens(max_output);
  return r;
}

// "done: admit 5 first 18 last 50 finish 50, 4 tokens"; what never was is a dash.
inline std::string story(const Ending& e) {
  constexpr std::array outcomes = {"done", "cancelled", "rejected", "failed"};
  const auto time = [](Time t) { return t == Time::never() ? std::string("-") : std::to_string(t.ns()); };
  return std::string(outcomes[static_cast<std::size_t>(e.outcome)]) + ": admit " + time(e.admit) + " first " +
         time(e.first_token) + " last " + time(e.last_token) + " finish " + time(e.finish) + ", " +
         std::to_string(e.output.count()) + " tokens";
}

inline std::vector<std::uint32_t> rows(const std::vector<Ending>& endings) {
  std::vector<std::uint32_t> result;
  for (const Ending& e : endings) result.push_back(e.row);
  return result;
}

inline std::vector<std::uint32_t> devices(const std::vector<Ending>& endings) {
  std::vector<std::uint32_t> by_row(endings.size());
  for (const Ending& e : endings) by_row[e.row] = e.device.value;
  return by_row;
}

}  // namespace yard::reference
