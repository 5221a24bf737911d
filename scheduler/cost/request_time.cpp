#include "scheduler/cost/request_time.h"

#include <algorithm>

#include "scheduler/base/hash.h"

namespace yard {
namespace {

constexpr std::int64_t kOne = 65536;
constexpr std::int64_t kMostShare = 55705;                    // u <= 0.85, as kept_promises.h has it
constexpr std::int64_t kLongest = 1'000'000'000'000'000'000;  // ps: 11 days

// Eight normal deviates, each as likely as another, 1/1024: quantiles at 1/16, 3/16, ..
constexpr std::array<std::int64_t, 8> kDeviates = {-1571, -908, -501, -161, 161, 501, 908, 1571};

// At the replica's pace.
Duration in_ns(std::int64_t ps, std::uint32_t pace) {
  return Duration(std::clamp<std::int64_t>(ps, 0, kLongest) / 1000 / 1024 * pace +
                  std::clamp<std::int64_t>(ps, 0, kLongest) / 1000 % 1024 * pace / 1024);
}

std::int64_t times(std::int64_t ps, std::int64_t n) { return n > 0 && ps > kLongest / n ? kLongest : ps * n; }

// By kRequestLevels of `n` values, ascending: the ceil(n q)-th.
template <std::size_t N>
std::array<Duration, kRequestLevels> levels_of(std::array<std::int64_t, N>& values, std::uint32_t pace) {
  std::ranges::sort(values);
  std::array<Duration, kRequestLevels> of{};
  for (std::size_t l = 0; l < kRequestLevels; ++l) {
    const std::int64_t permille = kLevelPermille[static_cast<std::size_t>(kOfRequest[l])];
    const auto rank = static_cast<std::size_t>((static_cast<std::int64_t>(N) * permille + 999) / 1000);
    of[l] = in_ns(values[rank - 1], pace);
  }
  return of;
}

// So many of those there must leave before one more with such a prompt has a place and KV.
std::int64_t must_leave(const ReplicaNow& is, std::int64_t prompt) {
  const std::int64_t there = is.running + is.waiting, held = is.kv_tokens + is.waiting_tokens + prompt;
  const std::int64_t for_place = std::max<std::int64_t>(0, there + 1 - is.max_sequences);
  if (held <= is.kv_capacity) return for_place;
  return std::max(for_place, static_cast<std::int64_t>(Wide(held - is.kv_capacity) * Wide(there + 1) / Wide(held)) + 1);
}

}  // namespace

template <class Costs>
RequestQuantiles request_time(const Costs& cost, const ErrorVariances& errors, const ReplicaNow& is,
                              const RequestNow& q) {
  const std::int64_t most = std::min<std::int64_t>(is.max_sequences, cost.max_sequences());
  const auto c0 = [&](std::int64_t n) {
    return cost.c0(static_cast<std::uint32_t>(std::clamp<std::int64_t>(n, 0, most))).count();
  };
  const std::int64_t c2 = cost.c2().count(), reads = std::max<std::int64_t>(1, q.prompt - q.hit);
  const std::int64_t rest = kOne - std::min<std::int64_t>(is.prefill_share, kMostShare);

  // A step now, and one of those that are there when it comes in.
  const std::int64_t step = c0(is.running) + times(c2, is.kv_tokens);
  const std::int64_t to_read = is.prefill_tokens + reads;
  const std::int64_t room = std::max<std::int64_t>(1, is.token_budget - is.running);
  const std::int64_t read_steps = (to_read + room - 1) / room;
  const std::int64_t reading =
      times(cost.c1().count(), to_read) + times(cost.c4().count(), prefill_pairs(reads, q.hit) / 1024);
  const std::int64_t there = is.running + is.waiting, beside = std::min(there + 1, most);
  const std::int64_t held = is.kv_tokens + is.waiting_tokens + q.prompt;

  // Until enough of those there have left: of n with `others_left` tokens to write, one every others_left / n steps;
  // and once these are gone, of those that came after them. In these steps the prompts of the line are read: there are
  // as many as the longer of the two takes.
  const std::int64_t decode = (c0(beside) + times(c2, std::min(held, is.kv_capacity))) / rest * kOne;
  const std::int64_t leaving = must_leave(is, q.prompt);
  const auto tokens = [](std::int64_t n) { return std::clamp<std::int64_t>(n, 1, 1 << 24); };
  const std::int64_t these = std::min(leaving, beside), later = std::min<std::int64_t>(leaving - these, 1 << 24);
  const std::int64_t steps_until_room =
      (these * tokens(q.others_left) + later * tokens(q.others_write)) / std::max<std::int64_t>(1, beside);
  const std::int64_t steps = std::max(read_steps, steps_until_room);
  const std::int64_t each =
      leaving > 0 ? c0(beside) + times(c2, std::min(held, is.kv_capacity)) : step + c0(beside) - c0(is.running);
  const std::int64_t first = std::min(kLongest, (is.running > 0 ? step / 2 : 0) + reading + times(each, steps));
  const std::int64_t first_error = errors.of_sum(steps);
  std::array<std::int64_t, kDeviates.size()> firsts{};
  for (std::size_t e = 0; e < kDeviates.size(); ++e)
    firsts[e] = first + first / 1024 * (kDeviates[e] * first_error / kRatioOne);

  std::array<std::int64_t, kDeviates.size() * kLikelyLengths> lasts{};
  for (std::size_t l = 0; l < kLikelyLengths; ++l) {
    const std::int64_t length = q.lengths[l];
    const std::int64_t token = decode + times(c2, length / 2);
    const std::int64_t last = std::min(kLongest, first + times(token, std::max<std::int64_t>(0, length - 1)));
    const std::int64_t error = errors.of_sum(steps + length);
    for (std::size_t e = 0; e < kDeviates.size(); ++e)
      lasts[l * kDeviates.size() + e] = last + last / 1024 * (kDeviates[e] * error / kRatioOne);
  }
  return {.first = levels_of(firsts, is.pace), .last = levels_of(lasts, is.pace)};
}
template RequestQuantiles request_time(const StepCost&, const ErrorVariances&, const ReplicaNow&, const RequestNow&);
template RequestQuantiles request_time(const ClassCosts&, const ErrorVariances&, const ReplicaNow&, const RequestNow&);

std::uint32_t RequestTimes::filling(const ReplicaNow& is) {
  if (is.running + is.waiting == 0) return 0;
  const std::int64_t leaving = must_leave(is, 0);
  if (leaving == 0) return (is.running + is.waiting) * 2 <= is.max_sequences ? 1 : 2;
  return leaving * 4 <= is.max_sequences ? 3 : leaving <= is.max_sequences ? 4 : 5;
}

Duration RequestTimes::widened(const std::array<Conformal, kRequestLevels>& own,
                               const std::array<Conformal, kRequestLevels>& all, std::size_t level, Duration d) const {
  const Conformal& by = own[level].known(kOfRequest[level]) ? own[level] : all[level];
  if (!by.known(kOfRequest[level])) return d;
  const std::int64_t ratio = by.quantile(kOfRequest[level]);
  return Duration(d.count() / kRatioOne * ratio + d.count() % kRatioOne * ratio / kRatioOne);
}

template <class Costs>
RequestTimes::Told RequestTimes::predict(const Costs& cost, const ErrorVariances& errors, const ReplicaNow& is,
                                         const RequestNow& q) const {
  Told told{.by_physics = request_time(cost, errors, is, q), .quantiles = {}, .filling = filling(is)};
  const Scores &own = scores_[told.filling], &all = scores_[kFillings];
  RequestQuantiles& of = told.quantiles;
  for (std::size_t l = 0; l < kRequestLevels; ++l) {
    of.first[l] = widened(own.first, all.first, l, told.by_physics.first[l]);
    of.last[l] = widened(own.last, all.last, l, told.by_physics.last[l]);
  }
  // Levels are learnt apart; none may come before a lower one, nor the last token before the first.
  for (std::size_t l = 0; l < kRequestLevels; ++l) {
    if (l > 0) of.first[l] = std::max(of.first[l], of.first[l - 1]), of.last[l] = std::max(of.last[l], of.last[l - 1]);
    of.last[l] = std::max(of.last[l], of.first[l]);
  }
  return told;
}
template RequestTimes::Told RequestTimes::predict(const StepCost&, const ErrorVariances&, const ReplicaNow&,
                                                  const RequestNow&) const;
template RequestTimes::Told RequestTimes::predict(const ClassCosts&, const ErrorVariances&, const ReplicaNow&,
                                                  const RequestNow&) const;

void RequestTimes::first_token(const Told& told, Duration after) {
  for (Scores* to : {&scores_[told.filling], &scores_[kFillings]})
    for (std::size_t l = 0; l < kRequestLevels; ++l)
      to->first[l].add(ratio_of(after.count(), std::max<std::int64_t>(1, told.by_physics.first[l].count())),
                       kOfRequest[l], after <= told.quantiles.first[l]);
}

void RequestTimes::last_token(const Told& told, Duration after) {
  for (Scores* to : {&scores_[told.filling], &scores_[kFillings]})
    for (std::size_t l = 0; l < kRequestLevels; ++l)
      to->last[l].add(ratio_of(after.count(), std::max<std::int64_t>(1, told.by_physics.last[l].count())),
                      kOfRequest[l], after <= told.quantiles.last[l]);
}

}  // namespace yard
