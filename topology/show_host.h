// A Host for people and for programs: what `switchyard topo` prints.
#pragma once
#include <cstdint>
#include <string>

#include "topology/host.h"

namespace yard {

enum class Explain : std::uint8_t { no, yes };  // yes: after the host, each fact with the place it came from

// Returns: lines for a terminal, control bytes of names made visible; ends with a newline. Unknown is written
// "unknown".
std::string host_text(const Host& host, Explain explain);

// Returns: one JSON object (RFC 8259, UTF-8), ends with a newline. Units are suffixes; unknown is null, and a limit
// also has its state: "unknown", "unlimited" or "set". Things refer to each other by index into the arrays beside them.
std::string host_json(const Host& host, Explain explain);

const char* name_of(MemoryKind kind);

}  // namespace yard
