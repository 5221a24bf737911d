// The program decides alike however it is asked to: jumping or stepping, reading ahead or not, recording or not, for
// every scorer and binding, on generated and on Azure's own traces: the same CSV and JSON, byte for byte.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "scheduler/policy/registry.h"
#include "tests/run_program.h"

namespace yard::testing {
namespace {

struct Said {
  std::string csv, json;
  bool operator==(const Said&) const = default;
};

// `common`, with `more`; and the files it wrote.
Said said_of(const Scratch& here, std::vector<std::string> common, const std::vector<std::string>& more) {
  common.insert(common.end(), more.begin(), more.end());
  for (const char* word : {"--requests-csv", "r.csv", "--json", "r.json"})
    common.push_back(word[0] == '-' ? word : here.at(word));
  const Ran ran = switchyard(common);
  EXPECT_EQ(ran.code, 0) << ran;
  return {bytes_of(here.at("r.csv")), decided_json(bytes_of(here.at("r.json")))};
}

// The first line in which two texts differ.
std::string difference(const std::string& a, const std::string& b) {
  std::size_t at = 0;
  while (at < a.size() && at < b.size() && a[at] == b[at]) ++at;
  const auto line = [at](const std::string& text) {
    const std::size_t from = text.rfind('\n', at == 0 ? 0 : at - 1);
    const std::size_t begin = from == std::string::npos ? 0 : from + 1;
    return text.substr(begin, text.find('\n', at) - begin);
  };
  return a == b ? "" : line(a) + "\nbut: " + line(b);
}

void expect_same(const Said& a, const Said& b, const std::string& what) {
  EXPECT_TRUE(a.csv == b.csv) << what << ": " << difference(a.csv, b.csv);
  EXPECT_TRUE(a.json == b.json) << what << ": " << difference(a.json, b.json);
}

bool some_preempted(const std::string& csv) {
  for (std::size_t at = csv.find('\n'); at + 1 < csv.size(); at = csv.find('\n', at + 1))
    if (const std::size_t end = csv.find('\n', at + 1);
        csv.substr(csv.rfind(',', end), end - csv.rfind(',', end)) > ",0")
      return true;
  return false;
}

// Every scorer and binding over `fleet`. Returns: whether anything was preempted.
bool expect_alike(const std::string& trace, const std::string& fleet, const std::vector<std::string>& more) {
  const Scratch here;
  bool preempted = false;
  for (const NamedScorer& scorer : scorers()) {
    for (const char* bind : {"arrival", "room"}) {
      std::vector<std::string> common = {
          "replay", "--trace", trace, "--fleet", fleet, "--policy", std::string(scorer.name), "--bind", bind};
      common.insert(common.end(), more.begin(), more.end());
      const std::string what = fleet + ' ' + std::string(scorer.name) + ' ' + bind;
      const Said jump = said_of(here, common, {});
      EXPECT_GT(jump.csv.size(), 1000u) << what;
      expect_same(jump, said_of(here, common, {"--exact", "step"}), what + ", step");
      expect_same(jump, said_of(here, common, {"--threads", "2"}), what + ", two threads");
      preempted = preempted || some_preempted(jump.csv);
    }
  }
  return preempted;
}

// A fleet with so little KV that requests are preempted.
constexpr std::string_view kTight =
    "name: tight\npools:\n"
    "  - {name: a, model: llama-3.1-8b, accelerator: h100-sxm, replicas: 3, kv_blocks: 1200, max_sequences: 24, "
    "token_budget: 512}\n"
    "  - {name: b, model: llama-3.1-8b, accelerator: l40s, replicas: 4, kv_blocks: 900, max_sequences: 12, "
    "token_budget: 256}\n";

TEST(CliExact, GeneratedConversations) {
  const Scratch here;
  const std::vector<std::string> more = {"--limit", "3000", "--rate-scale", "6", "--seed", "3"};
  expect_alike("gen:azure-conv", "builtin:mixed", more);
  EXPECT_TRUE(expect_alike("gen:azure-conv", here.with("tight.yaml", kTight), more));
}
TEST(CliExact, GeneratedCode) {
  const Scratch here;
  const std::vector<std::string> more = {"--limit", "2000", "--rate-scale", "6", "--order", "fcfs"};
  expect_alike("gen:azure-code", "builtin:mixed", more);
  EXPECT_TRUE(expect_alike("gen:azure-code", here.with("tight.yaml", kTight), more));
}
TEST(CliExact, AzureConversations) {
  NEED_SHARED_FILE(trace, "traces/azure2023/AzureLLMInferenceTrace_conv.csv");
  expect_alike(trace, "builtin:mixed", {"--rate-scale", "10"});
}
TEST(CliExact, AzureCode) {
  NEED_SHARED_FILE(trace, "traces/azure2023/AzureLLMInferenceTrace_code.csv");
  expect_alike(trace, "builtin:mixed", {"--order", "shortest_first", "--rate-scale", "10"});
}

TEST(CliExact, AFleetInCells) {
  expect_alike("gen:azure-conv?rate=1000", "builtin:cells", {"--limit", "4000", "--seed", "5"});
}
TEST(CliExact, OneCellIsTheFleetItself) {
  const Scratch here;
  const std::string whole = here.with("whole.yaml", kTight),
                    cell = here.with("cell.yaml", "cells: 1\n" + std::string(kTight));
  for (const NamedScorer& scorer : scorers()) {
    const std::vector<std::string> more = {
        "--limit", "3000", "--rate-scale", "6", "--policy", std::string(scorer.name), "--threads", "2"};
    Said one = said_of(here, {"replay", "--fleet", cell}, more);
    const std::string only = "\"cells\": 1,\n  \"control_lag_ms\": 100.000,\n  ";
    const std::size_t at = one.json.find(only);
    ASSERT_NE(at, std::string::npos) << one.json.substr(0, 600);
    one.json.erase(at, only.size());
    expect_same(said_of(here, {"replay", "--fleet", whole}, more), one, std::string(scorer.name));
  }
}

TEST(CliExact, EveryOrder) {
  const Scratch here;
  for (const NamedOrder& order : orders()) {
    const std::vector<std::string> common = {
        "replay", "--limit", "3000", "--rate-scale", "80", "--order", std::string(order.name)};
    expect_same(said_of(here, common, {}), said_of(here, common, {"--exact", "step", "--threads", "2"}),
                std::string(order.name));
  }
}

}  // namespace
}  // namespace yard::testing
