// The only source of chance: seeded, splittable, integers only, the same numbers on every build.
//
// splitmix64 (Steele, Lea, Flood 2014): state += golden gamma; output = mix64(state). One word of state, so that a
// policy's randomness travels in a recording's head as one number.
#pragma once
#include <cstdint>

#include "scheduler/base/hash.h"

namespace yard {

using Seed = std::uint64_t;

class Rng {
 public:
  constexpr explicit Rng(Seed seed) : state_(seed) {}

  constexpr std::uint64_t next() { return mix64(state_ += kGamma); }

  // Returns: a number in [0, n), n > 0: the high half of next() * n. Its bias is below n / 2^64.
  constexpr std::uint64_t below(std::uint64_t n) {
    return static_cast<std::uint64_t>(static_cast<Wide>(next()) * n >> 64);
  }

  // Returns: a generator of its own for stream `k`; the same k gives the same stream whatever was drawn before.
  static constexpr Rng stream(Seed seed, std::uint64_t k) { return Rng(mix64(seed + kGamma * (k + 1))); }

 private:
  static constexpr std::uint64_t kGamma = 0x9e3779b97f4a7c15ull;
  std::uint64_t state_;
};

}  // namespace yard
