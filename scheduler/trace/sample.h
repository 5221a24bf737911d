// Random variates from 64 random bits with integers only: the same numbers on every build.
//
// Numbers are fixed point: Q32 is a value times 2^32. Logarithm and power of two are tables of 257 points, made by the
// compiler with integer squarings and square roots, with straight lines between: within 3e-6, one-sided.
#pragma once
#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "scheduler/base/hash.h"
#include "scheduler/base/rng.h"

namespace yard {

using Q32 = std::uint64_t;
constexpr Q32 kOne = Q32{1} << 32;

namespace sample_detail {

constexpr int kPoints = 256;
constexpr std::uint64_t kOneQ62 = std::uint64_t{1} << 62;
constexpr std::uint64_t mul_q62(std::uint64_t a, std::uint64_t b) {
  return static_cast<std::uint64_t>(static_cast<Wide>(a) * b >> 62);
}
constexpr std::uint64_t root_q62(std::uint64_t x) {  // bit by bit from above
  std::uint64_t r = 0;
  for (std::uint64_t bit = kOneQ62; bit != 0; bit >>= 1)
    if (static_cast<Wide>(r | bit) * (r | bit) <= static_cast<Wide>(x) << 62) r |= bit;
  return r;
}

// log2(1 + i / 256) in Q32: squaring doubles the logarithm, and its whole part is the next binary digit.
consteval std::array<std::uint32_t, kPoints + 1> logs() {
  std::array<std::uint32_t, kPoints + 1> table{};
  for (int i = 0; i < kPoints; ++i) {
    std::uint64_t x = kOneQ62 + kOneQ62 / kPoints * static_cast<std::uint64_t>(i);
    std::uint32_t digits = 0;
    for (int d = 0; d < 32; ++d) {
      x = mul_q62(x, x);
      digits = digits << 1 | (x >= 2 * kOneQ62);
      if (x >= 2 * kOneQ62) x >>= 1;
    }
    table[static_cast<std::size_t>(i)] = digits;
  }
  table[kPoints] = 0xffff'ffff;  // 1, but for the last digit
  return table;
}

// 2^(-i / 256) in Q32.
consteval std::array<Q32, kPoints + 1> powers() {
  std::array<Q32, kPoints + 1> table{};
  std::uint64_t step = kOneQ62 / 2;
  for (int halvings = 0; halvings < 8; ++halvings) step = root_q62(step);
  std::uint64_t x = kOneQ62;
  for (auto& entry : table) {
    entry = x >> 30;
    x = mul_q62(x, step);
  }
  return table;
}

inline constexpr auto kLog2 = logs();
inline constexpr auto kPower2 = powers();

}  // namespace sample_detail

// log2(x), Q32. Requires: x > 0 (a plain integer).
constexpr Q32 log2_q32(std::uint64_t x) {
  const int zeros = std::countl_zero(x);
  const std::uint64_t m = x << zeros << 1;  // behind the leading one
  const auto i = static_cast<std::size_t>(m >> 56);
  const std::uint64_t low = sample_detail::kLog2[i], rise = sample_detail::kLog2[i + 1] - low;
  return (static_cast<Q32>(63 - zeros) << 32) + low + (rise * (m >> 24 & 0xffff'ffff) >> 32);
}

// 2^-y, Q32, of a y in Q32.
constexpr Q32 power2_q32(Q32 y) {
  const std::uint64_t whole = y >> 32;
  const auto i = static_cast<std::size_t>(y >> 24 & 0xff);
  const Q32 high = sample_detail::kPower2[i], fall = high - sample_detail::kPower2[i + 1];
  return whole > 32 ? 0 : (high - (fall * (y & 0xff'ffff) >> 24)) >> whole;
}

// -log2(u / 2^64), Q32: of 64 random bits, exponential with mean 1 / ln 2.
constexpr Q32 minus_log2(std::uint64_t u) { return (Q32{64} << 32) - log2_q32(u | 1); }

constexpr Q32 times_ln2(Q32 x) { return x * 11'629'080 >> 24; }  // ln 2 * 2^24, within 2e-8; x below 2^38

// Exponential, mean 1.
constexpr Q32 exponential(std::uint64_t u) { return times_ln2(minus_log2(u)); }

// Gamma with mean 1 and a coefficient of variation of 1 or more, by rejection (Ahrens and Dieter: Computer methods for
// sampling from gamma, beta, Poisson and binomial distributions, Computing 12, 1974: GS). Both tests, V <= exp(-x) and
// V <= x^(a-1), are made on -ln V, which is an exponential variate.
class GammaSampler {
 public:
  // Requires: 1000 <= cv_milli <= 100'000. The shape is a = 1 / cv^2.
  constexpr explicit GammaSampler(std::uint32_t cv_milli)
      : inverse_shape_q20_((static_cast<std::uint64_t>(cv_milli) * cv_milli << 20) / 1'000'000) {
    constexpr Q32 kE = 11'674'931'555;  // e, Q32
    const Q32 shape = (Q32{1} << 52) / inverse_shape_q20_;
    below_one_ = static_cast<std::uint64_t>((static_cast<Wide>(kE) << 64) / (kE + shape));
    one_less_shape_ = kOne - shape;
    plain_ = cv_milli == 1000;
  }

  // Returns: Q32, below 2^53.
  constexpr Q32 next(Rng& rng) const {
    if (plain_) return exponential(rng.next());
    Q32 x = 0;
    for (int tries = 0; tries < 64; ++tries) {  // each fits with 0.72 or more: 64 fail once in 10^35
      const bool small = rng.next() < below_one_;
      const std::uint64_t u = rng.next();
      const Q32 test = exponential(rng.next());
      if (small) {
        x = power2_q32(static_cast<Q32>(static_cast<Wide>(minus_log2(u)) * inverse_shape_q20_ >> 20));
        if (test >= x) break;
      } else {
        x = kOne + exponential(u);
        const Q32 ln_x = times_ln2(log2_q32(x) - (Q32{32} << 32));
        if (test >= static_cast<Q32>(static_cast<Wide>(ln_x) * one_less_shape_ >> 32)) break;
      }
    }
    return static_cast<Q32>(static_cast<Wide>(x) * inverse_shape_q20_ >> 20);
  }

 private:
  std::uint64_t inverse_shape_q20_;
  std::uint64_t below_one_ = 0;  // e / (e + a): how often x falls below 1
  Q32 one_less_shape_ = 0;
  bool plain_ = false;
};

// A distribution by its quantiles: 127 equal cells up to 127/128, then tails of 1/128, 1/256 .. 1/8192, and the
// greatest. Straight lines between. What a real trace shows to the thousandth lies in 135 numbers.
struct QuantileTable {
  static constexpr std::size_t kBody = 127;
  static constexpr int kFirstTail = 7, kLastTail = 13;  // as powers of 1/2
  static constexpr std::size_t kKnots = kBody + (kLastTail - kFirstTail + 1) + 1;

  std::array<std::uint32_t, kKnots> at;  // never falling

  constexpr std::uint32_t sample(std::uint64_t u) const {
    auto cell = static_cast<std::size_t>(u >> 57);
    std::uint64_t within = u << 7;
    if (cell == kBody) {
      const int tail = std::min(std::countl_one(u), kLastTail);
      cell += static_cast<std::size_t>(tail - kFirstTail);
      within = u << std::min(tail + 1, kLastTail);
    }
    const std::uint64_t low = at[cell], rise = at[cell + 1] - low;
    return static_cast<std::uint32_t>(low + ((rise * (within >> 32) + (std::uint64_t{1} << 31)) >> 32));
  }
};

}  // namespace yard
