// What binds a fleet beyond its machines, as Core sees it: contracts (how a replica is paid) and power domains (how
// much their chips may draw together). Licences are a flag of the pool (fleet_view.h).
//
// T1  a contract's devices lie in its pool, and no device has two contracts. A device without one is paid whole: its
//     marginal price is 0.
// T2  a domain's parent stands before it; a pool lies in at most one domain, and through it in all those above.
// T3  windows are whole seconds, 1 s or more; committed <= window.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "scheduler/base/id.h"
#include "scheduler/base/units.h"

namespace yard {

// reserved: paid whole, used or not. committed: so many hours of each window are paid, used or not, and what goes
// beyond at the on-demand price. on_demand, spot: paid while they work; spot can be taken away at short notice.
enum class ContractKind : std::uint8_t { reserved, committed, on_demand, spot };

constexpr std::string_view name_of(ContractKind kind) {
  switch (kind) {
    case ContractKind::reserved: return "reserved";
    case ContractKind::committed: return "committed";
    case ContractKind::on_demand: return "on_demand";
    case ContractKind::spot: return "spot";
  }
  return "";
}

// Replicas of one pool that are paid for in one way.
struct ContractView {
  std::string name;
  ContractKind kind = ContractKind::reserved;
  PoolId pool = {};
  std::uint32_t first_device = 0, devices = 0;
  NanoDollars per_hour = {};             // of one replica
  NanoDollars on_demand = {};            // likewise: what an hour beyond a commitment costs
  Duration window = {}, committed = {};  // of a committed one: device time of one replica that each window pays
  Duration notice = {}, away = {};       // of spot: from the notice to the end; until it is to be had again
  std::uint32_t reclaims_per_day = 0;    // of one spot replica, simulated
};

struct CapChange {
  Time at;
  Milliwatts cap;
};

// What draws from one feed. Chips only: PUE is apart.
struct DomainView {
  std::string name;
  DomainId parent;  // none: it stands alone
  Milliwatts cap;
  std::vector<CapChange> caps;  // later, simulated; ascending
};

}  // namespace yard
