// Sequences that wait, the one to go first on top: a device's line, or a model's queue.
//
// A pairing heap (Fredman, Sedgewick, Sleator, Tarjan 1986) through the sequences' own links: no memory of its own, so
// that ten thousand lines cost four bytes each. Cost: join O(1), pop and remove O(log n) amortised. Ties cannot occur:
// the number of submission, or of preemption, is part of the key.
//
// Where the fleet gives shares, each tenant that stands in a line has a heap of its own there, and these are chained
// through the links of siblings, which a root has none of: still four bytes a line. Which of them goes first is
// asked of the shares at the moment, O(tenants in the line); without shares there is one heap.
#pragma once
#include <algorithm>
#include <array>

#include "scheduler/core/sequence.h"
#include "scheduler/core/shares.h"

namespace yard {

class Line {
 public:
  bool empty() const { return root_ == kNobody; }
  std::uint32_t root() const { return root_; }  // the first, where there are no shares
  std::uint32_t first(const SequencePool& pool, const Shares& shares) const {
    std::uint32_t best = root_;
    if (root_ == kNobody) return best;
    for (std::uint32_t i = pool[root_].sibling; i != kNobody; i = pool[i].sibling)
      if (goes_first(pool[i], pool[best], shares)) best = i;
    return best;
  }

  void join(SequencePool& pool, std::uint32_t i) {
    pool[i].child = pool[i].sibling = pool[i].back = kNobody;
    std::uint32_t& heap = heap_of(pool, pool[i]);
    heap = with_next(pool, heap, [&](std::uint32_t root) { return meld(pool, root, i); });
  }

  std::uint32_t pop(SequencePool& pool) {
    const std::uint32_t top = root_;
    remove(pool, top);
    return top;
  }

  // Requires: i is in this line.
  void remove(SequencePool& pool, std::uint32_t i) {
    Sequence& s = pool[i];
    std::uint32_t& heap = heap_of(pool, s);
    if (s.back == kNobody) {
      heap = with_next(pool, i, [&](std::uint32_t) { return pair_up(pool, s.child); });
      s.child = kNobody;
      return;
    }
    Sequence& before = pool[s.back];
    (before.child == i ? before.child : before.sibling) = s.sibling;
    if (s.sibling != kNobody) pool[s.sibling].back = s.back;
    const std::uint32_t children = pair_up(pool, s.child);
    s.child = s.sibling = s.back = kNobody;
    heap = with_next(pool, heap, [&](std::uint32_t root) { return meld(pool, root, children); });
  }

  // Calls `act(i)` with the first one and those behind it, as far as a short look finds them, while it returns true.
  template <class Act>
  void for_leading(const SequencePool& pool, const Act& act) const {
    std::array<std::uint32_t, 64> at;  // roots and children not yet visited
    std::size_t n = 0;
    const auto add = [&](std::uint32_t i) {
      for (; i != kNobody && n < at.size(); i = pool[i].sibling) at[n++] = i;
    };
    for (add(root_); n > 0;) {
      const auto best = std::min_element(at.begin(), at.begin() + static_cast<std::ptrdiff_t>(n),
                                         [&](auto a, auto b) { return goes_first(pool[a], pool[b]); });
      const std::uint32_t i = *best;
      *best = at[--n];
      if (!act(i)) return;
      add(pool[i].child);
    }
  }

 private:
  // The link that leads to the root of the heap that it belongs to, or to none at the end of the chain.
  std::uint32_t& heap_of(SequencePool& pool, const Sequence& s) {
    std::uint32_t* link = &root_;
    while (*link != kNobody && pool[*link].share_of != s.share_of) link = &pool[*link].sibling;
    return *link;
  }
  // Takes a root out of the chain while its heap changes. Returns: the root to stand in its place.
  template <class Change>
  static std::uint32_t with_next(SequencePool& pool, std::uint32_t root, const Change& change) {
    if (root == kNobody) return change(root);
    const std::uint32_t next = pool[root].sibling;
    pool[root].sibling = kNobody;
    const std::uint32_t now = change(root);
    if (now == kNobody) return next;
    pool[now].sibling = next;
    return now;
  }

  // Of the first ones of two tenants: preempted ones, then ranks, then whoever has had less than its share.
  static bool goes_first(const Sequence& a, const Sequence& b, const Shares& shares) {
    if (a.front != b.front || a.front) return goes_first(a, b);
    if (a.share_rank != b.share_rank) return a.share_rank < b.share_rank;
    const auto order = shares.compare(a.share_of, b.share_of);
    return order != 0 ? order < 0 : goes_first(a, b);
  }
  static bool goes_first(const Sequence& a, const Sequence& b) {
    if (a.front != b.front) return a.front;
    if (!a.front && a.share_rank != b.share_rank) return a.share_rank < b.share_rank;
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
