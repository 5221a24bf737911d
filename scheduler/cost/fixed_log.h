// Logarithms to base 2 and their inverse as integers: the same bits from every compiler, C library and machine.
//
// A Log2 counts 2^-16 octaves: 0.001 % apart. Both functions are right to 2^-15 octaves (tests/kernel_table_test.cpp).
#pragma once
#include <array>
#include <bit>
#include <cstdint>

#include "scheduler/base/check.h"
#include "scheduler/base/hash.h"

namespace yard {

using Log2 = std::int32_t;
inline constexpr Log2 kOctave = 1 << 16;

// Of a positive number: the place of its highest bit, then a bit of the fraction for each squaring (Knuth, The Art of
// Computer Programming 1, 1.2.2, exercise 25).
constexpr Log2 log2_of(std::uint64_t n) {
  const auto high = static_cast<int>(std::bit_width(n)) - 1;
  std::uint64_t x = high > 31 ? n >> (high - 31) : n << (31 - high);  // [1, 2) with 31 bits behind the point
  Log2 log = high * kOctave;
  for (Log2 bit = kOctave / 2; bit > 0; bit /= 2) {
    x = static_cast<std::uint64_t>(static_cast<Wide>(x) * x >> 31);
    if (x >> 32) x >>= 1, log += bit;
  }
  return log;
}

namespace detail {

// floor(2^62 * sqrt(...)): roots of two, 2^(2^-k) with 30 bits behind the point, by integer square roots.
constexpr std::uint64_t square_root(Wide n) {
  std::uint64_t root = 0;
  for (std::uint64_t bit = std::uint64_t{1} << 32; bit > 0; bit >>= 1)
    if (static_cast<Wide>(root | bit) * (root | bit) <= n) root |= bit;
  return root;
}

constexpr std::array<std::uint64_t, 16> roots_of_two() {
  std::array<std::uint64_t, 16> roots{};
  Wide two = Wide{2} << 30;
  for (auto& root : roots) root = square_root(two << 30), two = root;
  return roots;
}

}  // namespace detail

// n times 2^(log / 65536), rounded down. Requires: 0 <= n < 2^56; held at 2^62 where it would be more.
constexpr std::int64_t scaled_by(std::int64_t n, Log2 log) {
  constexpr auto kRoots = detail::roots_of_two();
  const int octaves = log >> 16;  // rounds down
  std::uint64_t factor = std::uint64_t{1} << 30;
  for (int k = 0; k < 16; ++k)
    if (log >> (15 - k) & 1) factor = static_cast<std::uint64_t>(static_cast<Wide>(factor) * kRoots[k] >> 30);
  const Wide product = static_cast<Wide>(n) * factor;
  constexpr Wide kMost = Wide{1} << 62;
  if (octaves > 60) return n == 0 ? 0 : static_cast<std::int64_t>(kMost);
  if (octaves < -90) return 0;
  const Wide value = octaves >= 30 ? (product << (octaves - 30)) : (product >> (30 - octaves));
  return static_cast<std::int64_t>(value < kMost ? value : kMost);
}

}  // namespace yard
