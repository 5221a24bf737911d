#include "scheduler/report/paired.h"

#include <array>
#include <vector>

#include "scheduler/base/check.h"

namespace yard {
namespace {

constexpr std::int64_t kLimit = std::int64_t{1} << 41;

std::uint64_t size_of(std::int64_t n) {
  return n < 0 ? std::uint64_t{0} - static_cast<std::uint64_t>(n) : static_cast<std::uint64_t>(n);
}

std::uint64_t root(Wide x) {  // rounded to the nearest
  Wide low = 0, high = Wide{1} << 63;
  while (low < high) {
    const Wide middle = low + (high - low + 1) / 2;
    if (middle * middle <= x)
      low = middle;
    else
      high = middle - 1;
  }
  return static_cast<std::uint64_t>(x - low * low > low ? low + 1 : low);
}

std::int64_t rounded(std::int64_t n, std::int64_t by) { return n < 0 ? -((-n + by / 2) / by) : (n + by / 2) / by; }

}  // namespace

std::int64_t student_thousandths(std::uint32_t df) {
  constexpr std::array<std::int64_t, 31> kPoints = {0,    12706, 4303, 3182, 2776, 2571, 2447, 2365, 2306, 2262, 2228,
                                                    2201, 2179,  2160, 2145, 2131, 2120, 2110, 2101, 2093, 2086, 2080,
                                                    2074, 2069,  2064, 2060, 2056, 2052, 2048, 2045, 2042};
  CHECK(df >= 1);
  if (df < kPoints.size()) return kPoints[df];
  return df < 40 ? 2042 : df < 60 ? 2021 : df < 120 ? 2000 : df < 1000 ? 1980 : 1962;  // never too narrow
}

Spread spread_of(std::span<const std::int64_t> values) {
  const auto n = static_cast<std::int64_t>(values.size());
  CHECK(n <= 1 << 16);
  if (n == 0) return {};
  std::int64_t sum = 0;
  Wide squares = 0;
  for (const std::int64_t v : values) {
    CHECK(-kLimit < v && v < kLimit);
    sum += v;
  }
  // About the mean, which keeps the squares small: n times each deviation is a whole number.
  for (const std::int64_t v : values) {
    const std::int64_t mean = rounded(sum, n);
    const Wide deviation = size_of(v - mean);
    squares += deviation * deviation;
  }
  Spread spread{.mean = rounded(sum, n), .half = 0, .values = static_cast<std::uint32_t>(n)};
  if (n == 1) return spread;
  const auto t = static_cast<Wide>(student_thousandths(static_cast<std::uint32_t>(n - 1)));
  const auto pairs = static_cast<Wide>(n) * static_cast<Wide>(n - 1);
  spread.half = static_cast<std::int64_t>(root((squares * (t * t) / pairs + 500'000) / 1'000'000));
  return spread;
}

Spread paired(std::span<const std::int64_t> a, std::span<const std::int64_t> b) {
  CHECK(a.size() == b.size());
  std::vector<std::int64_t> differences;
  for (std::size_t i = 0; i < a.size(); ++i) differences.push_back(a[i] - b[i]);
  return spread_of(differences);
}

Spread paired_ratio(std::span<const std::int64_t> a, std::span<const std::int64_t> b) {
  CHECK(a.size() == b.size());
  std::vector<std::int64_t> ratios;
  for (std::size_t i = 0; i < a.size(); ++i) {
    CHECK(a[i] >= 0 && b[i] >= 0);
    if (b[i] == 0) return {};
    ratios.push_back(static_cast<std::int64_t>((static_cast<Wide>(a[i]) * 1000 + static_cast<Wide>(b[i] / 2)) /
                                               static_cast<Wide>(b[i])));
  }
  return spread_of(ratios);
}

std::string signed_text(std::int64_t units, int decimals, int shown) {
  const std::string text = grouped(fixed(size_of(units), decimals), shown);
  const bool zero = text.find_first_not_of("0.,") == std::string::npos;
  return units < 0 && !zero ? "-" + text : text;
}

std::string spread_text(const Spread& spread, int decimals, int shown) {
  if (spread.values == 0) return "-";
  std::string text = signed_text(spread.mean, decimals, shown);
  if (spread.mean > 0 && text.find_first_not_of("0.,") != std::string::npos) text.insert(0, "+");
  if (spread.values > 1) text += " +-" + signed_text(spread.half, decimals, shown);
  return text;
}

std::string signed_plain(std::int64_t units, int decimals) {
  const std::string text = plain(fixed(size_of(units), decimals));
  return units < 0 ? "-" + text : text;
}

}  // namespace yard
