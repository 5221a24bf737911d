// What Core counted of a fleet's terms, as the report takes it.
#pragma once
#include <algorithm>

#include "scheduler/core/core.h"
#include "scheduler/report/report.h"
#include "topology/fleet_view.h"

namespace yard {

// Until `now`, since the epoch.
inline TermsTally terms_of(const Core& core, const FleetView& fleet, Time now) {
  TermsTally terms;
  for (std::uint32_t c = 0; c < fleet.contracts.size(); ++c) {
    const ContractUse use = core.use_of_contract(c, now);
    terms.contracts.push_back({.in_use_ns = use.in_use, .beyond_ns = use.beyond});
  }
  for (std::uint32_t d = 0; d < fleet.domains.size(); ++d) terms.peaks.push_back(core.peak_draw(DomainId{d}));
  for (std::uint32_t p = 0; p < fleet.pools.size() && !fleet.domains.empty(); ++p)
    terms.held_by_power.push_back(core.held_by_power(PoolId{p}, now));
  return terms;
}

// Of a fleet in cells: what another cell counted of the same contracts, domains and pools.
inline void add(TermsTally& all, const TermsTally& cell) {
  all.contracts.resize(cell.contracts.size());
  all.peaks.resize(cell.peaks.size());
  all.held_by_power.resize(cell.held_by_power.size());
  for (std::size_t c = 0; c < cell.contracts.size(); ++c) {
    all.contracts[c].in_use_ns += cell.contracts[c].in_use_ns;
    all.contracts[c].beyond_ns += cell.contracts[c].beyond_ns;
  }
  for (std::size_t d = 0; d < cell.peaks.size(); ++d)  // the one that it lies in: elsewhere nothing draws
    all.peaks[d] = std::max(all.peaks[d], cell.peaks[d]);
  for (std::size_t p = 0; p < cell.held_by_power.size(); ++p) all.held_by_power[p] += cell.held_by_power[p];
}

// What came since `before`, of the same fleet; empty: since the epoch. Peaks are those of all time.
inline TermsTally since(const TermsTally& before, TermsTally terms) {
  for (std::size_t c = 0; c < before.contracts.size(); ++c) {
    terms.contracts[c].in_use_ns -= before.contracts[c].in_use_ns;
    terms.contracts[c].beyond_ns -= before.contracts[c].beyond_ns;
  }
  for (std::size_t p = 0; p < before.held_by_power.size(); ++p) terms.held_by_power[p] -= before.held_by_power[p];
  return terms;
}

}  // namespace yard
