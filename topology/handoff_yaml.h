// The keys `role` and `kv_bytes_per_token` of a pool, and `handoff` of a fleet: which pools read prompts for others,
// and the links over which the KV goes.
#pragma once
#include "scheduler/yaml/field.h"
#include "topology/fleet.h"

namespace yard {

// Errors, of both: InputError, one line. Requires: what kind of device it has is read.
void read_role(const yaml::Field& pool_entry, FleetPool&);

// Requires: pools and cells are read.
void read_handoff(const yaml::Field& root, Fleet&);

}  // namespace yard
