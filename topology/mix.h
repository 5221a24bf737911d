// Which model, class, tenant and region a trace row has, where the trace itself does not say: drawn by weight.
//
// The draw is a pure function of (seed, row), so that rows may be made in any order, in parallel, or not at all.
#pragma once
#include <cstdint>
#include <vector>

#include "scheduler/base/check.h"
#include "scheduler/base/id.h"
#include "scheduler/base/rng.h"

namespace yard {

struct MixEntry {
  std::uint64_t weight = 1;  // at most 10^6
  ModelId model;
  SloClassId slo;
  TenantId tenant;
  RegionMask regions;
  ProviderMask providers = {};
  ProviderId primary = {};  // where its requests run if that can serve them; none: anywhere alike
};

class Mix {
 public:
  // Requires: at least one entry, every weight > 0.
  explicit Mix(std::vector<MixEntry> entries) : entries_(std::move(entries)) {
    CHECK(!entries_.empty());
    for (const auto& entry : entries_) {
      CHECK(entry.weight > 0);
      sums_.push_back(total_ += entry.weight);
    }
  }

  const MixEntry& pick(Seed seed, std::uint64_t row) const {
    // A stream of its own: rows of the same seed's generator must not move with it.
    const std::uint64_t at = Rng::stream(seed ^ 0x6d69782d726f7773ull, row).below(total_);
    std::size_t i = 0;
    while (sums_[i] <= at) ++i;
    return entries_[i];
  }

  const std::vector<MixEntry>& entries() const { return entries_; }
  std::uint64_t total_weight() const { return total_; }

 private:
  std::vector<MixEntry> entries_;
  std::vector<std::uint64_t> sums_;  // of weights up to and with each entry
  std::uint64_t total_ = 0;
};

}  // namespace yard
