#include "scheduler/play.h"

#include "scheduler/backend/sim_served.h"
#include "scheduler/terms_tally.h"

namespace yard {
namespace {

class Counter final : public SimObserver {
 public:
  Counter(const Play& play, Meter& meter)
      : play_(play),
        meter_(meter),
        idle_(play.fleet.view.pools.size()),
        beside_work_(idle_.size()),
        since_(play.counted_from) {}

  void finished(std::uint64_t row, const Finish& finish) override {
    if (finish.account.arrival < play_.counted_from) return;
    meter_.on_finish(finish);
    if (play_.also) play_.also->finished(row, finish);
  }
  void launched(const Launch& launch, Time now) override {
    if (now >= play_.counted_from) meter_.on_launch(launch, now);
  }
  void moves(const Move& move, Time now) override {
    if (now >= play_.counted_from) meter_.on_move(move, now);
  }
  void move_ended(const MoveEnded& end, Time now) override { meter_.on_move_ended(end, now); }
  void run_ended(const RunEnded& end, Time now) override { meter_.on_run_ended(end, now); }  // others it does not know
  void ticked(Time now, const Core& core) override {
    if (begun_ || now < play_.counted_from) return;
    begun_ = true;
    since_ = now;
    terms_ = terms_of(core, play_.fleet.view, now);
    for (std::uint32_t p = 0; p < idle_.size(); ++p) {
      idle_[p] = core.idle({p}, now);
      beside_work_[p] = core.idle_beside_work({p}, now);
    }
  }

  void end(const Core& core, Time last, Played& played) const {
    played.terms = since(terms_, terms_of(core, play_.fleet.view, last));
    for (std::uint32_t p = 0; p < idle_.size(); ++p) {
      const PoolView& pool = play_.fleet.view.pools[p];
      played.idle_beside_work.push_back(core.idle_beside_work({p}, last) - beside_work_[p]);
      if (pool.kind == PoolKind::served && begun_)
        meter_.served_busy({p}, (last - since_) * pool.devices - (core.idle({p}, last) - idle_[p]));
    }
  }

 private:
  const Play& play_;
  Meter& meter_;
  std::vector<Duration> idle_, beside_work_;  // by pool, at since_
  TermsTally terms_;                          // likewise
  Time since_;
  bool begun_ = false;
};

}  // namespace

Played play(const Play& play, ArrivalSource& source) {
  const FleetView& fleet = play.fleet.view;
  Played played(fleet);
  Core core(kSimulationBounds, fleet, play.believed ? *play.believed : play.fleet.tables, play.policies, play.seed);
  SimFleet devices(fleet, play.fleet.tables, kSimulationBounds, play.exact);
  Counter counter(play, played.meter);
  SimLoop loop(core, kSimulationBounds, fleet.devices(), devices, counter);
  SimNews news(fleet, play.seed);
  loop.hears(news);
  SimLinks links(fleet);
  loop.moves_over(links);
  const Time last = loop.run(source);
  counter.end(core, last, played);
  played.meter.add_gaps(devices.gaps());
  played.ledger = core.ledger();
  CHECK_WHY(played.ledger.balances() && played.ledger.in_flight == 0, "everything that arrived has ended (I1)");
  played.decision_hash = core.hash();
  return played;
}

}  // namespace yard
