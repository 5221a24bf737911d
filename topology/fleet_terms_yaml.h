// Contracts, licences and power domains of a fleet file.
#pragma once
#include "scheduler/yaml/field.h"
#include "topology/fleet.h"

namespace yard {

// Requires: pools, providers and sites are read. Errors: InputError naming file, line and key.
void read_terms(const yaml::Field& root, Fleet&);

}  // namespace yard
