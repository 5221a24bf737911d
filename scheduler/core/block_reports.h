// What engines say of their prefix caches, into the index that placement asks.
//
// A report is exact, but of a moment: what was placed on the device since is expected to be there again, though the
// report says that it went. How often the index was used until a moment is remembered in steps of 10 ms, of the latest
// 256; for what is older nothing counts as removed, and the order of use sees to it.
//
// Threads: the shard's own.
#pragma once
#include <algorithm>
#include <array>
#include <cstdint>

#include "scheduler/core/event.h"
#include "scheduler/core/prefix_index.h"

namespace yard {

class BlockReports {
 public:
  explicit BlockReports(PrefixIndex& index) : index_(index) {}

  // Requires: of a served device whose pool keeps prefixes.
  void apply(const BlocksChanged& e, Time now) {
    index_.set_capacity(e.device, PrefixIndex::kUnlimited);  // who says what goes needs no guess
    constexpr auto kReport = PrefixIndex::Source::report;
    switch (e.fate) {
      case BlocksFate::stored:
        if (e.parent.bits == 0)
          index_.insert(e.device, e.blocks, now, kReport);
        else
          index_.extend(e.device, e.parent, e.blocks, now, kReport);
        return;
      case BlocksFate::removed: {
        const std::uint64_t uses = uses_at(e.measured);
        for (const BlockHash block : e.blocks) index_.remove_unused(e.device, block, uses, now);
        return;
      }
      case BlocksFate::cleared: index_.clear(e.device, now, kReport); return;
    }
  }

  // After each tick in which anything was placed.
  void note(Time now) {
    if (index_.uses() == latest_.uses) return;
    latest_ = {now, index_.uses()};
    if (next_ == 0 || now - step_ >= kStep) ++next_, step_ = now;
    moments_[(next_ - 1) % moments_.size()] = latest_;
  }

 private:
  static constexpr Duration kStep = milliseconds(10);
  struct Moment {
    Time at;
    std::uint64_t uses = 0;
  };

  // Returns: how often the index was used until then, at least; 0 where that is forgotten.
  std::uint64_t uses_at(Time t) const {
    std::uint64_t uses = 0;
    for (const Moment& m : moments_)
      if (m.at <= t) uses = std::max(uses, m.uses);
    if (next_ < moments_.size() || moments_[next_ % moments_.size()].at <= t) return uses;
    return 0;
  }

  PrefixIndex& index_;
  std::array<Moment, 256> moments_{};
  Moment latest_;
  Time step_;  // when the latest one's began
  std::uint64_t next_ = 0;
};

}  // namespace yard
