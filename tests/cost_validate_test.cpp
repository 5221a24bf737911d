// Claims about costs that hold, pinned: held against the public measurements where SWITCHYARD_DATA_DIR has them.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "scheduler/base/sanitized.h"
#include "scheduler/validate/costs.h"

namespace yard {
namespace {

// Skips, saying so, without the data.
class CostClaim : public ::testing::Test {
 protected:
  void SetUp() override {
    if (kSanitized)
      GTEST_SKIP() << "some 10^9 distances: too slow under a sanitizer; kernel_table_test runs the same code";
    if (const char* folder = std::getenv("SWITCHYARD_DATA_DIR"))
      claims_.folder = folder;
    else if (const char* source = std::getenv("SWITCHYARD_SOURCE_DIR"))
      claims_.folder = std::string(source) + "/../shared/data";
    if (!std::filesystem::exists(claims_.folder + "/costs/aiconfigurator"))
      GTEST_SKIP() << "no public data in " << claims_.folder << " (SWITCHYARD_DATA_DIR)";
  }

  void expect_met(const Claim& claim, std::int64_t at_least) {
    const ErrorSummary s = claim.errors.summary();
    EXPECT_GT(claim.aim, 0) << claim.what;
    EXPECT_LE(s.mape, claim.aim) << claim.what << " seed " << claims_.seed << ": " << claim.note;
    EXPECT_GE(s.n, at_least) << claim.what;
  }

  CostClaims claims_;
};

TEST_F(CostClaim, DecodeAttentionOfShapesHeldOut) {
  expect_met(claim_operator(claims_, KernelFamily::decode_attention, SplitBy::point), 10'000);
}
TEST_F(CostClaim, GemmOfShapesHeldOut) {
  expect_met(claim_operator(claims_, KernelFamily::gemm, SplitBy::point), 20'000);
}
TEST_F(CostClaim, GemmOfWholeLayersHeldOut) {
  Claim claim = claim_operator(claims_, KernelFamily::gemm, SplitBy::layer);
  claim.aim = 0.042;
  expect_met(claim, 20'000);
}
TEST_F(CostClaim, PrefillAttentionOfShapesHeldOut) {
  expect_met(claim_operator(claims_, KernelFamily::prefill_attention, SplitBy::point), 9'000);
}
TEST_F(CostClaim, GemmOfAnH200FromAnH100And300Probes) {
  expect_met(claim_transfer(claims_, KernelFamily::gemm, 300), 100'000);
}
TEST_F(CostClaim, DecodeAttentionOfAnH200FromAnH100And300Probes) {
  expect_met(claim_transfer(claims_, KernelFamily::decode_attention, 300), 60'000);
}
TEST_F(CostClaim, PrefillAttentionOfAnH200FromAnH100And300Probes) {
  expect_met(claim_transfer(claims_, KernelFamily::prefill_attention, 300), 50'000);
}

TEST_F(CostClaim, CollectivesOfSizesLeftOut) {
  for (Claim claim : claim_collectives(claims_)) {
    claim.aim = 0.12;
    expect_met(claim, 200);
  }
}

TEST_F(CostClaim, PublishedPointsOfTpuAndNeuron) {
  const std::vector<Claim> all = claim_published(claims_);
  ASSERT_EQ(all.size(), 3u);
  EXPECT_LT(all[0].errors.summary().mape, 0.325) << "zero shot: the aim is 30";
  expect_met(all[1], 80);  // by a relative's points
  expect_met(all[2], 60);  // after one of its own
}

// Nothing of a deployment is fitted; what is reached is pinned.
TEST_F(CostClaim, KernelsPutTogetherAreNearerToDeploymentsThanPhysics) {
  const std::vector<Claim> all = claim_composed(claims_);
  ASSERT_EQ(all.size(), 2u);
  const ErrorSummary physics = all[0].errors.summary(), composed = all[1].errors.summary();
  EXPECT_EQ(composed.n, 421);
  EXPECT_LT(composed.mape, 0.20);
  EXPECT_LT(composed.mape, 0.75 * physics.mape);
}

// What is reached is pinned: relatives are worth something, and their intervals hold.
TEST_F(CostClaim, RelativesOfKeysLeftOut) {
  const std::vector<Claim> all = claim_relatives(claims_);
  ASSERT_GT(all.size(), 7u);
  EXPECT_LT(all[1].errors.summary().mape, 0.95 * all[0].errors.summary().mape) << "beside the terms alone";
  for (const Claim& claim : all) {
    if (!claim.coverage || claim.coverage->asked == 0) continue;
    EXPECT_GE(claim.coverage->share(), 0.88) << claim.what;
    EXPECT_LE(claim.coverage->share(), 0.98) << claim.what;
  }
}

TEST_F(CostClaim, IntervalsCoverNinetyPercentBeforeAndAfterASlowdown) {
  const std::vector<Claim> all = claim_intervals(claims_);
  ASSERT_EQ(all.size(), 9u);
  for (const Claim& claim : all) {
    ASSERT_TRUE(claim.coverage.has_value()) << claim.what;
    EXPECT_TRUE(claim.met()) << claim.what << ": " << 100 * claim.coverage->share() << " %, seed " << claims_.seed;
    EXPECT_GE(claim.coverage->asked, 1000) << claim.what;
  }
}

// The aims are 10 and 13 % (met): what is reached is pinned.
TEST_F(CostClaim, EnergyOfAModelLeftOut) {
  const std::vector<Claim> all = claim_energy(claims_);
  ASSERT_EQ(all.size(), 2u);
  EXPECT_LT(all[0].errors.summary().mape, 0.116);
  EXPECT_TRUE(all[1].met()) << all[1].errors.summary().mape;
  EXPECT_EQ(all[0].errors.summary().n + all[0].refused.rows(), 405);
  EXPECT_EQ(all[1].errors.summary().n + all[1].refused.rows(), 433);
}

// The aim is 20 %: what is reached is pinned, and that what engines hold back is most of what a simulation lacks.
TEST_F(CostClaim, FirstTokensOfAModelLeftOut) {
  const std::vector<Claim> all = claim_ttft(claims_);
  ASSERT_GT(all.size(), 5u);
  const auto mape = [&](std::size_t i) { return all[i].errors.summary().mape; };
  EXPECT_EQ(all[3].errors.summary().n, 400);
  EXPECT_LT(mape(3), 0.36);
  EXPECT_LT(mape(3), 0.6 * mape(1)) << "beside the engine's own time alone";
  EXPECT_LT(mape(4), 0.18) << "TPOT";
}

// The aims are 20 (met) and 12 %, and 30 % below the nine terms: what is reached is pinned.
TEST_F(CostClaim, DeploymentsOfAModelLeftOut) {
  const std::vector<Claim> all = claim_deployments(claims_);
  ASSERT_EQ(all.size(), 5u);
  const auto mape = [&](std::size_t i) { return all[i].errors.summary().mape; };
  EXPECT_GT(mape(0), 0.6) << "the roofline alone";
  EXPECT_LT(mape(2), 0.73 * mape(1)) << "ours beside nine terms";
  EXPECT_TRUE(all[2].met());
  EXPECT_LT(mape(4), 0.57 * mape(3)) << "five samples a cell";
  EXPECT_LT(mape(4), 0.127);
  EXPECT_EQ(all[2].errors.summary().n + all[2].refused.rows(), 2766);
}

}  // namespace
}  // namespace yard
