// Quantities with a unit, and what may be added to what.
//
// A Quantity adds to and subtracts from its own kind, scales by plain integers and converts by name only. Time is a
// point on the clock that the loop chose; Duration is a difference of two. Overflow is the caller's to exclude: every
// header that stores one says how large it can get.
#pragma once
#include <compare>
#include <concepts>
#include <cstdint>
#include <limits>

namespace yard {

template <class Tag, std::integral Rep>
class Quantity {
 public:
  using rep = Rep;
  constexpr Quantity() = default;
  template <std::integral N>
  constexpr explicit Quantity(N n) : n_(static_cast<Rep>(n)) {}

  constexpr Rep count() const { return n_; }
  static constexpr Quantity max() { return Quantity(std::numeric_limits<Rep>::max()); }

  constexpr auto operator<=>(const Quantity&) const = default;
  constexpr Quantity& operator+=(Quantity other) {
    n_ = static_cast<Rep>(n_ + other.n_);
    return *this;
  }
  constexpr Quantity& operator-=(Quantity other) {
    n_ = static_cast<Rep>(n_ - other.n_);
    return *this;
  }
  friend constexpr Quantity operator+(Quantity a, Quantity b) { return a += b; }
  friend constexpr Quantity operator-(Quantity a, Quantity b) { return a -= b; }
  template <std::integral N>
  friend constexpr Quantity operator*(Quantity a, N n) {
    return Quantity(a.n_ * static_cast<Rep>(n));
  }
  template <std::integral N>
  friend constexpr Quantity operator*(N n, Quantity a) {
    return a * n;
  }

 private:
  Rep n_ = 0;
};

using Tokens = Quantity<struct TokensTag, std::int32_t>;  // of one sequence or one step; sums over a device are int64
using Blocks = Quantity<struct BlocksTag, std::int32_t>;  // KV blocks of one device
using Duration = Quantity<struct DurationTag, std::int64_t>;        // nanoseconds
using Picoseconds = Quantity<struct PicosecondsTag, std::int64_t>;  // of one run: below 106 days
using NanoDollars = Quantity<struct NanoDollarsTag, std::int64_t>;
using Millijoules = Quantity<struct MillijoulesTag, std::int64_t>;
using Milliwatts = Quantity<struct MilliwattsTag, std::int64_t>;

// A point in time: signed 64-bit nanoseconds since an epoch that the loop chooses.
class Time {
 public:
  constexpr Time() = default;
  constexpr explicit Time(std::int64_t ns) : ns_(ns) {}
  constexpr std::int64_t ns() const { return ns_; }
  static constexpr Time max() { return Time(std::numeric_limits<std::int64_t>::max()); }
  static constexpr Time never() { return max(); }

  constexpr auto operator<=>(const Time&) const = default;
  constexpr Time& operator+=(Duration d) {
    ns_ += d.count();
    return *this;
  }
  friend constexpr Time operator+(Time t, Duration d) { return t += d; }
  friend constexpr Time operator-(Time t, Duration d) { return Time(t.ns_ - d.count()); }
  friend constexpr Duration operator-(Time a, Time b) { return Duration(a.ns_ - b.ns_); }

 private:
  std::int64_t ns_ = 0;
};

constexpr Duration nanoseconds(std::int64_t n) { return Duration(n); }
constexpr Duration microseconds(std::int64_t n) { return Duration(n * 1000); }
constexpr Duration milliseconds(std::int64_t n) { return Duration(n * 1'000'000); }
constexpr Duration seconds(std::int64_t n) { return Duration(n * 1'000'000'000); }

// The nanosecond in which a stretch of picoseconds has surely passed: an event carries the ceiling.
constexpr Duration ceil_to_ns(Picoseconds p) { return Duration((p.count() + 999) / 1000); }

// Blocks that hold `tokens`, at `per_block` tokens each.
constexpr Blocks blocks_for(Tokens tokens, Tokens per_block) {
  return Blocks((tokens.count() + per_block.count() - 1) / per_block.count());
}

// Promises, kept and missed ones, are counted in parts of this.
inline constexpr std::int64_t kOnePromise = 65536;

}  // namespace yard
