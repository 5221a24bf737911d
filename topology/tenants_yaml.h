// The section `tenants` of a fleet file.
#pragma once
#include "scheduler/yaml/field.h"
#include "topology/fleet.h"

namespace yard {

// Reads it into fleet.tenants. Requires: the fleet's regions are read.
// Returns: whether the file has the section; then no other tenant may be named.
// Errors: InputError, one line: file, line, key, found, accepted.
bool read_tenants(const yaml::Field& root, Fleet&);

// Returns: the tenant that a row of the mix names. One that is new is added, unless the file lists its tenants.
TenantId tenant_of(const yaml::Field& row, bool listed, Fleet&);

}  // namespace yard
