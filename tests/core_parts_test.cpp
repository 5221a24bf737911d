// The parts of which Core is made, each against a plain one: the line (a pairing heap) against a sorted vector, the
// heap of times against a sorted set, idle-beside-work against hand-made sums, the hash against every field of a
// command.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "scheduler/base/heap.h"
#include "scheduler/core/line.h"
#include "scheduler/core/occupancy.h"
#include "tests/builders.h"

namespace yard {
namespace {

using builders::Given;
using builders::Scene;

// ---- line.h --------------------------------------------------------------------------------------------------------

class Waiters {
 public:
  explicit Waiters(Seed seed) : rng_(seed) {}

  void join() {
    const std::uint32_t i = pool_.take();
    Sequence& s = pool_[i];
    s.front = rng_.below(8) == 0;
    s.key = s.front ? 0 : rng_.below(5);
    s.number = s.front ? ~++preempted_ : ++submitted_;
    line_.join(pool_, i);
    sorted_.insert({{!s.front, s.key, s.number}, i});
  }
  void pop() {
    const std::uint32_t i = line_.pop(pool_);
    ASSERT_EQ(i, sorted_.begin()->second);
    sorted_.erase(sorted_.begin());
    give_back(i);
  }
  void remove() {
    auto at = sorted_.begin();
    std::advance(at, static_cast<std::ptrdiff_t>(rng_.below(sorted_.size())));
    line_.remove(pool_, at->second);
    give_back(at->second);
    sorted_.erase(at);
  }
  void agree() const {
    ASSERT_EQ(line_.empty(), sorted_.empty());
    if (!sorted_.empty()) {
      ASSERT_EQ(line_.root(), sorted_.begin()->second);
    }
  }
  std::size_t size() const { return sorted_.size(); }
  Rng& rng() { return rng_; }

 private:
  void give_back(std::uint32_t i) {
    pool_[i].state = SequenceState::ended;
    pool_.give_back(i);
  }

  Rng rng_;
  SequencePool pool_{1024};
  Line line_;
  std::set<std::pair<std::tuple<bool, std::uint64_t, std::uint64_t>, std::uint32_t>> sorted_;
  std::uint64_t preempted_ = 0, submitted_ = 0;
};

TEST(Line, AgreesWithASortedSetWhateverJoinsAndLeaves) {
  for (Seed seed = 0; seed < 200; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Waiters w(seed);
    const std::uint64_t growth = 1 + w.rng().below(4);
    for (int act = 0; act < 500; ++act) {
      if (w.size() == 0 || (w.size() < 1000 && w.rng().below(4) < growth))
        w.join();
      else if (w.rng().below(2) == 0)
        ASSERT_NO_FATAL_FAILURE(w.pop());
      else
        w.remove();
      ASSERT_NO_FATAL_FAILURE(w.agree());
    }
    while (w.size() > 0) {
      ASSERT_NO_FATAL_FAILURE(w.pop());
      ASSERT_NO_FATAL_FAILURE(w.agree());
    }
  }
}

TEST(Line, PopsAMillionThatCameInOrderWithoutRecursion) {
  constexpr std::uint32_t kMany = 1'000'000;
  SequencePool pool(kMany);
  Line line;
  for (std::uint32_t k = 0; k < kMany; ++k) {
    const std::uint32_t i = pool.take();
    pool[i].number = k;
    line.join(pool, i);
  }
  for (std::uint32_t k = 0; k < kMany; ++k) ASSERT_EQ(line.pop(pool), k);
  EXPECT_TRUE(line.empty());
}

// ---- heap.h --------------------------------------------------------------------------------------------------------

TEST(TimeHeap, AgreesWithASortedSetWhateverIsSetAndRemoved) {
  for (Seed seed = 0; seed < 200; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Rng rng(seed);
    const auto things = static_cast<std::uint32_t>(1 + rng.below(40));
    TimeHeap heap(things);
    std::vector<Time> times(things, Time::never());
    std::set<std::pair<Time, std::uint32_t>> sorted;
    for (int act = 0; act < 500; ++act) {
      const auto thing = static_cast<std::uint32_t>(rng.below(things));
      const bool there = sorted.contains({times[thing], thing});
      if (there) sorted.erase({times[thing], thing});
      if (there && rng.below(3) == 0) {
        rng.below(2) ? heap.remove(thing) : heap.clear(thing);
      } else if (!there && rng.below(4) == 0) {
        heap.clear(thing);  // without effect
      } else {
        times[thing] = Time(static_cast<std::int64_t>(rng.below(20)));
        heap.set(thing, times[thing]);
        sorted.insert({times[thing], thing});
      }
      ASSERT_EQ(heap.empty(), sorted.empty());
      ASSERT_EQ(heap.has(thing), sorted.contains({times[thing], thing}));
      ASSERT_EQ(heap.next(), sorted.empty() ? Time::never() : sorted.begin()->first);
      if (!sorted.empty()) {
        ASSERT_EQ(heap.first(), sorted.begin()->second) << "ties go to the lower number";
      }
    }
  }
}

// ---- sequence.h ----------------------------------------------------------------------------------------------------

TEST(SequencePool, GivesAFreedPlaceAnotherGeneration) {
  SequencePool pool(2);
  const std::uint32_t i = pool.take();
  const SequenceId before = pool.id(i);
  pool[i].state = SequenceState::ended;
  pool.give_back(i);
  const std::uint32_t again = pool.take();
  EXPECT_EQ(again, i);
  EXPECT_NE(pool.id(again), before);
  EXPECT_EQ(pool.size(), 1u);
}

// ---- occupancy.h ---------------------------------------------------------------------------------------------------

TEST(Occupancy, SumsIdleDevicesWhileTheirModelWaits) {
  Given given;
  given.pool({.devices = 3}).pool({.devices = 2, .model = 1});
  Occupancy occupancy(given.fleet);
  occupancy.waits(ModelId{0});
  occupancy.end_of_tick(Time(10));
  occupancy.idle_changes(0, -1, Time(14));  // 3 devices for 4 ns
  occupancy.end_of_tick(Time(14));
  occupancy.waits(ModelId{0});
  occupancy.end_of_tick(Time(20));
  occupancy.waits_no_more(ModelId{0});
  occupancy.end_of_tick(Time(24));
  occupancy.waits_no_more(ModelId{0});
  occupancy.end_of_tick(Time(24));  // 2 devices for 10 ns
  occupancy.idle_changes(0, +1, Time(50));
  EXPECT_EQ(occupancy.idle_beside_work(PoolId{0}, Time(60)), nanoseconds(3 * 4 + 2 * 10));
  EXPECT_EQ(occupancy.idle_beside_work(PoolId{1}, Time(60)), nanoseconds(0));
}

TEST(Occupancy, WhoWaitsWithinAnInstantOnlyHasNotWaited) {
  Given given;
  given.pool({.devices = 1});
  Occupancy occupancy(given.fleet);
  occupancy.waits(ModelId{0});
  occupancy.waits_no_more(ModelId{0});
  occupancy.end_of_tick(Time(10));
  EXPECT_EQ(occupancy.idle_beside_work(PoolId{0}, Time(60)), nanoseconds(0));
}

TEST(Occupancy, OfACoreByHand) {
  // Two devices; round robin sends the second and fourth request where max_sequences is one and the first goes on.
  Scene s(Given().pool({.max_sequences = 1}).pool({.max_sequences = 1, .region = 1}));
  s.submit({.max_output = 1, .regions = 1});
  s.submit({.max_output = 1, .regions = 1});  // waits at device 0 while device 1 idles
  s.poll();
  s.at(40);
  s.end_run(0);
  s.poll();
  EXPECT_EQ(s.core().idle_beside_work(PoolId{0}, s.now()), nanoseconds(0));
  EXPECT_EQ(s.core().idle_beside_work(PoolId{1}, s.now()), nanoseconds(40));
  s.at(100);
  EXPECT_EQ(s.core().idle_beside_work(PoolId{1}, s.now()), nanoseconds(40)) << "nobody waits any more";
}

TEST(Occupancy, APreemptedOneWaits) {
  Scene s(Given().steps_per_run(1).pool({.kv_blocks = 20}).pool({.region = 1}));
  s.submit({.prompt = 10, .max_output = 11, .regions = 1}), s.submit({.prompt = 10, .max_output = 11, .regions = 1});
  s.poll();
  s.step(0);
  ASSERT_EQ(s.ledger().preemptions, 1u);
  const Duration before = s.core().idle_beside_work(PoolId{1}, s.now());
  EXPECT_EQ(s.core().idle_beside_work(PoolId{1}, s.now() + nanoseconds(5)) - before, nanoseconds(5));
}

// ---- the decision hash ---------------------------------------------------------------------------------------------

std::uint64_t hash_of(const Command& command, Time now = Time(7)) {
  DecisionHash hash;
  add(hash, command, now);
  return hash.value();
}

// Each change of one field gives another hash, and no two the same.
template <class Value>
void expect_all_hashes_differ(const Value& value, const std::vector<std::function<void(Value&)>>& changes,
                              const std::function<std::uint64_t(const Value&)>& hash) {
  std::set<std::uint64_t> seen = {hash(value)};
  for (std::size_t k = 0; k < changes.size(); ++k) {
    Value changed = value;
    changes[k](changed);
    EXPECT_TRUE(seen.insert(hash(changed)).second) << "change " << k << " left the hash as it was";
  }
}

TEST(DecisionHash, ChangesWithEveryFieldOfASlot) {
  static_assert(sizeof(Slot) == 48, "a new field of Slot needs a line here");
  const Slot slot{.sequence = {1, 2},
                  .request = {3, 4},
                  .context = Tokens(5),
                  .prefill = Tokens(6),
                  .generated = Tokens(7),
                  .output_limit = Tokens(8),
                  .granted = Blocks(9),
                  .answer = 0,
                  .adapter = {},
                  .samples = true};
  expect_all_hashes_differ<Slot>(
      slot,
      {[](Slot& s) { s.sequence.index ^= 1u << 31; }, [](Slot& s) { s.sequence.generation ^= 1u << 31; },
       [](Slot& s) { s.request.index ^= 1u << 31; }, [](Slot& s) { s.request.generation ^= 1u << 31; },
       [](Slot& s) { s.context += Tokens(1); }, [](Slot& s) { s.prefill += Tokens(1); },
       [](Slot& s) { s.generated += Tokens(1); }, [](Slot& s) { s.output_limit += Tokens(1); },
       [](Slot& s) { s.granted += Blocks(1); }, [](Slot& s) { s.samples = false; }, [](Slot& s) { s.answer = 1; },
       [](Slot& s) { s.adapter = AdapterId{0}; }},
      [](const Slot& s) {
        return hash_of(Launch{
            .run = {0, 1}, .device = {0}, .step_limit = 1, .bound_by = BoundBy::work, .slots = std::span(&s, 1)});
      });
}

TEST(DecisionHash, ChangesWithEveryFieldOfALaunchAndOfAnInterrupt) {
  static_assert(sizeof(Launch) == 56 && sizeof(Interrupt) == 12, "a new field needs a line here");
  const std::vector<Slot> slots(3);
  const Launch launch{
      .run = {1, 2}, .device = {3}, .step_limit = 4, .bound_by = BoundBy::work, .slots = std::span(slots).first(2)};
  expect_all_hashes_differ<Launch>(
      launch,
      {[](Launch& c) { c.run.index ^= 1u << 31; }, [](Launch& c) { c.run.generation ^= 1u << 31; },
       [](Launch& c) { c.device.value ^= 1u << 31; }, [](Launch& c) { c.step_limit ^= 1u << 31; },
       [](Launch& c) { c.bound_by = BoundBy::kv; }, [&](Launch& c) { c.slots = slots; },
       [](Launch& c) { c.slots = c.slots.first(1); }, [](Launch& c) { c.loads = 1; }, [](Launch& c) { c.found = 1; },
       [](Launch& c) { c.load = nanoseconds(1); }},
      [](const Launch& c) { return hash_of(c); });

  expect_all_hashes_differ<Interrupt>(
      Interrupt{.run = {1, 2}, .device = {3}},
      {[](Interrupt& c) { c.run.index ^= 1u << 31; }, [](Interrupt& c) { c.run.generation ^= 1u << 31; },
       [](Interrupt& c) { c.device.value ^= 1u << 31; }},
      [](const Interrupt& c) { return hash_of(c); });
}

TEST(DecisionHash, ChangesWithEveryFieldOfAFinish) {
  static_assert(sizeof(Finish) == 112 && sizeof(Account) == 88, "a new field needs a line here");
  const Finish finish{.request = {1, 2},
                      .outcome = Outcome::done,
                      .why = Reason::none,
                      .retry_after = Duration(0),
                      .account = {.arrival = Time(1),
                                  .admit = Time(2),
                                  .first_token = Time(3),
                                  .last_token = Time(4),
                                  .finish = Time(5),
                                  .prompt = Tokens(6),
                                  .output = Tokens(7),
                                  .cached = Tokens(13),
                                  .preemptions = 8,
                                  .device = DeviceId{9},
                                  .slo = SloClassId{10},
                                  .model = ModelId{11},
                                  .tenant = TenantId{12},
                                  .longest = {}}};
  const Duration one(1);
  expect_all_hashes_differ<Finish>(finish,
                                   {[](Finish& f) { f.request.index ^= 1u << 31; },
                                    [](Finish& f) { f.request.generation ^= 1u << 31; },
                                    [](Finish& f) { f.outcome = Outcome::failed; },
                                    [](Finish& f) { f.why = Reason::shed; },
                                    [](Finish& f) { f.retry_after += Duration(1); },
                                    [&](Finish& f) { f.account.arrival += one; },
                                    [&](Finish& f) { f.account.admit += one; },
                                    [&](Finish& f) { f.account.first_token += one; },
                                    [&](Finish& f) { f.account.last_token += one; },
                                    [&](Finish& f) { f.account.finish += one; },
                                    [](Finish& f) { f.account.prompt += Tokens(1); },
                                    [](Finish& f) { f.account.cached = Tokens(14); },
                                    [](Finish& f) { f.account.output += Tokens(1); },
                                    [](Finish& f) { ++f.account.preemptions; },
                                    [](Finish& f) { ++f.account.moves; },
                                    [](Finish& f) { ++f.account.device.value; },
                                    [](Finish& f) { ++f.account.slo.value; },
                                    [](Finish& f) { ++f.account.model.value; },
                                    [](Finish& f) { ++f.account.tenant.value; },
                                    [](Finish& f) { f.account.no_output = true; },
                                    [](Finish& f) { f.account.answers = 2; },
                                    [](Finish& f) { f.account.answers = 2, f.account.longest = Tokens(3); }},
                                   [](const Finish& f) { return hash_of(f); });
}

TEST(DecisionHash, ChangesWithEveryFieldOfAMove) {
  static_assert(sizeof(Move) == 40, "a new field needs a line here");
  const Move move{.sequence = {1, 2},
                  .request = {3, 4},
                  .from = DeviceId{5},
                  .to = DeviceId{6},
                  .link = LinkId{7},
                  .attempt = 8,
                  .bytes = 9};
  expect_all_hashes_differ<Move>(
      move,
      {[](Move& c) { c.sequence.index ^= 1u << 31; }, [](Move& c) { c.sequence.generation ^= 1u << 31; },
       [](Move& c) { c.request.index ^= 1u << 31; }, [](Move& c) { c.request.generation ^= 1u << 31; },
       [](Move& c) { ++c.from.value; }, [](Move& c) { ++c.to.value; }, [](Move& c) { ++c.link.value; },
       [](Move& c) { ++c.attempt; }, [](Move& c) { ++c.bytes; }},
      [](const Move& c) { return hash_of(c); });
}

TEST(DecisionHash, ChangesWithTheTickAndTheOrderOfCommands) {
  const Interrupt a{.run = {1, 2}, .device = {1}}, b{.run = {2, 2}, .device = {2}};
  EXPECT_NE(hash_of(a, Time(1)), hash_of(a, Time(2)));
  DecisionHash ab, ba;
  add(ab, a, Time(1)), add(ab, b, Time(1));
  add(ba, b, Time(1)), add(ba, a, Time(1));
  EXPECT_NE(ab, ba);
}

TEST(DecisionHash, OfACoreIsThatOfWhatItSaidAndWhen) {
  Given given;
  given.pool({.devices = 2});
  Core core(given.bounds, given.fleet, given.costs, given.policies, given.seed);
  DecisionHash expected;
  for (std::uint32_t k = 0; k < 9; ++k) {
    core.apply(Submitted{.request = {k, 1},
                         .model = ModelId{k % 3},
                         .tenant = TenantId{0},
                         .slo = SloClassId{0},
                         .prompt = Tokens(10),
                         .max_output = Tokens(5),
                         .regions = {},
                         .arrival = Time(k)},
               Time(k));
    if (k > 2) core.apply(CancelAsked{{k - 2, 1}}, Time(k));
    for (const Command& command : core.poll(Time(k))) add(expected, command, Time(k));
    EXPECT_EQ(core.hash(), expected.value());
  }
  EXPECT_GT(core.ledger().launches, 0u);
  EXPECT_GT(core.ledger().of(Outcome::cancelled), 0u);
}

}  // namespace
}  // namespace yard
