// One producer, one consumer, bounded: how a shard speaks to one device, and a registered submitter to a shard. Over
// boost::lockfree::spsc_queue.
//
// Threads: push() from one, the rest from one. All are wait-free.
// L1  first in, first out; what was written before push() is seen after the pop() of that item.
#pragma once
#include <cstddef>

#include <boost/lockfree/spsc_queue.hpp>

namespace yard {

template <class T>
class Lane {
 public:
  explicit Lane(std::size_t capacity) : items_(capacity) {}
  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;

  // Returns: false when full, or when there is nothing, respectively.
  bool push(const T& item) noexcept { return items_.push(item); }
  bool pop(T& item) noexcept { return items_.pop(item); }

  std::size_t available() const noexcept { return items_.read_available(); }  // what was pushed before is in it
  const T& front() noexcept { return items_.front(); }                        // Requires: some are available
  // Requires: the same. `take(first)`: reads it where it lies.
  template <class Take>
  void pop_by(const Take& take) noexcept {
    items_.consume_one(take);
  }

 private:
  boost::lockfree::spsc_queue<T> items_;
};

}  // namespace yard
