// A trace: rows in, one at a time, in the order of their arrival.
//
// A reader holds a bounded window of its file, never the whole; 10^7 rows cost no more memory than 10^5. (But
// agentic.h: its file is not in order of time, so that it keeps 36 bytes of each row.)
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "scheduler/base/rng.h"
#include "scheduler/base/units.h"

namespace yard {

struct TraceRow {
  Time arrival;   // since the first row's
  Tokens prompt;  // 1 or more
  Tokens output;  // the true answer's length, 0 or more; the simulated device's secret (I8)
  std::optional<Tokens> max_output =
      std::nullopt;  // as the caller asked; 0: a score or an embedding; none: as many as fit

  std::uint32_t answers = 1;  // wanted of it (n), each of that length
  std::uint32_t adapter = 0;  // the how manieth of its model's, from 1; 0: none

  // What the prompt begins with, block by block, where the trace knows it: prefix[i] stands for its tokens up to
  // (i + 1) * prefix_block, so that two rows share exactly as many blocks as their spans begin alike. Of 0 to
  // ceil(prompt / prefix_block) blocks; the last of so many may be partial. Valid until the next call of next().
  std::span<const std::uint64_t> prefix = {};
  Tokens prefix_block{0};     // tokens of one block; 0: the trace knows no prefixes
  std::uint64_t session = 0;  // the conversation that the row belongs to, from 1; 0: none is known
};

// No row lies later than this after the first (146 years), so that sums of a few times never overflow.
constexpr Time kLastArrival{std::int64_t{1} << 62};
// No prompt, answer or limit is longer than this: 2^24.
constexpr Tokens kMostTokens{1 << 24};
// No row asks for more answers than this.
constexpr std::uint32_t kMostAnswers = 1024;
// No row asks for an adapter of a higher number.
constexpr std::uint32_t kMostAdapter = 1'000'000;

class TraceReader {
 public:
  virtual ~TraceReader() = default;

  // Returns: the next row, or nothing at the end. Errors: InputError naming file, line and column.
  virtual std::optional<TraceRow> next() = 0;

  // Returns: how many rows there are, where known beforehand (for progress).
  virtual std::optional<std::uint64_t> rows() const { return std::nullopt; }

  // Returns: whether rows may carry a max_output, so that whoever writes them out knows the columns beforehand.
  virtual bool has_max_output() const { return false; }

  // Returns: whether rows may ask for several answers.
  virtual bool has_answers() const { return false; }

  // Returns: whether rows may ask for adapters.
  virtual bool has_adapters() const { return false; }

  // Returns: whether rows may carry a prefix or a session.
  virtual bool has_prefix() const { return false; }
};

// Opens `gen:NAME` (generate.h, agentic.h, servegen.h, overlay.h); a folder as ServeGen or kv-cache-tester publish it;
// or a file, plain or by gzip, whose format is told by its first line (csv.h, mooncake.h, agentic.h). `limit`: of a
// file rows at most, 0: all; of a generator rows, 0: what its name says. `rate_scale` divides the time since the first
// arrival (2.0: twice as many a second); it is rounded once to millionths, and from there on everything is integers.
// Errors: InputError.
std::unique_ptr<TraceReader> open_trace(const std::string& name, Seed seed, std::uint64_t limit, double rate_scale);

}  // namespace yard
