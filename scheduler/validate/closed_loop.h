// One engine under a fixed number of clients, each of which asks anew once it is answered: what a benchmark of a
// deployment does when it states a concurrency. The engine is simulated as replays have it (backend/sim_served.h).
//
// Threads: any number of calls at once.
#pragma once
#include <cstdint>

#include "scheduler/base/rng.h"
#include "scheduler/base/units.h"
#include "scheduler/cost/compile_fleet.h"

namespace yard {

struct ClosedLoop {
  std::uint32_t clients = 1;    // all ask at once in the beginning
  std::uint64_t requests = 10;  // of all clients together; at least as many as clients
  Tokens prompt{1}, output{1};  // of each at most
  // The shortest over the longest, thousandths: each request's lengths are drawn between, all alike likely. At 1000 all
  // are of one length, and then they stay in step for ever.
  std::int32_t shortest_thousandths = 1000;
  Seed seed = 1;
};

struct ClientTimes {
  Duration ttft_mean, ttft_median;
  Duration tpot_mean;        // 0: answers of one token
  std::uint64_t failed = 0;  // requests that came to nothing
};

// Requires: a fleet of one pool of one served device and one model, room in its KV pool for such a request.
ClientTimes serve_clients(const CompiledFleet&, const ClosedLoop&);

}  // namespace yard
