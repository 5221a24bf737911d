// Which thread goes where: the same laws on every machine that is described, and machines made for a case.
#include <algorithm>
#include <cstdint>
#include <set>
#include <vector>

#include <gtest/gtest.h>

#include "tests/topology_data.h"
#include "topology/discover.h"
#include "topology/distance.h"
#include "topology/pin_plan.h"

namespace yard {
namespace {

std::size_t allowed_cores(const Host& host) {
  return static_cast<std::size_t>(std::count_if(host.cores.begin(), host.cores.end(),
                                                [&](const CpuCore& c) { return c.cpus.meets(host.allowed_cpus()); }));
}

std::vector<PinAsk> asks(std::size_t n, std::optional<std::uint32_t> node = {}) {
  return std::vector<PinAsk>(n, PinAsk{node});
}

std::size_t unplaced(const std::vector<PinPlace>& places) {
  return static_cast<std::size_t>(std::count_if(places.begin(), places.end(), [](const PinPlace& p) {
    EXPECT_EQ(p.why.empty(), p.core.has_value());
    return !p.core;
  }));
}

void expect_laws(const Host& host) {
  const std::size_t cores = allowed_cores(host);
  for (const std::size_t n : {std::size_t{1}, cores, cores + 3}) {
    const std::vector<PinPlace> places = plan_pins(host, PinTo::core, asks(n));
    ASSERT_EQ(places.size(), n);
    std::set<std::uint32_t> taken;
    for (const PinPlace& p : places) {
      if (!p.core) continue;
      EXPECT_TRUE(taken.insert(*p.core).second) << "core " << *p.core << " twice";
      EXPECT_TRUE(host.cores[*p.core].cpus.meets(host.allowed_cpus()));
      if (p.node) {
        EXPECT_TRUE(host.nodes[*p.node].cpus.meets(host.cores[*p.core].cpus));
      }
    }
    EXPECT_EQ(unplaced(places), n > cores ? n - cores : 0);
  }
  // Each node's own cores first, then those of the nearest.
  for (std::uint32_t node = 0; node < host.nodes.size(); ++node) {
    const std::vector<PinPlace> places = plan_pins(host, PinTo::core, asks(cores, node));
    std::vector<std::size_t> rank(host.nodes.size());
    const std::vector<std::uint32_t> order = nodes_nearest_first(host, node);
    for (std::size_t i = 0; i < order.size(); ++i) rank[order[i]] = i;
    for (std::size_t i = 1; i < places.size(); ++i)
      if (places[i - 1].node && places[i].node) {
        EXPECT_LE(rank[*places[i - 1].node], rank[*places[i].node]);
      }
  }
  // Near memory everybody finds a place where the machine says which memory a core is near.
  const std::vector<PinPlace> near = plan_pins(host, PinTo::node, asks(2 * cores + 1));
  const bool known = std::all_of(host.threads.begin(), host.threads.end(),
                                 [](const HardwareThread& t) { return !t.allowed || t.numa; });
  if (known && cores > 0) {
    EXPECT_EQ(unplaced(near), 0u);
  }
  // Whom a member visits: everybody else, once, none farther before one nearer.
  const std::vector<PinPlace> places = plan_pins(host, PinTo::core, asks(std::min<std::size_t>(cores + 1, 20)));
  const auto others = others_nearest_first(host, places);
  for (std::uint32_t from = 0; from < places.size(); ++from) {
    std::set<std::uint32_t> seen(others[from].begin(), others[from].end());
    EXPECT_EQ(seen.size(), places.size() - 1);
    EXPECT_EQ(seen.count(from), 0u);
    if (!places[from].core) continue;
    const auto level = [&](std::uint32_t to) {
      if (!places[to].core) return HostLevel::host;
      const auto at = [&](std::uint32_t p) { return *host.thread_of(host.cores[*places[p].core].cpus.first()); };
      return level_between_threads(host, at(from), at(to));
    };
    for (std::size_t i = 1; i < others[from].size(); ++i) EXPECT_LE(level(others[from][i - 1]), level(others[from][i]));
    const std::vector<std::vector<HostLevel>> levels = levels_between(host, places);
    EXPECT_EQ(levels[from][from], HostLevel::same_thread);
    for (const std::uint32_t to : others[from]) {
      EXPECT_EQ(levels[from][to], level(to));
      EXPECT_EQ(levels[to][from], level(to));
    }
  }
}

TEST(PinPlan, KeepsItsLawsOnEveryMachine) {
  SKIP_WITHOUT_TOPOLOGY_DATA();
  std::size_t n = 0;
  for (const auto& file : testing::xml_files()) {
    if (file.string().find("v3") != std::string::npos) continue;  // refused by name: hwloc 3
    SCOPED_TRACE(file.filename().string());
    expect_laws(host_from_xml(file.string()));
    ++n;
  }
  EXPECT_GT(n, 20u);
}

TEST(PinPlan, KeepsItsLawsOnThisMachine) { expect_laws(discover_this_machine()); }

TEST(PinPlan, FillsTheNodeThatWasAskedForAndThenItsNeighbours) {
  const Host host = host_from_synthetic("package:2 numa:2 core:2 pu:2");
  const std::vector<PinPlace> places = plan_pins(host, PinTo::core, asks(5, 2));
  std::vector<std::uint32_t> nodes;
  for (const PinPlace& p : places) nodes.push_back(*p.node);
  EXPECT_EQ(nodes, (std::vector<std::uint32_t>{2, 2, 3, 3, 0}));
}

TEST(PinPlan, AMachineOfOneCoreHasOnePlace) {
  const Host host = host_from_synthetic("core:1 pu:1");
  EXPECT_EQ(unplaced(plan_pins(host, PinTo::core, asks(3))), 2u);
  EXPECT_EQ(unplaced(plan_pins(host, PinTo::node, asks(3))), 0u);
  EXPECT_EQ(plan_pins(host, PinTo::core, asks(3))[1].why, "more threads than cores");
  EXPECT_EQ(busy_threads(host), 1u);
}

TEST(PinPlan, WhereNoCoreIsAllowedNobodyIsPlaced) {
  Host host = host_from_synthetic("package:2 core:2 pu:1");
  for (HardwareThread& t : host.threads) t.allowed = false;
  for (const PinTo to : {PinTo::node, PinTo::core}) {
    const std::vector<PinPlace> places = plan_pins(host, to, asks(2));
    EXPECT_EQ(unplaced(places), 2u);
    EXPECT_EQ(places[0].why, "no core is allowed");
  }
  EXPECT_EQ(busy_threads(host), 1u);
}

TEST(PinPlan, WithoutMemoryNodesACoreIsAPlaceAndNearnessIsUnknown) {
  Host host = host_from_synthetic("package:2 core:2 pu:1");
  host.nodes.clear();
  for (HardwareThread& t : host.threads) t.numa.reset();
  EXPECT_EQ(unplaced(plan_pins(host, PinTo::core, asks(4))), 0u);
  const std::vector<PinPlace> near = plan_pins(host, PinTo::node, asks(1));
  EXPECT_EQ(unplaced(near), 1u);
  EXPECT_EQ(near[0].why, "which memory its core is near is unknown");
}

TEST(PinPlan, AQuotaBoundsHowManyAreBusy) {
  Host host = host_from_synthetic("core:8 pu:1");
  EXPECT_EQ(busy_threads(host), 8u);
  for (const auto& [quota, busy] : {std::pair{2500u, 2u}, {400u, 1u}, {9000u, 8u}}) {
    host.cpu_quota = {Limit::State::set, quota};
    EXPECT_EQ(busy_threads(host), busy);
  }
}

TEST(PinPlan, ANodeIsNamedByItsNumberOrByADevice) {
  SKIP_WITHOUT_TOPOLOGY_DATA();
  const Host host = testing::host_of("hwloc_xml/nvidiaDGX2.xml");
  EXPECT_EQ(node_named(host, "node 1"), 1u);
  for (const char* wrong : {"", "node", "node ", "node 7", "node 1x", "node -1", "0000:ff:00.0", "nothing"})
    EXPECT_EQ(node_named(host, wrong), std::nullopt) << wrong;
  const PciDevice& device = host.devices.front();
  ASSERT_TRUE(device.numa);
  EXPECT_FALSE(device.os_names.empty());
  for (const std::string& name : device.os_names) EXPECT_EQ(node_named(host, name), device.numa);
}

}  // namespace
}  // namespace yard
