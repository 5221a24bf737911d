#include "scheduler/replay_cells.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "scheduler/backend/sim_served.h"
#include "scheduler/loop/cells.h"
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

void add(Ledger& all, const Ledger& one) {
  all.submitted += one.submitted;
  all.in_flight += one.in_flight;
  for (std::size_t i = 0; i < all.ended.size(); ++i) all.ended[i] += one.ended[i];
  for (std::size_t i = 0; i < all.reasons.size(); ++i) all.reasons[i] += one.reasons[i];
}

}  // namespace

std::vector<std::string> recordings_of(const std::string& record, std::size_t cells) {
  if (record.empty()) return {};
  if (cells == 0) return {record};
  std::vector<std::string> paths;
  for (std::size_t c = 0; c < cells; ++c) paths.push_back(fmt::format("{}.cell{}", record, c));
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

Driven drive_cells(const CellsRun& run, ArrivalSource& source) {
  const std::vector<CellView>& views = run.fleet.cells;
  const Bounds bounds = bounds_of_one(run.bounds, views.size());
  std::vector<std::unique_ptr<Scene>> scenes;
  std::vector<CellOutside> outsides;
  for (std::uint32_t c = 0; c < views.size(); ++c) {
    scenes.push_back(std::make_unique<Scene>(run, views[c], bounds));
    if (!run.recordings.empty()) scenes[c]->record(run.recordings[c], run, bounds, Cells::seed_of(run.seed, c));
    outsides.push_back({.devices = &scenes[c]->devices(), .observer = scenes[c].get()});
  }
  Cells cells(views, outsides, run.fleet.tables, run.policies, bounds, run.seed, run.fleet.control_lag);

  std::vector<Ending> endings;
  const Time last = cells.run(source, run.threads, [&] {
    std::uint64_t ended = 0;
    for (const auto& scene : scenes) {
      ended += scene->ended();
      scene->hand_over(run.fleet.view, endings);
    }
    std::ranges::stable_sort(endings, {}, [](const Ending& e) { return e.finish.account.finish; });
    for (const Ending& e : endings) run.rows->write(e.row, e.finish);
    endings.clear();
    if (run.progress) run.progress(ended);
  });

  Driven all{.meter = Meter(run.fleet.view), .idle_beside_work = {}, .ledger = {}};
  for (std::uint32_t c = 0; c < views.size(); ++c) {
    all.meter.merge(scenes[c]->meter());
    all.meter.add_gaps(scenes[c]->devices().gaps());
    add_counted(all, cells.core(c), views[c].view, last);
    add(all.ledger, cells.core(c).ledger());
    scenes[c]->commit();
  }
  all.decision_hash = cells.hash();
  all.most_in_flight = cells.most_in_flight();
  return all;
}

}  // namespace yard
