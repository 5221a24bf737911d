// What a simulation writes down as it goes: the meter's figures and, if there is one, its recording.
//
// Threads: one. Fleet and recorder outlive it.
#pragma once
#include "scheduler/loop/recorder.h"
#include "scheduler/loop/sim_loop.h"
#include "scheduler/report/meter.h"

namespace yard {

class Scribe : public SimObserver {
 public:
  explicit Scribe(const FleetView& fleet) : meter_(fleet) {}

  // Before anything happens.
  void record_to(Recorder& recorder) { recorder_ = &recorder; }
  const Meter& meter() const { return meter_; }

  void finished(std::uint64_t, const Finish& finish) override { meter_.on_finish(finish); }
  void launched(const Launch& launch, Time now) final { meter_.on_launch(launch, now); }
  void run_ended(const RunEnded& end, Time now) final { meter_.on_run_ended(end, now); }
  void moves(const Move& move, Time now) final { meter_.on_move(move, now); }
  void move_ended(const MoveEnded& end, Time now) final { meter_.on_move_ended(end, now); }
  void applied(const Event& event) final {
    if (recorder_) recorder_->event(event);
  }
  void ticked(Time now, const Core& core) final {
    if (!recorder_) return;
    recorder_->ticked(now);
    recorder_->hash(core.hash());
  }

 private:
  Meter meter_;
  Recorder* recorder_ = nullptr;
};

}  // namespace yard
