// Same everywhere: what is decided, and every nanosecond of it, are pinned here for every scorer and binding. A
// compiler, -march or library that decides otherwise turns this red.
#include <gtest/gtest.h>
#include <switchyard/replay.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <variant>

#include <fmt/format.h>

namespace {

std::string bytes_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// FNV-1a, 64 bits: of the test's own, so that the library cannot be wrong twice.
std::uint64_t fnv(const std::string& bytes) {
  std::uint64_t hash = 0xcbf29ce484222325ull;
  for (const char c : bytes) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ull;
  return hash;
}

struct Case {
  std::string trace, fleet, policy, order, bind;
};

// One line: what was run, the decision hash, the hash of the per-request CSV, and what became of the requests.
std::string line_of(const Case& c) {
  const std::string csv =
      (std::filesystem::temp_directory_path() / fmt::format("switchyard-golden-{}.csv", ::getpid())).string();
  const auto result = switchyard::simulate({.trace = c.trace,
                                            .fleet = c.fleet,
                                            .policy = c.policy,
                                            .order = c.order,
                                            .bind = c.bind,
                                            .seed = 11,
                                            .limit = 2000,
                                            .rate_scale = 12,
                                            .requests_csv = csv,
                                            .json = {},
                                            .record = {},
                                            .progress = {}});
  if (const auto* wrong = std::get_if<switchyard::ConfigError>(&result)) return fmt::format("{}\n", wrong->what());
  const auto& replayed = std::get<switchyard::Replayed>(result);
  const std::string bytes = bytes_of(csv);
  std::filesystem::remove(csv);
  return fmt::format("{} {} {} {} {}: decisions {:016x} csv {:016x} done {} rejected {}\n", c.trace, c.fleet, c.policy,
                     c.order, c.bind, replayed.decision_hash, fnv(bytes), replayed.done, replayed.rejected);
}

std::string all_lines() {
  std::string text;
  for (const char* trace : {"gen:azure-conv", "gen:azure-code"}) {
    for (const char* fleet : {"builtin:single", "builtin:mixed"}) {
      for (const char* policy :
           {"expected_cost", "expected_seconds", "least_loaded", "power_of_two", "round_robin", "random"})
        for (const char* bind : {"arrival", "room"}) text += line_of({trace, fleet, policy, "edf", bind});
      for (const char* order : {"fcfs", "shortest_first"})
        text += line_of({trace, fleet, "least_loaded", order, "arrival"});
    }
    for (const char* peer : {"llm_d", "dynamo_kv", "smg_cache_aware", "smg_power_of_two", "smg_least_load",
                             "least_outstanding_tokens", "bounded_prefix_hash", "session_sticky"})
      for (const char* refusal : {"", "+refusal"})
        text += line_of({trace, "builtin:mixed", std::string(peer) + refusal, "edf", "arrival"});
    text += line_of({trace, "builtin:mixed", "expected_cost+none", "edf", "arrival"});
  }
  return text;
}

// A change of what is decided is a decision: run with SWITCHYARD_UPDATE_GOLDEN=1 to make it.
TEST(Golden, DecisionsAndRowsAreTheSameOnEveryBuild) {
  const char* const root = std::getenv("SWITCHYARD_SOURCE_DIR");
  const std::string path = std::string(root ? root : ".") + "/tests/golden/decisions.txt";
  const std::string text = all_lines();
  if (std::getenv("SWITCHYARD_UPDATE_GOLDEN")) std::ofstream(path, std::ios::binary) << text;
  EXPECT_EQ(text, bytes_of(path)) << path;
}

}  // namespace
