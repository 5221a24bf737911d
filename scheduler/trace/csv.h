// A trace from a CSV file, in one of two dialects told apart by the names of the columns:
//
//   TIMESTAMP,ContextTokens,GeneratedTokens                     Azure's (AzurePublicDataset, LLM inference traces)
//   arrival_ns,prompt_tokens,output_tokens[,max_tokens][,n][,adapter]     ours, as write_trace() writes it
//
// Columns go by name, in any order; others are ignored. TIMESTAMP: see timestamp.h. arrival_ns: whole nanoseconds from
// any origin. Tokens: whole numbers up to 16,777,216; a prompt has 1 or more; max_tokens 0 (a score or an embedding is
// asked for) or more, or nothing (as many as fit). n: answers wanted, each of output_tokens: 1 to 1,024, or nothing
// (1). adapter: the how manieth of its model's, from 1, or nothing. Cells may stand in quotes; a quoted cell ends on
// its line. Empty lines are skipped. A file of a header only has no rows.
//
// A file that was cut is found out if a cell is missing or empty. A cut inside the last number, or behind a whole row,
// leaves a valid file: no reader can tell.
//
// Threads: one. Memory: what LineReader owns. Cost: about 45 ns a row in the plain form, three times that in quotes.
// C1  Rows come in order of time; the first has arrival 0.
// C2  Every error is an InputError with the line and, where there is one, the column; no row comes after it.
#pragma once
#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "scheduler/trace/lines.h"
#include "scheduler/trace/timestamp.h"
#include "scheduler/trace/trace.h"

namespace yard {

class CsvReader : public TraceReader {
 public:
  // Reads the header. Requires: no line was taken yet. Errors: InputError: empty, or columns that make no dialect.
  explicit CsvReader(LineReader);

  std::optional<TraceRow> next() override;
  bool has_max_output() const override { return has_max_; }
  bool has_answers() const override { return has_answers_; }
  bool has_adapters() const override { return has_adapters_; }

 private:
  enum class Role : std::uint8_t { ignored, timestamp, arrival_ns, prompt, output, max, answers, adapter };
  struct Column {
    std::string name;
    Role role;
  };
  static constexpr std::int32_t kNoMax = -1;
  struct Values {
    std::int64_t ns = 0;
    std::int32_t prompt = 0, output = 0, max = kNoMax;
    std::uint32_t answers = 1, adapter = 0;
  };

  void read_header();
  void assign_roles(const std::vector<std::string_view>& names);
  std::vector<std::string_view> split(std::string_view line) const;

  bool parse_plain(std::string_view line, Values&);
  bool take_cell(Role, const char*& at, const char* end, Values&);
  Values parse_any(std::string_view line);
  TraceRow row_of(const Values&);

  [[noreturn]] void fail(std::string_view column, std::string found, std::string accepted) const;
  [[noreturn]] void fail_cell(const Column&, std::string_view cell);
  [[noreturn]] void fail_order(std::int64_t ns) const;

  LineReader lines_;
  std::vector<Column> columns_;
  bool has_max_ = false, has_answers_ = false, has_adapters_ = false;
  TimestampParser timestamps_;

  bool started_ = false;
  std::int64_t first_ns_ = 0, last_ns_ = 0;
  std::int64_t last_line_ = 0;
};

}  // namespace yard
