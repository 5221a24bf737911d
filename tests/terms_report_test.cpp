// Dollars by contract, watts and energy by power domain, from what Core and the meter counted.
#include <gtest/gtest.h>

#include "scheduler/report/metrics.h"
#include "tests/report_builders.h"

namespace yard {
namespace {

using namespace test;

constexpr std::uint64_t kHourNs = 3'600'000'000'000;

// Five replicas at $3.60 an hour; a request that ends 1,000 s after its arrival.
struct Story {
  FleetView fleet = small_fleet();
  std::vector<TermsTally::Use> uses;

  void contract(ContractView c, TermsTally::Use use) {
    c.per_hour = NanoDollars(1'800'000'000);
    c.on_demand = NanoDollars(3'600'000'000);
    fleet.contracts.push_back(c);
    uses.push_back(use);
  }
  Metrics metrics() const {
    Meter meter(fleet);
    meter.on_finish(done(SloClassId{0}, seconds(1), seconds(999), 2));
    Summary s = summary_of(meter);
    s.terms.contracts = uses;
    s.terms.peaks.resize(fleet.domains.size());
    s.terms.held_by_power.resize(fleet.pools.size());
    return measure(s);
  }
};
ContractView cover(ContractKind kind, std::uint32_t first, std::uint32_t n) {
  return {.name = "c", .kind = kind, .pool = PoolId{first < 2 ? 0u : 1u}, .first_device = first, .devices = n};
}
std::string dollars(const Record& record) { return plain(record.figure("cost_usd")); }

TEST(TermsReport, WithoutContractsEveryReplicaIsPaidWhole) {
  const Metrics m = Story().metrics();
  EXPECT_EQ(dollars(m.totals), "5.000000");
  EXPECT_TRUE(m.contracts.empty());
  EXPECT_TRUE(m.power_domains.empty());
}

TEST(TermsReport, ReservedIsPaidWholeAtItsOwnPrice) {
  Story story;
  story.contract(cover(ContractKind::reserved, 0, 2), {});
  const Metrics m = story.metrics();
  EXPECT_EQ(dollars(m.contracts[0]), "1.000000");
  EXPECT_EQ(dollars(m.totals), "4.000000") << "and the other three as before";
}

TEST(TermsReport, OnDemandAndSpotArePaidWhileInUse) {
  for (const ContractKind kind : {ContractKind::on_demand, ContractKind::spot}) {
    Story story;
    story.contract(cover(kind, 2, 3), {.in_use_ns = kHourNs / 2});
    const Metrics m = story.metrics();
    EXPECT_EQ(dollars(m.contracts[0]), "0.900000");
    EXPECT_EQ(dollars(m.pools[1]), "0.900000");
  }
}

TEST(TermsReport, ACommitmentIsPaidUsedOrNotAndWhatGoesBeyondAtTheOnDemandPrice) {
  Story story;
  ContractView c = cover(ContractKind::committed, 2, 1);
  c.window = seconds(4000);
  c.committed = seconds(1000);
  story.contract(c, {.in_use_ns = kHourNs / 2, .beyond_ns = kHourNs / 4});
  const Metrics m = story.metrics();
  EXPECT_EQ(dollars(m.contracts[0]), "1.025000") << "250 s at $1.80 an hour, 900 s at $3.60";
}

TEST(TermsReport, ADomainSumsWhatLiesInItAndBelow) {
  Story story;
  story.fleet.domains = {
      {.name = "hall", .parent = {}, .cap = Milliwatts(9'000'000), .caps = {}},
      {.name = "row", .parent = DomainId{0}, .cap = Milliwatts(900'000), .caps = {{Time(5), Milliwatts(700'500)}}}};
  story.fleet.pools[0].domain = DomainId{0};
  story.fleet.pools[1].domain = DomainId{1};
  const Metrics m = story.metrics();
  ASSERT_EQ(m.power_domains.size(), 2u);
  EXPECT_EQ(m.power_domains[1].name("parent"), "hall");
  EXPECT_EQ(plain(m.power_domains[1].figure("cap_least_w")), "700.500");
  EXPECT_EQ(plain(m.power_domains[1].figure("cap_most_w")), "900.000");
  EXPECT_EQ(m.power_domains[1].figure("energy_kwh"), m.pools[1].figure("energy_kwh"));
  EXPECT_EQ(m.power_domains[0].figure("energy_kwh"), m.totals.figure("energy_kwh"));
}

}  // namespace
}  // namespace yard
