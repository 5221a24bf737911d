// Power domains over served devices: a lease from the first sequence in flight to the last, and a cap that falls.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "scheduler/backend/sim_served.h"
#include "scheduler/core/ledger.h"
#include "scheduler/loop/sim_loop.h"
#include "scheduler/policy/registry.h"
#include "tests/random_case.h"
#include "tests/random_terms.h"
#include "tests/simulate.h"

namespace yard {
namespace {

constexpr Bounds kBounds{.sequences = 64, .events_per_tick = 4096};

// Watches from outside, after each tick, that no device begins in an overdrawn domain.
class Draws final : public SimObserver {
 public:
  explicit Draws(const FleetView& fleet) : fleet_(fleet), in_flight_(fleet.devices()) {
    for (const DomainView& domain : fleet.domains) caps_.push_back(domain.cap);
    before_.resize(caps_.size());
  }
  void applied(const Event& event) override {
    if (const auto* e = std::get_if<CapChanged>(&event)) caps_[e->domain.value] = e->cap;
    if (const auto* e = std::get_if<Ended>(&event)) leaves(e->sequence);
    if (const auto* e = std::get_if<Failed>(&event)) leaves(e->sequence);
  }
  void sent(const Send& send, Time) override {
    device_of_[send.sequence] = send.device.value;
    ++in_flight_[send.device.value];
  }
  void aborted(const Abort& abort, Time) override { leaves(abort.sequence); }
  void ticked(Time, const Core&) override {
    for (std::uint32_t d = 0; d < caps_.size(); ++d) {
      Milliwatts draw;
      for (const PoolView& pool : fleet_.pools)
        for (std::uint32_t i = 0; i < pool.devices; ++i)
          if (lies_in(pool, d)) draw += in_flight_[pool.first_device + i] > 0 ? pool.busy : pool.idle;
      EXPECT_LE(draw, std::max(caps_[d], before_[d])) << "domain " << d;
      before_[d] = draw;
    }
  }

 private:
  bool lies_in(const PoolView& pool, std::uint32_t domain) const {
    for (DomainId d = pool.domain; d.some(); d = fleet_.domains[d.value].parent)
      if (d.value == domain) return true;
    return false;
  }
  void leaves(SequenceId sequence) {
    const auto at = device_of_.find(sequence);
    if (at == device_of_.end()) return;
    --in_flight_[at->second];
    device_of_.erase(at);
  }

  const FleetView& fleet_;
  std::vector<std::uint32_t> in_flight_;  // by device
  std::map<SequenceId, std::uint32_t> device_of_;
  std::vector<Milliwatts> caps_, before_;  // by domain
};

Case served_case(Seed seed) {
  Case c = with_terms(random_case(seed));
  for (PoolView& pool : c.fleet.pools) {
    pool.kind = PoolKind::served;
    pool.wire_delay = nanoseconds(static_cast<std::int64_t>(seed % 3) * 700);
  }
  return c;
}

struct Result {
  std::uint64_t hash;
  Duration held;
};
Result simulate(const Case& c, Exact exact) {
  Core core(kBounds, c.fleet, c.costs, find_policies(c.options.scorer, c.options.order, c.options.bind),
            c.options.seed);
  SimFleet devices(c.fleet, c.costs, kBounds, exact);
  Draws draws(c.fleet);
  SimLoop loop(core, kBounds, c.fleet.devices(), devices, draws);
  Requests source(c.requests);
  SimNews news(c.fleet, c.seed);
  loop.hears(news);
  const Time last = loop.run(source);
  EXPECT_EQ(core.ledger().in_flight, 0u);
  Result result{.hash = core.hash(), .held = {}};
  for (std::uint32_t p = 0; p < c.fleet.pools.size(); ++p) result.held += core.held_by_power(PoolId{p}, last);
  return result;
}

TEST(PowerServed, NoEngineBeginsWithoutItsLeaseAndAllIsServedInTheEnd) {
  int held = 0;
  for (Seed seed = 0; seed < 300; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const Case c = served_case(seed);
    const Result jump = simulate(c, Exact::jump);
    ASSERT_EQ(jump.hash, simulate(c, Exact::step).hash);
    ASSERT_FALSE(HasFailure());
    held += jump.held.count() > 0;
  }
  EXPECT_GT(held, 30) << "fleets in which an engine waited for power";
}

// One engine, a cap that falls to its idle draw while it works, and rises again.
TEST(PowerServed, AnEngineOverACapThatFellTakesNothingNewUntilItFits) {
  Case c = served_case(0);
  c.fleet.pools.resize(1);
  PoolView& pool = c.fleet.pools[0];
  pool.devices = 1, pool.max_sequences = 8, pool.max_context = Tokens(100), pool.kv_blocks = Blocks(1000);
  pool.model = ModelId{0}, pool.licensed = true, pool.domain = DomainId{0}, pool.wire_delay = {};
  pool.idle = Milliwatts(10), pool.busy = Milliwatts(110), pool.block_tokens = Tokens(1);
  c.costs.rows = {StepCost({{1, Picoseconds(1'000'000)}}, Picoseconds(0), Picoseconds(0), 1024)};
  pool.cost = CostRow{0};
  c.fleet.contracts.clear();
  for (SloClass& slo : c.fleet.classes) slo.patience = {};
  c.fleet.domains = {{.name = "d",
                      .parent = {},
                      .cap = Milliwatts(110),
                      .caps = {{Time(5'000), Milliwatts(10)}, {Time(400'000), Milliwatts(110)}}}};
  c.requests.resize(2);
  for (std::uint32_t i = 0; i < 2; ++i)
    c.requests[i] = {.row = i, .arrival = Time(10'000 * i), .prompt = Tokens(4), .output = Tokens(40)};
  c.options.bind = "arrival", c.options.scorer = "round_robin";
  struct Sends final : SimObserver {
    void sent(const Send&, Time now) override { at.push_back(now); }
    std::vector<Time> at;
  } sends;
  Core core(kBounds, c.fleet, c.costs, find_policies("round_robin", "fcfs", "arrival"), 1);
  SimFleet devices(c.fleet, c.costs, kBounds, Exact::jump);
  SimLoop loop(core, kBounds, 1, devices, sends);
  Requests source(c.requests);
  SimNews news(c.fleet, 1);
  loop.hears(news);
  loop.run(source);
  ASSERT_EQ(sends.at.size(), 2u);
  EXPECT_EQ(sends.at[0], Time(0));
  EXPECT_EQ(sends.at[1], Time(400'000)) << "neither beside the first, nor after it, before the cap rose";
  EXPECT_GT(core.held_by_power(PoolId{0}, Time(400'000)).count(), 300'000);
}

}  // namespace
}  // namespace yard
