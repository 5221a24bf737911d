// The key `served` of a pool: an engine behind a wire, how it is set up and when it is sent more.
#pragma once
#include "scheduler/yaml/field.h"
#include "topology/fleet.h"

namespace yard {

// What the engine that `served.preset` names has where nothing else is said; the pool's other keys go over it.
// Errors, of both: InputError, one line.
void apply_preset(const yaml::Field& pool_entry, FleetPool&);

// Requires: the pool's token budget is read.
void read_served(const yaml::Field& entry, FleetPool&);

}  // namespace yard
