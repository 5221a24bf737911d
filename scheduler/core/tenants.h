// What each tenant may still take: requests and tokens by the second, dollars by the day.
//
// A request reserves at the door what it may come to, and settles once, at its end, for what it took. It may come to
// its prompt and the answer that it asks for; where it asks for as many tokens as fit, to the answer that is expected.
// Only such a one can take more than it reserved: its tenant is then in debt, and waits until that is earned.
//   done: it took its prompt and its answer. Cancelled after it was admitted: its prompt and what it was given.
//   Failed, rejected, cancelled before: nothing, and its place among the requests is given back as well.
//
// A rate is a token bucket, full at the beginning, in integers of 10^-12 (nanoseconds x thousandths a second): nothing
// drifts. Dollars are the tenant's own prices by the token, not shares of device time: a budget must be reserved before
// a device is known, and what a tenant pays must not depend on who else is in its batch. Days are those of the loop's
// clock, from its epoch; what is settled counts on the day on which it is settled.
//
// Threads: the shard's own. Owns: the reservations, as a count on each sequence. Cost: O(1), no allocation.
// U1  earned == used + reserved + free, of every bucket, after every call.
// U2  nobody is let in beyond what is free: in any stretch of time that ends with an admission, what was reserved, less
//     what was given back, is at most burst + rate x time.
// U3  spent + reserved is at most the day's budget whenever somebody is let in; a reservation is settled exactly once.
#pragma once
#include <cstdint>
#include <optional>
#include <vector>

#include "scheduler/core/sequence.h"
#include "topology/fleet_view.h"

namespace yard {

__extension__ typedef __int128 SignedWide;

class TokenBucket {
 public:
  explicit TokenBucket(const QuotaRate&);

  // Returns: the time from `now` at which it holds n, if it is left alone: zero if it does. None: it never will.
  std::optional<Duration> until(std::int64_t n, Time now);
  // Requires: until(n, now) is zero.
  void reserve(std::int64_t n);
  void settle(std::int64_t reserved, std::int64_t used, Time now);

  bool balances() const { return earned_ == (used_ + reserved_) * kUnit + free_; }
  SignedWide used() const { return used_; }
  SignedWide reserved() const { return reserved_; }

 private:
  static constexpr std::int64_t kUnit = 1'000'000'000'000;
  void earn(Time now);

  const QuotaRate rate_;
  SignedWide earned_, free_;            // in 10^-12; free is below zero in debt
  SignedWide used_ = 0, reserved_ = 0;  // whole ones
  std::optional<Time> since_;           // earned up to here
};

class DayBudget {
 public:
  explicit DayBudget(NanoDollars per_day) : per_day_(per_day.count()) {}

  // As TokenBucket's; what is too much today is asked again tomorrow.
  std::optional<Duration> until(std::int64_t n, Time now);
  void reserve(std::int64_t n) { reserved_ += n; }
  void settle(std::int64_t reserved, std::int64_t used, Time now);

  SignedWide spent() const { return spent_; }  // on the day of the latest call
  SignedWide reserved() const { return reserved_; }

 private:
  void turn(Time now);

  const std::int64_t per_day_;
  SignedWide spent_ = 0, reserved_ = 0;
  std::int64_t day_ = 0;
};

class Tenants {
 public:
  explicit Tenants(const FleetView&);

  // Reserves for a sequence at the door, which then holds a reservation if its tenant has any limit.
  // `expected`: the length of its answer, where it asks for as many tokens as fit.
  struct Admission {
    bool let_in = true;
    Duration retry_after;  // until its tenant has enough for it; zero: it asks for more than its tenant ever has
  };
  Admission reserve(Sequence&, Tokens expected, Time now);
  // Settles for a sequence that ended; one that holds nothing is left alone.
  // `generated`: in all its answers.
  void settle(Sequence&, Outcome, std::int64_t generated, Time now);

  std::uint64_t leases() const { return leases_; }

 private:
  struct Quotas {
    TokenBucket requests, tokens;
    DayBudget budget;
    bool some;  // false: it has no limit, and reserves nothing
  };
  NanoDollars price(const Sequence&, std::int64_t tokens) const;

  const FleetView& fleet_;
  std::vector<Quotas> all_;
  std::uint64_t leases_ = 0;
};

}  // namespace yard
