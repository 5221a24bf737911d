// Where pieces of work are handed in from outside: any thread hands in, any takes out, first in, first out, bounded.
//
// A piece lies in a cell; numbers of free cells go round in one ring, numbers of full ones in another. So a thread
// that is stopped between taking a cell and showing it keeps that cell, and hides nobody else's.
//
// Threads: any.
// A1  each piece handed in is taken once, and what was written before push() is seen by who takes it.
// A2  a full hatch answers false at once and changes nothing; full only where capacity() pieces are in it, being put
//     in, or being taken out.
// Progress: lock-free; one who is stopped anywhere costs at most one cell meanwhile.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <type_traits>

#include "scheduler/base/check.h"
#include "scheduler/sync/atomics.h"
#include "scheduler/sync/number_ring.h"

namespace yard {

template <class T, class Sync = StdAtomics>
class Hatch {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  // Holds `at_least` pieces: rounded up to a power of two. Errors: std::bad_alloc.
  explicit Hatch(std::size_t at_least)
      : full_(at_least), free_(at_least), cells_(std::make_unique<Cell[]>(full_.capacity())) {
    CHECK(full_.capacity() <= UINT32_MAX);
    for (std::uint32_t cell = 0; cell < full_.capacity(); ++cell) free_.push(cell);
  }

  // In one order with a seq_cst load after it, as TaskDeque::push_before_look(). Returns: false when full.
  bool push(const T& item) noexcept {
    std::uint32_t cell = 0;
    if (!free_.take(cell)) return false;
    cells_[cell].set(item);
    // There is room, and it shows: this cell was taken out of `full_`, or never in it, and all numbers went round so.
    CHECK(full_.push(cell));
    return true;
  }

  // Returns: false when there is none.
  bool take(T& item) noexcept {
    std::uint32_t cell = 0;
    if (!full_.take(cell)) return false;
    item = cells_[cell].get();
    CHECK(free_.push(cell));
    return true;
  }

  bool empty() const noexcept { return full_.empty(); }  // as NumberRing's
  std::size_t capacity() const noexcept { return full_.capacity(); }

 private:
  using Cell = typename Sync::template Var<T>;

  NumberRing<Sync> full_, free_;
  const std::unique_ptr<Cell[]> cells_;
};

}  // namespace yard
