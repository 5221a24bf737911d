// The prefix index said again, naively: maps and vectors, no links, no tables, nothing shared with the real one.
#pragma once
#include <algorithm>
#include <cstdint>
#include <map>
#include <vector>

#include "scheduler/core/prefix_index.h"

namespace yard::prefix_model {

class Model {
 public:
  Model(std::size_t bound, std::size_t devices) : bound_(bound), devices_(devices) {}

  std::uint32_t insert(std::uint32_t d, const std::vector<BlockHash>& chain) {
    ++now_;
    for (std::size_t i = 0; i < chain.size(); ++i) {
      const std::size_t at = find(d, chain[i]);
      if (at == kNowhere && !make_room(d)) return static_cast<std::uint32_t>(i);
      if (at == kNowhere) holders_[chain[i]].push_back(d);
      const Held block{chain[i], i ? chain[i - 1] : BlockHash{}, now_};
      if (at != kNowhere) devices_[d].order.erase(devices_[d].order.begin() + at);
      devices_[d].order.insert(devices_[d].order.begin() + i, block);  // the chain is in front, its beginning first
    }
    return static_cast<std::uint32_t>(chain.size());
  }

  std::uint32_t remove(std::uint32_t d, BlockHash block) {
    if (find(d, block) == kNowhere) return 0;
    std::uint32_t gone = 1;
    drop(d, find(d, block));
    const auto is_child = [&](const Held& h) { return h.parent == block; };
    for (;;) {
      const auto child = std::ranges::find_if(devices_[d].order, is_child);
      if (child == devices_[d].order.end()) return gone;
      gone += remove(d, child->block);
    }
  }

  void clear(std::uint32_t d) {
    while (!devices_[d].order.empty()) drop(d, devices_[d].order.size() - 1);
  }

  void set_capacity(std::uint32_t d, std::uint32_t blocks) {
    devices_[d].capacity = blocks;
    while (devices_[d].order.size() > blocks) drop(d, devices_[d].order.size() - 1);
  }

  std::uint32_t blocks_held(std::uint32_t d, const std::vector<BlockHash>& prompt) const {
    std::uint32_t n = 0;
    while (n < prompt.size() && find(d, prompt[n]) != kNowhere) ++n;
    return n;
  }

  // A plain walk, device by device.
  PrefixMatch match(const std::vector<BlockHash>& prompt) const {
    std::map<std::uint32_t, std::vector<std::uint32_t>, std::greater<>> by_depth;
    for (std::uint32_t d = 0; d < devices_.size(); ++d)
      if (const std::uint32_t n = blocks_held(d, prompt)) by_depth[n].push_back(d);
    PrefixMatch match;
    for (const auto& [depth, devices] : by_depth) {
      const std::vector<std::uint32_t>& order = holders_.at(prompt[depth - 1]);
      std::uint32_t left = static_cast<std::uint32_t>(devices.size());
      for (auto d = order.rbegin(); d != order.rend() && match.size < PrefixMatch::kMost; ++d)
        if (std::ranges::count(devices, *d)) match.holders[match.size++] = {DeviceId{*d}, depth}, --left;
      if (left == 0) continue;
      match.unlisted = left;
      match.unlisted_blocks = depth;
      break;
    }
    return match;
  }

  std::size_t held(std::uint32_t d) const { return devices_[d].order.size(); }
  std::size_t holders(BlockHash b) const { return holders_.contains(b) ? holders_.at(b).size() : 0; }
  std::size_t holdings() const {
    std::size_t sum = 0;
    for (const Device& d : devices_) sum += d.order.size();
    return sum;
  }

 private:
  static constexpr std::size_t kNowhere = ~std::size_t{0};
  struct Held {
    BlockHash block, parent;
    std::uint64_t used;
  };
  struct Device {
    std::vector<Held> order;  // most recently used first
    std::size_t capacity = PrefixIndex::kUnlimited;
  };

  std::size_t find(std::uint32_t d, BlockHash block) const {
    const auto& order = devices_[d].order;
    const auto it = std::ranges::find(order, block, &Held::block);
    return it == order.end() ? kNowhere : static_cast<std::size_t>(it - order.begin());
  }

  void drop(std::uint32_t d, std::size_t at) {
    const BlockHash block = devices_[d].order[at].block;
    std::erase(holders_[block], d);
    devices_[d].order.erase(devices_[d].order.begin() + at);
  }

  bool make_room(std::uint32_t d) {
    std::size_t victim = kNowhere;
    if (devices_[d].order.size() >= devices_[d].capacity) {
      victim = d;
    } else if (holdings() < bound_) {
      return true;
    } else {
      for (std::size_t v = 0; v < devices_.size(); ++v)
        if (!devices_[v].order.empty() &&
            (victim == kNowhere || devices_[v].order.back().used < devices_[victim].order.back().used))
          victim = v;
    }
    if (devices_[victim].order.empty() || devices_[victim].order.back().used == now_) return false;
    drop(static_cast<std::uint32_t>(victim), devices_[victim].order.size() - 1);
    return true;
  }

  std::size_t bound_;
  std::vector<Device> devices_;
  std::map<BlockHash, std::vector<std::uint32_t>> holders_;  // in the order in which they came to hold it
  std::uint64_t now_ = 0;
};

}  // namespace yard::prefix_model
