#include "scheduler/loop/live_cell.h"

#include <bit>
#include <utility>

#include <fmt/format.h>

#include "scheduler/base/rng.h"
#include "scheduler/loop/cells.h"

namespace yard {
namespace {

constexpr std::uint64_t kDoorStream = 0x6c69766564'6f6f72ull;

}  // namespace

LiveCell::LiveCell(const FleetView& fleet, std::span<const CellView> shards, const CostTables& tables,
                   const PolicySet& policies, LiveCellOptions options)
    : fleet_(fleet),
      views_(shards),
      policies_(policies),
      lag_(options.door_lag),
      places_(fleet.devices()),
      door_(shards, tables, policies_, Rng::stream(options.seed, kDoorStream).next()),
      sent_then_(shards.size()),
      heard_at_(Time() - lag_) {
  const LiveClock clock;
  for (std::uint32_t s = 0; s < shards.size(); ++s) {
    const FleetView& view = shards[s].view;
    const bool alone = shards.size() == 1;
    const Seed seed = Cells::seed_of(options.seed, s);
    std::unique_ptr<Recorder> recorder;
    if (!options.record_to.empty()) {
      recorder =
          std::make_unique<Recorder>(alone ? options.record_to : fmt::format("{}.shard{}", options.record_to, s));
      recorder->head(view, tables, policies_, options.bounds, seed);
    }
    loops_.push_back(std::make_unique<LiveLoop>(
        Core(options.bounds, view, tables, policies_, seed), view,
        LiveLoopOptions{.events_per_tick = options.bounds.events_per_tick,
                        .news = options.news,
                        .learn_from = options.learn_costs ? &tables : nullptr,
                        .learnt = options.learnt,
                        .log = options.log,
                        .spinning = options.spinning,
                        .at_start = s < options.at_start.size() ? options.at_start[s] : nullptr,
                        .clock = clock},
        std::move(recorder)));
    summaries_.emplace_back(view);
    heard_.emplace_back(view);
    for (std::uint32_t d = 0; d < view.devices(); ++d)
      places_[shards[s].in_fleet(fleet, {d}).value] = {loops_.back().get(), {d}};
  }
}

std::vector<Shard*> LiveCell::shards() const {
  std::vector<Shard*> all;
  for (const auto& loop : loops_) all.push_back(loop.get());
  return all;
}

std::optional<std::uint32_t> LiveCell::lend_lane() {
  const std::lock_guard lock(lanes_mutex_);
  const auto lane = static_cast<std::uint32_t>(std::countr_one(lanes_lent_));
  if (lane == kMostLanes) return std::nullopt;
  for (const auto& loop : loops_) loop->make_lane(lane);
  lanes_lent_ |= std::uint64_t{1} << lane;
  return lane;
}

void LiveCell::give_back_lane(std::uint32_t lane) noexcept {
  const std::lock_guard lock(lanes_mutex_);
  lanes_lent_ &= ~(std::uint64_t{1} << lane);
}

bool LiveCell::lent_any() const noexcept {
  const std::lock_guard lock(lanes_mutex_);
  return lanes_lent_ != 0;
}

ShardId LiveCell::door(const Submitted& facts) noexcept {
  if (size() == 1) return {0};
  const std::lock_guard lock(door_mutex_);
  if (const Time now = this->now(); now >= heard_at_ + lag_) hear(now);
  return {door_.place(facts)};
}

void LiveCell::hear(Time now) noexcept {
  heard_at_ = now;
  for (std::uint32_t s = 0; s < size(); ++s) {
    loops_[s]->summarise(summaries_[s]);
    heard_[s] = summaries_[s];
    const bool stands_still = summaries_[s].submitted < sent_then_[s];
    if (stands_still)
      for (PoolSummary& pool : heard_[s].pools) pool.up = 0;
    sent_then_[s] = loops_[s]->submitted();
  }
  door_.hear(heard_, false);
}

LiveLoop& LiveCell::of_domain(DomainId domain) const noexcept {
  for (const PoolView& pool : fleet_.pools)
    for (DomainId above = pool.domain; above.some(); above = fleet_.domains[above.value].parent)
      if (above == domain) return *at({pool.first_device}).loop;
  return *loops_.front();
}

void LiveCell::start(const std::vector<DevicePort>& devices, Offers& offers, LiveLoop::FinishSink finished) {
  std::vector<std::vector<DevicePort>> ports(size());
  for (std::uint32_t d = 0; d < devices.size(); ++d)
    for (std::uint32_t s = 0; s < size(); ++s)
      if (places_[d].loop == loops_[s].get()) ports[s].push_back(devices[d]);
  std::vector<LiveLoop*> all;
  for (const auto& loop : loops_) all.push_back(loop.get());
  for (std::uint32_t s = 0; s < size(); ++s)
    if (views_[s].view.steal.some()) loops_[s]->lives_beside(all, offers);
  for (std::uint32_t s = 0; s < size(); ++s) loops_[s]->start(std::move(ports[s]), finished);
}

void LiveCell::stop() noexcept {
  for (const auto& loop : loops_) loop->stop();
}

Ledger LiveCell::ledger() const noexcept {
  Ledger all = loops_.front()->ledger();
  for (std::uint32_t s = 1; s < size(); ++s) add(all, loops_[s]->ledger());
  return all;
}

std::string LiveCell::learnt_costs() const {
  std::string all;
  for (const auto& loop : loops_) all += loop->learnt_costs();
  return all;
}

LiveSnapshot LiveCell::snapshot() const {
  if (size() == 1) return loops_.front()->snapshot();
  LiveSnapshot all{{}, LiveMeter(fleet_.classes.size()), std::vector<DeviceLoad>(fleet_.devices())};
  for (std::uint32_t s = 0; s < size(); ++s) {
    const LiveSnapshot one = loops_[s]->snapshot();
    add(all.ledger, one.ledger);
    all.meter.add(one.meter);
    for (std::uint32_t d = 0; d < one.devices.size(); ++d)
      all.devices[views_[s].in_fleet(fleet_, {d}).value] = one.devices[d];
  }
  return all;
}

}  // namespace yard
