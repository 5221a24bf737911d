// Where a sequence may go at all, and where it goes first: regions, providers, licences, a primary provider.
#include <gtest/gtest.h>

#include "tests/builders.h"

namespace yard {
namespace {

using namespace builders;

// Pools 0, 1, .. of one device each, at providers 0, 1, ..
Given at_providers(std::uint32_t n) {
  Given given;
  given.fleet.providers.clear();
  for (std::uint32_t p = 0; p < n; ++p) {
    given.pool({});
    given.fleet.pools.back().provider_id = ProviderId{p};
    given.fleet.providers.push_back("p" + std::to_string(p));
  }
  return given;
}

std::uint32_t only_device(const Said& said) {
  EXPECT_EQ(said.launches.size(), 1u) << said.order;
  return said.launches.empty() ? 99 : said.launches[0].device.value;
}
Reason only_reason(const Said& said) {
  EXPECT_EQ(said.order, "F");
  return said.finishes.empty() ? Reason::none : said.finishes[0].why;
}

TEST(Law, AProviderBoundSequenceRunsAtItsProvidersOnly) {
  Scene s(at_providers(3));
  s.submit({.providers = 0b100});
  EXPECT_EQ(only_device(s.poll()), 2u);
}

TEST(Law, NoProviderServesItSaysTheDoor) {
  Given given = at_providers(2);
  Scene s(given);
  s.submit({.providers = 0b100});
  EXPECT_EQ(only_reason(s.poll()), Reason::no_provider);
}

TEST(Law, RegionIsAskedBeforeProvider) {
  Scene s(at_providers(1));
  s.submit({.regions = 0b10, .providers = 0b10});
  EXPECT_EQ(only_reason(s.poll()), Reason::no_region);
}

TEST(Law, WithoutALicenceAnywhereTheDoorSaysSo) {
  Given given = at_providers(2);
  given.fleet.pools[0].licensed = given.fleet.pools[1].licensed = false;
  Scene s(given);
  s.submit({});
  EXPECT_EQ(only_reason(s.poll()), Reason::no_licence);
}

TEST(Law, AnUnlicensedPoolTakesNothing) {
  Given given = at_providers(2);
  given.fleet.pools[0].licensed = false;
  Scene s(given);
  s.submit({});
  EXPECT_EQ(only_device(s.poll()), 1u);
}

TEST(Law, AnUnlicensedPoolDoesNotHoldWhatIsTooLongElsewhere) {
  Given given = at_providers(2);
  given.fleet.pools[0].licensed = false;
  given.fleet.pools[1].max_context = Tokens(12);
  Scene s(given);
  s.submit({.prompt = 20});
  EXPECT_EQ(only_reason(s.poll()), Reason::too_long);
}

TEST(Law, ALineWhoseDeviceGoesStaysWithItsProviders) {
  Given given = at_providers(3);
  given.fleet.pools[0].max_sequences = 1;
  Scene s(given);
  s.submit({.max_output = 50, .providers = 0b101, .primary = 0});
  s.poll();
  const RequestId waits = s.submit({.providers = 0b101, .primary = 0});
  s.poll();
  s.change(0, DeviceState::draining);
  const Said said = s.poll();
  EXPECT_EQ(only_device(said), 2u);
  EXPECT_EQ(said.launches[0].slots[0].request, waits);
}

TEST(Law, WhatIsBoundToOneProviderFailsWithIt) {
  Scene s(at_providers(2));
  s.submit({.max_output = 50, .providers = 0b01});
  s.poll();
  s.submit({.providers = 0b01});
  s.change(0, DeviceState::down);
  const Said said = s.poll();
  ASSERT_EQ(said.finishes.size(), 1u);
  EXPECT_EQ(said.finishes[0].why, Reason::device_lost);
  EXPECT_TRUE(said.launches.empty()) << "the other provider's device stays out of it";
}

// ---- the primary provider -------------------------------------------------------------------------------------------

TEST(Primary, TakesAllThatItCanServeHoweverLongItsLine) {
  Given given = at_providers(2);
  given.fleet.pools[1].max_sequences = 1;
  Scene s(given.policy("least_loaded"));
  for (int i = 0; i < 5; ++i) s.submit({.primary = 1});
  const Said said = s.poll();
  EXPECT_EQ(only_device(said), 1u);
  EXPECT_EQ(said.launches[0].slots.size(), 1u);
}

TEST(Primary, WhatIsTooLongForItFallsThrough) {
  Given given = at_providers(2);
  given.fleet.pools[1].max_context = Tokens(12);
  Scene s(given);
  s.submit({.prompt = 20, .primary = 1});
  EXPECT_EQ(only_device(s.poll()), 0u);
}

TEST(Primary, AModelItHasNoLicenceForFallsThrough) {
  Given given = at_providers(2);
  given.fleet.pools[1].licensed = false;
  Scene s(given);
  s.submit({.primary = 1});
  EXPECT_EQ(only_device(s.poll()), 0u);
}

TEST(Primary, NoneUpFallsThroughUntilOneIsUpAgain) {
  Scene s(at_providers(2));
  s.change(1, DeviceState::down);
  s.submit({.max_output = 1, .primary = 1});
  EXPECT_EQ(only_device(s.poll()), 0u);
  s.step(0);
  s.change(1, DeviceState::up);
  s.submit({.primary = 1});
  EXPECT_EQ(only_device(s.poll()), 1u);
}

TEST(Primary, WaitsForRoomThereRatherThanGoElsewhere) {
  Given given = at_providers(2);
  given.fleet.pools[1].max_sequences = 1;
  Scene s(given.policy("least_loaded", "fcfs", "room"));
  s.submit({.max_output = 9, .primary = 1});
  EXPECT_EQ(only_device(s.poll()), 1u);
  s.submit({.primary = 1});
  EXPECT_EQ(s.poll().order, "") << "device 0 idles: it is not the primary's";
}

}  // namespace
}  // namespace yard
