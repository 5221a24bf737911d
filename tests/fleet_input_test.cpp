// What a fleet's reader says to wrong, hostile and broken files: one line each, and never anything but that.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "scheduler/base/input_error.h"
#include "scheduler/base/rng.h"
#include "scheduler/cost/compile_fleet.h"
#include "scheduler/yaml/document.h"
#include "topology/fleet.h"

namespace yard {
namespace {

const std::string kPool = "pools:\n  - {name: a, model: llama-3.1-8b, accelerator: h100-sxm}\n";

std::string pool(const std::string& more) { return kPool.substr(0, kPool.size() - 2) + ", " + more; }
std::string beside(const std::string& section) { return section + "\n" + kPool; }
std::string stairs(int levels) {
  std::string text;
  for (int i = 0; i < levels; ++i) text += std::string(static_cast<std::size_t>(i), ' ') + "a:\n";
  return text;
}

// Returns: what the user reads; empty when the fleet is good.
std::string answer(const std::string& text) {
  try {
    compile_fleet(read_fleet("fleet.yaml", text));
    return "";
  } catch (const InputError& e) {
    return e.what();
  }
}

struct Wrong {
  const char* rule;
  std::string text, message;  // behind the file's name
};

const std::vector<Wrong>& wrongs() {
  static const std::vector<Wrong> all = {
      {"EmptyFile", "", ": found no fleet; accepted: a map with the key pools"},
      {"OnlyAComment", "# nothing\n", ": found no fleet; accepted: a map with the key pools"},
      {"TokensOfAnEmbedder",
       "pools:\n  - {name: a, model: qwen3-embedding-8b, accelerator: h100-sxm, serves: tokens}\n",
       ":2: pools[0].serves: found tokens of qwen3-embedding-8b, which makes none; accepted: embeddings"},
      {"ServesNobodyKnowsWhat", pool("serves: vectors}\n"),
       ":2: pools[0].serves: found 'vectors'; accepted: tokens, embeddings"},
      {"TokensHereAndEmbeddingsThere",
       pool("serves: embeddings}\n") + "  - {name: b, model: llama-3.1-8b, accelerator: h100-sxm}\n",
       ":3: pools[1].serves: found tokens of llama-3.1-8b, and embeddings at a pool before; accepted: the same at "
       "every pool of a model"},
      {"AdaptersOfAModelThatHoldsNone", beside("adapters: [{model: llama-3.1-8b, count: 3, mb: 100}]"),
       ":1: adapters[0].model: found 'llama-3.1-8b', of which no pool holds any; add adapters: {slots: n} to a pool of "
       "that model"},
      {"AdaptersOfNobodysModel", beside("adapters: [{model: llama-3.1-7b, count: 3, mb: 100}]"),
       ":1: adapters[0].model: found 'llama-3.1-7b'; accepted: a model that a pool serves, nearest is 'llama-3.1-8b'"},
      {"AdaptersByNameAndCount", beside("adapters: [{model: llama-3.1-8b, name: a, count: 3, mb: 100}]"),
       ":1: adapters[0].count: found it beside name; accepted: one of both"},
      {"AdaptersWithoutEither", beside("adapters: [{model: llama-3.1-8b, mb: 100}]"),
       ":1: adapters[0]: lacks a key; add name"},
      {"TooManyAdapters",
       beside("adapters: [{model: llama-3.1-8b, count: 60000, mb: 1}, {model: llama-3.1-8b, count: "
              "60000, mb: 1}]"),
       ":1: adapters[1]: found 120000 adapters so far; accepted: at most 100000 in all"},
      {"AdapterSlotsZero", pool("adapters: {slots: 0}}\n"),
       ":2: pools[0].adapters.slots: found '0'; accepted: a whole number from 1 to 1024"},
      {"AdapterLoadTwice", pool("adapters: {slots: 1, load_ms: 1, gb_s: 1}}\n"),
       ":2: pools[0].adapters.gb_s: found it beside load_ms; accepted: one of both"},
      {"NoPools", "name: x\n", ":1: lacks a key; add pools"},
      {"EmptyPools", "pools: []\n", ":1: pools: found no pool; accepted: at least one pool"},
      {"PoolsAreAMap", "pools: {a: 1}\n", ":1: pools: found a map; accepted: a list"},
      {"NotAMap", "- 1\n",
       ":1: found a list; accepted: a map of name, pue, providers, regions, sites, links, prices, slo_classes, "
       "tenants, pools, mix, prefix_block_tokens, adapters, contracts, licences, power_domains, "
       "cells, control_lag_ms, signals_age_ms, handoff, shards, door_lag_ms, steal"},
      {"JustAWord", "fleet\n",
       ":1: found 'fleet'; accepted: a map of name, pue, providers, regions, sites, links, prices, slo_classes, "
       "tenants, pools, mix, prefix_block_tokens, adapters, contracts, licences, power_domains, "
       "cells, control_lag_ms, signals_age_ms, handoff, shards, door_lag_ms, steal"},
      {"UnknownKey", beside("pool: 3"),
       ":1: pool: unknown key; nearest is 'pools'; accepted: name, pue, providers, regions, sites, links, prices, "
       "slo_classes, tenants, pools, mix, prefix_block_tokens, adapters, contracts, licences, power_domains, "
       "cells, control_lag_ms, signals_age_ms, handoff, shards, door_lag_ms, steal"},
      {"UnknownPoolKey", pool("modle: x}\n"),
       ":2: pools[0].modle: unknown key; nearest is 'model'; accepted: name, site, model, accelerator, replicas, tp, "
       "precision, kv_precision, max_sequences, token_budget, chunk, max_context, block_tokens, memory_utilization, "
       "kv_blocks, table, profile, kernels, served, cost_error_percent, prefix_cache, serves, adapters, "
       "usd_per_accelerator_hour, "
       "cell, shard, role, kv_bytes_per_token"},
      {"UnknownPreset", pool("served: {preset: vlm}}\n"),
       ":2: pools[0].served.preset: found 'vlm'; accepted: a preset, nearest is 'vllm'"},
      {"UnknownAdmission", pool("served: {admit: all}}\n"),
       ":2: pools[0].served.admit: found 'all'; accepted: chunk, prompt"},
      {"ScrapeOfLessThanAMillisecond", pool("served: {scrape_ms: 0.5}}\n"),
       ":2: pools[0].served.scrape_ms: found '0.5'; accepted: a plain decimal number from 1 to 3600000, at most 6 "
       "digits "
       "after the point"},
      {"BackgroundWithoutARate", pool("served: {background: {prompt_tokens: 5}}}\n"),
       ":2: pools[0].served.background: lacks a key; add per_s"},
      {"SignalsOfNegativeAge", beside("signals_age_ms: -1"),
       ":1: signals_age_ms: found '-1'; accepted: a plain decimal number from 0 to 3600000, at most 6 digits after the "
       "point"},
      {"WatermarkOfMoreThanHalf", pool("served: {watermark_percent: 51}}\n"),
       ":2: pools[0].served.watermark_percent: found '51'; accepted: a plain decimal number from 0 to 50, at most 1 "
       "digits after the point"},
      {"DuplicateKey", pool("replicas: 2, replicas: 3}\n"),
       ":2: 'replicas': found twice, first in line 2; accepted: plain YAML, without anchors, aliases and tags, each "
       "key once"},
      {"UnknownChip", "pools:\n  - {name: a, model: llama-3.1-8b, accelerator: h100-sx}\n",
       ":2: pools[0].accelerator: found 'h100-sx'; accepted: a chip of the catalogue, nearest is 'h100-sxm'"},
      {"UnknownModel", "pools:\n  - {name: a, model: llama-3.1-8, accelerator: h100-sxm}\n",
       ":2: pools[0].model: found 'llama-3.1-8'; accepted: a model with a card, nearest is 'llama-3.1-8b'; or any with "
       "table and kv_blocks"},
      {"MissingKey", "pools:\n  - {name: a, model: llama-3.1-8b}\n", ":2: pools[0]: lacks a key; add accelerator"},
      {"WrongType", pool("replicas: many}\n"),
       ":2: pools[0].replicas: found 'many'; accepted: a whole number from 1 to 1048576"},
      {"List", pool("replicas: [1]}\n"),
       ":2: pools[0].replicas: found a list; accepted: a whole number from 1 to 1048576"},
      {"Quoted", pool("replicas: \"2\"}\n"),
       ":2: pools[0].replicas: found the text \"2\"; accepted: a whole number from 1 to 1048576"},
      {"Negative", pool("replicas: -1}\n"),
       ":2: pools[0].replicas: found '-1'; accepted: a whole number from 1 to 1048576"},
      {"Zero", pool("replicas: 0}\n"), ":2: pools[0].replicas: found '0'; accepted: a whole number from 1 to 1048576"},
      {"Fraction", pool("replicas: 1.5}\n"),
       ":2: pools[0].replicas: found '1.5'; accepted: a whole number from 1 to 1048576"},
      {"Huge", pool("replicas: 99999999999999999999999}\n"),
       ":2: pools[0].replicas: found '99999999999999999999999'; accepted: a whole number from 1 to 1048576"},
      {"NaN", pool("memory_utilization: .nan}\n"),
       ":2: pools[0].memory_utilization: found '.nan'; accepted: a plain decimal number from 0.001 to 1, at most 3 "
       "digits after the point"},
      {"Infinite", pool("usd_per_accelerator_hour: .inf}\n"),
       ":2: pools[0].usd_per_accelerator_hour: found '.inf'; accepted: a plain decimal number from 0 to 100000, at "
       "most 9 digits after the point"},
      {"Exponent", pool("replicas: 1e3}\n"),
       ":2: pools[0].replicas: found '1e3'; accepted: a whole number from 1 to 1048576"},
      {"EmptyList", pool("tp: []}\n"), ":2: pools[0].tp: found a list; accepted: a whole number from 1 to 1024"},
      {"UtilizationAboveOne", pool("memory_utilization: 1.1}\n"),
       ":2: pools[0].memory_utilization: found '1.1'; accepted: a plain decimal number from 0.001 to 1, at most 3 "
       "digits after the point"},
      {"Precision", pool("precision: fp7}\n"),
       ":2: pools[0].precision: found 'fp7'; accepted: native, bf16, fp8, int8, mxfp4, int4"},
      {"TwoPoolsOfOneName", kPool + "  - {name: a, model: llama-3.1-8b, accelerator: h100-sxm}\n",
       ":3: pools[1].name: found 'a' twice; accepted: a name of its own"},
      {"BadName", "pools:\n  - {name: \"a b\", model: llama-3.1-8b, accelerator: h100-sxm}\n",
       ":2: pools[0].name: found the text \"a b\"; accepted: a name of 1 to 64 bytes without blanks, commas, quotes "
       "and colons"},
      {"BudgetBelowSequences", pool("token_budget: 100}\n"),
       ":2: pools[0]: found token_budget 100 below max_sequences 256; accepted: token_budget of at least "
       "max_sequences"},
      {"UnknownChunk", pool("chunk: budgte}\n"), ":2: pools[0].chunk: found 'budgte'; accepted: budget, objective"},
      {"ChunkOfAnEngine", pool("chunk: objective, served: {preset: vllm}}\n"),
       ":2: pools[0].chunk: found it beside served; accepted: one of both; an engine cuts its prompts itself"},
      {"UnknownSite",
       "sites: [{name: east, provider: p, region: r}]\npools:\n  - {name: a, model: llama-3.1-8b, accelerator: "
       "h100-sxm, site: est}\n",
       ":3: pools[0].site: found 'est'; accepted: a site, nearest is 'east'"},
      {"UnknownRegion", "regions: [r1]\nsites: [{name: east, provider: p, region: r2}]\n" + kPool,
       ":2: sites[0].region: found 'r2'; accepted: a region, nearest is 'r1'"},
      {"UnknownClass", beside("mix: [{weight: 1, class: batsch}]"),
       ":1: mix[0].class: found 'batsch'; accepted: an SLO class, nearest is 'batch'"},
      {"ModelNobodyServes", beside("mix: [{weight: 1, model: llama-3.1-70b}]"),
       ":1: mix[0].model: found 'llama-3.1-70b'; accepted: a model that a pool serves, nearest is 'llama-3.1-8b'"},
      {"ZeroWeight", beside("mix: [{weight: 0}]"),
       ":1: mix: found weights that sum to 0; accepted: at least one weight above 0"},
      {"EmptyMix", beside("mix: []"), ":1: mix: found an empty list; accepted: at least one entry, or no mix"},
      {"EmptyClasses", beside("slo_classes: []"),
       ":1: slo_classes: found an empty list; accepted: at least one class, or no slo_classes"},
      {"TokenSlopeAlone", beside("slo_classes: [{name: x, rank: 0, ttft_per_prompt_token_ms: 1}]"),
       ":1: slo_classes[0].ttft_per_prompt_token_ms: found no ttft_ms beside it; add ttft_ms"},
      {"SureOfASoftDeadline", beside("slo_classes: [{name: x, rank: 0, ttft_ms: 9, sure_percent: 90}]"),
       ":1: slo_classes[0].sure_percent: found a soft deadline; add deadline: hard"},
      {"SureToNoLevel", beside("slo_classes: [{name: x, rank: 0, ttft_ms: 9, deadline: hard, sure_percent: 95}]"),
       ":1: slo_classes[0].sure_percent: found '95'; accepted: 50, 90, 99"},
      {"HardButNothingIsDue", beside("slo_classes: [{name: x, rank: 0, tpot_ms: 9, deadline: hard}]"),
       ":1: slo_classes[0].deadline: nothing is due by then; add ttft_ms or e2e_ms, or leave it soft"},
      {"HardAndPutOff", beside("slo_classes: [{name: x, rank: 0, e2e_ms: 9, deadline: hard, on_overload: defer}]"),
       ":1: slo_classes[0].on_overload: beside a hard deadline; accepted: reject, who is late is not put off"},
      {"RankTooHigh", beside("slo_classes: [{name: x, rank: 256}]"),
       ":1: slo_classes[0].rank: found '256'; accepted: a whole number from 0 to 255"},
      {"NoPrice", "pools:\n  - {name: a, model: llama-3.1-8b, accelerator: a100-80-sxm}\n",
       ":2: pools[0]: found no price of a100-80-sxm at local; add usd_per_accelerator_hour"},
      {"TwoPrices",
       "providers: [p]\nprices:\n  - {provider: p, accelerator: h100-sxm, usd_per_accelerator_hour: 1}\n  - {provider: "
       "p, accelerator: H100, usd_per_accelerator_hour: 2}\nsites: [{name: s, provider: p, region: r}]\n" +
           kPool,
       ":4: prices[1]: found a second price of h100-sxm at p; accepted: one of each"},
      {"DoesNotFit", "pools:\n  - {name: a, model: llama-3.1-70b, accelerator: h100-sxm}\n",
       ":2: pools[0]: llama-3.1-70b does not fit: 131.42 GiB of weights on each of 1 x h100-sxm, of which 71.50 GiB "
       "may be used (80.00 GiB x 0.900 - 0.50 GiB); accepted: tp of at least 2, a narrower precision or a larger chip"},
      {"FitsOnEightAtLeast",
       "pools:\n  - {name: a, model: llama-3.1-70b, accelerator: rtx-4090, usd_per_accelerator_hour: 0.4}\n",
       ":2: pools[0]: llama-3.1-70b does not fit: 131.42 GiB of weights on each of 1 x rtx-4090, of which 21.10 GiB "
       "may be used (24.00 GiB x 0.900 - 0.50 GiB); accepted: tp of at least 8, a narrower precision or a larger chip"},
      {"TooManyKvBlocks", pool("kv_blocks: 1000000}\n"),
       ":2: pools[0].kv_blocks: found 1000000 blocks of 16 tokens, 1953.12 GiB a chip, beside 14.96 GiB of weights in "
       "80.00 GiB; accepted: at most 33301"},
      {"ContextBeyondPool", pool("kv_blocks: 10, max_context: 162}\n"),
       ":2: pools[0].max_context: found 162; accepted: at most 161, what 10 KV blocks of 16 tokens hold and one"},
      {"ContextBeyondModel", pool("max_context: 131073}\n"),
       ":2: pools[0].max_context: found 131073; accepted: at most 131072, what llama-3.1-8b reads"},
      {"TpDoesNotDivide", pool("tp: 3}\n"),
       ":2: pools[0].tp: found 32 query heads of llama-3.1-8b over 3 ranks; accepted: a tp that divides them"},
      {"TpBeyondDomain", pool("tp: 16}\n"),
       ":2: pools[0].tp: found 16 ranks, h100-sxm reaches 8 without a network; accepted: a tp of at most 8"},
      {"TableDescends", pool("table: {c0_ps: [{up_to: 2, ps: 1}, {up_to: 1, ps: 1}], c1_ps: 1, c2_ps: 1}}\n"),
       ":2: pools[0].table.c0_ps[1].up_to: found 1 after 2; accepted: ascending sequences"},
      {"TableEmpty", pool("table: {c0_ps: [], c1_ps: 1, c2_ps: 1}}\n"),
       ":2: pools[0].table.c0_ps: found an empty list; accepted: at least one {up_to, ps}"},
      {"TableHuge", pool("table: {c0_ps: [{up_to: 1, ps: 1}], c1_ps: 1, c2_ps: 10000001}}\n"),
       ":2: pools[0].table.c2_ps: found '10000001'; accepted: a whole number from 0 to 10000000"},
      {"Anchor", "a: &x 1\nb: *x\n",
       ":1: found an anchor (&); accepted: plain YAML, without anchors, aliases and tags, each key once"},
      {"Bomb", "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n",
       ":1: found an anchor (&); accepted: plain YAML, without anchors, aliases and tags, each key once"},
      {"Tag", "pools: !!seq []\n",
       ":1: found tag 'tag:yaml.org,2002:seq'; accepted: plain YAML, without anchors, aliases and tags, each key once"},
      {"TwoDocuments", kPool + "---\npools:\n  - {name: a, model: llama-3.1-8b, accelerator: h100-sxm}\n",
       ":4: found a second document; accepted: one document"},
      {"ComplexKey", "? [a]\n: b\n",
       ":1: found a key that is no plain word, or an open bracket; accepted: plain YAML, without anchors, aliases and "
       "tags, each key once"},
      {"Unclosed", "pools: [{name: a\n",
       ":1: found a key that is no plain word, or an open bracket; accepted: plain YAML, without anchors, aliases and "
       "tags, each key once"},
      {"Deep", std::string(17, '[') + std::string(17, ']'),
       ":1: found more than 16 levels; accepted: plain YAML, without anchors, aliases and tags, each key once"},
      {"DeepBlocks", stairs(40),
       ":17: found more than 16 levels; accepted: plain YAML, without anchors, aliases and tags, each key once"},
      {"NotUtf8", "name: \377\n", ":1: found byte 0xff; accepted: UTF-8 text"},
      {"Overlong", "name: \300\257\n", ":1: found byte 0xc0; accepted: UTF-8 text"},
      {"Nul", std::string("name: a\000b\n", 10), ":1: found control byte 0x00; accepted: UTF-8 text"},
      {"Tab", "\tname: x\n", ":1: is not YAML: illegal map value; correct the line or the one before it"},
      {"MergeKey", "<<: {a: b}\n",
       ":1: <<: unknown key; nearest is 'pue'; accepted: name, pue, providers, regions, sites, links, prices, "
       "slo_classes, tenants, pools, mix, prefix_block_tokens, adapters, contracts, licences, power_domains, "
       "cells, control_lag_ms, signals_age_ms, handoff, shards, door_lag_ms, steal"},
      {"Utf16", std::string("\377\376p\000o\000", 6), ":1: found byte 0xff; accepted: UTF-8 text"},
  };
  return all;
}

TEST(FleetInput, EveryMistakeHasItsOneLine) {
  for (const auto& wrong : wrongs()) {
    SCOPED_TRACE(wrong.rule);
    EXPECT_EQ(answer(wrong.text), "fleet.yaml" + wrong.message);
  }
}

TEST(FleetInput, TheRightNeighbourOfEveryMistakeIsAccepted) {
  EXPECT_EQ(answer(kPool), "");
  EXPECT_EQ(answer(pool("replicas: 1048576}\n")), "");
  EXPECT_EQ(answer(pool("tp: 8}\n")), "");
  EXPECT_EQ(answer(pool("kv_blocks: 33301}\n")), "");
  EXPECT_EQ(answer(pool("kv_blocks: 10, max_context: 161}\n")), "");
  EXPECT_EQ(answer(pool("token_budget: 256}\n")), "");
  EXPECT_EQ(answer(pool("chunk: budget}\n")), "");
  EXPECT_EQ(answer(pool("served: {preset: vllm}}\n")), "");
  EXPECT_EQ(answer("pools:\n  - {name: a, model: llama-3.1-70b, accelerator: h100-sxm, tp: 2}\n"), "");
  EXPECT_EQ(answer("pools:\n  - {name: a, model: META-LLAMA/llama-3.1-8b, accelerator: H100}\n"), "");
  EXPECT_EQ(answer("\xef\xbb\xbf" + kPool), "");
  EXPECT_EQ(answer("pools:\r\n  - {name: a, model: llama-3.1-8b, accelerator: h100-sxm}\r\n"), "");
  EXPECT_EQ(answer("{\"pools\": [{\"name\": \"a\", \"model\": \"llama-3.1-8b\", \"accelerator\": \"l40s\"}]}"), "");
}

TEST(FleetInput, ANameWithoutACardIsFineWhereEverythingIsGiven) {
  EXPECT_EQ(answer("pools:\n  - {name: a, model: mine, accelerator: h100-sxm, kv_blocks: 64,\n"
                   "     table: {c0_ps: [{up_to: 1, ps: 5}], c1_ps: 1, c2_ps: 0}}\n"),
            "");
}

TEST(FleetInput, AMissingFileADirectoryAndAnUnreadableOneAreNamed) {
  const auto answer_of = [](const std::string& path) {
    try {
      load_fleet(path);
      return std::string();
    } catch (const InputError& e) {
      return std::string(e.what());
    }
  };
  EXPECT_EQ(answer_of("/no/such/fleet.yaml"), "/no/such/fleet.yaml: no such file; give the path of an existing file");
  EXPECT_EQ(answer_of("/"), "/: is a directory; give a file");
  EXPECT_EQ(answer_of("builtin:thousend"),
            "fleet: found 'builtin:thousend'; accepted: a path, or builtin: with one of single, mixed, thousand, "
            "cells, handoff, "
            "nearest is 'thousand'");
}

// ---- bounds ---------------------------------------------------------------------------------------------------------

TEST(FleetInput, AFileBeyondTheLimitIsRefusedBeforeItIsParsed) {
  EXPECT_EQ(answer(std::string(yaml::kMaxBytes + 1, ' ')),
            "fleet.yaml: is larger than 4194304 bytes; give a smaller file");
  EXPECT_EQ(answer(std::string(yaml::kMaxBytes, '[')),
            "fleet.yaml:1: found more than 400000 brackets, commas, colons, quotes; give a smaller file");
}

TEST(FleetInput, SmallPatternsRepeatedToTheLimitAreAnsweredInBoundedTime) {
  const auto start = std::chrono::steady_clock::now();
  for (const std::string piece :
       {"- ", "? ", "a\n", "a: ", "a ",     "- a\n", "?\n", "! ", "%a\n", "---\n", "a: |\n x\n", "\n",
        " ",  "#",  "&",   "*a ", "a:\n- ", ">\n",   "\"",  "'",  "{a: ", "[a, ",  "a: b\n"}) {
    std::string text;
    while (text.size() < (std::size_t{1} << 20)) text += piece;
    const std::string said = answer(text);
    EXPECT_FALSE(said.empty()) << piece;
    EXPECT_EQ(said.find('\n'), std::string::npos) << piece;
  }
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(120));  // 5 s here; sanitisers are slower
}

// Every section and nearly every key.
const std::string kWhole =
    "name: cut\npue: 1.25\nproviders: [p]\nregions: [r, q]\nsites:\n  - {name: s, provider: p, region: r}\n"
    "links:\n  - {from: s, to: s, rtt_ms: 0.5, gb_s: 1}\n"
    "prices:\n  - {provider: p, accelerator: l40s, usd_per_accelerator_hour: 1.5, source: \"x\"}\n"
    "slo_classes:\n  - {name: c, rank: 3, ttft_ms: 100, ttft_per_prompt_token_ms: 0.1, tpot_ms: 20, shed_after_ms: "
    "5}\n"
    "pools:\n  - name: a\n    site: s\n    model: llama-3.1-8b\n    accelerator: l40s\n    replicas: 2\n"
    "    table: {c0_ps: [{up_to: 1, ps: 7}], c1_ps: 2, c2_ps: 3}\n"
    "tenants:\n  - {name: t, weight: 2, tokens_per_s: 50, usd_per_day: 3, usd_per_million_prompt_tokens: 1}\n"
    "mix:\n  - {weight: 2, model: llama-3.1-8b, class: c, tenant: t, regions: [r], providers: [p], "
    "primary: p}\n"
    "contracts:\n  - {name: k, provider: p, kind: committed, pools: [a], replicas: 1, usd_per_replica_hour: 1, "
    "window_hours: 24, commit_hours: 8}\n"
    "licences:\n  - {provider: p, models: [llama-3.1-8b]}\n"
    "power_domains:\n  - {name: d, cap_w: 1000, pools: [a], caps: [{at_s: 5, cap_w: 900}]}\n";

TEST(FleetInput, AFleetCutAtAnyByteIsAcceptedOrRefusedInOneLine) {
  ASSERT_EQ(answer(kWhole), "");
  int refused = 0;
  for (std::size_t n = 0; n < kWhole.size(); ++n) {
    const std::string said = answer(kWhole.substr(0, n));
    refused += !said.empty();
    EXPECT_EQ(said.find('\n'), std::string::npos) << n;
    EXPECT_TRUE(said.empty() || said.starts_with("fleet.yaml")) << n << ": " << said;
  }
  EXPECT_GT(refused, 400);
}

TEST(FleetInput, AFleetWithAnyBytesChangedIsAcceptedOrRefusedInOneLine) {
  const char* given = std::getenv("SWITCHYARD_TEST_SEED");
  const Seed seed = given ? std::strtoull(given, nullptr, 10) : 1;
  SCOPED_TRACE("SWITCHYARD_TEST_SEED=" + std::to_string(seed));
  constexpr std::string_view kPieces = "[]{},:&*!?%\"'-#|>~ \n\t0919.eabc\\<=";
  int refused = 0;
  for (std::uint64_t round = 0; round < 5000; ++round) {
    Rng rng = Rng::stream(seed, round);
    std::string text = kWhole;
    for (std::uint64_t n = 1 + rng.below(4); n > 0; --n) {
      const std::size_t at = rng.below(text.size());
      if (rng.below(3) == 0)
        text.erase(at, 1 + rng.below(20));
      else if (rng.below(2) == 0)
        text.insert(at, 1, kPieces[rng.below(kPieces.size())]);
      else
        text[at] = static_cast<char>(rng.below(256));
    }
    const std::string said = answer(text);
    refused += !said.empty();
    EXPECT_EQ(said.find('\n'), std::string::npos) << said;
    EXPECT_TRUE(said.empty() || said.starts_with("fleet.yaml")) << said;
  }
  EXPECT_GT(refused, 2500);
  EXPECT_LT(refused, 5000);
}

// ---- corpora --------------------------------------------------------------------------------------------------------

std::filesystem::path corpora() {
  const char* data = std::getenv("SWITCHYARD_DATA_DIR");
  if (data) return std::filesystem::path(data) / "corpora";
  const char* source = std::getenv("SWITCHYARD_SOURCE_DIR");
  return std::filesystem::path(source ? source : ".") / "../shared/data/corpora";
}

std::string bytes_of(const std::filesystem::path& path) {
  std::ostringstream all;
  all << std::ifstream(path, std::ios::binary).rdbuf();
  return all.str();
}

// The suite writes invisible characters as visible ones.
std::string unmarked(std::string text) {
  const std::vector<std::pair<std::string, std::string>> marks = {
      {"\xe2\x90\xa3", " "}, {"\xe2\x80\x94", ""},   {"\xc2\xbb", "\t"},
      {"\xe2\x86\xb5", ""},  {"\xe2\x88\x8e\n", ""}, {"\xe2\x87\x94", "\xef\xbb\xbf"}};
  for (const auto& [mark, is] : marks)
    for (std::size_t at = 0; (at = text.find(mark, at)) != std::string::npos;) text.replace(at, mark.size(), is);
  return text;
}

// The text and every "yaml:" value in it that our own reader finds.
void add_inner(const yaml::Node& node, std::vector<std::string>& texts) {
  for (std::size_t i = 0; i < node.keys.size(); ++i)
    if (node.keys[i].name == "yaml") texts.push_back(unmarked(node.items[i].text));
  for (const auto& item : node.items) add_inner(item, texts);
}

std::vector<std::string> corpus(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder))
    if (entry.is_regular_file()) paths.push_back(entry.path());
  std::ranges::sort(paths);
  std::vector<std::string> texts;
  for (const auto& path : paths) {
    texts.push_back(bytes_of(path));
    try {
      add_inner(yaml::parse("", texts.back()).root, texts);
    } catch (const InputError&) {  // then only the file as it is
    }
  }
  return texts;
}

TEST(FleetInput, EveryFileOfTheYamlAndJsonCorporaIsAnsweredInOneLine) {
  if (!std::filesystem::is_directory(corpora())) GTEST_SKIP() << "no data in " << corpora();
  std::size_t seen = 0;
  for (const char* folder : {"yaml-test-suite", "JSONTestSuite", "blns"}) {
    if (!std::filesystem::is_directory(corpora() / folder)) GTEST_SKIP() << "no data in " << corpora() / folder;
    for (const auto& text : corpus(corpora() / folder)) {
      ++seen;
      for (const std::string& form : {text, "pools: " + text, "pools:\n  - {name: a, model: " + text}) {
        const std::string said = answer(form);
        EXPECT_FALSE(said.empty()) << folder << ": " << printable(text);  // none of them is a fleet
        EXPECT_EQ(said.find('\n'), std::string::npos) << said;
        EXPECT_LT(said.size(), 2000u) << said;
      }
    }
  }
  EXPECT_GT(seen, 900u);
}

}  // namespace
}  // namespace yard
