// Where is what: an open-addressing hash table of fixed size over small slots that know their own key.
//
// Linear probing at a load of at most 3/4 over a power of two of slots; an erased slot is closed by moving back what
// follows, so that there are no tombstones and a long life is as fast as a short one. All zero bits is an empty slot.
// Rejected: buckets of a cache line (slots of 16 bytes already lie four to a line; a probe rarely leaves it).
#pragma once
#include <bit>
#include <cstdint>

#include "scheduler/base/check.h"
#include "scheduler/base/lazy_array.h"

namespace yard {

// Slot: `using Key`, `bool empty() const`, `bool is(Key) const`, `std::uint64_t spread() const`, and static
// `std::uint64_t spread(Key)`: well mixed in its high bits.
template <class Slot>
class ProbeTable {
 public:
  using Key = typename Slot::Key;

  // Requires: entries > 0; never more than that many are in it at once.
  explicit ProbeTable(std::uint32_t entries)
      : mask_(std::bit_ceil(std::uint64_t{entries} + entries / 3 + 1) - 1),
        shift_(64 - std::countr_one(mask_)),
        slots_(mask_ + 1) {}

  void prefetch(Key key) const { __builtin_prefetch(&slots_[home(Slot::spread(key))]); }

  // Returns: the slot of the key, or the empty slot where it belongs.
  Slot& at(Key key) { return slots_[position(key)]; }
  const Slot& at(Key key) const { return slots_[position(key)]; }

  // Requires: the slot is not empty. Slots behind it may move.
  void erase(Slot& slot) {
    std::uint64_t hole = static_cast<std::uint64_t>(&slot - slots_.data());
    for (std::uint64_t i = next(hole); !slots_[i].empty(); i = next(i)) {
      // What lies at i may fill the hole unless its home comes after the hole.
      if (((i - home(slots_[i].spread())) & mask_) < ((i - hole) & mask_)) continue;
      slots_[hole] = slots_[i];
      hole = i;
    }
    slots_[hole] = Slot{};
  }

 private:
  std::uint64_t home(std::uint64_t spread) const { return spread >> shift_; }
  std::uint64_t next(std::uint64_t i) const { return (i + 1) & mask_; }
  std::uint64_t position(Key key) const {
    std::uint64_t i = home(Slot::spread(key));
    while (!slots_[i].empty() && !slots_[i].is(key)) i = next(i);
    return i;
  }

  std::uint64_t mask_;
  int shift_;
  LazyArray<Slot> slots_;
};

}  // namespace yard
