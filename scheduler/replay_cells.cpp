#include "scheduler/replay_cells.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "scheduler/backend/sim_served.h"
#include "scheduler/loop/cells.h"
#include "scheduler/loop/shards.h"
#include "scheduler/scribe.h"
#include "scheduler/terms_tally.h"
#include "scheduler/whole_recording.h"

namespace yard {
namespace {

struct Ending {
  std::uint64_t row;
  Finish finish;
};

// What one cell acts on and writes down. Its own thread's while it runs, the caller's between two epochs.
class Scene final : public Scribe {
 public:
  Scene(const CellsRun& run, const CellView& cell, const Bounds& bounds)
      : Scribe(cell.view),
        cell_(cell),
        devices_(cell.view, run.fleet.tables, bounds, run.exact),
        keeps_rows_(run.rows != nullptr) {}

  void record(const std::string& path, const CellsRun& run, const Bounds& bounds, Seed seed) {
    recording_.emplace(path);
    record_to(recording_->recorder());
    recording_->recorder().head(cell_.view, run.fleet.tables, run.policies, bounds, seed);
  }

  void finished(std::uint64_t row, const Finish& finish) override {
    ++ended_;
    Scribe::finished(row, finish);
    if (keeps_rows_) endings_.push_back({row, finish});
  }

  // Moves what has ended to `all`, its devices numbered as in the whole fleet.
  void hand_over(const FleetView& fleet, std::vector<Ending>& all) {
    for (Ending& e : endings_) {
      if (e.finish.account.device.some()) e.finish.account.device = cell_.in_fleet(fleet, e.finish.account.device);
      all.push_back(e);
    }
    endings_.clear();
  }

  void commit() {
    if (recording_) recording_->commit();
  }

  SimFleet& devices() { return devices_; }
  std::uint64_t ended() const { return ended_; }

 private:
  const CellView& cell_;
  SimFleet devices_;
  const bool keeps_rows_;
  std::optional<WholeRecording> recording_;
  std::vector<Ending> endings_;  // since the last exchange
  std::uint64_t ended_ = 0;
};

// A share of the fleet's bound, and room for a burst that the router sends to one cell.
Bounds bounds_of_one(Bounds bounds, std::size_t cells) {
  if (cells > 1) bounds.sequences = std::max(1u << 16, bounds.sequences / static_cast<std::uint32_t>(cells));
  return bounds;
}

}  // namespace

std::vector<std::string> recordings_of(const std::string& record, const CompiledFleet& fleet) {
  if (record.empty()) return {};
  if (fleet.cells.empty() && fleet.shards.empty()) return {record};
  std::vector<std::string> paths;
  for (std::size_t c = 0; c < fleet.cells.size(); ++c) paths.push_back(fmt::format("{}.cell{}", record, c));
  for (std::size_t s = 0; s < fleet.shards.size(); ++s) paths.push_back(fmt::format("{}.shard{}", record, s));
  return paths;
}

void add_counted(Driven& driven, const Core& core, const FleetView& fleet, Time last) {
  add(driven.terms, terms_of(core, fleet, last));
  driven.idle_beside_work.resize(fleet.pools.size());
  for (std::uint32_t p = 0; p < fleet.pools.size(); ++p)
    if (const Duration oldest = core.oldest_signal({p}); oldest.count() > 0) {
      driven.oldest_signals.resize(fleet.pools.size());
      driven.oldest_signals[p] = std::max(driven.oldest_signals[p], oldest);
    }
  for (std::uint32_t p = 0; p < fleet.pools.size(); ++p) {
    driven.idle_beside_work[p] += core.idle_beside_work({p}, last);
    if (fleet.pools[p].kind == PoolKind::served)
      driven.meter.served_busy({p}, (last - Time()) * fleet.pools[p].devices - core.idle({p}, last));
  }
}

namespace {

// Of each cell or shard, what it acts on and writes down.
class Scenes {
 public:
  Scenes(const CellsRun& run, const std::vector<CellView>& views)
      : run_(run), views_(views), bounds_(bounds_of_one(run.bounds, views.size())) {
    for (std::uint32_t c = 0; c < views.size(); ++c) {
      scenes_.push_back(std::make_unique<Scene>(run, views[c], bounds_));
      if (!run.recordings.empty()) scenes_[c]->record(run.recordings[c], run, bounds_, Cells::seed_of(run.seed, c));
      outsides_.push_back({.devices = &scenes_[c]->devices(), .observer = scenes_[c].get(), .learns = run.learn_costs});
    }
  }

  const Bounds& bounds() const { return bounds_; }
  std::span<const CellOutside> outsides() const { return outsides_; }

  void write_rows_and_tell() {
    std::uint64_t ended = 0;
    for (const auto& scene : scenes_) {
      ended += scene->ended();
      scene->hand_over(run_.fleet.view, endings_);
    }
    std::ranges::stable_sort(endings_, {}, [](const Ending& e) { return e.finish.account.finish; });
    for (const Ending& e : endings_) run_.rows->write(e.row, e.finish);
    endings_.clear();
    if (run_.progress) run_.progress(ended);
  }

  // `all`: Cells or Shards, which has run until `last`.
  Driven end(const auto& all, Time last) {
    Driven driven{.meter = Meter(run_.fleet.view), .idle_beside_work = {}, .ledger = {}};
    for (std::uint32_t c = 0; c < views_.size(); ++c) {
      driven.meter.merge(scenes_[c]->meter());
      driven.meter.add_gaps(scenes_[c]->devices().gaps());
      add_counted(driven, all.core(c), views_[c].view, last);
      add(driven.ledger, all.core(c).ledger());
      scenes_[c]->commit();
    }
    driven.decision_hash = all.hash();
    driven.most_in_flight = all.most_in_flight();
    return driven;
  }

 private:
  const CellsRun& run_;
  const std::vector<CellView>& views_;
  const Bounds bounds_;
  std::vector<std::unique_ptr<Scene>> scenes_;
  std::vector<CellOutside> outsides_;
  std::vector<Ending> endings_;
};

}  // namespace

Driven drive_cells(const CellsRun& run, ArrivalSource& source) {
  Scenes scenes(run, run.fleet.cells);
  Cells cells(run.fleet.cells, scenes.outsides(), run.fleet.tables, run.policies, scenes.bounds(), run.seed,
              run.fleet.control_lag);
  const Time last = cells.run(source, run.threads, [&] { scenes.write_rows_and_tell(); });
  return scenes.end(cells, last);
}

Driven drive_shards(const CellsRun& run, ArrivalSource& source) {
  Scenes scenes(run, run.fleet.shards);
  Shards shards(run.fleet.shards, scenes.outsides(), run.fleet.tables, run.policies, scenes.bounds(), run.seed,
                run.fleet.door_lag);
  const Time last = shards.run(source, [&] { scenes.write_rows_and_tell(); });
  scenes.write_rows_and_tell();
  return scenes.end(shards, last);
}

}  // namespace yard
