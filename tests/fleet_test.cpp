// Fleets as written and as compiled: defaults, numbering, prices, power, the mix, and the three that are built in.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "scheduler/base/hash.h"
#include "scheduler/cost/show.h"
#include "topology/fleet.h"

namespace yard {
namespace {

CompiledFleet compiled(const std::string& text) { return compile_fleet(read_fleet("fleet.yaml", text)); }

constexpr std::string_view kTwo =
    "pue: 1.25\n"
    "sites:\n"
    "  - {name: east, provider: azure, region: us}\n"
    "  - {name: north, provider: nebius, region: eu}\n"
    "prices:\n"
    "  - {provider: azure, accelerator: h100-sxm, usd_per_accelerator_hour: 6.98}\n"
    "pools:\n"
    "  - {name: a, site: east, model: llama-3.1-70b, accelerator: h100-sxm, tp: 4, replicas: 3}\n"
    "  - {name: b, site: north, model: llama-3.1-8b, accelerator: h100-sxm, replicas: 2}\n"
    "  - {name: c, site: east, model: llama-3.1-70b, accelerator: h100-sxm, tp: 4, replicas: 1, "
    "usd_per_accelerator_hour: 0.000000001}\n";

// ---- as written -----------------------------------------------------------------------------------------------------

TEST(Fleet, WithoutClassesHasTheThreeThatTheIssueNames) {
  const auto classes = read_fleet("f", "pools: [{name: a, model: m, accelerator: l40s}]").classes;
  ASSERT_EQ(classes.size(), 3u);
  EXPECT_EQ(classes[0].name, "interactive");
  EXPECT_EQ(classes[0].ttft_objective(Tokens(1000)), milliseconds(1300));
  EXPECT_EQ(classes[0].tpot, milliseconds(50));
  EXPECT_EQ(classes[1].name, "standard");
  EXPECT_EQ(classes[1].ttft_objective(Tokens(1000)), seconds(5));
  EXPECT_EQ(classes[1].tpot, milliseconds(100));
  EXPECT_EQ(classes[2].name, "batch");
  EXPECT_EQ(classes[2].e2e, seconds(3600));
  for (std::uint32_t rank = 0; rank < 3; ++rank) EXPECT_EQ(classes[rank].rank, rank);
}

TEST(Fleet, APresetGivesAnEnginesDefaultsAndSingleKeysGoOverThem) {
  const PoolView plain =
      compiled("pools: [{name: a, model: llama-3.1-8b, accelerator: l40s, served: {preset: vllm}}]").view.pools[0];
  EXPECT_EQ(plain.max_sequences, 256u);
  EXPECT_EQ(plain.token_budget, Tokens(2048));
  EXPECT_EQ(plain.block_tokens, Tokens(16));
  EXPECT_TRUE(plain.prefix_cache);
  EXPECT_TRUE(plain.admission.whole);
  EXPECT_TRUE(plain.admission.ahead);
  EXPECT_EQ(plain.admission.watermark, Blocks(0));
  EXPECT_EQ(plain.window.unread, Tokens(4096));
  const PoolView own = compiled(
                           "pools: [{name: a, model: llama-3.1-8b, accelerator: l40s, max_sequences: 128, "
                           "token_budget: 1024, kv_blocks: 1500, "
                           "served: {watermark_percent: 1, admit: chunk, plans_ahead: false, preset: vllm}}]")
                           .view.pools[0];
  EXPECT_EQ(own.max_sequences, 128u);
  EXPECT_EQ(own.token_budget, Tokens(1024));
  EXPECT_EQ(own.window.unread, Tokens(2048)) << "two of its chunks";
  EXPECT_FALSE(own.admission.whole);
  EXPECT_FALSE(own.admission.ahead);
  EXPECT_EQ(own.admission.watermark, Blocks(15));
}

TEST(Fleet, AnEngineWithoutPresetAsksForItsFirstChunkAlone) {
  const PoolView pool =
      compiled("pools: [{name: a, model: llama-3.1-8b, accelerator: l40s, served: {}}]").view.pools[0];
  EXPECT_FALSE(pool.admission.whole);
  EXPECT_EQ(pool.admission.watermark, Blocks(0));
}

TEST(Fleet, AnEngineThatIsScrapedKeepsItsWordForThreeScrapes) {
  const auto pool = [](const std::string& served) {
    return compiled("signals_age_ms: 250\npools: [{name: a, model: llama-3.1-8b, accelerator: l40s, served: {" +
                    served + "}}]");
  };
  const PoolView plain = pool("").view.pools[0];
  EXPECT_EQ(plain.window.use_by, seconds(3));
  EXPECT_EQ(plain.scrape, Duration());
  EXPECT_EQ(plain.background.per_s_thousandths, 0);
  EXPECT_FALSE(plain.block_events);
  EXPECT_TRUE(pool("block_events: true").view.pools[0].block_events);
  const PoolView scraped =
      pool("scrape_ms: 50, scrape_lag_ms: 20.5, background: {per_s: 1.5, prompt_tokens: 9}").view.pools[0];
  EXPECT_EQ(scraped.window.use_by, milliseconds(150));
  EXPECT_EQ(scraped.scrape, milliseconds(50));
  EXPECT_EQ(scraped.scrape_lag, microseconds(20'500));
  EXPECT_EQ(scraped.background.per_s_thousandths, 1500);
  EXPECT_EQ(scraped.background.prompt, Tokens(9));
  EXPECT_EQ(scraped.background.output, Tokens(128));
  EXPECT_EQ(pool("use_by_ms: 10, scrape_ms: 50").view.pools[0].window.use_by, milliseconds(10));
  EXPECT_EQ(pool("").view.signals_age, milliseconds(250));
}

TEST(Fleet, ReadsAClassWithItsUnits) {
  const auto fleet = read_fleet("f",
                                "slo_classes: [{name: c, rank: 7, ttft_ms: 250.5, ttft_per_prompt_token_ms: 0.000001, "
                                "tpot_ms: 20, e2e_ms: 60000, shed_after_ms: 1500}]\n"
                                "pools: [{name: a, model: m, accelerator: l40s}]");
  ASSERT_EQ(fleet.classes.size(), 1u);
  const SloClass& slo = fleet.classes[0];
  EXPECT_EQ(slo.rank, 7u);
  EXPECT_EQ(slo.ttft, microseconds(250'500));
  EXPECT_EQ(slo.ttft_per_token, nanoseconds(1));
  EXPECT_EQ(slo.tpot, milliseconds(20));
  EXPECT_EQ(slo.e2e, seconds(60));
  EXPECT_EQ(slo.patience, milliseconds(1500));
  EXPECT_EQ(slo.sure, Quantile::none);
}

TEST(Fleet, ReadsHardDeadlines) {
  const auto sure = [](const std::string& keys) {
    const auto fleet = read_fleet("f", "slo_classes: [{name: c, rank: 0, e2e_ms: 5000" + keys +
                                           "}]\npools: [{name: a, model: m, accelerator: l40s}]");
    EXPECT_EQ(fleet.classes[0].on_overload,
              keys.find("hard") == std::string::npos ? Overload::defer : Overload::reject);
    return fleet.classes[0].sure;
  };
  EXPECT_EQ(sure(", deadline: soft"), Quantile::none);
  EXPECT_EQ(sure(", deadline: hard"), Quantile::q90);
  EXPECT_EQ(sure(", deadline: hard, sure_percent: 50"), Quantile::q50);
  EXPECT_EQ(sure(", deadline: hard, sure_percent: 99"), Quantile::q99);
}

TEST(Fleet, WithoutSitesIsLocal) {
  const auto view = compiled("pools: [{name: a, model: llama-3.1-8b, accelerator: l40s}]").view;
  EXPECT_EQ(view.regions, std::vector<std::string>{"local"});
  EXPECT_EQ(view.pools[0].provider, "local");
  EXPECT_EQ(view.tenants, std::vector<TenantView>{{.name = "default"}});
}

TEST(Fleet, KeepsLinksInNanosecondsAndBytes) {
  const auto fleet = read_fleet("f",
                                "sites: [{name: s, provider: p, region: r}, {name: t, provider: p, region: r}]\n"
                                "links: [{from: s, to: t, rtt_ms: 0.25, gb_s: 12.5}]\n"
                                "pools: [{name: a, site: t, model: m, accelerator: l40s}]");
  ASSERT_EQ(fleet.links.size(), 1u);
  EXPECT_EQ(fleet.links[0].to, 1u);
  EXPECT_EQ(fleet.links[0].round_trip, microseconds(250));
  EXPECT_EQ(fleet.links[0].bytes_per_s, 12'500'000'000);
}

// ---- as compiled ----------------------------------------------------------------------------------------------------

TEST(Fleet, DevicesAreNumberedPoolByPool) {
  const auto view = compiled(std::string(kTwo)).view;
  ASSERT_EQ(view.pools.size(), 3u);
  EXPECT_EQ(view.pools[0].first_device, 0u);
  EXPECT_EQ(view.pools[1].first_device, 3u);
  EXPECT_EQ(view.pools[2].first_device, 5u);
  EXPECT_EQ(view.devices(), 6u);
}

TEST(Fleet, PoolsOfOneModelAndKindShareModelAndCostRow) {
  const auto fleet = compiled(std::string(kTwo));
  EXPECT_EQ(fleet.view.pools[0].model, fleet.view.pools[2].model);
  EXPECT_NE(fleet.view.pools[0].model, fleet.view.pools[1].model);
  EXPECT_EQ(fleet.view.pools[0].cost, fleet.view.pools[2].cost);
  EXPECT_EQ(fleet.tables.rows.size(), 2u);
  EXPECT_EQ(fleet.view.models.size(), 2u);
}

TEST(Fleet, AModelByAnyOfItsNamesIsOneModel) {
  const auto fleet = compiled(
      "pools:\n  - {name: a, model: meta-llama/Llama-3.1-8B-Instruct, accelerator: H100}\n"
      "  - {name: b, model: llama-3.1-8b, accelerator: h100-sxm}\nmix: [{weight: 1, model: Llama-3-8B}]\n");
  ASSERT_EQ(fleet.view.models.size(), 1u);
  EXPECT_EQ(fleet.view.models[0].name, "llama-3.1-8b");
  EXPECT_EQ(fleet.mix.entries()[0].model, ModelId{0});
}

TEST(Fleet, APriceIsThePoolsThenTheProvidersThenTheCatalogues) {
  const auto view = compiled(std::string(kTwo)).view;
  EXPECT_EQ(view.pools[0].per_hour, NanoDollars(4 * 6'980'000'000));
  EXPECT_EQ(view.pools[1].per_hour, NanoDollars(2'950'000'000));
  EXPECT_EQ(view.pools[2].per_hour, NanoDollars(4));
  EXPECT_EQ(view.pue_thousandths, 1250);
}

TEST(Fleet, PowerIsThatOfItsChips) {
  const auto view = compiled(std::string(kTwo)).view;
  EXPECT_EQ(view.pools[0].idle, Milliwatts(4 * 75'000));
  EXPECT_EQ(view.pools[0].busy, Milliwatts(4 * 490'000));  // 0.7 of 700 W
}

TEST(Fleet, MaxContextIsTheModelsOrWhatTheKvPoolHoldsAndOne) {
  const auto context = [](const std::string& more) {
    return compiled("pools: [{name: a, model: llama-3.1-8b, accelerator: h100-sxm" + more + "}]")
        .view.pools[0]
        .max_context;
  };
  EXPECT_EQ(context(""), Tokens(131'072));
  EXPECT_EQ(context(", kv_blocks: 100"), Tokens(1601));
  EXPECT_EQ(context(", kv_blocks: 100, max_context: 900"), Tokens(900));
}

TEST(Fleet, AGivenTableIsTakenAsItIs) {
  const auto fleet = compiled(
      "pools: [{name: a, model: mine, accelerator: h100-sxm, kv_blocks: 64, max_sequences: 8, token_budget: 8,\n"
      "  table: {c0_ps: [{up_to: 2, ps: 100}, {up_to: 4, ps: 250}], c1_ps: 11, c2_ps: 3}}]");
  const StepCost& cost = fleet.tables[fleet.view.pools[0].cost];
  EXPECT_EQ(cost.c0(1), Picoseconds(100));
  EXPECT_EQ(cost.c0(3), Picoseconds(250));
  EXPECT_EQ(cost.c0(8), Picoseconds(250));
  EXPECT_EQ(cost.c1(), Picoseconds(11));
  EXPECT_EQ(cost.c2(), Picoseconds(3));
}

// ---- the mix --------------------------------------------------------------------------------------------------------

TEST(Mix, WithoutOneAsksEveryModelEquallyInTheFirstClass) {
  const auto fleet = compiled(std::string(kTwo));
  ASSERT_EQ(fleet.mix.entries().size(), 2u);
  for (const auto& entry : fleet.mix.entries()) {
    EXPECT_EQ(entry.weight, 1u);
    EXPECT_EQ(entry.slo, SloClassId{0});
    EXPECT_TRUE(entry.regions.anywhere());
  }
}

TEST(Mix, ARowWithoutAModelCountsAsMuchAsOneWith) {
  const auto fleet =
      compiled(std::string(kTwo) + "mix: [{weight: 3}, {weight: 1, model: llama-3.1-8b, regions: [eu]}]");
  ASSERT_EQ(fleet.mix.entries().size(), 3u);
  EXPECT_EQ(fleet.mix.total_weight(), 8u);  // 3 + 3 of six eighths, 2 of two
  EXPECT_EQ(fleet.mix.entries()[2].weight, 2u);
  EXPECT_EQ(fleet.mix.entries()[2].regions.bits, 2u);
}

TEST(Mix, DrawsByWeightWhateverTheOrderOfRows) {
  const Mix mix({{.weight = 1, .model = {0}, .slo = {0}, .tenant = {0}, .regions = {}},
                 {.weight = 3, .model = {1}, .slo = {0}, .tenant = {0}, .regions = {}}});
  int second = 0;
  for (std::uint64_t row = 0; row < 40'000; ++row) second += mix.pick(5, row).model == ModelId{1};
  EXPECT_NEAR(second, 30'000, 400);  // 4.6 standard deviations; seed 5
  EXPECT_EQ(&mix.pick(5, 17), &mix.pick(5, 17));
}

// ---- built in -------------------------------------------------------------------------------------------------------

// Every integer that decides, in order.
std::uint64_t hash_of(const CompiledFleet& fleet) {
  DecisionHash hash;
  for (const auto& row : fleet.tables.rows) {
    for (std::uint32_t n = 0; n <= row.max_sequences(); ++n) hash.add(static_cast<std::uint64_t>(row.c0(n).count()));
    hash.add(static_cast<std::uint64_t>(row.c1().count()));
    hash.add(static_cast<std::uint64_t>(row.c2().count()));
  }
  for (const auto& pool : fleet.view.pools)
    for (const std::int64_t n :
         {std::int64_t{pool.model.value}, std::int64_t{pool.region.value}, std::int64_t{pool.cost.value},
          std::int64_t{pool.devices}, std::int64_t{pool.kv_blocks.count()}, std::int64_t{pool.max_context.count()},
          std::int64_t{pool.max_sequences}, std::int64_t{pool.token_budget.count()}, pool.per_hour.count(),
          pool.idle.count(), pool.busy.count()})
      hash.add(static_cast<std::uint64_t>(n));
  for (const auto& entry : fleet.mix.entries())
    for (const std::uint64_t n : {entry.weight, std::uint64_t{entry.model.value}, std::uint64_t{entry.slo.value},
                                  std::uint64_t{entry.tenant.value}, entry.regions.bits})
      hash.add(n);
  return hash.value();
}

TEST(BuiltIn, MixedHasFortyReplicasOfThreeModelsOnFiveChipsAtFiveProviders) {
  const Fleet fleet = load_fleet("builtin:mixed");
  const auto view = compile_fleet(fleet).view;
  EXPECT_EQ(view.devices(), 40u);
  EXPECT_EQ(view.models.size(), 3u);
  EXPECT_EQ(fleet.accelerators.size(), 5u);
  EXPECT_EQ(fleet.providers.size(), 5u);
  EXPECT_GE(view.regions.size(), 3u);
}

TEST(BuiltIn, ThousandIsMixedTwentyFiveTimes) {
  const auto mixed = compile_fleet(load_fleet("builtin:mixed")),
             thousand = compile_fleet(load_fleet("builtin:thousand"));
  EXPECT_EQ(thousand.view.devices(), 1000u);
  ASSERT_EQ(thousand.view.pools.size(), mixed.view.pools.size());
  for (std::size_t p = 0; p < mixed.view.pools.size(); ++p) {
    EXPECT_EQ(thousand.view.pools[p].devices, 25 * mixed.view.pools[p].devices);
    EXPECT_EQ(thousand.view.pools[p].name, mixed.view.pools[p].name);
    EXPECT_EQ(thousand.view.pools[p].kv_blocks, mixed.view.pools[p].kv_blocks);
  }
}

TEST(BuiltIn, SingleIsOneH100ThatServesLlama8B) {
  const auto view = compile_fleet(load_fleet("builtin:single")).view;
  EXPECT_EQ(view.devices(), 1u);
  EXPECT_EQ(view.models[0].name, "llama-3.1-8b");
  EXPECT_EQ(view.pools[0].accelerator, "h100-sxm");
}

TEST(BuiltIn, TheirIntegersAreTheSameOnEveryBuild) {
  EXPECT_EQ(hash_of(compile_fleet(load_fleet("builtin:single"))), 17208051502597792730ull);
  EXPECT_EQ(hash_of(compile_fleet(load_fleet("builtin:mixed"))), 4563283256811141150ull);
}

// Requests a second that one replica sustains with `batch` decoding: each costs its prefill and its share of the steps.
double sustained(const StepCost& cost, double prompt, double output, std::uint32_t batch) {
  const double step = static_cast<double>(cost.c0(batch).count()) / batch +
                      static_cast<double>(cost.c2().count()) * (prompt + output / 2);
  return 1e12 / (static_cast<double>(cost.c1().count()) * prompt + output * step);
}

// Azure conv 2023 has 19,366 requests in 58 minutes, 5.5 a second, of 1,155 tokens in and 211 out on average.
TEST(BuiltIn, MixedSustainsTenTimesAzureConv) {
  const auto fleet = compile_fleet(load_fleet("builtin:mixed"));
  std::vector<double> sustains(fleet.view.models.size()), asked(fleet.view.models.size());
  for (const auto& pool : fleet.view.pools)
    sustains[pool.model.value] += pool.devices * sustained(fleet.tables[pool.cost], 1155, 211, 64);
  for (const auto& entry : fleet.mix.entries())
    asked[entry.model.value] +=
        55.0 * static_cast<double>(entry.weight) / static_cast<double>(fleet.mix.total_weight());
  for (std::size_t m = 0; m < asked.size(); ++m) EXPECT_GT(sustains[m], 1.2 * asked[m]) << fleet.view.models[m].name;
}

// ---- text -----------------------------------------------------------------------------------------------------------

TEST(ShowFleet, IsATableOfPoolsWithTotals) {
  const Fleet fleet = load_fleet("builtin:single");
  EXPECT_EQ(show_fleet(fleet, compile_fleet(fleet)),
            "fleet single: 1 replica on 1 accelerator, 1 provider, 1 region\n"
            "\n"
            "pool  model         accelerator  provider  region  costs    n  tp  kv_tokens  c0(1)_ms  c0(64)_ms  c1_us  "
            "c2_ns  "
            "idle_w  busy_w  usd_h\n"
            "h100  llama-3.1-8b  h100-sxm     local     local   physics  1   1    463,184     8.42*       9.88   30.4  "
            " 60.2    "
            "  75     490   2.95\n"
            "\n"
            "n replicas, each: a step of b sequences takes c0(b) + c1 x prefill tokens + c2 x KV tokens; * assumed\n"
            "in all: 463,184 KV tokens, 75 to 490 W (PUE 1.00 apart), 2.95 USD/h\n"
            "\n"
            "class        rank     ttft  + per token    tpot     e2e  shed after\n"
            "interactive     0  1000 ms     0.300 ms   50 ms       -           -\n"
            "standard        1  5000 ms            -  100 ms       -           -\n"
            "batch           2        -            -       -  3600 s           -\n"
            "\n"
            "mix: model    class        tenant   regions     share\n"
            "llama-3.1-8b  interactive  default  anywhere  100.0 %\n");
}

TEST(ShowFleet, CheckNamesWhatIsNotServed) {
  const Fleet fleet =
      read_fleet("f.yaml", std::string(kTwo) + "mix: [{weight: 1, model: llama-3.1-70b, regions: [eu]}]");
  EXPECT_EQ(check_fleet(fleet, compile_fleet(fleet)),
            "f.yaml: good: 6 replicas in 3 pools, 2 models, 3 classes, 2 providers, 2 regions\n"
            "note: no row of the mix asks llama-3.1-8b\n"
            "note: no pool serves llama-3.1-70b in eu: such requests are rejected (no_region)\n");
}

TEST(ShowFleet, JsonEscapesWhatItMust) {
  const Fleet fleet = read_fleet("f", "pools: [{name: 'a\\b', model: llama-3.1-8b, accelerator: l40s}]");
  const std::string json = fleet_json(fleet, compile_fleet(fleet));
  EXPECT_NE(json.find(R"("name": "a\\b")"), std::string::npos);
  EXPECT_NE(json.find(R"("price_usd_per_hour": 1.55)"), std::string::npos);
}

}  // namespace
}  // namespace yard
