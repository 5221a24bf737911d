// When a request will have its first token and its last, on a replica as it is now, without its true length: quantiles,
// for each class of devices.
//
// The mean is that of policy/kept_promises.h's terms: what is to be read before it and of its own, in steps of at most
// the token budget, then a token a step beside those that are there, slowed by the share of time that arrivals take for
// their prompts; where places or KV are short, until as many of those there have left, by their own likely lengths. Its
// length is one of LengthHistory's likely ones, its steps are off together by what stays with the device and each by
// what does not (ErrorParts). What is left, above all that nobody knows what comes next, is learnt: the quantile is
// multiplied by the conformal quantile of actual / predicted of requests that found the replica as full (conformalised
// quantile regression, Romano, Patterson, Candes, NeurIPS 2019, with ratios for differences).
//
// Threads: one at a time. Integers; nothing allocates after construction.
#pragma once
#include <array>
#include <cstdint>

#include "scheduler/cost/class_costs.h"
#include "scheduler/cost/interval.h"
#include "scheduler/cost/length_history.h"

namespace yard {

// A replica as placement's columns show it.
struct ReplicaNow {
  std::int64_t running = 0, waiting = 0;           // sequences
  std::int64_t prefill_tokens = 0;                 // that they still have to read
  std::int64_t kv_tokens = 0, waiting_tokens = 0;  // context of the running; prompts of the waiting
  std::int64_t max_sequences = 256, token_budget = 8192, kv_capacity = 1 << 30;  // sequences, tokens, tokens
  std::uint32_t prefill_share = 0;  // of its time, 1/65536: went into reading prompts of late
  std::uint32_t pace = 1024;        // of its steps, 1/1024 of what their costs say
};

struct RequestNow {
  std::int64_t prompt = 0, hit = 0;  // tokens; of it, expected in its prefix cache
  LikelyLengths lengths{};           // of its answer; all 0 where no token is asked for
  std::int64_t others_left = 256;    // tokens that one of the running is expected to write yet
  std::int64_t others_write = 256;   // and one of the waiting in all
};

// q50, q90, q99, from now on.
inline constexpr std::size_t kRequestLevels = 3;
inline constexpr std::array<Level, kRequestLevels> kOfRequest = {Level::q50, Level::q90, Level::q99};
struct RequestQuantiles {
  std::array<Duration, kRequestLevels> first{}, last{};
};

// By physics and what is known of lengths and errors alone. `Costs`: StepCost, or ClassCosts.
template <class Costs>
RequestQuantiles request_time(const Costs&, const ErrorVariances&, const ReplicaNow&, const RequestNow&);

// Of one class of devices.
class RequestTimes {
 public:
  // What is said of a request.
  struct Told {
    RequestQuantiles by_physics, quantiles;  // as request_time() says; multiplied by what was learnt
    std::uint32_t filling = 0;               // of the replica as it was then
  };
  template <class Costs>
  Told predict(const Costs&, const ErrorVariances&, const ReplicaNow&, const RequestNow&) const;

  // What became of it, since then; each as soon as it is known: what is late in one request is late in those that came
  // after. Of one that was cut short before its limit nobody knows the last token: it is not told.
  void first_token(const Told&, Duration after);
  void last_token(const Told&, Duration after);

  // Idle; up to half of its sequences; a place is free; up to a quarter of its sequences must leave before one is; all;
  // more.
  static constexpr std::uint32_t kFillings = 6;
  static std::uint32_t filling(const ReplicaNow&);

 private:
  struct Scores {
    std::array<Conformal, kRequestLevels> first{}, last{};
  };
  Duration widened(const std::array<Conformal, kRequestLevels>& own, const std::array<Conformal, kRequestLevels>& all,
                   std::size_t level, Duration) const;
  std::array<Scores, kFillings + 1> scores_{};  // the last: of all
};

}  // namespace yard
