#include "scheduler/loop/cost_learner.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include <fmt/format.h>

#include "scheduler/base/hash.h"

namespace yard {
namespace {

constexpr std::uint32_t kRoughPermille = 300;  // by a few runs of whatever shape

CostKey key_of(const CostTables& said, std::uint32_t row) {
  if (row < said.keys.size()) return said.keys[row];
  return {fmt::format("row{}", row), "unknown", "unknown", "unknown", "unknown"};
}

}  // namespace

CostLearner::CostLearner(const FleetView& fleet, const CostTables& said)
    : said_(said), open_(fleet.devices()), costs_({.sources = fleet.devices()}) {
  row_of_.reserve(fleet.devices());
  for (const PoolView& pool : fleet.pools) row_of_.insert(row_of_.end(), pool.devices, pool.cost);
  magnitudes_.resize(said.rows.size());
  for (const PoolView& pool : fleet.pools) magnitudes_[pool.cost.value].in_use = true;
  for (std::uint32_t row = 0; row < said.rows.size(); ++row) {
    costs_.add(key_of(said, row));
    if (said.rows[row].error_permille() >= StepCost::kUnknown) magnitudes_[row].runs = 0;
  }
  corrections_.reserve(2 * said.rows.size());
}

void CostLearner::launched(const Launch& launch, Time now) noexcept {
  OpenRun& open = open_[launch.device.value];
  open.run = launch.run;
  open.from = now + launch.load;
  open.made_of = {.n = static_cast<std::uint32_t>(launch.slots.size())};
  for (const Slot& slot : launch.slots) {
    const std::int64_t reads = slot.prefill.count(), context = slot.context.count();
    if (reads > 0)
      open.made_of.read += reads, open.made_of.pairs += prefill_pairs(reads, context);
    else
      open.made_of.context += context, ++open.made_of.decoding;
  }
}

void CostLearner::run_ended(const RunEnded& end, Time now) noexcept {
  OpenRun& open = open_[end.device.value];
  if (open.run != end.run) return;  // late
  open.run = {};
  const bool failed = end.why == RunEnd::device_failed ||
                      std::ranges::any_of(end.slots, [](const SlotEnd& slot) { return slot.fate == SlotFate::failed; });
  if (!failed && end.steps == 0) return;
  open.made_of.steps = end.steps;
  const CostRow row = row_of_[end.device.value];
  const Oddity odd = failed ? Oddity::failed : open.first ? Oddity::first : Oddity::none;
  open.first = failed, heard_ = true;
  const std::int64_t took = (now - open.from).count() * 1000;
  TermCosts said = terms_of(said_[row], open.made_of);
  Magnitude& magnitude = magnitudes_[row.value];
  if (!magnitude.known()) {
    if (odd == Oddity::none) magnitude.hear(took, std::accumulate(said.begin(), said.end(), std::int64_t{0}));
    return;
  }
  for (std::int64_t& term : said) term = scaled(term, magnitude.times);
  costs_.hear(row.value, {.said = said,
                          .took = took,
                          .group = shape_group(open.made_of.n, open.made_of.read),
                          .source = end.device.value,
                          .odd = odd});
}

std::span<const CostCorrected> CostLearner::corrections(Time now) noexcept {
  corrections_.clear();
  if (!std::exchange(heard_, false)) return {};
  for (std::uint32_t row = 0; row < magnitudes_.size(); ++row) {
    Magnitude& magnitude = magnitudes_[row];
    const bool restored = std::exchange(magnitude.restored, false);
    if (!std::exchange(magnitude.fresh, false)) continue;
    if (restored && costs_.count(row).learnt > 0) {
      corrections_.push_back(corrected(costs_.correction(row)));
      continue;
    }
    const std::uint32_t times = magnitude.times;
    corrections_.push_back({CostRow{row}, {times, times, times, times, times}, kRoughPermille});
  }
  for (const CostCorrection& c : costs_.publish(now)) {
    if (!magnitudes_[c.key].in_use || !magnitudes_[c.key].known()) continue;  // as its relatives are, not said of it
    corrections_.push_back(corrected(c));
  }
  return corrections_;
}

// Of what was said before anything was known.
CostCorrected CostLearner::corrected(const CostCorrection& c) const {
  CostCorrected is{CostRow{c.key}, {}, std::min(c.error_permille, StepCost::kUnknown - 1), c.spread};
  for (std::size_t term = 0; term < kCostTerms; ++term)
    is.scales[term] = static_cast<std::uint32_t>(
        std::clamp<std::int64_t>(scaled(c.scale[term], magnitudes_[c.key].times), kLeastCostScale, kMostCostScale));
  return is;
}

void CostLearner::Magnitude::hear(std::int64_t took, std::int64_t said) {
  if (took <= 0 || said <= 0) return;
  const Wide ratio = Wide(took) * kCostAsSaid / Wide(said);
  seen[runs++] = static_cast<std::uint32_t>(std::clamp<Wide>(ratio, kLeastCostScale, kMostCostScale));
  if (!known()) return;
  std::ranges::nth_element(seen, seen.begin() + kRuns / 2);
  times = seen[kRuns / 2], fresh = true;
}

}  // namespace yard
