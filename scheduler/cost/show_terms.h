// Contracts, licences and power domains of a fleet as text and JSON; nothing where it has none.
#pragma once
#include <string>

#include "topology/fleet.h"
#include "topology/fleet_view.h"
#include "topology/mix.h"

namespace yard {

// Tables, each ended by an empty line.
std::string show_terms(const Fleet&, const FleetView&);
// Members of the fleet's object, each with a comma before it.
std::string terms_json(const Fleet&, const FleetView&);
// A note for each pool without a licence, and for each row of the mix that no pool may serve.
std::string check_terms(const FleetView&, const Mix&);

// "azure, aws; primary azure": where a row of the mix may run; "all" for anywhere.
std::string providers_of(const MixEntry&, const FleetView&);

}  // namespace yard
