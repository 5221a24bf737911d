// The catalogue, the model cards, and what physics makes of them.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "scheduler/base/input_error.h"
#include "scheduler/cost/physics.h"
#include "scheduler/cost/show.h"
#include "topology/catalogue.h"

namespace yard {
namespace {

const Accelerator& chip(std::string_view name) {
  const Accelerator* found = builtin_catalogue().find(name);
  if (!found) throw std::runtime_error("no chip " + std::string(name));
  return *found;
}

const ModelCard& card(std::string_view name) {
  const ModelCard* found = builtin_model_cards().find(name);
  if (!found) throw std::runtime_error("no card " + std::string(name));
  return *found;
}

Replica replica(std::string_view model, std::string_view accelerator, std::uint32_t tp = 1) {
  const ModelCard& m = card(model);
  return {.model = m, .chip = chip(accelerator), .tp = tp, .weights = m.weights, .expert_weights = m.expert_weights};
}

double ms(Picoseconds p) { return static_cast<double>(p.count()) / 1e9; }

// ---- facts ----------------------------------------------------------------------------------------------------------

TEST(Catalogue, HoldsTheFactsOfThirtyChips) {
  EXPECT_EQ(builtin_catalogue().accelerators.size(), 30u);
  const Accelerator& h100 = chip("h100-sxm");
  EXPECT_EQ(h100.bf16_flops, 989'000'000'000'000);
  EXPECT_EQ(h100.memory_bytes, std::int64_t{80} << 30);
  EXPECT_EQ(h100.memory_bytes_per_s, 3'350'000'000'000);
  EXPECT_EQ(h100.scale_up_bytes_per_s, 450'000'000'000);
  EXPECT_EQ(h100.scale_up_domain, 8);
  EXPECT_EQ(h100.tdp, Milliwatts(700'000));
  EXPECT_EQ(h100.per_hour, NanoDollars(2'950'000'000));
  EXPECT_TRUE(h100.stand_ins.empty());
  EXPECT_EQ(chip("h200-sxm").memory_bytes, std::int64_t{141} << 30);
  EXPECT_EQ(chip("l40s").bf16_flops, 362'050'000'000'000);
  EXPECT_EQ(chip("tpu-v6e").memory_bytes_per_s, 1'638'000'000'000);
  EXPECT_EQ(chip("trainium2").fp8_flops, 1'299'000'000'000'000);
}

TEST(Catalogue, FindsAChipByAliasInAnyCase) {
  EXPECT_EQ(chip("NVIDIA L40S").id, "l40s");
  EXPECT_EQ(chip("H200_SXM").id, "h200-sxm");
  EXPECT_EQ(builtin_catalogue().find("h100"), &chip("h100-sxm"));
  EXPECT_EQ(builtin_catalogue().find("h1000"), nullptr);
}

TEST(Catalogue, SaysWhatIsAssumedAndWhatIsUnverified) {
  EXPECT_EQ(chip("trainium2").stand_ins, (std::vector<std::string>{"idle_w", "price_usd_per_hour"}));
  EXPECT_EQ(chip("tpu-v6e").unverified, (std::vector<std::string>{"year", "host_link_gb_s"}));
  for (const auto& each : builtin_catalogue().accelerators) {
    EXPECT_FALSE(each.source.empty()) << each.id;
    EXPECT_LE(each.idle, each.tdp) << each.id;
    EXPECT_GT(each.tdp.count(), 0) << each.id;
  }
}

TEST(Catalogue, RefusesAChipNamedTwice) {
  const std::string one =
      "id: x\n    vendor: v\n    name: n\n    kind: gpu\n    memory_gib: 1\n    memory_bandwidth_gb_s: 1\n"
      "    source: s\n    assumed: {mfu: 0.5, mbu: 0.5, step_us: 1, layer_us: 1, sequence_us: 1, allreduce_us: 1, "
      "link_efficiency: 0.5}\n";
  EXPECT_EQ(read_catalogue("c.yaml", "accelerators:\n  - " + one).accelerators.size(), 1u);
  try {
    read_catalogue("c.yaml", "accelerators:\n  - " + one + "  - " + one);
    FAIL();
  } catch (const InputError& e) {
    EXPECT_STREQ(e.what(), "c.yaml:10: accelerators[1]: found 'x' twice; name each chip once");
  }
}

TEST(ModelCards, HoldTheFactsOfThirtySixShapes) {
  EXPECT_EQ(builtin_model_cards().models.size(), 38u);
  const ModelCard& small = card("llama-3.1-8b");
  EXPECT_EQ(small.layers, 32);
  EXPECT_EQ(small.kv_heads, 8);
  EXPECT_EQ(small.kv_bytes_per_token, 131'072);
  EXPECT_EQ(small.total_parameters, 8'030'000'000);
  EXPECT_EQ(small.active_parameters, 7'505'000'000);
  const ModelCard& oss = card("openai/gpt-oss-120b");
  EXPECT_EQ(oss.experts, 128);
  EXPECT_EQ(oss.experts_per_token, 4);
  EXPECT_EQ(oss.expert_weights, Precision::fp4);
  EXPECT_EQ(oss.routed_parameters(), std::int64_t{36} * 128 * 3 * 2880 * 2880);
  EXPECT_EQ(card("deepseek-v3").kv_bytes_per_token, 61 * (512 + 64) * 2);
  EXPECT_EQ(card("llama-4-scout").max_context, 1 << 20);
}

// A small card without fault, and one change to it.
std::string refusal_with(const std::string& from, const std::string& to) {
  std::string text =
      "models:\n"
      "  - id: m\n    layers: 2\n    hidden: 64\n    attention: gqa\n    q_heads: 4\n    kv_heads: 2\n    head_dim: "
      "16\n"
      "    experts: 8\n    experts_per_token: 2\n    moe_intermediate: 4096\n    moe_layers: 2\n    vocab: 8794\n"
      "    full_attention_layers: 2\n    max_context: 100\n    native_weight_precision: bf16\n"
      "    kv_bytes_per_token_bf16: 256\n    total_params_b: 0.014\n    active_params_b: 0.004\n    source: s\n";
  if (!from.empty()) {
    const std::size_t at = text.find(from);
    if (at == std::string::npos) return "the test names no key";
    text.replace(at, from.size(), to);
  }
  try {
    read_model_cards("m.yaml", text);
    return "";
  } catch (const InputError& e) {
    return e.what();
  }
}

TEST(ModelCards, RefuseWhatContradictsItself) {
  EXPECT_EQ(refusal_with("", ""), "");
  EXPECT_EQ(
      refusal_with("layers: 2", "layers: 3"),
      "m.yaml:3: models[0].layers: found a contradiction in m: 0 sliding + 2 full + 0 linear layers, 3 in all; make "
      "them add up");
  EXPECT_EQ(
      refusal_with("kv_heads: 2", "kv_heads: 3"),
      "m.yaml:7: models[0].kv_heads: found a contradiction in m: 4 query heads over 3 KV heads; a divisor of q_heads");
  EXPECT_EQ(
      refusal_with("attention: gqa", "attention: mha"),
      "m.yaml:7: models[0].kv_heads: found a contradiction in m: mha with 4 query and 2 KV heads; as many of both, or "
      "gqa");
  EXPECT_EQ(refusal_with("experts_per_token: 2", "experts_per_token: 9"),
            "m.yaml:10: models[0].experts_per_token: found a contradiction in m: 9 of 8 experts; at most experts");
  EXPECT_EQ(
      refusal_with("moe_layers: 2", "moe_layers: 0"),
      "m.yaml:9: models[0].experts: found a contradiction in m: 8 experts, 2 a token, of width 4096, in 0 layers; all "
      "of them or none");
  EXPECT_EQ(
      refusal_with("moe_layers: 2", "moe_layers: 3"),
      "m.yaml:12: models[0].moe_layers: found a contradiction in m: 3 MoE layers after 0 dense ones, 2 in all; at most "
      "layers");
  EXPECT_EQ(refusal_with("bf16: 256", "bf16: 128"),
            "m.yaml:17: models[0].kv_bytes_per_token_bf16: found a contradiction in m: 128 bytes, the shape says 256; "
            "correct one of them");
  EXPECT_EQ(
      refusal_with("total_params_b: 0.014", "total_params_b: 0.015"),
      "m.yaml:18: models[0].total_params_b: found a contradiction in m: 15000000 parameters, the shape says about "
      "13734144; correct one of them");
  EXPECT_EQ(
      refusal_with("active_params_b: 0.004", "active_params_b: 0.005"),
      "m.yaml:19: models[0].active_params_b: found a contradiction in m: 5000000 active parameters, total and experts "
      "say about 4000000; correct one of them");
}

// ---- memory ---------------------------------------------------------------------------------------------------------

TEST(MemoryFit, IsUtilisationLessReserveLessWeightsOverKvBytes) {
  const MemoryFit fit = memory_fit(replica("llama-3.1-8b", "h100-sxm"));
  const std::int64_t usable = (std::int64_t{80} << 30) / 1000 * 900 - (std::int64_t{512} << 20);
  EXPECT_EQ(fit.usable_bytes, usable);
  EXPECT_EQ(fit.weight_bytes, 16'060'000'000);
  EXPECT_EQ(fit.kv_bytes_per_token, 131'072);
  EXPECT_EQ(fit.kv_tokens, (usable - 16'060'000'000) / 131'072);
}

TEST(MemoryFit, HalvesTheCacheInEightBits) {
  Replica r = replica("llama-3.1-8b", "h100-sxm");
  const std::int64_t before = memory_fit(r).kv_tokens;
  r.kv = Precision::fp8;
  EXPECT_EQ(memory_fit(r).kv_bytes_per_token, 65'536);
  EXPECT_EQ(memory_fit(r).kv_tokens / 2, before);
}

TEST(MemoryFit, DividesKvHeadsNoFurtherThanThereAreAndRepeatsALatentOne) {
  EXPECT_EQ(memory_fit(replica("llama-3.1-70b", "h100-sxm", 4)).kv_bytes_per_token, 327'680 / 4);
  EXPECT_EQ(memory_fit(replica("llama-3.1-70b", "gb200", 16)).kv_bytes_per_token, 327'680 / 8);
  EXPECT_EQ(memory_fit(replica("deepseek-v3", "h200-sxm", 8)).kv_bytes_per_token, 70'272);
}

TEST(MemoryFit, CountsMixedPrecisionAndStates) {
  const MemoryFit oss = memory_fit(replica("gpt-oss-120b", "h100-sxm"));
  const std::int64_t routed = card("gpt-oss-120b").routed_parameters();
  EXPECT_EQ(oss.weight_bytes, (116'829'000'000 - routed) * 2 + routed / 32 * 17);  // 4.25 bits
  EXPECT_GT(memory_fit(replica("qwen3.5-397b-a17b", "gb200", 8)).state_bytes, 0);
  EXPECT_EQ(memory_fit(replica("llama-3.1-70b", "h100-sxm")).kv_tokens, 0);
}

// ---- steps ----------------------------------------------------------------------------------------------------------

struct Expected {
  const char* chip;
  double c0_ms, c1_us, kv_thousands;
};

// The placement study's table for Llama 3.1 8B in bf16 on one chip, whose efficiencies the catalogue assumes. Its c0 is
// without the part per sequence, ours of one sequence; hence 1 %.
TEST(Physics, GivesTheFiguresOfThePlacementStudy) {
  for (const Expected& e :
       {Expected{"h100-sxm", 8.4, 30, 463}, Expected{"h200-sxm", 6.3, 30, 913}, Expected{"l40s", 26.3, 83, 205},
        Expected{"tpu-v6e", 23.3, 36, 109}, Expected{"trainium2", 16.8, 64, 581}}) {
    const Replica r = replica("llama-3.1-8b", e.chip);
    const StepCost cost = step_cost(r);
    EXPECT_NEAR(ms(cost.c0(1)), e.c0_ms, 0.01 * e.c0_ms) << e.chip;
    EXPECT_NEAR(ms(cost.c1()) * 1000, e.c1_us, 0.015 * e.c1_us) << e.chip;
    EXPECT_NEAR(static_cast<double>(memory_fit(r).kv_tokens) / 1000, e.kv_thousands, 1.0) << e.chip;
  }
}

// Measured end to end by aiconfigurator's runs (vLLM, TensorRT-LLM; @095f58a5), decoding at a small batch: time per
// output token with context and the other requests' prefills in it. A physics table is held to 35 % there.
TEST(Physics, IsNearMeasuredDecodeSteps) {
  const auto step = [](Replica r, std::uint32_t n, std::int64_t context) {
    return ms(step_cost(r).step(n, 0, 0, n * context));
  };
  Replica fp8 = replica("llama-3.1-70b", "h100-sxm", 4);
  fp8.weights = Precision::fp8;
  EXPECT_NEAR(step(fp8, 4, 1536), 11.78, 0.35 * 11.78);
  EXPECT_NEAR(step(replica("llama-3.1-8b", "h100-sxm"), 16, 1280), 8.35, 0.35 * 8.35);
  EXPECT_NEAR(step(replica("gpt-oss-120b", "h200-sxm"), 4, 1536), 6.33, 0.35 * 6.33);
  EXPECT_NEAR(step(replica("gpt-oss-120b", "h100-sxm", 2), 64, 1536), 14.83, 0.35 * 14.83);
}

TEST(Physics, C2IsTheCacheOverTheBandwidth) {
  EXPECT_NEAR(static_cast<double>(step_cost(replica("llama-3.1-8b", "h100-sxm")).c2().count()), 131'072 / (3.35 * 0.65),
              1.0);
}

TEST(Physics, AShortWindowIsReadPerSequenceAndNotPerToken) {
  const StepCost oss = step_cost(replica("gpt-oss-120b", "h100-sxm"));
  EXPECT_NEAR(static_cast<double>(oss.c2().count()), 73'728 / 2 / (3.35 * 0.65), 1.0);  // half the layers
}

TEST(Physics, TokensChooseAsManyExpertsAsChanceHasIt) {
  EXPECT_DOUBLE_EQ(expected_experts(128, 4, 1), 4.0);
  EXPECT_NEAR(expected_experts(128, 4, 2), 4 + 4 * (124.0 / 128), 1e-9);
  EXPECT_DOUBLE_EQ(expected_experts(8, 8, 3), 8.0);
  EXPECT_NEAR(expected_experts(128, 4, 1024), 128.0, 1e-9);
}

TEST(Physics, MoreSequencesNeverCostLessAndMoreRanksNeverMore) {
  for (const auto& model : {"llama-3.1-70b", "gpt-oss-120b", "deepseek-v3", "qwen3.5-397b-a17b"}) {
    const StepCost one = step_cost(replica(model, "gb200", 4)), two = step_cost(replica(model, "gb200", 8));
    for (std::uint32_t n = 1; n < 256; ++n) EXPECT_LE(one.c0(n), one.c0(n + 1)) << model << " " << n;
    EXPECT_LT(two.c0(256), one.c0(256)) << model;
    EXPECT_LT(two.c1(), one.c1()) << model;
  }
}

TEST(Physics, AllReduceIsCharged) {
  Replica fast = replica("llama-3.1-70b", "h100-sxm", 4);
  Accelerator slow_links = fast.chip;
  slow_links.scale_up_bytes_per_s /= 10;
  const Replica slow{.model = fast.model, .chip = slow_links, .tp = 4};
  EXPECT_GT(step_cost(slow).c1(), step_cost(fast).c1());
  EXPECT_GT(step_cost(slow).c0(64), step_cost(fast).c0(64));
}

TEST(Physics, BucketsAreThoseThatEnginesPadTo) {
  EXPECT_EQ(batch_edges(1), (std::vector<std::uint32_t>{1}));
  EXPECT_EQ(batch_edges(20), (std::vector<std::uint32_t>{1, 2, 4, 8, 16, 20}));
  EXPECT_EQ(batch_edges(256).size(), 35u);  // 1, 2, 4 and 8 to 256 by 8
  EXPECT_EQ(batch_edges(1024).back(), 1024u);
}

TEST(Physics, EveryModelOnEveryChipIsRefusedOrStaysWithinTheBounds) {
  int built = 0;
  for (const auto& m : builtin_model_cards().models)
    for (const auto& a : builtin_catalogue().accelerators)
      for (const std::uint32_t tp : {1u, 2u, 8u}) {
        const Replica r = replica(m.id, a.id, tp);
        if (refusal_of(r).any()) continue;
        const StepCost cost = step_cost(r);
        ++built;
        EXPECT_GT(cost.c0(1).count(), 100'000'000) << m.id << " on " << a.id;           // 0.1 ms
        EXPECT_LT(cost.c0(256).count(), 10'000'000'000'000) << m.id << " on " << a.id;  // 10 s
        EXPECT_GT(cost.c1().count(), 0) << m.id << " on " << a.id;
        EXPECT_LE(cost.c2().count(), 10'000'000) << m.id << " on " << a.id;
        EXPECT_GE(memory_fit(r).kv_tokens, 0);
      }
  EXPECT_GT(built, 2000);
}

// ---- text -----------------------------------------------------------------------------------------------------------

TEST(ShowAccelerators, MarksWhatIsUnverifiedAndWhatIsAssumed) {
  const std::string text = show_accelerators(builtin_catalogue());
  const std::size_t at = text.find("\ntrainium2 ");
  ASSERT_NE(at, std::string::npos);
  const std::string line = text.substr(at + 1, text.find('\n', at + 1) - at - 1);
  EXPECT_EQ(line,
            "trainium2               AWS        neuron          667        1299           -        96.0      2900      "
            " 640?      64   500?     55*      2.20*");
}

TEST(ShowModels, HasALineForEachCard) {
  const std::string text = show_models(builtin_model_cards());
  for (const auto& each : builtin_model_cards().models)
    EXPECT_NE(text.find("\n" + each.id + " "), std::string::npos) << each.id;
  EXPECT_NE(models_json(builtin_model_cards()).find("\"id\": \"phi-4\""), std::string::npos);
  EXPECT_NE(accelerators_json(builtin_catalogue()).find("\"id\": \"maia-200\""), std::string::npos);
}

}  // namespace
}  // namespace yard
