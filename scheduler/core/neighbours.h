// What a shard knows of the shelves of the others of its cell, whom of them it asks now, and who has what it gave away.
//
// Threads: the shard's own.
#pragma once
#include <algorithm>
#include <bit>
#include <cstdint>
#include <limits>
#include <vector>

#include "scheduler/base/lazy_array.h"
#include "scheduler/base/units.h"
#include "scheduler/core/command.h"
#include "topology/fleet_view.h"

namespace yard {

class Neighbours {
 public:
  // One whose offers were declined is looked at again no sooner.
  static constexpr Duration kAgain = milliseconds(20);

  enum class Asking : std::uint8_t { nobody, look, take };

  Neighbours(const StealView& view, std::size_t requests) : view_(view), thieves_(view.some() ? requests : 0) {
    if (!view.some()) return;
    again_.resize(view.distance.size());
    const auto n = static_cast<std::uint32_t>(view.distance.size());
    std::vector<std::uint32_t> others;
    for (std::uint32_t i = 1; i < n; ++i) others.push_back((view.self.value + i) % n);
    std::ranges::stable_sort(others, {}, [&](std::uint32_t v) { return view.distance[v]; });
    for (const std::uint32_t v : others) {
      if (levels_.empty() || levels_.back().distance != view.distance[v]) levels_.push_back({view.distance[v]});
      levels_.back().shards |= bit({v});
    }
  }

  bool some() const { return !levels_.empty(); }

  // How long one may be expected to wait before it is offered, from its TTFT objective.
  Duration waits_at_most(Duration ttft) const {
    if (ttft.count() <= 0) return view_.patience;
    return Duration(static_cast<std::int64_t>(static_cast<Wide>(ttft.count()) * view_.offer_permille / 1000));
  }
  Duration stands() const { return view_.stands; }
  // Promises: what makes it worth to be offered, and to be taken.
  std::int64_t worth() const { return view_.worth_permille * kOnePromise / 1000; }
  // What a take must gain for the request otherwise, and how long it is on its way.
  Duration least_gain() const { return view_.least_gain; }
  Duration way(ShardId v) const { return view_.distance[v.value]; }

  // ---- whose shelf may have something for us
  void fills(ShardId v) { filled_ |= bit(v), again_[v.value] = Time(std::numeric_limits<std::int64_t>::min()); }
  void empty(ShardId v) { filled_ &= ~bit(v); }
  void declined(ShardId v, Time now) { again_[v.value] = now + kAgain; }
  // Level by level; of one level the next behind us first, so that not all look at the same.
  ShardId nearest(Time now) const {
    for (const Level& level : levels_)
      for (std::uint64_t left = std::rotr(level.shards & filled_, from()); left != 0; left &= left - 1)
        if (const std::uint32_t v = at(left); again_[v] <= now) return {v};
    return {};
  }
  // Returns: when one is to be looked at without news; Time::never(): none.
  Time next() const {
    Time first = Time::never();
    if (asking != Asking::nobody) return first;
    for (std::uint64_t left = filled_; left != 0; left &= left - 1)
      first = std::min(first, again_[static_cast<std::size_t>(std::countr_zero(left))]);
    return first;
  }

  // ---- whom it asks, and what it will take of what it has seen
  Asking asking = Asking::nobody;
  ShardId asked;
  std::uint32_t seen = 0, wanted = 0;  // offers told since the Look; of these, the leading ones that it would take

  // ---- who has what was given away
  void gone(RequestId request, ShardId thief) { thieves_[request.index] = {request.generation, thief.value + 1}; }
  // Returns: none where it was not given away.
  ShardId thief_of(RequestId request) const {
    if (request.index >= thieves_.size()) return {};
    const Gone& gone = thieves_[request.index];
    return gone.behind > 0 && gone.generation == request.generation ? ShardId{gone.behind - 1} : ShardId{};
  }

 private:
  struct Gone {
    std::uint32_t generation, behind;  // of the request; thief + 1, 0: nobody
  };
  struct Level {
    Duration distance;
    std::uint64_t shards = 0;  // a bit for each
  };
  static std::uint64_t bit(ShardId v) { return std::uint64_t{1} << v.value; }
  // Shards are told behind us first: the lowest bit is the next one's.
  int from() const { return static_cast<int>(view_.self.value) + 1; }
  std::uint32_t at(std::uint64_t rotated) const {
    return static_cast<std::uint32_t>(std::countr_zero(rotated) + from()) % kMostShards;
  }

  const StealView& view_;
  std::vector<Level> levels_;  // the others, nearest first
  std::vector<Time> again_;    // by shard
  std::uint64_t filled_ = 0;   // whose shelf may have something; of a level with its bits
  LazyArray<Gone> thieves_;    // by RequestId.index; a later request of that index has another generation
};

}  // namespace yard
