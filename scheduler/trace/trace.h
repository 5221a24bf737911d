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
};

class TraceReader {
 public:
  virtual ~TraceReader() = default;

  // Returns: the next row, or nothing at the end. Errors: InputError naming file, line and column.
  virtual std::optional<TraceRow> next() = 0;

  // Returns: how many rows there are, where known beforehand (for progress).
  virtual std::optional<std::uint64_t> rows() const { return std::nullopt; }
};

// Opens `gen:NAME` (a preset of the generator) or a file, whose format is told by its first line. `limit`: rows at
// most, 0: all of a file, and what the preset says of a generator. `rate_scale` divides the time between arrivals (2.0:
// twice as many a second). Errors: InputError.
std::unique_ptr<TraceReader> open_trace(const std::string& name, Seed seed, std::uint64_t limit, double rate_scale);

}  // namespace yard
