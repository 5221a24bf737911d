// One producer, one consumer, bounded: how a shard speaks to one device. Over boost::lockfree::spsc_queue.
//
// Threads: push() from one, pop() from one.
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

 private:
  boost::lockfree::spsc_queue<T> items_;
};

}  // namespace yard
