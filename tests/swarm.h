// What every swarm asks of a case, whatever its faults are.
#pragma once
#include <vector>

#include <gtest/gtest.h>

#include "scheduler/backend/sim_stepped.h"

namespace yard {

// Plays it without faults, with those that `faults_at` draws at its instants, again, and step by step: no rule is
// broken, and the three with faults decide alike. `look`: at the one with faults, jumped.
template <class Faults, class Simulate, class FaultsAt, class Look>
void keeps_every_rule(const Simulate& simulate, const FaultsAt& faults_at, const Look& look) {
  const auto calm = simulate(Faults{}, Exact::jump);
  ASSERT_EQ(calm.fault, "") << "without faults";
  const Faults faults = faults_at(calm.instants);
  const auto jump = simulate(faults, Exact::jump);
  ASSERT_EQ(jump.fault, "");
  ASSERT_NO_FATAL_FAILURE(look(jump));
  ASSERT_EQ(simulate(faults, Exact::jump).hash, jump.hash) << "run twice";
  const auto step = simulate(faults, Exact::step);
  ASSERT_EQ(step.fault, "");
  ASSERT_EQ(step.endings, jump.endings);
  ASSERT_EQ(step.hash, jump.hash) << "step and jump";
}

}  // namespace yard
