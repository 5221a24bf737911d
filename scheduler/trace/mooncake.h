// A trace whose rows know their prompts' prefixes: JSON lines, one object a row, as Mooncake publishes its traces (Qin
// et al., Mooncake: Trading More Storage for Less Computation, FAST 2025) and as write_trace() writes rows with
// prefixes.
//
//   {"timestamp": 27482, "input_length": 6955, "output_length": 52, "hash_ids": [46, 47, 2353]}
//   {"arrival_ns": 27482000000, "input_length": 6955, "output_length": 52, "block_tokens": 64, "prefix": [...]}
//
//   timestamp      milliseconds, or arrival_ns: nanoseconds; whole, from any origin
//   input_length   tokens, 1 to 16,777,216; output_length: 0 to as many
//   hash_ids       a number per block: equal numbers are equal blocks with equal blocks before them. Rows get names
//   that
//                  are chained from them (chain.h); or prefix: 64-bit names that are chained already, taken as they
//                  are. At most ceil(input_length / block_tokens) of them, and at most kMostBlocks
//   block_tokens   1 to 1,048,576, the same in all rows; 512 where it is not given
//   n              answers wanted, 1 to 1,024; adapter: the how manieth of its model's, from 1: both may be missing
//   max_tokens     0 to 16,777,216; session: a number from 1: both may be missing
//
// All are whole numbers below 2^64. Keys come in any order, each once; others are ignored. Empty lines are skipped.
// Mooncake's ids count partial last blocks too. A file that was cut within a line is found out; behind one, by nobody.
//
// Threads: one. Memory: what LineReader owns with lines of 1 MiB, and simdjson's tape of the longest line. Cost: about
// 0.5 us a row of 24 blocks.
// M1  Rows come in order of time, equal times in the file's order; the first has arrival 0.
// M2  Every error is an InputError with the line and, where there is one, the key; no row comes after it.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "scheduler/trace/lines.h"
#include "scheduler/trace/trace.h"

namespace yard {

class MooncakeReader : public TraceReader {
 public:
  static constexpr std::size_t kMaxLine = 1 << 20;     // bytes
  static constexpr std::size_t kMostBlocks = 1 << 16;  // hash_ids of a row
  static constexpr Tokens kBlock{512};                 // where block_tokens is not given

  // Requires: no line was taken yet.
  explicit MooncakeReader(LineReader);
  ~MooncakeReader() override;

  // Returns: whether a file whose first line this is would be one.
  static bool is_one(std::string_view first_line);

  std::optional<TraceRow> next() override;
  bool has_max_output() const override { return true; }
  bool has_answers() const override { return true; }
  bool has_adapters() const override { return true; }
  bool has_prefix() const override { return true; }

 private:
  struct Json;
  struct Row;

  void parse(std::string_view line, Row&);
  void take_field(std::string_view key, const Json&, Row&);
  void take_blocks(std::string_view key, const Json&, Row&);
  TraceRow row_of(const Row&);
  std::uint64_t number(std::string_view key, const Json&, std::uint64_t least, std::uint64_t most) const;
  [[noreturn]] void fail(std::string_view key, std::string found, std::string accepted) const;

  LineReader lines_;
  std::unique_ptr<Json> json_;
  std::vector<std::uint64_t> blocks_;  // of the present row, as the file has them; then their names

  Tokens block_{0};  // 0: no row was read yet
  bool started_ = false;
  std::int64_t first_ns_ = 0, last_ns_ = 0, last_line_ = 0;
};

}  // namespace yard
