#include "scheduler/trace/options.h"

#include <algorithm>
#include <optional>
#include <vector>

#include <fmt/format.h>

#include "scheduler/base/input_error.h"

namespace yard {
namespace {

// Nothing where the text is no decimal number or has digits that millionths cannot hold.
std::optional<std::uint64_t> exact_millionths(std::string_view text) {
  std::uint64_t n = 0;
  int decimals = -1;  // -1: no point yet
  bool digit = false;
  for (const char c : text) {
    if (c == '.' && decimals < 0) {
      decimals = 0;
    } else if (c >= '0' && c <= '9' && decimals < 6 && n < (std::uint64_t{1} << 50)) {
      n = n * 10 + static_cast<std::uint64_t>(c - '0');
      if (decimals >= 0) ++decimals;
      digit = true;
    } else {
      return std::nullopt;
    }
  }
  for (int d = std::max(decimals, 0); d < 6; ++d) {
    if (n >= std::uint64_t{1} << 58) return std::nullopt;
    n *= 10;
  }
  return digit ? std::optional(n) : std::nullopt;
}

}  // namespace

void OptionPlace::fail(std::string_view found, std::string accepted) const {
  const std::string where = key.empty() ? std::string(generator) : fmt::format("{}?{}", generator, key);
  throw InputError("", 0, where, found.empty() ? "found nothing" : fmt::format("found '{}'", printable(found)),
                   "accepted: " + std::move(accepted));
}

void OptionPlace::unknown(std::string_view found, std::span<const std::string_view> names) const {
  fail(found, fmt::format("{}; nearest is '{}'", listed(names), nearest(found, names)));
}

std::uint64_t OptionPlace::millionths(std::string_view text, std::uint64_t least, std::uint64_t most,
                                      std::string_view accepted) const {
  const auto n = exact_millionths(text);
  if (!n || *n < least || *n > most) fail(text, std::string(accepted));
  return *n;
}

std::string_view generator_name(std::string_view whole) {
  const std::string_view generator = whole.substr(0, whole.find('?'));
  return generator.substr(std::min<std::size_t>(4, generator.size()));
}

void each_option(std::string_view whole, std::span<const std::string_view> keys,
                 const std::function<void(const OptionPlace&, std::string_view value)>& take) {
  const std::size_t question = std::min(whole.find('?'), whole.size());
  const std::string_view generator = whole.substr(0, question);
  std::vector<std::string_view> seen;
  for (std::size_t at = question; at < whole.size();) {
    const std::size_t end = std::min(whole.find('&', at + 1), whole.size());
    const std::string_view option = whole.substr(at + 1, end - at - 1);
    const std::size_t equals = std::min(option.find('='), option.size());
    const std::string_view key = option.substr(0, equals);
    const std::string_view value = option.substr(std::min(equals + 1, option.size()));
    const OptionPlace place{generator, key};
    if (std::find(keys.begin(), keys.end(), key) == keys.end()) OptionPlace{generator, ""}.unknown(key, keys);
    if (std::find(seen.begin(), seen.end(), key) != seen.end()) place.fail(value, "each key once");
    seen.push_back(key);
    take(place, value);
    at = end;
  }
}

}  // namespace yard
