// A case driven through the shipped loop and written down, so that a test can re-enact what it recorded. Faults of
// devices and links are set before it runs; what was seen is there to look at after it.
#pragma once
#include <string>

#include "scheduler/backend/sim_served.h"
#include "scheduler/core/ledger.h"
#include "scheduler/loop/reenact.h"
#include "scheduler/loop/sim_loop.h"
#include "scheduler/policy/registry.h"
#include "tests/random_case.h"
#include "tests/simulate.h"

namespace yard {

template <typename Seen = Recording>
struct RecordedRun {
  RecordedRun(const Case& c, Seed seed, const std::string& to)
      : path(to),
        bounds{.sequences = c.options.sequences, .events_per_tick = 4096, .moves_per_link = c.options.moves_per_link},
        policies(find_policies(c.options.scorer, c.options.order, c.options.bind)),
        core(bounds, c.fleet, c.costs, policies, seed),
        devices(c.fleet, c.costs, bounds, Exact::jump),
        seen(path),
        loop(core, bounds, c.fleet.devices(), devices, seen),
        requests(c.requests) {
    seen.recorder.head(c.fleet, c.costs, policies, bounds, seed);
  }

  // Runs it, and then what it recorded.
  Reenactment reenacted() {
    loop.run(requests);
    seen.recorder.finish();
    return reenact(path);
  }

  std::string path;
  Bounds bounds;
  PolicySet policies;
  Core core;
  SimFleet devices;
  Seen seen;
  SimLoop loop;
  Requests requests;
};

}  // namespace yard
