// What the page's section "Prefixes" says, the plain way: lists that are searched from front to back.
#pragma once
#include <algorithm>
#include <cstdint>
#include <vector>

#include "scheduler/base/block_hash.h"
#include "scheduler/base/check.h"

namespace yard::reference {

// The blocks that one device keeps. Those without holders stand in the order in which they were let go of.
class Kept {
 public:
  struct Block {
    BlockHash name;
    std::int64_t holders;
  };

  bool has(BlockHash name) const { return at(name) != blocks_.end(); }
  bool held(BlockHash name) const { return has(name) && at(name)->holders > 0; }
  std::int64_t held() const {
    return std::count_if(blocks_.begin(), blocks_.end(), [](const Block& b) { return b.holders > 0; });
  }
  std::int64_t idle() const { return static_cast<std::int64_t>(blocks_.size()) - held(); }

  void hold(BlockHash name) {
    if (!has(name)) blocks_.push_back({name, 0});
    ++blocks_[place(name)].holders;
  }
  void let_go(BlockHash name) {
    Block block = blocks_[place(name)];
    CHECK(block.holders > 0);
    if (--block.holders > 0) {
      blocks_[place(name)] = block;
      return;
    }
    blocks_.erase(at(name));
    blocks_.push_back(block);
  }
  // Returns: the one that goes. Requires: idle() > 0.
  BlockHash lose_oldest() {
    const auto it = std::find_if(blocks_.begin(), blocks_.end(), [](const Block& b) { return b.holders == 0; });
    const BlockHash name = it->name;
    blocks_.erase(it);
    return name;
  }

 private:
  std::vector<Block>::const_iterator at(BlockHash name) const {
    return std::find_if(blocks_.begin(), blocks_.end(), [&](const Block& b) { return b.name == name; });
  }
  std::size_t place(BlockHash name) const { return static_cast<std::size_t>(at(name) - blocks_.begin()); }

  std::vector<Block> blocks_;
};

}  // namespace yard::reference
