// What devices let go of their prefixes, on its way to the index that placement asks: as late as signals are.
//
// A block that was placed there again in the meantime stays: the device will hold it anew. Where more is on the way
// than there is room for, the oldest comes early.
//
// Threads: the shard's own. Owns: with signals of an age, room for as many as a shard keeps blocks (Bounds).
#pragma once
#include <cstdint>

#include "scheduler/base/lazy_array.h"
#include "scheduler/core/prefix_index.h"

namespace yard {

class Evictions {
 public:
  // `room` > 0: on the way together. `index`: outlives it.
  Evictions(PrefixIndex& index, Duration age, std::uint32_t room)
      : index_(index), age_(age), room_(age.count() > 0 ? room : 0), on_the_way_(room_) {}

  // The device keeps this block no more.
  void gone(DeviceId d, BlockHash block, Time now) {
    if (room_ == 0) {
      index_.remove(d, {&block, 1}, now, PrefixIndex::Source::report);
      return;
    }
    if (size_ == room_) arrive(now);
    on_the_way_[(first_ + size_++) % room_] = {now + age_, d, block, index_.uses()};
  }

  // Returns: whether anything has come by now.
  bool hear(Time now) {
    bool heard = false;
    for (; next() <= now; heard = true) arrive(now);
    return heard;
  }
  Time next() const { return size_ > 0 ? on_the_way_[first_].due : Time::never(); }

 private:
  struct Eviction {
    Time due;
    DeviceId device;
    BlockHash block;
    std::uint64_t uses;  // of the index, when it went
  };
  void arrive(Time now) {
    const Eviction& e = on_the_way_[first_];
    index_.remove_unused(e.device, e.block, e.uses, now);
    first_ = (first_ + 1) % room_;
    --size_;
  }

  PrefixIndex& index_;
  const Duration age_;
  const std::uint32_t room_;
  LazyArray<Eviction> on_the_way_;  // a ring, oldest first
  std::uint32_t first_ = 0, size_ = 0;
};

}  // namespace yard
