#include "scheduler/core/tenants.h"

#include <algorithm>

namespace yard {
namespace {

constexpr std::int64_t kDay = 86'400'000'000'000;

std::int64_t day_of(Time t) { return t.ns() >= 0 ? t.ns() / kDay : -1 - (-1 - t.ns()) / kDay; }

}  // namespace

// ---- a rate -------------------------------------------------------------------------------------------------------

TokenBucket::TokenBucket(const QuotaRate& rate)
    : rate_(rate), earned_(SignedWide{rate.burst} * kUnit), free_(SignedWide{rate.burst} * kUnit) {}

// What a full bucket cannot hold is not earned.
void TokenBucket::earn(Time now) {
  const SignedWide passed = since_ ? (now - *since_).count() : 0;
  const SignedWide room = std::max<SignedWide>(0, SignedWide{rate_.burst} * kUnit - free_);
  const SignedWide more = std::min(room, passed * rate_.per_s_thousandths);
  free_ += more, earned_ += more;
  since_ = now;
}

std::optional<Duration> TokenBucket::until(std::int64_t n, Time now) {
  if (!rate_.some()) return Duration();
  if (n > rate_.burst) return std::nullopt;
  earn(now);
  const SignedWide lacks = SignedWide{n} * kUnit - free_;
  if (lacks <= 0) return Duration();
  const SignedWide ns = (lacks + rate_.per_s_thousandths - 1) / rate_.per_s_thousandths;
  return Duration(static_cast<std::int64_t>(std::min<SignedWide>(ns, Duration::max().count())));
}

void TokenBucket::reserve(std::int64_t n) {
  if (!rate_.some()) return;
  free_ -= SignedWide{n} * kUnit;
  reserved_ += n;
  CHECK_WHY(free_ >= 0 && balances(), "nobody is let in beyond a tenant's quota (U1, U2)");
}

void TokenBucket::settle(std::int64_t reserved, std::int64_t used, Time now) {
  if (!rate_.some()) return;
  earn(now);
  const SignedWide room = std::max<SignedWide>(0, SignedWide{rate_.burst} * kUnit - free_);
  const SignedWide back = (SignedWide{reserved} - used) * kUnit;  // below zero: it took more than was expected
  const SignedWide kept = std::min(room, back);
  reserved_ -= reserved, used_ += used;
  free_ += kept, earned_ -= back - kept;  // as if what does not fit had never been earned
  CHECK_WHY(reserved_ >= 0 && balances(), "earned == used + reserved + free (U1)");
}

// ---- dollars ------------------------------------------------------------------------------------------------------

void DayBudget::turn(Time now) {
  if (day_of(now) == day_) return;
  day_ = day_of(now);
  spent_ = 0;
}

std::optional<Duration> DayBudget::until(std::int64_t n, Time now) {
  if (per_day_ == 0) return Duration();
  if (n > per_day_) return std::nullopt;
  turn(now);
  if (spent_ + reserved_ + n <= per_day_) return Duration();
  return Time((day_ + 1) * kDay) - now;
}

void DayBudget::settle(std::int64_t reserved, std::int64_t used, Time now) {
  turn(now);
  reserved_ -= reserved, spent_ += used;
  CHECK_WHY(reserved_ >= 0, "a reservation is settled once (U3)");
}

// ---- all of them --------------------------------------------------------------------------------------------------

Tenants::Tenants(const FleetView& fleet) : fleet_(fleet) {
  for (const TenantView& t : fleet.tenants)
    all_.push_back({.requests = TokenBucket(t.requests),
                    .tokens = TokenBucket(t.tokens),
                    .budget = DayBudget(t.per_day),
                    .some = t.requests.some() || t.tokens.some() || t.per_day.count() > 0});
}

NanoDollars Tenants::price(const Sequence& s, std::int64_t tokens) const {
  const TenantView& t = fleet_.tenants[s.tenant.value];
  return t.prompt_price * s.prompt + t.output_price * (tokens - s.prompt);
}

Tenants::Admission Tenants::reserve(Sequence& s, Tokens expected, Time now) {
  Quotas& q = all_[s.tenant.value];
  if (!q.some) return {};
  CHECK(!s.lease);
  const bool open_ended = s.max_output == Tokens::max().count();
  const std::int64_t each = open_ended ? expected.count() : s.max_output;
  const std::int64_t tokens = s.prompt + s.answers * each;
  const std::int64_t money = price(s, tokens).count();
  Duration wait;
  for (const auto& at : {q.requests.until(1, now), q.tokens.until(tokens, now), q.budget.until(money, now)}) {
    if (!at) return {.let_in = false, .retry_after = {}};
    wait = std::max(wait, *at);
  }
  if (wait > Duration()) return {.let_in = false, .retry_after = wait};
  q.requests.reserve(1);
  q.tokens.reserve(tokens);
  q.budget.reserve(money);
  s.lease = true;
  s.reserved = static_cast<std::int32_t>(tokens);  // at most what its devices can hold
  ++leases_;
  return {};
}

void Tenants::settle(Sequence& s, Outcome outcome, std::int64_t generated, Time now) {
  if (!s.lease) return;
  Quotas& q = all_[s.tenant.value];
  const bool counts = counts_as_used(outcome, s.admit);
  const std::int64_t tokens = s.prompt + generated;
  q.requests.settle(1, counts, now);
  q.tokens.settle(s.reserved, counts ? tokens : 0, now);
  q.budget.settle(price(s, s.reserved).count(), counts ? price(s, tokens).count() : 0, now);
  s.lease = false;
  s.reserved = 0;
  --leases_;
}

}  // namespace yard
