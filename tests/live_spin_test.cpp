// How long threads look before they sleep, from what the machine is.
#include <cstdint>

#include <gtest/gtest.h>

#include "scheduler/loop/live_spin.h"

namespace yard {
namespace {

TEST(SpinPlan, IsThreeTimesAsLongAsAWake) {
  const SpinPlan plan = plan_spin(8000, microseconds(10), microseconds(10), 1000);
  EXPECT_EQ(plan.pauses, 3000u);
  EXPECT_EQ(plan.at_once, 4u);
  EXPECT_EQ(plan.ns, 30'000u);
}

TEST(SpinPlan, IsNoneBelowTwoHardwareThreads) {
  for (const std::uint64_t usable : {0u, 500u, 1000u, 1999u})
    EXPECT_EQ(plan_spin(usable, microseconds(30), microseconds(10), 1000).pauses, 0u);
  EXPECT_EQ(plan_spin(2000, microseconds(30), microseconds(10), 1000).at_once, 1u);
}

TEST(SpinPlan, IsNoneWhereNothingWasMeasuredAndBoundedWhereWakesAreSlow) {
  EXPECT_EQ(plan_spin(8000, Duration{}, microseconds(10), 1000).pauses, 0u);
  EXPECT_EQ(plan_spin(8000, microseconds(30), Duration{}, 1000).pauses, 0u);
  EXPECT_EQ(plan_spin(8000, seconds(1), microseconds(10), 1000).pauses, 5000u);  // 50 us
}

TEST(SpinPlan, HereIsMeasuredOnce) {
  const SpinPlan first = plan_spin_here(), second = plan_spin_here();
  EXPECT_EQ(first.pauses, second.pauses);
  EXPECT_EQ(first.at_once, second.at_once);
  EXPECT_EQ(first.pauses == 0, first.at_once == 0);
}

}  // namespace
}  // namespace yard
