// Traces of JSON lines, which know prefixes; gzip; and what statistics say of prefixes.
#include <fmt/format.h>

#include "scheduler/base/output_file.h"
#include "scheduler/base/rng.h"
#include "scheduler/trace/mooncake.h"
#include "scheduler/trace/stat.h"
#include "tests/trace_prefix_files.h"

namespace yard {
namespace {

using testing::gzipped;
using testing::hash_of;
using testing::kept_rows;
using testing::KeptRow;
using testing::lettered;
using testing::outcome_of;
using testing::outcome_of_text;
using testing::shared_blocks;
using testing::TemporaryFolder;

const std::string kRow1 = R"({"timestamp": 27482, "input_length": 1300, "output_length": 52, "hash_ids": [46, 47, 8]})"
                          "\n";
const std::string kRow2 = R"({"timestamp": 30535, "input_length": 1024, "output_length": 0, "hash_ids": [46, 47]})"
                          "\n";
const std::string kTwoRows = "0/1300/52 3053000000/1024/0";

std::string json(std::string_view blocks, std::string_view more = "") {
  return fmt::format("{{\"timestamp\": 0, \"input_length\": 2048, \"output_length\": 1, {}{}}}\n", blocks, more);
}
std::vector<KeptRow> kept_of(std::string_view text) {
  const TemporaryFolder folder;
  return kept_rows(folder.with(text));
}

// ---- good ---------------------------------------------------------------------------------------------------------

TEST(Mooncake, MillisecondsAreNanosecondsSinceTheFirstRow) { EXPECT_EQ(outcome_of_text(kRow1 + kRow2), kTwoRows); }

TEST(Mooncake, EqualTimesStandInTheFilesOrder) {
  EXPECT_EQ(outcome_of_text(kRow1 + kRow1 + kRow2 + kRow2), "0/1300/52 0/1300/52 3053000000/1024/0 3053000000/1024/0");
}

TEST(Mooncake, KeysComeInAnyOrderAndOthersAreIgnored) {
  EXPECT_EQ(outcome_of_text(R"({"x": {"timestamp": [1, "{"]}, "hash_ids": [], "output_length": 52, )"
                            R"("input_length": 1300, "timestamp": 27482, "y": null})"
                            "\n" +
                            kRow2),
            kTwoRows);
}

TEST(Mooncake, ByteOrderMarkCrLfEmptyLinesAndAMissingLastLineEndChangeNothing) {
  EXPECT_EQ(outcome_of_text("\xef\xbb\xbf" + kRow1 + "\n\r\n" + kRow2), kTwoRows);
  EXPECT_EQ(outcome_of_text(kRow1 + kRow2.substr(0, kRow2.size() - 1)), kTwoRows);
  EXPECT_EQ(outcome_of_text("  " + kRow1 + kRow2.substr(0, kRow2.size() - 1) + "\r\n"), kTwoRows);
}

TEST(Mooncake, EqualIdsBehindEqualBlocksAreEqualBlocks) {
  EXPECT_EQ(lettered(kept_of(json(R"("hash_ids": [0, 7, 9])") + json(R"("hash_ids": [0, 7])") +
                             json(R"("hash_ids": [])") + json(R"("hash_ids": [0, 8, 9])"))),
            "abc ab - ade");
}

TEST(Mooncake, BlocksAre512TokensOrAsTheFileSays) {
  const auto plain = kept_of(json(R"("hash_ids": [1, 2])")),
             small = kept_of(json(R"("hash_ids": [1, 2])", R"(, "block_tokens": 64)"));
  EXPECT_EQ(plain.at(0).row.prefix_block, Tokens(512));
  EXPECT_EQ(small.at(0).row.prefix_block, Tokens(64));
  EXPECT_EQ(shared_blocks(plain[0], small[0]), 0u);
}

TEST(Mooncake, ChainedNamesAreTakenAsTheyAre) {
  const auto rows = kept_of(json(R"("prefix": [18446744073709551615, 0, 1])", R"(, "session": 9, "max_tokens": 5)"));
  EXPECT_EQ(rows.at(0).prefix, (std::vector<std::uint64_t>{~std::uint64_t{0}, 0, 1}));
  EXPECT_EQ(rows[0].row.session, 9u);
  EXPECT_EQ(rows[0].row.max_output, Tokens(5));
}

TEST(Mooncake, NanosecondsMayStandForMilliseconds) {
  EXPECT_EQ(outcome_of_text(R"({"arrival_ns": 5, "input_length": 1, "output_length": 0, "hash_ids": [4]})"
                            "\n"
                            R"({"arrival_ns": 8, "input_length": 1, "output_length": 0, "prefix": []})"),
            "0/1/0 3/1/0");
}

TEST(Mooncake, LimitAndScaleKeepPrefixes) {
  const TemporaryFolder folder;
  const auto rows = kept_rows(folder.with(kRow1 + kRow2 + "wrong\n"), 1, 2, 2.0);
  EXPECT_EQ(lettered(rows), "abc ab");
  EXPECT_EQ(rows.at(1).row.arrival, Time(1'526'500'000));
}

TEST(Mooncake, RowsOfOtherFormatsHaveNoPrefix) {
  const TemporaryFolder folder;
  for (const std::string& name :
       {std::string("gen:azure-conv"), folder.with("arrival_ns,prompt_tokens,output_tokens\n0,1000,1\n")}) {
    const auto reader = open_trace(name, 1, 1, 1.0);
    EXPECT_FALSE(reader->has_prefix());
    const auto row = reader->next();
    ASSERT_TRUE(row);
    EXPECT_TRUE(row->prefix.empty());
    EXPECT_EQ(row->prefix_block, Tokens(0));
    EXPECT_EQ(row->session, 0u);
  }
}

// ---- written ------------------------------------------------------------------------------------------------------

TEST(Mooncake, WhatIsWrittenReadsBackTheSame) {
  const TemporaryFolder folder;
  const std::string out = folder.file("out.jsonl");
  const std::string in = folder.with(kRow1 + kRow2 +
                                     R"({"arrival_ns": 30535000001, "input_length": 2, "output_length": 1, )"
                                     R"("hash_ids": [], "session": 3, "max_tokens": 7})");
  OutputFile file(out);
  EXPECT_EQ(write_trace(*open_trace(in, 1, 0, 1.0), file), 3u);
  file.commit();
  EXPECT_EQ(hash_of(*open_trace(in, 1, 0, 1.0)), hash_of(*open_trace(out, 1, 0, 1.0)));
  EXPECT_EQ(outcome_of(out), "0/1300/52 3053000000/1024/0 3053000001/2/1/7");
}

TEST(Mooncake, AsCsvPrefixesAreLostAndLengthsKept) {
  const TemporaryFolder folder;
  const std::string out = folder.file("out.csv");
  OutputFile file(out);
  EXPECT_EQ(write_trace_csv(*open_trace(folder.with(kRow1 + kRow2), 1, 0, 1.0), file), 2u);
  file.commit();
  EXPECT_EQ(testing::text_of(out),
            "arrival_ns,prompt_tokens,output_tokens,max_tokens,n,adapter\n0,1300,52,,1,\n3053000000,1024,0,,1,\n");
}

// ---- cut ----------------------------------------------------------------------------------------------------------

// A cut within a line is found; one behind a whole line leaves a valid file.
TEST(Mooncake, ACutAtAnyByteGivesFewerRowsOrOneLine) {
  const std::string whole = "\xef\xbb\xbf" + kRow1 + kRow2 + kRow2;
  const std::string all = outcome_of_text(whole);
  int errors = 0;
  std::vector<std::size_t> read;
  for (std::size_t cut = 0; cut < whole.size(); ++cut) {
    const std::string outcome = outcome_of_text(std::string_view(whole).substr(0, cut));
    if (outcome.starts_with("FILE")) {
      ++errors;
      continue;
    }
    EXPECT_TRUE(all.starts_with(outcome)) << cut << ": " << outcome;
    read.push_back(cut);
  }
  const std::size_t one = 3 + kRow1.size(), two = one + kRow2.size(), three = two + kRow2.size();
  EXPECT_EQ(read, (std::vector<std::size_t>{one - 1, one, two - 1, two, three - 1}));
  EXPECT_EQ(static_cast<std::size_t>(errors), whole.size() - 5);
}

TEST(Mooncake, ACutLineSaysThatTheFileMayBeCut) {
  EXPECT_EQ(outcome_of_text(kRow1 + R"({"timestamp": 3)"),
            "FILE:2: found '{\"timestamp\": 3', which is no valid JSON; accepted: one JSON object a line (is the file "
            "cut?)");
}

// ---- wrong --------------------------------------------------------------------------------------------------------

std::string with(std::string_view key, std::string_view value) {
  std::string out = "{";
  for (const auto& [name, usual] : {std::pair<std::string_view, std::string_view>{"timestamp", "27483"},
                                    {"input_length", "1300"},
                                    {"output_length", "5"},
                                    {"hash_ids", "[1, 2, 3]"}}) {
    if (name == key && value.empty()) continue;
    out += fmt::format("{}\"{}\": {}", out.size() == 1 ? "" : ", ", name, name == key ? value : usual);
  }
  if (out.find(fmt::format("\"{}\"", key)) == std::string::npos && !value.empty())
    out += fmt::format(", \"{}\": {}", key, value);
  return outcome_of_text(kRow1 + out + "}\n");
}

TEST(MooncakeValue, NumbersAreWholeAndInTheirRange) {
  const auto says = [](std::string_view key, std::string_view value, std::string_view accepted) {
    EXPECT_EQ(with(key, value), fmt::format("FILE:2: {}: found '{}'; accepted: {}", key, value, accepted));
  };
  for (const std::string_view value : {"0", "-5", "1.0", "1.5", "\"7\"", "null", "true", "[]", "{}", "16777217"})
    says("input_length", value, "a whole number from 1 to 16777216");
  for (const std::string_view value : {"-1", "0.5", "16777217", "18446744073709551615"})
    says("output_length", value, "a whole number from 0 to 16777216");
  for (const std::string_view value : {"-1", "0.5", "\"0\"", "9223372036855"})
    says("timestamp", value, "a whole number from 0 to 9223372036854");
  says("max_tokens", "-1", "a whole number from 0 to 16777216");
  says("session", "0", "a whole number from 1 to 18446744073709551615");
  for (const std::string_view value : {"0", "1048577"}) says("block_tokens", value, "a whole number from 1 to 1048576");
  for (const std::string_view value : {"NaN", "1e999", "18446744073709551616", "01", "+1", ".5", "0x1", "'1'"}) {
    const std::string outcome = with("input_length", value);
    EXPECT_TRUE(outcome.starts_with("FILE:2: ")) << value << ": " << outcome;
  }
}

TEST(MooncakeValue, BlocksAreAListOfWholeNumbers) {
  for (const std::string_view value : {"7", "\"7\"", "null", "{}"})
    EXPECT_EQ(with("hash_ids", value),
              fmt::format("FILE:2: hash_ids: found '{}'; accepted: a list of whole numbers", value));
  for (const std::string_view value : {"-1", "1.5", "\"7\"", "null", "[]"})
    EXPECT_EQ(with("hash_ids", fmt::format("[1, {}]", value)),
              fmt::format("FILE:2: hash_ids: found '{}' as item 2; accepted: whole numbers below 2^64", value));
}

TEST(MooncakeValue, NoMoreBlocksThanThePromptHas) {
  EXPECT_EQ(with("hash_ids", "[1, 2, 3, 4]"),
            "FILE:2: hash_ids: found 4 blocks of 512 tokens in a prompt of 1300; accepted: at most 3");
  EXPECT_EQ(with("hash_ids", "[1]"), "0/1300/52 1000000/1300/5");
}

TEST(MooncakeValue, BlocksHaveABound) {
  const auto row = [](std::size_t blocks) {
    std::string list;
    for (std::size_t i = 0; i < blocks; ++i) list += i == 0 ? "1" : ",1";
    return outcome_of_text(
        fmt::format("{{\"timestamp\": 0, \"input_length\": 16777216, \"output_length\": 0, "
                    "\"block_tokens\": 64, \"hash_ids\": [{}]}}",
                    list));
  };
  EXPECT_EQ(row(65'536), "0/16777216/0");
  EXPECT_EQ(row(65'537), "FILE:1: hash_ids: found more than 65536 blocks; accepted: fewer, larger blocks");
}

TEST(MooncakeRow, HasItsKeysOnce) {
  EXPECT_EQ(with("input_length", ""), "FILE:2: input_length: found no such key; accepted: a key of each row");
  EXPECT_EQ(with("timestamp", ""), "FILE:2: timestamp: found no such key; accepted: that, or arrival_ns");
  EXPECT_EQ(with("hash_ids", ""), "FILE:2: hash_ids: found no such key; accepted: that, or prefix");
  EXPECT_EQ(with("arrival_ns", "1"), "FILE:2: timestamp: found beside arrival_ns; accepted: either");
  EXPECT_EQ(with("prefix", "[]"), "FILE:2: hash_ids: found beside prefix; accepted: either");
  EXPECT_EQ(outcome_of_text(json(R"("hash_ids": [1], "timestamp": 0)")),
            "FILE:1: timestamp: found twice; accepted: once");
}

TEST(MooncakeRow, IsAnObject) {
  for (const std::string_view line : {"[]", "7", "null", "\"{}\""})
    EXPECT_EQ(outcome_of_text(kRow1 + std::string(line) + "\n"),
              fmt::format("FILE:2: found '{}'; accepted: one JSON object a line", line));
}

TEST(MooncakeRow, HasTheBlocksOfTheRowsBefore) {
  EXPECT_EQ(with("block_tokens", "64"),
            "FILE:2: block_tokens: found 64 where rows before have 512; accepted: one size of block in a file");
}

TEST(MooncakeRow, TimeNeverGoesBack) {
  EXPECT_EQ(outcome_of_text(kRow2 + "\n" + kRow2 + kRow1),
            "FILE:4: timestamp: found a time 3053000000 ns before that of line 3; accepted: rows in order of time "
            "(sort the file)");
}

TEST(MooncakeRow, LiesWithin146YearsOfTheFirst) {
  EXPECT_EQ(outcome_of_text(R"({"timestamp": 0, "input_length": 1, "output_length": 0, "hash_ids": []})"
                            "\n"
                            R"({"timestamp": 9223372036854, "input_length": 1, "output_length": 0, "hash_ids": []})"),
            "FILE:2: timestamp: found a row 9223372036854000000 ns after the first; accepted: at most "
            "4611686018427387904 ns (146 years)");
}

TEST(MooncakeRow, IsAtMostOneMebibyteLong) {
  const auto padded = [&](std::size_t size) {
    std::string line = kRow1.substr(0, kRow1.size() - 2);
    return line + std::string(size - line.size() - 1, ' ') + "}\n";
  };
  EXPECT_EQ(outcome_of_text(padded(1 << 20) + padded(1 << 20)), "0/1300/52 0/1300/52");
  EXPECT_EQ(outcome_of_text(kRow1 + padded((1 << 20) + 1)),
            "FILE:2: found a line of more than 1048576 bytes; accepted: text of one row a line (is the file "
            "compressed, or of another kind?)");
}

// Parsers' own test files, as whole traces and as the value of a key that nobody reads.
TEST(Mooncake, WhatIsNoJsonIsRefusedAndWhatIsJsonIsNot) {
  NEED_SHARED_DATA(folder, "corpora/JSONTestSuite/test_parsing");
  const TemporaryFolder here;
  int good = 0, bad = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string(), text = testing::text_of(entry.path().string());
    try {
      const MooncakeReader reader{LineReader(entry.path().string())};
      MooncakeReader again{LineReader(entry.path().string())};
      EXPECT_FALSE(again.next()) << name;  // none is a row; some are empty
    } catch (const InputError& error) {
      EXPECT_EQ(std::string_view(error.what()).find('\n'), std::string_view::npos) << name;
    }
    if (text.find_first_of("\r\n") != std::string::npos || name.starts_with("i_")) continue;
    const std::string outcome = outcome_of(here.with(json(R"("hash_ids": [], "x": )" + text) + "\n"));
    if (name.starts_with("y_")) {
      EXPECT_EQ(outcome, "0/2048/1") << name;
      ++good;
    } else {
      EXPECT_TRUE(outcome.starts_with("FILE:1: ")) << name << ": " << outcome;
      ++bad;
    }
  }
  EXPECT_GT(good, 80);
  EXPECT_GT(bad, 150);
}

// Lines mutated by bytes that matter: rows in order and in bounds, or one line.
TEST(Mooncake, RandomBytesGiveRowsOrOneLine) {
  const char* const given = std::getenv("SWITCHYARD_TEST_SEED");
  const Seed seed = given ? std::strtoull(given, nullptr, 10) : 1;
  fmt::print("seed {} (SWITCHYARD_TEST_SEED)\n", seed);
  Rng rng(seed);
  const TemporaryFolder folder;
  constexpr std::string_view kBytes("0123456789,,\"\"\n\r{}[]:-.e \0\\u\xef\xff", 30);
  int errors = 0, read = 0;
  for (int round = 0; round < 2'000; ++round) {
    std::string text = kRow1 + kRow2 + kRow2;
    for (auto changes = 1 + rng.below(3); changes > 0; --changes) {
      const auto at = 1 + rng.below(text.size() - 1);
      const char byte = kBytes[rng.below(kBytes.size())];
      if (const auto kind = rng.below(3); kind == 0)
        text[at] = byte;
      else if (kind == 1)
        text.insert(at, 1, byte);
      else
        text.erase(at, 1);
    }
    try {
      Time last(0);
      for (const KeptRow& kept : kept_rows(folder.with(text))) {
        ASSERT_GE(kept.row.arrival, last);
        ASSERT_TRUE(kept.row.prompt >= Tokens(1) && kept.row.prompt <= kMostTokens && kept.row.output >= Tokens(0));
        ASSERT_LE(kept.prefix.size(),
                  static_cast<std::size_t>(blocks_for(kept.row.prompt, kept.row.prefix_block).count()));
        last = kept.row.arrival;
        ++read;
      }
    } catch (const InputError& error) {
      ASSERT_EQ(std::string_view(error.what()).find('\n'), std::string_view::npos);
      ++errors;
    }
  }
  EXPECT_GT(errors, 300);
  EXPECT_GT(read, 200);
}

// ---- gzip ---------------------------------------------------------------------------------------------------------

TEST(TraceGzip, AnyTraceMayBeCompressed) {
  EXPECT_EQ(outcome_of_text(gzipped(kRow1 + kRow2)), kTwoRows);
  EXPECT_EQ(outcome_of_text(gzipped("\xef\xbb\xbf"
                                    "arrival_ns,prompt_tokens,output_tokens\n0,1,2\n")),
            "0/1/2");
}

TEST(TraceGzip, MembersOneBehindTheOtherAreOneFile) {
  EXPECT_EQ(outcome_of_text(gzipped(kRow1.substr(0, 20)) + gzipped("") + gzipped(kRow1.substr(20) + kRow2)), kTwoRows);
}

TEST(TraceGzip, LongFilesCrossEveryBuffer) {
  std::string text = "arrival_ns,prompt_tokens,output_tokens\n";
  Rng rng(3);
  for (int i = 0; i < 200'000; ++i) text += fmt::format("{},{},{}\n", i, 1 + rng.below(1 << 24), rng.below(1 << 24));
  EXPECT_EQ(outcome_of_text(gzipped(text)), outcome_of_text(text));  // 3.8 MB, and 1.9 MB compressed
}

TEST(TraceGzip, ACutAtAnyByteIsFound) {
  const std::string whole = gzipped(kRow1 + kRow2);
  for (std::size_t cut = 1; cut < whole.size(); ++cut)
    EXPECT_TRUE(outcome_of_text(std::string_view(whole).substr(0, cut)).starts_with("FILE:")) << cut;
  EXPECT_EQ(outcome_of_text(std::string_view(whole).substr(0, whole.size() - 1)),
            "FILE: found compressed data that ends too early behind line 2; check the file with gzip -t");
}

TEST(TraceGzip, DamageIsFoundAtAnyByte) {
  const std::string whole = gzipped(kRow1 + kRow2);
  for (std::size_t at = 0; at < whole.size(); ++at) {
    if (at >= 4 && at < 10) continue;  // time, level and system of the header say nothing of the data
    std::string text = whole;
    text[at] ^= 0x55;
    EXPECT_TRUE(outcome_of_text(text).starts_with("FILE:")) << at;
  }
  EXPECT_EQ(outcome_of_text(whole + "x"),
            "FILE: found compressed data that ends too early behind line 2; check the file with gzip -t");
  EXPECT_EQ(outcome_of_text(whole + std::string(20, 'x')),
            "FILE: found compressed data that is damaged behind line 2; check the file with gzip -t");
}

// ---- statistics ---------------------------------------------------------------------------------------------------

TEST(PrefixStat, AFewRowsByHand) {
  const TemporaryFolder folder;
  const auto stat = stat_of(*open_trace(
      folder.with(json(R"("hash_ids": [1, 2, 3, 4])", R"(, "session": 4)") +
                  json(R"("hash_ids": [1, 2, 9])", R"(, "session": 4)") + json(R"("hash_ids": [5, 2])") +
                  json(R"("hash_ids": [1, 2, 3, 4])", R"(, "session": 1)") + json(R"("hash_ids": [1, 2, 9, 7])")),
      1, 0, 1.0));
  EXPECT_EQ(stat.prefix().repeated_tokens(), (2 + 4 + 3) * 512u);
  EXPECT_EQ(stat.prefix().blocks(), 17u);
  EXPECT_EQ(stat.prefix().distinct_blocks(), 8u);
  EXPECT_EQ(stat.prefix().sessions(), 2u);
  EXPECT_EQ(stat.prefix().rows(), 5u);
  const std::string text = stat_text(stat, "x"), object = stat_json(stat, "x");
  EXPECT_TRUE(
      text.ends_with("\nprefixes   45.00 % of prompt tokens repeat an earlier prompt's beginning\n"
                     "blocks     17 of 512 tokens, 8 distinct\nsessions   2\n"))
      << text;
  EXPECT_TRUE(
      object.ends_with(",\"prefix_repeated_tokens\":4608,\"prefix_repeated_percent\":45.00,"
                       "\"prefix_block_tokens\":512,\"prefix_blocks\":17,\"prefix_distinct_blocks\":8,"
                       "\"sessions\":2}\n"))
      << object;
}

TEST(PrefixStat, APartialLastBlockCountsItsOwnTokens) {
  const TemporaryFolder folder;
  const auto stat = stat_of(*open_trace(folder.with(kRow1 + kRow1), 1, 0, 1.0));
  EXPECT_EQ(stat.prefix().repeated_tokens(), 1300u);
}

TEST(PrefixStat, IsSilentWhereNoPrefixIsKnown) {
  const auto stat = stat_of(*open_trace("gen:azure-conv", 1, 10, 1.0));
  EXPECT_FALSE(stat.prefix().any());
  EXPECT_EQ(stat_text(stat, "x").find("prefix"), std::string::npos);
  EXPECT_EQ(stat_json(stat, "x").find("prefix"), std::string::npos);
}

TEST(NameSet, HoldsWhatWasPutInAndNothingElse) {
  NameSet names;
  Rng rng(5);
  std::vector<std::uint64_t> in = {0, 1, 1024, 2048, ~std::uint64_t{0}};
  for (int i = 0; i < 20'000; ++i) in.push_back(rng.next());
  for (const auto name : in) {
    EXPECT_FALSE(names.contains(name));
    names.insert(name);
    names.insert(name);
  }
  EXPECT_EQ(names.size(), in.size());
  for (const auto name : in) EXPECT_TRUE(names.contains(name));
  for (int i = 0; i < 20'000; ++i) EXPECT_FALSE(names.contains(rng.next()));
}

// ---- the real one -------------------------------------------------------------------------------------------------

TEST(MooncakeTrace, HasItsRowsTokensAndBlocks) {
  NEED_SHARED_DATA(folder, "traces/mooncake_fast25");
  const std::string name = (folder / "conversation_trace.jsonl").string();
  const auto stat = stat_of(*open_trace(name, 1, 0, 1.0));
  EXPECT_EQ(stat.rows(), 12'031u);
  EXPECT_EQ(static_cast<std::uint64_t>(stat.prompt().sum()), 144'793'823u);  // mean 12035, as its README says
  EXPECT_EQ(static_cast<std::uint64_t>(stat.output().sum()), 4'122'048u);    // mean 343
  EXPECT_EQ(stat.duration().count(), 3'536'999'000'000);
  EXPECT_EQ(stat.prefix().blocks(), 288'500u);
  EXPECT_EQ(stat.prefix().distinct_blocks(), 182'790u);     // as many as the file has ids
  EXPECT_EQ(stat.prefix().repeated_tokens(), 54'098'411u);  // 37.36 %, by a walk over the ids in Python
  EXPECT_EQ(hash_of(*open_trace(name, 1, 0, 1.0)), 7'867'263'039'089'319'517u);
}

}  // namespace
}  // namespace yard
