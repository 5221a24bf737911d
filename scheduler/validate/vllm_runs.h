// How near a simulation comes to a recorded run of an engine: its requests, at the times at which they came, through a
// served device with the engine's own settings and measured kernels; TTFT, TPOT and E2E beside the real ones.
//
// Nothing is refused: no promise is made, and the window sends whatever the engine has a slot for. The wire takes no
// time, since the recording's own times are those of the engine.
//
// Threads: one a call.
#pragma once
#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "scheduler/backend/sim_stepped.h"
#include "scheduler/trace/vllm_run.h"

namespace yard {

// Of all requests of a run. Percentiles by linear interpolation between order statistics, as NumPy's default.
struct Spread {
  Duration mean, p50, p99;
};

// Parts of the model of an engine that may be left out, to see what each is worth.
struct EngineParts {
  bool joint = true;          // one attention table of prefill and decode together, not the sum of two
  bool skew = true;           // the profile's figure for decodes of unlike length
  bool prefix_cache = true;   // as the engine had it
  bool whole_prompts = true;  // admission asks for the blocks of the whole prompt
  bool plans_ahead = true;    // what arrives while a step runs joins the one after the next
  bool kv_blocks = true;      // as many as the engine printed, not what memory leaves
};
inline constexpr std::array<std::string_view, 6> kEngineParts = {"joint",         "skew",        "prefix_cache",
                                                                 "whole_prompts", "plans_ahead", "kv_blocks"};
bool& part(EngineParts&, std::size_t i);  // by kEngineParts

struct Validation {
  struct Metric {
    std::string_view name;
    Spread real, simulated;
  };
  std::string run, model, chip, version;
  std::uint64_t requests = 0;
  std::uint32_t max_sequences = 0;
  Tokens token_budget;
  Blocks kv_blocks;
  bool kv_blocks_stated = false, prefix_cache = false;
  std::int64_t skew_millionths = 0;
  // TTFT; TPOT, of two tokens and more; E2E; and the TTFT of those that the real engine planned at once, whose few
  // milliseconds vanish among the seconds of those that waited for a slot.
  std::array<Metric, 4> metrics;
  std::uint64_t decision_hash = 0;
};

// Errors: InputError: the run's profile or settings cannot be used.
Validation validate(const VllmRun&, const EngineParts& = {}, Exact = Exact::jump);

// `simulated` beside `real`, relative, in hundredths of a percent, rounded.
std::int64_t error_of(Duration simulated, Duration real);

std::string validation_text(std::span<const Validation>);
std::string validation_json(std::span<const Validation>);

}  // namespace yard
