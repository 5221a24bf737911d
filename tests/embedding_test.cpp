// Requests that ask for no token, end to end: what they teach, what they are promised, and that each model's requests
// stay on its own pools.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <sstream>
#include <string>

#include "scheduler/core/summary.h"
#include "tests/builders.h"
#include "tests/replays.h"

namespace yard {
namespace {

using builders::Given;
using builders::Said;
using builders::Scene;

TEST(NoOutput, EndsWhenItsPromptIsReadAndLeavesItsKv) {
  Scene s(Given().pool({.kv_blocks = 20, .token_budget = 8}));
  s.submit({.prompt = 12, .max_output = 0});
  EXPECT_EQ(s.poll().launches.at(0).tokens(), 8);
  EXPECT_EQ(s.step(0).launches.at(0).tokens(), 4);
  const Said said = s.step(0);
  ASSERT_EQ(said.order, "F");
  EXPECT_EQ(said.finishes[0].outcome, Outcome::done);
  EXPECT_TRUE(said.finishes[0].account.no_output);
  EXPECT_EQ(said.finishes[0].account.first_token, Time::never());
  s.submit({.prompt = 19, .max_output = 1});  // all of the pool
  EXPECT_EQ(s.poll().launches.at(0).slots.at(0).granted, Blocks(8));
}

TEST(NoOutput, TeachesNothingAboutAnswers) {
  Given given;
  Scene s(given.pool({}));
  ShardSummary before(given.fleet), after(given.fleet);
  s.core().summarise(before);
  for (int k = 0; k < 3; ++k) s.submit({.max_output = 0}), s.poll(), s.step(0);
  s.core().summarise(after);
  EXPECT_EQ(after.expected_output, before.expected_output);
  s.submit({.max_output = 5}), s.poll();
  s.step(0, {.steps = 1}), s.step(0, {.steps = 4});  // its first token, and the others
  s.core().summarise(after);
  EXPECT_NE(after.expected_output, before.expected_output);
}

TEST(NoOutput, IsNotAmongThoseWhoseTpotOthersBreak) {
  Given given;
  Scene s(given.pool({}));
  s.submit({.max_output = 0}), s.submit({.max_output = 5});
  s.poll();
  ShardSummary summary(given.fleet);
  s.core().summarise(summary);
  EXPECT_EQ(summary.by_class[0], 1);
  EXPECT_EQ(summary.pools[0].running, 2);
}

// ---- replayed -----------------------------------------------------------------------------------------------------

constexpr const char* kFleet = R"(name: several-models
slo_classes:
  - {name: chat, rank: 0, ttft_ms: 2000, tpot_ms: 100}
  - {name: search, rank: 1, ttft_ms: 1000}
pools:
  - {name: talks, model: llama-3.1-8b, accelerator: h100-sxm, replicas: 2}
  - {name: embeds, model: qwen3-embedding-8b, accelerator: l40s, replicas: 2}
  - {name: embeds-far, model: qwen3-embedding-8b, accelerator: h100-sxm, served: {wire_delay_ms: 2}}
mix:
  - {weight: 2, model: llama-3.1-8b, class: chat}
  - {weight: 3, model: qwen3-embedding-8b, class: search}
)";

struct EmbeddingReplayed : Replays {
  switchyard::Replayed replay(const std::string& trace, const std::string& policy, const std::string& exact,
                              const std::string& record = "") {
    return Replays::replay(kFleet, {.trace = trace,
                                    .policy = policy,
                                    .exact = exact,
                                    .limit = 600,
                                    .rate_scale = 8,
                                    .requests_csv = here.at("rows.csv"),
                                    .json = "",
                                    .record = record,
                                    .progress = {}});
  }
};

TEST_F(EmbeddingReplayed, EachModelsRequestsStayOnItsOwnPoolsUnderEveryPolicy) {
  for (const NamedScorer& scorer : scorers()) {
    const auto replayed = replay("gen:azure-conv", std::string(scorer.name) + "+none", "jump");
    EXPECT_EQ(replayed.done, 600u) << scorer.name;
    std::ifstream rows(here.at("rows.csv"));
    std::string line;
    std::getline(rows, line);
    int embedded = 0, talked = 0;
    while (std::getline(rows, line)) {
      const bool embeds = line.find(",qwen3-embedding-8b,") != std::string::npos;
      ++(embeds ? embedded : talked);
      ASSERT_EQ(line.find(",embeds") != std::string::npos, embeds) << scorer.name << ": " << line;
      ASSERT_EQ(line.find(",talks,") != std::string::npos, !embeds) << scorer.name << ": " << line;
    }
    EXPECT_GT(embedded, 300);
    EXPECT_GT(talked, 150);
  }
}

TEST_F(EmbeddingReplayed, IsTheSameSteppedAndReenactedAndReported) {
  const std::string recording = here.at("day.rec");
  const auto jump = replay("gen:azure-conv", "expected_cost", "jump", recording);
  EXPECT_EQ(jump.decision_hash, replay("gen:azure-conv", "expected_cost", "step").decision_hash);
  EXPECT_NE(jump.text.find("asked for no token (scores, embeddings): "), std::string::npos) << jump.text;
  EXPECT_NE(jump.json.find("\"no_output_done\""), std::string::npos);
  EXPECT_TRUE(reenacted(recording).equal);
}

TEST_F(EmbeddingReplayed, RowsSayThatNoneIsAskedForAndAnEmbedderRefusesOthers) {
  const std::string trace = here.with("trace.csv",
                                      "arrival_ns,prompt_tokens,output_tokens,max_tokens\n0,100,0,0\n1,100,7,7\n"
                                      "2,100,0,0\n3,100,7,7\n4,100,7,7\n5,100,0,0\n6,100,7,7\n7,100,0,0\n");
  const auto replayed = replay(trace, "expected_cost", "jump");
  EXPECT_EQ(replayed.arrived, 8u);
  EXPECT_GT(replayed.rejected, 0u);
  EXPECT_NE(replayed.text.find("rejected: only_embeds " + std::to_string(replayed.rejected)), std::string::npos)
      << replayed.text;
}

}  // namespace
}  // namespace yard
