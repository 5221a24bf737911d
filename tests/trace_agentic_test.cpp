// Agents' conversations: which blocks rows share, when they arrive, and what is wrong with a file.
#include <fmt/format.h>

#include "scheduler/base/rng.h"
#include "scheduler/trace/stat.h"
#include "tests/trace_prefix_files.h"

namespace yard {
namespace {

using testing::gzipped;
using testing::hash_of;
using testing::kept_rows;
using testing::lettered;
using testing::outcome_of;
using testing::outcome_of_text;
using testing::shared_blocks;
using testing::TemporaryFolder;

const std::string kHeader =
    "trace,agent,idx,t,in_tokens,out_tokens,n_blocks64,lcp_blocks_prev,seen_blocks,api_time,stop\n";

struct Asked {
  const char* trace = "a";
  const char* agent = "0";
  const char* t = "0.0";
  int blocks = 0, lcp = 0, seen = 0;
  const char* api_time = "1.5";
};
std::string row(const Asked& r) {
  return fmt::format("{},{},0,{},{},7,{},{},{},{},end\n", r.trace, r.agent, r.t, r.blocks * 64 + 3, r.blocks, r.lcp,
                     r.seen, r.api_time);
}
std::string file(std::initializer_list<Asked> rows) {
  std::string text = kHeader;
  for (const Asked& r : rows) text += row(r);
  return text;
}
std::string letters_of(const std::string& text) {
  const TemporaryFolder folder;
  return lettered(kept_rows(folder.with(text)));
}

// ---- shared blocks ------------------------------------------------------------------------------------------------

TEST(Agentic, ARowBeginsAsTheAgentsRowBefore) {
  EXPECT_EQ(letters_of(file({{.t = "0.0", .blocks = 3},
                             {.t = "1.0", .blocks = 5, .lcp = 3, .seen = 3},
                             {.t = "2.0", .blocks = 4, .lcp = 2, .seen = 2},
                             {.t = "3.0", .blocks = 4, .lcp = 4, .seen = 4}})),
            "abc abcde abfg abfg");
}

TEST(Agentic, WhatWasSeenFurtherBackIsTheForksOtherBranch) {
  EXPECT_EQ(letters_of(file({{.t = "0.0", .blocks = 5},
                             {.t = "1.0", .blocks = 3, .lcp = 2, .seen = 2},
                             {.t = "2.0", .blocks = 5, .lcp = 2, .seen = 4}})),
            "abcde abf abcdg");
}

TEST(Agentic, OfSeveralBranchesTheLatestThatForksJustThereIsTaken) {
  EXPECT_EQ(letters_of(file({{.t = "0.0", .blocks = 4},
                             {.t = "1.0", .blocks = 4, .lcp = 1, .seen = 1},
                             {.t = "2.0", .blocks = 4, .lcp = 2, .seen = 2},
                             {.t = "3.0", .blocks = 4, .lcp = 1, .seen = 3}})),
            "abcd aefg aehi abcj");
}

TEST(Agentic, AnAgentThatWasStartedBeginsAsWhatItsConversationHadSeen) {
  EXPECT_EQ(letters_of(file({{.t = "0.0", .blocks = 3},
                             {.agent = "0.1", .t = "0.0", .blocks = 3},
                             {.agent = "0.2", .t = "5.0", .blocks = 4, .seen = 2},
                             {.t = "90.0", .blocks = 4, .lcp = 3, .seen = 3}})),
            "abc def degh abci");
}

TEST(Agentic, CountsThatNoRowCanExplainFallBackToTheRowBefore) {
  EXPECT_EQ(letters_of(file({{.t = "0.0", .blocks = 2}, {.t = "1.0", .blocks = 6, .lcp = 2, .seen = 4}})), "ab abcdef");
}

TEST(Agentic, ConversationsShareNothing) {
  const TemporaryFolder folder;
  const auto rows = kept_rows(folder.with(file({{.trace = "a", .blocks = 3}, {.trace = "b", .blocks = 3}})));
  EXPECT_EQ(lettered(rows), "abc def");
  EXPECT_EQ(rows.at(0).row.session, 1u);
  EXPECT_EQ(rows.at(1).row.session, 2u);
  EXPECT_EQ(rows.at(1).row.prefix_block, Tokens(64));
}

// Whatever the counts, each row shares what the file says with the agent's row before, and no more.
TEST(Agentic, RandomConversationsKeepTheirCounts) {
  Rng rng(11);
  const TemporaryFolder folder;
  for (int round = 0; round < 50; ++round) {
    std::string text = kHeader;
    std::vector<std::pair<int, int>> asked;  // blocks, lcp
    for (int i = 0; i < 60; ++i) {
      const int before = asked.empty() ? 0 : asked.back().first;
      const int lcp =
          before - static_cast<int>(rng.below(4) == 0 ? rng.below(static_cast<std::uint64_t>(before) + 1) : 0);
      const int blocks = lcp + static_cast<int>(rng.below(5));
      const std::string t = fmt::format("{}.0", i);
      text += row({.t = t.c_str(), .blocks = blocks, .lcp = lcp, .seen = lcp});
      asked.emplace_back(blocks, lcp);
    }
    const auto rows = kept_rows(folder.with(text));
    ASSERT_EQ(rows.size(), asked.size());
    NameSet seen;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      ASSERT_EQ(rows[i].prefix.size(), static_cast<std::size_t>(asked[i].first));
      for (std::size_t b = 0; b < rows[i].prefix.size(); ++b)
        ASSERT_EQ(seen.contains(rows[i].prefix[b]), b < static_cast<std::size_t>(asked[i].second)) << round << ' ' << i;
      if (i > 0) {
        ASSERT_EQ(shared_blocks(rows[i - 1], rows[i]), static_cast<std::size_t>(asked[i].second));
      }
      for (const auto name : rows[i].prefix) seen.insert(name);
    }
  }
}

// ---- arrivals -----------------------------------------------------------------------------------------------------

std::string timed(const std::string& name, Seed seed = 1) {
  std::string out;
  for (const auto& kept : kept_rows(name, seed))
    out += fmt::format("{}{}@{}", out.empty() ? "" : " ", kept.row.session,
                       static_cast<double>(kept.row.arrival.ns()) / 1e9);
  return out;
}

TEST(Agentic, AnAgentThatWasStartedBeginsWhenItsStarterWasAnswered) {
  const TemporaryFolder folder;
  EXPECT_EQ(timed(folder.with(file({{.t = "2.0", .blocks = 1},
                                    {.t = "3.0", .blocks = 1, .api_time = "1.25"},
                                    {.agent = "0.1", .t = "0.0", .blocks = 1},
                                    {.agent = "0.1", .t = "10.0", .blocks = 1, .api_time = ""},
                                    {.agent = "0.1.1", .t = "0.5", .blocks = 1},
                                    {.agent = "0.2", .t = "1.0", .blocks = 1},
                                    {.t = "4.0", .blocks = 1}}))),
            "1@0 1@1 1@2 1@2.25 1@3.25 1@12.25 1@12.75");
}

TEST(Agentic, RowsOfAllConversationsComeInOrderOfArrival) {
  const TemporaryFolder folder;
  const std::string path = folder.with(file({{.trace = "a", .t = "0.0", .blocks = 1},
                                             {.trace = "a", .t = "7.0", .blocks = 1},
                                             {.trace = "b", .t = "1.0", .blocks = 1},
                                             {.trace = "b", .t = "7.0", .blocks = 1}}));
  EXPECT_EQ(timed(fmt::format("gen:agentic?path={}&starts=0", path)), "1@0 2@1 1@7 2@7");
}

TEST(Agentic, StartsAreDrawnFromTheSeedAndHaveTheirMean) {
  const TemporaryFolder folder;
  std::string text = kHeader;
  for (int i = 0; i < 4'000; ++i) {
    const std::string name = fmt::format("t{}", i);
    text += row({.trace = name.c_str(), .blocks = 0});
  }
  const std::string path = folder.with(text);
  const auto last = [&](std::string_view starts, Seed seed) {
    return kept_rows(fmt::format("gen:agentic?path={}{}", path, starts), seed).back().row.arrival.ns();
  };
  EXPECT_NEAR(static_cast<double>(last("", 1)) / 4e13, 1.0, 0.05);
  EXPECT_NEAR(static_cast<double>(last("&starts=0.5", 1)) / 2e12, 1.0, 0.05);
  EXPECT_EQ(last("", 1), last("", 1));
  EXPECT_EQ(last("", 1), kept_rows(path).back().row.arrival.ns());
  EXPECT_NE(last("", 1), last("", 2));
}

TEST(Agentic, AFolderAndGzipWillDo) {
  const TemporaryFolder folder;
  const std::string text = file({{.blocks = 1}, {.t = "1.0", .blocks = 2, .lcp = 1, .seen = 1}});
  std::ofstream(folder.file("requests_compact.csv.gz"), std::ios::binary) << gzipped(text);
  const std::string want = "0/67/7 1000000000/131/7";
  EXPECT_EQ(outcome_of(folder.file("")), want);
  EXPECT_EQ(outcome_of(folder.file("requests_compact.csv.gz")), want);
  EXPECT_EQ(outcome_of("gen:agentic?path=" + folder.file("")), want);
  EXPECT_EQ(outcome_of(folder.with(text)), want);
  EXPECT_EQ(outcome_of(folder.with(text), 1, 2.0), "0/67/7");
}

// ---- cut, wrong ---------------------------------------------------------------------------------------------------

TEST(Agentic, ACutAtAnyByteGivesFewerRowsOrOneLine) {
  const std::string whole = file({{.blocks = 3}, {.t = "1.0", .blocks = 5, .lcp = 3, .seen = 3}});
  const std::string all = outcome_of_text(whole);
  int rows = 0, errors = 0;
  for (std::size_t cut = 0; cut < whole.size(); ++cut) {
    const std::string outcome = outcome_of_text(std::string_view(whole).substr(0, cut));
    EXPECT_TRUE(outcome.starts_with("FILE") || all.starts_with(outcome)) << cut << ": " << outcome;
    outcome.starts_with("FILE") ? ++errors : ++rows;
  }
  EXPECT_GT(rows, 5);
  EXPECT_GT(errors, 100);
}

TEST(Agentic, ColumnsGoByNameAndAreAllThere) {
  EXPECT_EQ(outcome_of_text("x,seen_blocks,lcp_blocks_prev,n_blocks64,out_tokens,in_tokens,t,agent,trace,api_time\r\n"
                            ",0,0,1,9,70,0.5,0,a,1\r\n"),
            "0/70/9");
  EXPECT_EQ(outcome_of_text("trace,agent,n_blocks64\n"),
            "FILE:1: t: found no such column; accepted: trace,agent,t,in_tokens,out_tokens,n_blocks64,lcp_blocks_prev,"
            "seen_blocks,api_time");
  EXPECT_EQ(outcome_of_text("t," + kHeader), "FILE:1: t: found twice; accepted: once");
  EXPECT_EQ(outcome_of_text(kHeader + "a,0,0\n"),
            "FILE:2: found 'a,0,0'; accepted: 11 plain cells, as many as the header has (is the file cut?)");
}

TEST(Agentic, CellsAreInTheirRange) {
  const auto says = [](const char* cells) { return outcome_of_text(kHeader + row({.blocks = 2}) + cells + "\n"); };
  const auto range = [](std::string_view column, std::string_view found, int least, int most) {
    return fmt::format("FILE:3: {}: found {}; accepted: a whole number from {} to {}", column, found, least, most);
  };
  EXPECT_EQ(says("a,0,1,1.0,0,1,0,0,0,1,"), range("in_tokens", "'0'", 1, 16777216));
  EXPECT_EQ(says("a,0,1,1.0,1e3,1,0,0,0,1,"), range("in_tokens", "'1e3'", 1, 16777216));
  EXPECT_EQ(says("a,0,1,1.0,\"5\",1,0,0,0,1,"), range("in_tokens", "'\"5\"'", 1, 16777216));
  EXPECT_EQ(says("a,0,1,1.0,500,-1,0,0,0,1,"), range("out_tokens", "'-1'", 0, 16777216));
  EXPECT_EQ(says("a,0,1,1.0,500,,0,0,0,1,"), range("out_tokens", "nothing", 0, 16777216));
  EXPECT_EQ(says("a,0,1,1.0,500,1,9,0,0,1,"), range("n_blocks64", "'9'", 0, 8));
  EXPECT_EQ(says("a,0,1,1.0,500,1,7,3,3,1,"), range("lcp_blocks_prev", "'3'", 0, 2));
  EXPECT_EQ(says("a,0,1,1.0,500,1,1,2,2,1,"), range("lcp_blocks_prev", "'2'", 0, 1));
  EXPECT_EQ(says("a,0.1,1,1.0,500,1,7,1,1,1,"), range("lcp_blocks_prev", "'1'", 0, 0));
  EXPECT_EQ(says("a,0,1,1.0,500,1,7,2,1,1,"), range("seen_blocks", "'1'", 2, 7));
  EXPECT_EQ(says("a,0,1,1.0,500,1,7,2,8,1,"), range("seen_blocks", "'8'", 2, 7));
  for (const std::string_view t : {"-1", "1e10", "x", "1:00"})
    EXPECT_EQ(says(fmt::format("a,0,1,{},500,1,7,2,2,1,", t).c_str()),
              fmt::format("FILE:3: t: found '{}'; accepted: seconds from 0 to 1000000000", t));
  EXPECT_EQ(says("a,0,1,1,500,1,7,2,2,x,"), "FILE:3: api_time: found 'x'; accepted: seconds from 0 to 1000000000");
  EXPECT_EQ(says("a,,1,1,500,1,7,2,2,1,"),
            "FILE:3: agent: found nothing; accepted: 0, or 0.1 for an agent that 0 started");
}

TEST(Agentic, AnAgentsTimeNeverGoesBackAndAConversationStandsTogether) {
  EXPECT_EQ(outcome_of_text(file({{.t = "2.0", .blocks = 1}, {.t = "1.5", .blocks = 1}})),
            "FILE:3: t: found a time 500000000 ns before that of the agent's row before; accepted: rows of an agent in "
            "order of time");
  EXPECT_EQ(outcome_of_text(file({{.trace = "a"}, {.trace = "b"}, {.trace = "a"}})),
            "FILE:4: trace: found 'a' again, behind another; accepted: the rows of a conversation together");
}

TEST(Agentic, OptionsAreNamedAndInTheirRange) {
  EXPECT_EQ(outcome_of("gen:agentic?starts=1"),
            "gen:agentic?path: found nothing; accepted: a file, or the folder that it lies in");
  EXPECT_EQ(outcome_of("gen:agentic?start=1"),
            "gen:agentic: found 'start'; accepted: path, starts; nearest is 'starts'");
  EXPECT_EQ(outcome_of("gen:agentic?path=x&starts=-1"),
            "gen:agentic?starts: found '-1'; accepted: seconds from 0 to 86400, at most six decimals");
  EXPECT_EQ(outcome_of("gen:agentic?path=/nowhere/x"), "/nowhere/x: no such file; give the path of an existing file");
}

// ---- the real one -------------------------------------------------------------------------------------------------

TEST(AgenticTrace, HasItsRowsTokensAndBlocks) {
  NEED_SHARED_DATA(folder, "traces/agentic");
  const auto stat = stat_of(*open_trace(folder.string(), 1, 0, 1.0));
  EXPECT_EQ(stat.rows(), 49'334u);
  EXPECT_EQ(static_cast<std::uint64_t>(stat.prompt().sum()), 6'037'445'403u);
  EXPECT_EQ(static_cast<std::uint64_t>(stat.output().sum()), 21'709'920u);
  EXPECT_EQ(stat.prefix().sessions(), 710u);
  EXPECT_EQ(stat.prefix().blocks(), 94'310'647u);                  // the sum of n_blocks64
  EXPECT_EQ(stat.prefix().distinct_blocks(), 3'450'959u);          // less the sum of seen_blocks, 90'859'688
  EXPECT_EQ(stat.prefix().repeated_tokens(), 90'859'688ull * 64);  // so each row's seen_blocks found a holder
  EXPECT_EQ(hash_of(*open_trace(folder.string(), 1, 2'000, 1.0)), 14'872'828'068'106'323'826u);
}

}  // namespace
}  // namespace yard
