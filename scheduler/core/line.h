// Sequences that wait, the one to go first on top: a device's line, or a model's queue.
//
// A pairing heap (Fredman, Sedgewick, Sleator, Tarjan 1986) through the sequences' own links: no memory of its own, so
// that ten thousand lines cost four bytes each. Cost: join O(1), pop and remove O(log n) amortised. Ties cannot occur:
// the number of submission, or of preemption, is part of the key.
#pragma once
#include "scheduler/core/sequence.h"

namespace yard {

class Line {
 public:
  bool empty() const { return root_ == kNobody; }
  std::uint32_t first() const { return root_; }

  void join(SequencePool& pool, std::uint32_t i) {
    pool[i].child = pool[i].sibling = pool[i].back = kNobody;
    root_ = meld(pool, root_, i);
  }

  std::uint32_t pop(SequencePool& pool) {
    const std::uint32_t top = root_;
    root_ = pair_up(pool, pool[top].child);
    pool[top].child = kNobody;
    return top;
  }

  // Requires: i is in this line.
  void remove(SequencePool& pool, std::uint32_t i) {
    if (i == root_) {
      pop(pool);
      return;
    }
    Sequence& s = pool[i];
    Sequence& before = pool[s.back];
    (before.child == i ? before.child : before.sibling) = s.sibling;
    if (s.sibling != kNobody) pool[s.sibling].back = s.back;
    const std::uint32_t children = pair_up(pool, s.child);
    s.child = s.sibling = s.back = kNobody;
    root_ = meld(pool, root_, children);
  }

 private:
  static bool goes_first(const Sequence& a, const Sequence& b) {
    if (a.front != b.front) return a.front;
    if (a.key != b.key) return a.key < b.key;
    return a.number < b.number;
  }

  static std::uint32_t meld(SequencePool& pool, std::uint32_t a, std::uint32_t b) {
    if (a == kNobody) return b;
    if (b == kNobody) return a;
    if (goes_first(pool[b], pool[a])) std::swap(a, b);
    pool[b].back = a;
    pool[b].sibling = pool[a].child;
    if (pool[a].child != kNobody) pool[pool[a].child].back = b;
    pool[a].child = b;
    return a;
  }

  // Melds a list of siblings in two passes, by loops: a line may be a million long.
  static std::uint32_t pair_up(SequencePool& pool, std::uint32_t list) {
    std::uint32_t pairs = kNobody;  // melded pairs, last first, chained by sibling
    while (list != kNobody) {
      const std::uint32_t a = list, b = pool[a].sibling;
      list = b == kNobody ? kNobody : pool[b].sibling;
      pool[a].sibling = pool[a].back = kNobody;
      if (b != kNobody) pool[b].sibling = pool[b].back = kNobody;
      const std::uint32_t melded = meld(pool, a, b);
      pool[melded].sibling = pairs;
      pairs = melded;
    }
    std::uint32_t root = kNobody;
    while (pairs != kNobody) {
      const std::uint32_t next = pool[pairs].sibling;
      pool[pairs].sibling = kNobody;
      root = meld(pool, root, pairs);
      pairs = next;
    }
    return root;
  }

  std::uint32_t root_ = kNobody;
};

}  // namespace yard
