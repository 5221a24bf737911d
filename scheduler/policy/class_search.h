// The least of all devices of some classes, by bounds: what a scan of them would find, ties to the lowest index.
//
// A scorer says of what is known of some devices what its score is there at the least, and of a device what it is. Bins
// are visited in the order of their time per token until their bound is above the least found, and in them devices that
// are not above it by what is known of each. A bound must not fall as anything known rises. Where many are nearly
// alike many are scored, each once.
#pragma once
#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <limits>
#include <span>

#include "scheduler/core/class_index.h"
#include "scheduler/core/policy.h"

namespace yard::policy {

// `Scorer` has
//   std::int64_t least(Class, bool run)    a score on any device of the class is no less; `run`: on any where some run
//   void enter(const ClassIndex::Class&)   what is asked next is about this class
//   bool no_cheaper(Class, Class)          the first is not, for all that is no constant of a class
//   std::int64_t seconds(Kind, Known)      a score on any device of which so much is known is at least the sum of
//   std::int64_t rest(Kind, Known, much)   these two; the second may be anything above `much` where it is that. Asked
//                                          of idle ones with kNothingKnown: on any device of the class. The second is
//                                          asked of what the first was asked of just before.
//   Scored score(std::uint32_t device)     with a member total()
template <class Scored>
class ClassSearch {
 public:
  static constexpr ClassIndex::Known kNothingKnown{};

  std::uint32_t device() const { return device_; }
  const Scored& found() const { return found_; }

  // Requires: some of them are up.
  template <class Scorer>
  void run(const Shortlist& among, Scorer& scorer) {
    const ClassIndex& index = among.index;
    for (const std::uint32_t d : among.singly) offer(d, scorer);
    // Those that are idle, first: they are one a class, and often the best.
    std::uint32_t left = 0;
    std::array<std::uint32_t, ClassIndex::kMostClasses> busy;  // those in which others may be better
    std::uint32_t worse = ClassIndex::kNone;  // no device of this one can be better than the least found
    for (const std::uint32_t c : among.classes) {
      const ClassIndex::Class& k = index[c];
      if (worse != ClassIndex::kNone && k.no_better_than == worse && scorer.no_cheaper(k, index[worse])) {
        worse = c;
        continue;
      }
      if (const std::uint32_t d = index.first_idle(c); d != ClassIndex::kNone) {
        if (device_ != ClassIndex::kNone && all_above(k, scorer)) {
          worse = c;
          continue;
        }
        offer(d, scorer);
      }
      if (k.binned > 0) busy[left++] = c;
    }
    for (const std::uint32_t c : std::span(busy).first(left)) {
      const ClassIndex::Class& k = index[c];
      if (scorer.least(k, k.all_run()) > best(k.first)) continue;
      scorer.enter(k);
      const bool some_kinds = among.classes.size() > 1 && !std::has_single_bit(k.kinds);
      if (some_kinds && above(ClassIndex::Kind::idle, kNothingKnown, scorer, k.first)) continue;
      for (std::uint32_t kinds = k.kinds; kinds != 0; kinds &= kinds - 1)
        search(index, c, static_cast<ClassIndex::Kind>(std::countr_zero(kinds)), scorer);
    }
  }

 private:
  template <class Scorer>
  void search(const ClassIndex& index, std::uint32_t c, ClassIndex::Kind kind, Scorer& scorer) {
    const std::uint32_t first = index[c].first;
    for (std::uint32_t bin = index.next_bin(c, kind, 0); bin != ClassIndex::kNone;
         bin = index.next_bin(c, kind, bin + 1)) {
      const ClassIndex::Known known = index.known_of_bin(c, kind, bin);
      std::int64_t rest;
      if (above(kind, known, scorer, first, rest)) {
        // Nor any behind it?
        const ClassIndex::Known behind{.per_token = known.per_token, .step = 0, .to_read = 0, .jitter = 0, .pace = 0};
        if (known == behind) return;
        if (above(kind, behind, scorer, first, rest)) return;
        continue;
      }
      std::int64_t seconds = 0;
      ClassIndex::Known one{-1, 0, 0, 0, 0};  // of the device looked at last: many are alike
      for (std::uint32_t d = index.first_in(c, kind, bin); d != ClassIndex::kNone; d = index.next_in(d)) {
        if (const ClassIndex::Known next = index.known_of(d); next != one)
          one = next, seconds = scorer.seconds(kind, one);
        if (seconds + rest > least_ || (seconds + rest == least_ && d > device_)) continue;
        offer(d, scorer);
      }
    }
  }

  // The most that a score may be, of devices whose indices are that or higher, so that they are better.
  std::int64_t best(std::uint32_t first) const { return first > device_ ? least_ - 1 : least_; }

  // Whether no device of the class can be better.
  template <class Scorer>
  bool all_above(const ClassIndex::Class& k, Scorer& scorer) const {
    if (scorer.least(k, false) > best(k.first)) return true;
    scorer.enter(k);
    return above(ClassIndex::Kind::idle, kNothingKnown, scorer, k.first);
  }

  // Whether none of which so much is known can be better than the least found, whose indices are that or higher.
  // `rest`: filled in where some can.
  template <class Scorer>
  bool above(ClassIndex::Kind kind, const ClassIndex::Known& known, Scorer& scorer, std::uint32_t first,
             std::int64_t& rest) const {
    const std::int64_t most = best(first);
    const std::int64_t seconds = scorer.seconds(kind, known);
    if (seconds > most) return true;
    rest = scorer.rest(kind, known, most - seconds);
    return seconds + rest > most;
  }
  template <class Scorer>
  bool above(ClassIndex::Kind kind, const ClassIndex::Known& known, Scorer& scorer, std::uint32_t first) const {
    std::int64_t rest;
    return above(kind, known, scorer, first, rest);
  }

  template <class Scorer>
  void offer(std::uint32_t d, Scorer& scorer) {
    const Scored s = scorer.score(d);
    const std::int64_t total = s.total();
    if (total > least_ || (total == least_ && d >= device_)) return;
    least_ = total, device_ = d, found_ = s;
  }

  std::int64_t least_ = std::numeric_limits<std::int64_t>::max();
  std::uint32_t device_ = ClassIndex::kNone;
  Scored found_{};
};

}  // namespace yard::policy
