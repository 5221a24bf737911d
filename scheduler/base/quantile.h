// How sure one is to be of how long something takes: with this probability it takes no longer.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace yard {

enum class Quantile : std::uint8_t { none, q50, q90, q99 };  // none: what is expected
inline constexpr std::uint32_t kQuantileValues = 4;
inline constexpr std::array<std::string_view, kQuantileValues> kQuantileNames = {"none", "q50", "q90", "q99"};

// The place of q50, q90 and q99 in what has one value of each. Requires: not none.
inline constexpr std::size_t kQuantiles = 3;
constexpr std::size_t place_of(Quantile q) { return static_cast<std::size_t>(q) - 1; }

}  // namespace yard
