// Power domains: who may work under a cap, who waits for it, what a cap that falls ends.
#include <gtest/gtest.h>

#include "tests/builders.h"

namespace yard {
namespace {

using namespace builders;

// Each device draws 10 W idle and 110 W at work.
Given& in_domain(Given& given, std::uint32_t domain, const PoolSpec& spec) {
  given.pool(spec);
  PoolView& pool = given.fleet.pools.back();
  pool.idle = Milliwatts(10'000);
  pool.busy = Milliwatts(110'000);
  pool.domain = DomainId{domain};
  return given;
}
DomainView domain(std::int64_t watts, std::uint32_t parent = DomainId::kNone) {
  return {.name = "d", .parent = DomainId{parent}, .cap = Milliwatts(watts * 1000), .caps = {}};
}
// Three devices under a cap that lets two of them work.
Given two_of_three() {
  Given given;
  given.fleet.domains.push_back(domain(230));
  return in_domain(given, 0, {.devices = 3, .max_sequences = 1});
}
void cap(Scene& s, std::uint32_t d, std::int64_t watts) {
  s.core().apply(CapChanged{DomainId{d}, Milliwatts(watts * 1000)}, s.now());
}
std::vector<std::uint32_t> launched(const Said& said) {
  std::vector<std::uint32_t> devices;
  for (const Said::Run& run : said.launches) devices.push_back(run.device.value);
  return devices;
}
using Devices = std::vector<std::uint32_t>;

TEST(Power, ADeviceWhoseLeaseIsNotToBeHadIdlesBesideItsWork) {
  Scene s(two_of_three());
  for (int i = 0; i < 3; ++i) s.submit();
  EXPECT_EQ(launched(s.poll()), (Devices{0, 1}));
  EXPECT_EQ(s.core().peak_draw(DomainId{0}), Milliwatts(230'000));
}

TEST(Power, WhatIsGivenBackWakesWhoWaitsAndHoldsAreCounted) {
  Scene s(two_of_three());
  for (int i = 0; i < 3; ++i) s.submit({.max_output = 1});
  s.poll_at(100);
  s.at(150);
  s.end_run(0);
  EXPECT_EQ(launched(s.poll()), (Devices{2}));
  EXPECT_EQ(s.core().held_by_power(PoolId{0}, Time(500)), nanoseconds(50));
}

TEST(Power, WhoHasWaitedGoesBeforeWhoWantsToGoOn) {
  Scene s(two_of_three());
  for (int i = 0; i < 3; ++i) s.submit({.max_output = 9});
  s.poll();
  EXPECT_EQ(launched(s.step(0)), (Devices{2})) << "device 0 has more to do, and waits now";
  EXPECT_EQ(launched(s.step(1)), (Devices{0}));
  EXPECT_EQ(launched(s.step(2)), (Devices{1}));
}

TEST(Power, ALeaseIsNeededInEveryDomainAbove) {
  Given given;
  given.fleet.domains = {domain(240), domain(1000, 0), domain(1000, 0)};
  in_domain(given, 1, {.devices = 2, .max_sequences = 1});
  in_domain(given, 2, {.devices = 2, .max_sequences = 1});
  Scene s(given);
  for (int i = 0; i < 4; ++i) s.submit();
  EXPECT_EQ(launched(s.poll()), (Devices{0, 1}));
  EXPECT_EQ(s.core().peak_draw(DomainId{2}), Milliwatts(20'000));
}

TEST(Power, ALargeOneIsNotPassedBySmallOnes) {
  Given given;
  given.fleet.domains.push_back(domain(270));
  in_domain(given, 0, {.devices = 3, .max_sequences = 1});
  in_domain(given, 0, {.devices = 1, .max_sequences = 1});
  given.fleet.pools[1].busy = Milliwatts(210'000);  // needs 200 W, a small one 100 W; 230 W are to be had
  Scene s(given);
  for (int i = 0; i < 3; ++i) s.submit({.max_output = 9});
  EXPECT_EQ(launched(s.poll()), (Devices{0, 1}));
  s.submit({.max_output = 9});  // to device 3: device 2 waits for power
  s.poll();
  EXPECT_EQ(launched(s.step(0)), (Devices{2}));
  EXPECT_EQ(launched(s.step(1)), (Devices{})) << "100 W are free, and device 3 comes first";
  EXPECT_EQ(launched(s.step(2)), (Devices{3}));
}

TEST(Power, AFallingCapEndsRunsAtTheirNextStepUntilTheDrawFits) {
  Scene s(two_of_three());
  for (int i = 0; i < 2; ++i) s.submit({.max_output = 50});
  s.poll();
  s.step(0), s.step(1);  // both decode in runs of many steps
  s.at(10);
  cap(s, 0, 130);
  const Said said = s.poll();
  ASSERT_EQ(said.order, "I");
  EXPECT_EQ(said.interrupts[0].device, DeviceId{1}) << "the last of the domain";
  EXPECT_EQ(s.step(1).order, "") << "its work waits for power";
  cap(s, 0, 230);
  EXPECT_EQ(launched(s.poll()), (Devices{1}));
}

TEST(Power, ARunThatEndsAnywayIsNotInterrupted) {
  Scene s(two_of_three());
  for (int i = 0; i < 2; ++i) s.submit({.max_output = 50});
  s.poll();
  s.step(0);  // device 0 decodes, device 1 reads its prompt: one step
  cap(s, 0, 130);
  EXPECT_EQ(s.poll().order, "") << "device 1's end makes the draw fit";
  EXPECT_EQ(s.step(1).order, "");
}

TEST(Power, ACapBelowTheIdleDrawEndsAllAndStartsNone) {
  Scene s(two_of_three());
  for (int i = 0; i < 2; ++i) s.submit({.max_output = 50});
  s.poll();
  s.step(0), s.step(1);
  cap(s, 0, 1);
  EXPECT_EQ(s.poll().order, "II");
  EXPECT_EQ(s.step(0).order, "");
  EXPECT_EQ(s.step(1).order, "");
  cap(s, 0, 230);
  EXPECT_EQ(launched(s.poll()), (Devices{0, 1}));
}

TEST(Power, WhoWaitsForPowerCanBeCancelledAndLetsOthersPass) {
  Scene s(two_of_three());
  std::vector<RequestId> ids;
  for (int i = 0; i < 3; ++i) ids.push_back(s.submit({.max_output = 9}));
  s.poll();
  s.cancel(ids[2]);
  EXPECT_EQ(s.poll().order, "F");
  EXPECT_EQ(launched(s.step(0)), (Devices{0}));
}

TEST(Power, AHeldDeviceIsNotChosenWhileAnotherIsEligible) {
  Given given;
  given.fleet.domains = {domain(130), domain(1000)};
  in_domain(given, 0, {.devices = 2, .max_sequences = 1});
  in_domain(given, 1, {.devices = 1, .max_sequences = 1});
  Scene s(given.policy("least_loaded"));
  for (int i = 0; i < 3; ++i) s.submit({.max_output = 9});
  EXPECT_EQ(launched(s.poll()), (Devices{0, 2})) << "device 1 is held";
  s.submit({.max_output = 9});
  s.poll();
  s.submit({.max_output = 9});
  s.poll();
  s.change(0, DeviceState::down), s.change(2, DeviceState::down);
  const Said said = s.poll();
  EXPECT_EQ(said.order.find('L'), std::string::npos) << "what ran is not over yet";
}

TEST(Power, ADeviceThatGoesGivesItsLeaseBack) {
  Scene s(two_of_three());
  for (int i = 0; i < 3; ++i) s.submit({.max_output = 9});
  s.poll();
  s.change(0, DeviceState::down);
  s.poll();
  EXPECT_EQ(launched(s.step(0)), (Devices{2}));
}

TEST(Power, ADeviceInNoDomainIsNotLimited) {
  Given given;
  given.fleet.domains.push_back(domain(1));
  given.pool({.devices = 3, .max_sequences = 1});
  Scene s(given);
  for (int i = 0; i < 3; ++i) s.submit();
  EXPECT_EQ(launched(s.poll()), (Devices{0, 1, 2}));
}

}  // namespace
}  // namespace yard
