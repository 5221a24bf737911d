// LoRA adapters: which ones each device holds, and which ones placement expects it to.
//
// What a device holds (README.md, "Adapters"): up to PoolView::adapter_slots, each held on to by those admitted that
// use it. One that is not there is loaded in the run in which a sequence that wants it is admitted, into a free slot,
// or in place of the one used least recently of those that nobody holds on to.
//
// What placement expects: as many adapters as it has slots, of those that sequences bound to it want; the least
// recently bound goes first. Fed by own placements alone, so that those who come later already see it.
//
// Threads: the shard's own. Cost: O(slots of a device).
// A1  no adapter stands in two slots of a device; at most adapter_slots are held on to.
#pragma once
#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "scheduler/base/check.h"
#include "scheduler/base/hash.h"
#include "scheduler/base/id.h"
#include "scheduler/base/units.h"
#include "topology/fleet_view.h"

namespace yard {

class Adapters {
 public:
  explicit Adapters(const FleetView& fleet) {
    if (fleet.adapters.empty()) return;
    std::uint32_t first = 0;
    for (const PoolView& pool : fleet.pools)
      for (std::uint32_t i = 0; i < pool.devices; ++i, first += pool.adapter_slots) first_.push_back(first);
    first_.push_back(first);
    held_.resize(first), expected_.resize(first);
  }

  // How long loading it takes on a device of the pool.
  static Duration load(const PoolView& pool, const AdapterView& adapter) {
    constexpr std::int64_t kSecond = 1'000'000'000;
    if (pool.adapter_bytes_per_s == 0) return pool.adapter_load;
    const Wide ns = (static_cast<Wide>(adapter.bytes) * kSecond + static_cast<Wide>(pool.adapter_bytes_per_s) - 1) /
                    static_cast<Wide>(pool.adapter_bytes_per_s);
    return pool.adapter_load + Duration(static_cast<std::int64_t>(ns));
  }

  // ---- what a device holds

  // Returns: whether a sequence that wants it may be admitted now; none is wanted: always.
  bool admits(std::uint32_t d, AdapterId a) const {
    if (!a.some()) return true;
    return std::ranges::any_of(of(held_, d), [&](const Slot& slot) { return slot.adapter == a || slot.users == 0; });
  }
  // Somebody admitted holds on to it. Requires: admits(). Returns: whether it is loaded for that.
  bool hold(std::uint32_t d, AdapterId a) {
    Slot* into = nullptr;
    for (Slot& slot : of(held_, d)) {
      if (slot.adapter == a) {
        use(slot, a);
        return false;
      }
      if (slot.users == 0 && (!into || slot.used < into->used)) into = &slot;
    }
    CHECK_WHY(into, "no more adapters run together than a device has slots (A1)");
    use(*into, a);
    return true;
  }
  void release(std::uint32_t d, AdapterId a) {
    for (Slot& slot : of(held_, d))
      if (slot.adapter == a) {
        CHECK(slot.users > 0);
        --slot.users;
        return;
      }
    CHECK_WHY(false, "who holds on to an adapter finds it (A1)");
  }

  // ---- what placement expects

  bool expected(std::uint32_t d, AdapterId a) const {
    return std::ranges::any_of(of(expected_, d), [&](const Slot& slot) { return slot.adapter == a; });
  }
  void expect(std::uint32_t d, AdapterId a) {
    Slot* into = nullptr;
    for (Slot& slot : of(expected_, d)) {
      if (slot.adapter == a) {
        into = &slot;
        break;
      }
      if (!into || slot.used < into->used) into = &slot;
    }
    if (into) *into = {a, 0, ++clock_};
  }

  // The device has lost its memory. Requires: nobody is admitted there.
  void clear(std::uint32_t d) {
    if (first_.empty()) return;
    std::ranges::fill(of(held_, d), Slot());
    std::ranges::fill(of(expected_, d), Slot());
  }

 private:
  struct Slot {
    AdapterId adapter;
    std::uint32_t users = 0;  // of those held
    std::uint64_t used = 0;   // when it was last wanted
  };
  std::span<Slot> of(std::vector<Slot>& all, std::uint32_t d) {
    return {all.data() + first_[d], all.data() + first_[d + 1]};
  }
  std::span<const Slot> of(const std::vector<Slot>& all, std::uint32_t d) const {
    return {all.data() + first_[d], all.data() + first_[d + 1]};
  }
  void use(Slot& slot, AdapterId a) { slot = {a, slot.adapter == a ? slot.users + 1 : 1, ++clock_}; }

  std::vector<std::uint32_t> first_;  // of a device's slots; one more at the end; empty: the fleet has no adapters
  std::vector<Slot> held_, expected_;
  std::uint64_t clock_ = 0;
};

}  // namespace yard
