// The terms of a fleet (topology/fleet_terms.h) become those that Core sees: contracts of device ranges, licences as a
// flag of each pool, power domains held against what their chips draw.
#pragma once
#include "scheduler/cost/model_card.h"
#include "topology/fleet.h"
#include "topology/fleet_view.h"

namespace yard {

// Requires: the view's pools are the fleet's, in its order. Errors: InputError naming file, line and key.
void compile_terms(const Fleet&, const ModelCards&, FleetView&);

}  // namespace yard
