// What a fleet's terms came to: dollars by contract, energy and peak watts by power domain.
#pragma once
#include <vector>

#include "scheduler/report/metrics.h"

namespace yard {

inline constexpr Wide kPicojoulesPerKwh = static_cast<Wide>(3'600'000) * 1'000'000'000'000;
inline constexpr std::uint64_t kNanoDollarsPerDollar = 1'000'000'000;

struct Bill {
  Wide picojoules = 0;  // at the meter of the building: x PUE
  Wide nano_dollars = 0;
};

// reserved: all replicas, used or not. committed: the hours that its windows pay over the makespan, used or not, and
// what was used beyond them at the on-demand price. on_demand, spot: the time in use.
Wide nano_dollars_of(const ContractView&, const TermsTally::Use&, Duration makespan);

std::vector<Record> contracts_of(const Summary&);
// `bills`: by pool.
std::vector<Record> power_domains_of(const Summary&, const std::vector<Bill>& bills);

}  // namespace yard
