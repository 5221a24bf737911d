// Who may be refused, put around any scorer, so that a league can tell what placement gains from what refusal gains.
//
//   refusing<S>    S chooses; refused where the request, on the very device that S chose, would cost at least as many
//                  promises as it is worth itself (kept_promises.h), or where S refuses.
//   accepting<S>   S chooses as if it had been let in before: nobody is refused.
//
// S sees the same columns and draws the same random numbers either way; what it counts of its own choices
// (PolicyState::chosen, next) it counts for refused ones, too.
#pragma once
#include "scheduler/core/policy.h"

namespace yard::policy {

// What it would cost on this device, its own promise and others': 1/65536 (policy.h, Promises).
std::int64_t promises_on(std::uint32_t device, const DeviceColumns&, const FleetView&, const CostTables&,
                         const Ask&) noexcept;

template <Scorer kScorer>
std::uint32_t refusing(std::span<const std::uint32_t> eligible, const DeviceColumns& devices, const FleetView& fleet,
                       const CostTables& tables, const Ask& ask, PolicyState& state) noexcept {
  const std::uint32_t at = kScorer(eligible, devices, fleet, tables, ask, state);
  if (!ask.may_refuse || at == kRefused) return at;
  return promises_on(eligible[at], devices, fleet, tables, ask) >= kOnePromise ? kRefused : at;
}

template <Scorer kScorer>
std::uint32_t accepting(std::span<const std::uint32_t> eligible, const DeviceColumns& devices, const FleetView& fleet,
                        const CostTables& tables, const Ask& ask, PolicyState& state) noexcept {
  Ask let_in = ask;
  let_in.may_refuse = false;
  return kScorer(eligible, devices, fleet, tables, let_in, state);
}

// The same of scorers by index.
template <IndexedScorer kScorer>
std::uint32_t refusing(const Shortlist& among, const DeviceColumns& devices, const FleetView& fleet,
                       const CostTables& tables, const Ask& ask, PolicyState& state) noexcept {
  const std::uint32_t d = kScorer(among, devices, fleet, tables, ask, state);
  if (!ask.may_refuse || d == kRefused) return d;
  return promises_on(d, devices, fleet, tables, ask) >= kOnePromise ? kRefused : d;
}

template <IndexedScorer kScorer>
std::uint32_t accepting(const Shortlist& among, const DeviceColumns& devices, const FleetView& fleet,
                        const CostTables& tables, const Ask& ask, PolicyState& state) noexcept {
  Ask let_in = ask;
  let_in.may_refuse = false;
  return kScorer(among, devices, fleet, tables, let_in, state);
}

}  // namespace yard::policy
