// What arrives in the league, and at what fleets: the placement study's constructions.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "scheduler/cost/compile_fleet.h"
#include "scheduler/trace/overlay.h"

namespace yard::league {

// One trace, held once for all that read it. A rate is made by laying `copies` of it on top of each other, each begun
// at an offset drawn from the seed, and stretching time.
struct Workload {
  std::string name, made_of;  // made_of: for people
  std::shared_ptr<const TraceRows> rows;
  std::uint32_t copies = 1;
  int warm_up_s = 20, measured_s = 70;  // arrivals of the second span count; all are served to their end
  bool steady = true;                   // what is measured lasts much longer than an answer
  bool tenants = true;                  // two, by 3 to 1; not where rows share prefixes: a tenant's blocks are its own
  double first_guess = 100;             // requests a second at which a search for a capacity begins, on the mixed fleet
  std::vector<std::int32_t> quartiles;  // of prompt tokens: three edges
};

struct League {
  std::vector<Workload> workloads;
  std::vector<std::string> notes;  // what is missing, and what stands in
};

struct Wanted {
  std::string data;                // folder of shared data; empty: none
  std::vector<std::string> names;  // empty: all
  bool long_windows = false;       // as the study's; otherwise shorter where they cost most
};

// Where the data is absent the generators stand in, which know no prefixes. Errors: InputError.
League load_workloads(const Wanted&);

// Of a fleet's default classes (default_classes), so many parts of what arrives.
struct ClassPart {
  std::string name;
  std::uint64_t parts = 1;
};
// `text`: interactive=10,standard=3,batch=2. Errors: InputError.
std::vector<ClassPart> parse_classes(const std::string& text);

// Forty accelerators that serve Llama 3.1 8B, one chip each. `name`: mixed (8 each of H100, H200, L40S, TPU v6e,
// Trainium2) or uniform (40 H100). `classes`: who has which is drawn by row; none: all are interactive.
// Errors: InputError.
// `sure`: how surely deadlines are kept, which are then hard; none: they are not.
std::unique_ptr<CompiledFleet> make_fleet(const std::string& name, bool tenants, Chunk,
                                          const std::vector<ClassPart>& classes = {}, Quantile sure = Quantile::none);
double usd_per_hour(const FleetView&);

// Returns: the workload's arrivals at so many requests a second.
std::unique_ptr<Overlay> arrivals_of(const Workload&, double rate, Seed);

}  // namespace yard::league
