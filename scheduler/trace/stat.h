// What a trace looks like, in one pass; and a trace written as a file.
//
// Memory is constant, but where rows have prefixes: 16 to 32 bytes for each distinct block and session.
// Percentiles are a histogram's (within 0.8 %); counts, sums, means and extremes are exact.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "scheduler/base/histogram.h"
#include "scheduler/trace/name_set.h"
#include "scheduler/trace/trace.h"

namespace yard {

class OutputFile;

// What of a trace's prompts was there before: what a cache that never forgets would hit.
class PrefixStat {
 public:
  void add(const TraceRow&);

  bool any() const { return rows_ > 0; }
  std::uint64_t rows() const { return rows_; }                 // with a known prefix
  std::uint64_t repeated_tokens() const { return repeated_; }  // of prompts, that begin an earlier prompt
  std::uint64_t blocks() const { return blocks_; }             // with repetitions
  std::uint64_t distinct_blocks() const { return names_.size(); }
  std::uint64_t sessions() const { return sessions_.size(); }
  Tokens block() const { return block_; }  // of the last row that had one

 private:
  NameSet names_, sessions_;
  std::uint64_t rows_ = 0, repeated_ = 0, blocks_ = 0;
  Tokens block_{0};
};

class TraceStat {
 public:
  // Requires: rows in order of arrival.
  void add(const TraceRow&);

  std::uint64_t rows() const { return prompt_.count(); }
  Duration duration() const { return last_ - first_; }  // from the first arrival to the last
  std::uint64_t rate_milli() const;                     // arrivals per 1000 s: gaps by duration; 0 below two rows
  std::uint64_t gap_cv_milli() const;                   // thousandths: deviation by mean of the time between arrivals
  const Histogram& gap() const { return gap_; }         // ns
  const Histogram& prompt() const { return prompt_; }   // tokens
  const Histogram& output() const { return output_; }   // tokens
  const PrefixStat& prefix() const { return prefix_; }

 private:
  Histogram gap_, prompt_, output_;
  Wide gap_squares_ = 0;  // ns^2; at most duration^2, so below 2^124
  Time first_, last_;
  PrefixStat prefix_;
};

// Reads to the end. Errors: the reader's.
TraceStat stat_of(TraceReader&);

// `name`: the trace as the user gave it. Returns: lines for people; an object for programs, units as suffixes.
std::string stat_text(const TraceStat&, std::string_view name);
std::string stat_json(const TraceStat&, std::string_view name);

// Writes every row so that open_trace() reads back the same rows: as CSV (csv.h, our dialect), or, where the reader's
// rows have prefixes, as JSON lines (mooncake.h). The caller commits. Returns: how many rows.
// Errors: InputError: the reader's, or the file cannot be written.
std::uint64_t write_trace(TraceReader&, OutputFile&);

// The same as CSV in any case: prefixes and sessions are lost.
std::uint64_t write_trace_csv(TraceReader&, OutputFile&);

}  // namespace yard
