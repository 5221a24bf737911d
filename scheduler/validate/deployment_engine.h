// A measured deployment (cost/deployment_rows.h) as the simulator has it: its engine under as many clients as its row
// states, each of which asks anew once it is answered.
//
// The engine is vLLM's as the fleet file's preset has it, with 8,192 tokens a step and attention replica, as many
// sequences as clients, no prefix cache, and what memory leaves for KV. Ten requests a client, their prompts and
// answers each between 0.8 and 1 of the stated lengths: so InferenceMAX measures, whose results most rows are (its
// README: RANDOM_RANGE_RATIO 0.8, num-prompts 10 x concurrency, request-rate inf, max-num-batched-tokens 8192). With
// lengths all alike the clients would stay in step for ever, and wait for each other.
//
// Threads: any number of calls at once.
#pragma once
#include <cstdint>

#include "scheduler/cost/calibration.h"
#include "scheduler/validate/closed_loop.h"

namespace yard {

// Tokens that memory leaves for KV, over all attention replicas: dense weights on each, experts spread over all ranks.
// 0: the weights do not fit.
std::int64_t kv_tokens(const Deployment&);

// Steps cost what the calibration says of their tokens, sequences and context, for all models but those it knows; or
// what `cost` says. Requires: 1 to 1,024 clients, room for KV, so many sequences in the cost.
ClientTimes simulated(const Measured&, const Calibration&);
ClientTimes simulated(const Measured&, const StepCost&);

}  // namespace yard
