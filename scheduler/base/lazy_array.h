// A fixed array whose pages cost nothing until touched: bounds may be generous, memory follows use.
//
// Zero-filled by the operating system, so that 0 must be a sound value of T. A large one is pages of its own: calloc()
// clears what it gives out again, all of it, however little is touched (a Core made after another one that has gone
// took tens of milliseconds).
#pragma once
#include <sys/mman.h>

#include <cstdlib>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

#include "scheduler/base/check.h"
#include "scheduler/base/sanitized.h"

namespace yard {

template <class T>
class LazyArray {
  static_assert(std::is_trivially_destructible_v<T> && std::is_trivially_copyable_v<T>);

 public:
  LazyArray() = default;
  // Errors: std::bad_alloc.
  explicit LazyArray(std::size_t size) : data_(take(size), Give{size}), size_(size) {}
  LazyArray(LazyArray&& other) noexcept : data_(std::move(other.data_)), size_(std::exchange(other.size_, 0)) {}
  LazyArray& operator=(LazyArray&& other) noexcept {
    data_ = std::move(other.data_), size_ = std::exchange(other.size_, 0);
    return *this;
  }
  T& operator[](std::size_t i) { return data_.get()[i]; }
  const T& operator[](std::size_t i) const { return data_.get()[i]; }
  T* data() { return data_.get(); }
  const T* data() const { return data_.get(); }
  std::size_t size() const { return size_; }

 private:
  static constexpr std::size_t kOwnPages = std::size_t{1} << 18;  // bytes, from which on it is pages of its own
  static_assert(sizeof(T) <= kOwnPages);
  // Sanitizers watch what malloc gives.
  static constexpr bool own_pages(std::size_t size) { return !kSanitized && size >= kOwnPages / sizeof(T); }

  static T* take(std::size_t size) {
    if (size > ~std::size_t{0} / 2 / sizeof(T)) throw std::bad_alloc();
    if (!own_pages(size)) {
      void* all = std::calloc(size, sizeof(T));
      if (!all && size) throw std::bad_alloc();
      return static_cast<T*>(all);
    }
    void* all = ::mmap(nullptr, size * sizeof(T), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (all == MAP_FAILED) throw std::bad_alloc();
    return static_cast<T*>(all);
  }
  struct Give {
    std::size_t size = 0;
    void operator()(T* p) const { own_pages(size) ? static_cast<void>(::munmap(p, size * sizeof(T))) : std::free(p); }
  };
  std::unique_ptr<T[], Give> data_;
  std::size_t size_ = 0;
};

}  // namespace yard
