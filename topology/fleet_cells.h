// The part of a fleet file that says which cell its replicas stand in: `cells`, `cell` of a pool, `control_lag_ms`; or
// which shard of one cell: `shards`, `shard` of a pool, `door_lag_ms`, `steal`.
#pragma once
#include "scheduler/yaml/field.h"
#include "topology/fleet.h"

namespace yard {

// Requires: the fleet's pools are read. Errors: InputError, one line.
void read_cells(const yaml::Field& root, Fleet&);
void read_shards(const yaml::Field& root, Fleet&);

}  // namespace yard
