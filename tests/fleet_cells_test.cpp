// Which replicas stand in which cell, as a fleet file says it; and what is wrong with such files.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "scheduler/base/input_error.h"
#include "scheduler/cost/compile_fleet.h"
#include "topology/fleet.h"

namespace yard {
namespace {

CompiledFleet compiled(const std::string& text) { return compile_fleet(read_fleet("fleet.yaml", text)); }

const std::string kPool = "pools:\n  - {name: a, model: llama-3.1-8b, accelerator: h100-sxm}\n";
std::string pool(const std::string& more) { return kPool.substr(0, kPool.size() - 2) + ", " + more; }
std::string beside(const std::string& section) { return section + "\n" + kPool; }

TEST(FleetCells, ShareEveryPoolEvenlyAndWhatIsLeftGoesRound) {
  const CompiledFleet fleet = compiled(
      "cells: 4\ncontrol_lag_ms: 250\npools:\n"
      "  - {name: a, model: llama-3.1-8b, accelerator: l40s, replicas: 10}\n"
      "  - {name: b, model: llama-3.1-8b, accelerator: h100-sxm, replicas: 1}\n"
      "  - {name: c, model: llama-3.1-8b, accelerator: h100-sxm, replicas: 5}\n");
  EXPECT_EQ(fleet.control_lag, milliseconds(250));
  ASSERT_EQ(fleet.cells.size(), 4u);
  const std::vector<std::vector<std::uint32_t>> want = {{3, 0, 1}, {3, 0, 1}, {2, 1, 1}, {2, 0, 2}};
  for (std::size_t c = 0; c < 4; ++c) {
    EXPECT_EQ(fleet.cells[c].name, std::to_string(c));
    ASSERT_EQ(fleet.cells[c].view.pools.size(), 3u);
    for (std::size_t p = 0; p < 3; ++p) EXPECT_EQ(fleet.cells[c].view.pools[p].devices, want[c][p]) << c << ' ' << p;
  }
}

TEST(FleetCells, ShardsKnowHowFarTheOthersAre) {
  const std::string text =
      "pools:\n"
      "  - {name: a, model: llama-3.1-8b, accelerator: l40s, replicas: 2, shard: left}\n"
      "  - {name: b, model: llama-3.1-8b, accelerator: h100-sxm, replicas: 3, shard: right}\n";
  const CompiledFleet fleet = compiled(
      "door_lag_ms: 2\nsteal: {distance_us: 3.5, worth_percent: 2.5, offer_at_percent: 25, offer_ms: 7, least_gain_ms: "
      "1, "
      "shelf: 16}\n" +
      text);
  ASSERT_EQ(fleet.shards.size(), 2u);
  EXPECT_EQ(fleet.door_lag, milliseconds(2));
  EXPECT_EQ(fleet.shards[0].name, "left");
  EXPECT_EQ(fleet.shards[0].view.devices(), 2u);
  EXPECT_EQ(fleet.shards[1].view.devices(), 3u);
  const StealView& steal = fleet.shards[1].view.steal;
  EXPECT_EQ(steal.self, ShardId{1});
  EXPECT_EQ(steal.distance, (std::vector<Duration>{nanoseconds(3500), Duration()}));
  EXPECT_EQ(steal.worth_permille, 25u);
  EXPECT_EQ(steal.offer_permille, 250u);
  EXPECT_EQ(steal.stands, milliseconds(7));
  EXPECT_EQ(steal.least_gain, milliseconds(1));
  EXPECT_EQ(steal.shelf, 16u);
  EXPECT_FALSE(compiled("steal: false\n" + text).shards[0].view.steal.some());
  EXPECT_TRUE(compiled("steal: true\n" + text).shards[0].view.steal.some());
}

TEST(FleetCells, ADeviceOfACellIsOneOfTheFleets) {
  const CompiledFleet fleet = compiled(
      "cells: 3\npools:\n"
      "  - {name: a, model: llama-3.1-8b, accelerator: l40s, replicas: 7}\n"
      "  - {name: b, model: llama-3.1-8b, accelerator: h100-sxm, replicas: 1}\n"
      "  - {name: c, model: llama-3.1-8b, accelerator: h100-sxm, replicas: 4}\n");
  std::vector<std::uint32_t> seen;
  for (const CellView& cell : fleet.cells)
    for (const PoolView& pool : cell.view.pools)
      for (std::uint32_t d = pool.first_device; d < pool.first_device + pool.devices; ++d) {
        const DeviceId in_fleet = cell.in_fleet(fleet.view, {d});
        const PoolView& whole = fleet.view.pools[static_cast<std::size_t>(&pool - cell.view.pools.data())];
        EXPECT_GE(in_fleet.value, whole.first_device);
        EXPECT_LT(in_fleet.value, whole.first_device + whole.devices);
        seen.push_back(in_fleet.value);
      }
  std::ranges::sort(seen);
  ASSERT_EQ(seen.size(), 12u);
  for (std::uint32_t d = 0; d < 12; ++d) EXPECT_EQ(seen[d], d);
}

TEST(FleetCells, APoolStandsWholeInTheCellThatItNames) {
  const CompiledFleet fleet = compiled(
      "pools:\n"
      "  - {name: a, model: llama-3.1-8b, accelerator: l40s, replicas: 3, cell: west}\n"
      "  - {name: b, model: llama-3.1-8b, accelerator: l40s, replicas: 2, cell: east}\n"
      "  - {name: c, model: llama-3.1-8b, accelerator: l40s, replicas: 1, cell: west}\n");
  EXPECT_EQ(fleet.control_lag, milliseconds(100));
  ASSERT_EQ(fleet.cells.size(), 2u);
  EXPECT_EQ(fleet.cells[0].name, "west");
  EXPECT_EQ(fleet.cells[0].view.devices(), 4u);
  EXPECT_EQ(fleet.cells[1].name, "east");
  EXPECT_EQ(fleet.cells[1].view.devices(), 2u);
}

TEST(FleetCells, WithoutCellsIsOne) { EXPECT_TRUE(compiled(kPool).cells.empty()); }

TEST(FleetCells, LimitsOfTenantsAreSharedAndSumUp) {
  const CompiledFleet fleet = compiled(
      "cells: 3\ntenants: [{name: t, requests_per_s: 10, requests_burst: 7}]\n"
      "pools: [{name: a, model: llama-3.1-8b, accelerator: l40s, replicas: 8}]\n"
      "mix: [{weight: 1, tenant: t}]\n");
  std::int64_t rate = 0, burst = 0;
  for (const CellView& cell : fleet.cells) {
    EXPECT_GE(cell.view.tenants[0].requests.burst, 1);
    rate += cell.view.tenants[0].requests.per_s_thousandths;
    burst += cell.view.tenants[0].requests.burst;
  }
  EXPECT_EQ(rate, 10'000);
  EXPECT_EQ(burst, 7);
}

TEST(FleetCells, AContractCoversInEachCellWhatStandsThere) {
  const CompiledFleet fleet = compiled(
      "cells: 3\npools: [{name: a, model: llama-3.1-8b, accelerator: l40s, replicas: 9}]\n"
      "contracts: [{name: kept, provider: local, kind: reserved, pools: [a], replicas: 5}]\n");
  ASSERT_EQ(fleet.view.contracts.size(), 1u);
  std::vector<std::uint32_t> covered;
  for (const CellView& cell : fleet.cells) {
    ASSERT_EQ(cell.view.contracts.size(), 1u);
    const ContractView& contract = cell.view.contracts[0];
    for (std::uint32_t d = contract.first_device; d < contract.first_device + contract.devices; ++d)
      covered.push_back(cell.in_fleet(fleet.view, {d}).value);
  }
  const std::uint32_t first = fleet.view.contracts[0].first_device;
  std::vector<std::uint32_t> want;
  for (std::uint32_t d = first; d < first + fleet.view.contracts[0].devices; ++d) want.push_back(d);
  EXPECT_EQ(covered, want);
}

// ---- mistakes -------------------------------------------------------------------------------------------------------

struct Wrong {
  const char* rule;
  std::string text, message;  // behind the file's name
};

TEST(FleetCells, EveryMistakeHasItsOneLine) {
  const std::vector<Wrong> wrongs = {
      {"NoCell", beside("cells: 0"), ":1: cells: found '0'; accepted: a whole number from 1 to 256"},
      {"CellsBeyondReplicas", beside("cells: 2"),
       ":1: cells: found 2 cells for 1 replicas; accepted: at most one cell a replica"},
      {"CellBesideCells", "cells: 1\n" + pool("cell: a}\n"),
       ":3: pools[0].cell: found a pool's own cell beside cells; accepted: one of the two"},
      {"CellOfSome", pool("cell: x}\n") + "  - {name: b, model: llama-3.1-8b, accelerator: h100-sxm}\n",
       ":3: pools[1]: lacks a key; add cell"},
      {"LagWithoutCells", beside("control_lag_ms: 100"),
       ":1: control_lag_ms: found no cells beside it; add cells, or cell to every pool"},
      {"DomainInTwoCells",
       "cells: 2\npower_domains: [{name: hall, cap_w: 10000, pools: [a]}]\n" + pool("replicas: 2}\n"),
       ":2: power_domains: found the pools of hall in 2 cells; accepted: each domain within one cell"},
      {"LimitTooSmallToShare",
       "cells: 3\ntenants: [{name: t, requests_per_s: 0.002, requests_burst: 5}]\n" + pool("replicas: 3}\n"),
       ":2: tenants: found a limit of t too small to share between 3 cells; accepted: limits of which every cell has "
       "at least one"},
      {"ShardsBesideCells", beside("cells: 1\nshards: 1"),
       ":2: shards: found shards beside cells; accepted: one of the two"},
      {"ShardsBeyondReplicas", beside("shards: 2"),
       ":1: shards: found 2 shards for 1 replicas; accepted: at most one shard a replica"},
      {"ShardBesideShards", "shards: 1\n" + pool("shard: a}\n"),
       ":3: pools[0].shard: found a pool's own shard beside shards; accepted: one of the two"},
      {"TooManyShards", beside("shards: 65"), ":1: shards: found '65'; accepted: a whole number from 1 to 64"},
      {"StealWithoutShards", beside("steal: false"),
       ":1: steal: found no shards beside it; add shards, or shard to every pool"},
      {"DoorLagWithoutShards", beside("door_lag_ms: 5"),
       ":1: door_lag_ms: found no shards beside it; add shards, or shard to every pool"},
      {"UnknownOfSteal", beside("shards: 1\nsteal: {distance_ms: 1}"),
       ":2: steal.distance_ms: unknown key; nearest is 'distance_us'; accepted: distance_us, worth_percent, "
       "offer_at_percent, offer_ms, "
       "patience_ms, least_gain_ms, shelf"},
      {"ShelfOfNone", beside("shards: 1\nsteal: {shelf: 0}"),
       ":2: steal.shelf: found '0'; accepted: a whole number from 1 to 512"},
      {"DomainInTwoShards",
       "shards: 2\npower_domains: [{name: hall, cap_w: 10000, pools: [a]}]\n" + pool("replicas: 2}\n"),
       ":2: power_domains: found the pools of hall in 2 shards; accepted: each domain within one shard"},
      {"NoLag", beside("cells: 1\ncontrol_lag_ms: 0"),
       ":2: control_lag_ms: found '0'; accepted: a plain decimal number from 1 to 60000, at most 6 digits after the "
       "point"},
  };
  for (const Wrong& wrong : wrongs) try {
      compiled(wrong.text);
      ADD_FAILURE() << wrong.rule << ": accepted";
    } catch (const InputError& e) {
      EXPECT_EQ(std::string(e.what()), "fleet.yaml" + wrong.message) << wrong.rule;
    }
}

}  // namespace
}  // namespace yard
