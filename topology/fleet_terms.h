// Contracts, licences and power domains as a fleet's owner writes them; part of fleet.h.
//
// A value. Names of pools, providers and domains are indices already; models are checked where model cards are known.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "topology/terms.h"

namespace yard {

struct FleetContract {
  std::string name;
  ContractKind kind = ContractKind::reserved;
  struct Cover {
    std::uint32_t pool, first, replicas;  // `first` of the pool's that no contract before it covers
  };
  std::vector<Cover> covers;
  std::optional<NanoDollars> per_hour;  // of one replica; otherwise the pool's
  Duration window, committed, notice, away;
  std::uint32_t reclaims_per_day = 0;
};

// The models that a provider may serve; one that has no licence entry may serve all.
struct FleetLicence {
  std::string provider;
  struct Model {
    std::string name;
    int line = 0;
    std::string path;
  };
  std::vector<Model> models;
};

struct FleetDomain {
  std::string name;
  DomainId parent;
  Milliwatts cap;
  std::vector<CapChange> caps;
  std::vector<std::uint32_t> pools;
  struct Place {
    int line = 0;
    std::string path;
  };
  std::vector<Place> cap_places;  // of the cap and then of each change
};

}  // namespace yard
