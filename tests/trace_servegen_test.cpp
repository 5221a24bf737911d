// ServeGen's clients: how many rows, when, how long, and what is wrong with a folder.
#include <cmath>

#include <fmt/format.h>

#include "scheduler/base/hash.h"
#include "scheduler/trace/decimal.h"
#include "scheduler/trace/servegen.h"
#include "scheduler/trace/stat.h"
#include "tests/trace_files.h"

namespace yard {
namespace {

using testing::outcome_of;
using testing::rows_of;
using testing::TemporaryFolder;

const std::string kLengths = R"({"0": {"input_tokens": "{10: 0.25, 20: 7.5e-01}", "output_tokens": "{5: 1.0}"}})";

// A folder of clients, each with its rates and lengths.
class Clients {
 public:
  Clients& add(int n, std::string_view rates, std::string_view lengths = kLengths) {
    write(fmt::format("chunk-{}-trace.csv", n), rates);
    write(fmt::format("chunk-{}-dataset.json", n), lengths);
    return *this;
  }
  void write(std::string_view name, std::string_view text) const {
    std::ofstream(folder_.file(name), std::ios::binary) << text;
  }
  std::string path() const { return folder_.file(""); }
  std::string gen(std::string_view more = "") const { return fmt::format("gen:servegen?dir={}{}", path(), more); }

  // The outcome with the folder's own name taken out.
  std::string says(std::string_view more = "", std::uint64_t limit = 0) const {
    std::string what = outcome_of(gen(more), limit);
    for (std::size_t at; (at = what.find(path())) != std::string::npos;) what.erase(at, path().size());
    return what;
  }

 private:
  TemporaryFolder folder_;
};

// Two windows of 100 s at one and at `second` requests a second.
std::string two(std::string_view pattern, std::string_view shape, std::string_view second = "1") {
  return fmt::format("0,1,1,{0},{1},1\n100,{2},1,{0},{1},1\n", pattern, shape, second);
}

double cv_of_gaps(const std::vector<TraceRow>& rows) {
  double sum = 0, squares = 0;
  for (std::size_t i = 1; i < rows.size(); ++i) {
    const auto gap = static_cast<double>((rows[i].arrival - rows[i - 1].arrival).count());
    sum += gap;
    squares += gap * gap;
  }
  const double n = static_cast<double>(rows.size() - 1);
  return std::sqrt(squares / n - sum / n * (sum / n)) / (sum / n);
}

// ---- decimals -----------------------------------------------------------------------------------------------------

TEST(Decimal, IsCutOffBelowItsUnit) {
  EXPECT_EQ(decimal("0.43166666666666664", 9), 431'666'666u);
  EXPECT_EQ(decimal("1e-05", 9), 10'000u);
  EXPECT_EQ(decimal("1.25E+3", 0), 1250u);
  EXPECT_EQ(decimal("9.99", 0), 9u);
  EXPECT_EQ(decimal(".5", 1), 5u);
  EXPECT_EQ(decimal("5.", 1), 50u);
  EXPECT_EQ(decimal("0e999999", 15), 0u);
  EXPECT_EQ(decimal("1e-99999", 15), 0u);
  EXPECT_EQ(decimal("123456789012345678901e-10", 0), 12'345'678'901u);
  EXPECT_EQ(decimal("9223372036854775807", 0), 9'223'372'036'854'775'800u);  // 18 significant digits
}

TEST(Decimal, WhatIsNoNumberOrTooLargeIsNothing) {
  for (const std::string_view text : {"", ".", "-1", "+1", "1.2.3", "1e", "1e+", "e5", "1 ", "nan", "inf", "0x1",
                                      "9300000000000000000", "1e30", "1,5"})
    EXPECT_FALSE(decimal(text, 0)) << text;
}

// ---- how many, when -----------------------------------------------------------------------------------------------

TEST(ServeGen, AWindowHasItsRateTimesItsLengthAndTheRestIsHandedOn) {
  Clients clients;
  clients.add(0, "0,0.125,1,Gamma,1,1\n100,0.125,1,Gamma,1,1\n200,0.0,,,,\n300,0.125,1,Gamma,1,1\n");
  const auto rows = rows_of(clients.gen());
  EXPECT_EQ(rows.size(), 38u);  // 12.5 + 12.5 + 0 + 12.5, rounded
  const auto reader = open_trace(clients.gen(), 1, 0, 1.0);
  EXPECT_EQ(reader->rows(), 38u);
}

TEST(ServeGen, ASilentWindowHasNoRow) {
  Clients clients;
  clients.add(0, "0,2,1,Gamma,1,1\n100,0,0,,0,0\n200,2,1,Gamma,1,1\n");
  for (const TraceRow& row : rows_of(clients.gen())) {
    const auto s = row.arrival.ns() / 1'000'000'000;
    EXPECT_TRUE(s < 101 || s >= 198) << s;
  }
}

TEST(ServeGen, ClientsAreMergedInOrderOfTime) {
  Clients clients;
  clients.add(3, two("Gamma", "1")).add(20, two("Gamma", "4")).add(100, two("Weibull", "0.7"));
  Time last(0);
  const auto rows = rows_of(clients.gen());
  EXPECT_EQ(rows.size(), 600u);
  EXPECT_EQ(rows.front().arrival, Time(0));
  for (const TraceRow& row : rows) {
    EXPECT_GE(row.arrival, last);
    last = row.arrival;
  }
}

TEST(ServeGen, TakingAClientOutChangesNoOther) {
  Clients both, one;
  one.add(7, two("Gamma", "0.5"), R"({"0": {"input_tokens": "{77: 1}", "output_tokens": "{1: 1, 2: 1, 3: 1}"}})");
  both.add(7, two("Gamma", "0.5"), R"({"0": {"input_tokens": "{77: 1}", "output_tokens": "{1: 1, 2: 1, 3: 1}"}})")
      .add(2, two("Gamma", "1"));
  std::vector<TraceRow> of_7;
  for (const TraceRow& row : rows_of(both.gen()))
    if (row.prompt == Tokens(77)) of_7.push_back(row);
  const auto alone = rows_of(one.gen());
  ASSERT_EQ(of_7.size(), alone.size());
  for (std::size_t i = 0; i < alone.size(); ++i) {
    EXPECT_EQ(of_7[i].output, alone[i].output);
    EXPECT_EQ(of_7[i].arrival - of_7[0].arrival, alone[i].arrival - alone[0].arrival);
  }
}

TEST(ServeGen, RateScalesAllClientsAndHoursAndFromChooseAStretch) {
  Clients clients;
  clients.add(0, "0,1,1,Gamma,1,1\n3600,3,1,Gamma,1,1\n").add(1, "0,0,,,,\n3600,4,1,Gamma,1,1\n");
  EXPECT_EQ(rows_of(clients.gen()).size(), 3600u + 7 * 3600u);
  EXPECT_EQ(rows_of(clients.gen("&hours=1")).size(), 3600u);
  EXPECT_EQ(rows_of(clients.gen("&hours=0.5")).size(), 3600u);  // whole windows
  EXPECT_EQ(rows_of(clients.gen("&hours=1&from=1")).size(), 7 * 3600u);
  EXPECT_EQ(rows_of(clients.gen("&hours=2&from=1")).size(), 8 * 3600u);  // begins again behind the end
  EXPECT_EQ(rows_of(clients.gen("&hours=4")).size(), 16 * 3600u);
  EXPECT_EQ(rows_of(clients.gen("&rate=0.5")).size(), 3600u);  // 4 a second on average, as recorded
  EXPECT_EQ(rows_of(clients.gen(), 1, 123).size(), 123u);
  EXPECT_EQ(rows_of(clients.gen("&hours=1"), 1, 40'000).size(), 40'000u);
}

// ---- gaps ---------------------------------------------------------------------------------------------------------

TEST(ServeGen, GapsHaveTheirPatternsDeviation) {
  const auto cv = [](std::string_view pattern, std::string_view shape) {
    Clients clients;
    clients.add(0, fmt::format("0,500,1,{0},{1},1\n400,500,1,{0},{1},1\n", pattern, shape));
    return cv_of_gaps(rows_of(clients.gen()));
  };
  for (const double shape : {0.25, 0.9414, 1.0, 2.5, 9.0, 19.868})
    EXPECT_NEAR(cv("Gamma", fmt::format("{}", shape)) * std::sqrt(shape), 1.0, 0.02) << shape;
  for (const double shape : {0.6, 1.0, 1.378, 3.0}) {
    const double mean = std::tgamma(1 + 1 / shape), square = std::tgamma(1 + 2 / shape);
    EXPECT_NEAR(cv("Weibull", fmt::format("{}", shape)) / std::sqrt(square / (mean * mean) - 1), 1.0, 0.03) << shape;
  }
}

TEST(ServeGen, ExtremeShapesStayWithinTheirWindow) {
  for (const auto& [pattern, shape] :
       {std::pair{"Gamma", "0.0001"}, {"Gamma", "100"}, {"Weibull", "0.1"}, {"Weibull", "100"}}) {
    Clients clients;
    clients.add(0, two(pattern, shape));
    const auto rows = rows_of(clients.gen());
    EXPECT_EQ(rows.size(), 200u);
    EXPECT_LE(rows.back().arrival, Time(200'000'000'000));
  }
}

// ---- lengths ------------------------------------------------------------------------------------------------------

TEST(ServeGen, LengthsHaveTheirShares) {
  Clients clients;
  clients.add(0, two("Gamma", "1", "99"));
  int tens = 0, rows = 0;
  for (const TraceRow& row : rows_of(clients.gen())) {
    ASSERT_TRUE(row.prompt == Tokens(10) || row.prompt == Tokens(20));
    ASSERT_EQ(row.output, Tokens(5));
    tens += row.prompt == Tokens(10);
    ++rows;
  }
  EXPECT_EQ(rows, 10'000);
  EXPECT_NEAR(tens, 2'500, 200);
}

TEST(ServeGen, LengthsAreThoseOfTheirTime) {
  Clients clients;
  clients.add(0, two("Gamma", "1"),
              R"({"100": {"input_tokens": "{2: 1}", "output_tokens": "{0: 1}"},)"
              R"( "0": {"input_tokens": "{1: 1}", "output_tokens": "{9: 1}", "reason_ratio": "{}"}})");
  const auto rows = rows_of(clients.gen());
  for (std::size_t i = 0; i < rows.size(); ++i) EXPECT_EQ(rows[i].prompt, Tokens(i < 100 ? 1 : 2)) << i;
}

TEST(ServeGen, TheSameSeedGivesTheSameRowsAndAnotherOthers) {
  Clients clients;
  clients.add(0, two("Gamma", "1"));
  EXPECT_EQ(testing::shown(rows_of(clients.gen(), 5)), testing::shown(rows_of(clients.gen(), 5)));
  EXPECT_EQ(testing::shown(rows_of(clients.gen(), 5)), testing::shown(rows_of(clients.path(), 5)));
  EXPECT_NE(testing::shown(rows_of(clients.gen(), 5)), testing::shown(rows_of(clients.gen(), 6)));
}

// ---- wrong --------------------------------------------------------------------------------------------------------

TEST(ServeGenInput, OptionsAreNamedAndInTheirRange) {
  Clients clients;
  clients.add(0, two("Gamma", "1"));
  EXPECT_EQ(outcome_of("gen:servegen?rate=1"),
            "gen:servegen?dir: found nothing; accepted: a folder of chunk-N-trace.csv and chunk-N-dataset.json");
  EXPECT_EQ(clients.says("&speed=1"),
            "gen:servegen: found 'speed'; accepted: dir, rate, hours, from; nearest is 'rate'");
  EXPECT_EQ(clients.says("&rate=0"), "gen:servegen?rate: found '0'; accepted: requests a second, 0.001 to 100000");
  EXPECT_EQ(clients.says("&hours=x"), "gen:servegen?hours: found 'x'; accepted: 0.001 to 100000");
  EXPECT_EQ(clients.says("&from=1"), "gen:servegen?from: found '1'; accepted: an hour of the file, below its 200 s");
}

TEST(ServeGenInput, AFolderHasPairsOfFiles) {
  const TemporaryFolder empty;
  EXPECT_EQ(outcome_of("gen:servegen?dir=" + empty.file("")),
            empty.file("") + ": found no chunk-N-trace.csv; give a folder of ServeGen's, such as deepseek-r1");
  EXPECT_EQ(outcome_of("gen:servegen?dir=/nowhere"),
            "/nowhere: cannot be read (No such file or directory); give a folder");
  Clients clients;
  clients.write("chunk-4-trace.csv", two("Gamma", "1"));
  EXPECT_EQ(clients.says(), "chunk-4-dataset.json: no such file; give the path of an existing file");
}

TEST(ServeGenInput, RatesAreRowsOfEqualWindows) {
  const auto says = [](std::string_view rates) { return Clients().add(0, rates).says(); };
  EXPECT_EQ(says(""), "chunk-0-trace.csv: is empty; accepted: time,rate,cv,pattern,shape,scale, a row a window");
  EXPECT_EQ(
      says("0,1,1,Gamma,1\n"),
      "chunk-0-trace.csv:1: found 5 cells in '0,1,1,Gamma,1'; accepted: time,rate,cv,pattern,shape,scale (is the file "
      "cut?)");
  EXPECT_EQ(says("5,1,1,Gamma,1,1\n"),
            "chunk-0-trace.csv:1: time: found '5'; accepted: 0, as windows begin at 0 and are all as long as the first "
            "file's first");
  EXPECT_EQ(
      says(two("Gamma", "1") + "300,1,1,Gamma,1,1\n"),
      "chunk-0-trace.csv:3: time: found '300'; accepted: 200, as windows begin at 0 and are all as long as the first "
      "file's first");
  EXPECT_EQ(says("0,1,1,Gamma,1,1\n0,1,1,Gamma,1,1\n"),
            "chunk-0-trace.csv:2: time: found '0'; accepted: windows of 1 to 86400 s");
  EXPECT_EQ(says("0,-1,1,Gamma,1,1\n"),
            "chunk-0-trace.csv:1: rate: found '-1'; accepted: requests a second from 0 to 1000000");
  EXPECT_EQ(says("0,nan,1,Gamma,1,1\n"),
            "chunk-0-trace.csv:1: rate: found 'nan'; accepted: requests a second from 0 to 1000000");
  EXPECT_EQ(says("0,1,1,,1,1\n"), "chunk-0-trace.csv:1: pattern: found nothing; accepted: Gamma, Weibull");
  EXPECT_EQ(says("0,1,1,Gamma,0,1\n"), "chunk-0-trace.csv:1: shape: found '0'; accepted: a shape from 0.0001 to 100");
  EXPECT_EQ(says("0,1,1,Weibull,0.05,1\n"),
            "chunk-0-trace.csv:1: shape: found '0.05'; accepted: a shape from 0.1 to 100");
  EXPECT_EQ(says("0,0,,,,\n100,0,,,,\n"),
            ": found no client that asks in two windows or more; accepted: rates above 0");
}

TEST(ServeGenInput, LengthsAreTextsOfTokensAndShares) {
  const auto says = [](std::string_view lengths) { return Clients().add(0, two("Gamma", "1"), lengths).says(); };
  const auto input = [&](std::string_view text) {
    return says(fmt::format(R"({{"0": {{"input_tokens": "{}", "output_tokens": "{{1: 1}}"}}}})", text));
  };
  const std::string head = "chunk-0-dataset.json: 0.input_tokens: ";
  const std::string accepted = "; accepted: \"{tokens: share, ...}\", tokens from 1 to 16777216";
  EXPECT_EQ(input("{1: 1, 0: 1}"), head + "found '0: 1'" + accepted);
  EXPECT_EQ(input("{1: 1, 16777217: 1, 3: 1}"), head + "found '16777217: 1, 3: 1'" + accepted);
  EXPECT_EQ(input("{1: -1}"), head + "found '1: -1'" + accepted);
  EXPECT_EQ(input("{1: nan}"), head + "found '1: nan'" + accepted);
  EXPECT_EQ(input("{1}"), head + "found '1'" + accepted);
  EXPECT_EQ(input("{1: 1,}"), head + "found '{1: 1,}'" + accepted);
  EXPECT_EQ(input("1: 1"), head + "found '1: 1'" + accepted);
  EXPECT_EQ(input("{"), head + "found '{'" + accepted);
  EXPECT_EQ(input("{1: 1999, 2: 2}"), head + "found '2: 2'" + accepted);
}

TEST(ServeGenInput, LengthsAreThereWhereSomebodyAsks) {
  const auto says = [](std::string_view lengths) { return Clients().add(0, two("Gamma", "1"), lengths).says(); };
  EXPECT_EQ(says(""),
            "chunk-0-dataset.json: found no valid JSON object; accepted: {\"0\": {\"input_tokens\": \"{...}\", "
            "\"output_tokens\": \"{...}\"}, ...}");
  EXPECT_EQ(says("{}"), "chunk-0-dataset.json: 0: found no such time; accepted: lengths from 0 on");
  EXPECT_EQ(says(R"({"0": {"input_tokens": "{1: 1}"}})"),
            "chunk-0-dataset.json: 0.output_tokens: found no such text; accepted: \"{tokens: share, ...}\"");
  EXPECT_EQ(
      says(R"({"0": {"input_tokens": "{1: 1}", "output_tokens": "{}"}})"),
      "chunk-0-dataset.json: 0: found lengths of one kind only; accepted: input_tokens and output_tokens, or both "
      "empty");
  EXPECT_EQ(says(R"({"0": {"input_tokens": "{}", "output_tokens": "{}"}})"),
            "chunk-0-trace.csv:1: rate: found '1'; accepted: 0 while the dataset has no lengths");
}

TEST(ServeGenInput, ACutAtAnyByteGivesRowsOrOneLine) {
  int errors = 0;
  const std::string rates = two("Weibull", "0.75", "0.25");
  for (std::size_t cut = 0; cut < rates.size(); ++cut) {
    const std::string what = Clients().add(0, rates.substr(0, cut)).says();
    errors += what.find("accepted: ") != std::string::npos;
    EXPECT_EQ(what.find('\n'), std::string::npos);
  }
  EXPECT_GT(errors, 30);
  for (std::size_t cut = 0; cut < kLengths.size(); ++cut)
    EXPECT_TRUE(
        Clients().add(0, two("Gamma", "1"), kLengths.substr(0, cut)).says().starts_with("chunk-0-dataset.json: "))
        << cut;
}

// ---- the real ones ------------------------------------------------------------------------------------------------

TEST(ServeGenTrace, ADayHasItsRequestsAndLengths) {
  NEED_SHARED_DATA(folder, "traces/servegen/reason/deepseek-r1");
  const auto stat = stat_of(*open_trace(folder.string(), 1, 0, 1.0));
  EXPECT_EQ(stat.rows(), 1'383'669u);                                              // the sum of all rates, times 600 s
  EXPECT_NEAR(static_cast<double>(stat.prompt().sum()) / 1'383'669, 1268.25, 12);  // the tables' own, by rates
  EXPECT_NEAR(static_cast<double>(stat.output().sum()) / 1'383'669, 1527.42, 15);
}

TEST(ServeGenTrace, DecidesTheSameRowsOnEveryBuild) {
  NEED_SHARED_DATA(folder, "traces/servegen/reason/deepseek-r1");
  DecisionHash hash;
  for (const TraceRow& row : rows_of(folder.string(), 1, 100'000)) {
    hash.add(static_cast<std::uint64_t>(row.arrival.ns()));
    hash.add(static_cast<std::uint64_t>(row.prompt.count()));
    hash.add(static_cast<std::uint64_t>(row.output.count()));
  }
  EXPECT_EQ(hash.value(), 17'398'922'207'676'066'513u);
}

}  // namespace
}  // namespace yard
