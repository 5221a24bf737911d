// Hard deadlines: whether a request is expected to have its first and its last token in time on a device, as surely as
// its class asks (SloClass::sure), without its true length (I8).
//
// A prediction is cost/request_time.h's, of costs as they are believed now and the device's columns and pace: quantiles
// over likely lengths, learnt by tenant and model from answers that ended and from those that were cut short
// (cost/length_history.h), and over errors of costs, of which the part that stays with a device does not average out
// (CostSpread). What became of requests that were bound corrects it, by row of costs and by how full the device was.
// Every request that is bound teaches, whatever its class.
//
// Where no class has a hard deadline nothing of this is there: some() is false, and nothing else may be called.
//
// Threads: the shard's own. Integers. Owns: 90 KiB for each row of costs, 2.4 KiB for each tenant and model, 160 B for
// each sequence. Allocates when made only. Cost: some 3 us for each device asked about.
#pragma once
#include <array>
#include <cstdint>
#include <vector>

#include "scheduler/base/lazy_array.h"
#include "scheduler/core/policy.h"
#include "scheduler/core/sequence.h"
#include "scheduler/cost/length_history.h"
#include "scheduler/cost/request_time.h"
#include "scheduler/cost/step_cost.h"
#include "topology/fleet_view.h"

namespace yard {

// How what was told held: tokens whose time is known, and of them those no later than q50, q90, q99 said.
struct DeadlineCounts {
  struct Held {
    std::uint64_t known = 0;
    std::array<std::uint64_t, kQuantiles> in_time{};
    bool operator==(const Held&) const = default;
  };
  Held first, last;
  std::uint64_t asked = 0, refused = 0;  // placements of who may be refused, and is not late anywhere else
  bool operator==(const DeadlineCounts&) const = default;
};

class Deadlines {
 public:
  // `believed`: outlives this, and may change.
  Deadlines(const FleetView&, const CostTables& believed, std::size_t sequences);

  bool some() const { return !times_.empty(); }
  // Who is put off instead of rejected would be in nobody's way but his own: there none is hard.
  bool hard(SloClassId c) const {
    const SloClass& slo = fleet_.classes[c.value];
    return some() && slo.sure != Quantile::none && slo.on_overload == Overload::reject;
  }

  // What is asked of every device alike. Requires: some().
  struct Asked {
    RequestNow request;        // its hit is the device's
    Duration first, last;      // from now: that it may take
    Quantile sure;             // none: nothing is asked
    bool first_due, last_due;  // something is promised of it
  };
  Asked ask(const Sequence&, const Ask&) const;
  // Whether it is expected to keep its deadlines there. Requires: it is of a class with hard ones.
  bool keeps(const Asked&, const DeviceColumns&, std::uint32_t device) const;
  void was_asked(bool refused) { ++counts_.asked, counts_.refused += refused; }

  // It is bound to the device, which then looked like that.
  void binds(std::uint32_t i, const Sequence&, const Asked&, const DeviceColumns&, std::uint32_t device, Time now);
  void has_first_token(std::uint32_t i, const Sequence&);
  void ends(std::uint32_t i, const Sequence&, Outcome);

  const DeadlineCounts& counts() const { return counts_; }

 private:
  struct Told {
    RequestTimes::Told of;
    Time bound;
    DeviceId device;
    bool some, first_known;
  };
  RequestTimes::Told predict(const RequestNow&, const DeviceColumns&, std::uint32_t device) const;
  RequestTimes& times(std::uint32_t device) { return times_[row_of_[device].value]; }

  const FleetView& fleet_;
  const CostTables& tables_;
  std::vector<CostRow> row_of_;      // by device
  std::vector<RequestTimes> times_;  // by row
  LengthHistory lengths_;
  LazyArray<Told> told_;  // by sequence
  DeadlineCounts counts_;
};

}  // namespace yard
