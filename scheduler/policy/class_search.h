// The least of all devices of some classes, by bounds: what a scan of them would find, ties to the lowest index.
//
// A scorer says of what is known of some devices what its score is there at the least, and of a device what it is. Bins
// are visited in the order of their time per token until their bound is above the least found, and in them devices that
// are not above it by what is known of each. A bound must not fall as anything known rises. After so many devices the
// search gives up: where so many are so nearly alike a scan is no slower.
#pragma once
#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <span>

#include "scheduler/core/class_index.h"
#include "scheduler/core/policy.h"

namespace yard::policy {

// `Scorer` has
//   void enter(const ClassIndex::Class&)   what is asked next is about this class
//   std::int64_t seconds(Kind, Known)      a score on any device of which so much is known is at least the sum of
//   std::int64_t rest(Kind, Known)         these two; asked of idle ones with kNothingKnown: on any device of the class
//   Scored score(std::uint32_t device)     with a member total()
template <class Scored>
class ClassSearch {
 public:
  static constexpr ClassIndex::Known kNothingKnown{};

  std::uint32_t device() const { return device_; }
  const Scored& found() const { return found_; }

  // Returns: false where it gave up.
  template <class Scorer>
  bool run(const Shortlist& among, Scorer& scorer) {
    const ClassIndex& index = among.index;
    for (const std::uint32_t d : among.singly) offer(d, scorer);
    // Those that are idle, first: they are one a class, and often the best.
    std::uint32_t devices = 0, left = 0;
    std::array<std::uint32_t, ClassIndex::kMostClasses> busy;  // those in which others may be better
    for (const std::uint32_t c : among.classes) {
      const ClassIndex::Class& k = index[c];
      devices += k.up;
      scorer.enter(k);
      if (above(ClassIndex::Kind::idle, kNothingKnown, scorer)) continue;
      const std::uint32_t d = index.first_idle(c);
      if (d != ClassIndex::kNone) offer(d, scorer);
      if (k.binned > 0) busy[left++] = c;
    }
    most_ = std::max(64u, devices / 8);
    for (const std::uint32_t c : std::span(busy).first(left)) {
      scorer.enter(index[c]);
      if (left > 1 && above(ClassIndex::Kind::idle, kNothingKnown, scorer)) continue;
      for (std::uint32_t of = 0; of < ClassIndex::kKinds; ++of)
        if (index[c].of_kind[of] > 0 && !search(index, c, static_cast<ClassIndex::Kind>(of), scorer)) return false;
    }
    return device_ != ClassIndex::kNone;
  }

 private:
  template <class Scorer>
  bool search(const ClassIndex& index, std::uint32_t c, ClassIndex::Kind kind, Scorer& scorer) {
    for (std::uint32_t bin = index.next_bin(c, kind, 0); bin != ClassIndex::kNone;
         bin = index.next_bin(c, kind, bin + 1)) {
      const ClassIndex::Known known = index.known_of_bin(c, kind, bin);
      std::int64_t rest;
      if (above(kind, known, scorer, rest)) {
        const ClassIndex::Known behind{.per_token = known.per_token, .step = 0, .to_read = 0, .jitter = 0};
        if (above(kind, behind, scorer, rest)) return true;
        continue;
      }
      for (std::uint32_t d = index.first_in(c, kind, bin); d != ClassIndex::kNone; d = index.next_in(d)) {
        const std::int64_t seconds = scorer.seconds(kind, index.known_of(d));
        if (seconds + rest > least_ || (seconds + rest == least_ && d > device_)) continue;
        if (scored_ == most_) return false;
        offer(d, scorer);
      }
    }
    return true;
  }

  // Whether all of which so much is known are above the least. `rest`: filled in where they are not.
  template <class Scorer>
  bool above(ClassIndex::Kind kind, const ClassIndex::Known& known, const Scorer& scorer, std::int64_t& rest) const {
    const std::int64_t seconds = scorer.seconds(kind, known);
    if (seconds > least_) return true;
    rest = scorer.rest(kind, known);
    return seconds + rest > least_;
  }
  template <class Scorer>
  bool above(ClassIndex::Kind kind, const ClassIndex::Known& known, const Scorer& scorer) const {
    std::int64_t rest;
    return above(kind, known, scorer, rest);
  }

  template <class Scorer>
  void offer(std::uint32_t d, Scorer& scorer) {
    ++scored_;
    const Scored s = scorer.score(d);
    const std::int64_t total = s.total();
    if (total > least_ || (total == least_ && d >= device_)) return;
    least_ = total, device_ = d, found_ = s;
  }

  std::int64_t least_ = std::numeric_limits<std::int64_t>::max();
  std::uint32_t device_ = ClassIndex::kNone, scored_ = 0, most_ = 0;
  Scored found_{};
};

}  // namespace yard::policy
