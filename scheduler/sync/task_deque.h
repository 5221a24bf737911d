// Pieces of CPU work without a deadline: the owner pushes and pops at one end, any other thread steals at the other.
//
// Chase and Lev's deque (SPAA 2005) as Le, Pop, Cohen and Zappa Nardelli proved it for weak memory (PPoPP 2013), with
// three changes. The ring has a fixed capacity, full is an answer, so nothing is ever reclaimed. There is no fence: the
// two stores and loads that it stood between are seq_cst themselves, which ThreadSanitizer understands and which costs
// the same on x86-64 (an xchg for the mov and the mfence). And the owner keeps the top that it last saw: a push reads
// the thieves' line only when that one says full, and a last item is taken by one compare-and-swap without announcing
// it in bottom_ first.
//
// Not chosen: a block-based deque (Wang et al., OSDI 2023), where thieves and the owner meet once a block. There the
// owner under a thief is cheaper, but a piece in the owner's block cannot be stolen while the owner is off doing
// another.
//
// Threads: push(), push_before_look() and pop() from one, the owner; steal(), empty() and seems_empty() from any.
// D1  each item pushed is taken exactly once, by pop() or by a steal() that answered item.
// D2  what was written before push() is seen by whoever takes the item.
// D3  steal() takes the oldest, pop() the newest.
// D4  a full deque answers false at once and changes nothing. At most capacity() items.
// Progress: the owner never loops. A thief that lost did so because another took the item; one stopped at any point
// stops nobody.
#pragma once
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <type_traits>

#include "scheduler/sync/atomics.h"

namespace yard {

enum class Steal : std::uint8_t {
  item,
  empty,
  lost,  // another took it first; there may be more
};

template <class T, class Sync = StdAtomics>
class TaskDeque {
  static_assert(std::is_trivially_copyable_v<T> && sizeof(T) <= 16);

 public:
  // Holds `at_least` items: rounded up to a power of two. Errors: std::bad_alloc.
  explicit TaskDeque(std::size_t at_least)
      : mask_(std::bit_ceil(at_least < 1 ? std::size_t{1} : at_least) - 1),
        slots_(std::make_unique<Slot[]>(mask_ + 1)) {}
  TaskDeque(const TaskDeque&) = delete;
  TaskDeque& operator=(const TaskDeque&) = delete;

  // Returns: false when full.
  bool push(const T& item) noexcept {
    const std::uint64_t bottom = bottom_.load(std::memory_order_relaxed);
    if (!has_room(bottom)) return false;
    put(bottom, item);
    bottom_.store(bottom + 1, std::memory_order_release);  // (2) with (5): the item is written
    return true;
  }

  // The same for an owner that looks next, by a seq_cst load, whether somebody sleeps: who says by a seq_cst
  // read-modify-write that it does, and then finds the deque empty(), is seen by that load.
  bool push_before_look(const T& item) noexcept {
    const std::uint64_t bottom = bottom_.load(std::memory_order_relaxed);
    if (!has_room(bottom)) return false;
    put(bottom, item);
    bottom_.store(bottom + 1, std::memory_order_seq_cst);  // (9) with (10); also as (2)
    return true;
  }

  // Returns: false when there was nothing, or a thief took the last.
  bool pop(T& item) noexcept {
    std::uint64_t bottom = bottom_.load(std::memory_order_relaxed);
    if (bottom == seen_top_) return false;  // top is never behind what was seen of it, nor ahead of bottom
    --bottom;
    if (bottom == seen_top_) return take_last(bottom, item);
    // Announce, then look: either a thief that reads bottom_ after this leaves the item, or its top_ is seen here.
    bottom_.store(bottom, std::memory_order_seq_cst);                // (3) with (5)
    const std::uint64_t top = top_.load(std::memory_order_seq_cst);  // (4) with (6); also as (1)
    seen_top_ = top;
    if (static_cast<std::int64_t>(bottom - top) > 0) {
      look(bottom, item);
      return true;
    }
    bottom_.store(bottom + 1, std::memory_order_relaxed);  // racy on purpose: until here a thief may answer empty
    return top == bottom && take_last(bottom, item);
  }

  // Takes the oldest into `item`.
  Steal steal(T& item) noexcept {
    std::uint64_t top = top_.load(std::memory_order_seq_cst);              // (7) with (6) of another thief
    const std::uint64_t bottom = bottom_.load(std::memory_order_seq_cst);  // (5) with (2), (3)
    if (static_cast<std::int64_t>(bottom - top) <= 0) return Steal::empty;
    Words words;
    for (std::size_t i = 0; i < kWords; ++i) words[i] = slots_[top & mask_][i].peek();
    // (6) with (1), (4), (7). Lost: the words may be a newer item's, half of it even, and are dropped.
    if (!top_.compare_exchange_strong(top, top + 1, std::memory_order_seq_cst, std::memory_order_relaxed))
      return Steal::lost;
    for (const Word& word : slots_[top & mask_]) word.confirm();
    std::memcpy(static_cast<void*>(&item), words.data(), sizeof(T));
    return Steal::item;
  }

  // For a thief that chooses its victim; may be wrong by the time it is read.
  bool seems_empty() const noexcept {
    const std::uint64_t top = top_.load(std::memory_order_relaxed);
    return static_cast<std::int64_t>(bottom_.load(std::memory_order_relaxed) - top) <= 0;
  }

  // The owner's: how many more it holds.
  std::size_t room() noexcept {
    seen_top_ = top_.load(std::memory_order_acquire);  // (1) with (6): the thief has read the slot
    return mask_ + 1 - (bottom_.load(std::memory_order_relaxed) - seen_top_);
  }

  // Of any thread; may be wrong by the time it is read.
  std::size_t seems_to_hold() const noexcept {
    const std::uint64_t top = top_.load(std::memory_order_relaxed);
    const auto n = static_cast<std::int64_t>(bottom_.load(std::memory_order_relaxed) - top);
    return n > 0 ? static_cast<std::size_t>(n) : 0;
  }

  // Of any thread. An item that was taken may still show.
  bool empty() const noexcept {
    const std::uint64_t top = top_.load(std::memory_order_relaxed);
    return static_cast<std::int64_t>(bottom_.load(std::memory_order_seq_cst) - top) <= 0;  // (10) with (9)
  }

  std::size_t capacity() const noexcept { return mask_ + 1; }

 private:
  static constexpr std::size_t kWords = (sizeof(T) + 7) / 8;
  using Word = typename Sync::template Word<std::uint64_t>;
  using Slot = std::array<Word, kWords>;
  using Words = std::array<std::uint64_t, kWords>;
  using Index = typename Sync::template Atomic<std::uint64_t>;

  bool has_room(std::uint64_t bottom) noexcept { return bottom - seen_top_ <= mask_ || room() > 0; }

  void put(std::uint64_t at, const T& item) noexcept {
    Words words{};
    std::memcpy(words.data(), static_cast<const void*>(&item), sizeof(T));
    for (std::size_t i = 0; i < kWords; ++i) slots_[at & mask_][i].put(words[i]);
  }

  // The owner's own item: it wrote it.
  void look(std::uint64_t at, T& item) const noexcept {
    Words words;
    for (std::size_t i = 0; i < kWords; ++i) words[i] = slots_[at & mask_][i].peek();
    std::memcpy(static_cast<void*>(&item), words.data(), sizeof(T));
  }

  // The only item there can be, at `at`: the owner takes it as a thief does. Whoever took it, the deque is empty then.
  bool take_last(std::uint64_t at, T& item) noexcept {
    std::uint64_t top = at;
    // Relaxed: it hands nothing over, the slot's next writer is the owner itself; and it goes on what thieves released.
    const bool won = top_.compare_exchange_strong(top, at + 1, std::memory_order_relaxed, std::memory_order_relaxed);
    if (won) {
      seen_top_ = at + 1;
      look(at, item);
    } else {
      seen_top_ = top_.load(std::memory_order_acquire);  // (8) with (6): at + 1, and the thief has read the slot
    }
    return won;
  }

  const std::size_t mask_;
  const std::unique_ptr<Slot[]> slots_;
  alignas(64) Index bottom_{0};  // the owner writes: one past the newest
  std::uint64_t seen_top_ = 0;   // the owner's
  alignas(64) Index top_{0};     // thieves, and the owner of a last item: the oldest; only grows
};

}  // namespace yard
