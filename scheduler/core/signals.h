// What those who choose a device see of it. Own placements count at once; all else (that somebody was admitted, grew,
// ended, was preempted, what is cached) is as old as signals are, `FleetView::signals_age`. On served devices others'
// load is added, as engines report it (foreign_load.h).
//
//   seen = all that was ever bound there (now) + what else changed (as of now - age) + others' + forecasts
//
// A forecast (forecasts.h) takes what was placed for read when that is expected and not yet known.
//
// Where signals are of no age and no device is served, this is the devices' own columns, and costs nothing. An age is
// kept in slots of 1/32 of it: what is seen is thus at least as old as said, and at most by 1/32 older.
//
// Threads: the shard's own. Owns: 34 rows for each device where signals have an age.
#pragma once
#include <algorithm>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "scheduler/base/heap.h"
#include "scheduler/core/device.h"
#include "scheduler/core/forecasts.h"
#include "scheduler/core/foreign_load.h"

namespace yard {

class Signals {
 public:
  Signals(const FleetView&, const CostTables&, const Devices&, const ForeignLoad&);

  // Returns: whether anything is seen otherwise than it is. Else nothing is ever heard, nor known anew.
  bool differ() const { return differ_; }
  bool aged() const { return age_.count() > 0; }

  // It has joined the device's line, bound there; `expected` is the length of its answer.
  void bound(std::uint32_t d, Sequence&, Tokens expected, Time now);
  // Its KV is on the way to there.
  void comes(std::uint32_t d, const Sequence&, Time now);
  // Its prompt has been read, or it has left the device that it was bound to.
  void read(Sequence& s, Time now) { forecasts_.known(std::exchange(s.forecast, Forecasts::kNone), now); }
  // Something happened to these: it is known once it is as old as signals are.
  void note(std::span<const std::uint32_t> touched, Time now);
  // Others' load there is known anew.
  void others(std::uint32_t d, Time now);
  // What has come to be known by now; before anything else happens now. Returns: whether anything has.
  bool hear(Time now);
  Time next() const { return std::min({due_.next(), fades_.next(), forecasts_.next()}); }

  const DeviceColumns& columns() const { return differ_ ? columns_ : devices_.columns(); }

  void show_prices(std::span<const std::int64_t> by_device) { columns_.marginal_price = by_device; }

  // A decision was made on what is seen of the device. The greatest age of what was used so, by pool.
  void used(std::uint32_t d, Time now);
  Duration oldest_used(PoolId p) const { return oldest_used_[p.value]; }

 private:
  // The columns that are late, less what was ever bound there. `by_class` stands apart.
  struct Row {
    std::int64_t waiting = 0, running = 0, prefill = 0, kv_tokens = 0, waiting_tokens = 0, cached = 0;
    std::uint32_t prefill_share = 0;
  };
  struct Delayed {  // a ring of rows, oldest first
    std::uint32_t first = 0, size = 0;
    std::int64_t slot = 0;  // of the newest
  };
  static constexpr std::uint32_t kRows = 34;
  static constexpr std::int64_t kSlotsPerAge = 32;

  void read(std::uint32_t d, Row&, std::int64_t* by_class) const;
  void delay(std::uint32_t d, Time now);
  void forecast(const Forecasts::Change&, Time now);
  Time expect_read(std::uint32_t d, const Sequence&, Tokens expected, Time now);
  void show(std::uint32_t d, Time now);

  const FleetView& fleet_;
  const CostTables& tables_;
  const Devices& devices_;
  const ForeignLoad& foreign_;
  const Duration age_, slot_;
  const bool differ_;
  const std::size_t classes_;

  // by device: bound in all; the rest, as far as it is known
  std::vector<Row> bound_, known_, forecast_;
  std::vector<Time> read_until_;  // until when a device is expected to read what was bound there
  std::vector<std::int64_t> bound_class_, known_class_;

  // what is not known yet: kRows of each device
  std::vector<Delayed> delayed_;
  std::vector<Row> rows_;
  std::vector<Time> due_at_;
  std::vector<std::int64_t> class_rows_;
  TimeHeap due_;
  TimeHeap fades_;  // when others' load counts less
  Forecasts forecasts_;

  // what is seen
  std::vector<std::uint32_t> waiting_, running_, by_class_, prefill_share_;
  std::vector<std::int64_t> prefill_, kv_tokens_, waiting_tokens_, cached_;
  DeviceColumns columns_;
  std::vector<Duration> oldest_used_;
};

}  // namespace yard
