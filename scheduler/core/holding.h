// Where what is known of one device's holding of one block stands: a slot of a ProbeTable.
#pragma once
#include <cstdint>

#include "scheduler/base/block_hash.h"

namespace yard {

struct HoldingSlot {
  struct Key {
    BlockHash block;
    std::uint32_t device;
  };
  std::uint64_t hash;
  std::uint32_t device;
  std::uint32_t place;  // from 1; 0: the slot is empty

  bool empty() const { return place == 0; }
  bool is(Key key) const { return hash == key.block.bits && device == key.device; }
  std::uint64_t spread() const { return spread({{hash}, device}); }
  static std::uint64_t spread(Key key) {
    return (key.block.bits + key.device * 0xd1342543de82ef95ull) * 0x9e3779b97f4a7c15ull;
  }
};
static_assert(sizeof(HoldingSlot) == 16);

}  // namespace yard
