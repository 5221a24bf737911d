// How many bytes the next character of a UTF-8 text takes (Unicode 15, table 3-7: no overlong forms, no surrogates).
#pragma once
#include <cstddef>
#include <string_view>

namespace yard {

// Requires: text is not empty. Returns: 1 to 4, or 0 where the text does not begin with a character.
constexpr std::size_t utf8_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  const auto follows = [&](std::size_t i, unsigned least = 0x80, unsigned greatest = 0xbf) {
    return byte(i) >= least && byte(i) <= greatest;
  };
  const unsigned lead = byte(0);
  if (lead < 0x80) return 1;
  if (lead >= 0xc2 && lead <= 0xdf) return follows(1) ? 2 : 0;
  if (lead >= 0xe0 && lead <= 0xef) {
    const unsigned least = lead == 0xe0 ? 0xa0 : 0x80, greatest = lead == 0xed ? 0x9f : 0xbf;
    return follows(1, least, greatest) && follows(2) ? 3 : 0;
  }
  if (lead >= 0xf0 && lead <= 0xf4) {
    const unsigned least = lead == 0xf0 ? 0x90 : 0x80, greatest = lead == 0xf4 ? 0x8f : 0xbf;
    return follows(1, least, greatest) && follows(2) && follows(3) ? 4 : 0;
  }
  return 0;
}

}  // namespace yard
