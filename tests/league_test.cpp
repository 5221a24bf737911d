// The league's own bookkeeping: classes by parts, what it counts of each, and the tables that say so.
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <string>

#include "bench/league_pages.h"
#include "bench/league_play.h"
#include "bench/league_settings.h"
#include "bench/league_workloads.h"
#include "scheduler/base/input_error.h"
#include "scheduler/mixed_trace.h"
#include "scheduler/play.h"
#include "scheduler/policy/registry.h"

namespace yard::league {
namespace {

enum : std::size_t { kInteractive, kStandard, kBatch };

// Chat as generated, a few seconds of it.
Workload short_chat() {
  League league = load_workloads({.data = "", .names = {"azure-conv"}});
  Workload w = std::move(league.workloads.at(0));
  w.warm_up_s = 2, w.measured_s = 6;
  return w;
}

const std::vector<ClassPart> kThree = {{"interactive", 10}, {"standard", 3}, {"batch", 2}};

Outcome ours_at(const Workload& w, const std::vector<ClassPart>& classes, double rate) {
  return play_at(w, *make_fleet("mixed", w.tenants, Chunk::objective, classes),
                 find_policies("expected_cost", "edf", "arrival"), rate, 1);
}

std::uint64_t arrived(const Outcome& o) {
  return std::accumulate(o.by_class.begin(), o.by_class.end(), std::uint64_t{0},
                         [](std::uint64_t n, const ClassOutcome& of) { return n + of.arrived; });
}

std::string what_is_wrong(const std::string& text) {
  try {
    parse_classes(text);
  } catch (const InputError& e) {
    return e.what();
  }
  return "";
}

TEST(LeagueClasses, AreReadWithTheirParts) {
  const auto classes = parse_classes("interactive=10,batch=2");
  ASSERT_EQ(classes.size(), 2u);
  EXPECT_EQ(classes[0].name, "interactive");
  EXPECT_EQ(classes[1].parts, 2u);
  EXPECT_EQ(what_is_wrong("interactiv=1"),
            "--classes: found 'interactiv'; accepted: interactive, standard, batch; nearest is 'interactive'");
  EXPECT_EQ(what_is_wrong("batch=0"),
            "--classes: found 'batch=0'; accepted: CLASS=PARTS, parts from 1 to 1000, as "
            "interactive=10,standard=3,batch=2");
  EXPECT_NE(what_is_wrong("batch"), "");
  EXPECT_NE(what_is_wrong("batch=2x"), "");
  EXPECT_NE(what_is_wrong(""), "");
  EXPECT_EQ(what_is_wrong("batch=2,batch=2"), "--classes: found 'batch' twice; give each class once");
}

TEST(LeagueClasses, AreDrawnByRowAndChangeNoArrival) {
  const Workload w = short_chat();
  const Outcome one = ours_at(w, {}, 200), three = ours_at(w, kThree, 200);
  EXPECT_EQ(one.by_class[kInteractive].arrived, arrived(one));
  EXPECT_EQ(arrived(three), arrived(one));
  ASSERT_GT(arrived(one), 1000u);
  const auto share = [&](std::size_t c) {
    return static_cast<double>(three.by_class[c].arrived) / static_cast<double>(arrived(three));
  };
  EXPECT_NEAR(share(kInteractive), 10.0 / 15, 0.04);
  EXPECT_NEAR(share(kStandard), 3.0 / 15, 0.04);
  EXPECT_NEAR(share(kBatch), 2.0 / 15, 0.04);
}

TEST(LeagueClasses, GoodputIsOfWhatAttainedInEach) {
  const Workload w = short_chat();
  const Outcome o = ours_at(w, kThree, 700);  // more than they can take
  std::int64_t requests = 0;
  for (const ClassOutcome& of : o.by_class) {
    EXPECT_LE(of.attained + of.refused, of.arrived);
    EXPECT_EQ(of.good_requests, static_cast<std::int64_t>(of.attained * 1000) / w.measured_s);
    requests += of.good_requests;
  }
  EXPECT_NEAR(static_cast<double>(requests), static_cast<double>(o.good_requests), 3);
  EXPECT_GT(o.by_class[kInteractive].refused, 0u);
  EXPECT_EQ(o.by_class[kBatch].refused, 0u) << "batch is put off, not refused";
  EXPECT_EQ(o.by_class[kBatch].attained, o.by_class[kBatch].arrived);
}

TEST(LeagueClasses, HaveATableWhereThereAreSeveral) {
  const Workload w = short_chat();
  const auto all = entrants({"least_loaded"});
  const auto page = [&](const std::vector<ClassPart>& classes) {
    const auto fleet = make_fleet("mixed", w.tenants, Chunk::objective, classes);
    const auto engines = make_fleet("mixed", w.tenants, Chunk::budget, classes);
    const Ground ground{w, *fleet, *engines};
    Sheet sheet{.fleet = "mixed",
                .workload = w.name,
                .made_of = w.made_of,
                .warm_up_s = w.warm_up_s,
                .measured_s = w.measured_s,
                .tenants = w.tenants,
                .steady = w.steady,
                .mixed = !classes.empty(),
                .classes = {"interactive", "standard", "batch"},
                .quartiles = w.quartiles,
                .usd_per_hour = 100,
                .bound = {1, 1},
                .attainment_bound = {},
                .rates = {200, 200, 200, 200},
                .results = std::vector<Result>(all.size())};
    for (Result& r : sheet.results) r.capacity = {{{1000}, {1000}}};
    play_loads(
        ground, all, {.seeds = 1, .threads = 2, .tell = {}}, sheet.rates, [](const Entrant&) { return true; },
        sheet.results);
    return ground_page(sheet, all);
  };
  const std::string one = page({}), three = page(kThree);
  EXPECT_EQ(one.find("By class"), std::string::npos);
  EXPECT_NE(one.find("no policy above"), std::string::npos);
  EXPECT_NE(three.find("| 120 % | least_loaded | batch | 100.00 |"), std::string::npos) << three;
  EXPECT_NE(three.find("| 50 % | expected_cost | interactive |"), std::string::npos);
  EXPECT_EQ(three.find("no policy above"), std::string::npos) << "the relaxation knows one class";
}

std::uint64_t hash_of(const PolicySet& policies, Chunk chunk) {
  const Workload w = short_chat();
  const auto fleet = make_fleet("mixed", w.tenants, chunk);
  MixedTrace source(arrivals_of(w, 600, 1), *fleet, 1);
  return play({.fleet = *fleet, .policies = policies}, source).decision_hash;
}

TEST(LeagueSettings, DefaultsDecideAsThePolicyThatShips) {
  for (const Chunk chunk : {Chunk::budget, Chunk::objective})
    EXPECT_EQ(hash_of(expected_cost_by(policy::kSettings, "edf", "arrival"), chunk),
              hash_of(find_policies("expected_cost", "edf", "arrival"), chunk));
}

// Each of them is read: another value decides otherwise somewhere. (Beside chunks of the budget; where chunks are sized
// by the objective those of the spread hardly do.)
TEST(LeagueSettings, EveryConstantCounts) {
  const std::uint64_t shipped = hash_of(find_policies("expected_cost", "edf", "arrival"), Chunk::budget);
  for (const DrawnConstant& c : kDrawn) {
    policy::Settings s;
    s.*c.value = std::llround(static_cast<double>(s.*c.value) * c.factor);
    EXPECT_NE(hash_of(expected_cost_by(s, "edf", "arrival"), Chunk::budget), shipped) << c.name;
  }
}

TEST(LeagueSettings, HaveNoNameThatARecordingCouldReenact) {
  const PolicySet set = expected_cost_by(policy::kSettings, "edf", "arrival");
  EXPECT_THROW(find_policies(set.scorer_name, "edf", "arrival"), InputError);
}

TEST(LeagueSettings, AreDrawnWithinTheirFactors) {
  const auto all = draw_settings(300, 1);
  ASSERT_EQ(all.size(), 301u);
  EXPECT_EQ(all[0], policy::kSettings);
  EXPECT_EQ(all, draw_settings(300, 1));
  EXPECT_NE(all[1], draw_settings(300, 2)[1]);
  EXPECT_EQ(draw_settings(3, 1)[3], all[3]) << "more of them change none";
  for (const DrawnConstant& c : kDrawn) {
    const auto is = static_cast<double>(all[0].*c.value);
    int below = 0;
    double least = is, most = is;
    for (std::size_t i = 1; i < all.size(); ++i) {
      const auto at = static_cast<double>(all[i].*c.value);
      below += at < is, least = std::min(least, at), most = std::max(most, at);
    }
    EXPECT_GE(least, is / c.factor - 1) << c.name;
    EXPECT_LE(most, is * c.factor + 1) << c.name;
    EXPECT_LT(least, is / c.factor * 1.2) << c.name;
    EXPECT_GT(most, is * c.factor / 1.2) << c.name;
    EXPECT_NEAR(below, 150, 40) << c.name;
  }
}

TEST(LeagueSettings, BestInHindsightIsFoundByGroundAndShare) {
  const auto settings = draw_settings(2, 1);
  std::vector<Result> results(3);
  results[0].capacity = {{{100'000, 100'000}, {90'000, 90'000}}};
  results[1].capacity = {{{80'000, 80'000}, {90'001, 99'999}}};
  results[2].capacity = {{{100'000, 125'000}, {10'000, 20'000}}};
  const std::string page = settings_page(settings, {{"mixed", "chat", results}});
  EXPECT_NE(page.find("| mixed | chat | 90 % | 100.0 | 2 | 112.5 |"), std::string::npos) << page;
  EXPECT_NE(page.find("| mixed | chat | 99 % | 90.0 | 1 | 95.0 |"), std::string::npos) << page;
  EXPECT_NE(page.find("| 0.80 / 1.06 | 0.800 / 1.056 |"), std::string::npos) << page;
}

}  // namespace
}  // namespace yard::league
