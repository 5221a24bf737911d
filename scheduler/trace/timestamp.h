// `YYYY-MM-DD HH:MM:SS[.fraction][zone]` to nanoseconds since 1970, exactly: no floating point, no time zone database.
//
// Between date and time: a space or T. Fraction: 1 to 9 digits. Zone: nothing or Z (both UTC), +HH:MM, +HHMM or +HH.
// Years: 1970 to 2261, so that nanoseconds fit 64 bits.
//
// Threads: none inside. Owns: the last month, since neighbouring rows nearly always share it.
#pragma once
#include <cstdint>
#include <string_view>

namespace yard {

class TimestampParser {
 public:
  enum class Fault : std::uint8_t { none, shape, no_such_day, no_such_time, year, fraction, zone };

  // Takes a timestamp from the front of [at, end) and moves `at` behind it. Returns: what was wrong; `at` and `ns` are
  // then of no use.
  Fault take(const char*& at, const char* end, std::int64_t& ns);

 private:
  Fault take_date(const char* at, std::int64_t& day_ns);

  char date_[8] = {};  // YYYY-MM-, compared as one word; the day of the month is cheap
  std::int64_t month_ns_ = 0;
  int month_days_ = 0;
};

// Returns: what a message says of a fault, beginning with a comma; empty for shape.
std::string_view said_of(TimestampParser::Fault);

}  // namespace yard
