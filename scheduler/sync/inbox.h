// Many producers, one consumer, bounded, drained in batches: how news comes to a shard.
//
// A ring of places, each bound to a slot. A producer claims the next place by one compare-and-swap, writes its item
// into the slot and says so there. A producer that is stopped between its claim and its word holds its slot, and
// nothing else: the consumer steps over the place, keeps the slot in mind, and binds a spare slot to the place for the
// next round. What is written late is drained first the next time. There are as many spare slots as places, so that
// nobody hears "full" for others being stopped.
//
// (Vyukov's ring, 1024cores.net, 2010, writes into the place itself: who drains must wait at it, and who steps over it
// meets it again a round later. A stack of nodes that the consumer takes whole stops for nobody either, but takes two
// compare-and-swaps, one for a free node; bench/inbox_bench has both.)
//
// Threads: push() from any, drain() and steps_over() from one.
// N1  a push that happened before another one's begin is drained before it.
// N2  what a pushing thread wrote before push() is seen by the consumer after it drained that item.
// N3  a full inbox answers false at once and changes nothing. It is full only while capacity() items are in it or being
//     pushed.
//
// Progress, whoever is stopped wherever: push() is lock-free (its compare-and-swap fails only where another's won).
// drain() is wait-free, and comes to every item whose push has ended, as long as at most capacity() pushes are stopped
// at once.
#pragma once
#include <algorithm>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <span>
#include <type_traits>
#include <vector>

#include "scheduler/base/check.h"
#include "scheduler/sync/atomics.h"

namespace yard {

template <class T, class Sync = StdAtomics>
class Inbox {
  static_assert(std::is_trivially_copyable_v<T> && std::is_trivially_destructible_v<T>);

 public:
  // Holds `at_least` items: rounded up to a power of two. Memory is touched as it is used. Errors: std::bad_alloc.
  explicit Inbox(std::size_t at_least)
      : places_(std::bit_ceil(std::max<std::size_t>(at_least, 1))), ring_(places_), slots_(2 * places_) {
    CHECK(2 * places_ <= UINT32_MAX);
    held_.reserve(places_);
    spares_.reserve(places_);
  }
  Inbox(const Inbox&) = delete;
  Inbox& operator=(const Inbox&) = delete;

  // Returns: false when full.
  bool push(const T& item) noexcept {
    std::uint64_t place = tail_.load(std::memory_order_relaxed);
    for (;;) {
      Binding& binding = ring_[place & (places_ - 1)];
      const std::uint32_t bound = binding.load(std::memory_order_relaxed);
      const std::uint32_t number = slot_of(place, bound);
      Slot& slot = slots_[number];
      const std::uint64_t turn = slot.turn.load(std::memory_order_acquire);  // (1) with (4), (5): it was emptied
      if (turn == free_for(place, number)) {
        if (!tail_.compare_exchange_strong(place, place + 1, std::memory_order_release,  // (2) with (6)
                                           std::memory_order_relaxed))
          continue;
        slot.item.set(item);
        slot.turn.store(turn + 1, std::memory_order_release);  // (3) with (7), (8): the item is written
        return true;
      }
      // Ahead: another producer took `place`. Behind: the slot is of a round ago, which the consumer has not come by,
      // unless it has bound another slot since. (A binding may be seen before its slot's turn: then it is as if the
      // consumer had not come by yet. Who knows that it did sees both.)
      if (static_cast<std::int64_t>(turn - free_for(place, number)) > 0) {
        place = tail_.load(std::memory_order_relaxed);
      } else if (binding.load(std::memory_order_relaxed) == bound) {
        return false;
      }
    }
  }

  // Takes the oldest items, as many as there are and `out` holds, and may leave some behind a place that is being
  // written. Returns: how many; none only where none is there whose push has ended.
  std::size_t drain(std::span<T> out) noexcept {
    const std::uint64_t end = tail();
    const std::size_t n = drain_held(out);
    return n + drain_until(end, out.subspan(n), {.some_taken = n > 0, .some_behind = false});
  }

  // ---- drain() in parts, for who has another queue to merge into it (laned_inbox.h)

  // Places claimed so far: a push that happened before this has a place below it.
  std::uint64_t claimed() const noexcept { return tail_.load(std::memory_order_relaxed); }
  // The same, before the looks at what is held: whoever pushes after such a push has ended comes behind it.
  std::uint64_t tail() const noexcept { return tail_.load(std::memory_order_acquire); }  // (6) with (2)
  std::uint64_t head() const noexcept { return head_; }

  // What was stepped over and has been written since.
  std::size_t drain_held(std::span<T> out) noexcept {
    std::size_t n = 0;
    if (held_.empty()) return n;
    std::erase_if(held_, [&](const Held& held) {
      Slot& slot = slots_[held.number];
      if (n == out.size() || slot.turn.load(std::memory_order_acquire) != held.turn) return false;  // (8) with (3)
      out[n++] = slot.item.get();
      spares_.push_back(held.number);
      return true;
    });
    return n;
  }

  struct News {
    bool some_taken, some_behind;  // in this drain, before; beside `end`
  };
  // The items before `end`, a tail(), that have not been stepped over.
  std::size_t drain_until(std::uint64_t end, std::span<T> out, News news) noexcept {
    std::size_t n = 0;
    while (n < out.size() && head_ != end) {
      Binding& binding = ring_[head_ & (places_ - 1)];
      const std::uint32_t number = slot_of(head_, binding.load(std::memory_order_relaxed));
      Slot& slot = slots_[number];
      const std::uint64_t turn = free_for(head_, number);
      if (slot.turn.load(std::memory_order_acquire) == turn + 1) {  // (7) with (3)
        out[n++] = slot.item.get();
        slot.turn.store(turn + 2 * places_, std::memory_order_release);  // (4) with (1)
        ++head_;
        continue;
      }
      // Being written. Mostly it is there by the next drain(), and what was found meanwhile is news enough.
      if (n > 0 || news.some_taken || (head_ + 1 == end && !news.some_behind) || !step_over(binding, number)) break;
    }
    return n;
  }

  std::size_t capacity() const noexcept { return places_; }
  std::uint64_t steps_over() const noexcept { return steps_over_; }  // so far

 private:
  using Binding = typename Sync::template Atomic<std::uint32_t>;
  // `turn`: for place p, 2p: free; 2p + 1: it holds the item. Less what it is at the start, so that all zero is an
  // empty ring; so are the bindings.
  struct Slot {
    typename Sync::template Atomic<std::uint64_t> turn;
    typename Sync::template Var<T> item;
  };
  struct Held {
    std::uint32_t number;
    std::uint64_t turn;  // once written
  };

  // So many zeros, untouched.
  template <class Element>
  class Zeros {
    static constexpr bool kPlain = std::is_trivially_destructible_v<Element>;

   public:
    explicit Zeros(std::size_t n) {
      if constexpr (kPlain) {
        elements_ = static_cast<Element*>(std::calloc(n, sizeof(Element)));
        if (!elements_) throw std::bad_alloc();
      } else {
        elements_ = new Element[n]{};
      }
    }
    ~Zeros() {
      if constexpr (kPlain) {
        std::free(elements_);
      } else {
        delete[] elements_;
      }
    }
    Zeros(const Zeros&) = delete;
    Zeros& operator=(const Zeros&) = delete;
    Element& operator[](std::size_t i) noexcept { return elements_[i]; }

   private:
    Element* elements_;
  };

  std::uint32_t slot_of(std::uint64_t place, std::uint32_t bound) const noexcept {
    return bound ^ static_cast<std::uint32_t>(place & (places_ - 1));
  }
  static std::uint64_t free_for(std::uint64_t place, std::uint32_t number) noexcept { return 2 * (place - number); }

  // Returns: false where no slot is spare: as many pushes as there are places are stopped.
  bool step_over(Binding& binding, std::uint32_t number) noexcept {
    if (held_.size() == places_) return false;
    std::uint32_t spare = 0;
    if (spares_.empty()) {
      spare = static_cast<std::uint32_t>(places_) + fresh_++;
    } else {
      spare = spares_.back();
      spares_.pop_back();
    }
    held_.push_back({number, free_for(head_, number) + 1});
    slots_[spare].turn.store(free_for(head_ + places_, spare), std::memory_order_release);  // (5) with (1)
    binding.store(spare ^ static_cast<std::uint32_t>(head_ & (places_ - 1)), std::memory_order_relaxed);
    ++head_;
    ++steps_over_;
    return true;
  }

  const std::size_t places_;
  Zeros<Binding> ring_;
  Zeros<Slot> slots_;
  alignas(64) typename Sync::template Atomic<std::uint64_t> tail_{0};  // producers
  // the consumer
  alignas(64) std::uint64_t head_ = 0;
  std::vector<Held> held_;  // stepped over and not yet drained, oldest first
  std::vector<std::uint32_t> spares_;
  std::uint32_t fresh_ = 0;  // spare slots that were never used
  std::uint64_t steps_over_ = 0;
};

}  // namespace yard
