// Contracts, licences and power domains of a fleet file: what is wrong in one line each, and what the right ones
// become.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "scheduler/base/input_error.h"
#include "scheduler/cost/compile_fleet.h"
#include "topology/fleet.h"

namespace yard {
namespace {

// An H100 draws 75 W idle and 490 W at work; pool a is at p, b at q.
const std::string kFleet =
    "sites: [{name: s, provider: p, region: r}, {name: t, provider: q, region: r}]\n"
    "pools:\n"
    "  - {name: a, site: s, model: llama-3.1-8b, accelerator: h100-sxm, replicas: 4, usd_per_accelerator_hour: 3}\n"
    "  - {name: b, site: t, model: llama-3.1-8b, accelerator: h100-sxm, replicas: 2, usd_per_accelerator_hour: 3}\n";

std::string answer(const std::string& more) {
  try {
    compile_fleet(read_fleet("f", kFleet + more));
    return "";
  } catch (const InputError& e) {
    return e.what();
  }
}
FleetView view(const std::string& more) { return compile_fleet(read_fleet("f", kFleet + more)).view; }

std::string contract(const std::string& keys) { return "contracts:\n  - {name: k, provider: p, " + keys + "}\n"; }
std::string domain(const std::string& keys) { return "power_domains:\n  - {name: d, " + keys + "}\n"; }

struct Wrong {
  const char* rule;
  std::string text, message;
};

TEST(TermsInput, EveryMistakeHasItsOneLine) {
  const std::vector<Wrong> wrongs = {
      {"ContractsOverlap",
       contract("kind: reserved, pools: [a], replicas: 3") + "  - {name: l, provider: p, kind: spot, pools: [a], "
                                                             "replicas: 2, reclaim_notice_s: 1, reclaims_per_day: 1}\n",
       "f:7: contracts[1].pools[0]: found contracts of 5 replicas of 'a', which has 4; accepted: one contract for a "
       "replica; give each its share with replicas"},
      {"ContractsOverlapWhole",
       contract("kind: reserved, pools: [a]") + "  - {name: l, provider: p, kind: on_demand, pools: [a]}\n",
       "f:7: contracts[1].pools[0]: found contracts of 8 replicas of 'a', which has 4; accepted: one contract for a "
       "replica; give each its share with replicas"},
      {"ContractOfAnUnknownPool", contract("kind: reserved, pools: [aa]"),
       "f:6: contracts[0].pools[0]: found 'aa'; accepted: a pool, nearest is 'a'"},
      {"ContractElsewhere", contract("kind: reserved, pools: [b]"),
       "f:6: contracts[0].pools[0]: found 'b', which is at q; accepted: pools at p"},
      {"UnknownKind", contract("kind: lent, pools: [a]"),
       "f:6: contracts[0].kind: found 'lent'; accepted: reserved, committed, on_demand, spot"},
      {"NoPools", contract("kind: reserved, pools: []"),
       "f:6: contracts[0].pools: found no pool; accepted: at least one pool"},
      {"NoWindow", contract("kind: committed, pools: [a]"), "f:6: contracts[0]: lacks a key; add window_hours"},
      {"CommittedBeyondWindow", contract("kind: committed, pools: [a], window_hours: 24, commit_hours: 25"),
       "f:6: contracts[0].commit_hours: found '25'; accepted: at most window_hours; they are of each replica"},
      {"WindowOfReserved", contract("kind: reserved, pools: [a], window_hours: 24"),
       "f:6: contracts[0].window_hours: found it with kind reserved; accepted: with kind committed only"},
      {"SpotWithoutNotice", contract("kind: spot, pools: [a]"), "f:6: contracts[0]: lacks a key; add reclaim_notice_s"},
      {"TooManyReclaims", contract("kind: spot, pools: [a], reclaim_notice_s: 100, reclaims_per_day: 124"),
       "f:6: contracts[0].reclaims_per_day: found '124'; accepted: so many that notices and absences (away_s) fit into "
       "a day"},
      {"TwoContractsOfOneName",
       contract("kind: reserved, pools: [a], replicas: 1") + "  - {name: k, provider: q, kind: reserved, pools: [b]}\n",
       "f:7: contracts[1].name: found 'k' twice; accepted: a name of its own"},
      {"LicenceOfAnUnknownModel", "licences: [{provider: p, models: [llama-3.1-8]}]\n",
       "f:5: licences[0].models[0]: found 'llama-3.1-8'; accepted: a model with a card or of a pool, nearest is "
       "'llama-3.1-8b'"},
      {"LicenceOfAnUnknownProvider", "licences: [{provider: pp, models: [llama-3.1-8b]}]\n",
       "f:5: licences[0].provider: found 'pp'; accepted: a provider, nearest is 'p'"},
      {"LicenceOfNothing", "licences: [{provider: p, models: []}]\n",
       "f:5: licences[0].models: found no model; accepted: at least one, or no entry: all models"},
      {"TwoLicences", "licences: [{provider: p, models: [llama-3.1-8b]}, {provider: p, models: [llama-3.1-8b]}]\n",
       "f:5: licences[1].provider: found 'p' twice; accepted: one licence entry of each"},
      {"CapBelowIdleDraw", domain("cap_w: 299, pools: [a]"),
       "f:6: power_domains[0].cap_w: found 299 W, below the 300 W that its 4 replicas draw idle; accepted: at least "
       "715 W, with which any one of them can run"},
      {"CapThatLetsNobodyRun", domain("cap_w: 714, pools: [a]"),
       "f:6: power_domains[0].cap_w: found 714 W, at which 300 W idle and no replica of 415 W more can run; accepted: "
       "at least 715 W, with which any one of them can run"},
      {"LaterCapBelowIdleDraw",
       domain("cap_w: 715, pools: [a], caps: [{at_s: 1, cap_w: 299.999}, {at_s: 2, cap_w: 715}]"),
       "f:6: power_domains[0].caps[0].cap_w: found 299.999 W, below the 300 W that its 4 replicas draw idle; accepted: "
       "at least 300 W"},
      {"LastCapLetsNobodyRun", domain("cap_w: 715, pools: [a], caps: [{at_s: 1, cap_w: 300}]"),
       "f:6: power_domains[0].caps[0].cap_w: found 300 W, at which 300 W idle and no replica of 415 W more can run; "
       "accepted: at least 715 W, with which any one of them can run"},
      {"CapsGoBack", domain("cap_w: 715, pools: [a], caps: [{at_s: 2, cap_w: 715}, {at_s: 2, cap_w: 715}]"),
       "f:6: power_domains[0].caps[1].at_s: found '2'; accepted: ascending times"},
      {"OuterDomainBelowInner",
       "power_domains:\n  - {name: d, cap_w: 700}\n  - {name: e, parent: d, cap_w: 715, pools: [a]}\n  - {name: g, "
       "parent: d, cap_w: 565, pools: [b]}\n",
       "f:6: power_domains[0].cap_w: found 700 W, at which 450 W idle and no replica of 415 W more can run; accepted: "
       "at least 865 W, with which any one of them can run"},
      {"PoolInTwoDomains", domain("cap_w: 9000, pools: [a]") + "  - {name: e, cap_w: 9000, pools: [a]}\n",
       "f:7: power_domains[1].pools[0]: found 'a', which is in 'd'; accepted: a pool in one domain; nest domains with "
       "parent"},
      {"DomainInItself", domain("cap_w: 9000, parent: d"),
       "f:6: power_domains[0].parent: found 'd'; accepted: a power domain named before, and there is none"},
      {"UnknownParent", domain("cap_w: 9000") + "  - {name: e, cap_w: 9000, parent: dd}\n",
       "f:7: power_domains[1].parent: found 'dd'; accepted: a power domain named before, nearest is 'd'"},
      {"UnknownPrimary", "mix: [{weight: 1, primary: o}]\n",
       "f:5: mix[0].primary: found 'o'; accepted: a provider, nearest is 'p'"},
      {"PrimaryOutside", "mix: [{weight: 1, primary: p, providers: [q]}]\n",
       "f:5: mix[0].primary: found 'p'; accepted: one of the entry's providers, or no providers"},
      {"NoProvider", "mix: [{weight: 1, providers: []}]\n",
       "f:5: mix[0].providers: found no provider; accepted: at least one, or no providers"},
      {"MixSumsToNothing", "mix: [{weight: 0}, {weight: 0}]\n",
       "f:5: mix: found weights that sum to 0; accepted: at least one weight above 0"},
      {"LinkToNowhere", "links: [{from: s, to: u, rtt_ms: 1}]\n",
       "f:5: links[0].to: found 'u'; accepted: a site, nearest is 's'"},
  };
  for (const Wrong& wrong : wrongs) {
    SCOPED_TRACE(wrong.rule);
    EXPECT_EQ(answer(wrong.text), wrong.message);
  }
}

TEST(TermsInput, TheRightNeighbourOfEveryMistakeIsAccepted) {
  EXPECT_EQ(answer(contract("kind: reserved, pools: [a], replicas: 3") +
                   "  - {name: l, provider: p, kind: on_demand, pools: [a], replicas: 1}\n"),
            "");
  EXPECT_EQ(answer(contract("kind: committed, pools: [a], window_hours: 24, commit_hours: 24")), "");
  EXPECT_EQ(answer(contract("kind: spot, pools: [a], reclaim_notice_s: 120, reclaims_per_day: 120")), "");
  EXPECT_EQ(answer(domain("cap_w: 715, pools: [a], caps: [{at_s: 1, cap_w: 300}, {at_s: 2, cap_w: 715}]")), "");
  EXPECT_EQ(answer("mix: [{weight: 0}, {weight: 1}]\n"), "");
}

TEST(TermsInput, ContractsCoverReplicasOneAfterAnother) {
  const FleetView fleet = view(contract("kind: committed, pools: [a], replicas: 3, usd_per_replica_hour: 2, "
                                        "window_hours: 24, commit_hours: 6") +
                               "  - {name: l, provider: p, kind: on_demand, pools: [a], replicas: 1}\n"
                               "  - {name: m, provider: q, kind: reserved, pools: [b]}\n");
  ASSERT_EQ(fleet.contracts.size(), 3u);
  const ContractView &first = fleet.contracts[0], &second = fleet.contracts[1], &third = fleet.contracts[2];
  EXPECT_EQ(first.first_device, 0u);
  EXPECT_EQ(first.devices, 3u);
  EXPECT_EQ(first.per_hour, NanoDollars(2'000'000'000));
  EXPECT_EQ(first.on_demand, NanoDollars(3'000'000'000));
  EXPECT_EQ(first.window, seconds(24 * 3600));
  EXPECT_EQ(first.committed, seconds(6 * 3600));
  EXPECT_EQ(second.first_device, 3u);
  EXPECT_EQ(second.per_hour, NanoDollars(3'000'000'000)) << "the pool's price where none is given";
  EXPECT_EQ(third.first_device, 4u);
  EXPECT_EQ(third.devices, 2u);
}

TEST(TermsInput, AProviderMayServeWhatItsLicenceNames) {
  const FleetView fleet = view("licences: [{provider: p, models: [llama-3.1-70b]}]\n");
  EXPECT_FALSE(fleet.pools[0].licensed);
  EXPECT_TRUE(fleet.pools[1].licensed) << "a provider without an entry may serve all";
}

TEST(TermsInput, APoolLiesInItsInnermostDomain) {
  const FleetView fleet = view(
      "power_domains:\n  - {name: d, cap_w: 4000, pools: [b]}\n"
      "  - {name: e, parent: d, cap_w: 1000, pools: [a], caps: [{at_s: 1.5, cap_w: 715}]}\n");
  EXPECT_EQ(fleet.pools[0].domain, DomainId{1});
  EXPECT_EQ(fleet.pools[1].domain, DomainId{0});
  EXPECT_EQ(fleet.domains[1].parent, DomainId{0});
  ASSERT_EQ(fleet.domains[1].caps.size(), 1u);
  EXPECT_EQ(fleet.domains[1].caps[0].at, Time(1'500'000'000));
  EXPECT_EQ(fleet.domains[1].caps[0].cap, Milliwatts(715'000));
}

}  // namespace
}  // namespace yard
