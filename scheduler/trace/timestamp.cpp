#include "scheduler/trace/timestamp.h"

#include <chrono>
#include <cstring>

namespace yard {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

bool is_digit(char c) { return static_cast<unsigned char>(c - '0') < 10; }

// Two digits, or something above 99.
unsigned two(const char* p) {
  const auto high = static_cast<unsigned char>(p[0] - '0'), low = static_cast<unsigned char>(p[1] - '0');
  return high < 10 && low < 10 ? high * 10u + low : 1000u;
}

// Behind the sign: HH:MM, HHMM or HH.
bool take_zone(const char*& at, const char* end, std::int64_t& ns) {
  const bool east = *at++ == '+';
  if (end - at < 2) return false;
  const unsigned hours = two(at);
  unsigned minutes = 0;
  at += 2;
  const bool colon = at != end && *at == ':';
  if (colon) ++at;
  if (colon || (at != end && is_digit(*at))) {
    if (end - at < 2) return false;
    minutes = two(at);
    at += 2;
  }
  if (hours > 23 || minutes > 59) return false;
  const std::int64_t offset = (hours * 60 + minutes) * 60 * kSecond;
  ns += east ? -offset : offset;
  return true;
}

}  // namespace

TimestampParser::Fault TimestampParser::take_date(const char* at, std::int64_t& day_ns) {
  if (std::memcmp(at, date_, sizeof date_) != 0) {
    const unsigned century = two(at), year_of = two(at + 2), month = two(at + 5);
    if (century > 99 || year_of > 99 || month > 99 || at[4] != '-' || at[7] != '-') return Fault::shape;
    const int year = static_cast<int>(century * 100 + year_of);
    if (year < 1970 || year > 2261) return Fault::year;
    if (month < 1 || month > 12) return Fault::no_such_day;
    const auto first = std::chrono::year(year) / std::chrono::month(month) / 1;
    const auto last = std::chrono::year(year) / std::chrono::month(month) / std::chrono::last;
    month_ns_ = std::chrono::sys_days(first).time_since_epoch().count() * 86400 * kSecond;
    month_days_ = static_cast<int>(static_cast<unsigned>(last.day()));
    std::memcpy(date_, at, sizeof date_);
  }
  const unsigned day = two(at + 8);
  if (day > 99) return Fault::shape;
  if (day < 1 || static_cast<int>(day) > month_days_) return Fault::no_such_day;
  day_ns = month_ns_ + static_cast<std::int64_t>(day - 1) * 86400 * kSecond;
  return Fault::none;
}

TimestampParser::Fault TimestampParser::take(const char*& at, const char* end, std::int64_t& ns) {
  if (end - at < 19) return Fault::shape;
  if (const Fault fault = take_date(at, ns); fault != Fault::none) return fault;
  const unsigned hour = two(at + 11), minute = two(at + 14), second = two(at + 17);
  if ((at[10] != ' ' && at[10] != 'T') || at[13] != ':' || at[16] != ':') return Fault::shape;
  if (hour > 99 || minute > 99 || second > 99) return Fault::shape;
  if (hour > 23 || minute > 59 || second > 59) return Fault::no_such_time;
  ns += ((hour * 60 + minute) * 60 + second) * kSecond;
  at += 19;
  if (at != end && *at == '.') {
    std::int64_t unit = kSecond;
    for (++at; at != end && is_digit(*at); ++at) {
      unit /= 10;
      if (unit == 0) return Fault::fraction;
      ns += (*at - '0') * unit;
    }
    if (unit == kSecond) return Fault::fraction;
  }
  if (at == end) return Fault::none;
  if (*at == 'Z') return ++at, Fault::none;
  if (*at == '+' || *at == '-') return take_zone(at, end, ns) ? Fault::none : Fault::zone;
  return Fault::none;
}

std::string_view said_of(TimestampParser::Fault fault) {
  using enum TimestampParser::Fault;
  switch (fault) {
    case none:
    case shape: return "";
    case no_such_day: return ", a day that does not exist";
    case no_such_time: return ", a time of day that does not exist";
    case year: return ", of a year before 1970 or after 2261";
    case fraction: return ", whose fraction has no digit or more than 9";
    case zone: return ", whose time zone is none";
  }
  return "";
}

}  // namespace yard
