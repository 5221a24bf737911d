// A trace: rows in, one at a time, in the order of their arrival.
//
// A reader holds a bounded window of its file, never the whole; 10^7 rows cost no more memory than 10^5.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "scheduler/base/rng.h"
#include "scheduler/base/units.h"

namespace yard {

struct TraceRow {
  Time arrival;   // since the first row's
  Tokens prompt;  // 1 or more
  Tokens output;  // the true answer's length, 0 or more; the simulated device's secret (I8)
  std::optional<Tokens> max_output = std::nullopt;  // as the caller asked, 1 or more; none: as many as fit
};

// No row lies later than this after the first (146 years), so that sums of a few times never overflow.
constexpr Time kLastArrival{std::int64_t{1} << 62};
// No prompt, answer or limit is longer than this: 2^24.
constexpr Tokens kMostTokens{1 << 24};

class TraceReader {
 public:
  virtual ~TraceReader() = default;

  // Returns: the next row, or nothing at the end. Errors: InputError naming file, line and column.
  virtual std::optional<TraceRow> next() = 0;

  // Returns: how many rows there are, where known beforehand (for progress).
  virtual std::optional<std::uint64_t> rows() const { return std::nullopt; }

  // Returns: whether rows may carry a max_output, so that whoever writes them out knows the columns beforehand.
  virtual bool has_max_output() const { return false; }
};

// Opens `gen:NAME` (a preset of the generator, see generate.h) or a file, whose format is told by its first line (see
// csv.h). `limit`: of a file rows at most, 0: all; of a generator rows, 0: what its name says. `rate_scale` divides the
// time since the first arrival (2.0: twice as many a second); it is rounded once to millionths, and from there on
// everything is integers. Errors: InputError.
std::unique_ptr<TraceReader> open_trace(const std::string& name, Seed seed, std::uint64_t limit, double rate_scale);

}  // namespace yard
