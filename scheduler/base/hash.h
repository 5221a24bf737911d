// Hashes that are the same on every build: 64-bit words in, in order; no bytes of a struct, since padding is no fact.
#pragma once
#include <cstdint>

namespace yard {

__extension__ typedef unsigned __int128 Wide;  // products of two words

// Finaliser of splitmix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, OOPSLA 2014).
constexpr std::uint64_t mix64(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
  return x ^ (x >> 31);
}

// Order matters: add(a), add(b) differs from add(b), add(a). One multiplication per word, its halves folded.
class DecisionHash {
 public:
  constexpr void add(std::uint64_t word) {
    const Wide p = static_cast<Wide>(state_ ^ word) * 0x9fb21c651e98df25ull;
    state_ = static_cast<std::uint64_t>(p) ^ static_cast<std::uint64_t>(p >> 64) ^ 0x2545f4914f6cdd1dull;
  }
  // Two words for one multiplication; not the same as one after the other.
  constexpr void add(std::uint64_t a, std::uint64_t b) {
    const Wide p = static_cast<Wide>(state_ ^ a) * (b ^ 0x9fb21c651e98df25ull);
    state_ = static_cast<std::uint64_t>(p) ^ static_cast<std::uint64_t>(p >> 64) ^ 0x2545f4914f6cdd1dull;
  }
  constexpr std::uint64_t value() const { return mix64(state_); }
  constexpr bool operator==(const DecisionHash&) const = default;

 private:
  std::uint64_t state_ = 0x5377697463687964ull;
};

}  // namespace yard
