// The links of a fleet become those that Core sees: one rate each, from the sizes of the KV at both ends.
#pragma once
#include "scheduler/cost/model_card.h"
#include "topology/fleet.h"
#include "topology/fleet_view.h"

namespace yard {

// Bytes of one token's KV, all layers and ranks of a replica; 0 where neither a card nor the pool says it.
std::int64_t kv_token_bytes(const FleetPool&, const ModelCard*);

// Bytes per second of a transfer of that size on one accelerator: interpolated between two sizes that were measured,
// the nearer end's figure outside of them.
std::int64_t bandwidth_at(const std::vector<FleetHandoffLink::Bandwidth>&, std::int64_t transfer_bytes);

// Requires: the view's pools are the fleet's, in its order. Errors: InputError naming file, line and key.
void compile_handoff(const Fleet&, const ModelCards&, FleetView&);

}  // namespace yard
