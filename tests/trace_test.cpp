// Traces read from files: good, cut, wrong, unordered.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <sstream>

#include <fmt/format.h>

#include "scheduler/base/output_file.h"
#include "scheduler/base/rng.h"
#include "scheduler/trace/stat.h"
#include "tests/trace_files.h"

namespace yard {
namespace {

using testing::outcome_of;
using testing::outcome_of_text;
using testing::rows_of;
using testing::TemporaryFolder;

const std::string kAzure = "TIMESTAMP,ContextTokens,GeneratedTokens\n";
const std::string kOurs = "arrival_ns,prompt_tokens,output_tokens\n";
const std::string kRow1 = "2023-11-16 18:15:46.6805900,374,44\n";
const std::string kRow2 = "2023-11-16 18:15:50.9951690,396,109\n";
const std::string kTwoRows = "0/374/44 4314579000/396/109";

// ---- good ---------------------------------------------------------------------------------------------------------

TEST(TraceCsv, TimeIsExactNanosecondsSinceTheFirstRow) { EXPECT_EQ(outcome_of_text(kAzure + kRow1 + kRow2), kTwoRows); }

TEST(TraceCsv, ColumnsGoByNameInAnyOrderAndOthersAreIgnored) {
  EXPECT_EQ(outcome_of_text("note,GeneratedTokens,TIMESTAMP,,ContextTokens\n"
                            "x y,44,2023-11-16 18:15:46.6805900,,374\n"
                            "\"a,\"\"b\",109,2023-11-16 18:15:50.9951690,-1,396\n"),
            kTwoRows);
}

TEST(TraceCsv, ByteOrderMarkCrLfAndAMissingLastLineEndChangeNothing) {
  std::string text = "\xef\xbb\xbf" + kAzure + kRow1 + kRow2;
  EXPECT_EQ(outcome_of_text(text), kTwoRows);
  for (std::size_t at = 0; (at = text.find('\n', at)) != std::string::npos; at += 2) text.insert(at, 1, '\r');
  EXPECT_EQ(outcome_of_text(text), kTwoRows);
  EXPECT_EQ(outcome_of_text(text.substr(0, text.size() - 2)), kTwoRows);
}

TEST(TraceCsv, QuotesAroundCellsChangeNothing) {
  EXPECT_EQ(outcome_of_text("\"TIMESTAMP\",\"ContextTokens\",GeneratedTokens\n"
                            "\"2023-11-16 18:15:46.6805900\",\"374\",\"44\"\n"
                            "2023-11-16 18:15:50.9951690,396,\"109\"\n"),
            kTwoRows);
}

TEST(TraceCsv, EmptyLinesAreSkipped) {
  EXPECT_EQ(outcome_of_text(kAzure + "\n" + kRow1 + "\r\n\n" + kRow2 + "\n"), kTwoRows);
}

TEST(TraceCsv, AHeaderOnlyIsAnEmptyTrace) {
  EXPECT_EQ(outcome_of_text(kAzure), "");
  EXPECT_EQ(outcome_of_text("arrival_ns,prompt_tokens,output_tokens"), "");
}

TEST(TraceCsv, FractionsHaveUpToNineDigitsOrNone) {
  const auto after = [](std::string_view fraction) {
    return outcome_of_text(kAzure + "2023-11-16 00:00:00,1,0\n" + fmt::format("2023-11-16 00:00:01{},1,0\n", fraction));
  };
  EXPECT_EQ(after(""), "0/1/0 1000000000/1/0");
  EXPECT_EQ(after(".1"), "0/1/0 1100000000/1/0");
  EXPECT_EQ(after(".000000001"), "0/1/0 1000000001/1/0");
  EXPECT_EQ(after(".999999999"), "0/1/0 1999999999/1/0");
}

TEST(TraceCsv, DaysMonthsAndLeapYearsAreCounted) {
  const TemporaryFolder folder;
  const auto days = [&](std::string_view a, std::string_view b) {
    const auto rows = rows_of(folder.with(kAzure + fmt::format("{} 00:00:00,1,1\n{} 00:00:00,1,1\n", a, b)));
    return (rows.at(1).arrival - rows.at(0).arrival).count() / 86'400'000'000'000;
  };
  EXPECT_EQ(days("2023-12-31", "2024-01-01"), 1);
  EXPECT_EQ(days("2024-02-28", "2024-03-01"), 2);
  EXPECT_EQ(days("2023-02-28", "2023-03-01"), 1);
  EXPECT_EQ(days("2100-02-28", "2100-03-01"), 1);
  EXPECT_EQ(days("2000-02-28", "2000-03-01"), 2);
  EXPECT_EQ(days("1970-01-01", "2100-01-01"), 47482);
}

TEST(TraceCsv, ATimeZoneIsAppliedExactly) {
  EXPECT_EQ(outcome_of_text(kAzure + "2023-11-16T18:00:00Z,1,0\n2023-11-16T20:00:01+02:00,1,0\n"
                                     "2023-11-16 12:30:02.5-0530,1,0\n2023-11-16 18:00:03+00:00,1,0\n"
                                     "2023-11-16 19:00:04+01,1,0\n"),
            "0/1/0 1000000000/1/0 2500000000/1/0 3000000000/1/0 4000000000/1/0");
}

TEST(TraceCsv, OurDialectStartsAtAnyNumberAndMayLimitAnswers) {
  EXPECT_EQ(outcome_of_text(kOurs + "7,1,0\n9,16777216,16777216\n"), "0/1/0 2/16777216/16777216");
  EXPECT_EQ(outcome_of_text("max_tokens,arrival_ns,prompt_tokens,output_tokens\n5,0,1,9\n,0,1,9\n"), "0/1/9/5 0/1/9");
  EXPECT_EQ(outcome_of_text("arrival_ns,prompt_tokens,output_tokens,max_tokens\n0,1,9,5\n0,1,9,\n"), "0/1/9/5 0/1/9");
  EXPECT_EQ(outcome_of_text("arrival_ns,prompt_tokens,output_tokens,max_tokens\n0,1,0,0\n0,1,9,\n"), "0/1/0/0 0/1/9")
      << "none is not as many as fit";
  EXPECT_EQ(outcome_of_text("arrival_ns,prompt_tokens,output_tokens,adapter\n0,1,9,7\n0,1,9,\n"), "0/1/9@7 0/1/9");
  EXPECT_EQ(outcome_of_text("n,arrival_ns,prompt_tokens,output_tokens\n3,0,1,9\n,0,1,9\n1,0,1,9\n"),
            "0/1/9*3 0/1/9 0/1/9");
}

TEST(TraceCsv, LimitTakesTheFirstRows) {
  EXPECT_EQ(outcome_of_text(kOurs + "0,1,1\n1,2,2\n2,3,3\n", 2), "0/1/1 1/2/2");
  EXPECT_EQ(outcome_of_text(kOurs + "0,1,1\nwrong\n", 1), "0/1/1");
}

TEST(TraceCsv, WhatIsWrittenReadsBackTheSame) {
  const TemporaryFolder folder;
  for (const std::string_view max : {"", ",max_tokens"}) {
    const std::string text = fmt::format("arrival_ns,prompt_tokens,output_tokens{}\n0,5,0{}\n123456789012,1,77{}\n",
                                         max, max.empty() ? "" : ",9", max.empty() ? "" : ",");
    const std::string out = folder.file("out.csv");
    OutputFile file(out);
    EXPECT_EQ(write_trace(*open_trace(folder.with(text), 1, 0, 1.0), file), 2u);
    file.commit();
    std::stringstream written;
    written << std::ifstream(out).rdbuf();
    EXPECT_EQ(written.str(), text);
  }
}

// ---- scale --------------------------------------------------------------------------------------------------------

TEST(TraceScale, DividesTimeSinceTheFirstRowExactly) {
  const std::string text = kOurs + "100,1,1\n101,1,1\n1000000000000000100,1,1\n";
  EXPECT_EQ(outcome_of_text(text, 0, 1.0), "0/1/1 1/1/1 1000000000000000000/1/1");
  EXPECT_EQ(outcome_of_text(text, 0, 2.0), "0/1/1 0/1/1 500000000000000000/1/1");
  EXPECT_EQ(outcome_of_text(text, 0, 0.5), "0/1/1 2/1/1 2000000000000000000/1/1");
  EXPECT_EQ(outcome_of_text(text, 0, 1.5), "0/1/1 0/1/1 666666666666666666/1/1");
  EXPECT_EQ(outcome_of_text(text, 0, 3.141593), "0/1/1 0/1/1 318309851085102366/1/1");
  EXPECT_EQ(outcome_of_text(text, 2, 0.000001), "0/1/1 1000000/1/1");
}

TEST(TraceScale, NoScaleThatIsNoRateIsTaken) {
  const auto says = [](double scale) { return outcome_of_text(kOurs, 0, scale); };
  const std::string accepted = "; accepted: a number from 0.000001 to 1000000";
  EXPECT_EQ(says(0), "--rate-scale: found 0" + accepted);
  EXPECT_EQ(says(-1), "--rate-scale: found -1" + accepted);
  EXPECT_EQ(says(1e7), "--rate-scale: found 10000000" + accepted);
  EXPECT_EQ(says(1e-9), "--rate-scale: found 1e-09" + accepted);
  EXPECT_EQ(says(std::numeric_limits<double>::quiet_NaN()), "--rate-scale: found nan" + accepted);
  EXPECT_EQ(says(std::numeric_limits<double>::infinity()), "--rate-scale: found inf" + accepted);
}

TEST(TraceScale, ATraceStretchedBeyondTheClockIsRefused) {
  EXPECT_EQ(outcome_of_text(kOurs + "0,1,1\n4000000000000000000,1,1\n", 0, 0.5),
            "--rate-scale: row 2 lies beyond 146 years; accepted: a larger scale or a limit");
}

// ---- cut ----------------------------------------------------------------------------------------------------------

// Times of whole rows before the cut must come out as they are. The last row may be missing, or its last number
// shorter: that no reader can tell.
TEST(TraceCsv, ACutAtAnyByteGivesFewerRowsOrOneLine) {
  const std::string whole = "\xef\xbb\xbf" + kAzure + kRow1 + "\"2023-11-16 18:15:50.9951690\",396,109\r\n" +
                            "2023-11-17 00:00:00+00:00,7,\"1\"\n";
  const TemporaryFolder folder;
  const std::string all = outcome_of(folder.with(whole));
  int rows = 0, errors = 0;
  for (std::size_t cut = 0; cut < whole.size(); ++cut) {
    const std::string outcome = outcome_of(folder.with(whole.substr(0, cut)));
    if (outcome.starts_with("FILE")) {
      ++errors;
    } else {
      EXPECT_TRUE(all.starts_with(outcome)) << cut << ": " << outcome;
      ++rows;
    }
  }
  EXPECT_GT(rows, 5);
  EXPECT_GT(errors, 100);
}

TEST(TraceCsv, ACutRowSaysThatTheFileMayBeCut) {
  EXPECT_EQ(outcome_of_text(kAzure + kRow1 + "2023-11-16 18:15:50"),
            "FILE:3: found 1 cells in '2023-11-16 18:15:50'; accepted: 3, as many as the header has columns "
            "(is the file cut?)");
  EXPECT_EQ(outcome_of_text(kAzure + kRow1 + "2023-11-16 18:15:50,1,"),
            "FILE:3: GeneratedTokens: found nothing; accepted: a whole number from 0 to 16777216");
}

// ---- wrong header -------------------------------------------------------------------------------------------------

const std::string kHeaders =
    "accepted: TIMESTAMP,ContextTokens,GeneratedTokens or "
    "arrival_ns,prompt_tokens,output_tokens[,max_tokens][,n][,adapter]";

TEST(TraceHeader, AnEmptyFileHasNone) {
  const std::string want =
      "FILE: is empty; accepted: a first line TIMESTAMP,ContextTokens,GeneratedTokens or "
      "arrival_ns,prompt_tokens,output_tokens[,max_tokens][,n][,adapter]";
  EXPECT_EQ(outcome_of_text(""), want);
  EXPECT_EQ(outcome_of_text("\xef\xbb\xbf"), want);
}

TEST(TraceHeader, NamesNobodyKnowsAreShown) {
  EXPECT_EQ(outcome_of_text("a,b\n1,2\n"), "FILE:1: found columns 'a,b'; " + kHeaders);
  EXPECT_EQ(outcome_of_text(kRow1), "FILE:1: found columns '2023-11-16 18:15:46.6805900,374,44'; " + kHeaders);
  EXPECT_EQ(outcome_of_text("\n" + kAzure), "FILE:1: found columns ''; " + kHeaders);
}

TEST(TraceHeader, AMissingColumnIsNamedWithTheNearest) {
  EXPECT_EQ(outcome_of_text("TIMESTAMP,ContextToken,GeneratedTokens\n"),
            "FILE:1: ContextTokens: found no such column, but 'ContextToken'; " + kHeaders);
  EXPECT_EQ(outcome_of_text("TIMESTAMP,ContextTokens\n"), "FILE:1: GeneratedTokens: found no such column; " + kHeaders);
  EXPECT_EQ(outcome_of_text("arrival_ns,prompt_tokens,max_tokens\n"),
            "FILE:1: output_tokens: found no such column; " + kHeaders);
}

TEST(TraceHeader, AColumnTwiceIsRefused) {
  EXPECT_EQ(outcome_of_text("TIMESTAMP,ContextTokens,x,ContextTokens,GeneratedTokens\n"),
            "FILE:1: ContextTokens: found twice, as columns 2 and 4; accepted: once");
}

TEST(TraceHeader, OtherKindsOfFileAreRefused) {
  EXPECT_EQ(outcome_of_text(std::string("\xff\xfeT\0I\0M\0", 8)),
            "FILE:1: found a NUL byte; accepted: text (is the file cut, compressed or in UTF-16?)");
  EXPECT_EQ(
      outcome_of_text(std::string(70'000, 'x')),
      "FILE:1: found a line of more than 65536 bytes; accepted: text of one row a line (is the file compressed, or "
      "of another kind?)");
}

// ---- wrong rows ---------------------------------------------------------------------------------------------------

std::string with_prompt(std::string_view cell) {
  return outcome_of_text(kAzure + kRow1 + fmt::format("2023-11-16 18:15:50,{},109\n", cell));
}
std::string with_output(std::string_view cell) {
  return outcome_of_text(kAzure + kRow1 + fmt::format("2023-11-16 18:15:50,396,{}\n", cell));
}
std::string with_time(std::string_view cell) {
  return outcome_of_text(kAzure + kRow1 + fmt::format("{},396,109\n", cell));
}

TEST(TraceCell, APromptIsAWholeNumberFromOne) {
  for (const std::string_view cell :
       {"0", "-5", "+5", "NaN", "inf", "1.0", "1e3", "0x10", " 7", "7 ", "16777217", "2147483648", "4294967297",
        "18446744073709551617", "99999999999999999999999", "x"})
    EXPECT_EQ(with_prompt(cell), fmt::format("FILE:3: ContextTokens: found '{}'; accepted: a whole number from 1 to "
                                             "16777216",
                                             cell));
  EXPECT_EQ(with_prompt(""), "FILE:3: ContextTokens: found nothing; accepted: a whole number from 1 to 16777216");
  EXPECT_EQ(with_prompt("\"\""), "FILE:3: ContextTokens: found nothing; accepted: a whole number from 1 to 16777216");
  EXPECT_EQ(with_prompt("\"12x\""), "FILE:3: ContextTokens: found '12x'; accepted: a whole number from 1 to 16777216");
}

TEST(TraceCell, AnAnswerIsAWholeNumberFromZero) {
  EXPECT_EQ(with_output("0"), "0/374/44 3319410000/396/0");
  for (const std::string_view cell : {"-1", "nan", "2.5", "16777217", "9223372036854775808"})
    EXPECT_EQ(with_output(cell), fmt::format("FILE:3: GeneratedTokens: found '{}'; accepted: a whole number from 0 to "
                                             "16777216",
                                             cell));
  EXPECT_EQ(with_output(""), "FILE:3: GeneratedTokens: found nothing; accepted: a whole number from 0 to 16777216");
}

TEST(TraceCell, ALimitIsAWholeNumberFromOneOrNothing) {
  EXPECT_EQ(outcome_of_text("arrival_ns,prompt_tokens,output_tokens,adapter\n0,1,9,0\n"),
            "FILE:2: adapter: found '0'; accepted: a whole number from 1 to 1000000");
  EXPECT_EQ(outcome_of_text("arrival_ns,prompt_tokens,output_tokens,n\n0,1,9,0\n"),
            "FILE:2: n: found '0'; accepted: a whole number from 1 to 1024");
  EXPECT_EQ(outcome_of_text("arrival_ns,prompt_tokens,output_tokens,max_tokens\n0,1,9,-1\n"),
            "FILE:2: max_tokens: found '-1'; accepted: a whole number from 0 to 16777216");
}

TEST(TraceCell, ATimestampIsWhatTheCalendarHas) {
  const auto says = [](std::string_view cell, std::string_view why) {
    return fmt::format(
        "FILE:3: TIMESTAMP: found '{}'{}; accepted: YYYY-MM-DD HH:MM:SS, a fraction of 1 to 9 digits or none, Z or "
        "+HH:MM or none",
        cell, why);
  };
  for (const std::string_view cell : {"2023-02-29 00:00:00", "2023-04-31 00:00:00", "2023-13-01 00:00:00",
                                      "2023-00-01 00:00:00", "2023-12-00 00:00:00", "2100-02-29 00:00:00"})
    EXPECT_EQ(with_time(cell), says(cell, ", a day that does not exist"));
  for (const std::string_view cell : {"2023-11-16 24:00:00", "2023-11-16 18:60:00", "2023-11-16 18:00:60"})
    EXPECT_EQ(with_time(cell), says(cell, ", a time of day that does not exist"));
  for (const std::string_view cell : {"1969-12-31 23:59:59", "2262-01-01 00:00:00", "9999-12-31 23:59:59"})
    EXPECT_EQ(with_time(cell), says(cell, ", of a year before 1970 or after 2261"));
  for (const std::string_view cell : {"2023-11-16 18:15:50.", "2023-11-16 18:15:50.1234567890"})
    EXPECT_EQ(with_time(cell), says(cell, ", whose fraction has no digit or more than 9"));
  for (const std::string_view cell : {"2023-11-16 18:15:50+", "2023-11-16 18:15:50+2", "2023-11-16 18:15:50+24:00",
                                      "2023-11-16 18:15:50-01:60", "2023-11-16 18:15:50+01:"})
    EXPECT_EQ(with_time(cell), says(cell, ", whose time zone is none"));
  for (const std::string_view cell : {"1700158546", "16/11/2023 18:15:50", "2023-11-16", "2023-11-16 18:15",
                                      "2023-11-16 18:15:50 ", "2023-11-16_18:15:50", "-023-11-16 18:15:50"})
    EXPECT_EQ(with_time(cell), says(cell, ""));
}

TEST(TraceCell, ArrivalIsAWholeNumber) {
  for (const std::string_view cell : {"-1", "1.5", "9223372036854775808", "nan"})
    EXPECT_EQ(outcome_of_text(kOurs + fmt::format("{},1,1\n", cell)),
              fmt::format("FILE:2: arrival_ns: found '{}'; accepted: a whole number of nanoseconds below 2^63", cell));
}

TEST(TraceRow, HasAsManyCellsAsTheHeader) {
  EXPECT_EQ(outcome_of_text(kAzure + "2023-11-16 18:15:50,1,2,3\n"),
            "FILE:2: found 4 cells in '2023-11-16 18:15:50,1,2,3'; accepted: 3, as many as the header has columns");
  EXPECT_EQ(outcome_of_text(kOurs + "0,1\n"),
            "FILE:2: found 2 cells in '0,1'; accepted: 3, as many as the header has columns (is the file cut?)");
}

TEST(TraceRow, ANulByteIsFoundInAnyColumn) {
  const std::string want = "FILE:2: found a NUL byte; accepted: text (is the file cut, compressed or in UTF-16?)";
  EXPECT_EQ(outcome_of_text("arrival_ns,x,prompt_tokens,output_tokens\n0," + std::string(1, '\0') + ",1,1\n"), want);
  EXPECT_EQ(outcome_of_text(kOurs + "0,1,1" + std::string(1, '\0') + "\n"), want);
  EXPECT_EQ(outcome_of_text(kOurs + std::string(20, '\0')), want);
}

TEST(TraceRow, QuotesEndOnTheirLineAndBeforeAComma) {
  EXPECT_EQ(outcome_of_text(kOurs + "0,1,\"1\n"), "FILE:2: found a quote that is not closed: \"1; accepted: \"cell\"");
  EXPECT_EQ(outcome_of_text(kOurs + "0,\"1\"2,1\n"),
            "FILE:2: found text behind a closing quote: \"1\"2,1; accepted: a comma");
}

TEST(TraceRow, IsAtMost64KiBLong) {
  const std::string before = "arrival_ns,prompt_tokens,output_tokens,x\n", row = "0,1,1,";
  const std::string fits = row + std::string(65536 - row.size(), 'x');
  EXPECT_EQ(outcome_of_text(before + fits + "\r\n" + row + "\n"), "0/1/1 0/1/1");
  EXPECT_EQ(outcome_of_text(before + fits), "0/1/1");
  for (const char* const end : {"", "\n", "\r\n"})
    EXPECT_EQ(
        outcome_of_text(before + row + "\n" + fits + "x" + end),
        "FILE:3: found a line of more than 65536 bytes; accepted: text of one row a line (is the file compressed, "
        "or of another kind?)");
}

TEST(TraceRow, TimeNeverGoesBack) {
  EXPECT_EQ(
      outcome_of_text(kAzure + kRow2 + "\n" + kRow2 + kRow1),
      "FILE:5: TIMESTAMP: found a time 4314579000 ns before that of line 4; accepted: rows in order of time (sort "
      "the file)");
  EXPECT_EQ(outcome_of_text(kOurs + "5,1,1\n5,1,1\n4,1,1\n"),
            "FILE:4: arrival_ns: found a time 1 ns before that of line 3; accepted: rows in order of time (sort the "
            "file)");
}

TEST(TraceRow, LiesWithin146YearsOfTheFirst) {
  EXPECT_EQ(outcome_of_text(kOurs + "0,1,1\n9223372036854775807,1,1\n"),
            "FILE:3: found a row 9223372036854775807 ns after the first; accepted: at most 4611686018427387904 ns (146 "
            "years)");
}

// ---- files that are none ------------------------------------------------------------------------------------------

TEST(TraceFile, MissingDirectoryAndUnreadableSayWhatTheyAre) {
  const TemporaryFolder folder;
  EXPECT_EQ(outcome_of(folder.file("absent.csv")), "FILE: no such file; give the path of an existing file");
  EXPECT_EQ(outcome_of(folder.file("")),
            "FILE: is a directory; give a file, or a folder with chunk-N-trace.csv or requests_compact.csv.gz in it");
  EXPECT_EQ(outcome_of("/proc/self/mem"), "FILE:1: cannot be read (Input/output error); check the file and the disk");
}

TEST(TraceFile, WithoutPermissionIsNotRead) {
  if (::geteuid() == 0) GTEST_SKIP() << "the superuser may read everything";
  const TemporaryFolder folder;
  const std::string path = folder.with(kAzure);
  std::filesystem::permissions(path, std::filesystem::perms::none);
  EXPECT_EQ(outcome_of(path), "FILE: cannot be read (Permission denied); check its permissions");
}

// ---- many ---------------------------------------------------------------------------------------------------------

// Quoted cells take the other way through the parser; both must give the same rows, across window edges too.
TEST(TraceCsv, TheFastWayAndTheWholeWayAgree) {
  const TemporaryFolder folder;
  std::string plain = kAzure, quoted = kAzure;
  Rng rng(7);
  std::uint64_t us = 0;
  for (int i = 0; i < 30'000; ++i) {
    us += rng.below(3'000'000);
    const std::string time =
        fmt::format("2023-11-{:02} {:02}:{:02}:{:02}.{:06}{}", 1 + us / 86'400'000'000, us / 3'600'000'000 % 24,
                    us / 60'000'000 % 60, us / 1'000'000 % 60, us % 1'000'000, rng.below(2) ? "" : "123");
    const auto prompt = 1 + rng.below(1 << 24), output = rng.below(1 << 12);
    plain += fmt::format("{},{},{}\n", time, prompt, output);
    quoted += fmt::format("\"{}\",\"{}\",\"{}\"\n", time, prompt, output);
  }
  const auto fast = rows_of(folder.with(plain));
  EXPECT_EQ(fast.size(), 30'000u);
  EXPECT_EQ(testing::shown(fast), testing::shown(rows_of(folder.with(quoted))));
}

// Lines mutated by bytes that matter to the parser: rows or one line, never anything else; and order and bounds hold.
TEST(TraceCsv, RandomBytesGiveRowsOrOneLine) {
  const char* const given = std::getenv("SWITCHYARD_TEST_SEED");
  const Seed seed = given ? std::strtoull(given, nullptr, 10) : 1;
  fmt::print("seed {} (SWITCHYARD_TEST_SEED)\n", seed);
  Rng rng(seed);
  const TemporaryFolder folder;
  const std::string good[] = {kAzure + kRow1 + kRow2 + "2023-12-01 00:00:00Z,5,\"0\"\n",
                              "x,arrival_ns,prompt_tokens,output_tokens,max_tokens\n\"\",1,2,3,\n,2,3,4,5\n"};
  constexpr std::string_view kBytes("0123456789,,\"\"\n\r\n-:.TZ+ \0x\xef\xff", 28);
  int errors = 0, read = 0;
  for (int round = 0; round < 2'000; ++round) {
    std::string text = good[rng.below(2)];
    const auto header = rng.below(8) == 0 ? 0 : text.find('\n') + 1;
    for (auto changes = 1 + rng.below(4); changes > 0; --changes) {
      const auto at = header + rng.below(text.size() - header);
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
      for (const TraceRow& row : rows_of(folder.with(text))) {
        ASSERT_GE(row.arrival, last);
        ASSERT_TRUE(row.prompt >= Tokens(1) && row.prompt <= kMostTokens && row.output >= Tokens(0) &&
                    row.output <= kMostTokens && (!row.max_output || *row.max_output >= Tokens(1)));
        last = row.arrival;
        ++read;
      }
    } catch (const InputError& error) {
      ASSERT_EQ(std::string_view(error.what()).find('\n'), std::string_view::npos);
      ++errors;
    }
  }
  EXPECT_GT(errors, 300);
  EXPECT_GT(read, 300);
}

TEST(TraceCsv, NaughtyStringsAreRefusedAsFilesAndAsCells) {
  NEED_SHARED_DATA(folder, "corpora/blns");
  const TemporaryFolder here;
  for (const char* const name : {"blns.txt", "blns.json", "blns.base64.json"}) {
    EXPECT_TRUE(outcome_of((folder / name).string()).starts_with("FILE:1: found columns")) << name;
    std::ifstream lines(folder / name);
    for (std::string line; std::getline(lines, line);) {
      if (line.empty() || line.find_first_not_of("0123456789") == std::string::npos) continue;
      EXPECT_TRUE(outcome_of(here.with(line)).starts_with("FILE:")) << line;  // one is a byte order mark: empty
      EXPECT_TRUE(outcome_of(here.with(kOurs + "0," + line + ",1\n")).starts_with("FILE:2: ")) << line;
    }
  }
}

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SWITCHYARD_UNDER_ASAN
#endif
#endif

TEST(TraceCsv, MemoryDoesNotGrowWithTheFile) {
#ifdef SWITCHYARD_UNDER_ASAN
  GTEST_SKIP() << "AddressSanitizer keeps freed memory in quarantine, so that the peak says nothing";
#endif
  const TemporaryFolder folder;
  const auto write = [&](std::uint64_t rows) {
    OutputFile file(folder.file("trace.csv"));
    write_trace(*open_trace("gen:azure-conv", 1, rows, 1.0), file);
    file.commit();
  };
  const auto peak_kib = [] {
    rusage use{};
    ::getrusage(RUSAGE_SELF, &use);
    return use.ru_maxrss;
  };
  const auto read = [&] {
    const auto reader = open_trace(folder.file("trace.csv"), 1, 0, 1.0);
    std::uint64_t rows = 0;
    while (reader->next()) ++rows;
    return rows;
  };
  write(1'000);
  EXPECT_EQ(read(), 1'000u);
  write(2'000'000);  // 46 MB
  const auto before = peak_kib();
  EXPECT_EQ(read(), 2'000'000u);
  EXPECT_LT(peak_kib() - before, 2'000);
}

// ---- the real ones ------------------------------------------------------------------------------------------------

TEST(AzureTrace, ConvHasItsRowsAndTokens) {
  NEED_SHARED_DATA(folder, "traces/azure2023");
  const auto stat = stat_of(*open_trace((folder / "AzureLLMInferenceTrace_conv.csv").string(), 1, 0, 1.0));
  EXPECT_EQ(stat.rows(), 19'366u);
  EXPECT_EQ(static_cast<std::uint64_t>(stat.prompt().sum()), 22'361'870u);  // mean 1154.70
  EXPECT_EQ(static_cast<std::uint64_t>(stat.output().sum()), 4'088'665u);   // mean 211.13
  EXPECT_EQ(stat.duration().count(), 3'501'721'937'000);
  EXPECT_EQ(stat.gap_cv_milli(), 1094u);
}

TEST(AzureTrace, CodeHasItsRowsAndTokens) {
  NEED_SHARED_DATA(folder, "traces/azure2023");
  const auto stat = stat_of(*open_trace((folder / "AzureLLMInferenceTrace_code.csv").string(), 1, 0, 1.0));
  EXPECT_EQ(stat.rows(), 8'819u);
  EXPECT_EQ(static_cast<std::uint64_t>(stat.prompt().sum()), 18'059'974u);  // mean 2047.85
  EXPECT_EQ(static_cast<std::uint64_t>(stat.output().sum()), 245'896u);     // mean 27.88
  EXPECT_EQ(stat.duration().count(), 3'435'948'056'000);
  EXPECT_EQ(stat.gap_cv_milli(), 13151u);
}

}  // namespace
}  // namespace yard
