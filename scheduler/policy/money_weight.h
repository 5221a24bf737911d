// What money weighs beside missed promises: little. It decides between devices that keep as many, and for those whose
// hours can be given back; a fleet paid whole has price 0, and no term.
#pragma once
#include <algorithm>
#include <cstdint>

namespace yard::policy {

// A dollar weighs as 12 misses: a busy second at 3 USD an hour (one H100 replica, about) is 0.01 of a miss, a third of
// what a second of waiting weighs.
inline constexpr std::int64_t kMissesPerDollar = 12;

// `price`: marginal, nano-dollars per hour (beyond 10,000 USD an hour all are alike). `busy`: ns that the device works
// longer, at most 10^14. Returns: misses in 1/65536.
constexpr std::int64_t money_weight(std::int64_t price, std::int64_t busy) {
  const std::int64_t thousandths_per_hour = std::min<std::int64_t>(price, 10'000'000'000'000) / 1'000'000;
  return thousandths_per_hour * (busy / 1000) / (3'600'000'000 / 65536 * 1000 / kMissesPerDollar);
}

}  // namespace yard::policy
