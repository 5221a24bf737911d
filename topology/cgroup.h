// What the control group that we run in lets us burn: CPU time per period and memory; cgroup v2 or v1.
//
// A limit binds through all ancestors, so the least one from our group up to the mount point counts. Where the
// controller is mounted and no group on the way sets a limit, the limit is known to be unlimited; where it is not
// mounted, unknown.
#pragma once
#include <string>

#include "topology/host.h"

namespace yard {

// Reads <proc>/self/cgroup and <proc>/self/mountinfo and the groups that they name; sets host.cpu_quota and
// host.memory_limit and says in host.facts where they came from. `root` is put before every mount point (tests).
void read_cgroup(const std::string& proc, const std::string& root, Host& host);

}  // namespace yard
