// Traces that are made: the same on every build, and like the real ones.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "scheduler/base/hash.h"
#include "scheduler/trace/generate.h"
#include "scheduler/trace/sample.h"
#include "scheduler/trace/stat.h"
#include "tests/trace_files.h"

namespace yard {
namespace {

using testing::outcome_of;
using testing::rows_of;

std::uint64_t hash_of(const std::string& name, Seed seed, std::uint64_t rows) {
  DecisionHash hash;
  for (const TraceRow& row : rows_of(name, seed, rows)) {
    hash.add(static_cast<std::uint64_t>(row.arrival.ns()));
    hash.add(static_cast<std::uint64_t>(row.prompt.count()));
    hash.add(static_cast<std::uint64_t>(row.output.count()));
  }
  return hash.value();
}

TraceStat stat(const std::string& name, std::uint64_t limit = 0) { return stat_of(*open_trace(name, 3, limit, 1.0)); }

// Relative, with a floor of `least` tokens: a quantile on a cliff moves by the cliff's width.
void expect_near(std::int64_t got, std::int64_t want, double share, std::int64_t least, std::string_view what) {
  EXPECT_LE(std::abs(got - want),
            std::max<std::int64_t>(least, static_cast<std::int64_t>(share * static_cast<double>(want))))
      << what << ": " << got << ", traced " << want;
}

// ---- adapters -----------------------------------------------------------------------------------------------------

TEST(Generated, AdaptersFollowZipfAndChangeNothingElse) {
  std::vector<int> asked(11);
  for (const TraceRow& row : rows_of("gen:azure-conv?adapters=10", 1, 20'000)) ++asked.at(row.adapter);
  EXPECT_EQ(asked[0], 0) << "everybody asks for one";
  for (int k = 1; k <= 10; ++k) EXPECT_NEAR(asked[static_cast<std::size_t>(k)], 20'000 / 2.928968 / k, 300) << k;
  EXPECT_EQ(hash_of("gen:azure-conv?adapters=10", 1, 1000), hash_of("gen:azure-conv", 1, 1000));
  EXPECT_EQ(outcome_of("gen:azure-conv?adapters=0"),
            "gen:azure-conv?adapters: found '0'; accepted: a whole number from 1 to 65536");
  EXPECT_EQ(outcome_of("gen:azure-conv?adapters=1.5"),
            "gen:azure-conv?adapters: found '1.5'; accepted: a whole number from 1 to 65536");
}

// ---- chance -------------------------------------------------------------------------------------------------------

TEST(Sample, LogarithmAndPowerAreNearTheirRealOnes) {
  Rng rng(1);
  for (int i = 0; i < 100'000; ++i) {
    const std::uint64_t x = (rng.next() >> rng.below(64)) | 1;
    EXPECT_NEAR(std::ldexp(static_cast<double>(log2_q32(x)), -32), std::log2(static_cast<double>(x)), 3e-6) << x;
    const Q32 y = rng.next() >> 30;
    EXPECT_NEAR(std::ldexp(static_cast<double>(power2_q32(y)), -32),
                std::exp2(std::ldexp(-static_cast<double>(y), -32)), 3e-6)
        << y;
  }
  EXPECT_EQ(log2_q32(1), 0u);
  EXPECT_EQ(log2_q32(1 << 20), Q32{20} << 32);
  EXPECT_EQ(power2_q32(0), kOne);
}

// By the Kolmogorov distance; 1.95 / sqrt(n) is exceeded once in a thousand seeds, and the seed is fixed.
TEST(Sample, TheExponentialIsOne) {
  constexpr int kDraws = 200'000;
  Rng rng(11);
  std::vector<double> draws;
  for (int i = 0; i < kDraws; ++i) draws.push_back(std::ldexp(static_cast<double>(exponential(rng.next())), -32));
  std::sort(draws.begin(), draws.end());
  double distance = 0;
  for (int i = 0; i < kDraws; ++i) distance = std::max(distance, std::abs(-std::expm1(-draws[i]) - (i + 0.5) / kDraws));
  EXPECT_LT(distance, 1.95 / std::sqrt(kDraws));
}

// The moments of a gamma of mean 1 and shape a: variance 1 / a, third central moment 2 / a^2.
TEST(Sample, TheGammaHasItsMoments) {
  for (const std::uint32_t cv_milli : {1000u, 1050u, 1500u, 2000u, 4000u}) {
    const double variance = 1e-6 * cv_milli * cv_milli;
    constexpr int kDraws = 4'000'000;
    const GammaSampler gamma(cv_milli);
    Rng rng(cv_milli);
    double sum = 0, squares = 0, cubes = 0;
    for (int i = 0; i < kDraws; ++i) {
      const double x = std::ldexp(static_cast<double>(gamma.next(rng)), -32) - 1;
      sum += x, squares += x * x, cubes += x * x * x;
    }
    EXPECT_NEAR(sum / kDraws, 0, 4 * std::sqrt(variance / kDraws)) << cv_milli;
    EXPECT_NEAR(squares / kDraws, variance, 0.02 * variance) << cv_milli;
    EXPECT_NEAR(cubes / kDraws, 2 * variance * variance, 0.08 * 2 * variance * variance) << cv_milli;
  }
}

TEST(Sample, AQuantileTableIsMonotoneAndMeetsItsKnots) {
  QuantileTable table{};
  for (std::size_t i = 0; i < table.at.size(); ++i) table.at[i] = static_cast<std::uint32_t>(1000 * i);
  EXPECT_EQ(table.sample(0), 0u);
  EXPECT_EQ(table.sample(~std::uint64_t{0}), table.at.back());
  for (std::uint64_t cell = 0; cell < 128; ++cell) EXPECT_EQ(table.sample(cell << 57), 1000 * cell);
  for (int tail = 8; tail <= 13; ++tail)
    EXPECT_EQ(table.sample(std::uint64_t{0} - (std::uint64_t{1} << (64 - tail))), 1000u * (120 + tail)) << tail;
  std::uint32_t before = 0;
  for (std::uint64_t u = 0; u < ~std::uint64_t{0} - (std::uint64_t{1} << 44); u += std::uint64_t{1} << 44) {
    const std::uint32_t now = table.sample(u);
    ASSERT_GE(now, before);
    before = now;
  }
}

TEST(RateCurve, ARingTakesAsLongAsItsEvenTime) {
  const std::uint32_t knots[] = {5, 1, 9, 3};
  RateCurve curve(knots, 1'600'000);
  const Wide ring = static_cast<Wide>(4 * 1'600'000) << 16;
  Wide before = 0;
  for (Wide even = 0; even < 3 * ring; even += ring / 977) {
    const Wide now = curve.at(even);
    ASSERT_GE(now, before);
    before = now;
  }
  EXPECT_EQ(static_cast<std::uint64_t>(curve.at(3 * ring)), static_cast<std::uint64_t>(3 * ring));
  EXPECT_EQ(static_cast<std::uint64_t>(curve.at(1'000'003 * ring)), static_cast<std::uint64_t>(1'000'003 * ring));
}

// ---- rows ---------------------------------------------------------------------------------------------------------

// Golden: another value here changes every figure that was ever measured with a generated trace.
TEST(Generate, TheFirstThousandRowsAreTheseOnEveryBuild) {
  EXPECT_EQ(hash_of("gen:azure-conv", 1, 1000), 9952105098813732917u);
  EXPECT_EQ(hash_of("gen:azure-code", 1, 1000), 2821924424088157882u);
  EXPECT_EQ(hash_of("gen:azure-conv?burst=2.5&curve=day&rate=40", 1, 1000), 13436991193328242951u);
}

TEST(Generate, AnotherSeedGivesOtherRowsAndALimitACutOfTheSame) {
  EXPECT_NE(hash_of("gen:azure-conv", 1, 100), hash_of("gen:azure-conv", 2, 100));
  const auto few = rows_of("gen:azure-code", 5, 10), many = rows_of("gen:azure-code", 5, 100);
  EXPECT_EQ(testing::shown(few), testing::shown({many.begin(), many.begin() + 10}));
}

TEST(Generate, TheFirstRowArrivesAtZeroAndTimeNeverGoesBack) {
  for (const char* const name : {"gen:azure-conv?burst=50", "gen:azure-code?curve=day"}) {
    const auto rows = rows_of(name, 9, 50'000);
    EXPECT_EQ(rows.front().arrival, Time(0));
    EXPECT_TRUE(std::is_sorted(rows.begin(), rows.end(), [](auto& a, auto& b) { return a.arrival < b.arrival; }));
  }
}

TEST(Generate, WithoutALimitThereAreAsManyRowsAsThePresetSays) {
  const auto rows = [](const char* name) { return open_trace(name, 1, 0, 1.0)->rows().value_or(0); };
  EXPECT_EQ(rows("gen:azure-conv"), 19'366u);
  EXPECT_EQ(rows("gen:azure-code"), 8'819u);
  EXPECT_EQ(rows("gen:azure-conv?rate=10&hours=0.5"), 18'000u);
  EXPECT_EQ(rows("gen:azure-code?hours=1"), 9'240u);
  EXPECT_EQ(rows("gen:azure-code?hours=0.001&rate=0.001"), 1u);
  EXPECT_EQ(open_trace("gen:azure-conv", 1, 7, 2.0)->rows(), 7u);
  EXPECT_EQ(rows_of("gen:azure-conv").size(), 19'366u);
}

TEST(Generate, RateBurstAndCurveChangeNoLength) {
  const auto plain = rows_of("gen:azure-conv", 4, 500),
             other = rows_of("gen:azure-conv?rate=90&burst=7&curve=day", 4, 500);
  for (std::size_t i = 0; i < plain.size(); ++i) {
    EXPECT_EQ(plain[i].prompt, other[i].prompt);
    EXPECT_EQ(plain[i].output, other[i].output);
  }
}

TEST(Generate, TheRateIsWhatWasAsked) {
  for (const char* const curve : {"flat", "hour", "day"})
    EXPECT_NEAR(
        static_cast<double>(stat(fmt::format("gen:azure-conv?rate=20&curve={}", curve), 20 * 86'400).rate_milli()),
        20'000, 100)
        << curve;
  EXPECT_NEAR(static_cast<double>(stat("gen:azure-code?rate=100&burst=4", 2'000'000).rate_milli()), 100'000, 1'500);
}

TEST(Generate, ScaleDividesTime) {
  const auto plain = rows_of("gen:azure-conv", 4, 100), fast = rows_of("gen:azure-conv", 4, 100, 8.0);
  for (std::size_t i = 0; i < plain.size(); ++i) EXPECT_EQ(fast[i].arrival.ns(), plain[i].arrival.ns() / 8);
}

TEST(Generate, BurstIsTheDeviationOfTheGaps) {
  for (const double burst : {1.0, 1.5, 3.0, 8.0})
    EXPECT_NEAR(
        static_cast<double>(stat(fmt::format("gen:azure-conv?curve=flat&burst={}", burst), 1'000'000).gap_cv_milli()),
        1000 * burst, 40 * burst)
        << burst;
}

TEST(Generate, ADayHasItsHours) {
  std::vector<int> hours(24);
  const auto reader = open_trace("gen:azure-conv?curve=day&rate=10&hours=24", 2, 0, 1.0);
  while (const auto row = reader->next()) ++hours[static_cast<std::size_t>(row->arrival.ns() / 3'600'000'000'000 % 24)];
  EXPECT_GT(hours[22], 3 * hours[12]);  // knots 2194 and 447
}

// ---- what a name may say ------------------------------------------------------------------------------------------

TEST(GenerateName, WhatIsUnknownIsRefusedWithTheNearest) {
  EXPECT_EQ(outcome_of("gen:azure-konv", 1),
            "gen: found 'azure-konv'; accepted: azure-conv, azure-code, agentic, servegen, overlay; nearest is "
            "'azure-conv'");
  EXPECT_EQ(outcome_of("gen:", 1),
            "FILE found nothing; accepted: azure-conv, azure-code, agentic, servegen, overlay; nearest is 'agentic'");
  EXPECT_EQ(outcome_of("gen:azure-code?rats=1", 1),
            "gen:azure-code: found 'rats'; accepted: rate, burst, hours, curve, adapters; "
            "nearest is 'rate'");
  EXPECT_EQ(outcome_of("gen:azure-code?", 1),
            "gen:azure-code: found nothing; accepted: rate, burst, hours, curve, adapters; "
            "nearest is 'rate'");
  EXPECT_EQ(outcome_of("gen:azure-code?curve=dai", 1),
            "gen:azure-code?curve: found 'dai'; accepted: flat, hour, day; "
            "nearest is 'day'");
  EXPECT_EQ(outcome_of("gen:azure-code?rate=1&rate=2", 1), "gen:azure-code?rate: found '2'; accepted: each key once");
}

TEST(GenerateName, ValuesLieInTheirRanges) {
  for (const std::string_view value : {"", "0", "0.0009", "10000001", "-1", "1e3", "nan", "1.2345678", ".", "1.2.3",
                                       "99999999999999999999999999", "99999999999999999", "0x1", " 1"})
    EXPECT_EQ(outcome_of(fmt::format("gen:azure-conv?rate={}", value), 1),
              fmt::format("gen:azure-conv?rate: found {}; accepted: requests a second, 0.001 to 10000000",
                          value.empty() ? "nothing" : fmt::format("'{}'", value)));
  for (const std::string_view value : {"0.999", "100.001", "2.0005"})
    EXPECT_EQ(outcome_of(fmt::format("gen:azure-conv?burst={}", value), 1),
              fmt::format("gen:azure-conv?burst: found '{}'; accepted: 1 to 100, at most three decimals", value));
  for (const std::string_view value : {"0", "1000001"})
    EXPECT_EQ(outcome_of(fmt::format("gen:azure-conv?hours={}", value), 1),
              fmt::format("gen:azure-conv?hours: found '{}'; accepted: 0.001 to 1000000", value));
}

TEST(GenerateName, AnEndlessTraceIsRefusedAtTheRowThatIsTooLate) {
  EXPECT_TRUE(outcome_of("gen:azure-code?rate=0.001", 10'000'000).starts_with("gen:azure-code: row "));
}

// ---- beside the real ones -----------------------------------------------------------------------------------------

void expect_like(const std::string& name, const std::string& file) {
  NEED_SHARED_DATA(folder, "traces/azure2023");
  const TraceStat real = stat_of(*open_trace((folder / file).string(), 1, 0, 1.0)), made = stat(name, 1'000'000);
  for (const std::uint32_t per_mille : {50u, 100u, 250u, 500u, 750u, 900u, 950u, 990u}) {
    const auto what = fmt::format("{} at {}", name, per_mille);
    const double share = per_mille == 990 ? 0.05 : 0.03;
    expect_near(made.prompt().percentile(per_mille), real.prompt().percentile(per_mille), share, 3, what + " prompt");
    expect_near(made.output().percentile(per_mille), real.output().percentile(per_mille), share, 2, what + " output");
  }
  expect_near(made.prompt().mean(), real.prompt().mean(), 0.01, 0, name + " prompt mean");
  expect_near(made.output().mean(), real.output().mean(), 0.015, 1, name + " output mean");
  expect_near(made.gap().mean(), real.gap().mean(), 0.03, 0, name + " gap mean");
  expect_near(static_cast<std::int64_t>(made.gap_cv_milli()), static_cast<std::int64_t>(real.gap_cv_milli()), 0.06, 0,
              name + " gap deviation");
}

TEST(Generate, AzureConvIsLikeTheTracedHour) { expect_like("gen:azure-conv", "AzureLLMInferenceTrace_conv.csv"); }
TEST(Generate, AzureCodeIsLikeTheTracedHour) { expect_like("gen:azure-code", "AzureLLMInferenceTrace_code.csv"); }

// The median answer by kind of prompt, which the two distributions apart do not hold.
TEST(Generate, AzureConvAnswersDependOnTheirPrompts) {
  NEED_SHARED_DATA(folder, "traces/azure2023");
  const auto medians = [](TraceReader& reader) {
    Histogram by_prompt[5];
    while (const auto row = reader.next()) {
      constexpr std::int32_t kEdges[] = {250, 420, 1020, 1200};
      const auto group =
          std::upper_bound(std::begin(kEdges), std::end(kEdges), row->prompt.count()) - std::begin(kEdges);
      by_prompt[group].add(row->output.count());
    }
    std::vector<std::int64_t> out;
    for (const Histogram& h : by_prompt) out.push_back(h.percentile(500));
    return out;
  };
  const auto real = medians(*open_trace((folder / "AzureLLMInferenceTrace_conv.csv").string(), 1, 0, 1.0));
  const auto made = medians(*open_trace("gen:azure-conv", 3, 400'000, 1.0));
  for (std::size_t i = 0; i < real.size(); ++i)
    expect_near(made[i], real[i], 0.1, 3, fmt::format("prompts of group {}", i));
}

// ---- statistics ---------------------------------------------------------------------------------------------------

TEST(TraceStat, AFewRowsByHand) {
  const testing::TemporaryFolder folder;
  const TraceStat s = stat_of(*open_trace(
      folder.with("arrival_ns,prompt_tokens,output_tokens\n0,10,0\n1000000000,20,5\n4000000000,33,7\n"), 1, 0, 1.0));
  EXPECT_EQ(s.rate_milli(), 500u);
  EXPECT_EQ(s.gap_cv_milli(), 500u);  // 1 s and 3 s: deviation 1, mean 2
  EXPECT_EQ(stat_text(s, "x.csv"),
            "trace      x.csv\n"
            "rows       3\n"
            "duration   4.000 s\n"
            "rate       0.500 requests/s\n"
            "gaps       mean 2000000000 ns, p50 1000000000, p99 3000000000, max 3000000000; deviation by mean 0.500\n"
            "\n"
            "tokens           mean      p50      p90      p99      max            sum\n"
            "prompt          21.00       20       33       33       33             63\n"
            "output           4.00        5        7        7        7             12\n");
  EXPECT_EQ(stat_json(s, "x\"\n.csv"),
            "{\"trace\":\"x\\\"\\u000a.csv\",\"rows\":3,\"duration_ns\":4000000000,\"rate_per_s\":0.500,"
            "\"gap_mean_ns\":2000000000,\"gap_p50_ns\":1000000000,\"gap_p99_ns\":3000000000,\"gap_max_ns\":3000000000,"
            "\"gap_cv\":0.500,\"prompt_mean_tokens\":21.00,\"prompt_p50_tokens\":20,\"prompt_p90_tokens\":33,"
            "\"prompt_p99_tokens\":33,\"prompt_max_tokens\":33,\"prompt_sum_tokens\":63,\"output_mean_tokens\":4.00,"
            "\"output_p50_tokens\":5,\"output_p90_tokens\":7,\"output_p99_tokens\":7,\"output_max_tokens\":7,"
            "\"output_sum_tokens\":12}\n");
}

TEST(TraceStat, NoRowAndOneRowHaveNoRate) {
  EXPECT_EQ(stat_text(TraceStat(), "e"), "trace      e\nrows       0\n");
  TraceStat one;
  one.add({Time(0), Tokens(1), Tokens(0)});
  EXPECT_EQ(one.rate_milli(), 0u);
  EXPECT_EQ(one.gap_cv_milli(), 0u);
}

TEST(TraceStat, TheLongestTraceOverflowsNothing) {
  TraceStat s;
  s.add({Time(0), Tokens(1), Tokens(0)});
  s.add({kLastArrival, kMostTokens, kMostTokens});
  s.add({kLastArrival, kMostTokens, kMostTokens});
  EXPECT_EQ(s.gap_cv_milli(), 1000u);
  EXPECT_EQ(s.duration(), kLastArrival - Time(0));
}

}  // namespace
}  // namespace yard
