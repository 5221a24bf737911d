// `switchyard explain`: what it shows of a recorded request is what was decided, adds up, and says why.
#include "scheduler/explain.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "scheduler/policy/registry.h"
#include "tests/run_program.h"

namespace yard::testing {
namespace {

std::vector<std::string> split(const std::string& text, char at) {
  std::vector<std::string> parts;
  std::istringstream in(text);
  for (std::string part; std::getline(in, part, at);) parts.push_back(part);
  return parts;
}

struct Row {
  std::string pool, device, outcome, reason;  // device: number in its pool
};

// A recording made by replay, and what the same run says of each request.
struct Recorded {
  Scratch here;
  std::string path = here.at("day.rec");
  std::map<std::uint64_t, Row> rows;

  explicit Recorded(std::vector<std::string> words) {
    const std::vector<std::string> more = {"--record", path, "--requests-csv", here.at("r.csv"), "--quiet"};
    words.insert(words.begin(), "replay");
    words.insert(words.end(), more.begin(), more.end());
    const Ran ran = switchyard(words);
    EXPECT_EQ(ran.code, 0) << ran;
    const auto lines = split(bytes_of(here.at("r.csv")), '\n');
    for (std::size_t i = 1; i < lines.size(); ++i) {
      const auto cells = split(lines[i], ',');
      rows[std::stoull(cells.at(0))] = {cells.at(11), cells.at(12), cells.at(13), cells.at(14)};
    }
  }
  Explanation row(std::uint64_t n) const {
    AskedRequest asked;
    asked.row = n;
    return explain(path, asked);
  }
  // The first that ended so; fails where none did.
  std::uint64_t ended(const std::string& outcome, const std::string& reason) const {
    for (const auto& [id, row] : rows)
      if (row.outcome == outcome && row.reason == reason) return id;
    ADD_FAILURE() << "no request was " << outcome << ": " << reason;
    return 0;
  }
};

std::string named(const Explanation& e, DeviceId d) {
  for (const PoolView& pool : e.head.fleet.pools)
    if (d.value >= pool.first_device && d.value < pool.first_device + pool.devices)
      return pool.name + "/" + std::to_string(d.value - pool.first_device);
  return "nowhere";
}

const std::vector<std::string> kBusy = {"--limit", "300", "--rate-scale", "60", "--seed", "3"};
const std::vector<std::string> kFlooded = {"--limit", "1500", "--rate-scale", "4000", "--seed", "3"};

std::vector<std::string> with(std::vector<std::string> words, const std::vector<std::string>& more) {
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

// ---- it is what was decided ----------------------------------------------------------------------------------------

void expect_winners_ran_it(const Recorded& recorded, std::uint64_t step) {
  for (std::uint64_t n = 0; n < recorded.rows.size(); n += step) {
    const Row& row = recorded.rows.at(n);
    if (row.outcome != "done") continue;
    const Explanation e = recorded.row(n);
    EXPECT_TRUE(e.equal);
    EXPECT_EQ(e.row, n);
    const PlacementSeen& last = e.placements.back();
    ASSERT_NE(last.chosen(), nullptr) << n;
    ASSERT_TRUE(last.began) << n;
    EXPECT_EQ(last.began->device.value, last.chosen()->device) << n;
    EXPECT_EQ(named(e, DeviceId{last.chosen()->device}), row.pool + "/" + row.device) << n;
    ASSERT_TRUE(e.finish);
    EXPECT_EQ(e.finish->outcome, Outcome::done);
  }
}

TEST(Explain, WinnerIsTheDeviceThatRanIt) { expect_winners_ran_it(Recorded(kBusy), 23); }

TEST(Explain, WinnerIsTheDeviceThatRanItAlsoWhenBoundWhereThereIsRoom) {
  expect_winners_ran_it(Recorded(with(kBusy, {"--bind", "room"})), 61);
}

TEST(Explain, WinnerIsTheEngineThatItWasSentTo) {
  const Scratch here;
  const std::string fleet =
      here.with("fleet.yaml",
                "pools:\n"
                "  - {name: a, model: llama-3.1-8b, accelerator: h100-sxm, replicas: 2, served: {preset: vllm}}\n"
                "  - {name: b, model: llama-3.1-8b, accelerator: h100-sxm, replicas: 2}\n");
  expect_winners_ran_it(Recorded({"--fleet", fleet, "--limit", "100", "--rate-scale", "10"}), 9);
}

TEST(Explain, ExpectedCostChoseTheLeastTotalAndEveryClassIsThereOnce) {
  const Recorded recorded(kBusy);
  for (std::uint64_t n = 0; n < recorded.rows.size(); n += 41) {
    const Explanation e = recorded.row(n);
    std::size_t pools = 0;
    for (const PoolView& pool : e.head.fleet.pools) pools += pool.model == e.request.model;
    const PlacementSeen& p = e.placements.front();
    std::set<std::uint32_t> classes;
    for (const Candidate& c : p.candidates) classes.insert(c.pool);
    EXPECT_EQ(classes.size(), p.candidates.size());
    EXPECT_LE(classes.size(), pools);
    EXPECT_GE(classes.size(), 1u);
    ASSERT_NE(p.chosen(), nullptr);
    for (const Candidate& c : p.candidates) EXPECT_GE(c.total(), p.chosen()->total());
    EXPECT_EQ(&p.candidates[p.least], p.chosen());
  }
}

// ---- what is printed -----------------------------------------------------------------------------------------------

std::int64_t thousandths(const std::string& cell) {
  std::string digits = cell;
  std::erase(digits, '.');
  return std::stoll(digits);
}

TEST(Explain, PrintedTermsAddUpToTheTotal) {
  const Recorded recorded(kBusy);
  std::size_t table_rows = 0;
  const std::regex row(R"(^[* ] .* (-?\d+\.\d{3}) +(-?\d+\.\d{3}) +(-?\d+\.\d{3}) +)"
                       R"((-?\d+\.\d{3}) +(-?\d+\.\d{3}) +(-?\d+\.\d{3}) +\S+ +\S+$)");
  for (std::uint64_t n = 0; n < recorded.rows.size(); n += 37) {
    const Ran ran = switchyard({"explain", recorded.path, "--row", std::to_string(n)});
    EXPECT_EQ(ran.code, 0) << ran;
    EXPECT_EQ(ran.err, "");
    std::size_t winners = 0;
    for (const std::string& line : split(ran.out, '\n')) {
      EXPECT_LE(line.size(), 180u) << line;
      std::smatch cells;
      if (!std::regex_match(line, cells, row)) continue;
      ++table_rows;
      winners += line.starts_with('*');
      EXPECT_EQ(thousandths(cells[1]) + thousandths(cells[2]) + thousandths(cells[3]) + thousandths(cells[4]) +
                    thousandths(cells[5]),
                thousandths(cells[6]))
          << line;
    }
    EXPECT_EQ(winners, 1u) << ran;
    EXPECT_NE(ran.out.find(" won"), std::string::npos) << ran;
  }
  EXPECT_GT(table_rows, 10u);
}

TEST(Explain, JsonSaysTheSameAndIsAskedForByIdOrRow) {
  const Recorded recorded(kBusy);
  const Explanation e = recorded.row(17);
  const std::string id = std::to_string(e.request.request.index) + ":" + std::to_string(e.request.request.generation);
  const Ran by_row = switchyard({"explain", recorded.path, "--row", "17", "--json"});
  EXPECT_EQ(by_row.code, 0) << by_row;
  EXPECT_EQ(by_row.out, explanation_json(e));
  EXPECT_NE(by_row.out.find("\"request\": \"" + id + "\""), std::string::npos) << by_row;
  const Ran by_id = switchyard({"explain", recorded.path, "--request", id});
  EXPECT_TRUE(by_id.out.starts_with("request " + id + ", row ")) << by_id;
}

// ---- refused -------------------------------------------------------------------------------------------------------

TEST(Explain, RefusedSaysWhatItWouldHaveCostAtTheBest) {
  const Recorded recorded(kFlooded);
  const std::uint64_t n = recorded.ended("rejected", "overloaded");
  const Explanation e = recorded.row(n);
  const PlacementSeen& last = e.placements.back();
  EXPECT_TRUE(last.refused);
  EXPECT_EQ(last.chosen(), nullptr);
  EXPECT_GE(last.candidates[last.least].misses(), policy::kept_promises::kOne);
  const Ran ran = switchyard({"explain", recorded.path, "--row", std::to_string(n)});
  EXPECT_EQ(ran.code, 0) << ran;
  EXPECT_NE(ran.out.find("\nrefused: own + others + to come = "), std::string::npos) << ran;
  EXPECT_NE(ran.out.find(" >= 1 at the best, "), std::string::npos) << ran;
  EXPECT_NE(ran.out.find("\nrejected (overloaded) at "), std::string::npos) << ran;
}

TEST(Explain, PutOffShowsItsRefusalsAndThenThePlacement) {
  const Scratch here;
  const std::string fleet =
      here.with("fleet.yaml",
                "slo_classes: [{name: all, rank: 0, ttft_ms: 500, tpot_ms: 50, on_overload: defer}]\n"
                "pools: [{name: a, model: llama-3.1-8b, accelerator: h100-sxm, replicas: 2}]\n");
  const Recorded recorded({"--fleet", fleet, "--limit", "400", "--rate-scale", "400"});
  std::size_t put_off = 0;
  for (std::uint64_t n = 200; n < 400; n += 20) {
    const Explanation e = recorded.row(n);
    if (e.placements.size() == 1) continue;
    ++put_off;
    EXPECT_LE(e.placements.size(), 3u) << "of many refusals, the first and the last";
    EXPECT_TRUE(e.placements.front().refused);
    EXPECT_FALSE(e.placements.back().refused);
    EXPECT_EQ(e.placements.back().began.value().device.value, e.placements.back().chosen()->device);
  }
  EXPECT_GT(put_off, 0u);
}

// ---- other scorers -------------------------------------------------------------------------------------------------

TEST(Explain, OtherScorersSayWhatTheyReadAndWhatOursWouldHaveSaid) {
  for (const char* policy : {"least_loaded", "round_robin", "llm_d+refusal"}) {
    const Recorded recorded(with(kBusy, {"--policy", policy}));
    expect_winners_ran_it(recorded, 101);
    const Ran ran = switchyard({"explain", recorded.path, "--row", "250"});
    EXPECT_EQ(ran.code, 0) << ran;
    const std::string base = std::string(policy).substr(0, std::string(policy).find('+'));
    EXPECT_NE(ran.out.find("\n" + base + " chose "), std::string::npos) << ran;
    const std::string_view reads = find_named_scorer(policy).reads;
    EXPECT_NE(ran.out.find("; it reads " + std::string(reads.empty() ? "no column" : reads)), std::string::npos) << ran;
    EXPECT_NE(ran.out.find("; expected_cost would have "), std::string::npos) << ran;
  }
}

// What a scorer reads is written in its own file, or in the one of the formula that it evaluates.
TEST(Explain, ColumnsThatAScorerReadsAreThoseOfItsSource) {
  const char* const root = std::getenv("SWITCHYARD_SOURCE_DIR");
  const std::string folder = std::string(root ? root : ".") + "/scheduler/policy/";
  for (const NamedScorer& s : scorers()) {
    const std::string name = s.name == "session_sticky" ? "least_loaded" : std::string(s.name);
    std::string source = bytes_of(folder + name + ".cpp");
    ASSERT_NE(source, "") << folder << name << ".cpp";
    if (name == "expected_cost") source += bytes_of(folder + "kept_promises.h");
    std::set<std::string> read;
    const std::regex use(R"(devices\.([a-z_]+)\[)");
    for (std::sregex_iterator at(source.begin(), source.end(), use), end; at != end; ++at) read.insert((*at)[1]);
    read.erase("pool");
    const auto names = split(std::string(s.reads), ' ');
    EXPECT_EQ(std::set<std::string>(names.begin(), names.end()), read) << s.name;
  }
}

// ---- one-line errors -----------------------------------------------------------------------------------------------

TEST(Explain, UnknownRequestsAreSaidInOneLine) {
  const Recorded recorded({"--limit", "20"});
  expect_refusal(switchyard({"explain", recorded.path, "--row", "20"}),
                 "--row: has no row 20; accepted: --row 0 to 19");
  expect_refusal(switchyard({"explain", recorded.path, "--request", "99999"}), "--request: has no request 99999");
  expect_refusal(switchyard({"explain", recorded.path, "--request", "0:77777"}), "has no request 0:77777");
  expect_refusal(switchyard({"explain", recorded.path, "--request", "7:"}),
                 "--request: found '7:'; accepted: INDEX or INDEX:GENERATION");
  expect_refusal(switchyard({"explain", recorded.path}), "explain: found no request; accepted: ");
  expect_refusal(switchyard({"explain", recorded.path, "--row", "1", "--request", "1"}), "explain: found two requests");
  expect_refusal(switchyard({"explain", recorded.here.at("no.rec"), "--row", "1"}), "no.rec: ");
}

TEST(Explain, RecordingCutBeforeTheRequestIsSaidInOneLine) {
  const Recorded recorded({"--limit", "20"});
  const std::string bytes = bytes_of(recorded.path);
  for (const std::size_t size : {std::size_t{30}, bytes.size() / 2}) {
    const std::string cut = recorded.here.with("cut.rec", std::string_view(bytes).substr(0, size));
    expect_refusal(switchyard({"explain", cut, "--row", "19"}), "is cut there, before row 19; accepted: one of the ");
  }
}

TEST(Explain, RejectedAtTheDoorSaysTheReason) {
  const Scratch here;
  const std::string trace =
      here.with("t.csv", "arrival_ns,prompt_tokens,output_tokens\n0,10,10\n1000000,2000000,10\n2000000,10,10\n");
  const Recorded recorded({"--trace", trace});
  ASSERT_EQ(recorded.rows.at(1).reason, "too_long");
  expect_refusal(switchyard({"explain", recorded.path, "--row", "1"}),
                 "row 1: was rejected at the door (too_long); accepted: a request that was placed");
}

}  // namespace
}  // namespace yard::testing
