#include "scheduler/loop/cells.h"

#include <algorithm>
#include <optional>

#include "scheduler/base/check.h"
#include "scheduler/loop/node_arenas.h"

namespace yard {
namespace {

constexpr std::uint64_t kCellStream = 0x63656c6c2d736565ull, kRouterStream = 0x726f757465722d73ull;

}  // namespace

// What was handed to a cell for the present piece.
class Cells::Given final : public ArrivalSource {
 public:
  explicit Given(Batch& batch) : batch_(batch) {}
  std::optional<Arrival> next() override {
    if (at_ == batch_.rows.size()) return std::nullopt;
    Arrival& arrival = batch_.rows[at_++];
    arrival.facts.prefix = std::span(batch_.hashes).subspan(hash_, arrival.facts.prefix.size());
    hash_ += arrival.facts.prefix.size();
    return arrival;
  }

 private:
  Batch& batch_;
  std::size_t at_ = 0, hash_ = 0;
};

struct Cells::Cell {
  Cell(const CellView& view, const CellOutside& outside, const CostTables& tables, const PolicySet& policies,
       const Bounds& bounds, Seed seed)
      : core(bounds, view.view, tables, policies, seed),
        loop(core, bounds, view.view.devices(), *outside.devices, *outside.observer),
        faults(outside.faults),
        news(view.view, seed) {
    loop.hears(news);
    if (outside.learns) loop.learns(learner.emplace(view.view, tables));
  }
  Core core;
  SimLoop loop;
  const std::vector<Fault> faults;
  SimNews news;
  std::optional<CostLearner> learner;
  Time last;
};

Cells::Cells(std::span<const CellView> views, std::span<const CellOutside> outsides, const CostTables& tables,
             const PolicySet& policies, const Bounds& bounds, Seed seed, Duration lag)
    : lag_(lag), placement_(views, tables, policies, Rng::stream(seed, kRouterStream).next()) {
  CHECK(!views.empty() && views.size() == outsides.size() && lag.count() > 0);
  for (std::uint32_t c = 0; c < views.size(); ++c) {
    cells_.push_back(std::make_unique<Cell>(views[c], outsides[c], tables, policies, bounds, seed_of(seed, c)));
    summaries_.emplace_back(views[c].view);
    cells_.back()->core.summarise(summaries_.back());  // what all know at the start
  }
  for (Piece& piece : pieces_) piece.arrivals.resize(views.size());
}

Cells::~Cells() = default;

const Core& Cells::core(std::uint32_t cell) const { return cells_[cell]->core; }

Seed Cells::seed_of(Seed seed, std::uint32_t cell) {
  return cell == 0 ? seed : Rng::stream(seed ^ kCellStream, cell).next();
}

std::int64_t Cells::epoch_of(Time t) const {
  const std::int64_t q = t.ns() / lag_.count();
  return t.ns() % lag_.count() < 0 ? q - 1 : q;
}

Time Cells::run(ArrivalSource& source, std::uint32_t threads, const std::function<void()>& exchanged) {
  NodeArenas arenas(threads);
  next_ = source.next();
  if (next_) {
    heard_ = epoch_of(next_->facts.arrival);
    prepared_ = end_of(*heard_ - 1);
  }
  prepare(pieces_[0], source);
  for (std::size_t k = 0;; k ^= 1) {
    Piece &now = pieces_[k], &after = pieces_[k ^ 1];
    const bool last = now.until == Time::never();
    hear();
    // Task 0 is the router's, on the arrivals of the piece after.
    const auto task = [&](std::uint32_t i) {
      if (i > 0)
        step(i - 1, now);
      else if (!last)
        prepare(after, source);
    };
    arenas.each(size() + 1, task);
    if (exchanged) exchanged();
    if (last) break;
  }
  Time last;
  for (const auto& cell : cells_) last = std::max(last, cell->last);
  return last;
}

// Before the first arrivals of an epoch are placed: what the cells said at the end of the last but one has come.
void Cells::hear() {
  if (!next_) return;
  const std::int64_t epoch = epoch_of(next_->facts.arrival);
  if (heard_ == epoch || prepared_ < end_of(epoch - 1)) return;
  placement_.hear(summaries_, heard_ && *heard_ == epoch - 1);
  heard_ = epoch;
}

// The next piece: the arrivals of an epoch, or some of them; or the time without arrivals up to the exchange before
// those, or between it and them.
void Cells::prepare(Piece& piece, ArrivalSource& source) {
  for (Batch& batch : piece.arrivals) batch.rows.clear(), batch.hashes.clear();
  if (!next_) {
    piece.until = Time::never();
    return;
  }
  const std::int64_t epoch = epoch_of(next_->facts.arrival);
  const Time exchange = end_of(epoch - 2), begin = end_of(epoch - 1), end = end_of(epoch);
  piece.until = prepared_ < exchange ? exchange : prepared_ < begin ? begin : end;
  if (prepared_ >= begin) place_arrivals(piece, end, source);
  piece.exchange = piece.until == end_of(epoch_of(piece.until) - 1);
  prepared_ = piece.until;
}

void Cells::place_arrivals(Piece& piece, Time before, ArrivalSource& source) {
  Time latest;
  std::size_t rows = 0, hashes = 0;
  while (next_ && next_->facts.arrival < before) {
    const Submitted& facts = next_->facts;
    if ((rows >= kMostArrivals || hashes >= kMostHashes) && facts.arrival > latest) {
      piece.until = facts.arrival;
      return;
    }
    latest = facts.arrival;
    ++rows, hashes += facts.prefix.size();
    Batch& batch = piece.arrivals[placement_.place(facts)];
    batch.rows.push_back(*next_);
    batch.hashes.insert(batch.hashes.end(), facts.prefix.begin(), facts.prefix.end());
    next_ = source.next();
  }
  if (!next_) piece.until = Time::never();
}

void Cells::step(std::uint32_t c, Piece& piece) {
  Cell& cell = *cells_[c];
  Given given(piece.arrivals[c]);
  if (piece.until == Time::never()) {
    cell.last = cell.loop.run(given, cell.faults);
  } else {
    cell.loop.run_until(piece.until, given, cell.faults);
    if (piece.exchange) cell.core.summarise(summaries_[c]);
  }
}

std::uint64_t Cells::hash() const {
  if (size() == 1) return cells_[0]->core.hash();
  DecisionHash all;
  all.add(placement_.hash());
  for (const auto& cell : cells_) all.add(cell->core.hash());
  return all.value();
}

std::uint64_t Cells::most_in_flight() const {
  std::uint64_t most = 0;
  for (const auto& cell : cells_) most += cell->loop.most_in_flight();
  return most;
}

}  // namespace yard
