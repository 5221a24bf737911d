// When does what come next: a 4-ary heap over a fixed set of numbered things, each with at most one time.
//
// Ties go to the lower number. Cost: O(log4 n) to set, change or remove; four children share a cache line of the index.
#pragma once
#include <cstdint>
#include <vector>

#include "scheduler/base/check.h"
#include "scheduler/base/units.h"

namespace yard {

class TimeHeap {
 public:
  explicit TimeHeap(std::uint32_t things) : where_(things, kAbsent) { heap_.reserve(things); }

  bool empty() const { return heap_.empty(); }
  Time next() const { return heap_.empty() ? Time::never() : heap_[0].at; }
  std::uint32_t first() const { return heap_[0].thing; }

  // Sets or changes the time of a thing.
  void set(std::uint32_t thing, Time at) {
    std::uint32_t i = where_[thing];
    if (i == kAbsent) {
      i = static_cast<std::uint32_t>(heap_.size());
      heap_.push_back({at, thing});
      where_[thing] = i;
      rise(i);
      return;
    }
    heap_[i].at = at;
    rise(i);
    sink(where_[thing]);
  }

  bool has(std::uint32_t thing) const { return where_[thing] != kAbsent; }
  void clear(std::uint32_t thing) {
    if (has(thing)) remove(thing);
  }
  void remove(std::uint32_t thing) {
    const std::uint32_t i = where_[thing];
    CHECK(i != kAbsent);
    where_[thing] = kAbsent;
    const Entry last = heap_.back();
    heap_.pop_back();
    if (i == heap_.size()) return;
    heap_[i] = last;
    where_[last.thing] = i;
    rise(i);
    sink(where_[last.thing]);
  }

 private:
  static constexpr std::uint32_t kAbsent = 0xffff'ffff;
  struct Entry {
    Time at;
    std::uint32_t thing;
    bool operator<(const Entry& other) const { return at != other.at ? at < other.at : thing < other.thing; }
  };

  void rise(std::uint32_t i) {
    const Entry e = heap_[i];
    while (i > 0 && e < heap_[(i - 1) / 4]) {
      put(i, heap_[(i - 1) / 4]);
      i = (i - 1) / 4;
    }
    put(i, e);
  }
  void sink(std::uint32_t i) {
    const Entry e = heap_[i];
    const auto size = static_cast<std::uint32_t>(heap_.size());
    for (;;) {
      std::uint32_t least = 4 * i + 1;
      if (least >= size) break;
      const std::uint32_t end = least + 4 < size ? least + 4 : size;
      for (std::uint32_t c = least + 1; c < end; ++c)
        if (heap_[c] < heap_[least]) least = c;
      if (!(heap_[least] < e)) break;
      put(i, heap_[least]);
      i = least;
    }
    put(i, e);
  }
  void put(std::uint32_t i, const Entry& e) {
    heap_[i] = e;
    where_[e.thing] = i;
  }

  std::vector<Entry> heap_;
  std::vector<std::uint32_t> where_;
};

}  // namespace yard
