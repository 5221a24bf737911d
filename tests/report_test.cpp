// The report as people and programs read it: goldens, laws of the layout, and hostile names.
#include "scheduler/report/report.h"

#include <gtest/gtest.h>
#include <simdjson.h>

#include <cstdlib>
#include <fstream>
#include <limits>
#include <sstream>

#include "scheduler/base/rng.h"
#include "scheduler/report/figure.h"
#include "scheduler/report/json_writer.h"
#include "scheduler/report/metrics.h"
#include "scheduler/report/text_table.h"
#include "tests/report_builders.h"

namespace yard {
namespace {

using namespace test;

// ---- builders ----

// 100 requests over ten seconds, some shed, some lost; two replicas busy.
Meter small_meter(const FleetView& fleet) {
  Meter meter(fleet);
  for (int i = 0; i < 100; ++i) {
    const SloClassId slo{static_cast<std::uint32_t>(i % 3)};
    Finish f = done(slo, milliseconds(100 + i * 13), milliseconds(10 + i % 7), 50, Time(0) + milliseconds(100 * i));
    f.account.device = DeviceId{static_cast<std::uint32_t>(i % 5)};
    f.account.preemptions = i % 10 == 0 ? 1 : 0;
    meter.on_finish(f);
  }
  for (int i = 0; i < 5; ++i) meter.on_finish(ended(SloClassId{0}, Outcome::rejected, Reason::shed));
  meter.on_finish(ended(SloClassId{1}, Outcome::rejected, Reason::too_long));
  meter.on_finish(ended(SloClassId{1}, Outcome::failed, Reason::device_lost));
  meter.on_finish(ended(SloClassId{2}, Outcome::cancelled, Reason::none));
  run(meter, {.start = Time(0), .end = Time(0) + seconds(7), .bound_by = BoundBy::kv, .granted = 77, .prefilled = 900});
  run(meter, {.device = DeviceId{1}, .start = Time(0), .end = Time(0) + seconds(3), .granted = 17, .generated = 40});
  run(meter, {.device = DeviceId{4}, .start = Time(0), .end = Time(0) + seconds(9), .bound_by = BoundBy::tokens});
  meter.add_gaps(milliseconds(12), 400);
  meter.add_gaps(milliseconds(90), 7);
  return meter;
}

Summary small_summary(const Meter& meter) {
  Summary s = summary_of(meter);
  s.idle_beside_work = {milliseconds(230), Duration()};
  return s;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

simdjson::dom::element parsed(simdjson::dom::parser& parser, const std::string& json) {
  simdjson::dom::element root;
  EXPECT_EQ(parser.parse(json).get(root), simdjson::SUCCESS) << json;
  return root;
}

// A change of the report is a decision: run with SWITCHYARD_UPDATE_GOLDEN=1 to make it.
void expect_golden(const std::string& name, const std::string& text) {
  const char* root = std::getenv("SWITCHYARD_SOURCE_DIR");
  const std::string path = std::string(root ? root : ".") + "/tests/golden/" + name;
  if (std::getenv("SWITCHYARD_UPDATE_GOLDEN")) std::ofstream(path, std::ios::binary) << text;
  std::ifstream file(path, std::ios::binary);
  ASSERT_TRUE(file) << path;
  const std::string golden{std::istreambuf_iterator<char>(file), {}};
  EXPECT_EQ(text, golden) << path;
}

// ---- goldens ----

TEST(Report, TextIsTheGolden) {
  const FleetView fleet = small_fleet();
  const Meter meter = small_meter(fleet);
  expect_golden("report_small.txt", report_text(small_summary(meter)));
}

TEST(Report, JsonIsTheGolden) {
  const FleetView fleet = small_fleet();
  const Meter meter = small_meter(fleet);
  expect_golden("report_small.json", report_json(small_summary(meter)));
}

// ---- both ----

TEST(Report, OnlyRunTellsOfTheMachine) {
  const FleetView fleet = small_fleet();
  const Meter meter = small_meter(fleet);
  Summary slow = small_summary(meter), fast = slow;
  slow.wall = slow.cpu = seconds(2);
  fast.wall = fast.cpu = seconds(1);
  const std::string a = report_json(slow), b = report_json(fast);
  EXPECT_NE(a, b);
  EXPECT_EQ(a.substr(0, a.find("\"run\"")), b.substr(0, b.find("\"run\"")));
  std::vector<std::string> of_slow = lines_of(report_text(slow)), of_fast = lines_of(report_text(fast));
  ASSERT_NE(of_slow.back(), of_fast.back());
  of_slow.pop_back(), of_fast.pop_back();
  EXPECT_EQ(of_slow, of_fast);
}

TEST(Report, RunTellsRequestsPerCpuSecond) {
  const FleetView fleet = small_fleet();
  const Meter meter = small_meter(fleet);
  Summary s = small_summary(meter);
  s.cpu = milliseconds(500);
  EXPECT_EQ(plain(measure(s).run.figure("requests_per_cpu_s")), "216.000");  // 108 of them
}

TEST(Report, NoRequestsIsAReportWithoutLatencies) {
  const FleetView fleet = small_fleet();
  const Meter meter(fleet);
  const Summary s = summary_of(meter);
  simdjson::dom::parser parser;
  const auto root = parsed(parser, report_json(s));
  EXPECT_EQ(std::uint64_t(root["all"]["arrived"]), 0u);
  EXPECT_TRUE(root["all"]["ttft_p99_ms"].is_null());
  EXPECT_TRUE(root["all"]["attainment_pct"].is_null());
  EXPECT_TRUE(root["all"]["goodput_requests_per_s"].is_null());
  EXPECT_TRUE(root["totals"]["cost_per_million_output_tokens_usd"].is_null());
  EXPECT_FALSE(report_text(s).empty());
}

TEST(Report, AllRejectedAttainNothing) {
  const FleetView fleet = small_fleet();
  Meter meter(fleet);
  for (int i = 0; i < 10; ++i) {
    meter.on_finish(ended(SloClassId{0}, Outcome::rejected, Reason::queue_full, Time(i), Time(i)));
  }
  const Metrics m = measure(summary_of(meter));
  EXPECT_EQ(plain(m.all.figure("attainment_pct")), "0.000");
  EXPECT_EQ(plain(m.all.figure("rejected_queue_full")), "10");
  EXPECT_FALSE(m.all.figure("ttft_p50_ms").some);
}

TEST(Report, AFleetWithoutPoolsCanBeReported) {
  FleetView fleet = small_fleet();
  fleet.pools.clear();
  const Meter meter(fleet);
  simdjson::dom::parser parser;
  EXPECT_EQ(parsed(parser, report_json(summary_of(meter)))["pools"].get_array().size(), 0u);
  EXPECT_FALSE(report_text(summary_of(meter)).empty());
}

// ---- figures ----

Metrics ten_seconds() {  // one pool of two replicas, ten seconds, one of them busy for five
  FleetView fleet = small_fleet();
  fleet.pools.resize(1);
  Meter meter(fleet);
  meter.on_finish(done(SloClassId{2}, seconds(5), nanoseconds(0), 100, Time(0)));
  meter.on_finish(ended(SloClassId{2}, Outcome::rejected, Reason::shed, Time(0), Time(0) + seconds(10)));
  run(meter, {.start = Time(0), .end = Time(0) + seconds(5), .granted = 40});
  Summary s = summary_of(meter);
  s.idle_beside_work = {seconds(2)};
  return measure(s);
}

TEST(Report, UtilisationIsBusyTimeOverPaidTime) {
  EXPECT_EQ(plain(ten_seconds().pools[0].figure("utilisation_pct")), "25.000");
}

TEST(Report, IdleBesideWorkIsOfPaidTime) {
  EXPECT_EQ(plain(ten_seconds().pools[0].figure("idle_beside_work_pct")), "10.000");
}

TEST(Report, KvUseIsOfBusyTime) { EXPECT_EQ(plain(ten_seconds().pools[0].figure("kv_busy_pct")), "40.000"); }

TEST(Report, CostIsThePriceOfEveryReplicaOverTheMakespan) {
  EXPECT_EQ(plain(ten_seconds().totals.figure("cost_usd")), "0.020000");  // 2 x 10 s at $3.60 an hour
}

TEST(Report, CostPerMillionTokensIsOfOutputTokens) {
  EXPECT_EQ(plain(ten_seconds().totals.figure("cost_per_million_output_tokens_usd")), "200.000000");
}

TEST(Report, EnergyIsBusyAndIdlePowerTimesPue) {  // (5 s x 700 W + 15 s x 100 W) x 1.2 = 6,000 J
  EXPECT_EQ(plain(ten_seconds().totals.figure("energy_kwh")), "0.001667");
  EXPECT_EQ(plain(ten_seconds().totals.figure("energy_per_output_token_j")), "60.000");
}

TEST(Report, GoodputIsAttainingRequestsAndTokensPerSecond) {
  EXPECT_EQ(plain(ten_seconds().all.figure("goodput_requests_per_s")), "0.100");
  EXPECT_EQ(plain(ten_seconds().all.figure("goodput_tokens_per_s")), "10.000");
  EXPECT_EQ(plain(ten_seconds().all.figure("attainment_pct")), "50.000");
}

TEST(Report, BoundBySharesAddUpToAll) {
  const FleetView fleet = small_fleet();
  const Meter meter = small_meter(fleet);
  const Metrics m = measure(small_summary(meter));
  for (const Record& pool : m.pools) {
    Wide sum = 0;
    for (const char* what : {"work", "sequences", "kv", "tokens"}) {
      sum += pool.figure("bound_by_" + std::string(what) + "_pct").units;
    }
    EXPECT_TRUE(sum == 100'000) << pool.name("pool");
  }
}

// ---- layout ----

Meter huge_meter(const FleetView& fleet) {
  Meter meter(fleet);
  constexpr std::int64_t kYear = std::int64_t{365} * 24 * 3'600'000'000'000;
  for (std::uint32_t i = 0; i < 3; ++i) {
    Finish f = done(SloClassId{i}, Duration(kYear / 2), Duration(kYear / 4), 3);
    f.account.output = Tokens::max();
    f.account.preemptions = std::numeric_limits<std::uint32_t>::max();
    meter.on_finish(f);
  }
  for (int i = 0; i < 34; ++i) {  // doubled 34 times: some 5e10 requests
    const Meter twin = meter;
    meter.merge(twin);
  }
  for (std::uint32_t i = 1; i <= 1000; ++i) {
    run(meter, {.start = Time(0), .end = Time(kYear), .bound_by = static_cast<BoundBy>(i % 4), .generation = i});
  }
  meter.add_gaps(Duration(kYear), 1'000'000'000'000);
  return meter;
}

FleetView huge_fleet() {
  FleetView fleet = small_fleet();
  fleet.name = fleet.pools[0].name = fleet.classes[0].name = std::string(300, 'x');
  fleet.pools.resize(1);
  fleet.pools[0].devices = 1'000'000;
  fleet.pools[0].per_hour = NanoDollars(1'000'000'000'000);
  fleet.pools[0].busy = fleet.pools[0].idle = Milliwatts(1'000'000'000);
  return fleet;
}

TEST(ReportText, KeepsWithin100ColumnsWhateverTheNumbers) {
  const FleetView fleet = huge_fleet();
  const Meter meter = huge_meter(fleet);
  Summary s = summary_of(meter);
  s.seed = std::numeric_limits<Seed>::max();
  s.version = s.trace = s.policy = s.order = s.bind = std::string(300, 'y');
  s.wall = s.cpu = seconds(1'000'000);
  for (const std::string& line : lines_of(report_text(s))) EXPECT_LE(columns_of(line), 100u) << line;
}

TEST(ReportText, HasNoBlanksAtLinesEnds) {
  const FleetView fleet = small_fleet();
  const Meter meter = small_meter(fleet);
  for (const std::string& line : lines_of(report_text(small_summary(meter)))) {
    EXPECT_TRUE(line.empty() || line.back() != ' ') << line;
  }
}

TEST(ReportText, ListsOnlyReasonsThatOccurred) {
  const FleetView fleet = small_fleet();
  const Meter meter = small_meter(fleet);
  const std::string text = report_text(small_summary(meter));
  EXPECT_NE(text.find("rejected: too_long 1, shed 5\n"), std::string::npos) << text;
  EXPECT_NE(text.find("failed: device_lost 1\n"), std::string::npos) << text;
}

TEST(ReportText, LongLatenciesAreInSecondsAndHours) {
  const FleetView fleet = small_fleet();
  Meter meter(fleet);
  meter.on_finish(done(SloClassId{1}, milliseconds(12'340), milliseconds(9'999), 2));
  std::string text = report_text(summary_of(meter));
  EXPECT_NE(text.find("TTFT s"), std::string::npos) << text;
  EXPECT_NE(text.find("TPOT ms"), std::string::npos) << text;
  EXPECT_NE(text.find("12.3"), std::string::npos) << text;
  meter.on_finish(done(SloClassId{1}, seconds(36'000), milliseconds(1), 2));
  text = report_text(summary_of(meter));
  EXPECT_NE(text.find("TTFT h"), std::string::npos) << text;
}

TEST(ReportText, NamesCannotSteerTheTerminal) {
  FleetView fleet = small_fleet();
  fleet.pools[0].name = "\x1b[2J\xff";
  fleet.classes[0].name = "a\nb\xc2\x9b";
  const Meter meter(fleet);
  Summary s = summary_of(meter);
  s.trace = "\x1b]0;x\x07";
  const std::string text = report_text(s);
  for (const char c : text) EXPECT_TRUE(c == '\n' || (c >= 0x20 && c < 0x7f)) << int{c};
}

// ---- JSON ----

TEST(ReportJson, HugeNumbersAreWrittenWhole) {
  const FleetView fleet = huge_fleet();
  const Meter meter = huge_meter(fleet);
  Summary s = summary_of(meter);
  s.seed = std::numeric_limits<Seed>::max();
  simdjson::dom::parser parser;
  const auto root = parsed(parser, report_json(s));
  EXPECT_EQ(std::uint64_t(root["seed"]), s.seed);
  EXPECT_EQ(std::uint64_t(root["all"]["arrived"]), 3ull << 34);
  EXPECT_EQ(double(root["totals"]["cost_usd"]), 1000.0 * 1'000'000 * 365 * 24);
  EXPECT_EQ(double(root["totals"]["energy_kwh"]), 1'000'000.0 * 1000 * 365 * 24 * 1.2);
}

TEST(ReportJson, IsValidWhateverTheNames) {
  simdjson::dom::parser parser;
  for (Seed seed = 1; seed <= 500; ++seed) {
    Rng rng(seed);
    const auto hostile = [&] {
      std::string name(rng.below(30), ' ');
      for (char& c : name) c = static_cast<char>(rng.next());
      return name;
    };
    FleetView fleet = small_fleet();
    fleet.name = hostile();
    fleet.pools[0].name = hostile();
    fleet.classes[1].name = hostile();
    fleet.models[0].name = hostile();
    const Meter meter(fleet);
    Summary s = summary_of(meter);
    s.trace = hostile();
    s.version = hostile();
    simdjson::dom::element root;
    ASSERT_EQ(parser.parse(report_json(s)).get(root), simdjson::SUCCESS) << "seed " << seed;
  }
}

TEST(Json, StringsComeBackAsTheyWere) {
  simdjson::dom::parser parser;
  using namespace std::string_literals;
  for (const std::string& text : {""s, "plain"s, "q\"b\\s/"s, "a\0b\x1f\x7f\n\r\t"s, "\u00fc \u20ac \U0001f600"s}) {
    EXPECT_EQ(std::string_view(parsed(parser, json_quoted(text) + " ")), text);
  }
}

TEST(Json, BytesThatAreNoUtf8BecomeTheReplacementCharacter) {
  EXPECT_EQ(json_quoted("a\xff"
                        "b"),
            "\"a\\ufffdb\"");
  EXPECT_EQ(json_quoted("\xe2\x82"), "\"\\ufffd\\ufffd\"");             // cut short
  EXPECT_EQ(json_quoted("\xc0\xaf"), "\"\\ufffd\\ufffd\"");             // overlong
  EXPECT_EQ(json_quoted("\xed\xa0\x80"), "\"\\ufffd\\ufffd\\ufffd\"");  // a surrogate
}

TEST(Json, NestsObjectsAndArrays) {
  JsonWriter json;
  json.begin_object();
  json.literal("n", "1.50");
  json.begin_array("list");
  json.begin_object();
  json.end();
  json.literal({}, "null");
  json.end();
  json.end();
  EXPECT_EQ(std::move(json).finish(), "{\n  \"n\": 1.50,\n  \"list\": [\n    {},\n    null\n  ]\n}\n");
}

TEST(JsonDeathTest, RefusesAMemberWithoutAKey) {
  JsonWriter json;
  json.begin_object();
  EXPECT_DEATH(json.literal({}, "1"), "keys");
}

// ---- numbers as text ----

TEST(Figure, RatiosAreRoundedOnceHalvesUp) {
  EXPECT_EQ(plain(ratio(1, 8, 2)), "0.13");
  EXPECT_EQ(plain(ratio(1, 3, 3)), "0.333");
  EXPECT_EQ(plain(ratio(2, 3, 3)), "0.667");
  EXPECT_EQ(plain(ratio(999'999, 1'000'000, 2)), "1.00");
  EXPECT_EQ(plain(ratio(7, 1, 0)), "7");
}

TEST(Figure, RatiosEqualLongDivision) {
  Rng rng(5);
  for (int i = 0; i < 10'000; ++i) {
    const std::uint64_t n = rng.below(1'000'000'000'000), d = 1 + rng.below(1'000'000);
    ASSERT_TRUE(ratio(n, d, 3).units == (static_cast<Wide>(n) * 1000 * 2 + d) / (2 * static_cast<Wide>(d))) << n << d;
  }
}

TEST(Figure, NothingIsNullToProgramsAndADashToPeople) {
  const Figure nothing = ratio(1, 0, 3);
  EXPECT_EQ(plain(nothing), "null");
  EXPECT_EQ(grouped(nothing, 1), "-");
  EXPECT_EQ(three_digits(nothing), "-");
  EXPECT_EQ(count_text(nothing), "-");
}

TEST(Figure, ThousandsAreSeparatedForPeopleOnly) {
  EXPECT_EQ(grouped(fixed(123'456'789, 2), 1), "1,234,567.9");
  EXPECT_EQ(grouped(whole(999), 0), "999");
  EXPECT_EQ(plain(fixed(123'456'789, 2)), "1234567.89");
}

TEST(Figure, ThreeDigitsKeepTheirWidthWhenRoundingCarries) {
  EXPECT_EQ(three_digits(fixed(1'234, 3)), "1.23");
  EXPECT_EQ(three_digits(fixed(9'994, 3)), "9.99");
  EXPECT_EQ(three_digits(fixed(9'995, 3)), "10.0");
  EXPECT_EQ(three_digits(fixed(99'949, 3)), "99.9");
  EXPECT_EQ(three_digits(fixed(99'950, 3)), "100");
  EXPECT_EQ(three_digits(fixed(1'234'567, 3)), "1,235");
  EXPECT_EQ(three_digits(fixed(4, 3)), "0.00");
}

TEST(Figure, LargeCountsAreShortened) {
  EXPECT_EQ(count_text(whole(9'999'999)), "9,999,999");
  EXPECT_EQ(count_text(whole(10'000'000)), "10.0M");
  EXPECT_EQ(count_text(whole(123'456'789)), "123M");
  EXPECT_EQ(count_text(whole(1'234'567'890)), "1.23G");
}

TEST(TextTable, NamesAreCutFrontOrBack) {
  EXPECT_EQ(fitted("abcdefgh", 6, Cut::back), "abcd..");
  EXPECT_EQ(fitted("abcdefgh", 6, Cut::front), "..efgh");
  EXPECT_EQ(fitted("abcdef", 6, Cut::back), "abcdef");
  EXPECT_EQ(fitted("\u00fc\u00fc\u00fc\u00fc", 4, Cut::back), "\u00fc\u00fc\u00fc\u00fc");
}

TEST(ReportText, NamesTheOldestSignalOnlyWhereSomeWereOld) {
  const FleetView fleet = small_fleet();
  Meter meter(fleet);
  meter.on_finish(done(SloClassId{0}, seconds(1), seconds(2), 2));
  Summary s = summary_of(meter);
  EXPECT_EQ(report_text(s).find("signals:"), std::string::npos);
  EXPECT_EQ(report_json(s).find("oldest_signal_ms"), std::string::npos);
  s.oldest_signals = {milliseconds(5), milliseconds(1234)};
  EXPECT_NE(report_text(s).find("signals: the oldest that a placement was made on was 1,234 ms old (pool " +
                                fleet.pools[1].name + ")\n"),
            std::string::npos);
  EXPECT_NE(report_json(s).find("\"oldest_signal_ms\": 5.000"), std::string::npos);
}

TEST(ReportText, SaysWhatShareOfPromptsWasFoundByClassAndInAll) {
  const FleetView fleet = small_fleet();
  Meter meter(fleet);
  Finish found = done(SloClassId{0}, seconds(1), seconds(2), 2);
  found.account.prompt = Tokens(400), found.account.cached = Tokens(100);
  meter.on_finish(found);
  Finish none = done(SloClassId{1}, seconds(1), seconds(2), 2);
  none.account.prompt = Tokens(600);
  meter.on_finish(none);
  Finish never = none;  // was rejected: it found nothing, and was not there to find any
  never.outcome = Outcome::rejected, never.why = Reason::shed;
  never.account.admit = never.account.first_token = never.account.last_token = Time::never();
  meter.on_finish(never);
  const std::string text = report_text(summary_of(meter)), json = report_json(summary_of(meter));
  EXPECT_NE(text.find("prefixes: 10.00 % of prompt tokens found in caches: " + fleet.classes[0].name + " 25.00\n"),
            std::string::npos)
      << text;
  EXPECT_NE(json.find("\"cached_prompt_tokens\": 100,\n    \"prompt_hit_pct\": 10.000"), std::string::npos) << json;
  Meter cold(fleet);
  cold.on_finish(none);
  EXPECT_EQ(report_text(summary_of(cold)).find("prefixes:"), std::string::npos);
}

}  // namespace
}  // namespace yard
