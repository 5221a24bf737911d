// A replay that learns: a report that says so, the same on any number of threads, and recordings that re-enact.
#include <switchyard/replay.h>

#include <string>
#include <string_view>

#include "tests/replays.h"

namespace yard {
namespace {

using LearningReplay = Replays;

constexpr std::string_view kFleet = R"(
name: learning
pools:
  - {name: a, model: llama-3.1-8b, accelerator: h100-sxm, replicas: 2}
  - {name: b, model: llama-3.1-8b, accelerator: l40s, replicas: 4}
)";

TEST_F(LearningReplay, SaysHowOftenCostsWereCorrectedAndReenacts) {
  const std::string path = here.at("learnt.rec");
  const switchyard::Replayed learnt =
      replay(kFleet, {.trace = "gen:azure-conv?rate=20", .limit = 800, .learn_costs = true, .record = path});
  EXPECT_NE(learnt.text.find("costs learnt from runs: "), std::string::npos) << learnt.text;
  EXPECT_GT(number_at(learnt, "cost_corrections"), 0);
  const switchyard::Reenacted again = reenacted(path);
  EXPECT_TRUE(again.equal);

  const switchyard::Replayed believed = replay(kFleet, {.trace = "gen:azure-conv?rate=20", .limit = 800});
  EXPECT_EQ(believed.text.find("costs learnt"), std::string::npos);
  EXPECT_EQ(believed.json.find("cost_corrections"), std::string::npos);
}

TEST_F(LearningReplay, LearnsTheSameInStepsAndOnTwoThreads) {
  const std::string celled = std::string(kFleet) + "cells: 2\ncontrol_lag_ms: 100\n";
  for (const std::string_view fleet : {kFleet, std::string_view(celled)}) {
    const auto hash = [&](const char* exact, std::uint32_t threads) {
      return replay(fleet, {.trace = "gen:azure-conv?rate=20",
                            .exact = exact,
                            .threads = threads,
                            .limit = 400,
                            .learn_costs = true})
          .decision_hash;
    };
    const std::uint64_t one = hash("jump", 1);
    EXPECT_EQ(hash("step", 1), one);
    EXPECT_EQ(hash("jump", 2), one);
  }
}

}  // namespace
}  // namespace yard
