// What a trace looks like, in one pass and constant memory; and a trace written as a file.
//
// Percentiles are a histogram's (within 0.8 %); counts, sums, means and extremes are exact.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "scheduler/base/histogram.h"
#include "scheduler/trace/trace.h"

namespace yard {

class OutputFile;

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

 private:
  Histogram gap_, prompt_, output_;
  Wide gap_squares_ = 0;  // ns^2; at most duration^2, so below 2^124
  Time first_, last_;
};

// Reads to the end. Errors: the reader's.
TraceStat stat_of(TraceReader&);

// `name`: the trace as the user gave it. Returns: lines for people; an object for programs, units as suffixes.
std::string stat_text(const TraceStat&, std::string_view name);
std::string stat_json(const TraceStat&, std::string_view name);

// Writes every row as CSV that open_trace() reads back to the same rows (csv.h, our dialect). The caller commits.
// Returns: how many rows. Errors: InputError: the reader's, or the file cannot be written.
std::uint64_t write_trace(TraceReader&, OutputFile&);

}  // namespace yard
