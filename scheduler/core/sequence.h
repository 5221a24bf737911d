// One token stream of a request, and the pool that all of a shard's live in.
//
// Threads: the shard's own. Owns: nothing; leases are counts that Core gives back by hand, checked in the tick (I4).
//
// Q1  A sequence is in exactly one place: the arrivals, a line or queue, the offered or parting ones, a device's
// running
//     list, the ended ones; or its KV is about to leave a device (its leaving list), and while it moves it is in
//     another's coming list, too.
// Q2  States move only along kLegal (I2); README.md has the same table with the events that cause each.
// Q3  context <= to_read while its prompt is being read; afterwards context == prompt + generated - 1.
#pragma once
#include <algorithm>
#include <array>
#include <cstdint>
#include <span>

#include "scheduler/base/block_hash.h"
#include "scheduler/base/check.h"
#include "scheduler/base/id.h"
#include "scheduler/base/lazy_array.h"
#include "scheduler/base/units.h"
#include "scheduler/core/command.h"

namespace yard {

// offered: refused here, and on the shelf for a while before that is said. parting: it has left its place, and is ended
// or gone once the shelf has answered.
enum class SequenceState : std::uint8_t {
  none,
  arrived,
  unbound,
  offered,
  parting,
  bound,
  running,
  read,
  moving,
  cancelling,
  ended
};
inline constexpr std::size_t kSequenceStates = 11;

inline constexpr std::uint32_t kNobody = 0xffff'ffff;  // an index into the pool that names no sequence

struct Sequence {
  // What every run reads and writes of it stands together, in as few cache lines as it takes.
  RequestId request;
  SequenceState state;
  bool front;          // preempted: stands before all that were never admitted
  bool let_in;         // bound before: no scorer refuses it any more
  bool holds_adapter;  // on its device (adapters.h)
  bool passed_door;    // bound again after its device went: not asked at the door twice
  bool on_shelf;       // a copy of it is, as far as is known
  bool claimed;        // an Unshelve was said
  bool shown;          // was on a shelf, here or elsewhere: not offered again
  std::uint32_t generation;
  std::uint32_t prev, next;   // arrivals, unbound of a model, running of a device, ended, free
  std::int32_t output_limit;  // on its device: min(max_output, max_context - prompt)
  std::int32_t to_read;       // prompt, or prompt + generated after a preemption
  std::int32_t context;       // tokens in KV, as of the last run boundary
  std::int32_t generated;
  std::int32_t blocks;          // leased, the present run's grant included; those shared with others apart
  std::uint32_t shared;         // prefix blocks that it holds on to in its device's KvCache
  std::int32_t hit;             // tokens that its device is expected to have read already; 0 once it is admitted
  std::int32_t committed;       // its part of the device's committed blocks
  std::int32_t planned;         // tokens it reads in the first step of the present run; 0: not in it
  std::uint32_t prefix_blocks;  // whole blocks of the prompt that have names
  Time first_token, last_token;

  // what was asked
  Time arrival;
  RegionMask regions;
  ProviderMask providers;
  ProviderId primary;
  ModelId model;
  SloClassId slo;
  TenantId tenant;
  std::uint32_t answers;             // of its request
  std::uint32_t answer;              // which of them it is, from 0
  std::uint32_t group, next_answer;  // answers.h; 0: the only one
  AdapterId adapter;
  std::int32_t prompt, max_output;
  const BlockHash* prefix;  // the names of its blocks; the loop's, until Finish
  std::uint64_t session;

  // how far it got
  DeviceId device;
  DeviceId avoid;       // where its last attempt failed
  std::int32_t cached;  // tokens of its prompt that it did not have to read, as of its first admission
  std::uint32_t preemptions;
  std::uint32_t attempt;  // sends to served devices and moves so far
  std::uint32_t moves;    // of its KV, that arrived

  // where its KV goes to
  DeviceId to;
  LinkId link;              // while it moves
  std::int32_t to_blocks;   // leased at the other end
  std::uint32_t to_shared;  // prefix blocks that it holds on to there
  bool from_lost, to_lost;  // that end went down, and its leases with it
  Time admit;

  // what it holds of its tenant's
  std::int32_t reserved;               // tokens, while it holds a lease on the quotas
  std::uint32_t share_of, share_rank;  // its tenant and rank where the fleet gives shares, else 0
  std::int64_t charged;                // to its tenant's share; 0 until it is served
  bool lease;                          // on its tenant's quotas
  bool in_waiters;                     // waits, and was never admitted
  bool wants_share;                    // waits for its first service
  std::uint32_t forecast;              // of it on its device, where signals are old

  // how it ended, until Finish is said
  bool aborted;  // its attempt is to be aborted when its Finish is said
  Outcome outcome;
  Reason why;
  Duration retry_after;

  // where it waits
  std::uint32_t patient_prev, patient_next;  // never admitted ones of a class with patience; starting, read, coming
  std::uint32_t waiter_prev, waiter_next;    // never admitted ones of a class and tenant
  std::uint32_t child, sibling, back;        // line.h
  Time expiry;                               // of its patience
  Time offered_until;                        // while it is offered
  std::uint64_t key, number;                 // its place in a line: key of the order, then submission

  bool reading() const { return context < to_read; }
  bool generates() const { return max_output > 0; }  // or its end is its result: no time between tokens is promised
  std::int32_t rest() const { return to_read - std::max(context, hit); }
  // The leading blocks of `size` tokens that it may find read: one token at least is read anew, for its logits.
  std::span<const BlockHash> reusable(Tokens size) const {
    const auto whole = static_cast<std::uint32_t>((std::max(to_read, 1) - 1) / size.count());
    return {prefix, std::min(prefix_blocks, whole)};
  }
};

// Tokens that a sequence may come to, at the least one beyond its prompt and what it has: a prompt takes as much KV
// whatever it asks for, and where as much is asked as fits, one that was preempted must find room for one more.
constexpr std::int64_t may_come_to(std::int32_t prompt, std::int32_t generated, std::int32_t max_output) {
  const bool open_ended = max_output == Tokens::max().count();
  return std::int64_t{prompt} + (open_ended ? generated + 1 : std::max(1, max_output));
}
inline std::int64_t may_come_to(const Sequence& s) { return may_come_to(s.prompt, s.generated, s.max_output); }

constexpr std::uint32_t bit(SequenceState s) { return 1u << static_cast<unsigned>(s); }

// I2, as bits: from a row's state to any of its set.
inline constexpr std::array<std::uint32_t, kSequenceStates> kLegal = {
    /* none       */ bit(SequenceState::arrived),
    /* arrived    */ bit(SequenceState::unbound) | bit(SequenceState::offered) | bit(SequenceState::parting) |
        bit(SequenceState::bound) | bit(SequenceState::ended),
    /* unbound    */ bit(SequenceState::offered) | bit(SequenceState::parting) | bit(SequenceState::bound) |
        bit(SequenceState::ended),
    /* offered    */ bit(SequenceState::parting) | bit(SequenceState::arrived) | bit(SequenceState::ended),
    /* parting    */ bit(SequenceState::ended) | bit(SequenceState::none),
    /* bound      */ bit(SequenceState::running) | bit(SequenceState::arrived) | bit(SequenceState::parting) |
        bit(SequenceState::ended),
    /* running    */ bit(SequenceState::bound) | bit(SequenceState::arrived) | bit(SequenceState::cancelling) |
        bit(SequenceState::read) | bit(SequenceState::ended),
    /* read       */ bit(SequenceState::moving) | bit(SequenceState::arrived) | bit(SequenceState::ended),
    /* moving     */ bit(SequenceState::running) | bit(SequenceState::arrived) | bit(SequenceState::cancelling) |
        bit(SequenceState::ended),
    /* cancelling */ bit(SequenceState::ended),
    /* ended      */ bit(SequenceState::none),
};

inline void move_to(Sequence& s, SequenceState to) {
  CHECK_WHY(kLegal[static_cast<std::size_t>(s.state)] & bit(to), "a sequence moves only along legal transitions (I2)");
  s.state = to;
}

// Type-stable slots with generations. Cost: O(1).
class SequencePool {
 public:
  explicit SequencePool(std::uint32_t capacity) : slots_(capacity) {}

  // Returns: a sequence in state `none`, its links and progress cleared. Requires: size() < capacity.
  std::uint32_t take() {
    std::uint32_t i = free_;
    if (i != kNobody) {
      free_ = slots_[i].next;
    } else {
      CHECK(used_ < slots_.size());
      i = used_++;
    }
    const std::uint32_t generation = slots_[i].generation;
    slots_[i] = Sequence{};
    slots_[i].generation = generation + 1;
    slots_[i].prev = slots_[i].next = slots_[i].patient_prev = slots_[i].patient_next = kNobody;
    slots_[i].waiter_prev = slots_[i].waiter_next = kNobody;
    slots_[i].child = slots_[i].sibling = slots_[i].back = kNobody;
    ++size_;
    return i;
  }
  void give_back(std::uint32_t i) {
    move_to(slots_[i], SequenceState::none);
    slots_[i].next = free_;
    free_ = i;
    --size_;
  }

  Sequence& operator[](std::uint32_t i) { return slots_[i]; }
  const Sequence& operator[](std::uint32_t i) const { return slots_[i]; }
  SequenceId id(std::uint32_t i) const { return {i, slots_[i].generation}; }
  std::uint32_t size() const { return size_; }
  std::uint32_t capacity() const { return static_cast<std::uint32_t>(slots_.size()); }

 private:
  LazyArray<Sequence> slots_;
  std::uint32_t free_ = kNobody, used_ = 0, size_ = 0;
};

// A doubly linked list through a pair of a sequence's links: O(1) to join, to leave, to walk on.
template <std::uint32_t Sequence::* Prev, std::uint32_t Sequence::* Next>
class LinkedList {
 public:
  std::uint32_t first() const { return first_; }
  std::uint32_t last() const { return last_; }
  bool empty() const { return first_ == kNobody; }

  void push_back(SequencePool& pool, std::uint32_t i) {
    pool[i].*Prev = last_;
    pool[i].*Next = kNobody;
    (last_ == kNobody ? first_ : pool[last_].*Next) = i;
    last_ = i;
  }
  void remove(SequencePool& pool, std::uint32_t i) {
    const std::uint32_t before = pool[i].*Prev, after = pool[i].*Next;
    (before == kNobody ? first_ : pool[before].*Next) = after;
    (after == kNobody ? last_ : pool[after].*Prev) = before;
    pool[i].*Prev = pool[i].*Next = kNobody;
  }
  std::uint32_t pop_front(SequencePool& pool) {
    const std::uint32_t i = first_;
    remove(pool, i);
    return i;
  }

 private:
  std::uint32_t first_ = kNobody, last_ = kNobody;
};

using SequenceList = LinkedList<&Sequence::prev, &Sequence::next>;
using PatientList = LinkedList<&Sequence::patient_prev, &Sequence::patient_next>;
using WaiterList = LinkedList<&Sequence::waiter_prev, &Sequence::waiter_next>;

}  // namespace yard
