// Adapters in fleet files: what a model has of them, and how many of them a pool's replicas hold.
#pragma once
#include "scheduler/yaml/field.h"
#include "topology/fleet.h"

namespace yard {

// `adapters` of a pool: {slots, load_ms | gb_s, affinity}.
void read_adapter_slots(const yaml::Field&, const Accelerator&, FleetPool&);

// `adapters` of a fleet: a list of {model, name | count, mb}.
void read_adapters(const yaml::Field& root, Fleet&);

}  // namespace yard
