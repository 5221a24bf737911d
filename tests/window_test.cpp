// When an engine is sent more, and which engines are tried: the window's rules by name, panic, engines that asked for
// peace.
#include <algorithm>
#include <map>

#include "tests/engines.h"

namespace yard {
namespace {

// The most that were in flight at once on each device, and what was sent where.
struct InFlight final : SimObserver {
  void sent(const Send& s, Time) override {
    most[s.device.value] = std::max(most[s.device.value], ++now[s.device.value]);
    ++sends[s.device.value];
  }
  void finished(std::uint64_t row, const Finish& f) override {
    if (f.account.device.some() && f.account.admit != Time::never()) --now[f.account.device.value];
    endings[row] = reference::ending_of(static_cast<std::uint32_t>(row), f);
  }
  std::map<std::uint32_t, int> now, most, sends;
  std::map<std::uint64_t, Ending> endings;
};

InFlight watch(const Case& c, const std::vector<std::pair<std::uint32_t, EngineFault>>& faults = {},
               const std::vector<Fault>& changes = {}) {
  const Bounds bounds{.sequences = c.options.sequences, .events_per_tick = 4096};
  Core core(bounds, c.fleet, c.costs, find_policies(c.options.scorer, c.options.order, c.options.bind), 0);
  SimFleet devices(c.fleet, c.costs, bounds, Exact::jump);
  for (const auto& [device, fault] : faults) devices.served().set_fault(device, fault);
  InFlight seen;
  SimLoop loop(core, bounds, c.fleet.devices(), devices, seen);
  Requests source(c.requests);
  loop.run(source, changes);
  EXPECT_EQ(core.ledger().in_flight, 0u);
  return seen;
}

Case with_rule(WindowRule rule, std::uint32_t in_flight) {
  Case c = one_engine();
  PoolView& pool = c.fleet.pools[0];
  pool.window.rule = rule, pool.window.in_flight = in_flight;
  pool.max_sequences = 64, pool.kv_blocks = Blocks(10'000);
  c.costs.rows[0] = StepCost({{64, Picoseconds(1'000'000'000)}}, Picoseconds(0), Picoseconds(0), 64);
  return c;
}

// ---- gradient -------------------------------------------------------------------------------------------------------

TEST(Window, TheGradientRisesWhileFirstTokensAreSoonUpToWhatTheEngineRuns) {
  Case c = with_rule(WindowRule::gradient, 4);
  for (int k = 0; k < 300; ++k) ask(c, 0, 1, 20);  // a chunk takes in 100 of them: each is read in its first step
  EXPECT_EQ(watch(c).most[0], 64);
  c.fleet.pools[0].window.rule = WindowRule::sequences;
  EXPECT_EQ(watch(c).most[0], 4) << "a fixed count stays";
}

TEST(Window, TheGradientFallsWhereFirstTokensTakeTwiceTheIdeal) {
  Case c = with_rule(WindowRule::gradient, 32);
  for (int k = 0; k < 300; ++k) ask(c, 0, 100, 1);  // one a step: the last of n in flight waits n steps
  const auto longest_wait_of_the_last = [&] {
    const InFlight seen = watch(c);
    EXPECT_LE(seen.most.at(0), 35);
    std::int64_t waits = 0;
    for (std::uint64_t row = 250; row < 300; ++row)
      waits = std::max(waits, (seen.endings.at(row).first_token - seen.endings.at(row).admit).count());
    return waits;
  };
  EXPECT_LE(longest_wait_of_the_last(), 6'000'000) << "three wait three steps, more than twice one";
  c.fleet.pools[0].window.rule = WindowRule::sequences;
  EXPECT_EQ(longest_wait_of_the_last(), 32'000'000);
}

// ---- net gain -------------------------------------------------------------------------------------------------------

// One answer is under way, and its promise is 1.5 ms a token; steps take 1 ms, and 1 ms more with two in them.
Case a_second_would_break_the_promise(WindowRule rule) {
  Case c = with_rule(rule, 32);
  c.costs.rows[0] =
      StepCost({{1, Picoseconds(1'000'000'000)}, {64, Picoseconds(9'000'000'000)}}, Picoseconds(0), Picoseconds(0), 64);
  c.options.bind = "room";
  c.fleet.classes[0].ttft = seconds(10), c.fleet.classes[0].tpot = microseconds(1500);
  ask(c, 0, 10, 100);
  ask(c, 5000, 10, 100);
  return c;
}

TEST(Window, NetGainSendsNobodyWhoCostsAsManyPromisesAsItIsWorth) {
  const InFlight gain = watch(a_second_would_break_the_promise(WindowRule::net_gain));
  EXPECT_EQ(gain.endings.at(0).finish.ns(), 100'000'000);
  EXPECT_EQ(gain.endings.at(1).admit.ns(), 100'000'000) << "when none of ours is there, it may go in any case";
  const InFlight tokens = watch(a_second_would_break_the_promise(WindowRule::tokens));
  EXPECT_EQ(tokens.endings.at(1).admit.ns(), 5'000'000);
}

TEST(Window, NetGainSendsWhoeverHarmsNobody) {
  Case c = a_second_would_break_the_promise(WindowRule::net_gain);
  c.fleet.classes[0].tpot = milliseconds(50);
  EXPECT_EQ(watch(c).endings.at(1).admit.ns(), 5'000'000);
}

// ---- panic ----------------------------------------------------------------------------------------------------------

// So many engines of which the first `bad` refuse everything. Returns: what was sent where in the second half.
std::map<std::uint32_t, int> sends_with(std::uint32_t engines, std::uint32_t bad,
                                        const std::vector<Fault>& changes = {}) {
  Case c = one_engine(engines);
  c.options.scorer = "round_robin";
  for (int k = 0; k < 400; ++k) ask(c, k * 4000, 10, 1);
  std::vector<std::pair<std::uint32_t, EngineFault>> faults;
  for (std::uint32_t d = 0; d < bad; ++d) faults.emplace_back(d, EngineFault::refuses);
  return watch(c, faults, changes).sends;
}

TEST(Window, EjectionIsIgnoredWhereMoreThanHalfAreEjectedOrDown) {
  const auto half = sends_with(4, 2);
  EXPECT_EQ(half.at(0), 5) << "ejected, and left alone";
  EXPECT_EQ(half.at(1), 5);
  const auto most = sends_with(3, 2);
  EXPECT_GT(most.at(0) + most.at(1), 60) << "two of three: all are tried again, as far as retries go";
  const auto one_down = sends_with(4, 2, {{Time(800'000'000), {{3}, DeviceState::down}}});
  EXPECT_GT(one_down.at(0) + one_down.at(1), 30) << "two ejected and one down of four";
}

// ---- engines that asked for peace -----------------------------------------------------------------------------------

TEST(Window, NobodyIsBoundToAClosedEngineWhileAnOpenOneIsEligible) {
  Case c = one_engine(2);
  for (int k = 0; k < 100; ++k) ask(c, k * 1000, 10, 5);
  const InFlight seen = watch(c, {{0, EngineFault::throttles}});
  EXPECT_EQ(seen.sends.at(0), 1) << "it asked for a second of peace, and all are done by then";
  for (const auto& [row, e] : seen.endings) {
    EXPECT_EQ(e.outcome, Outcome::done);
    EXPECT_EQ(e.device.value, 1u);
  }
}

}  // namespace
}  // namespace yard
