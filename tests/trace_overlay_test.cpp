// gen:overlay: copies of a trace on top of each other, shifted, wrapped and stretched.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "scheduler/trace/overlay.h"
#include "tests/trace_files.h"

namespace yard::testing {
namespace {

// Ten rows, a second apart, told apart by their prompts; the ring is ten seconds.
std::string ten_rows() {
  std::string text = "arrival_ns,prompt_tokens,output_tokens\n";
  for (int i = 0; i < 10; ++i) text += std::to_string(i * 1'000'000'000ll) + ',' + std::to_string(i + 1) + ",7\n";
  return text;
}

// Six rows whose prompts begin alike.
constexpr std::string_view kPrefixes =
    R"({"timestamp": 0, "input_length": 1024, "output_length": 5, "hash_ids": [1, 2], "session": 1}
{"timestamp": 1000, "input_length": 1024, "output_length": 5, "hash_ids": [1, 3], "session": 1}
{"timestamp": 2000, "input_length": 1024, "output_length": 5, "hash_ids": [1, 2], "session": 2}
)";

std::string overlay(const std::string& path, const std::string& more) { return "gen:overlay?path=" + path + more; }

std::vector<std::int32_t> prompts_of(const std::vector<TraceRow>& rows) {
  std::vector<std::int32_t> prompts;
  for (const TraceRow& row : rows) prompts.push_back(row.prompt.count());
  return prompts;
}

TEST(Overlay, OneCopyIsTheFileTurnedRound) {
  const TemporaryFolder folder;
  const auto rows = rows_of(overlay(folder.with(ten_rows()), ""), 3);
  ASSERT_EQ(rows.size(), 10u);
  auto prompts = prompts_of(rows);
  const std::int32_t first = prompts[0];
  for (std::size_t i = 0; i < rows.size(); ++i) {
    EXPECT_EQ(prompts[i], (first - 1 + static_cast<int>(i)) % 10 + 1);
    EXPECT_EQ(rows[i].arrival.ns(), static_cast<std::int64_t>(i) * 1'000'000'000);
  }
}

TEST(Overlay, EachCopyGoesRoundOnceAtAnOffsetOfItsOwn) {
  const TemporaryFolder folder;
  const auto rows = rows_of(overlay(folder.with(ten_rows()), "&copies=8"), 1);
  ASSERT_EQ(rows.size(), 80u);
  EXPECT_TRUE(std::is_sorted(rows.begin(), rows.end(),
                             [](const TraceRow& a, const TraceRow& b) { return a.arrival < b.arrival; }));
  EXPECT_EQ(rows[0].arrival, Time());
  std::map<std::int32_t, int> times;
  for (const TraceRow& row : rows) ++times[row.prompt.count()];
  for (const auto& [prompt, n] : times) EXPECT_EQ(n, 8) << prompt;
  std::set<std::int64_t> phases;
  for (const TraceRow& row : rows) phases.insert(row.arrival.ns() % 1'000'000'000);
  EXPECT_EQ(phases.size(), 8u) << "copies that begin together";
}

TEST(Overlay, RateStretchesTimesAndChangesNothingElse) {
  const TemporaryFolder folder;
  const std::string path = folder.with(ten_rows());
  const auto slow = rows_of(overlay(path, "&copies=3&rate=3"), 5),
             fast = rows_of(overlay(path, "&copies=3&rate=300"), 5);
  EXPECT_EQ(prompts_of(slow), prompts_of(fast));
  for (std::size_t i = 0; i < slow.size(); ++i)
    EXPECT_NEAR(static_cast<double>(slow[i].arrival.ns()), static_cast<double>(fast[i].arrival.ns()) * 100, 200);
  const auto recorded = rows_of(overlay(path, "&copies=3"), 5);
  EXPECT_EQ(shown(recorded), shown(slow)) << "three copies of one a second are three a second";
}

TEST(Overlay, RateIsTheMeanRate) {
  const TemporaryFolder folder;
  const auto rows = rows_of(overlay(folder.with(ten_rows()), "&copies=4&rate=50"), 2, 100'000);
  ASSERT_EQ(rows.size(), 100'000u) << "a limit goes round as often as it takes";
  EXPECT_NEAR(static_cast<double>(rows.back().arrival.ns()) * 1e-9, 2000, 1);
}

TEST(Overlay, AnotherSeedBeginsElsewhere) {
  const TemporaryFolder folder;
  const std::string name = overlay(folder.with(ten_rows()), "&copies=4");
  EXPECT_EQ(shown(rows_of(name, 1)), shown(rows_of(name, 1)));
  EXPECT_NE(shown(rows_of(name, 1)), shown(rows_of(name, 2)));
}

TEST(Overlay, SecondsEndItAndSpanAndLongestChooseRows) {
  const TemporaryFolder folder;
  const std::string path = folder.with(ten_rows());
  EXPECT_EQ(rows_of(overlay(path, "&rate=100&seconds=2")).size(), 200u);
  for (const std::int32_t prompt : prompts_of(rows_of(overlay(path, "&span=4")))) EXPECT_LE(prompt, 4);
  for (const std::int32_t prompt : prompts_of(rows_of(overlay(path, "&longest=10")))) EXPECT_LE(prompt, 3);
  EXPECT_EQ(rows_of(overlay(path, "&span=4")).size(), 4u);
  EXPECT_EQ(rows_of(overlay(path, "&longest=10")).size(), 3u);
}

// Blocks and conversations of each row, in order.
std::vector<std::pair<std::vector<std::uint64_t>, std::uint64_t>> names_in(const std::string& name,
                                                                           std::uint64_t limit) {
  std::vector<std::pair<std::vector<std::uint64_t>, std::uint64_t>> out;
  const auto reader = open_trace(name, 1, limit, 1);
  EXPECT_TRUE(reader->has_prefix());
  while (const auto row = reader->next()) {
    EXPECT_EQ(row->prefix_block, Tokens(512));
    out.emplace_back(std::vector(row->prefix.begin(), row->prefix.end()), row->session);
  }
  return out;
}

TEST(Overlay, CopiesAndTurnsShareNoBlocksAndNoConversations) {
  const TemporaryFolder folder;
  const auto rows = names_in(overlay(folder.with(kPrefixes), "&copies=2"), 24);
  ASSERT_EQ(rows.size(), 24u);
  std::map<std::uint64_t, std::set<std::uint64_t>> heads_of_session;
  std::map<std::uint64_t, int> heads;
  for (const auto& [names, session] : rows) {
    ASSERT_EQ(names.size(), 2u);
    ++heads[names[0]];
    heads_of_session[session].insert(names[0]);
  }
  // Two copies of four turns each, of which the first may begin, and the last end, in its middle.
  EXPECT_GE(heads.size(), 8u);
  EXPECT_LE(heads.size(), 10u);
  for (const auto& [head, n] : heads) EXPECT_LE(n, 3) << "a turn has three rows of one head";
  for (const auto& [session, of] : heads_of_session) EXPECT_EQ(of.size(), 1u) << session;
}

TEST(TraceRows, KeepNamesOfLargerBlocks) {
  const TemporaryFolder folder;
  const std::string path = folder.with(
      R"({"timestamp": 0, "input_length": 400, "output_length": 5, "prefix": [1, 2, 3, 4, 5], "block_tokens": 64})");
  const auto rows = TraceRows::read(*open_trace(path, 1, 0, 1), path, {.block = Tokens(128)});
  const TraceRow row = rows->row(0);
  EXPECT_EQ(std::vector(row.prefix.begin(), row.prefix.end()), (std::vector<std::uint64_t>{2, 4}));
  EXPECT_EQ(row.prefix_block, Tokens(128));
  EXPECT_THROW(TraceRows::read(*open_trace(path, 1, 0, 1), path, {.block = Tokens(96)}), InputError);
}

TEST(Overlay, SaysWhatIsWrongInOneLine) {
  const TemporaryFolder folder;
  const std::string path = folder.with(ten_rows());
  EXPECT_EQ(outcome_of("gen:overlay"), "FILE?path: found nothing; accepted: a trace's file or folder");
  EXPECT_EQ(outcome_of(overlay(path, "&copies=65")),
            "gen:overlay?copies: found '65'; accepted: a whole number from 1 to 64");
  EXPECT_EQ(outcome_of(overlay(path, "&copies=1.5")),
            "gen:overlay?copies: found '1.5'; accepted: a whole number from 1 to 64");
  EXPECT_EQ(outcome_of(overlay(path, "&rate=0")),
            "gen:overlay?rate: found '0'; accepted: requests a second, 0.001 to 10000000");
  EXPECT_EQ(outcome_of(overlay(path, "&rte=1")),
            "gen:overlay: found 'rte'; accepted: path, copies, rate, seconds, longest, span; nearest is 'rate'");
  EXPECT_EQ(outcome_of(overlay(path, "&longest=1")), path + ": found no rows; accepted: a trace of one row or more");
}

}  // namespace
}  // namespace yard::testing
