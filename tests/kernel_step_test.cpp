// Steps put together of measured kernels: against sums made by hand, and as a fleet's pool names their tables.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "scheduler/base/input_error.h"
#include "scheduler/cost/compile_fleet.h"
#include "scheduler/cost/kernel_step.h"
#include "scheduler/cost/kernel_table_text.h"
#include "scheduler/cost/show.h"
#include "tests/scratch.h"
#include "topology/fleet.h"

namespace yard {
namespace {

const Accelerator& h200() { return *builtin_catalogue().find("h200-sxm"); }
const ModelCard& llama_8b() { return *builtin_model_cards().find("llama-3.1-8b"); }

constexpr Log2 kWide = 29 * kOctave;  // far enough for any size asked of an axis

// Every kernel of that category takes 2^octaves times its roofline, as far as `reach` of the first axis.
KernelTable flat(KernelCategory category, int octaves, Log2 reach = kWide, const Accelerator& chip = h200()) {
  KernelGrid grid{.category = category, .axes = {}, .residual = {}, .spread = {}};
  grid.axes = {{{0, reach}, {0, kWide}, {0, kWide}, {0, kWide}}};
  grid.residual.assign(16, octaves * kOctave);
  grid.spread.assign(16, 20);
  return KernelTable(chip, Picoseconds(), {grid});
}
KernelCategory gemm_of(KernelFormat format) { return {.family = KernelFamily::gemm, .format = format}; }
KernelCategory attention_of(KernelFamily family) { return {.family = family, .head_dim = 128}; }

Replica replica(std::uint32_t tp = 1) { return {.model = llama_8b(), .chip = h200(), .tp = tp, .max_sequences = 64}; }

double seconds(Picoseconds p) { return static_cast<double>(p.count()) / 1e12; }

// Bytes of m x k, k x n and m x n values of bf16 at 4.8 TB/s, or 2 m n k at 989 TFLOP/s.
double gemm_roofline(double m, double n, double k) {
  return std::max(2 * (m * k + k * n + m * n) / 4.8e12, 2 * m * n * k / 989e12);
}
// Of Llama 3.1 8B on `tp` ranks, twice the roofline: 32 layers of q k v, output, gate and up, down; and the LM head.
double gemms_by_hand(double tokens, double sequences, double tp) {
  const double layer = gemm_roofline(tokens, 6144 / tp, 4096) + gemm_roofline(tokens, 4096, 4096 / tp) +
                       gemm_roofline(tokens, 28'672 / tp, 4096) + gemm_roofline(tokens, 4096, 14'336 / tp);
  return 2 * (32 * layer + gemm_roofline(sequences, 128'256 / tp, 4096));
}

// ---- composition ----------------------------------------------------------------------------------------------------

TEST(KernelStep, SumsTheLayersGemmsAndTakesTheRestFromPhysics) {
  const KernelTable gemm = flat(gemm_of(KernelFormat::bf16), 1);
  for (const std::uint32_t tp : {1u, 4u}) {
    const Replica r = replica(tp);
    const KernelStepCost made = kernel_step_cost(r, {.gemm = &gemm}, 100);
    const StepPhysics one = step_physics(r, 1), many = step_physics(r, 64);
    EXPECT_NEAR(seconds(made.cost.c0(1)), gemms_by_hand(1, 1, tp) + one.rest.c0, 5e-6) << tp;
    EXPECT_NEAR(seconds(made.cost.c0(64)), gemms_by_hand(64, 64, tp) + many.rest.c0, 5e-6) << tp;
    EXPECT_NEAR(seconds(made.cost.c2()), one.attention.c2, 1e-12) << "decodes over KV by physics";
    EXPECT_NEAR(seconds(made.cost.c4()), one.attention.c4 * 1024, 1e-12) << "prompts' attention too";
    EXPECT_EQ(made.held_permille, 0u);
    EXPECT_GT(made.measured_permille, 300u);
  }
}

TEST(KernelStep, SumsAttentionByHeadsOfARank) {
  const KernelTable decode = flat(attention_of(KernelFamily::decode_attention), 2);
  const Replica r = replica(4);
  const KernelStep step(r, {.decode = &decode}, 100);
  // Two of 8 KV heads, 8 of 32 query heads: keys and values of 1,000 tokens, query and answer, in bf16; 32 layers, four
  // times the roofline.
  const double bytes = 16 * 128 * (2 * 2 * 2 * 1000.0 + 4 * 8);
  const StepPhysics physics = step_physics(r, 16);
  const ComposedStep composed = step.decode(16, 1000);
  EXPECT_NEAR(composed.measured, 4 * 32 * bytes / 4.8e12, 1e-8);
  EXPECT_NEAR(composed.seconds, composed.measured + physics.dense.c0 + physics.rest.c0, 1e-9);
  EXPECT_NEAR(composed.doubt, 0.02 * composed.measured + 0.1 * (composed.seconds - composed.measured), 1e-9);
  EXPECT_EQ(composed.held, 0.0);
}

// Llama 3.1 8B's 32 layers of 32 heads of 128: 4 FLOPs a value and pair, at half of 989 TFLOP/s.
TEST(KernelStep, ChargesPromptsByTheirPairs) {
  const KernelTable prefill = flat(attention_of(KernelFamily::prefill_attention), 1);
  const StepCost cost = kernel_step_cost(replica(), {.prefill = &prefill}, 100).cost;
  EXPECT_NEAR(seconds(cost.c4()), 2 * 1024 * 32 * 4.0 * 32 * 128 / 989e12, 1e-11);
  EXPECT_NEAR(seconds(cost.c1()), step_physics(replica(), 1).dense.c1, 5e-7) << "the rest is physics";
}

TEST(KernelStep, LineGoesThroughWhatIsLinear) {
  const KernelTable gemm = flat(gemm_of(KernelFormat::bf16), 1);
  const KernelTable decode = flat(attention_of(KernelFamily::decode_attention), 0);
  const Replica r = replica();
  const ReplicaKernels kernels{.gemm = &gemm, .decode = &decode};
  const StepCost cost = kernel_step_cost(r, kernels, 100).cost;
  const KernelStep step(r, kernels, 100);
  for (const std::uint32_t n : {1u, 8u, 64u})
    for (const std::int64_t context : {300, 3000, 12'000}) {
      const double composed = step.decode(n, context).seconds;
      EXPECT_NEAR(seconds(cost.step(n, 0, 0, n * context)), composed, 1e-3 * composed) << n << " " << context;
    }
  EXPECT_EQ(cost.error_permille(), KernelStepCost::kLeastError);
}

TEST(KernelStep, BeyondTheTableHoldsUtilisationAndDoubtsMore) {
  const KernelTable whole = flat(gemm_of(KernelFormat::bf16), 1),
                    cut = flat(gemm_of(KernelFormat::bf16), 1, 2 * kOctave);
  const Replica r = replica();
  const KernelStepCost known = kernel_step_cost(r, {.gemm = &whole}, 100),
                       held = kernel_step_cost(r, {.gemm = &cut}, 100);
  EXPECT_EQ(held.cost.c0(64), known.cost.c0(64)) << "the same utilisation, on the roofline";
  EXPECT_EQ(known.held_permille, 0u);
  EXPECT_GT(held.held_permille, 200u);
  EXPECT_GT(held.cost.error_permille(), known.cost.error_permille() + 100);
}

// Of a chip: weights of Llama 3.1 8B in fp8 are half as long to read, by kernels as by physics.
TEST(KernelStep, TakesTheGridOfTheReplicasFormat) {
  const KernelTable gemm = flat(gemm_of(KernelFormat::fp8), 1), blocks = flat(gemm_of(KernelFormat::fp8_block), 1);
  Replica r = replica();
  r.weights = Precision::fp8;
  const StepCost cost = kernel_step_cost(r, {.gemm = &gemm}, 100).cost;
  EXPECT_LT(seconds(cost.c0(1)) - step_physics(r, 1).rest.c0, 0.52 * gemms_by_hand(1, 1, 1));
  EXPECT_EQ(kernel_step_cost(r, {.gemm = &blocks}, 100).cost.c0(1), cost.c0(1))
      << "by block, where that is all there is";
}

// Doubles in one order: from every compiler and for every x86-64 the same.
TEST(KernelStep, IsTheSameOnEveryBuild) {
  const KernelTable gemm = flat(gemm_of(KernelFormat::bf16), 1);
  const StepCost cost = kernel_step_cost(replica(), {.gemm = &gemm}, 100).cost;
  EXPECT_EQ(cost.c0(1).count(), 7'764'068'753);
  EXPECT_EQ(cost.c0(64).count(), 8'392'042'509);
  EXPECT_EQ(cost.c1().count(), 20'632'288);
  EXPECT_EQ(cost.c2().count(), 42'010);
  EXPECT_EQ(cost.c4().count(), 1'085'684);
}

// ---- in a fleet -----------------------------------------------------------------------------------------------------

// A folder with a fleet file's tables.
class PoolKernels : public ::testing::Test {
 protected:
  void SetUp() override {
    put("gemm.table", flat(gemm_of(KernelFormat::bf16), 1));
    put("decode.table", flat(attention_of(KernelFamily::decode_attention), 0));
    put("other.table", flat(gemm_of(KernelFormat::bf16), 1, kWide, *builtin_catalogue().find("h100-sxm")));
    folder_.with("cut.table", kernel_table_text(flat(gemm_of(KernelFormat::bf16), 1)).substr(0, 40));
    std::string strange = kernel_table_text(flat(gemm_of(KernelFormat::bf16), 1));
    folder_.with("strange.table", strange.replace(strange.find("grid 0"), 6, "grid 7"));
  }
  void put(const char* name, const KernelTable& table) { folder_.with(name, kernel_table_text(table)); }

  Fleet fleet(const std::string& keys) const {
    return read_fleet(folder_.at("fleet.yaml"),
                      "pools: [{name: a, model: llama-3.1-8b, accelerator: h200-sxm, " + keys + "}]");
  }
  // Returns: what the user reads, from the fleet's name on; empty where the fleet is good.
  std::string answer(const std::string& keys) const {
    try {
      compile_fleet(fleet(keys));
      return "";
    } catch (const InputError& e) {
      std::string what = e.what();
      for (std::size_t at; (at = what.find(folder_.path() + "/")) != std::string::npos;)
        what.erase(at, folder_.path().size() + 1);
      return what;
    }
  }

  testing::Scratch folder_;
};

TEST_F(PoolKernels, MakeThePoolsCosts) {
  const Fleet read = fleet("max_sequences: 64, kernels: [gemm.table, decode.table]");
  const CompiledFleet compiled = compile_fleet(read);
  const KernelTable gemm = flat(gemm_of(KernelFormat::bf16), 1);
  const KernelTable decode = flat(attention_of(KernelFamily::decode_attention), 0);
  const StepCost& cost = compiled.tables[compiled.view.pools[0].cost];
  const StepCost wanted = kernel_step_cost(replica(), {.gemm = &gemm, .decode = &decode}, 100).cost;
  for (std::uint32_t n = 1; n <= 64; ++n) EXPECT_EQ(cost.c0(n), wanted.c0(n)) << n;
  EXPECT_EQ(cost.c1(), wanted.c1());
  EXPECT_EQ(cost.c2(), wanted.c2());
  EXPECT_EQ(cost.c4(), wanted.c4());
  EXPECT_EQ(cost.error_permille(), wanted.error_permille());
  EXPECT_GT(compiled.kernel_shares[compiled.view.pools[0].cost.value].measured_permille, 0u);
}

TEST_F(PoolKernels, AreSharedByPoolsAlikeOnly) {
  const Fleet read = read_fleet(folder_.at("fleet.yaml"),
                                "pools:\n"
                                "  - {name: a, model: llama-3.1-8b, accelerator: h200-sxm, kernels: gemm.table}\n"
                                "  - {name: b, model: llama-3.1-8b, accelerator: h200-sxm, kernels: gemm.table}\n"
                                "  - {name: c, model: llama-3.1-8b, accelerator: h200-sxm}\n");
  const CompiledFleet compiled = compile_fleet(read);
  EXPECT_EQ(compiled.view.pools[0].cost, compiled.view.pools[1].cost);
  EXPECT_NE(compiled.view.pools[0].cost, compiled.view.pools[2].cost);
  EXPECT_EQ(compiled.kernel_shares[compiled.view.pools[2].cost.value].measured_permille, 0u);
}

TEST_F(PoolKernels, AreSaidToBeWhereTheCostsAreFrom) {
  const Fleet read = fleet("max_sequences: 64, kernels: gemm.table");
  const CompiledFleet compiled = compile_fleet(read);
  const KernelShares& shares = compiled.kernel_shares[0];
  const std::string text = show_fleet(read, compiled), json = fleet_json(read, compiled);
  EXPECT_NE(text.find("  kernels  "), std::string::npos) << text;
  EXPECT_NE(text.find(fmt::format("costs of a: {:.1f} % of a step's time by measured kernels (0.0 % beyond what was "
                                  "measured), the rest by physics; error 10.0 %",
                                  shares.measured_permille / 10.0)),
            std::string::npos)
      << text;
  EXPECT_NE(json.find(R"("costs_from": "kernels", "cost_error_percent": 10, "measured_percent": )"), std::string::npos)
      << json;
}

TEST_F(PoolKernels, ThatCannotBeAreRefusedInOneLine) {
  const std::string at = "fleet.yaml:1: pools[0].kernels: ";
  EXPECT_EQ(
      answer("kernels: none.table"),
      at + "found no file 'none.table'; accepted: a file that switchyard cost fit --out wrote; a relative path lies "
           "beside the fleet file");
  EXPECT_EQ(answer("kernels: other.table"),
            at +
                "found a table of h100-sxm in 'other.table' for h200-sxm; accepted: a table of the pool's accelerator: "
                "switchyard cost fit --accelerator h200-sxm");
  EXPECT_EQ(
      answer("precision: fp8, kernels: gemm.table"),
      at + "found a table of bfloat16 in 'gemm.table' for weights of fp8; accepted: a table with the pool's number "
           "format");
  EXPECT_EQ(answer("precision: int4, kernels: gemm.table"),
            at + "found a table of bfloat16 in 'gemm.table' for weights of int4; accepted: bf16 or fp8, or no table of "
                 "gemm");
  EXPECT_EQ(answer("kv_precision: fp8, kernels: decode.table"),
            at + "found a table of bfloat16 in 'decode.table' for a KV cache of fp8; accepted: a table with the pool's "
                 "number format");
  EXPECT_EQ(answer("kernels: [gemm.table, gemm.table]"), at + "found two tables of gemm; accepted: one a family");
  EXPECT_EQ(answer("kernels: []"), at + "found an empty list; accepted: files that switchyard cost fit --out wrote");
  EXPECT_EQ(answer("profile: p, kernels: gemm.table"), at + "found it beside profile; accepted: one of both");
  EXPECT_EQ(
      answer("kernels: strange.table"),
      "strange.table:2: found '7' for a number from 0 to 2; accepted: a file that switchyard cost fit --out wrote");
  EXPECT_EQ(answer("kernels: cut.table").rfind("cut.table:", 0), 0u) << answer("kernels: cut.table");
  EXPECT_EQ(answer("kernels: gemm.table"), "");
}

TEST_F(PoolKernels, OfAttentionAreNotForMla) {
  const Fleet read = read_fleet(folder_.at("fleet.yaml"),
                                "pools: [{name: a, model: deepseek-v3, accelerator: h200-sxm, tp: 8, precision: fp8, "
                                "kernels: decode.table}]");
  try {
    compile_fleet(read);
    FAIL();
  } catch (const InputError& e) {
    EXPECT_NE(std::string(e.what()).find("found a table of decode_attention in 'decode.table' for deepseek-v3, whose "
                                         "attention is MLA; accepted: a table of gemm"),
              std::string::npos)
        << e.what();
  }
}

}  // namespace
}  // namespace yard
