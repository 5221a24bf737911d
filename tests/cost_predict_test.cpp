// What a deployment's steps cost by physical terms, what it draws, and plots of both.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "scheduler/base/input_error.h"
#include "scheduler/cost/claims.h"
#include "scheduler/cost/collective.h"
#include "scheduler/cost/deployment_rows.h"
#include "scheduler/cost/plot.h"
#include "scheduler/cost/predict.h"
#include "scheduler/cost/relatives.h"

namespace yard {
namespace {

Deployment deployment(std::string_view model, std::string_view chip, std::uint32_t tp = 1) {
  const ModelCard* card = builtin_model_cards().find(model);
  const Accelerator* accelerator = builtin_catalogue().find(chip);
  return {
      .model = card, .chip = accelerator, .weights = card->weights, .expert_weights = card->expert_weights, .tp = tp};
}

double c0(const Deployment& d, Term term, double n) { return term_costs(d, n)[static_cast<std::size_t>(term)].c0; }
double c2(const Deployment& d, Term term) { return term_costs(d, 1)[static_cast<std::size_t>(term)].c2; }

// ---- terms ----------------------------------------------------------------------------------------------------------

TEST(DeploymentTerms, ReadDenseWeightsOncePerStepOverAllRanks) {
  const Deployment one = deployment("llama-3.1-8b", "h100-sxm"), two = deployment("llama-3.1-8b", "h100-sxm", 2);
  EXPECT_NEAR(c0(one, Term::dense_weights, 1), 7.505e9 * 2 / 3.35e12, 1e-9);
  EXPECT_DOUBLE_EQ(c0(one, Term::dense_weights, 1), c0(one, Term::dense_weights, 64));
  EXPECT_DOUBLE_EQ(c0(one, Term::dense_weights, 1), 2 * c0(two, Term::dense_weights, 1));
}

TEST(DeploymentTerms, KvOfMlaIsOnEveryRankAndOfHeadsIsDivided) {
  EXPECT_DOUBLE_EQ(c2(deployment("deepseek-v3", "h200-sxm", 1), Term::kv),
                   c2(deployment("deepseek-v3", "h200-sxm", 8), Term::kv));
  EXPECT_NEAR(c2(deployment("deepseek-v3", "h200-sxm", 8), Term::kv), 61 * (512 + 64) * 2 / 4.8e12, 1e-15);
  EXPECT_DOUBLE_EQ(c2(deployment("llama-3.1-70b", "h200-sxm", 1), Term::kv),
                   8 * c2(deployment("llama-3.1-70b", "h200-sxm", 8), Term::kv));
  Deployment replicas = deployment("deepseek-v3", "h200-sxm", 1);
  replicas.dp = 8;
  EXPECT_DOUBLE_EQ(8 * c2(replicas, Term::kv), c2(deployment("deepseek-v3", "h200-sxm", 8), Term::kv));
}

// A head lies on one rank at least; who has most sets the pace. Two cores of a chip have half of its memory each.
TEST(DeploymentTerms, WholeKvHeadsLieOnRanksThatMayBeCores) {
  const auto kv = [](std::string_view model, std::uint32_t chips, std::uint32_t cores) {
    Deployment d = deployment(model, "trainium1", chips);
    d.cores = cores;
    return c2(d, Term::kv);
  };
  const double all = kv("llama-2-7b", 1, 1);  // 32 heads
  EXPECT_DOUBLE_EQ(all, 8 * kv("llama-2-7b", 8, 1));
  EXPECT_DOUBLE_EQ(all, 8 * kv("llama-2-7b", 12, 2)) << "two heads on some of 24 cores, each of half a chip";
  EXPECT_DOUBLE_EQ(all, 16 * kv("llama-2-7b", 16, 2));
  EXPECT_DOUBLE_EQ(kv("llama-3.1-8b", 1, 1), 4 * kv("llama-3.1-8b", 16, 2)) << "8 heads, on each of 32 cores one";
  Deployment one = deployment("llama-2-7b", "trainium1", 1), two = one;
  two.cores = 2;
  EXPECT_EQ(c0(one, Term::hops, 1), 0.0);
  EXPECT_GT(c0(two, Term::hops, 1), 0.0);
}

TEST(DeploymentTerms, ExpertsOfManyTokensAreReadOnce) {
  const Deployment d = deployment("gpt-oss-120b", "h100-sxm");
  const double one = c0(d, Term::expert_weights, 1), many = c0(d, Term::expert_weights, 4096);
  EXPECT_NEAR(many / one, 128.0 / 4, 0.01);  // 4 of 128 a token, in the end all
  EXPECT_LT(c0(d, Term::expert_weights, 8), 8 * one);
}

TEST(DeploymentTerms, WholeExpertsOnRanksWaitForTheFullest) {
  Deployment sliced = deployment("deepseek-v3", "b200-sxm", 8), placed = sliced;
  placed.ep = 8;
  const double few = c0(placed, Term::expert_weights, 2) / c0(sliced, Term::expert_weights, 2);
  const double many = c0(placed, Term::expert_weights, 512) / c0(sliced, Term::expert_weights, 512);
  EXPECT_GT(few, 1.5);
  EXPECT_LE(few, 8.0);
  EXPECT_LT(many, 1.01);
  EXPECT_GE(many, 1.0);
}

TEST(DeploymentTerms, PromptsInAStepAddOnlyWhatTheyCompute) {
  const Deployment d = deployment("llama-3.1-70b", "h100-sxm", 4);
  const auto without = step_seconds(d, {32, 1, 1024}), with = step_seconds(d, {32, 1024, 1024});
  const auto at = [](const auto& seconds, Term t) { return seconds[static_cast<std::size_t>(t)]; };
  EXPECT_DOUBLE_EQ(at(without, Term::dense_weights), at(with, Term::dense_weights));
  EXPECT_DOUBLE_EQ(at(without, Term::layers), at(with, Term::layers));
  EXPECT_NEAR(at(with, Term::compute) / at(without, Term::compute), 2.0, 0.01);
  EXPECT_GT(at(with, Term::attention), at(without, Term::attention));
}

TEST(DeploymentTerms, LinearLayersAndShortWindowsReadTheSameHoweverLongTheContext) {
  const Deployment hybrid = deployment("qwen3.5-397b-a17b", "h200-sxm", 8);
  EXPECT_GT(c0(hybrid, Term::kv, 1), 0.0);
  EXPECT_LT(c2(hybrid, Term::kv), c2(deployment("qwen3-235b-a22b", "h200-sxm", 4), Term::kv));
  EXPECT_GT(c0(deployment("gpt-oss-120b", "h100-sxm"), Term::kv, 1), 0.0);
}

TEST(DeploymentTerms, FewerBitsAreReadFaster) {
  Deployment wide = deployment("llama-3.1-70b", "b200-sxm", 4), narrow = wide;
  narrow.weights = narrow.expert_weights = Precision::fp4;
  EXPECT_NEAR(c0(wide, Term::dense_weights, 1) / c0(narrow, Term::dense_weights, 1), 16 / 4.25, 1e-9);
  EXPECT_NEAR(c0(wide, Term::compute, 1) / c0(narrow, Term::compute, 1), 4.0, 1e-9);
  narrow = wide, narrow.kv = Precision::fp8;
  EXPECT_DOUBLE_EQ(c2(wide, Term::kv), 2 * c2(narrow, Term::kv));
}

// ---- predictions ----------------------------------------------------------------------------------------------------

TEST(Prediction, ItsTermsAddUpAndTheLargestIsNamed) {
  const Prediction p = predict(deployment("llama-3.1-70b", "h100-sxm", 4), {32, 1024, 256});
  Picoseconds sum;
  for (const Picoseconds term : p.terms) sum += term;
  EXPECT_EQ(sum, p.step);
  EXPECT_NE(prediction_explained(p).find("dominated by dense weights"), std::string::npos);
  EXPECT_NEAR(p.dollars_a_million_tokens(), 4 * 2.95 / 3600 / p.tokens_a_second() * 1e6, 1e-9);
  EXPECT_GE(p.power, builtin_catalogue().find("h100-sxm")->idle * 4);
  EXPECT_LE(p.power, builtin_catalogue().find("h100-sxm")->tdp * 4);
}

TEST(Prediction, RefusesRanksThatDoNotDivide) {
  Deployment d = deployment("llama-3.1-70b", "h100-sxm", 3);
  EXPECT_THROW(predict(d, {1, 1, 1}), InputError);
  d = deployment("llama-3.1-70b", "h100-sxm", 4);
  d.ep = 4;  // it has no experts
  EXPECT_THROW(predict(d, {1, 1, 1}), InputError);
  d = deployment("gpt-oss-120b", "h100-sxm", 4);
  d.ep = 8;
  EXPECT_THROW(predict(d, {1, 1, 1}), InputError);
}

// Weights that made the times are found again.
TEST(Calibration, FindsTheWeightsThatMadeTheTimes) {
  Calibration truth = Calibration::plain();
  truth.weight[static_cast<std::size_t>(Term::dense_weights)] = 1600;
  truth.weight[static_cast<std::size_t>(Term::layers)] = 700;
  std::vector<Measured> measured;
  for (const std::string_view model : {"llama-3.1-8b", "llama-3.1-70b", "qwen3-32b", "gpt-oss-120b"})
    for (const std::uint32_t tp : {1, 2, 4, 8})
      for (const double n : {1.0, 8.0, 64.0, 256.0})
        for (const double prompt : {128.0, 4096.0}) {
          Measured m{.deployment = deployment(model, "h100-sxm", tp), .steady = {n, prompt, 512}};
          m.tpot = predicted_tpot(m, truth, 1.0);
          measured.push_back(m);
        }
  const Calibration found = calibrate(measured, {.prior = 1e-5});
  double off = 0;
  for (const Measured& m : measured) off = std::max(off, std::abs(predicted_tpot(m, found, 1.0) / m.tpot - 1));
  EXPECT_LT(off, 0.02);
  EXPECT_NEAR(found.weight[static_cast<std::size_t>(Term::dense_weights)], 1600, 80);
}

// ---- samples of a cell ----------------------------------------------------------------------------------------------

Measured of_sizes(double sequences, double prompt, double output) {
  return {.deployment = {}, .steady = {sequences, prompt, output}};
}

TEST(CellCorrection, FollowsSamplesThatAgreeAndDoubtsThoseThatDoNot) {
  const std::vector<Measured> at = {of_sizes(4, 1024, 1024), of_sizes(8, 1024, 1024), of_sizes(16, 1024, 1024),
                                    of_sizes(32, 1024, 1024)};
  const auto corrected = [&](const std::vector<double>& off, const Measured& asked) {
    std::vector<CellSample> samples;
    for (std::size_t i = 0; i < off.size(); ++i) samples.push_back({&at[i], off[i]});
    return cell_correction(asked, samples, {});
  };
  EXPECT_EQ(corrected({}, at[0]), 0.0);
  EXPECT_NEAR(corrected({0.2, 0.2, 0.2, 0.2}, of_sizes(64, 1024, 1024)), 0.2, 0.02);
  const double rising = corrected({0.0, 0.1, 0.2, 0.3}, of_sizes(64, 1024, 1024));
  EXPECT_GT(rising, 0.3) << "it goes on";
  EXPECT_LT(rising, 0.45);
  EXPECT_LT(std::abs(corrected({0.5, -0.5, 0.5, -0.5}, of_sizes(64, 1024, 1024))), 0.1) << "noise is not followed";
  EXPECT_NEAR(corrected({0.0, 0.1, 0.2, 0.3}, at[1]), 0.1, 0.03);
}

// ---- rows -----------------------------------------------------------------------------------------------------------

TEST(DeploymentRows, RefuseWhatContradictsAndUndoWhatIsKnownToBeWrong) {
  const std::string text =
      "backend,model_path,system,precision,mode,isl,osl,batch_size,tp_size,pp_size,attention_dp_size,moe_tp_size,"
      "moe_ep_size,silicon_ttft_ms,silicon_tpot_ms,silicon_data_source\n"
      "vllm,deepseek-ai/DeepSeek-V3,h200_sxm,fp8,agg,1024,1024,8,64,1,1,8,8,100,20,silicon_concurrency=16\n"
      "vllm,deepseek-ai/DeepSeek-R1,h200_sxm,fp8,agg,1024,1024,8,64,1,1,8,8,100,20,silicon_concurrency=16\n"
      "vllm,deepseek-ai/DeepSeek-R1,h200_sxm,fp8,agg,1024,1024,8,20,1,1,1,1,100,21,\n"
      "vllm,nobody/Nothing,h200_sxm,fp8,agg,1024,1024,8,8,1,1,1,1,100,22,\n"
      "vllm,deepseek-ai/DeepSeek-R1,h200_sxm,fp8,agg,1024,1024,8,8,1,1,1,1,100,-1,\n"
      "trtllm,deepseek-ai/DeepSeek-R1,gb200,fp4,agg,8192,1024,538,64,1,1,64,1,100,10,\n"
      "vllm,deepseek-ai/DeepSeek-R1,h200_sxm,fp8,disagg,1024,1024,8,8,1,1,1,1,100,23,\n";
  const DeploymentRows read = read_deployments(CsvTable("d.csv", text));
  ASSERT_EQ(read.rows.size(), 1u);
  EXPECT_EQ(read.rows[0].deployment.tp, 8u);
  EXPECT_EQ(read.rows[0].deployment.ep, 8u);
  EXPECT_EQ(read.rows[0].steady.sequences, 16);
  std::vector<std::string> reasons;
  for (const auto& reason : read.refused.reasons()) reasons.push_back(reason.what + " [" + reason.first[0] + "]");
  EXPECT_EQ(reasons, (std::vector<std::string>{
                         "the same measurement twice [d.csv:3: first d.csv:2]",
                         "ranks that do not divide the heads [d.csv:4: 128 query heads of deepseek-v3 over 20]",
                         "an unknown model [d.csv:5: model_path = 'nobody/Nothing']",
                         "no number in range [d.csv:6: silicon_tpot_ms = '-1']",
                         "ranks of a system, not of a replica [d.csv:7: tp_size = 64]"}));
}

TEST(Collectives, MoveWhatARingMoves) {
  const Accelerator& h100 = *builtin_catalogue().find("h100-sxm");
  // 450 MB over 4 ranks at 450 GB/s: 2 x 3/4 ms of an all-reduce, half that of an all-gather.
  EXPECT_EQ(collective_roofline({Collective::all_reduce, 4, 450'000'000, {}}, h100).count(), 1'500'000'000);
  EXPECT_EQ(collective_roofline({Collective::all_gather, 4, 450'000'000, {}}, h100).count(), 750'000'000);
}

TEST(Collectives, AreReadInElementsAndRefusedWhereTheirSizeIsNotKnown) {
  const Exchanges read = read_exchanges(CsvTable("n.csv",
                                                 "op_name,nccl_dtype,num_gpus,message_size,latency\n"
                                                 "all_reduce,half,2,1024,0.006\n"
                                                 "all_reduce,int8,2,1024,0.006\n"
                                                 "gossip,half,2,1024,0.006\n"
                                                 "all_reduce,half,1,1024,0.006\n"
                                                 "all_reduce,half,2,1000000000,0.006\n"),
                                        *builtin_catalogue().find("h100-sxm"));
  ASSERT_EQ(read.rows.size(), 1u);
  EXPECT_EQ(read.rows[0].bytes, 2048);
  EXPECT_EQ(read.refused.rows(), 4);
  EXPECT_EQ(read.refused.reasons()[3].what, "faster than the link");
}

// ---- relatives ------------------------------------------------------------------------------------------------------

// Llama 3.1 8B by vLLM on H100, so many times what its terms say, in eight states.
std::vector<Measured> measured_at(double factor, std::uint32_t tp) {
  std::vector<Measured> rows;
  for (int i = 0; i < 8; ++i) {
    Measured m;
    m.deployment.model = builtin_model_cards().find("llama-3.1-8b");
    m.deployment.chip = builtin_catalogue().find("h100-sxm");
    m.deployment.tp = tp;
    m.steady = {4.0 + i, 1024, 256};
    m.tpot = predicted_tpot(m, Calibration::plain(), factor * (i % 2 ? 1.02 : 0.98));
    rows.push_back(m);
  }
  return rows;
}
std::vector<Measured> together(std::vector<Measured> a, const std::vector<Measured>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

TEST(Relatives, SpeakForTheKeysNearThem) {
  const Relatives relatives(together(measured_at(1.5, 1), measured_at(1.5, 2)), Calibration::plain());
  const RelativesAnswer own = relatives.of(measured_at(1, 2)[0].deployment),
                        near = relatives.of(measured_at(1, 4)[0].deployment);
  EXPECT_EQ(own.shared, 5u);
  EXPECT_EQ(own.known, 8u);
  EXPECT_NEAR(own.factor, 1.5, 0.03);
  EXPECT_EQ(near.shared, 3u) << "model, engine and chip";
  EXPECT_EQ(near.known, 2u);
  EXPECT_NEAR(near.factor, 1.5, 0.03);
}

TEST(Relatives, WhoSharesLessIsDrawnToTheTermsAndSurerOfNothing) {
  const Relatives relatives(together(measured_at(1.5, 1), measured_at(1.1, 2)), Calibration::plain());
  Deployment other = measured_at(1, 1)[0].deployment;
  const RelativesAnswer own = relatives.of(other);
  other.model = builtin_model_cards().find("gpt-oss-120b");
  const RelativesAnswer far = relatives.of(other);
  EXPECT_EQ(far.shared, 0u);
  EXPECT_LT(far.factor, 1.3) << "two keys' median, and one key's worth of the terms";
  EXPECT_GT(far.factor, 1.1);
  EXPECT_GT(far.deviation, 3 * own.deviation);
  EXPECT_LT(far.low(), own.low());
  EXPECT_GT(far.high(), own.high());
}

// A key is predicted as if its own rows and those that share more were not there.
TEST(Relatives, AreHeldBackAsAsked) {
  const Relatives relatives(together(measured_at(1.5, 1), measured_at(1.1, 2)), Calibration::plain());
  const Deployment asked = measured_at(1, 1)[0].deployment;
  EXPECT_NEAR(relatives.of(asked).factor, 1.5, 0.08);
  EXPECT_LT(relatives.of(asked, 4).factor, 1.12) << "the other key's word";
  EXPECT_EQ(relatives.of(asked, 2).known, 0u) << "that one shares three parts";
}

TEST(Predict, TellsWhoseWordItTook) {
  const std::vector<Measured> rows = together(measured_at(1.5, 1), measured_at(1.5, 2));
  const Relatives relatives(rows, Calibration::plain());
  const Deployment asked = measured_at(1, 4)[0].deployment;
  const Prediction alone = predict(asked, {8, 1024, 256}, Calibration::plain());
  const Prediction told = predict(asked, {8, 1024, 256}, Calibration::plain(), &relatives);
  EXPECT_NEAR(static_cast<double>(told.step.count()) / static_cast<double>(alone.step.count()),
              relatives.of(asked).factor, 1e-6);
  const std::string text = prediction_text(told), json = prediction_json(told);
  EXPECT_NE(text.find("nearest measured: 2 keys of the same model, engine and accelerator; 1.4"), std::string::npos)
      << text;
  EXPECT_NE(json.find(R"("shared": ["model", "engine", "accelerator"], "known": 2)"), std::string::npos) << json;
}

// ---- claims and plots -----------------------------------------------------------------------------------------------

TEST(Claims, MeanTailAndBiasAreAsSaid) {
  Errors errors;
  for (int i = 1; i <= 10; ++i) errors.add(100.0 + (i % 2 ? i : -i), 100.0);
  const ErrorSummary s = errors.summary();
  EXPECT_EQ(s.n, 10);
  EXPECT_NEAR(s.mape, 0.055, 1e-12);
  EXPECT_NEAR(s.p90, 0.09, 1e-12);
  EXPECT_NEAR(s.bias, -0.005, 1e-12);
  Claim claim{.what = "w", .data = "d", .errors = errors, .aim = 0.05};
  EXPECT_NE(claims_text({claim}, 3).find("missed"), std::string::npos);
  EXPECT_NE(claims_text({claim}, 3).find("seed 3"), std::string::npos);
}

TEST(Claims, TellOfIntervalsApart) {
  Claim claim{.what = "w", .data = "d", .errors = {}};
  claim.coverage.emplace();
  for (int i = 0; i < 100; ++i) claim.coverage->add(i % 10 != 0);
  EXPECT_TRUE(claim.met()) << "90 of 100";
  for (int i = 0; i < 100; ++i) claim.coverage->add(true);
  EXPECT_FALSE(claim.met()) << "95 %: an interval that is too wide is no better than one too narrow";
  const std::string text = claims_text({claim}, 3), json = claims_json({claim}, 3);
  EXPECT_NE(text.find("95.00  88-92  missed"), std::string::npos) << text;
  EXPECT_EQ(text.find("MAPE"), std::string::npos) << "there is no claim about errors";
  EXPECT_NE(json.find(R"("inside": 0.950000, "met": false)"), std::string::npos) << json;
  claim.coverage->aims = false;
  EXPECT_TRUE(claim.met()) << "reported only";
}

TEST(Plot, HasADotForEachPairUpToTheMost) {
  std::vector<std::pair<double, double>> pairs;
  for (int i = 1; i <= 100; ++i) pairs.emplace_back(i, i * 1.1);
  const std::string svg = plot_svg("a < b & c", "ms", pairs);
  std::size_t dots = 0;
  for (std::size_t at = 0; (at = svg.find("<circle", at)) != std::string::npos; ++at) ++dots;
  EXPECT_EQ(dots, 100u);
  EXPECT_NE(svg.find("a &lt; b &amp; c"), std::string::npos);
  EXPECT_NE(plot_svg("none", "s", {}).find("0 points"), std::string::npos);
}

}  // namespace
}  // namespace yard
