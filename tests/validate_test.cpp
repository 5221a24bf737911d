// Recorded runs of engines beside their simulation.
#include "scheduler/validate/vllm_runs.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "scheduler/base/input_error.h"
#include "tests/vllm_files.h"

namespace yard {
namespace {

using testing::put;
using testing::put_run;
using testing::TemporaryFolder;

TEST(VllmRun, LaysTheTwoClocksUponEachOtherWhereNobodyWaited) {
  const TemporaryFolder folder;
  put_run(folder.file("chip/model"));
  const std::vector<VllmRun> runs = read_vllm_runs(folder.file("chip"));
  ASSERT_EQ(runs.size(), 1u);
  EXPECT_EQ(runs[0].name, "model");
  EXPECT_EQ(runs[0].kv_blocks, Blocks(33));
  ASSERT_EQ(runs[0].requests.size(), 4u);
  const auto near = [](Time t, std::int64_t ms) { return std::abs(t.ns() - ms * 1'000'000) < 1000; };
  EXPECT_TRUE(near(runs[0].requests[1].arrival, 100));
  EXPECT_TRUE(near(runs[0].requests[1].first_token, 170)) << "the 50 ms before it was taken in count";
  EXPECT_TRUE(near(runs[0].requests[3].first_token, 320));
  EXPECT_TRUE(runs[0].requests[1].at_once);
  EXPECT_FALSE(runs[0].requests[2].at_once);
}

TEST(VllmRun, SaysInOneLineWhatIsWrong) {
  struct Wrong {
    const char *file, *text, *message;
  };
  const Wrong wrongs[] = {
      {"vllm/meta.json", "{}", "/vllm/meta.json: model: found no such key; accepted: a recorded run of a vLLM engine"},
      {"vllm/meta.json", "{", "/vllm/meta.json: found no valid JSON; accepted: one JSON object (is the file cut?)"},
      {"config.json", R"({"nodes": []})",
       "/config.json: nodes: found '[]'; accepted: at least one node with one instance"},
      {"four.jsonl", R"({"input_toks": 2, "output_toks": 3, "input_tok_ids": [1]})",
       "/four.jsonl:1: input_tok_ids: found '[1]'; accepted: 2 tokens, as input_toks says"},
      {"four.jsonl", R"({"input_toks": 1, "output_toks": 3, "input_tok_ids": [1]})",
       "/vllm/requests.jsonl:1: input_toks: found '40'; accepted: 1, as the stream says"},
      {"vllm/requests.jsonl", "", "/vllm/requests.jsonl: found 0 requests; accepted: 4, as the stream has"},
  };
  for (const Wrong& wrong : wrongs) {
    const TemporaryFolder folder;
    put_run(folder.file("run"));
    put(folder.file("run") + "/" + wrong.file, wrong.text);
    try {
      read_vllm_runs(folder.file("run"));
      ADD_FAILURE() << wrong.message;
    } catch (const InputError& e) {
      EXPECT_EQ(std::string(e.what()).substr(folder.file("run").size()), wrong.message);
    }
  }
}

TEST(VllmRun, AFolderWithoutOneIsRefused) {
  const TemporaryFolder folder;
  EXPECT_THROW(read_vllm_runs(folder.file("")), InputError);
  EXPECT_THROW(read_vllm_runs(folder.file("none")), InputError);
}

Validation of_four(const TemporaryFolder& folder, const EngineParts& parts = {}, Exact exact = Exact::jump) {
  put_run(folder.file("run"));
  return validate(read_vllm_runs(folder.file("run"))[0], parts, exact);
}

TEST(Validate, TakesTheEnginesOwnSettings) {
  const TemporaryFolder folder;
  const Validation v = of_four(folder);
  EXPECT_EQ(v.requests, 4u);
  EXPECT_EQ(v.max_sequences, 8u);
  EXPECT_EQ(v.token_budget, Tokens(64));
  EXPECT_EQ(v.kv_blocks, Blocks(32)) << "less vLLM's null block";
  EXPECT_TRUE(v.prefix_cache);
}

TEST(Validate, MeasuresTheRecordedRunByTheClientsArrival) {
  const TemporaryFolder folder;
  const Validation v = of_four(folder);
  EXPECT_NEAR(static_cast<double>(v.metrics[0].real.mean.count()), 32.5e6, 1e3) << "TTFT 20, 70, 20, 20 ms";
  EXPECT_NEAR(static_cast<double>(v.metrics[0].real.p50.count()), 20e6, 1e3);
  EXPECT_NEAR(static_cast<double>(v.metrics[0].real.p99.count()), 68.5e6, 1e3);
  EXPECT_NEAR(static_cast<double>(v.metrics[1].real.mean.count()), 10e6, 1e3);
  EXPECT_NEAR(static_cast<double>(v.metrics[2].real.mean.count()), 52.5e6, 1e3);
  EXPECT_NEAR(static_cast<double>(v.metrics[3].real.mean.count()), 36.67e6, 1e4) << "of three that waited for no slot";
}

TEST(Validate, JumpAndStepAgree) {
  const TemporaryFolder folder;
  const Validation jump = of_four(folder), step = of_four(folder, {}, Exact::step);
  EXPECT_EQ(jump.decision_hash, step.decision_hash);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(jump.metrics[i].simulated.mean, step.metrics[i].simulated.mean);
}

TEST(Validate, WhatPromptsShareIsReadOnce) {
  const TemporaryFolder folder;
  EXPECT_LT(of_four(folder).metrics[0].simulated.mean,
            of_four(folder, {.prefix_cache = false}).metrics[0].simulated.mean);
}

TEST(Validate, ARequestThatTheEngineCannotHoldIsSaid) {
  const TemporaryFolder folder;
  put_run(folder.file("run"));
  std::vector<VllmRun> runs = read_vllm_runs(folder.file("run"));
  runs[0].kv_blocks = Blocks(3);
  EXPECT_THROW(validate(runs[0]), InputError);
}

// ---- the two public runs --------------------------------------------------------------------------------------------

// In hundredths of a percent: what is measured today (bench/results, 2026-11-24), rounded up; nothing worse.
struct Bound {
  const char* run;
  std::int64_t mean[4], p50[4], p99[4];  // in the order of Validation::metrics
};

TEST(Validate, TheTwoPublicRunsComeOutAsNearAsTheyDid) {
  NEED_SHARED_DATA(folder, "vllm_runs");
  constexpr Bound kBounds[] = {
      {"RTX4090/Llama-3.1-8B", {60, 30, 50, 4400}, {80, 40, 90, 4800}, {20, 80, 40, 700}},
      {"RTXPRO6000/Llama-3.1-8B", {160, 110, 120, 800}, {280, 250, 230, 800}, {300, 240, 150, 150}},
  };
  const std::vector<VllmRun> runs = read_vllm_runs(folder.string());
  ASSERT_EQ(runs.size(), std::size(kBounds));
  for (std::size_t i = 0; i < runs.size(); ++i) {
    const Validation v = validate(runs[i]);
    ASSERT_EQ(v.run, kBounds[i].run);
    for (std::size_t m = 0; m < 4; ++m) {
      const Validation::Metric& of = v.metrics[m];
      EXPECT_LE(std::abs(error_of(of.simulated.mean, of.real.mean)), kBounds[i].mean[m]) << v.run << " " << of.name;
      EXPECT_LE(std::abs(error_of(of.simulated.p50, of.real.p50)), kBounds[i].p50[m]) << v.run << " " << of.name;
      EXPECT_LE(std::abs(error_of(of.simulated.p99, of.real.p99)), kBounds[i].p99[m]) << v.run << " " << of.name;
    }
  }
}

TEST(Validate, TheTwoPublicRunsAreTheSameStepByStep) {
  NEED_SHARED_DATA(folder, "vllm_runs");
  for (const VllmRun& run : read_vllm_runs(folder.string()))
    EXPECT_EQ(validate(run, {}, Exact::jump).decision_hash, validate(run, {}, Exact::step).decision_hash) << run.name;
}

}  // namespace
}  // namespace yard
