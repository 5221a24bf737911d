// compare(): the same arrivals through several policies and fleets.
#include <gtest/gtest.h>
#include <switchyard/replay.h>

#include <string>
#include <variant>

namespace {

using switchyard::Compared;
using switchyard::Comparison;
using switchyard::ConfigError;

Compared compared(const Comparison& c) {
  const auto result = switchyard::compare(c);
  if (const auto* wrong = std::get_if<ConfigError>(&result)) {
    ADD_FAILURE() << wrong->what();
    return {};
  }
  return std::get<Compared>(result);
}

std::string error_of(const Comparison& c) {
  const auto result = switchyard::compare(c);
  const auto* wrong = std::get_if<ConfigError>(&result);
  return wrong ? wrong->what() : "no error";
}

Comparison small() {
  Comparison c;
  c.trace = "gen:azure-conv?rate=60";
  c.policies = {"expected_cost", "random"};
  c.seeds = 3;
  c.limit = 600;
  return c;
}

// The `n`th value of a key in the JSON.
std::string value_of(const std::string& json, const std::string& key, int n) {
  std::size_t at = 0;
  for (int i = 0; i <= n; ++i) {
    at = json.find('"' + key + "\": ", at);
    if (at == std::string::npos) return "none";
    at += key.size() + 4;
  }
  return json.substr(at, json.find_first_of(",\n", at) - at);
}

TEST(Compare, IsTheSameOnAnyNumberOfThreads) {
  Comparison c = small();
  const std::string one = compared(c).json;
  for (const std::uint32_t threads : {2u, 5u}) {
    c.threads = threads;
    EXPECT_EQ(compared(c).json, one) << threads;
  }
}

TEST(Compare, EachSimulationIsTheOneThatSimulateMakes) {
  const std::string json = compared(small()).json;
  int n = 0;
  for (const char* policy : {"expected_cost", "random"})
    for (const std::uint64_t seed : {1, 2, 3}) {
      switchyard::Simulation one;
      one.trace = "gen:azure-conv?rate=60";
      one.policy = policy;
      one.seed = seed;
      one.limit = 600;
      const auto result = switchyard::simulate(one);
      const auto& replayed = std::get<switchyard::Replayed>(result);
      EXPECT_EQ(value_of(json, "decision_hash", n++), value_of(replayed.json, "decision_hash", 0));
    }
}

TEST(Compare, APolicyDoesNotDifferFromItself) {
  Comparison c = small();
  c.policies = {"least_loaded", "least_loaded"};
  const std::string json = compared(c).json;
  const std::string differences = json.substr(json.rfind("\"less_first\""));
  for (int n = 0; n < 10; ++n) {
    const std::string mean = value_of(differences, "mean", n);
    EXPECT_EQ(mean.find_first_not_of("0."), std::string::npos) << mean;
  }
}

TEST(Compare, FleetsAndPoliciesCombine) {
  Comparison c = small();
  c.fleets = {"builtin:single", "builtin:mixed"};
  c.limit = 50;
  const Compared both = compared(c);
  EXPECT_NE(both.text.find("4 ways, 3 seeds from 1"), std::string::npos) << both.text;
  for (const char* name : {"ost builtin:single ", "dom builtin:single ", "dom builtin:mixed "})
    EXPECT_NE(both.text.find(name), std::string::npos) << name << both.text;
}

TEST(Compare, WarmUpIsServedButNotCounted) {
  Comparison c = small();
  c.seeds = 1;
  const std::string all = compared(c).json;
  c.warm_up_s = 5;
  const std::string later = compared(c).json;
  EXPECT_EQ(value_of(all, "decision_hash", 0), value_of(later, "decision_hash", 0)) << "what is counted was decided by";
  EXPECT_NE(value_of(all, "energy_kwh", 2), value_of(later, "energy_kwh", 2));
  c.warm_up_s = 1e6;
  EXPECT_EQ(value_of(compared(c).json, "attainment_pct", 0), "null");
}

TEST(Compare, TellsOfEverySimulation) {
  Comparison c = small();
  c.limit = 20;
  std::uint64_t told = 0, last = 0;
  c.progress = [&](const switchyard::Progress& p) {
    EXPECT_EQ(p.of, 6u);
    ++told;
    last = p.ended;
  };
  compared(c);
  EXPECT_EQ(told, 6u);
  EXPECT_EQ(last, 6u);
}

TEST(Compare, TextHasAtMost100Columns) {
  Comparison c = small();
  c.fleets = {"builtin:single", "builtin:mixed"};
  const std::string text = compared(c).text;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = text.find('\n', at);
    EXPECT_LE(end - at, 100u) << text.substr(at, end - at);
    at = end + 1;
  }
}

TEST(Compare, SaysWhatIsWrong) {
  Comparison c = small();
  c.policies = {"expected_cost", "rndom"};
  EXPECT_EQ(error_of(c).substr(0, 48), "policy: found 'rndom'; nearest is 'random'; acce");
  c = small();
  c.seeds = 0;
  EXPECT_EQ(error_of(c), "seeds: found 0; accepted: a whole number from 1 to 65536");
  c = small();
  c.policies.clear();
  EXPECT_EQ(error_of(c), "policies: found none; accepted: names of scorers");
  c = small();
  c.trace = "no.such.csv";
  EXPECT_TRUE(error_of(c).starts_with("no.such.csv: ")) << error_of(c);
}

}  // namespace
