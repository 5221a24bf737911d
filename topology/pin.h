// Bind the calling thread to a core, or near a NUMA node's memory. Nobody is pinned unless asked (DESIGN, "Three ways
// in").
//
// Each call says what came of it; counting and reporting are the caller's. The Host must be this machine's: what the
// process was started with (affinity mask, cgroup cpuset) is respected even where the kernel would let us leave it.
#pragma once
#include <cstdint>

#include "topology/host.h"

namespace yard {

enum class Pinning : std::uint8_t {
  bound,
  not_this_machine,   // the Host describes another one
  no_such_place,      // index out of range
  no_cpu_there,       // a node that has memory only
  outside_affinity,   // the mask that we were started with forbids every cpu of it
  outside_cpuset,     // the cgroup's cpuset does
  refused_by_kernel,  // `error` has errno: a cpu went offline, a sandbox forbids the call
};

struct Pinned {
  Pinning outcome = Pinning::bound;
  int error = 0;           // errno for refused_by_kernel
  std::uint32_t cpus = 0;  // how many hardware threads the calling thread is bound to, when bound

  bool ok() const { return outcome == Pinning::bound; }
};

const char* name_of(Pinning outcome);

// core, node: indices into host.cores and host.nodes. Binds to those of its hardware threads that are allowed.
// Threads: binds the calling one. Cost: one system call.
Pinned pin_to_core(const Host& host, std::uint32_t core) noexcept;
Pinned pin_near_node(const Host& host, std::uint32_t node) noexcept;

}  // namespace yard
