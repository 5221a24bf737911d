// A simulated stepped device: exact integer time, one step at a time or k of them at once.
//
// Time is kept in picoseconds since the run began; an event carries the ceiling in nanoseconds. `jump` sums the steps
// of a pure decode run in closed form and fires once; `step` fires at each boundary. Both give the same events (I6): a
// run ends at the first boundary at which a sequence ends, the step limit is reached, or whose time is at or after an
// interrupt's. Where a step costs what measured kernels say (cost/operator_profile.h) there is no closed form: both sum
// the same steps one by one.
//
// Threads: one. Owns the answers' true lengths, which Core never sees (I8), and the histogram of gaps between tokens.
#pragma once
#include <vector>

#include "scheduler/base/histogram.h"
#include "scheduler/base/lazy_array.h"
#include "scheduler/core/core.h"
#include "scheduler/cost/operator_profile.h"
#include "scheduler/cost/step_cost.h"
#include "scheduler/loop/sim_port.h"
#include "topology/fleet_view.h"

namespace yard {

enum class Exact : std::uint8_t { jump, step };

class SimStepped final : public SimDevices {
 public:
  SimStepped(const FleetView&, const CostTables&, const Bounds&, Exact);

  Time launch(const Launch&, Time now) override;
  Time interrupt(const Interrupt&, Time now) override;
  Time send(const Send&, Time) override { CHECK_WHY(false, "a stepped device is not sent sequences"); }
  Time abort(const Abort&, Time) override { CHECK_WHY(false, "a stepped device is not sent sequences"); }
  Time fire(std::uint32_t device, Time now, std::vector<Event>& said) override;
  void arrives(RequestId request, Tokens output, std::span<const BlockHash>) override {
    outputs_[request.index] = output.count();
  }

  // Returns: when the step that runs at `now` ends; `now`, where one ends there. Requires: a run that ends no sooner.
  Time step_end(std::uint32_t device, Time now) {
    Run& run = runs_[device];
    return boundary(run, paces_[device], first_boundary(run, paces_[device], now));
  }

  // Between two tokens of one sequence, nanoseconds; a gap within a run is its step's cost, rounded down.
  const Histogram& gaps() const { return gaps_; }

 private:
  struct SlotState {
    SequenceId sequence;
    std::uint32_t request;
    std::int32_t prefill, generated, end;  // end: min(true length, limit)
    bool samples;
  };
  struct Run {
    std::vector<SlotState> slots;  // the first slot_count
    std::uint32_t slot_count = 0;
    RunId id;
    Time start;
    std::uint32_t most_steps = 0;  // the boundary at which it ends if nothing interrupts it
    std::uint32_t step_limit = 0;
    std::uint32_t ends_at = 0;  // the boundary at which it will end, as known now
    std::uint32_t done = 0;     // boundaries passed (Exact::step)
    std::int64_t context = 0;   // held by its decoding sequences at the start
    std::uint32_t decoding = 0;
    std::int64_t prefill = 0, pairs = 0;
    std::int64_t behind = 0, longest = 0;  // KV behind which prompts are read; of the longest that decodes
    std::vector<Picoseconds> sums;         // by measured kernels: after each step so far asked for
    bool interrupted = false;
  };
  // What a device's steps cost: by kernels where they were measured, otherwise by the row.
  struct Pace {
    const StepCost* row;
    const OperatorProfile* kernels;
  };
  static Picoseconds after(Run&, const Pace&, std::uint32_t steps);
  static Picoseconds summed(Run&, const OperatorProfile&, std::uint32_t steps);
  static Time boundary(Run&, const Pace&, std::uint32_t steps);
  static std::uint32_t first_boundary(Run&, const Pace&, Time now);
  void end_slots(Run&, const Pace&, RunEnded&);
  void record_gaps(Run&, const Pace&, std::uint32_t steps, Time first);
  void record_decode_gaps(const Run&, const StepCost&, std::uint32_t steps);

  const Exact exact_;
  std::vector<Pace> paces_;          // by device
  std::vector<Run> runs_;            // by device
  LazyArray<std::int32_t> outputs_;  // true lengths of answers, by RequestId.index: each of several has the same
  LazyArray<Time> last_tokens_;      // by SequenceId.index
  std::vector<SlotEnd> ends_;        // of the run that ended last
  Histogram gaps_;
};

}  // namespace yard
