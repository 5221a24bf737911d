// The files of a ServeGen folder, checked, as tables of integers. See servegen.h for what they look like.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "scheduler/base/hash.h"
#include "scheduler/base/units.h"

namespace yard {

// Lengths with their shares, drawn by 64 random bits.
class LengthTable {
 public:
  bool empty() const { return tokens_.empty(); }
  Tokens sample(std::uint64_t random) const;
  // In units that sum to total(): what the shares make of it, for tests and means.
  std::uint64_t total() const { return upto_.empty() ? 0 : upto_.back(); }

  // `text`: "{tokens: share, ...}" as Python writes a dictionary. Returns: what is wrong with it, or nothing.
  std::string parse(std::string_view text, std::int32_t least);

 private:
  std::vector<std::int32_t> tokens_;
  std::vector<std::uint64_t> upto_;  // sum of the shares up to each, in 10^-15
};

struct ServeGenClient {
  struct Window {
    std::uint64_t rate_nano = 0;  // requests in 10^9 s; at most 10^15
    std::uint64_t shape_micro = 1'000'000;
    bool weibull = false;  // else gamma
  };
  struct Period {
    std::int64_t begin_s = 0;
    LengthTable prompt, output;
  };
  std::uint64_t number = 0;  // N of its files
  std::vector<Window> windows;
  std::vector<Period> periods;  // by time

  const Period& period_at(std::int64_t second) const;
};

struct ServeGenData {
  std::vector<ServeGenClient> clients;  // by number; those that never ask are left out
  std::int64_t window_s = 0;
  std::size_t windows = 0;  // of the longest client; those of shorter ones are silent at their end

  // Returns: requests in 10^9 s, of all clients, on average.
  std::uint64_t rate_nano() const;
};

// Returns: whether the folder has a chunk-N-trace.csv.
bool is_servegen_folder(const std::string& folder);

// Errors: InputError naming file, line or key.
ServeGenData read_servegen(const std::string& folder);

}  // namespace yard
