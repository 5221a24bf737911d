// A fixed array whose pages cost nothing until touched: bounds may be generous, memory follows use.
//
// Zero-filled by the operating system (calloc of whole pages), so that 0 must be a sound value of T.
#pragma once
#include <cstdlib>
#include <memory>
#include <new>
#include <type_traits>

#include "scheduler/base/check.h"

namespace yard {

template <class T>
class LazyArray {
  static_assert(std::is_trivially_destructible_v<T> && std::is_trivially_copyable_v<T>);

 public:
  LazyArray() = default;
  explicit LazyArray(std::size_t size) : data_(static_cast<T*>(std::calloc(size, sizeof(T)))), size_(size) {
    if (!data_ && size) throw std::bad_alloc();
  }
  T& operator[](std::size_t i) { return data_.get()[i]; }
  const T& operator[](std::size_t i) const { return data_.get()[i]; }
  T* data() { return data_.get(); }
  const T* data() const { return data_.get(); }
  std::size_t size() const { return size_; }

 private:
  struct Free {
    void operator()(T* p) const { std::free(p); }
  };
  std::unique_ptr<T[], Free> data_;
  std::size_t size_ = 0;
};

}  // namespace yard
