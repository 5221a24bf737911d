// What hwloc says, as a Host. No hwloc type leaves the .cpp.
//
// hwloc takes orders from HWLOC_* variables and prints to stderr. Around every call it is shown an environment without
// them and told to be silent (its caches of these answers are made at its first call in a process; where the embedder
// has used hwloc before, that is what it keeps). Calls are one at a time, under a lock of this file.
#pragma once
#include <string>

#include "topology/host.h"

namespace yard {

enum class HwlocSource { this_machine, synthetic, xml };

// Returns: a consistent Host (H1 to H4) with everything that hwloc knows: no quota, no affinity, and PCI from XML only.
// Errors: InputError naming `name` for XML and synthetic text that it cannot make sense of; for this machine too, where
// hwloc cannot read it.
// Threads: any; while it runs, no other thread may change the environment (reading it is fine).
Host read_hwloc(HwlocSource source, const std::string& text, const std::string& name);

}  // namespace yard
