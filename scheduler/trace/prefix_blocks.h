// The blocks of a trace's prefixes as the fleet's: of another size, and told apart by whose prompt it is.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "scheduler/base/block_hash.h"
#include "scheduler/base/hash.h"
#include "scheduler/base/units.h"

namespace yard {

// Writes the names of the prompt's whole blocks of `block` tokens into `out`, as many as the trace knows. `names[i]`
// stands for its tokens up to (i + 1) * `named`. Where neither size divides the other nothing is known of it.
inline void name_blocks(std::span<const std::uint64_t> names, Tokens named, Tokens prompt, Tokens block,
                        std::uint64_t salt, std::vector<BlockHash>& out) {
  out.clear();
  const std::int64_t from = named.count(), to = block.count();
  if (from == 0 || (from % to != 0 && to % from != 0)) return;
  const auto whole_names = std::min(static_cast<std::int64_t>(names.size()), prompt.count() / from);
  for (std::int64_t end = to; end <= whole_names * from; end += to) {
    const std::uint64_t name = names[static_cast<std::size_t>((end + from - 1) / from - 1)];
    // A part of a named block is shared by whoever shares the whole; which part it is tells it apart.
    const std::uint64_t part = end % from == 0 ? 0 : static_cast<std::uint64_t>(end % from);
    out.push_back({mix64(mix64(name ^ salt) + part)});
  }
}

// The names of the whole blocks of a prompt that nothing else shares but what asks several times for an answer to it.
inline void name_own_blocks(Tokens prompt, Tokens block, std::uint64_t salt, std::vector<BlockHash>& out) {
  out.clear();
  std::uint64_t name = mix64(salt ^ 0x616e7377657273);
  for (std::int64_t end = block.count(); end <= prompt.count(); end += block.count())
    out.push_back({name = mix64(name)});
}

}  // namespace yard
