// The scorers, one file each; README of core pins what each of them computes. Names are given in registry.cpp.
#pragma once
#include "scheduler/core/policy.h"

namespace yard::policy {

#define YARD_SCORER(name)                                                                             \
  std::uint32_t name(std::span<const std::uint32_t> eligible, const DeviceColumns&, const FleetView&, \
                     const CostTables&, const Ask&, PolicyState&) noexcept

YARD_SCORER(round_robin);
YARD_SCORER(random);
YARD_SCORER(least_loaded);
YARD_SCORER(power_of_two);
YARD_SCORER(expected_seconds);
YARD_SCORER(expected_cost);
YARD_SCORER(expected_cost_by_settings);  // requires: PolicyState::settings

// Peers', by their own constants: each file says which, from where, and what was left out.
YARD_SCORER(llm_d);
YARD_SCORER(dynamo_kv);
YARD_SCORER(smg_cache_aware);
YARD_SCORER(smg_power_of_two);
YARD_SCORER(smg_least_load);
YARD_SCORER(least_outstanding_tokens);
YARD_SCORER(bounded_prefix_hash);
YARD_SCORER(session_sticky);

#undef YARD_SCORER

std::uint32_t expected_cost_indexed(const Shortlist&, const DeviceColumns&, const FleetView&, const CostTables&,
                                    const Ask&, PolicyState&) noexcept;
std::uint32_t expected_seconds_indexed(const Shortlist&, const DeviceColumns&, const FleetView&, const CostTables&,
                                       const Ask&, PolicyState&) noexcept;

std::uint64_t fcfs(const Waiting&) noexcept;
std::uint64_t edf(const Waiting&) noexcept;
std::uint64_t shortest_first(const Waiting&) noexcept;

}  // namespace yard::policy
