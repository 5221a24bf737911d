// Fleets, chips and models as text for a terminal and as JSON for programs (units as suffixes of keys).
//
// Figures marked * in text are assumed, figures marked ? are unverified; in JSON the keys are listed.
#pragma once
#include <string>

#include "scheduler/cost/compile_fleet.h"
#include "scheduler/cost/model_card.h"
#include "topology/catalogue.h"
#include "topology/fleet.h"

namespace yard {

std::string show_fleet(const Fleet&, const CompiledFleet&);
std::string fleet_json(const Fleet&, const CompiledFleet&);

// What `fleet check` prints of a fleet that compiles: one line of counts, then one line per thing to know about it:
// figures assumed or unverified, models that no row of the mix asks, rows of the mix that no region serves.
std::string check_fleet(const Fleet&, const CompiledFleet&);

std::string show_accelerators(const Catalogue&);
std::string accelerators_json(const Catalogue&);
std::string show_models(const ModelCards&);
std::string models_json(const ModelCards&);

}  // namespace yard
