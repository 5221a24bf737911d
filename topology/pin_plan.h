// Which thread goes where, of those that want to be near what they use: a pure function of the machine, before any
// thread is made.
//
// P1  a core is given to one thread at most, and only where a hardware thread of it is allowed.
// P2  who asks for a node gets a core of it while there is one, else one of the nearest node that has one.
// P3  who asks for none gets the next core of the node that was begun, so that few nodes are used; the first node is
// the
//     one with the most allowed cores.
// P4  who finds no core is placed nowhere, and the plan says why; nobody waits for that, it runs unbound.
// The same machine and the same asks give the same plan.
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "topology/distance.h"
#include "topology/host.h"
#include "topology/pin.h"

namespace yard {

// near: on any allowed cpu of the memory that its core is near; core: on that core.
enum class PinTo : std::uint8_t { node, core };

struct PinAsk {
  std::optional<std::uint32_t> node;  // index into Host::nodes
};

// Where one thread goes: a core of the plan's, and the node that the core is near.
struct PinPlace {
  std::optional<std::uint32_t> core, node;  // indices into Host; empty: anywhere
  std::string why;                          // where empty: in a few words
};

// Errors: std::bad_alloc.
std::vector<PinPlace> plan_pins(const Host&, PinTo, std::span<const PinAsk>);

// Returns: the node that a place's name means, or nothing: "node 1" (the system's number), a PCI address
// ("0000:3b:00.0") or what the system calls a device ("mlx5_0"), where the host knows such and its node.
std::optional<std::uint32_t> node_named(const Host&, std::string_view name);

// How many threads that compute all the time this process may keep busy, at least 1: allowed hardware threads, or the
// cgroup's quota where that is less.
std::uint32_t busy_threads(const Host&);

// For threads at those places: for each the others, nearest first (topology/distance.h); those of unknown place come
// last, the next ones first.
std::vector<std::vector<std::uint32_t>> others_nearest_first(const Host&, std::span<const PinPlace>);

// How near each two of them are, from the one (row) to the other; `host` where a place is unknown.
std::vector<std::vector<HostLevel>> levels_between(const Host&, std::span<const PinPlace>);

}  // namespace yard
