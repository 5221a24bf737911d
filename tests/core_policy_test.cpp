// Orders' keys, scorers' choices and what a scorer is shown: one rule of scheduler/core/README.md per test, by hand.
#include <gtest/gtest.h>

#include <numeric>
#include <vector>

#include "scheduler/policy/scorers.h"
#include "tests/builders.h"

namespace yard {
namespace {

using builders::Given;
using builders::Scene;

// ---- orders --------------------------------------------------------------------------------------------------------

Waiting waiting(std::int64_t deadline, std::uint32_t rank = 0, std::int32_t prompt = 1) {
  return {.arrival = Time(0), .deadline = Time(deadline), .rank = rank, .prompt = Tokens(prompt)};
}

TEST(Order, FcfsHasOneKey) {
  EXPECT_EQ(policy::fcfs(waiting(5, 3, 7)), 0u);
  EXPECT_EQ(policy::fcfs(waiting(9, 1, 2)), 0u);
}

TEST(Order, EdfIsRankInTheTopBitsThenTheDeadline) {
  EXPECT_EQ(policy::edf(waiting(5)), 5u);
  EXPECT_EQ(policy::edf(waiting(5, 3)), std::uint64_t{3} << 56 | 5);
  constexpr std::uint64_t kLast = (std::uint64_t{1} << 56) - 1;
  EXPECT_EQ(policy::edf(waiting(Time::never().ns(), 3)), std::uint64_t{3} << 56 | kLast);
  EXPECT_EQ(policy::edf(waiting(-1, 3)), std::uint64_t{3} << 56);
  EXPECT_EQ(policy::edf(waiting(5, 1000)), std::uint64_t{255} << 56 | 5);
}

TEST(Order, ShortestFirstIsThePrompt) { EXPECT_EQ(policy::shortest_first(waiting(5, 3, 7)), 7u); }

TEST(Order, ADeadlineIsWhenTheFirstTokenIsDueElseTheLast) {
  SloClass slo{
      .name = "", .ttft = Duration(100), .ttft_per_token = Duration(3), .tpot = {}, .e2e = Duration(9), .patience = {}};
  EXPECT_EQ(slo.deadline(Time(1000), Tokens(10)), Time(1130));
  slo.ttft = Duration(0);
  EXPECT_EQ(slo.deadline(Time(1000), Tokens(10)), Time(1009));
  slo.e2e = Duration(0);
  EXPECT_EQ(slo.deadline(Time(1000), Tokens(10)), Time::never());
}

TEST(Order, ArrangesALine) {
  struct Row {
    const char* order;
    std::vector<int> expected;
  };
  for (const Row& row : {Row{"fcfs", {0, 1, 2, 3}}, Row{"edf", {1, 2, 3, 0}}, Row{"shortest_first", {2, 0, 3, 1}}}) {
    Given given;
    given.policy("round_robin", row.order).pool({.max_sequences = 1});
    SloClass late, soon;
    late.rank = 1, late.ttft = Duration(10);
    soon.rank = 0, soon.ttft = Duration(50), soon.ttft_per_token = Duration(1);
    given.fleet.classes = {late, soon};
    Scene s(given);
    s.submit({.max_output = 1});
    s.poll();
    const std::vector<RequestId> ids = {s.submit({.prompt = 5, .max_output = 1, .slo = 0}),
                                        s.submit({.prompt = 9, .max_output = 1, .slo = 1, .arrival = -6}),
                                        s.submit({.prompt = 4, .max_output = 1, .slo = 1}),
                                        s.submit({.prompt = 5, .max_output = 1, .slo = 1})};
    std::vector<int> order;
    for (int k = 0; k < 4; ++k) {
      const RequestId next = s.step(0).launches.at(0).slots[0].request;
      order.push_back(static_cast<int>(std::find(ids.begin(), ids.end(), next) - ids.begin()));
    }
    EXPECT_EQ(order, row.expected) << row.order;
  }
}

// ---- scorers -------------------------------------------------------------------------------------------------------

// Columns by hand, and whatever else a scorer is given.
struct Hand {
  std::vector<std::uint32_t> pool, waiting, running;
  std::vector<std::int64_t> prefill, kv, waiting_tokens, adapter_load;
  std::vector<std::int32_t> hits;
  std::vector<std::uint32_t> next = {0, 0};
  Given given;
  PolicyState state{Rng(5), next};

  explicit Hand(std::uint32_t devices)
      : pool(devices),
        waiting(devices),
        running(devices),
        prefill(devices),
        kv(devices),
        waiting_tokens(devices),
        adapter_load(devices),
        hits(devices) {
    std::iota(pool.begin(), pool.end(), 0u);
  }
  std::uint32_t choose(Scorer scorer, const std::vector<std::uint32_t>& eligible, std::int32_t prompt = 1,
                       std::int32_t output = 1, std::uint32_t model = 0) {
    Ask ask;
    ask.model = ModelId{model}, ask.slo = SloClassId{0};
    ask.prompt = Tokens(prompt), ask.expected_output = Tokens(output);
    DeviceColumns columns;  // what later policies look at besides is their own tests'
    columns.pool = pool, columns.waiting = waiting, columns.running = running;
    columns.prefill_tokens = prefill, columns.kv_tokens = kv, columns.waiting_tokens = waiting_tokens;
    columns.hit_tokens = hits, columns.adapter_load = adapter_load;
    return eligible.at(scorer(eligible, columns, given.fleet, given.costs, ask, state));
  }
};

TEST(RoundRobin, TakesTheFirstEligibleAtOrAfterItsCounterPerModel) {
  Hand h(5);
  EXPECT_EQ(h.choose(policy::round_robin, {0, 1, 2, 3, 4}), 0u);
  EXPECT_EQ(h.choose(policy::round_robin, {0, 3, 4}), 3u);
  EXPECT_EQ(h.choose(policy::round_robin, {0, 1, 2, 3}), 0u) << "cyclically";
  EXPECT_EQ(h.choose(policy::round_robin, {0, 1}, 1, 1, 1), 0u) << "another model's counter";
  EXPECT_EQ(h.choose(policy::round_robin, {0, 1, 2}), 1u);
}

TEST(Random, DrawsBelowTheNumberOfEligible) {
  Hand h(9);
  Rng rng(5);
  for (int k = 0; k < 100; ++k) {
    const std::vector<std::uint32_t> eligible = {1, 2, 5, 8};
    EXPECT_EQ(h.choose(policy::random, eligible), eligible[rng.below(4)]);
  }
}

TEST(LeastLoaded, CountsWaitingAndRunningAndTakesTheLowestIndexOnATie) {
  Hand h(4);
  h.waiting = {3, 0, 1, 0}, h.running = {0, 3, 1, 2};
  EXPECT_EQ(h.choose(policy::least_loaded, {0, 1, 2, 3}), 2u);
  EXPECT_EQ(h.choose(policy::least_loaded, {0, 1, 3}), 3u);
  EXPECT_EQ(h.choose(policy::least_loaded, {0, 1}), 0u);
}

TEST(PowerOfTwo, TakesTheLessLoadedOfTwoDrawnAndTheLowerIndexOnATie) {
  Hand h(6);
  h.waiting = {3, 1, 2, 1, 0, 3}, h.running = {1, 1, 1, 1, 1, 1};
  Rng rng(5);
  for (int k = 0; k < 200; ++k) {
    const std::vector<std::uint32_t> eligible = {0, 1, 3, 5};
    const auto i = rng.below(4);
    auto j = rng.below(3);
    j += j >= i;
    const std::uint32_t a = eligible[std::min(i, j)], b = eligible[std::max(i, j)];
    EXPECT_EQ(h.choose(policy::power_of_two, eligible), h.waiting[b] < h.waiting[a] ? b : a);
  }
}

TEST(PowerOfTwo, OfOneEligibleDrawsNothing) {
  Hand h(3);
  EXPECT_EQ(h.choose(policy::power_of_two, {2}), 2u);
  EXPECT_EQ(h.state.rng.next(), Rng(5).next());
}

// Device `a` costs 75,307 ps by the page's formula: b 2, tpot 1500 + 3 * 123, over 2, excess 20, wait 15,682,
// first 31,112, last 44,195. Device `b` is idle and costs 9 * c0 + 100 * c1 for a prompt of 50 and 7 tokens out.
Hand priced(bool a_first, std::int64_t c0_of_b) {
  Hand h(2);
  const std::uint32_t a = a_first ? 0 : 1;
  const auto add = [&](std::uint32_t which) {
    if (which == a) {
      h.given.pool({.kv_blocks = 100, .max_sequences = 2, .token_budget = 10});
      h.given.costs.rows.back() =
          StepCost({{1, Picoseconds(1000)}, {2, Picoseconds(1500)}}, Picoseconds(10), Picoseconds(3), 2);
    } else {
      h.given.pool({.kv_blocks = 100, .max_sequences = 8, .token_budget = 50, .c0 = c0_of_b, .c1 = 4});
    }
  };
  add(0), add(1);
  h.running[a] = 1, h.waiting[a] = 2, h.kv[a] = 40, h.waiting_tokens[a] = 30, h.prefill[a] = 35;
  return h;
}

TEST(ExpectedCost, IsTheSumOfThePagesFormula) {
  constexpr std::int64_t kEqual = (75'307 - 400) / 9;
  static_assert(kEqual * 9 + 400 == 75'307);
  EXPECT_EQ(priced(true, kEqual + 1).choose(policy::expected_seconds, {0, 1}, 50, 7), 0u);
  EXPECT_EQ(priced(true, kEqual - 1).choose(policy::expected_seconds, {0, 1}, 50, 7), 1u);
}

TEST(ExpectedCost, ReadsOnlyWhatIsNotExpectedToBeKept) {
  // 30 of 50 tokens kept on b: 20 x 4 ps to read instead of 50 x 4 ps, twice (first token, last token); one step as
  // before.
  constexpr std::int64_t kEqual = (75'307 - 400 + 2 * 30 * 4) / 9;
  Hand dear = priced(true, kEqual + 1), cheap = priced(true, kEqual - 1);
  dear.hits = cheap.hits = {0, 30};
  EXPECT_EQ(dear.choose(policy::expected_seconds, {0, 1}, 50, 7), 0u);
  EXPECT_EQ(cheap.choose(policy::expected_seconds, {0, 1}, 50, 7), 1u);
}

TEST(ExpectedCost, TakesTheLowestIndexOnATie) {
  EXPECT_EQ(priced(true, 8323).choose(policy::expected_seconds, {0, 1}, 50, 7), 0u);
  EXPECT_EQ(priced(false, 8323).choose(policy::expected_seconds, {0, 1}, 50, 7), 0u);
}

// ---- what a scorer is shown ----------------------------------------------------------------------------------------

struct Shown {
  std::vector<std::uint32_t> eligible, waiting, running;
  std::vector<std::int64_t> prefill, kv, waiting_tokens;
  Ask ask;
};
std::vector<Shown> shown;  // of all calls; a scorer is a plain function

std::uint32_t look_and_take_the_first(std::span<const std::uint32_t> eligible, const DeviceColumns& c, const FleetView&,
                                      const CostTables&, const Ask& ask, PolicyState&) noexcept {
  const auto copy = [](const auto& column) { return std::vector(column.begin(), column.end()); };
  shown.push_back({copy(eligible), copy(c.waiting), copy(c.running), copy(c.prefill_tokens), copy(c.kv_tokens),
                   copy(c.waiting_tokens), ask});
  return 0;
}

Given looking() {
  shown.clear();
  Given given;
  given.policies.scorer = look_and_take_the_first;
  return given;
}

using Counts = std::vector<std::uint32_t>;
using Sums = std::vector<std::int64_t>;

TEST(Columns, FollowASequenceFromTheLineToItsEnd) {
  Scene s(looking().pool({.token_budget = 16}));
  const RequestId a = s.submit({.prompt = 30, .max_output = 9}), b = s.submit({.prompt = 10, .max_output = 9});
  s.poll();
  EXPECT_EQ(shown[0].waiting, Counts{0});
  EXPECT_EQ(shown[1].waiting, Counts{1});
  EXPECT_EQ(shown[1].prefill, Sums{30});
  EXPECT_EQ(shown[1].waiting_tokens, Sums{30});

  const RequestId c = s.submit({.prompt = 1});  // in the first run: 16 of a
  s.poll();
  EXPECT_EQ(shown[2].waiting, Counts{1});
  EXPECT_EQ(shown[2].running, Counts{1});
  EXPECT_EQ(shown[2].prefill, Sums{14 + 10}) << "planned is as good as read";
  EXPECT_EQ(shown[2].kv, Sums{0}) << "context grows at the run's end";
  EXPECT_EQ(shown[2].waiting_tokens, Sums{10});

  s.step(0);  // 14 of a, 2 of b
  s.cancel(c);
  s.submit({.prompt = 1});
  s.poll();
  EXPECT_EQ(shown[3].running, Counts{2});
  EXPECT_EQ(shown[3].waiting, Counts{0});
  EXPECT_EQ(shown[3].prefill, Sums{8});
  EXPECT_EQ(shown[3].kv, Sums{16});

  s.step(0, {.fail = {a, b}});
  s.submit({.prompt = 1});
  s.poll();
  EXPECT_EQ(shown[4].running, Counts{1});
  EXPECT_EQ(shown[4].prefill, Sums{0}) << "what a and b had to read went with them";
  EXPECT_EQ(shown[4].kv, Sums{0});
}

TEST(Columns, CountAPreemptedOneAsWaitingWithAllItHasToRead) {
  Scene s(looking().steps_per_run(1).pool({.kv_blocks = 20}));
  s.submit({.prompt = 10, .max_output = 11}), s.submit({.prompt = 10, .max_output = 11});
  s.poll();
  ASSERT_EQ(s.step(0).launches[0].slots.size(), 1u);
  s.submit({.prompt = 1});
  s.poll();
  EXPECT_EQ(shown.back().waiting, Counts{1});
  EXPECT_EQ(shown.back().running, Counts{1});
  EXPECT_EQ(shown.back().prefill, Sums{11});
  EXPECT_EQ(shown.back().waiting_tokens, Sums{11});
  EXPECT_EQ(shown.back().kv, Sums{10});
}

TEST(Ask, OfAPreemptedOneBoundAgainHasPromptAndAnswerSoFar) {
  Scene s(looking().steps_per_run(1).pool({.kv_blocks = 20}).pool({}));
  s.submit({.prompt = 10, .max_output = 11}), s.submit({.prompt = 10, .max_output = 11});
  s.poll();
  ASSERT_EQ(s.step(0).launches[0].slots.size(), 1u);
  s.change(0, DeviceState::draining);
  s.poll();
  EXPECT_EQ(shown.back().ask.prompt, Tokens(11));
  EXPECT_EQ(shown.back().eligible, Counts{1});
}

// ---- expected output -----------------------------------------------------------------------------------------------

std::int32_t expected(Scene& s, const Scene::Ask& ask) {
  s.submit(ask);
  s.poll();
  return shown.back().ask.expected_output.count();
}

TEST(ExpectedOutput, IsAMeanOfWhatWasDoneCutAtWhatIsAsked) {
  Scene s(looking().steps_per_run(300).pool({.max_sequences = 64}));
  constexpr std::int32_t kAny = Tokens::max().count();
  EXPECT_EQ(expected(s, {.max_output = 500}), 256);
  s.step(0, {.stop = {s.open_run(0).slots[0].request}});  // one token: 65,536 + (256 - 65,536) / 64 = 64,516
  EXPECT_EQ(expected(s, {.max_output = 301}), 252);
  s.step(0);
  s.step(0, {.steps = 300});  // 301 tokens: + (77,056 - 64,516) / 64 = 195; 64,711 / 256 = 252
  EXPECT_EQ(expected(s, {.max_output = 301}), 252);
  s.step(0);
  s.step(0, {.steps = 300});  // + (77,056 - 64,711) / 64 = 192: 64,903 / 256 = 253
  EXPECT_EQ(expected(s, {.max_output = kAny}), 253);
  EXPECT_EQ(expected(s, {.max_output = 100}), 100);
  EXPECT_EQ(expected(s, {.max_output = 0}), 0);
}

TEST(ExpectedOutput, LearnsByModelAndClassFromThoseDoneOnly) {
  Given given = looking();
  given.pool({.max_sequences = 64}).pool({.max_sequences = 64, .model = 1});
  given.fleet.classes.push_back(given.fleet.classes[0]);
  Scene s(given);
  const RequestId done = s.submit({.max_output = 300}), failed = s.submit({.max_output = 300, .slo = 1}),
                  cancelled = s.submit({.max_output = 300, .model = 1});
  s.poll();
  s.cancel(cancelled);
  s.at(1);
  s.end_run(0, {.stop = {done}, .fail = {failed}}), s.end_run(1);
  s.poll();
  EXPECT_EQ(expected(s, {.max_output = 300}), 252);
  EXPECT_EQ(expected(s, {.max_output = 300, .slo = 1}), 256);
  EXPECT_EQ(expected(s, {.max_output = 300, .model = 1}), 256);
}

TEST(ExpectedOutput, IsNeverBelowOne) {
  Scene s(looking().pool({.max_sequences = 64}));
  for (int k = 0; k < 1000; ++k) {
    const RequestId request = s.submit({.max_output = 300});
    s.poll();
    RunEnded end = s.ending(0, {.stop = {request}});
    SlotEnd without = end.slots[0];  // the model had nothing to say
    without.generated = Tokens(0);
    without.first_token = without.last_token = Time::never();
    end.slots = {&without, 1};
    s.core().apply(end, s.now());
    s.poll();
  }
  EXPECT_EQ(expected(s, {.max_output = 300}), 1);
}

}  // namespace
}  // namespace yard
