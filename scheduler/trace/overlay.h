// Several copies of one trace on top of each other, each begun somewhere else and run round as a ring, at a rate of
// one's choice: how the load of one traced cluster becomes that of a larger one.
//
//   gen:overlay?path=PATH&copies=8&rate=400
//
//   path     any trace, but one with two options of its own; held in memory. What it draws it draws by seed 1
//   copies   how many lie on top of each other: 1 to 64; 1 where it is not given
//   rate     requests a second, of all copies, on average: 0.001 to 10000000; as recorded, times copies, where it is
//            not given. Time is stretched evenly: bursts of the file's minutes become bursts of seconds
//   seconds  how long it lasts, at most; where it is not given, until each copy has gone round once
//   longest  rows whose prompt and answer have more tokens in all are left out: 1 to 33554432
//   span     only the file's rows in so many seconds after its first are taken
//   A limit of rows, where one is given, counts instead of going round once.
//
// Copies begin at offsets drawn from the seed, evenly over the ring. Names of blocks and conversations are salted by
// copy and by turn, so that no two share anything; the first copy's first turn has the file's own.
//
// Threads: one; the rows are shared. Memory: the longest prefix.
// O1  Rows come in order of time, ties by copy; the first has arrival 0.
// O2  The same rows, seed and number of copies give the same order at every rate: only times are stretched.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "scheduler/trace/trace_rows.h"

namespace yard {

struct OverlaySpec {
  std::string path;
  RowsKept kept;
  std::uint32_t copies = 1;
  std::uint64_t rate_micro = 0;  // requests in 10^6 s; 0: as recorded, times copies
  std::int64_t seconds_ns = 0;   // 0: no such bound
};

// `name`: with its `gen:overlay`. Errors: InputError.
OverlaySpec parse_overlay(std::string_view name);

class Overlay : public TraceReader {
 public:
  static constexpr Seed kInnerSeed = 1;  // of the trace inside, so that all seeds share its rows

  // `limit` 0: once round, or as long as the spec's seconds. Errors: InputError: a rate that makes a turn too long.
  Overlay(std::shared_ptr<const TraceRows>, const OverlaySpec&, Seed, std::uint64_t limit);

  std::optional<TraceRow> next() override;
  std::optional<std::uint64_t> rows() const override { return seconds_ns_ > 0 ? std::nullopt : std::optional(limit_); }
  bool has_max_output() const override { return rows_->has_max_output(); }
  bool has_answers() const override { return rows_->has_answers(); }
  bool has_adapters() const override { return rows_->has_adapters(); }
  bool has_prefix() const override { return rows_->has_prefix(); }

 private:
  struct Copy {
    std::int64_t offset_ns;  // where in the ring it begins
    std::size_t at;          // its next row
    std::uint64_t turns = 0;
    std::int64_t due_ns;  // of that row, unstretched, since the overlay's begin
  };
  void aim(Copy&) const;
  std::int64_t stretched(std::int64_t due_ns) const;
  void salt(TraceRow&, std::uint64_t salt);

  const std::shared_ptr<const TraceRows> rows_;
  std::vector<Copy> copies_;
  const std::int64_t seconds_ns_;
  std::uint64_t limit_, made_ = 0;
  std::int64_t turn_ns_;  // a ring's length, stretched
  std::int64_t first_ns_ = 0;
  std::vector<std::uint64_t> names_;  // of the present row
};

}  // namespace yard
