// Whether a Host keeps its invariants (topology/host.h, H1 to H4): asked of every source, since files can say anything.
#pragma once
#include <string>

#include "topology/host.h"

namespace yard {

// Returns: "" when it does, else the first thing that does not fit, in a few words.
std::string contradiction(const Host& host);

}  // namespace yard
