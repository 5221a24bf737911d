// A trace held in memory, so that many simulations read it at once, each from where it likes.
//
// Threads: made by one, then constant: any number may read. Memory: 48 bytes a row and 8 a block of its prefix.
#pragma once
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <vector>

#include "scheduler/trace/trace.h"

namespace yard {

// Which rows of a trace are held, and how finely.
struct RowsKept {
  Tokens longest = Tokens::max();  // rows of a longer prompt and answer are left out
  Duration span = Duration(std::numeric_limits<std::int64_t>::max());  // and all from so long after the first row on
  Tokens block{0};  // names of every block that ends at a multiple of it are kept; 0: of all
};

class TraceRows {
 public:
  static constexpr std::size_t kMostRows = std::size_t{1} << 24, kMostNames = std::size_t{1} << 28;

  // Reads `from` to its end. Errors: InputError, with `name` for the trace: no rows, more than are held, or blocks that
  // do not divide `kept.block`.
  static std::shared_ptr<const TraceRows> read(TraceReader& from, const std::string& name, const RowsKept& kept = {});

  std::size_t size() const { return rows_.size(); }
  std::int64_t arrival_ns(std::size_t i) const { return rows_[i].arrival_ns; }
  // Its prefix lives as long as this does.
  TraceRow row(std::size_t i) const;

  // From the first arrival until it begins again: a mean gap after the last one.
  std::int64_t ring_ns() const { return ring_ns_; }
  bool has_prefix() const { return block_.count() > 0; }
  bool has_max_output() const { return has_max_output_; }
  bool has_answers() const { return has_answers_; }
  bool has_adapters() const { return has_adapters_; }

 private:
  struct Row {
    std::int64_t arrival_ns;
    std::uint64_t session;
    std::uint32_t names_begin, names;
    std::uint32_t answers, adapter;
    std::int32_t prompt, output, max_output;  // max_output below 0: none
  };

  std::vector<Row> rows_;
  std::vector<std::uint64_t> names_;
  Tokens block_{0};
  std::int64_t ring_ns_ = 0;
  bool has_max_output_ = false, has_answers_ = false, has_adapters_ = false;
};

}  // namespace yard
