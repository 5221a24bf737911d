// The section `tenants` of a fleet file: what it means, and the one line for each mistake.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "scheduler/base/input_error.h"
#include "scheduler/cost/compile_fleet.h"
#include "topology/fleet.h"

namespace yard {
namespace {

const std::string kPool = "pools:\n  - {name: a, model: llama-3.1-8b, accelerator: h100-sxm, site: s}\n";
const std::string kSites =
    "regions: [us, eu]\nsites:\n  - {name: s, provider: p, region: us}\n  - {name: t, provider: p, region: eu}\n";

std::string answer(const std::string& tenants) {
  try {
    compile_fleet(read_fleet("fleet.yaml", tenants + kPool + kSites));
    return "";
  } catch (const InputError& e) {
    return e.what();
  }
}

CompiledFleet compiled(const std::string& tenants) {
  return compile_fleet(read_fleet("fleet.yaml", tenants + kPool + kSites));
}

TEST(FleetTenants, AreReadWithTheirUnits) {
  const FleetView view = compiled(
                             "tenants:\n"
                             "  - {name: a, weight: 5, rank_offset: -1, requests_per_s: 0.5, requests_burst: 4, "
                             "tokens_per_s: 1000, usd_per_day: 12.5, usd_per_million_prompt_tokens: 0.15, "
                             "usd_per_million_output_tokens: 0.6, regions: [eu]}\n"
                             "  - {name: b}\n")
                             .view;
  ASSERT_EQ(view.tenants.size(), 2u);
  const TenantView& a = view.tenants[0];
  EXPECT_EQ(a.weight, 5u);
  EXPECT_EQ(a.rank_offset, -1);
  EXPECT_EQ(a.requests, (QuotaRate{.per_s_thousandths = 500, .burst = 4}));
  EXPECT_EQ(a.tokens, (QuotaRate{.per_s_thousandths = 1'000'000, .burst = 60'000})) << "a minute's worth";
  EXPECT_EQ(a.per_day, NanoDollars(12'500'000'000));
  EXPECT_EQ(a.prompt_price, NanoDollars(150)) << "of one token";
  EXPECT_EQ(a.output_price, NanoDollars(600));
  EXPECT_EQ(a.regions, RegionMask{2});
  EXPECT_EQ(view.tenants[1], (TenantView{.name = "b", .weight = 1})) << "one weight gives everybody one (V4)";
}

TEST(FleetTenants, WithoutWeightsHaveNoShares) {
  EXPECT_FALSE(compiled("tenants: [{name: a}, {name: b, requests_per_s: 1}]\n").view.shares());
  EXPECT_TRUE(compiled("tenants: [{name: a}, {name: b, weight: 2}]\n").view.shares());
}

TEST(FleetTenants, AskForAsMuchWhereThereIsNoMix) {
  const CompiledFleet fleet = compiled("tenants: [{name: a}, {name: b}]\n");
  ASSERT_EQ(fleet.mix.entries().size(), 2u);
  for (std::uint32_t t = 0; t < 2; ++t) {
    EXPECT_EQ(fleet.mix.entries()[t].tenant, TenantId{t});
    EXPECT_EQ(fleet.mix.entries()[t].weight, fleet.mix.entries()[0].weight);
  }
}

TEST(FleetTenants, OfAMixAreMadeByItWhereTheyAreNotListed) {
  const FleetView view = compiled("mix: [{weight: 1, tenant: x}, {weight: 1}]\n").view;
  EXPECT_EQ(view.tenants, (std::vector<TenantView>{{.name = "x"}, {.name = "default"}}));
}

TEST(FleetTenants, RanksAreKeptWithinTheirBounds) {
  EXPECT_EQ((TenantView{.name = "a", .rank_offset = -3}.rank(2)), 0u);
  EXPECT_EQ((TenantView{.name = "a", .rank_offset = 3}.rank(2)), 5u);
  EXPECT_EQ((TenantView{.name = "a", .rank_offset = 255}.rank(255)), 255u);
}

TEST(FleetTenants, EveryMistakeHasItsOneLine) {
  const struct {
    std::string text, message;
  } wrongs[] = {
      {"tenants: []\n", ":1: tenants: found an empty list; accepted: at least one tenant, or no tenants"},
      {"tenants: [{name: a}, {name: a}]\n", ":1: tenants[1].name: found 'a' twice; accepted: a name of its own"},
      {"tenants: [{weight: 2}]\n", ":1: tenants[0]: lacks a key; add name"},
      {"tenants: [{name: a, weight: 0}]\n",
       ":1: tenants[0].weight: found '0'; accepted: a whole number from 1 to 1000000"},
      {"tenants: [{name: a, wieght: 1}]\n",
       ":1: tenants[0].wieght: unknown key; nearest is 'weight'; accepted: name, weight, rank_offset, requests_per_s, "
       "requests_burst, tokens_per_s, tokens_burst, usd_per_day, usd_per_million_prompt_tokens, "
       "usd_per_million_output_tokens, regions"},
      {"tenants: [{name: a, tokens_burst: 5}]\n",
       ":1: tenants[0].tokens_burst: found no tokens_per_s beside it; add tokens_per_s"},
      {"tenants: [{name: a, requests_per_s: 0}]\n",
       ":1: tenants[0].requests_per_s: found '0'; accepted: a plain decimal number from 0.001 to 1000000000, at most 3 "
       "digits after the point"},
      {"tenants: [{name: a, usd_per_day: 5}]\n",
       ":1: tenants[0].usd_per_day: found no price beside it; add usd_per_million_prompt_tokens or "
       "usd_per_million_output_tokens, above 0"},
      {"tenants: [{name: a, regions: []}]\n",
       ":1: tenants[0].regions: found no region; accepted: at least one, or no regions"},
      {"tenants: [{name: a, regions: [eur]}]\n",
       ":1: tenants[0].regions[0]: found 'eur'; accepted: a region, nearest is 'eu'"},
      {"tenants: [{name: alpha}, {name: beta}]\nmix: [{weight: 1, tenant: alfa}]\n",
       ":2: mix[0].tenant: found 'alfa'; accepted: a tenant, nearest is 'alpha'"},
      {"tenants: [{name: a}, {name: b}]\nmix: [{weight: 1}]\n", ":2: mix[0]: lacks a key; add tenant"},
      {"tenants: [{name: a, regions: [eu]}]\nmix: [{weight: 1, tenant: a, regions: [us]}]\n",
       ":2: mix[0].regions: found none of the regions of tenant 'a'; accepted: at least one of them, or no regions"},
  };
  for (const auto& wrong : wrongs) EXPECT_EQ(answer(wrong.text), "fleet.yaml" + wrong.message) << wrong.text;
}

}  // namespace
}  // namespace yard
