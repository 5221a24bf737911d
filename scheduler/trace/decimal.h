// Decimal numbers of text as whole multiples of a power of ten: no floating point, so the same on every build.
#pragma once
#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>

namespace yard {

// `digits`: of the unit, 10^-digits. decimal("1.25e-3", 6) is 1250. What lies below the unit is cut off, and so is what
// lies behind 18 significant digits. Returns: nothing where `text` is no number without a sign ("1", "1.5", ".5",
// "1e-05"), or one of 2^63 units or more.
constexpr std::optional<std::uint64_t> decimal(std::string_view text, int digits) {
  constexpr auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  std::uint64_t n = 0;
  int power = digits;
  bool any = false, point = false;
  std::size_t at = 0;
  for (; at < text.size(); ++at) {
    if (text[at] == '.' && !point) {
      point = true;
      continue;
    }
    if (!is_digit(text[at])) break;
    any = true;
    if (n < 100'000'000'000'000'000) {
      n = n * 10 + static_cast<std::uint64_t>(text[at] - '0');
      power -= point ? 1 : 0;
    } else {
      power += point ? 0 : 1;
    }
  }
  if (!any) return std::nullopt;
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    const bool minus = ++at < text.size() && text[at] == '-';
    if (at < text.size() && (text[at] == '-' || text[at] == '+')) ++at;
    if (at == text.size()) return std::nullopt;
    int exponent = 0;
    for (; at < text.size() && is_digit(text[at]); ++at)
      if (exponent < 1000) exponent = exponent * 10 + (text[at] - '0');
    power += minus ? -exponent : exponent;
  }
  if (at != text.size()) return std::nullopt;
  for (; power < 0 && n > 0; ++power) n /= 10;
  for (; power > 0 && n > 0; --power) {
    if (n > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()) / 10) return std::nullopt;
    n *= 10;
  }
  return n;
}

}  // namespace yard
