// Assembly of a simulation: trace -> mix -> sim_loop -> Core -> sim_stepped -> meter and rows.
#include <switchyard/replay.h>

#include <chrono>
#include <ctime>
#include <iterator>
#include <memory>
#include <utility>

#include <fmt/format.h>

#include "scheduler/aged.h"
#include "scheduler/backend/sim_served.h"
#include "scheduler/base/input_error.h"
#include "scheduler/base/output_file.h"
#include "scheduler/core/ledger.h"
#include "scheduler/cost/compile_fleet.h"
#include "scheduler/loop/reenact.h"
#include "scheduler/loop/sim_loop.h"
#include "scheduler/mixed_trace.h"
#include "scheduler/policy/registry.h"
#include "scheduler/read_ahead.h"
#include "scheduler/replay_cells.h"
#include "scheduler/report/report.h"
#include "scheduler/report/rows.h"
#include "scheduler/same_file.h"
#include "scheduler/scribe.h"
#include "scheduler/trace/trace.h"
#include "scheduler/whole_recording.h"

namespace switchyard {
namespace {

using namespace yard;

// Tells of progress about ten times a second, however often it is asked to.
class Herald {
 public:
  Herald(const std::function<void(const Progress&)>& tell, std::optional<std::uint64_t> of) : tell_(tell), of_(of) {}

  void tell(std::uint64_t ended) {
    if (!tell_) return;
    const auto now = std::chrono::steady_clock::now();
    if (now - told_ < std::chrono::milliseconds(100)) return;
    told_ = now;
    tell_({.ended = ended, .of = of_});
  }

 private:
  const std::function<void(const Progress&)>& tell_;
  const std::optional<std::uint64_t> of_;
  std::chrono::steady_clock::time_point told_ = std::chrono::steady_clock::now();
};

// What a fleet of one shard writes down: its rows too, and it says how far it is.
class WholeScribe final : public Scribe {
 public:
  WholeScribe(const FleetView& fleet, RowWriter* rows, Herald& herald) : Scribe(fleet), rows_(rows), herald_(herald) {}

  void finished(std::uint64_t row, const Finish& finish) override {
    Scribe::finished(row, finish);
    if (rows_) rows_->write(row, finish);
    if (++ended_ % kAskTheClock == 0) herald_.tell(ended_);
  }

 private:
  static constexpr std::uint64_t kAskTheClock = 1024;

  RowWriter* const rows_;
  Herald& herald_;
  std::uint64_t ended_ = 0;
};

Exact exact_from(const std::string& name) {
  if (name == "jump") return Exact::jump;
  if (name == "step") return Exact::step;
  throw InputError("", 0, "exact", "found '" + printable(name) + "'", "accepted: jump, step");
}

double cpu_seconds() {
  timespec t{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

Duration seconds_of(double s) { return Duration(static_cast<std::int64_t>(s * 1e9)); }

// No output may lie on another one or on what is read.
void refuse_shared_files(const Simulation& o, const std::vector<std::string>& recordings) {
  if (o.record == "-") throw InputError("", 0, "record", "found '-'", "accepted: a file");
  struct Named {
    const char* key;
    const std::string& path;
  };
  std::vector<Named> files = {
      {"trace", o.trace}, {"fleet", o.fleet}, {"requests_csv", o.requests_csv}, {"json", o.json}};
  for (const std::string& recording : recordings) files.push_back({"record", recording});
  for (std::size_t out = 2; out < files.size(); ++out)
    for (std::size_t other = 0; other < out; ++other)
      if (same_file(files[out].path, files[other].path))
        throw InputError("", 0, files[out].key,
                         fmt::format("found '{}', as {} is", printable(files[out].path), files[other].key),
                         "accepted: a file of its own");
}

// All of a fleet as one shard.
Driven drive(const CellsRun& run, ArrivalSource& source, Herald& herald) {
  const FleetView& fleet = run.fleet.view;
  WholeScribe scribe(fleet, run.rows, herald);
  std::optional<WholeRecording> recording;
  if (!run.recordings.empty()) {
    recording.emplace(run.recordings[0]);
    recording->recorder().head(fleet, run.fleet.tables, run.policies, run.bounds, run.seed);
    scribe.record_to(recording->recorder());
  }
  Core core(run.bounds, fleet, run.fleet.tables, run.policies, run.seed);
  SimFleet devices(fleet, run.fleet.tables, run.bounds, run.exact);
  SimLoop loop(core, run.bounds, fleet.devices(), devices, scribe);
  SimNews news(fleet, run.seed);
  loop.hears(news);
  SimLinks links(fleet);
  loop.moves_over(links);
  std::optional<CostLearner> learner;
  if (run.learn_costs) loop.learns(learner.emplace(fleet, run.fleet.tables));
  const Time last = loop.run(source);
  Driven driven{.meter = scribe.meter(), .idle_beside_work = {}, .ledger = {}};
  driven.meter.add_gaps(devices.gaps());
  add_counted(driven, core, fleet, last);
  if (recording) recording->commit();
  driven.ledger = core.ledger();
  driven.decision_hash = core.hash();
  driven.most_in_flight = loop.most_in_flight();
  return driven;
}

Replayed run(const Simulation& options) {
  const double cpu = cpu_seconds();
  const auto wall = std::chrono::steady_clock::now();

  const Exact exact = exact_from(options.exact);
  const PolicySet policies = find_policies(options.policy, options.order, options.bind);
  const CompiledFleet fleet = compile_fleet(aged(load_fleet(options.fleet), options.signals_age_s));
  std::unique_ptr<TraceReader> reader = open_trace(options.trace, options.seed, options.limit, options.rate_scale);
  Herald herald(options.progress, reader->rows());
  std::unique_ptr<ArrivalSource> source = std::make_unique<MixedTrace>(std::move(reader), fleet, options.seed);
  const bool celled = !fleet.cells.empty(), sharded = !fleet.shards.empty();
  if (options.threads > 1 && !celled) source = std::make_unique<ReadAhead>(std::move(source));

  const std::vector<std::string> recordings = recordings_of(options.record, fleet);
  refuse_shared_files(options, recordings);
  std::optional<RowWriter> rows;
  if (!options.requests_csv.empty()) rows.emplace(options.requests_csv, fleet.view);
  std::optional<OutputFile> json;
  if (!options.json.empty()) json.emplace(options.json);

  const CellsRun how{.fleet = fleet,
                     .policies = policies,
                     .bounds = kSimulationBounds,
                     .exact = exact,
                     .seed = options.seed,
                     .threads = options.threads,
                     .learn_costs = options.learn_costs,
                     .rows = rows ? &*rows : nullptr,
                     .recordings = recordings,
                     .progress = [&](std::uint64_t ended) { herald.tell(ended); }};
  const Driven driven = celled    ? drive_cells(how, *source)
                        : sharded ? drive_shards(how, *source)
                                  : drive(how, *source, herald);
  if (rows) rows->commit();

  Summary summary{.meter = &driven.meter,
                  .idle_beside_work = driven.idle_beside_work,
                  .terms = driven.terms,
                  .oldest_signals = driven.oldest_signals,
                  .decision_hash = driven.decision_hash,
                  .seed = options.seed,
                  .version = SWITCHYARD_VERSION,
                  .trace = options.trace,
                  .policy = options.policy,
                  .order = options.order,
                  .bind = options.bind,
                  .wall = {},
                  .cpu = {},
                  .cells = static_cast<std::uint32_t>(fleet.cells.size()),
                  .control_lag = fleet.control_lag,
                  .shards = static_cast<std::uint32_t>(fleet.shards.size()),
                  .door_lag = fleet.door_lag,
                  .corrections = options.learn_costs ? std::optional(driven.ledger.corrections) : std::nullopt,
                  .steals = {.offered = driven.ledger.offered,
                             .taken = driven.ledger.taken,
                             .looks = driven.ledger.looks,
                             .lost = driven.ledger.takes_lost}};
  Replayed result;
  result.cpu_seconds = cpu_seconds() - cpu;
  result.wall_seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - wall).count();
  summary.cpu = seconds_of(result.cpu_seconds);
  summary.wall = seconds_of(result.wall_seconds);
  result.text = report_text(summary);
  result.json = report_json(summary);
  if (json) {
    json->write(result.json);
    json->commit();
  }
  const Ledger& ledger = driven.ledger;
  CHECK_WHY(ledger.balances() && ledger.in_flight == 0, "everything that arrived has ended (I1)");
  result.attained = driven.meter.all().attained;
  result.decision_hash = driven.decision_hash;
  result.arrived = ledger.submitted;
  result.done = ledger.of(yard::Outcome::done);
  result.cancelled = ledger.of(yard::Outcome::cancelled);
  result.rejected = ledger.of(yard::Outcome::rejected);
  result.failed = ledger.of(yard::Outcome::failed);
  result.most_in_flight = driven.most_in_flight;
  return result;
}

Reenacted run_again(const std::string& path) {
  const Reenactment r = yard::reenact(path);
  Reenacted result{
      .text = {}, .equal = r.equal, .decision_hash = r.hash_reenacted, .ticks = r.ticks, .cut_at = r.cut_at};
  result.text = fmt::format(
      "re-enacted {} ticks ({} of them timers only), {} events: {} submitted, {} cancels, {} ends of runs, {} device "
      "changes\n"
      "commands {}, preemptions {}, late events ignored {}\n",
      r.ticks, r.timer_only_ticks, r.events, r.events_by_kind[0], r.events_by_kind[1], r.events_by_kind[2],
      r.events_by_kind[3], r.commands, r.ledger.preemptions,
      r.ledger.late_cancels + r.ledger.late_run_ends + r.ledger.same_states);
  if (r.cut_at)
    result.text += fmt::format("the recording is cut at byte {}: all before it was re-enacted\n", *r.cut_at);
  if (r.ticks == 0)
    result.text += "nothing to compare\n";
  else
    result.text += fmt::format("decision hash {:016x}, recorded {:016x}: {}\n", r.hash_reenacted, r.hash_recorded,
                               r.equal ? "the same" : "DIFFERENT");
  if (r.difference)
    result.text +=
        fmt::format("they part between ticks {} and {}\n", r.difference->first_tick, r.difference->last_tick);
  return result;
}

// Returns: what `make` makes, or what was wrong with what it was given.
template <class Result, class Make>
std::variant<Result, ConfigError> guarded(const Make& make) noexcept {
  try {
    return make();
  } catch (const InputError& e) {
    return ConfigError(e.file, e.line, e.key, e.found, e.accepted);
  } catch (const std::bad_alloc&) {
    return ConfigError("", 0, "", "out of memory", "give a smaller fleet or trace");
  }
}

}  // namespace

std::variant<Replayed, ConfigError> simulate(const Simulation& options) noexcept {
  return guarded<Replayed>([&] { return run(options); });
}

std::variant<Reenacted, ConfigError> reenact(const std::string& recording) noexcept {
  return guarded<Reenacted>([&] { return run_again(recording); });
}

}  // namespace switchyard
