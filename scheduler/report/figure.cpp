#include "scheduler/report/figure.h"

#include <algorithm>
#include <string_view>

#include "scheduler/base/check.h"

namespace yard {
namespace {

Wide power_of_ten(int n) {
  CHECK(n >= 0 && n <= 36);
  Wide p = 1;
  while (n-- > 0) p *= 10;
  return p;
}

std::string digits(Wide n) {
  std::string reversed;
  do reversed += static_cast<char>('0' + static_cast<int>(n % 10));
  while ((n /= 10) > 0);
  return {reversed.rbegin(), reversed.rend()};
}

// Fewer decimals, halves up.
Figure rounded(const Figure& f, int decimals) {
  if (!f.some || decimals >= f.decimals) return f;
  const Wide divisor = power_of_ten(f.decimals - decimals);
  return fixed((f.units + divisor / 2) / divisor, decimals);
}

std::string written(const Figure& f, std::string_view separator) {
  const Wide one = power_of_ten(f.decimals);
  std::string text = digits(f.units / one);
  for (std::size_t at = text.size(); !separator.empty() && at > 3;) text.insert(at -= 3, separator);
  if (f.decimals == 0) return text;
  const std::string fraction = digits(f.units % one);
  return text + "." + std::string(static_cast<std::size_t>(f.decimals) - fraction.size(), '0') + fraction;
}

}  // namespace

// Long division, a digit at a time: only the quotient must fit, not numerator * 10^decimals.
Figure ratio(Wide numerator, Wide denominator, int decimals) {
  if (denominator == 0) return {};
  Wide quotient = numerator / denominator, rest = numerator % denominator;
  for (int d = 0; d < decimals; ++d) {
    rest *= 10;
    quotient = quotient * 10 + rest / denominator;
    rest %= denominator;
  }
  return fixed(quotient + (rest >= denominator - rest), decimals);
}

std::string plain(const Figure& f) { return f.some ? written(f, "") : "null"; }

std::string grouped(const Figure& f, int decimals) { return f.some ? written(rounded(f, decimals), ",") : "-"; }

std::string three_digits(const Figure& f) {
  // By what is left after rounding: 9.996 is "10.0", not "10.00".
  for (int decimals = 2; decimals > 0; --decimals) {
    const Figure r = rounded(f, decimals);
    if (r.units < 10 * power_of_ten(2 - decimals) * power_of_ten(r.decimals)) return grouped(r, decimals);
  }
  return grouped_below(1'000'000, f, 0);
}

std::string grouped_below(Wide limit, const Figure& f, int decimals) {
  constexpr std::string_view kSuffixes = "MGTPE";
  if (!f.some || f.units / power_of_ten(f.decimals) < limit) return grouped(f, decimals);
  std::size_t suffix = 0;
  int places = f.decimals + 6;
  while (suffix + 1 < kSuffixes.size() && f.units / power_of_ten(places) >= 1000) places += 3, ++suffix;
  const Figure scaled = fixed(f.units, places);
  CHECK(limit >= 1'000'000);
  return (suffix + 1 < kSuffixes.size() ? three_digits(scaled) : grouped(scaled, 0)) + kSuffixes[suffix];
}

}  // namespace yard
