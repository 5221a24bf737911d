// A recorded run of a vLLM engine: what it was asked, with which settings, and when each answer came.
//
// As LLMServingSim's bench publishes them (casys-kaist/LLMServingSim, bench/examples/<chip>/<model>): vllm/meta.json,
// vllm/requests.jsonl, config.json (its `hardware`), profile/; and the stream of requests with their tokens, a file
// that meta.json names and that lies in the run's folder or one above it.
//
// R1  requests stand in order of arrival; the first arrives at 0.
// R2  all times of a request are of one clock. The recording has two: the client's arrival by the wall clock, the rest
//     by the engine's monotonic one. They are laid upon each other where no request waited to be taken in: at the least
//     of `queued_ts - arrival_time`. An idle engine takes in at once (1 ms between processes, which is lost here).
//
// Threads: one.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "scheduler/base/units.h"

namespace yard {

struct VllmRequest {
  Time arrival;
  Tokens prompt, output;
  std::vector<std::int32_t> tokens;  // of the prompt
  Time first_token, last_token;
  bool at_once = false;  // the engine planned it as soon as it took it in: it waited for no slot and no KV block
};

struct VllmRun {
  std::string name;    // its folder below the one that was given
  std::string folder;  // where config.json lies
  std::string model, chip, version;
  std::uint32_t max_sequences = 0, tp = 1;
  Tokens token_budget;
  Tokens block_tokens{16};
  std::optional<Blocks> kv_blocks;    // as the engine printed them; one of them is its null block
  std::optional<Tokens> max_context;  // as asked
  bool prefix_cache = true;           // vLLM's default since V1
  std::vector<VllmRequest> requests;
};

// Returns: the runs in a folder or below it (at most four levels), in order of name; whole recordings.
// Errors: InputError, one line: no run there, a file or key missing, a value that makes no sense.
std::vector<VllmRun> read_vllm_runs(const std::string& folder);

}  // namespace yard
