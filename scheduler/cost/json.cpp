#include "scheduler/cost/json.h"

#include <fmt/format.h>

namespace yard::json {

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\')
      out += {'\\', c};
    else if (static_cast<unsigned char>(c) < 0x20)
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    else
      out += c;
  }
  return out + "\"";
}

std::string decimal(std::int64_t n, int digits) {
  std::int64_t one = 1;
  for (int i = 0; i < digits; ++i) one *= 10;
  const bool negative = n < 0;
  const std::uint64_t size = negative ? 0 - static_cast<std::uint64_t>(n) : static_cast<std::uint64_t>(n);
  const auto unit = static_cast<std::uint64_t>(one);
  std::string text = fmt::format("{}{}", negative ? "-" : "", size / unit);
  if (size % unit == 0) return text;
  text += fmt::format(".{:0{}}", size % unit, digits);
  while (text.back() == '0') text.pop_back();
  return text;
}

}  // namespace yard::json
