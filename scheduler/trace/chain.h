// Names of blocks for traces that give blocks as plain numbers: 64 bits that stand for a block and all before it.
//
// They are as good as base/block_hash.h's, which need the tokens that no trace tells; a name says nothing about
// content.
#pragma once
#include <cstdint>

#include "scheduler/base/hash.h"
#include "scheduler/base/units.h"

namespace yard {

// What a chain of blocks of this size begins with; chains of other sizes have nothing in common with it.
constexpr std::uint64_t chain_start(Tokens block) {
  return mix64(0x7072656669786573ull ^ static_cast<std::uint64_t>(block.count()));
}

// Returns: the name of the block `id` behind the block or start named `before`.
constexpr std::uint64_t chained(std::uint64_t before, std::uint64_t id) {
  return mix64(before ^ mix64(id + 0x9e3779b97f4a7c15ull));
}

}  // namespace yard
