// Which 64-bit names were seen: open addressing, linear probing, at most half full.
//
// Threads: one. Memory: 16 to 32 bytes a name. Requires names that are mixed already (chain.h); others still work,
// slowly.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

namespace yard {

class NameSet {
 public:
  std::size_t size() const { return size_ + (zero_ ? 1 : 0); }

  bool contains(std::uint64_t name) const { return name == 0 ? zero_ : slots_[place_of(name)] == name; }

  void insert(std::uint64_t name) {
    if (name == 0) {
      zero_ = true;
      return;
    }
    std::uint64_t& slot = slots_[place_of(name)];
    if (slot == name) return;
    slot = name;
    if (++size_ * 2 > slots_.size()) grow();
  }

 private:
  // Where the name is, or the free slot that it would take.
  std::size_t place_of(std::uint64_t name) const {
    const std::size_t mask = slots_.size() - 1;
    std::size_t at = name & mask;
    while (slots_[at] != 0 && slots_[at] != name) at = (at + 1) & mask;
    return at;
  }

  void grow() {
    std::vector<std::uint64_t> old(slots_.size() * 2);
    old.swap(slots_);
    for (const std::uint64_t name : old)
      if (name != 0) slots_[place_of(name)] = name;
  }

  std::vector<std::uint64_t> slots_ = std::vector<std::uint64_t>(1024);  // 0: free
  std::size_t size_ = 0;
  bool zero_ = false;  // 0 is a name, too
};

}  // namespace yard
