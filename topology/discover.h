// Where a Host comes from: this machine, an hwloc synthetic description, or an hwloc XML file.
//
// Start-time only: it reads files, may fork (text of the user's is tried in a child first, topology/trial.h) and takes
// milliseconds. HWLOC_* variables have no say; who wants HWLOC_XMLFILE's machine passes its path.
#pragma once
#include <string>
#include <string_view>

#include "topology/host.h"

namespace yard {

// The machine that we run on, as the calling thread may use it: hwloc for processors, memory and caches, the affinity
// mask of the calling thread, cgroup v1 or v2 for cpuset, quota and memory limit, sysfs for PCI. Errors: InputError
// where hwloc cannot read it at all. What only part of it cannot read stays unknown.
Host discover_this_machine();

// "package:2 numa:1 l3:1 core:8 pu:2" (hwloc's grammar). Bounds: 1,000 characters, 8,192 hardware threads.
// Errors: InputError.
Host host_from_synthetic(std::string_view description);

// Bounds: 16 MiB. Errors: InputError naming the file: missing, a directory, cut off, not hwloc's, contradicting itself.
Host host_from_xml(const std::string& path);

// The same from memory; `name` stands for the file in messages.
Host host_from_xml_text(const std::string& text, const std::string& name);

}  // namespace yard
