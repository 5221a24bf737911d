// An engine under clients that ask anew once they are answered: by hand where that can be done.
#include "scheduler/validate/closed_loop.h"

#include <gtest/gtest.h>

#include <string>

#include <fmt/format.h>

#include "scheduler/cost/deployment_rows.h"
#include "scheduler/cost/physics.h"
#include "scheduler/validate/deployment_engine.h"
#include "topology/fleet.h"

namespace yard {
namespace {

// Steps of 10 ms, 100 ns a token of context, and so many microseconds a prompt token.
CompiledFleet engine(std::uint32_t sequences, int us_a_token = 1) {
  return compile_fleet(read_fleet(
      "engine", fmt::format("slo_classes: [{{name: all, rank: 0}}]\n"
                            "pools:\n"
                            "  - name: engine\n"
                            "    model: some\n"
                            "    accelerator: h100-sxm\n"
                            "    table: {{c0_ps: [{{up_to: 1, ps: 10000000000}}], c1_ps: {}, c2_ps: 100000}}\n"
                            "    max_sequences: {}\n"
                            "    token_budget: 8192\n"
                            "    block_tokens: 16\n"
                            "    kv_blocks: 100000\n"
                            "    prefix_cache: \"off\"\n"
                            "    served: {{preset: vllm, plans_ahead: false, window: sequences, window_sequences: "
                            "1000000, start_timeout_ms: 3600000}}\n",
                            us_a_token * 1'000'000, sequences)));
}

TEST(ClosedLoop, OneClientWaitsForNobody) {
  const ClientTimes t =
      serve_clients(engine(1), {.clients = 1, .requests = 20, .prompt = Tokens(1000), .output = Tokens(101)});
  EXPECT_EQ(t.ttft_mean, milliseconds(11)) << "a step of 10 ms that reads 1,000 tokens";
  EXPECT_EQ(t.ttft_median, t.ttft_mean);
  // The k-th of a hundred tokens sees 1,000 + k of context: 10 ms + 100 ns x 1,050.5 in the mean.
  EXPECT_NEAR(static_cast<double>(t.tpot_mean.count()), 10'105'050, 2);
  EXPECT_EQ(t.failed, 0u);
}

// Eight prompts fill a step's budget: in step, they come together for ever, and each waits for all.
TEST(ClosedLoop, ClientsOfOneLengthStayInStep) {
  const ClosedLoop alike{.clients = 8, .requests = 80, .prompt = Tokens(1024), .output = Tokens(64)};
  const ClientTimes together = serve_clients(engine(8, 10), alike);
  EXPECT_EQ(together.ttft_mean, nanoseconds(10'000'000 + 8 * 10'240'000));
  ClosedLoop apart = alike;
  apart.shortest_thousandths = 500;
  EXPECT_LT(serve_clients(engine(8, 10), apart).ttft_median, milliseconds(60)) << "mostly read one by one";
}

TEST(ClosedLoop, IsTheSameAgainAndAnotherBySeed) {
  ClosedLoop asked{
      .clients = 5, .requests = 50, .prompt = Tokens(900), .output = Tokens(70), .shortest_thousandths = 800};
  const CompiledFleet fleet = engine(5);
  const ClientTimes first = serve_clients(fleet, asked), again = serve_clients(fleet, asked);
  EXPECT_EQ(first.ttft_mean, again.ttft_mean);
  EXPECT_EQ(first.tpot_mean, again.tpot_mean);
  asked.seed = 2;
  EXPECT_NE(serve_clients(fleet, asked).ttft_mean, first.ttft_mean);
}

// More clients than sequences wait: a second pair for the first pair's 64 tokens.
TEST(ClosedLoop, ClientsBeyondTheBatchWaitForAnEnd) {
  const ClosedLoop asked{.clients = 4, .requests = 4, .prompt = Tokens(16), .output = Tokens(64)};
  EXPECT_LT(serve_clients(engine(4), asked).ttft_mean, milliseconds(11));
  const ClientTimes two_by_two = serve_clients(engine(2), asked);
  EXPECT_GT(two_by_two.ttft_mean, milliseconds(64 * 10 / 2));
  EXPECT_LT(two_by_two.ttft_mean, milliseconds(64 * 10 / 2 + 20));
}

// ---- of a deployment ------------------------------------------------------------------------------------------------

Measured llama_on_h200(std::uint32_t clients) {
  Measured m;
  m.deployment.model = builtin_model_cards().find("llama-3.1-8b");
  m.deployment.chip = builtin_catalogue().find("h200-sxm");
  m.steady = {static_cast<double>(clients), 1024, 128};
  return m;
}

TEST(DeploymentEngine, HasTheMemoryOfItsReplicas) {
  Deployment d = llama_on_h200(1).deployment;
  const Replica one{.model = *d.model, .chip = *d.chip};
  EXPECT_EQ(kv_tokens(d), memory_fit(one).kv_tokens);
  d.dp = 4;
  EXPECT_EQ(kv_tokens(d), 4 * memory_fit(one).kv_tokens) << "each has all weights";
  d.model = builtin_model_cards().find("deepseek-v3");
  d.weights = d.expert_weights = Precision::fp8;
  d.dp = 1;
  EXPECT_EQ(kv_tokens(d), 0) << "671 GB on one chip";
  d.dp = 16;
  EXPECT_GT(kv_tokens(d), 0) << "its experts over sixteen";
}

// By one and the same cost: the profile of a dense model says what its StepCost says.
TEST(DeploymentEngine, OfADenseModelIsThatOfItsStepCost) {
  const Measured m = llama_on_h200(1);
  const Calibration plain = Calibration::plain();
  const ClientTimes by_terms = simulated(m, plain), by_cost = simulated(m, priced(m.deployment, plain, 1, 1.0));
  EXPECT_NEAR(static_cast<double>(by_terms.tpot_mean.count()), static_cast<double>(by_cost.tpot_mean.count()),
              1e-3 * static_cast<double>(by_cost.tpot_mean.count()));
  EXPECT_NEAR(static_cast<double>(by_terms.ttft_mean.count()), static_cast<double>(by_cost.ttft_mean.count()),
              0.01 * static_cast<double>(by_cost.ttft_mean.count()));
}

// Of one with experts a prompt's step reads more of them than its one sequence would.
TEST(DeploymentEngine, ReadsTheExpertsOfAWholePrompt) {
  Measured m = llama_on_h200(1);
  m.deployment.model = builtin_model_cards().find("gpt-oss-120b");
  m.deployment.expert_weights = Precision::fp4;
  const Calibration plain = Calibration::plain();
  const ClientTimes by_terms = simulated(m, plain), by_cost = simulated(m, priced(m.deployment, plain, 1, 1.0));
  EXPECT_GT(by_terms.ttft_mean, by_cost.ttft_mean + milliseconds(8)) << "60 GB at 4.8 TB/s";
}

}  // namespace
}  // namespace yard
