// How far something that holds up to a point holds, without asking at every place.
#pragma once
#include <algorithm>
#include <cstdint>

namespace yard {

// Returns: the largest i in [0, n] of which held(i) is true; held(0) is taken as true, and held is monotone. `fetch(i)`
// asks for the memory that held(i) will read.
// Cost: O(log n), and where all hold one question. First n, for what comes again comes whole; then 1, 2, 4 ..; all on
// their way from memory at once; then by eighths, seven at once.
template <class Fetch, class Held>
std::uint32_t gallop(std::uint32_t n, Fetch fetch, Held held) {
  if (n == 0) return 0;
  for (std::uint32_t at = 1; at < n; at *= 2) fetch(at);
  fetch(n);
  if (held(n)) return n;
  std::uint32_t low = 0, high = 1;
  while (high < n && held(high)) low = high, high *= 2;
  high = std::min(high, n);
  while (high - low > 1) {
    const std::uint32_t step = (high - low + 7) / 8;
    for (std::uint32_t at = low + step; at < high; at += step) fetch(at);
    std::uint32_t at = low + step;
    while (at < high && held(at)) low = at, at += step;
    high = std::min(high, at);
  }
  return low;
}

}  // namespace yard
