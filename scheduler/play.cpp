#include "scheduler/play.h"

#include <memory>
#include <optional>

#include "scheduler/backend/sim_served.h"
#include "scheduler/terms_tally.h"

namespace yard {
namespace {

class Counter final : public SimObserver {
 public:
  Counter(const Play& play, const FleetView& fleet, Meter& meter)
      : play_(play),
        fleet_(fleet),
        meter_(meter),
        idle_(fleet.pools.size()),
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
    terms_ = terms_of(core, fleet_, now);
    for (std::uint32_t p = 0; p < idle_.size(); ++p) {
      idle_[p] = core.idle({p}, now);
      beside_work_[p] = core.idle_beside_work({p}, now);
    }
  }

  void end(const Core& core, Time last, Played& played) const {
    add(played.terms, since(terms_, terms_of(core, fleet_, last)));
    played.idle_beside_work.resize(idle_.size());
    for (std::uint32_t p = 0; p < idle_.size(); ++p) {
      const PoolView& pool = fleet_.pools[p];
      played.idle_beside_work[p] += core.idle_beside_work({p}, last) - beside_work_[p];
      if (pool.kind == PoolKind::served && begun_)
        meter_.served_busy({p}, (last - since_) * pool.devices - (core.idle({p}, last) - idle_[p]));
    }
  }

 private:
  const Play& play_;
  const FleetView& fleet_;
  Meter& meter_;
  std::vector<Duration> idle_, beside_work_;  // by pool, at since_
  TermsTally terms_;                          // likewise
  Time since_;
  bool begun_ = false;
};

// A fleet in shards, each with a meter of its own: their devices have numbers of their own.
Played play_shards(const Play& play, const CostTables& believed, ArrivalSource& source) {
  struct Part {
    Part(const Play& play, const FleetView& fleet)
        : meter(fleet), devices(fleet, play.fleet.tables, kSimulationBounds, play.exact), counter(play, fleet, meter) {}
    Meter meter;
    SimFleet devices;
    Counter counter;
  };
  std::vector<std::unique_ptr<Part>> parts;
  std::vector<CellOutside> outsides;
  for (const CellView& shard : play.fleet.shards) {
    parts.push_back(std::make_unique<Part>(play, shard.view));
    outsides.push_back({.devices = &parts.back()->devices, .observer = &parts.back()->counter, .learns = play.learns});
  }
  Shards shards(play.fleet.shards, outsides, believed, play.policies, kSimulationBounds, play.seed,
                play.fleet.door_lag);
  if (play.door) shards.door(play.door);
  const Time last = shards.run(source);
  Played played(play.fleet.view);
  for (std::uint32_t s = 0; s < shards.size(); ++s) {
    parts[s]->counter.end(shards.core(s), last, played);
    played.meter.merge(parts[s]->meter);
    played.meter.add_gaps(parts[s]->devices.gaps());
    add(played.ledger, shards.core(s).ledger());
  }
  played.decision_hash = shards.hash();
  return played;
}

}  // namespace

Played play(const Play& play, ArrivalSource& source) {
  const FleetView& fleet = play.fleet.view;
  const CostTables& believed = play.believed ? *play.believed : play.fleet.tables;
  if (!play.fleet.shards.empty()) return play_shards(play, believed, source);
  Played played(fleet);
  Core core(kSimulationBounds, fleet, believed, play.policies, play.seed);
  SimFleet devices(fleet, play.fleet.tables, kSimulationBounds, play.exact);
  Counter counter(play, fleet, played.meter);
  SimLoop loop(core, kSimulationBounds, fleet.devices(), devices, counter);
  SimNews news(fleet, play.seed);
  loop.hears(news);
  SimLinks links(fleet);
  loop.moves_over(links);
  std::optional<CostLearner> learner;
  if (play.learns) loop.learns(learner.emplace(fleet, believed));
  const Time last = loop.run(source);
  counter.end(core, last, played);
  played.meter.add_gaps(devices.gaps());
  played.ledger = core.ledger();
  CHECK_WHY(played.ledger.balances() && played.ledger.in_flight == 0, "everything that arrived has ended (I1)");
  played.decision_hash = core.hash();
  return played;
}

}  // namespace yard
