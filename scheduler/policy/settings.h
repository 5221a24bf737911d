// The constants of the formula (kept_promises.h) as a value, so that others can be tried: what each would bring is
// found in hindsight by `league --settings N` (bench/results). Whoever decides in earnest has the defaults, which are
// known at compile time and cost nothing.
#pragma once
#include <cstdint>

namespace yard::policy {

struct Settings {
  std::int64_t ttft_slope = 8 * 256;  // 1/256: of S where a first token comes late
  std::int64_t spread = 256;          // 1/256: times s0, the costs' own relative error
  std::int64_t jitter = 256;          // 1/256: times v, what prefill brings to decoding
  std::int64_t least_answer = 8;      // tokens: a prefill is spread over so many at the least
  std::int64_t scarcity_price = 50;   // promises for a prompt of Xb where everybody misses
  std::int64_t scarcity_gain = 128;   // arrivals
  std::int64_t second = 1966;         // 1/65536 of a miss: a second until the first and the last token; 0.03
  std::int64_t refused_from = 65536;  // 1/65536: promises that a request may not cost

  constexpr bool operator==(const Settings&) const = default;
};

inline constexpr Settings kSettings{};

}  // namespace yard::policy
