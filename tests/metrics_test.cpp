// Metrics as Prometheus reads them: every line by the grammar of the text exposition format 0.0.4, and what they say.
#include <switchyard/scheduler.h>
#include <switchyard/step.h>

#include <charconv>
#include <chrono>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include <gtest/gtest.h>

#include "tests/live_answers.h"

#include "scheduler/report/exposition.h"
#include "tests/gate.h"

namespace switchyard {
namespace {

using namespace std::chrono_literals;
using Labels = std::map<std::string, std::string>;

// ---- a reader of the format, from its specification ----------------------------------------------------------------

struct Metrics {
  std::map<std::string, std::string> types, helps;
  std::map<std::string, std::map<Labels, std::string>> samples;  // by the sample's name

  std::uint64_t of(const std::string& name, const Labels& labels = {}) const {
    const auto family = samples.find(name);
    if (family == samples.end()) return 0;
    const auto at = family->second.find(labels);
    return at == family->second.end() ? 0 : std::stoull(at->second);
  }
  std::uint64_t sum(const std::string& name) const {
    std::uint64_t n = 0;
    if (const auto family = samples.find(name); family != samples.end())
      for (const auto& [labels, value] : family->second) n += std::stoull(value);
    return n;
  }
};

bool is_name(std::string_view s, bool colons) {
  const auto letter = [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (colons && c == ':');
  };
  if (s.empty() || !letter(s.front())) return false;
  for (const char c : s)
    if (!letter(c) && !(c >= '0' && c <= '9')) return false;
  return true;
}

std::string take(std::string_view& rest, char until) {
  const std::size_t at = rest.find(until);
  EXPECT_NE(at, std::string_view::npos) << rest;
  std::string word(rest.substr(0, at));
  rest.remove_prefix(std::min(rest.size(), at + 1));
  return word;
}

std::string take_quoted(std::string_view& rest) {
  EXPECT_TRUE(rest.starts_with('"')) << rest;
  rest.remove_prefix(1);
  std::string value;
  while (!rest.empty() && rest.front() != '"') {
    if (rest.front() == '\\') {
      rest.remove_prefix(1);
      EXPECT_TRUE(!rest.empty() && std::string_view("\\\"n").find(rest.front()) != std::string_view::npos) << rest;
      value += rest.front() == 'n' ? '\n' : rest.front();
    } else {
      value += rest.front();
    }
    rest.remove_prefix(1);
  }
  EXPECT_FALSE(rest.empty());
  rest.remove_prefix(1);
  return value;
}

// The family that a sample belongs to.
std::string family_of(const Metrics& m, const std::string& name) {
  for (const std::string_view suffix : {"_bucket", "_sum", "_count"})
    if (name.ends_with(suffix)) {
      const std::string base = name.substr(0, name.size() - suffix.size());
      if (const auto at = m.types.find(base); at != m.types.end() && at->second == "histogram") return base;
    }
  return name;
}

void read_sample(Metrics& m, std::string_view line, const std::string& family) {
  const std::size_t end = line.find_first_of("{ ");
  ASSERT_NE(end, std::string_view::npos) << line;
  const std::string name(line.substr(0, end));
  std::string_view rest = line.substr(end);
  EXPECT_TRUE(is_name(name, true)) << line;
  EXPECT_EQ(family_of(m, name), family) << "the samples of a family stand together: " << line;
  Labels labels;
  if (rest.starts_with('{')) {
    do {
      rest.remove_prefix(1);
      const std::string label = take(rest, '=');
      EXPECT_TRUE(is_name(label, false)) << line;
      EXPECT_TRUE(labels.emplace(label, take_quoted(rest)).second) << "a label twice: " << line;
    } while (rest.starts_with(','));
    ASSERT_TRUE(rest.starts_with('}')) << line;
    rest.remove_prefix(1);
  }
  ASSERT_TRUE(rest.starts_with(' ')) << line;
  rest.remove_prefix(1);
  double value = 0;
  const auto [to, error] = std::from_chars(rest.data(), rest.data() + rest.size(), value);
  EXPECT_TRUE(error == std::errc() && to == rest.data() + rest.size()) << line;
  EXPECT_TRUE(m.samples[name].emplace(labels, rest).second) << "a sample twice: " << line;
}

Metrics read(const std::string& text) {
  Metrics m;
  EXPECT_TRUE(text.ends_with('\n'));
  std::istringstream lines(text);
  std::string family;
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with('#')) {
      read_sample(m, line, family);
      continue;
    }
    std::string_view rest = line;
    EXPECT_EQ(take(rest, ' '), "#");
    const std::string keyword = take(rest, ' ');
    const std::string name = take(rest, ' ');
    EXPECT_TRUE(is_name(name, true)) << line;
    if (keyword == "HELP") {
      EXPECT_TRUE(m.helps.emplace(name, rest).second) << "HELP twice: " << line;
      EXPECT_FALSE(rest.empty()) << line;
      continue;
    }
    EXPECT_EQ(keyword, "TYPE");
    EXPECT_TRUE(m.helps.contains(name)) << line;
    EXPECT_TRUE((std::set<std::string_view>{"counter", "gauge", "histogram"}.contains(rest))) << line;
    EXPECT_TRUE(m.types.emplace(name, rest).second) << "TYPE twice: " << line;
    family = name;
  }
  return m;
}

// ---- the writer ----------------------------------------------------------------------------------------------------

TEST(Exposition, EscapesLabelsAndHelp) {
  yard::Exposition out;
  out.family("a_total", "counter", "with \\ and\nmore \"quotes\"");
  out.sample({{"device", "a\\b\"c\nd"}, {"e", ""}}, 7);
  EXPECT_EQ(out.text(),
            "# HELP a_total with \\\\ and\\nmore \"quotes\"\n"
            "# TYPE a_total counter\n"
            "a_total{device=\"a\\\\b\\\"c\\nd\",e=\"\"} 7\n");
  EXPECT_EQ(read(out.text()).of("a_total", {{"device", "a\\b\"c\nd"}, {"e", ""}}), 7u);
}

TEST(Exposition, HistogramBucketsAreCumulativeAndEndInInfinity) {
  yard::Exposition out;
  out.family("t_seconds", "histogram", "times");
  const std::int64_t edges[] = {1'000'000, 2'500'000'000};
  const std::uint64_t counts[] = {3, 0, 2};
  out.histogram({{"slo", "x"}}, edges, counts, 10'000'000'001);
  EXPECT_EQ(out.text(),
            "# HELP t_seconds times\n# TYPE t_seconds histogram\n"
            "t_seconds_bucket{slo=\"x\",le=\"0.001\"} 3\n"
            "t_seconds_bucket{slo=\"x\",le=\"2.5\"} 3\n"
            "t_seconds_bucket{slo=\"x\",le=\"+Inf\"} 5\n"
            "t_seconds_sum{slo=\"x\"} 10.000000001\n"
            "t_seconds_count{slo=\"x\"} 5\n");
}

TEST(Exposition, SecondsAreExactDecimals) {
  EXPECT_EQ(yard::decimal_seconds(0), "0");
  EXPECT_EQ(yard::decimal_seconds(1), "0.000000001");
  EXPECT_EQ(yard::decimal_seconds(10'000'000'000), "10");
}

// ---- what a scheduler says -----------------------------------------------------------------------------------------

TEST(Metrics, EveryFamilyHasItsPlaceAndItsUnit) {
  Scheduler scheduler({.devices = {host_device("a \"quoted\" \\ name\n", count_up)}});
  const Metrics m = read(scheduler.metrics());
  EXPECT_GE(m.types.size(), 15u);
  for (const auto& [name, type] : m.types) {
    EXPECT_TRUE(name.starts_with("switchyard_")) << name;
    EXPECT_EQ(name.ends_with("_total"), type == "counter") << name;
    if (type == "histogram") {
      EXPECT_TRUE(name.ends_with("_seconds")) << name;
    }
  }
  EXPECT_EQ(m.of("switchyard_device_state", {{"device", "a \"quoted\" \\ name\n"}, {"state", "up"}}), 1u);
}

TEST(Metrics, SayWhatEndedAndWhy) {
  Scheduler scheduler({.devices = {host_device("d", count_up)}});
  for (int i = 0; i < 3; ++i) {
    Reply reply = scheduler.submit({.prompt = kPrompt, .max_tokens = 5});
    for ([[maybe_unused]] const Token token : reply) {}
  }
  Reply empty = scheduler.submit({}), unknown = scheduler.submit({.prompt = kPrompt, .slo = "platinum"});
  for ([[maybe_unused]] const Token token : empty) {}
  EXPECT_TRUE(scheduler.drain(1h));
  Reply late = scheduler.submit({.prompt = kPrompt});
  const Metrics m = read(scheduler.metrics());
  EXPECT_EQ(m.of("switchyard_submitted_total"), 6u);
  EXPECT_EQ(m.of("switchyard_requests_total", {{"outcome", "done"}, {"reason", ""}}), 3u);
  for (const char* reason : {"empty_prompt", "no_such_class", "draining"})
    EXPECT_EQ(m.of("switchyard_requests_total", {{"outcome", "rejected"}, {"reason", reason}}), 1u) << reason;
  EXPECT_EQ(m.sum("switchyard_requests_total"), 6u);
  EXPECT_EQ(m.of("switchyard_requests_in_flight"), 0u);
  EXPECT_EQ(m.of("switchyard_prompt_tokens_total"), 9u);
  EXPECT_EQ(m.of("switchyard_output_tokens_total"), 15u);
  EXPECT_EQ(m.of("switchyard_ttft_seconds_count", {{"slo", "standard"}}), 3u);
  EXPECT_EQ(m.of("switchyard_e2e_seconds_bucket", {{"slo", "standard"}, {"le", "+Inf"}}), 3u);
}

TEST(Metrics, SayWhatRunsAndWhatWaits) {
  yard::Gate gate;
  Scheduler scheduler({.devices = {host_device("d", count_up_behind(gate), {.model = "m", .slots = 1})}});
  Reply running = scheduler.submit({.prompt = kPrompt, .max_tokens = 1});
  gate.wait_for(1);
  Reply waiting[] = {scheduler.submit({.prompt = kPrompt}), scheduler.submit({.prompt = kPrompt})};
  Reply marker = scheduler.submit({});  // once it has ended, the two before it stand in their line
  for ([[maybe_unused]] const Token token : marker) {}
  const Metrics m = read(scheduler.metrics());
  EXPECT_EQ(m.of("switchyard_requests_in_flight"), 3u);
  EXPECT_EQ(m.of("switchyard_requests_waiting"), 2u);
  EXPECT_EQ(m.of("switchyard_device_running", {{"device", "d"}, {"model", "m"}}), 1u);
  EXPECT_EQ(m.of("switchyard_device_waiting", {{"device", "d"}, {"model", "m"}}), 2u);
  gate.open();
}

TEST(Metrics, SayWhatBecameOfEndpoints) {
  Scheduler scheduler({.devices = {endpoint("a")}});
  for (int i = 0; i < 5; ++i) {
    yard::Gate told;
    told.open();
    Ticket ticket = scheduler.place({.prompt = kPrompt, .max_tokens = 5}, [&](const Placement&) { told.pass(); });
    told.wait_for(1);
    if (i == 0) ticket.ended(2, 3);
    if (i == 0) ticket.ended(2, 3);
    if (i > 0) ticket.first_token(), ticket.failed(500);
    told.wait_for(2);
  }
  EXPECT_TRUE(scheduler.drain(1h));
  const Metrics m = read(scheduler.metrics());
  EXPECT_EQ(m.of("switchyard_requests_total", {{"outcome", "failed"}, {"reason", "broken_stream"}}), 4u);
  EXPECT_EQ(m.of("switchyard_sends_total"), 5u);
  EXPECT_EQ(m.of("switchyard_late_calls_total"), 1u);
  EXPECT_EQ(m.of("switchyard_cached_prompt_tokens_total"), 3u);
}

TEST(Metrics, SayTheStateOfADevice) {
  Scheduler scheduler({.devices = {host_device("a", count_up), host_device("b", count_up)}});
  scheduler.set("a", Wish::drain);
  scheduler.set("b", Wish::remove);
  Reply reply = scheduler.submit({.prompt = kPrompt});  // after them
  for ([[maybe_unused]] const Token token : reply) {}
  const Metrics m = read(scheduler.metrics());
  for (const char* state : {"up", "half_open", "ejected", "draining", "down"}) {
    EXPECT_EQ(m.of("switchyard_device_state", {{"device", "a"}, {"state", state}}), state == std::string("draining"));
    EXPECT_EQ(m.of("switchyard_device_state", {{"device", "b"}, {"state", state}}), state == std::string("down"));
  }
}

TEST(Metrics, AreOfOneMomentWhileManySubmit) {
  Scheduler scheduler({.devices = {host_device("d", count_up, {.slots = 4})}});
  std::thread caller([&] {
    for (int i = 0; i < 300; ++i) {
      Reply reply = scheduler.submit({.prompt = kPrompt, .max_tokens = 3});
      if (i % 5 == 0) reply.cancel();
    }
  });
  for (int i = 0; i < 50; ++i) {
    const Metrics m = read(scheduler.metrics());
    EXPECT_EQ(m.of("switchyard_submitted_total"),
              m.sum("switchyard_requests_total") + m.of("switchyard_requests_in_flight"));
    EXPECT_LE(m.of("switchyard_requests_waiting"), m.of("switchyard_requests_in_flight"));
    EXPECT_EQ(m.sum("switchyard_e2e_seconds_count"),
              m.of("switchyard_requests_total", {{"outcome", "done"}, {"reason", ""}}));
  }
  caller.join();
}

TEST(Metrics, OfAMovedFromSchedulerAreEmpty) {
  Scheduler scheduler({.devices = {host_device("d", count_up)}});
  const Scheduler other = std::move(scheduler);
  EXPECT_EQ(scheduler.metrics(), "");
  EXPECT_NE(other.metrics(), "");
}

}  // namespace
}  // namespace switchyard
