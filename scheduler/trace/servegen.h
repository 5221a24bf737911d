// A day of many clients, each with its own rate, burstiness and lengths: what ServeGen publishes of a production
// service (Xiang et al., ServeGen, 2025; Apache-2.0), and rows drawn from it with integers only.
//
//   gen:servegen?dir=PATH&rate=R&hours=H&from=H      or the folder's name alone
//
//   dir     a folder of chunk-N-trace.csv and chunk-N-dataset.json, one pair for each client
//   rate    requests a second, of all clients, on average over the whole file: 0.001 to 100000, at most six decimals;
//   as
//           recorded where it is not given (16.0 for the 73 clients of deepseek-r1)
//   hours   how long: 0.001 to 100000, rounded up to whole windows; the file's length (a day) where it is not given
//   from    hour of the file to begin with: 0 to its end, rounded down to a window; 0 where it is not given
//   A limit of rows, where one is given, counts instead of hours. Behind the file's end it begins again.
//
//   chunk-N-trace.csv     no header: time (s), rate (requests/s), cv, pattern (Gamma or Weibull), shape, scale; a row
//   for
//                         each window, all as long as the first (600 s). Where rate is 0 the rest may be empty
//   chunk-N-dataset.json  by time (s): input_tokens and output_tokens, each a text "{tokens: share, ...}"
//
// As ServeGen generates: a client's window has rate * window requests (what is left over goes to its next window); gaps
// between them have the window's pattern and shape, and are stretched to fill the window, so that cv and scale are not
// needed. Lengths are drawn from the table in force, input and output each for itself. Other fields of the data
// (reason_ratio, images) and any relation of a client's one request to the next are left out; ServeGen has none either.
//
// The same folder, options, seed and limit give the same rows on every build. Each client has its own streams of chance
// for gaps, inputs and outputs, by its N: taking a client out changes no other.
//
// Threads: one. Memory: the folder's tables (12 bytes a length). Cost: about 0.2 us a row (bench/trace_bench.cpp).
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "scheduler/trace/servegen_data.h"
#include "scheduler/trace/trace.h"

namespace yard {

struct ServeGenSpec {
  std::string folder;
  std::uint64_t rate_micro = 0;   // requests in 10^6 s; 0: as recorded
  std::uint64_t hours_micro = 0;  // 0: the file's length
  std::uint64_t from_micro = 0;   // hours
};

// `name`: with its `gen:servegen`. Errors: InputError.
ServeGenSpec parse_servegen(std::string_view name);

class ServeGenerator : public TraceReader {
 public:
  // `limit` 0: as many rows as the spec says. Errors: InputError: the folder's files.
  ServeGenerator(const ServeGenSpec&, Seed, std::uint64_t limit);
  ~ServeGenerator() override;

  std::optional<TraceRow> next() override;
  std::optional<std::uint64_t> rows() const override { return rows_; }

 private:
  class Client;
  struct Due {
    std::int64_t ns;
    std::uint32_t client;
    bool operator<(const Due& other) const {  // of a heap: the earliest on top, ties by client
      return ns != other.ns ? ns > other.ns : client > other.client;
    }
  };
  std::uint64_t rows_of_span(std::uint64_t windows) const;

  const ServeGenData data_;
  std::vector<Client> clients_;
  std::vector<Due> due_;  // a heap: each client's next
  std::uint64_t rows_ = 0, made_ = 0;
  std::int64_t first_ns_ = 0;
};

}  // namespace yard
