// Who has probably been read by now, though nobody said so yet: where signals are old, a prompt that was placed a while
// ago.
//
// A forecast is made when a sequence is bound: its first token at t. From t on placement takes its prompt for read,
// until what is known of t comes and stands instead: at t + age, or sooner, where it was told that it had been read, or
// had gone, at f: at f + age.
//
//   read from t until min(f, t) + age
//
// Ends are not forecast: answers' lengths scatter too much, and whoever is taken for gone too soon draws others there
// (tried: 35 instead of 72 % attainment on Azure conv with signals 5 s old).
//
// Threads: the shard's own. Owns: where signals have an age, room for kMost that are bound; more are not forecast.
#pragma once
#include <algorithm>
#include <cstdint>

#include "scheduler/base/heap.h"
#include "scheduler/base/lazy_array.h"
#include "scheduler/base/units.h"

namespace yard {

class Forecasts {
 public:
  static constexpr std::uint32_t kMost = 1u << 16, kNone = 0;

  struct Flight {
    std::uint32_t device;
    std::int32_t to_read, rest;  // tokens, as of its binding
  };
  struct Change {
    Flight flight;
    int read;  // +1: taken for read from now on; -1: as is known
  };

  explicit Forecasts(Duration age)
      : age_(age), records_(age.count() > 0 ? kMost + 1 : 1), due_(static_cast<std::uint32_t>(records_.size())) {}

  // Returns: its name; kNone where there is no room.
  std::uint32_t expect(const Flight& flight, Time first_token) {
    std::uint32_t i = free_;
    if (i != kNone)
      free_ = records_[i].next_free;
    else if (touched_ + 1 < records_.size())
      i = ++touched_;
    else
      return kNone;
    records_[i] = {.flight = flight,
                   .from = first_token,
                   .until = first_token + age_,
                   .on = false,
                   .done = false,
                   .over = false,
                   .next_free = kNone};
    due_.set(i, first_token);
    return i;
  }

  // It has been read, or has left its device: then `i` is nobody's.
  void known(std::uint32_t i, Time now) {
    if (i == kNone) return;
    Record& r = records_[i];
    r.until = std::min(r.until, now + age_);
    if (!r.on && r.until <= r.from) return free(i);
    if (r.done) return free(i);
    if (r.on) due_.set(i, r.until);
    r.over = true;
  }

  Time next() const { return due_.next(); }
  // The next change. Requires: there is one.
  Change take() {
    const std::uint32_t i = due_.first();
    Record& r = records_[i];
    const Change change{r.flight, r.on ? -1 : +1};
    r.on = !r.on;
    if (r.on) {
      due_.set(i, r.until);
    } else {
      due_.remove(i);
      r.done = true;
      if (r.over) free(i);
    }
    return change;
  }

 private:
  struct Record {
    Flight flight;
    Time from, until;
    bool on;    // is taken for read
    bool done;  // was, and is no more
    bool over;  // nobody names it any more
    std::uint32_t next_free;
  };
  void free(std::uint32_t i) {
    due_.clear(i);
    records_[i].next_free = free_;
    free_ = i;
  }

  const Duration age_;
  LazyArray<Record> records_;
  TimeHeap due_;
  std::uint32_t free_ = kNone, touched_ = 0;
};

}  // namespace yard
