// Why a recorded request went where it went: every placement of it, re-enacted, with what each class of candidates
// would have cost (policy/kept_promises.h).
//
// A class is what a pool's devices have in common, its rates; it is shown by its best device. Candidates of other
// scorers than expected_cost are shown with the columns that these read, and with what expected_cost would have said.
//
// Threads: one a call.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "scheduler/core/command.h"
#include "scheduler/core/policy.h"
#include "scheduler/loop/recording_reader.h"
#include "scheduler/policy/kept_promises.h"

namespace yard {

// Which one: by id (of whatever generation came first, where none is given), or as the row-th submitted, from 0.
struct AskedRequest {
  std::optional<std::uint64_t> row;
  std::uint32_t index = 0;
  std::optional<std::uint32_t> generation;

  // Returns: "INDEX[:GENERATION]" as an id. Errors: InputError naming --request.
  static AskedRequest parse(std::string_view text);
  std::string text() const;  // "request 3:1", "row 3"
};

// A device that could have had the request, as the columns had it.
struct Candidate {
  std::uint32_t device = 0, pool = 0;
  std::uint32_t of = 0;  // eligible devices of its class
  bool best = false;     // of its class
  bool chosen = false;
  std::int64_t waiting = 0, running = 0;  // sequences
  std::int64_t prefill_tokens = 0, kv_tokens = 0, waiting_tokens = 0, hit_tokens = 0, cached_tokens = 0;
  std::int64_t kv_permille = 0;     // of its KV pool, by kv_tokens
  std::int64_t prefill_share = 0;   // 1/65536
  std::int64_t prefill_burst = 0;   // ns
  std::int64_t marginal_price = 0;  // nano-dollars per hour
  std::int64_t pace = kPaceAsSaid;  // of its steps, 1/1024 of what their costs say
  std::int64_t move_time = 0;       // ns; of one that goes on
  policy::kept_promises::Terms terms{};

  std::int64_t misses() const { return terms.misses(); }
  std::int64_t total() const { return terms.total(); }
};

struct PlacementSeen {
  Time at;
  Duration waited;
  Tokens prompt, expected_output;  // prompt: what it generated before included
  bool may_refuse = false, refused = false;
  bool goes_on = false;     // it was read elsewhere: its KV moves to the device
  std::uint64_t again = 0;  // refusals since the last one shown that are not shown
  std::uint32_t eligible = 0;
  std::vector<Candidate> candidates;  // at least one; a class's best, and the chosen one where that is another
  std::size_t least = 0;              // of them by total: what expected_cost would choose
  // The first Launch or Send of it after that. The device is the chosen one, or the re-enactment is not worth its name.
  struct Began {
    DeviceId device;
    Time at;
  };
  std::optional<Began> began;

  const Candidate* chosen() const;  // null: refused
};

struct Explanation {
  RecordingHead head;
  Submitted request;  // without its prefix
  std::uint64_t row = 0;
  std::vector<PlacementSeen> placements;  // at least one; of more than two refusals in a row, the first and the last
  std::optional<Finish> finish;           // nothing: the recording ends before
  bool equal = true;                      // at every mark: what is explained is what was decided
};

// Errors: InputError: as reenact(); no such request; cut before it; never placed, and why.
Explanation explain(const std::string& path, const AskedRequest&);

std::string explanation_text(const Explanation&);  // lines of at most 120 columns
std::string explanation_json(const Explanation&);

}  // namespace yard
