// Weighted shares: who is served, while all want more than there is.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "scheduler/backend/sim_stepped.h"
#include "scheduler/core/ledger.h"
#include "scheduler/loop/sim_loop.h"
#include "scheduler/policy/registry.h"
#include "tests/builders.h"
#include "tests/simulate.h"

namespace yard {
namespace {

using builders::Given;
using builders::Scene;

// ---- by hand -------------------------------------------------------------------------------------------------------

Given shared(std::uint32_t a, std::uint32_t b) {
  Given given;
  given.fleet.tenants[0].weight = a;
  given.fleet.tenants[1].weight = b;
  return given.pool({.max_sequences = 1});
}

// The tenants of the next `n` requests to be served, each done in one step.
std::string served(Scene& s, std::map<RequestId, char>& of, int n) {
  std::string order;
  for (; n > 0 && s.in_run(0); --n) {
    const RequestId id = s.open_run(0).slots[0].request;
    order += of[id];
    s.step(0, {.stop = {id}});
  }
  return order;
}

// Of twelve requests of each of two tenants the first twelve are served. Returns: how many of the first tenant's.
std::ptrdiff_t of_the_first(Scene s) {
  std::map<RequestId, char> of;
  for (int k = 0; k < 12; ++k) {
    of[s.submit({.prompt = 10, .max_output = 1, .tenant = 0})] = 'a';
    of[s.submit({.prompt = 10, .max_output = 1, .tenant = 1})] = 'b';
  }
  s.poll();
  const std::string order = served(s, of, 12);
  return std::count(order.begin(), order.end(), 'a');
}

TEST(Shares, AreServedByWeight) { EXPECT_EQ(of_the_first(Scene(shared(1, 3))), 3); }

TEST(Shares, OfOneWhoWasAwayAreNotSavedUp) {
  Scene s(shared(1, 1));
  std::map<RequestId, char> of;
  for (int k = 0; k < 20; ++k) of[s.submit({.prompt = 10, .max_output = 1, .tenant = 0})] = 'a';
  s.poll();
  served(s, of, 10);
  for (int k = 0; k < 8; ++k) of[s.submit({.prompt = 10, .max_output = 1, .tenant = 1})] = 'b';
  s.poll();
  const std::string order = served(s, of, 11);
  EXPECT_EQ(order.substr(order.find('b'), 8), "babababa") << order;
}

TEST(Shares, AreCorrectedByWhatAnAnswerTook) {
  // One answers with one token, the other with eleven, though the same was expected of both.
  Given given = shared(1, 1);
  Scene s(given.steps_per_run(1));
  std::map<RequestId, char> of;
  std::map<char, int> tokens;
  for (int k = 0; k < 30; ++k) {
    of[s.submit({.prompt = 1, .max_output = 20, .tenant = 0})] = 'a';
    of[s.submit({.prompt = 1, .max_output = 20, .tenant = 1})] = 'b';
  }
  s.poll();
  for (int step = 0; step < 70; ++step) {
    const Slot slot = s.open_run(0).slots[0];
    const char who = of[slot.request];
    tokens[who] += std::max(1, slot.prefill.count() + 1);
    const bool ends = who == 'a' || slot.generated.count() >= 10;
    s.step(0, {.stop = ends ? std::vector{slot.request} : std::vector<RequestId>{}});
  }
  EXPECT_NEAR(tokens['a'], tokens['b'], 16);
}

TEST(Shares, GiveWayToRanks) {
  Given given = shared(1, 100);
  given.fleet.classes.push_back(given.fleet.classes[0]);
  given.fleet.classes[0].rank = 1;
  Scene s(given);
  std::map<RequestId, char> of;
  of[s.submit({.max_output = 1, .slo = 0, .tenant = 1})] = 'x';
  s.poll();
  for (int k = 0; k < 4; ++k) of[s.submit({.max_output = 1, .slo = 0, .tenant = 1})] = 'b';
  for (int k = 0; k < 4; ++k) of[s.submit({.max_output = 1, .slo = 1, .tenant = 0})] = 'a';
  s.poll();
  EXPECT_EQ(served(s, of, 9), "xaaaabbbb");
}

TEST(Shares, LeaveTheOrderWithinATenantToThePolicy) {
  Scene s(shared(1, 1).policy("round_robin", "shortest_first"));
  s.submit({.prompt = 9, .max_output = 1});
  s.poll();
  for (const std::int32_t prompt : {5, 3, 4}) s.submit({.prompt = prompt, .max_output = 1});
  std::string order;
  for (s.poll(); s.in_run(0);) {
    order += std::to_string(s.open_run(0).slots[0].prefill.count());
    s.step(0);
  }
  EXPECT_EQ(order, "9345");
}

TEST(Shares, HoldForAModelsQueueToo) {
  EXPECT_EQ(of_the_first(Scene(shared(1, 3).policy("round_robin", "fcfs", "room"))), 3);
}

// ---- measured ------------------------------------------------------------------------------------------------------

// Tokens read and made, by the second in which their run ended and by tenant.
class Measured final : public SimObserver {
 public:
  Measured(const std::vector<reference::Request>& requests, std::size_t tenants)
      : requests_(requests), tenants_(tenants) {}
  void launched(const Launch& launch, Time) override {
    for (const Slot& slot : launch.slots) of_[slot.sequence] = requests_.at(rows_.at(slot.request)).tenant.value;
  }
  void applied(const Event& event) override {
    if (const auto* e = std::get_if<Submitted>(&event)) rows_[e->request] = submitted_++;
  }
  void run_ended(const RunEnded& end, Time now) override {
    const auto second = static_cast<std::size_t>(now.ns() / 1'000'000'000);
    if (tokens.size() <= second) tokens.resize(second + 1, std::vector<std::int64_t>(tenants_));
    for (const SlotEnd& slot : end.slots)
      tokens[second][of_.at(slot.sequence)] += slot.prefilled.count() + slot.generated.count();
  }
  std::vector<std::vector<std::int64_t>> tokens;

 private:
  const std::vector<reference::Request>& requests_;
  const std::size_t tenants_;
  std::size_t submitted_ = 0;
  std::map<RequestId, std::size_t> rows_;
  std::map<SequenceId, std::uint32_t> of_;
};

// Two to four tenants on a few devices, each asking for as much as all devices can do, with lengths of their own.
struct Crowd {
  FleetView fleet;
  CostTables costs;
  std::vector<reference::Request> requests;
  std::string bind;
  std::int64_t seconds = 30;

  explicit Crowd(Seed seed) {
    Rng rng = Rng::stream(seed, 0x736861726573);
    const auto between = [&](std::int64_t low, std::int64_t high) {
      return low + static_cast<std::int64_t>(rng.below(static_cast<std::uint64_t>(high - low + 1)));
    };
    Given given;
    given.pool({.devices = static_cast<std::uint32_t>(between(2, 8)),
                .kv_blocks = 16'000,
                .block_tokens = 16,
                .max_sequences = 128,
                .token_budget = 2048,
                .c0 = 8'000'000'000,
                .c1 = 25'000'000,
                .c2 = 50'000});
    fleet = given.fleet, costs = given.costs;
    fleet.tenants.clear();
    bind = rng.below(2) ? "arrival" : "room";
    const std::int64_t tenants = between(2, 4);
    constexpr std::array kWeights = {1, 2, 5, 1};
    for (std::int64_t t = 0; t < tenants; ++t)
      fleet.tenants.push_back({.name = std::to_string(t), .weight = static_cast<std::uint32_t>(kWeights[t])});
    for (std::uint32_t t = 0; t < tenants; ++t) {
      const std::int64_t prompt = between(50, 600), output = between(20, 200);
      // More than a device can do, some 25,000 tokens a second, each.
      const std::int64_t gap_ns = 1'000'000'000 * (prompt + output) / (30'000 * fleet.pools[0].devices);
      for (Time at(between(0, gap_ns)); at < Time() + yard::seconds(seconds); at += Duration(between(0, 2 * gap_ns))) {
        reference::Request r;
        r.arrival = at;
        r.prompt = Tokens(between(1, 2 * prompt));
        r.output = Tokens(between(1, 2 * output));
        r.model = ModelId{0}, r.slo = SloClassId{0}, r.tenant = TenantId{t};
        requests.push_back(r);
      }
    }
    std::stable_sort(requests.begin(), requests.end(),
                     [](const auto& a, const auto& b) { return a.arrival < b.arrival; });
    for (std::size_t i = 0; i < requests.size(); ++i) requests[i].row = static_cast<std::uint32_t>(i);
  }
};

TEST(Shares, AreWithinTwoPercentOfTheWeightsOverAnyTenSecondsOfOverload) {
  const Seed first = number_from("SWITCHYARD_SEED", 0), cases = number_from("SWITCHYARD_SWARM", 6);
  for (Seed seed = first; seed < first + cases; ++seed) {
    const Crowd crowd(seed);
    SCOPED_TRACE("again with SWITCHYARD_SEED=" + std::to_string(seed) + " SWITCHYARD_SWARM=1");
    const Bounds bounds{.sequences = 1u << 20, .events_per_tick = 4096};
    Core core(bounds, crowd.fleet, crowd.costs, find_policies("least_loaded", "edf", crowd.bind), seed);
    SimStepped devices(crowd.fleet, crowd.costs, bounds, Exact::jump);
    Measured measured(crowd.requests, crowd.fleet.tenants.size());
    SimLoop loop(core, bounds, crowd.fleet.devices(), devices, measured);
    Requests source(crowd.requests);
    loop.run(source);

    std::int64_t weights = 0;
    for (const TenantView& t : crowd.fleet.tenants) weights += t.weight;
    double worst_here = 0, worst_of_its_own = 0, total = 0;
    // All have asked for more than there is since the first seconds, and do until the last one arrived.
    constexpr std::size_t kFirst = 5, kWindow = 10;
    for (std::size_t from = kFirst; from + kWindow <= static_cast<std::size_t>(crowd.seconds); ++from) {
      std::vector<std::int64_t> sum(crowd.fleet.tenants.size());
      std::int64_t all = 0;
      for (std::size_t second = from; second < from + kWindow; ++second)
        for (std::size_t t = 0; t < sum.size(); ++t)
          sum[t] += measured.tokens[second][t], all += measured.tokens[second][t];
      total = static_cast<double>(all);
      for (std::size_t t = 0; t < sum.size(); ++t) {
        const double share = static_cast<double>(sum[t]) / total;
        const double due = static_cast<double>(crowd.fleet.tenants[t].weight) / static_cast<double>(weights);
        worst_here = std::max(worst_here, std::abs(share - due));
        worst_of_its_own = std::max(worst_of_its_own, std::abs(share - due) / due);
        EXPECT_NEAR(share, due, 0.02) << "tenant " << t << ", from second " << from;
      }
    }
    std::printf(
        "seed %llu: %zu tenants, %u devices, bind %s, %.0f tokens in 10 s: shares at most %.2f points off, %.2f %%\n",
        static_cast<unsigned long long>(seed), crowd.fleet.tenants.size(), crowd.fleet.devices(), crowd.bind.c_str(),
        total, worst_here * 100, worst_of_its_own * 100);
  }
}

}  // namespace
}  // namespace yard
