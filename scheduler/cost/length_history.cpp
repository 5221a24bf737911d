#include "scheduler/cost/length_history.h"

#include <algorithm>

#include "scheduler/base/check.h"

namespace yard {
namespace {

constexpr std::uint32_t kAnswer = 256;
constexpr std::uint64_t kMostAnswers = 4096 * std::uint64_t{kAnswer};
constexpr std::int64_t kAll = std::int64_t{1} << 30;
constexpr std::int64_t kMeanAtFirst = 256;
constexpr std::int64_t kDrawnToFirst = 2 * kAnswer, kDrawnToModel = 8 * kAnswer;

}  // namespace

LengthHistory::LengthHistory(std::uint32_t tenants, std::uint32_t models)
    : models_(models), by_model_(models), by_tenant_(std::size_t{tenants} * models) {
  // Geometric: each further token is the last with probability 1/256.
  std::int64_t reached = kAll;
  for (std::uint32_t bin = 0; bin < kBins; ++bin) {
    std::int64_t left = reached;
    const std::int64_t wide = bin + 1 < kBins ? first_of(bin + 1) - first_of(bin) : 1;
    for (std::int64_t k = 0; k < std::min<std::int64_t>(wide, 4096); ++k) left -= left / kMeanAtFirst;
    at_first_[bin] = bin == 0 ? 0 : reached > 0 ? (reached - left) * kAll / reached : kAll;
    if (bin > 0) reached = left;
    if (reached < kAll >> 24) reached = 0;
  }
}

void LengthHistory::learn(Table& table, std::uint32_t bin, End how) {
  (how == End::of_itself ? table.ended : table.cut)[bin] += kAnswer;
  table.answers += kAnswer;
  if (table.answers < kMostAnswers) return;
  table.answers = 0;
  for (auto* counts : {&table.ended, &table.cut})
    for (std::uint32_t& n : *counts) table.answers += n /= 2;
}

void LengthHistory::learn(TenantId tenant, ModelId model, Tokens generated, End how) {
  CHECK(generated.count() >= 0 && model.value < models_);
  const std::uint32_t bin = bin_of(generated.count());
  learn(by_model_[model.value], bin, how);
  learn(by_tenant_[std::size_t{tenant.value} * models_ + model.value], bin, how);
}

// Shares become those of the table, beside `weight` answers of what they were.
void LengthHistory::draw(Shares& shares, const Table& table, std::int64_t weight) {
  auto reached = static_cast<std::int64_t>(table.answers);
  for (std::uint32_t bin = 0; bin < kBins && reached > 0; ++bin) {
    const std::int64_t ended = table.ended[bin], cut = table.cut[bin];
    const std::int64_t at_risk = std::max<std::int64_t>(ended, reached - cut / 2);
    shares[bin] = (ended * kAll + weight * shares[bin]) / (at_risk + weight);
    reached -= ended + cut;
  }
}

LengthHistory::Shares LengthHistory::shares(TenantId tenant, ModelId model) const {
  Shares all = at_first_;
  draw(all, by_model_[model.value], kDrawnToFirst);
  draw(all, by_tenant_[std::size_t{tenant.value} * models_ + model.value], kDrawnToModel);
  return all;
}

std::uint64_t LengthHistory::answers(TenantId tenant, ModelId model) const {
  return by_tenant_[std::size_t{tenant.value} * models_ + model.value].answers / kAnswer;
}

// The quantiles at 1/32, 3/32, ..: where the share of those still going on falls below 31/32, 29/32, .. of those that
// are now. Within a bin ends are spread evenly; of the bin in which the answer is, what lies ahead counts.
LikelyLengths LengthHistory::likely(TenantId tenant, ModelId model, Tokens generated, Tokens at_most) const {
  const Shares ends = shares(tenant, model);
  const std::int64_t now = generated.count(), most = std::max<std::int64_t>(now, at_most.count());
  LikelyLengths lengths;
  lengths.fill(static_cast<std::int32_t>(std::min<std::int64_t>(most, 1 << 21)));
  std::int64_t going_on = kAll;
  std::size_t k = 0;
  for (std::uint32_t bin = bin_of(now); bin < kBins && k < kLikelyLengths; ++bin) {
    const std::int64_t from = std::max(now, first_of(bin)), to = bin + 1 < kBins ? first_of(bin + 1) : from + 1;
    const std::int64_t ahead = std::max<std::int64_t>(1, to - from),
                       wide = std::max<std::int64_t>(1, to - first_of(bin));
    const std::int64_t share = bin + 1 == kBins ? kAll : ends[bin] * ahead / wide;
    const std::int64_t end_here = going_on * share >> 30;
    for (; k < kLikelyLengths; ++k) {
      const std::int64_t rank = kAll - kAll / 32 * static_cast<std::int64_t>(2 * k + 1);  // who still goes on there
      if (going_on - end_here > rank) break;
      const std::int64_t length = from + (end_here > 0 ? (going_on - rank) * ahead / end_here : 0);
      lengths[k] = static_cast<std::int32_t>(std::min(length, most));
    }
    going_on -= end_here;
  }
  return lengths;
}

}  // namespace yard
