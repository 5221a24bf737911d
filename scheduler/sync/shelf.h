// What a shard cannot start in time, offered to all: a small bounded ring, the most urgent first. Anybody takes from
// the urgent end, one or several at once; the owner alone publishes and withdraws.
//
// One 64-bit word, the head, says everything: {epoch, place of the first entry, how many there are}. Whoever changes
// what is on offer changes the head by one atomic act, so that its modification order is the shelf's history, and every
// value in it is new: places only grow within an epoch, and at one place only the number does. (The epoch has 42 bits:
// one would have to sleep through 2^42 republications, 60 hours at 50 ns each, and wake up to just the same place and
// number, to mistake one for another.)
//
// There are two rings, one for even and one for odd epochs. An entry that is the least urgent is appended: written
// behind the last one, then counted. Any other makes a republication: the owner writes the merged order into the other
// ring and swings the head there. Nothing is closed meanwhile: takes go on in the old ring, and where one wins the
// owner merges again what is left. (Closing the ring first would let an owner that is stopped just then keep everybody
// from its work.) A withdrawal is a republication without that entry. (A flag at the entry would need a second
// arbiter between who takes and who withdraws: one more atomic act for every entry taken, and a slot could not be
// written anew before a stalled taker had settled. So the head alone decides, and somebody else's cancel is told to the
// owner, by its inbox.) An entry is a copy of what a thief needs to know, never a pointer.
//
// Threads: look() and take() from any; publish(), withdraw() and the counts from the owner.
// S1  an entry that was published is taken once, or withdrawn, or given back by publish(); never two of these.
// S2  what is taken was, when it was taken, the most urgent on the shelf; of equal ones the first published.
// S3  what the owner wrote before publish() is seen by who takes that entry; what a taker read or wrote before take()
//     is seen by the owner once it finds the room of that entry free.
// S4  at most capacity() entries; published beyond that, the least urgent is given back.
//
// Progress: no one waits for anyone, whoever is stopped wherever.
//   take, look        wait-free: one try each. Lost only to a take, publication or withdrawal by somebody else.
//   publish, append   wait-free: two words and one fetch-and-add.
//   publish, otherwise, and withdraw
//                     wait-free: at most capacity() + 1 merges, since each that fails lost to a take of at least one
//                     entry. Counted: republications(), merges().
#pragma once
#include <algorithm>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "scheduler/base/check.h"
#include "scheduler/base/units.h"
#include "scheduler/sync/atomics.h"

namespace yard {

// 16 bytes. `id`: Handle::bits(), index and generation. The deadline, or what Core orders by in its place (Shelve), is
// in ticks of 4,096 ns, rounded down, within 0 .. 2^56 - 1 ns; tokens up to 2^20 - 1. Both saturate.
class ShelfEntry {
 public:
  ShelfEntry() = default;
  ShelfEntry(std::uint64_t id, Time deadline, Tokens tokens) noexcept
      : id_(id),
        due_((static_cast<std::uint64_t>(std::clamp<std::int64_t>(deadline.ns(), 0, kLatest)) >> kTickBits)
                 << kTokenBits |
             static_cast<std::uint64_t>(std::clamp<std::int64_t>(tokens.count(), 0, kMostTokens))) {}

  std::uint64_t id() const noexcept { return id_; }
  Time deadline() const noexcept { return Time(static_cast<std::int64_t>(due_ >> kTokenBits << kTickBits)); }
  Tokens tokens() const noexcept { return Tokens(due_ & kMostTokens); }
  bool before(const ShelfEntry& other) const noexcept { return due_ >> kTokenBits < other.due_ >> kTokenBits; }

  bool operator==(const ShelfEntry&) const = default;

 private:
  template <class>
  friend class BasicShelf;
  static constexpr unsigned kTickBits = 12, kTokenBits = 20;
  static constexpr std::int64_t kLatest = (std::int64_t{1} << 56) - 1, kMostTokens = (1 << kTokenBits) - 1;

  std::uint64_t id_ = 0;
  std::uint64_t due_ = 0;  // deadline << 20 | tokens
};
static_assert(sizeof(ShelfEntry) == 16);

template <class Sync>
class BasicShelf {
  static constexpr unsigned kCountBits = 10, kPlaceBits = 12;
  static constexpr std::uint64_t kPlaces = (1 << kPlaceBits) - 1;

 public:
  static constexpr std::size_t kMostCapacity = 512;

  // `capacity`: rounded up to a power of two, at most kMostCapacity. `places`: how many are written in one ring before
  // the owner turns to the other; fewer than its most only where a test wants that often. Errors: std::bad_alloc.
  explicit BasicShelf(std::size_t capacity = 256, std::uint64_t places = kPlaces)
      : capacity_(std::bit_ceil(std::max<std::size_t>(capacity, 1))),
        places_(std::clamp<std::uint64_t>(places, capacity_, kPlaces)),
        lines_(new Line[2 * capacity_ / kPerLine + 1]) {
    CHECK(capacity_ <= kMostCapacity);
  }
  BasicShelf(const BasicShelf&) = delete;
  BasicShelf& operator=(const BasicShelf&) = delete;

  // ---- any thread

  enum class Answer : std::uint8_t { taken, empty, lost };
  struct Taken {
    Answer answer = Answer::empty;
    std::size_t entries = 0;  // at least one where taken
  };

  // Takes the most urgent entry.
  Answer take(ShelfEntry& out) noexcept {
    const Head head = on_offer();
    if (head.count() == 0) return Answer::empty;
    out = peek(head, 0);
    return take(head, 1).answer;
  }
  // Takes the most urgent entry, and behind it as many as the token budget still has room for: at most half of what is
  // there, rounded up, and at most what `out` holds. Requires: room in `out`.
  Taken take(std::span<ShelfEntry> out, Tokens budget = Tokens::max()) noexcept {
    const Head head = on_offer();
    if (head.count() == 0) return {Answer::empty};
    CHECK(!out.empty());
    const std::size_t most = std::min(out.size(), half(head));
    std::int64_t left = budget.count();
    std::size_t n = 0;
    for (; n < most; ++n) {
      out[n] = peek(head, n);
      left -= out[n].tokens().count();
      if (left < 0 && n > 0) break;
    }
    return take(head, n);
  }

  // What is on offer, without taking it: to be priced, and then taken as it was seen, or not at all.
  struct Seen {
    std::uint64_t head = 0;
    std::size_t entries = 0;  // in `out`: none where there is nothing, or where it changed meanwhile
    std::size_t offered = 0;  // on the shelf
  };
  Seen look(std::span<ShelfEntry> out) noexcept {
    const Head head = on_offer();
    const std::size_t n = std::min(out.size(), head.count());
    for (std::size_t i = 0; i < n; ++i) out[i] = peek(head, i);
    // (2) with (5), (6): the words were read before their places are written anew. A load could say as much of the
    // head, but only between fences; who looks mostly takes next, and needs the line anyway.
    std::uint64_t word = head.word;
    if (n > 0 && !head_.compare_exchange_strong(word, word, std::memory_order_release, std::memory_order_relaxed))
      return {};
    for (std::size_t i = 0; i < n; ++i) confirm(head, i);
    return {head.word, n, head.count()};
  }
  // Takes the first `n` of what was seen, at most half of what was offered, rounded up. Lost: something has changed.
  Taken take(const Seen& seen, std::size_t n) noexcept {
    Head head{seen.head};
    CHECK(n <= seen.entries);
    if (n == 0) return {Answer::empty};
    return take(head, std::min(n, half(head)));
  }

  std::size_t offered() const noexcept { return Head{head_.load(std::memory_order_relaxed)}.count(); }
  std::size_t capacity() const noexcept { return capacity_; }

  // ---- the owner

  // Returns: who found no room: nobody, the least urgent that made way, or this one.
  std::optional<ShelfEntry> publish(const ShelfEntry& entry) noexcept {
    const Head head{head_.load(std::memory_order_acquire)};  // (5) with (2), (7): places that are free were read before
    const std::size_t n = head.count();
    const bool least = n == 0 || !entry.before(last_);
    if (least && n == capacity_) return entry;
    if (!least || head.place() + n >= places_) return republish(head, entry);
    put(head, n, entry);
    last_ = entry;
    head_.fetch_add(1, std::memory_order_release);  // (3) with (1)
    return std::nullopt;
  }

  // Returns: whether it was there; it will then not be handed out. Otherwise it was taken, or never published.
  bool withdraw(std::uint64_t id) noexcept {
    Head head{head_.load(std::memory_order_acquire)};  // (6) with (2), (7), for the ring of the epoch before
    bool counted = false;
    for (;;) {
      std::size_t at = 0;
      while (at < head.count() && peek(head, at).id_ != id) ++at;
      if (at == head.count()) return false;
      if (!counted) ++republications_;
      counted = true;
      const Head next = head.next_epoch(head.count() - 1);
      for (std::size_t i = 0, j = 0; i < head.count(); ++i)
        if (i != at) put(next, j++, peek(head, i));
      const ShelfEntry last = next.count() > 0 ? peek(next, next.count() - 1) : ShelfEntry{};
      if (!swing(head, next)) continue;
      last_ = last;
      return true;
    }
  }

  std::uint64_t republications() const noexcept { return republications_; }  // withdrawals among them
  std::uint64_t merges() const noexcept { return merges_; }                  // with those that a take undid

 private:
  struct Head {
    std::uint64_t word = 0;
    std::size_t count() const noexcept { return word & ((1 << kCountBits) - 1); }
    std::uint64_t place() const noexcept { return word >> kCountBits & ((1 << kPlaceBits) - 1); }
    std::uint64_t epoch() const noexcept { return word >> (kCountBits + kPlaceBits); }
    Head less(std::size_t n) const noexcept { return {word + (std::uint64_t{n} << kCountBits) - n}; }
    Head next_epoch(std::size_t n) const noexcept { return {(epoch() + 1) << (kCountBits + kPlaceBits) | n}; }
  };
  struct Slot {
    typename Sync::template Word<std::uint64_t> id, due;
  };
  static constexpr std::size_t kPerLine = 4;
  struct alignas(64) Line {
    Slot slots[kPerLine];
  };

  Head on_offer() const noexcept { return {head_.load(std::memory_order_acquire)}; }  // (1) with (3), (4)
  static std::size_t half(Head head) noexcept { return (head.count() + 1) / 2; }

  Slot& slot(Head head, std::size_t i) const noexcept {
    const std::size_t at = (head.epoch() & 1) * capacity_ + ((head.place() + i) & (capacity_ - 1));
    return lines_[at / kPerLine].slots[at % kPerLine];
  }
  // Racy on purpose: the words may be of an entry that the owner writes where `head` is no more. Then the
  // compare-and-swap on `head` fails, and nobody uses them.
  ShelfEntry peek(Head head, std::size_t i) const noexcept {
    const Slot& at = slot(head, i);
    ShelfEntry entry;
    entry.id_ = at.id.peek();
    entry.due_ = at.due.peek();
    return entry;
  }
  void confirm(Head head, std::size_t i) const noexcept {
    const Slot& at = slot(head, i);
    at.id.confirm();
    at.due.confirm();
  }
  void put(Head head, std::size_t i, const ShelfEntry& entry) noexcept {
    Slot& at = slot(head, i);
    at.id.put(entry.id_);
    at.due.put(entry.due_);
  }

  Taken take(Head head, std::size_t n) noexcept {
    const Head seen = head;
    // (7) with (5), (6): as (2).
    if (!head_.compare_exchange_strong(head.word, seen.less(n).word, std::memory_order_release,
                                       std::memory_order_relaxed))
      return {Answer::lost};
    for (std::size_t i = 0; i < n; ++i) confirm(seen, i);
    return {Answer::taken, n};
  }

  // Merges `entry` behind the last that is no less urgent.
  std::optional<ShelfEntry> republish(Head head, const ShelfEntry& entry) noexcept {
    ++republications_;
    for (;;) {
      std::optional<ShelfEntry> least;
      const std::size_t old = head.count(), room = std::min(old + 1, capacity_);
      const Head next = head.next_epoch(room);
      std::size_t i = 0, j = 0;
      for (; i < old; ++i) {
        const ShelfEntry other = peek(head, i);
        if (entry.before(other)) break;
        put(next, j++, other);
      }
      ShelfEntry last = entry;  // there is room: a full shelf's last one is less urgent
      put(next, j++, entry);
      for (; i < old; ++i) {
        last = peek(head, i);
        if (j < room)
          put(next, j++, last);
        else
          least = last;
      }
      if (least) last = peek(next, room - 1);
      if (!swing(head, next)) continue;
      last_ = last;
      return least;
    }
  }

  bool swing(Head& head, Head next) noexcept {
    ++merges_;
    // (4) with (1). Where it fails relaxed is enough: who took meanwhile read in the ring that is not written now,
    // and the load that the next publication or withdrawal begins with knows of it.
    return head_.compare_exchange_strong(head.word, next.word, std::memory_order_release, std::memory_order_relaxed);
  }

  const std::size_t capacity_;
  const std::uint64_t places_;
  const std::unique_ptr<Line[]> lines_;
  // all
  alignas(64) typename Sync::template Atomic<std::uint64_t> head_{0};
  // the owner's
  alignas(64) ShelfEntry last_;  // the least urgent, where there is any
  std::uint64_t republications_ = 0, merges_ = 0;
};

using Shelf = BasicShelf<StdAtomics>;

}  // namespace yard
