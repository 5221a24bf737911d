// Means over seeds and paired differences with 95 % t-intervals (Student, 1908): integers only, the same on every
// build.
#pragma once
#include <cstdint>
#include <span>
#include <string>

#include "scheduler/report/figure.h"

namespace yard {

// A mean and half of its 95 % interval, in units of 10^-decimals of what was measured.
struct Spread {
  std::int64_t mean = 0;
  std::int64_t half = 0;  // 0 where there is one value only: `values` says so
  std::uint32_t values = 0;
};

// Requires: values below 2^41 in size, at most 2^16 of them. Rounded to the nearest, halves away from zero.
Spread spread_of(std::span<const std::int64_t> values);

// Of the differences a[i] - b[i]. Requires: as many in both.
Spread paired(std::span<const std::int64_t> a, std::span<const std::int64_t> b);

// Of the ratios a[i] / b[i], in thousandths. Requires: as many in both; a and b at least 0. Where a b[i] is 0: nothing
// (no values).
Spread paired_ratio(std::span<const std::int64_t> a, std::span<const std::int64_t> b);

// The 97.5 % point of Student's distribution in thousandths; df 1 and more.
std::int64_t student_thousandths(std::uint32_t df);

// Returns: "-12.3" for units -1234, decimals 2, shown 1; grouped by thousands.
std::string signed_text(std::int64_t units, int decimals, int shown);
// Returns: "+1.2 +-0.4", or without the interval where there is one value only; "-" for none.
std::string spread_text(const Spread&, int decimals, int shown);
// Returns: a JSON number.
std::string signed_plain(std::int64_t units, int decimals);

}  // namespace yard
