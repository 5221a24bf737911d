// Measured kernels put together to steps: interpolation, skew, the published files, and what is wrong with them.
#include <gtest/gtest.h>

#include <string>

#include "scheduler/base/input_error.h"
#include "scheduler/cost/compile_fleet.h"
#include "scheduler/cost/operator_profile.h"
#include "tests/vllm_files.h"

namespace yard {
namespace {

using testing::put;
using testing::put_profile;
using testing::TemporaryFolder;

std::int64_t us(Picoseconds p) { return p.count() / 1'000'000; }
Picoseconds microseconds_of(std::int64_t n) { return Picoseconds(n * 1'000'000); }

// ---- tables ---------------------------------------------------------------------------------------------------------

TEST(Curve, IsStraightBetweenItsPointsAndGoesOnBeyondTheLast) {
  const Curve curve({{10, Picoseconds(100)}, {20, Picoseconds(300)}, {40, Picoseconds(400)}});
  EXPECT_EQ(curve.at(10), Picoseconds(100));
  EXPECT_EQ(curve.at(15), Picoseconds(200));
  EXPECT_EQ(curve.at(20), Picoseconds(300));
  EXPECT_EQ(curve.at(30), Picoseconds(350));
  EXPECT_EQ(curve.at(60), Picoseconds(500));
  EXPECT_EQ(curve.at(3), Picoseconds(100)) << "before the first it is constant";
}

TEST(Curve, OfOnePointIsConstant) {
  const Curve curve({{10, Picoseconds(7)}});
  EXPECT_EQ(curve.at(0), Picoseconds(7));
  EXPECT_EQ(curve.at(1'000'000), Picoseconds(7));
}

TEST(Curve, FarBeyondItsSteepestEndStaysWithinBounds) {
  const Curve curve({{0, Picoseconds(0)}, {1, Picoseconds((std::int64_t{1} << 50) - 1)}});
  EXPECT_GT(curve.at((std::int64_t{1} << 31) - 1).count(), 0);
  EXPECT_LT(curve.at((std::int64_t{1} << 31) - 1).count(), std::int64_t{1} << 53);
}

TEST(AttentionTable, IsLinearOnEachOfItsFourAxes) {
  std::vector<AttentionTable::Row> rows;
  for (const std::int64_t r : {0, 100})
    for (const std::int64_t b : {0, 50})
      for (const std::int64_t d : {1, 5})
        for (const std::int64_t c : {0, 10}) rows.push_back({r, b, d, c, Picoseconds(1000 * r + 100 * b + 10 * d + c)});
  const AttentionTable table(std::move(rows));
  EXPECT_EQ(table.at(100, 50, 5, 10), Picoseconds(105'060));
  EXPECT_EQ(table.at(40, 50, 5, 10), Picoseconds(45'060));
  EXPECT_EQ(table.at(100, 20, 5, 10), Picoseconds(102'060));
  EXPECT_EQ(table.at(100, 50, 3, 10), Picoseconds(105'040));
  EXPECT_EQ(table.at(100, 50, 5, 6), Picoseconds(105'056));
  EXPECT_EQ(table.at(200, 50, 5, 10), Picoseconds(205'060)) << "beyond its last point it goes on";
}

TEST(AttentionTable, APairThatWasNotMeasuredCountsAsTheNearest) {
  const AttentionTable table(
      {{0, 0, 1, 0, Picoseconds(10)}, {0, 0, 8, 0, Picoseconds(80)}, {64, 0, 8, 0, Picoseconds(900)}});
  EXPECT_EQ(table.at(64, 0, 1, 0), Picoseconds(900));
}

OperatorProfile skewed(std::int64_t millionths) {
  return OperatorProfile(Curve({{1, Picoseconds(0)}}), Curve({{1, Picoseconds(0)}}),
                         AttentionTable({{0, 0, 1, 0, microseconds_of(100)}, {0, 0, 1, 1000, microseconds_of(1100)}}),
                         millionths);
}

TEST(OperatorProfile, DecodesOfUnlikeLengthCostSomeOfTheWayToAllBeingTheLongest) {
  const StepShape shape{.slots = 2, .decoding = 2, .decode_context = 400, .longest = 300};
  EXPECT_EQ(us(skewed(0).step(shape)), 300);
  EXPECT_EQ(us(skewed(250'000).step(shape)), 325);
  EXPECT_EQ(us(skewed(250'000).only({.skew = false}).step(shape)), 300);
}

TEST(OperatorProfile, DecodesOfLikeLengthCostTheirMean) {
  EXPECT_EQ(us(skewed(250'000).step({.slots = 2, .decoding = 2, .decode_context = 400, .longest = 200})), 300);
}

TEST(OperatorProfile, ApartItsAttentionIsTheSumOfReadingAndDecoding) {
  const OperatorProfile profile(
      Curve({{1, Picoseconds(0)}}), Curve({{1, Picoseconds(0)}}),
      AttentionTable(
          {{0, 0, 1, 10, microseconds_of(3)}, {8, 0, 0, 0, microseconds_of(5)}, {8, 0, 1, 10, microseconds_of(6)}}),
      0);
  const StepShape both{.slots = 2, .read = 8, .decoding = 1, .decode_context = 10, .longest = 10};
  EXPECT_EQ(us(profile.step(both)), 6);
  EXPECT_EQ(us(profile.only({.joint = false}).step(both)), 8);
}

// ---- files ----------------------------------------------------------------------------------------------------------

TEST(OperatorProfile, CountsLayersTheirTwoNormsAndWhatRunsOnce) {
  const TemporaryFolder folder;
  put_profile(folder.file("p"));
  const OperatorProfile profile = read_operator_profile(folder.file("p"), 32, 1);
  // 8 operators of 1.01 us in each of 32 layers, 4 + 110 us once, attention 5 us a layer.
  EXPECT_EQ(profile.step({.slots = 1, .decoding = 1}), Picoseconds(258'560'000 + 114'000'000 + 160'000'000));
  // A token more is 0.01 us an operator and layer, and each 1,000 tokens read are 100 us of attention a layer.
  EXPECT_EQ(profile.step({.slots = 1, .read = 1000}),
            Picoseconds(258'560'000 + 999 * 2'560'000ll + 114'000'000 + 105 * 32'000'000ll));
  EXPECT_EQ(profile.skew_millionths(), 0);
}

TEST(OperatorProfile, TakesTheSkewThatItsMetaStatesAndNoneWhereNoneWasMeasured) {
  const TemporaryFolder folder;
  put_profile(folder.file("p"), "{enabled: true, per_tp: {1: {alpha_default: 0.0543}}}");
  EXPECT_EQ(read_operator_profile(folder.file("p"), 32, 1).skew_millionths(), 54'300);
  put_profile(folder.file("p"), "{enabled: false, per_tp: {1: {alpha_default: 0.0543}}}");
  EXPECT_EQ(read_operator_profile(folder.file("p"), 32, 1).skew_millionths(), 0);
}

TEST(OperatorProfile, WhatCoreBelievesOfItIsItsOwnCostWhereNothingInterpolates) {
  const TemporaryFolder folder;
  put_profile(folder.file("p"));
  const OperatorProfile profile = read_operator_profile(folder.file("p"), 32, 1);
  const StepCost cost = profile.believed(16, 100);
  EXPECT_EQ(cost.c0(1), profile.step({.slots = 1, .decoding = 1}));
  EXPECT_EQ(cost.c0(16), profile.step({.slots = 16, .decoding = 16}));
  EXPECT_EQ(cost.c1(), Picoseconds(2'560'000));
  EXPECT_EQ(cost.c2(), Picoseconds(32'000)) << "1 us a sequence and 1,000 tokens, in each of 32 layers";
}

struct Wrong {
  const char *file, *text, *message;
};

std::string what_reading_says(const std::string& folder) {
  try {
    read_operator_profile(folder, 32, 1);
    return "";
  } catch (const InputError& e) {
    std::string what = e.what();
    EXPECT_EQ(what.find('\n'), std::string::npos) << what;
    EXPECT_TRUE(what.starts_with(folder)) << what;
    return what.substr(folder.size());
  }
}

TEST(OperatorProfile, SaysInOneLineWhatIsWrongWithItsFiles) {
  const Wrong wrongs[] = {
      {"tp1/dense.csv", "layer,tokens,ms\n",
       "/tp1/dense.csv:1: found 'layer,tokens,ms'; accepted: the heading layer,tokens,time_us"},
      {"tp1/dense.csv", "layer,tokens,time_us\n",
       "/tp1/dense.csv:1: found 'no row'; accepted: at least one row below the heading"},
      {"tp1/dense.csv", "layer,tokens,time_us\nmoe,1,2\n",
       "/tp1/dense.csv:2: layer: found 'moe'; accepted: one of embedding, layernorm, qkv_proj, qk_norm, rotary_emb, "
       "o_proj, gate_up_proj, act_fn, down_proj, final_layernorm"},
      {"tp1/dense.csv", "layer,tokens,time_us\nact_fn,1,2\nact_fn,1,3\n",
       "/tp1/dense.csv:3: tokens: found '1 twice'; accepted: each size once"},
      {"tp1/dense.csv", "layer,tokens,time_us\nact_fn,1,2\n",
       "/tp1/dense.csv: layer: found 'no row of embedding'; accepted: one at least of each operator"},
      {"tp1/per_sequence.csv", "layer,sequences,time_us\nlm_head,1,-2\n",
       "/tp1/per_sequence.csv:2: found '-2'; accepted: a number from 0 to 1000000"},
      {"tp1/per_sequence.csv", "layer,sequences,time_us\nlm_head,1,nan\n",
       "/tp1/per_sequence.csv:2: found 'nan'; accepted: a number from 0 to 1000000"},
      {"tp1/attention.csv", "prefill_chunk,kv_prefill,n_decode,kv_decode,time_us\n0,0,1,2\n",
       "/tp1/attention.csv:2: found '0,0,1,2'; accepted: 5 cells"},
      {"tp1/attention.csv", "prefill_chunk,kv_prefill,n_decode,kv_decode,time_us\n0,0,1,0,1\n0,0,1,0,1\n",
       "/tp1/attention.csv:3: found 'a place twice'; accepted: it once; it stands in line 2"},
      {"meta.yaml", "skew_fit: {enabled: true, per_tp: {2: {alpha_default: 0.1}}}\n",
       "/meta.yaml:1: skew_fit.per_tp: lacks a key; add 1"},
  };
  for (const Wrong& wrong : wrongs) {
    const TemporaryFolder folder;
    put_profile(folder.file("p"));
    put(folder.file("p") + "/" + wrong.file, wrong.text);
    EXPECT_EQ(what_reading_says(folder.file("p")), wrong.message);
  }
}

// ---- fleets ---------------------------------------------------------------------------------------------------------

std::string pool_with(const std::string& more, const char* model = "llama-3.1-8b") {
  return std::string("pools: [{name: a, model: ") + model + ", accelerator: h100-sxm, " + more + "}]\n";
}

std::string what_compiling_says(const TemporaryFolder& folder, const std::string& text) {
  try {
    compile_fleet(read_fleet(folder.file("fleet.yaml"), text));
    return "";
  } catch (const InputError& e) {
    return std::string(e.what()).substr(folder.file("").size());
  }
}

TEST(OperatorProfile, OfAPoolLiesBesideTheFleetFile) {
  const TemporaryFolder folder;
  put_profile(folder.file("kernels"));
  const CompiledFleet fleet =
      compile_fleet(read_fleet(folder.file("fleet.yaml"), pool_with("profile: kernels, max_sequences: 16")));
  const OperatorProfile* profile = fleet.tables.profile(fleet.view.pools[0].cost);
  ASSERT_NE(profile, nullptr);
  EXPECT_EQ(fleet.tables[fleet.view.pools[0].cost].c0(16), profile->step({.slots = 16, .decoding = 16}));
}

TEST(OperatorProfile, OfAPoolMustFitItsModel) {
  const TemporaryFolder folder;
  put_profile(folder.file("kernels"));
  EXPECT_EQ(what_compiling_says(folder, pool_with("profile: kernels", "qwen3-8b")),
            "fleet.yaml:1: pools[0].profile: found a profile of 'meta-llama/Llama-3.1-8B' for qwen3-8b; accepted: a "
            "profile of the pool's model");
  EXPECT_EQ(what_compiling_says(folder, pool_with("profile: kernels, tp: 2")),
            "kernels: tp: found 2; accepted: 1; a profile has no all-reduce between chips");
  EXPECT_EQ(what_compiling_says(folder, pool_with("profile: kernels", "qwen3-30b-a3b")),
            "fleet.yaml:1: pools[0].profile: found a profile for qwen3-30b-a3b, which has experts; accepted: a dense "
            "model; use table");
  EXPECT_EQ(what_compiling_says(folder, pool_with("profile: none")).find("none/meta.yaml"), 0u);
  EXPECT_EQ(what_compiling_says(folder,
                                pool_with("table: {c0_ps: [{up_to: 1, ps: 1}], c1_ps: 1, c2_ps: 1}, profile: kernels")),
            "fleet.yaml:1: pools[0].profile: found it beside table; accepted: one of both");
}

}  // namespace
}  // namespace yard
