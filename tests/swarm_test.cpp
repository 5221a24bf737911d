// The simulation swarm: random fleets, traces and policies under devices that drain, go and come back, many at exact
// boundaries; every other fleet with licences, providers and power domains
// whose caps fall and rise; every fourth with hard deadlines; every third with prefill and decode pools, over links
// that slow down and fail. Every case keeps the rules that can be seen from outside (watch.h), ends every request,
// gives the same hash run twice, and the same whether decode steps are jumped or walked.
//
// SWITCHYARD_SWARM=10000 runs so many cases, SWITCHYARD_SEED=n begins with case n.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <string>
#include <tuple>
#include <vector>

#include "scheduler/backend/sim_stepped.h"
#include "scheduler/loop/sim_loop.h"
#include "scheduler/policy/registry.h"
#include "tests/random_case.h"
#include "tests/random_deadlines.h"
#include "tests/random_handoff.h"
#include "tests/random_tenants.h"
#include "tests/random_terms.h"
#include "tests/simulate.h"
#include "tests/swarm.h"
#include "tests/watch.h"

namespace yard {
namespace {

// What happened: when each row ended and how, and the instants at which anything did.
class Witness final : public SimObserver {
 public:
  Witness(const FleetView& fleet, const Bounds& bounds) : watch(fleet, bounds) {}

  void applied(const Event& event) override { watch.applied(event); }
  void launched(const Launch& launch, Time now) override { watch.said(launch, now); }
  void interrupted(const Interrupt& interrupt, Time now) override { watch.said(interrupt, now); }
  void moves(const Move& move, Time now) override {
    watch.said(move, now);
    instants.push_back(now);
  }
  void finished(std::uint64_t row, const Finish& finish) override {
    watch.said(finish, finish.account.finish);
    endings.push_back(reference::ending_of(static_cast<std::uint32_t>(row), finish));
  }
  void run_ended(const RunEnded&, Time now) override { instants.push_back(now); }
  void ticked(Time now, const Core& core) override {
    watch.ticked(now, core);
    instants.push_back(now);
  }

  Watch watch;
  std::vector<reference::Ending> endings;
  std::vector<Time> instants;
};

struct Story {
  std::vector<reference::Ending> endings;
  std::vector<Time> instants;
  std::uint64_t hash = 0, in_flight = 0;
  std::string fault;
  Duration held;  // by power domains
  std::uint64_t moves = 0, moves_failed = 0, retries = 0, corrections = 0;
};

struct Faults {
  std::vector<Fault> devices;
  std::vector<LinkFault> links;
};

Story simulate(const Case& c, const Faults& faults, Exact exact) {
  const Bounds bounds{.sequences = c.options.sequences,
                      .events_per_tick = 64,
                      .steps_per_run = c.options.steps_per_run,
                      .moves_per_link = c.options.moves_per_link};
  Core core(bounds, c.fleet, c.costs, find_policies(c.options.scorer, c.options.order, c.options.bind), c.options.seed);
  const CostTables truth = truth_of(c);
  SimStepped devices(c.fleet, truth, bounds, exact);
  Witness witness(c.fleet, bounds);
  SimLoop loop(core, bounds, c.fleet.devices(), devices, witness);
  Requests source(c.requests);
  SimNews news(c.fleet, c.seed);
  loop.hears(news);
  SimLinks links(c.fleet, faults.links);
  loop.moves_over(links);
  CostLearner learner(c.fleet, c.costs);
  if (learns(c)) loop.learns(learner);
  const Time last = loop.run(source, faults.devices);
  Story story{
      witness.endings, witness.instants, core.hash(), core.ledger().in_flight, witness.watch.fault(), {}, 0, 0, 0};
  story.moves = core.ledger().moves, story.moves_failed = core.ledger().moves_failed;
  story.retries = core.ledger().retries, story.corrections = core.ledger().corrections;
  for (std::uint32_t p = 0; p < c.fleet.pools.size(); ++p) story.held += core.held_by_power(PoolId{p}, last);
  return story;
}

// Every policy in its turn, with every refusal, on a random fleet, every other time with terms.
Case swarm_case(Seed seed) {
  Case c = random_case(seed);
  if (Rng::stream(seed, 0x68616e64).below(3) == 0) c = with_handoff(std::move(c));
  if (Rng::stream(seed, 0x7465726d).below(2) == 0) c = with_terms(std::move(c));
  if (Rng::stream(seed, 0x7377).below(2)) give_tenants(c);
  const auto scorer = scorers()[seed % scorers().size()];
  const auto order = orders()[seed / scorers().size() % orders().size()];
  constexpr std::array kRefusals = {"", "+refusal", "+none"};
  c.options.scorer = std::string(scorer.name) + kRefusals[seed % kRefusals.size()];
  c.options.order = order.name;
  c.options.bind = seed / scorers().size() / orders().size() % 2 ? "room" : "arrival";
  if (Rng::stream(seed, 0x68617264).below(4) == 0) give_deadlines(c);
  return c;
}

// Links slow down, fail and recover, at such instants too.
std::vector<LinkFault> link_faults_of(Seed seed, const Case& c, const std::vector<Time>& instants) {
  Rng rng = Rng::stream(seed, 0x6c696e6b);
  std::vector<LinkFault> faults;
  for (std::uint64_t n = c.fleet.links.empty() ? 0 : rng.below(10); n > 0; --n)
    faults.push_back({.at = instants[rng.below(instants.size())],
                      .link = LinkId{static_cast<std::uint32_t>(rng.below(c.fleet.links.size()))},
                      .times = static_cast<std::uint32_t>(1 + rng.below(2) * rng.below(20)),
                      .fails = rng.below(3) == 0});
  std::ranges::stable_sort(faults, {}, &LinkFault::at);
  return faults;
}

// Devices change at instants of the undisturbed run, a nanosecond beside one, or anywhere.
Faults faults_of(Seed seed, const Case& c, const std::vector<Time>& instants) {
  Rng rng = Rng::stream(seed, 0x6661756c74);
  std::vector<Fault> faults;
  const std::int64_t end = instants.back().ns() + 1;
  for (std::uint64_t n = 1 + rng.below(24); n > 0; --n) {
    Time at = instants[rng.below(instants.size())];
    if (rng.below(4) == 0) at += nanoseconds(1);
    if (rng.below(4) == 0) at = Time(static_cast<std::int64_t>(rng.below(static_cast<std::uint64_t>(end))));
    const DeviceId device{static_cast<std::uint32_t>(rng.below(c.fleet.devices()))};
    faults.push_back({at, {device, static_cast<DeviceState>(rng.below(3))}});
  }
  // At one instant by device and state, so that the order is the same in every library.
  std::sort(faults.begin(), faults.end(), [](const Fault& a, const Fault& b) {
    return std::tuple(a.at, a.change.device, a.change.state) < std::tuple(b.at, b.change.device, b.change.state);
  });
  return {std::move(faults), link_faults_of(seed, c, instants)};
}

struct Tally {
  std::uint64_t by_outcome[4] = {}, lost = 0, preempted = 0, unlawful = 0, held = 0, at_primary = 0, fell_through = 0;
  std::uint64_t moves = 0, moves_failed = 0, retries = 0, lost_in_moves = 0, corrections = 0;
};

void expect_all_ended(const Case& c, const Story& story, Tally& tally) {
  ASSERT_EQ(story.in_flight, 0u);
  ASSERT_EQ(story.endings.size(), c.requests.size()) << "every request ends, once";
  std::vector<bool> ended(c.requests.size());
  for (const reference::Ending& e : story.endings) {
    ASSERT_FALSE(ended.at(e.row)) << "row " << e.row << " ends twice";
    ended[e.row] = true;
    ++tally.by_outcome[static_cast<std::size_t>(e.outcome)];
    tally.lost += e.why == Reason::device_lost && e.admit != Time::never();
    tally.preempted += e.preemptions;
    tally.lost_in_moves += e.why == Reason::retries_spent;
    tally.unlawful += e.why == Reason::no_provider || e.why == Reason::no_licence;
    if (!e.device.some()) continue;
    const reference::Request& asked = c.requests[e.row];
    for (const PoolView& pool : c.fleet.pools) {
      if (e.device.value < pool.first_device || e.device.value >= pool.first_device + pool.devices) continue;
      ASSERT_EQ(pool.model, asked.model) << "row " << e.row << " was on a device of another model";
      const RegionMask& of_tenant = c.fleet.tenants[asked.tenant.value].regions;
      ASSERT_TRUE(asked.regions.has(pool.region) && of_tenant.has(pool.region))
          << "row " << e.row << " was outside of its regions";
      ASSERT_TRUE(asked.providers.has(pool.provider_id)) << "row " << e.row << " was outside of its providers";
      ASSERT_TRUE(pool.licensed) << "row " << e.row << " was where nobody has a licence for it";
      if (asked.primary.some()) ++(pool.provider_id == asked.primary ? tally.at_primary : tally.fell_through);
    }
  }
}

TEST(Swarm, KeepsEveryRuleUnderFaults) {
  const Seed first = number_from("SWITCHYARD_SEED", 0), cases = number_from("SWITCHYARD_SWARM", 100);
  Tally tally;
  for (Seed seed = first; seed < first + cases; ++seed) {
    const Case c = swarm_case(seed);
    SCOPED_TRACE("again with SWITCHYARD_SEED=" + std::to_string(seed) + " SWITCHYARD_SWARM=1; " + c.text());
    ASSERT_NO_FATAL_FAILURE(keeps_every_rule<Faults>(
        [&](const Faults& faults, Exact exact) { return simulate(c, faults, exact); },
        [&](const std::vector<Time>& instants) { return faults_of(seed, c, instants); },
        [&](const Story& story) {
          expect_all_ended(c, story, tally);
          tally.held += story.held.count() > 0;
          tally.moves += story.moves, tally.moves_failed += story.moves_failed, tally.retries += story.retries;
          tally.corrections += story.corrections;
        }));
  }
  if (cases < 100) return;
  for (const Outcome outcome : {Outcome::done, Outcome::cancelled, Outcome::rejected, Outcome::failed})
    EXPECT_GT(tally.by_outcome[static_cast<std::size_t>(outcome)], 0u) << name_of(outcome);
  EXPECT_GT(tally.lost, 0u) << "no device was lost under a request";
  EXPECT_GT(tally.preempted, 0u);
  EXPECT_GT(tally.unlawful, 0u);
  EXPECT_GT(tally.held, cases / 20) << "fleets in which a device waited for power";
  EXPECT_GT(tally.at_primary, 0u);
  EXPECT_GT(tally.moves, 100u);
  EXPECT_GT(tally.moves_failed, 20u);
  EXPECT_GT(tally.retries, 10u);
  EXPECT_GT(tally.lost_in_moves, 0u);
  EXPECT_GT(tally.fell_through, 0u);
  EXPECT_GT(tally.corrections, 0u);
}

}  // namespace
}  // namespace yard
