// A number of the report: an integer and where its decimal point stands, or nothing where nothing was measured.
//
// Figures are made by integer division, rounded once (halves up), and never pass through floating point, so that the
// report is the same on every build, digit for digit.
#pragma once
#include <cstdint>
#include <string>

#include "scheduler/base/hash.h"

namespace yard {

struct Figure {
  Wide units = 0;    // the value x 10^decimals
  int decimals = 0;  // 0 .. 12
  bool some = false;
  bool operator==(const Figure&) const = default;
};

inline Figure whole(Wide n) { return {n, 0, true}; }
inline Figure fixed(Wide units, int decimals) { return {units, decimals, true}; }

// Returns: numerator / denominator to so many decimals; nothing where the denominator is 0.
// Requires: denominator below 2^124, and a quotient that fits.
Figure ratio(Wide numerator, Wide denominator, int decimals);

// Returns: "1234.50": a JSON number; "null" for nothing.
std::string plain(const Figure&);

// Returns: "1,234.5" for `decimals` 1: for people; "-" for nothing. More decimals than the figure has are left out.
std::string grouped(const Figure&, int decimals);

// Returns: three digits or the whole part, in at most 7 places: "0.12" "1.23" "12.3" "123" "1,234" "12.3M"; "-".
std::string three_digits(const Figure&);

// Returns: with so many decimals while the whole part is below `limit`, then three digits and M, G, T ...; "-".
std::string grouped_below(Wide limit, const Figure&, int decimals);

// Returns: a count in at most 9 places: "9,999,999", then "12.3M" "1.23G" ...; "-" for nothing.
inline std::string count_text(const Figure& f) { return grouped_below(10'000'000, f, 0); }

}  // namespace yard
