// What placing a request on a device costs in kept promises: its own expected miss and those that it causes to
// everybody there already. Pure functions of columns and cost tables; whoever scans devices has them inlined.
//
// The placement study's formula (DESIGN, "One currency: kept promises"), in integers:
//   own     = 1 - (1 - S(8 (ttft / TTFT* - 1))) (1 - S(k_own (tpot / TPOT* - 1)))
//   others  = sum over classes of n_class, of those in the line (S(8 (w' / TTFT* - 1)) - S(8 (w / TTFT* - 1))), and
//             of all, over a quarter of their answers each, of length r,
//             weight (S(k_r (T' / TPOT* - 1)) - S(k_r (T / TPOT* - 1)))
//   to_come = 50 m^2 X / Xb
//   cost    = own + others + to_come + 0.03 (ttft + o tpot) / 1 s + 12 dollars
// S is the logistic function. w is the time until all is read that waits there now, w' with the request; TTFT* is that
// of the line's mean prompt. T is the time per token there now, T' with the request: a prefill of X adds X / r to each
// of r tokens. Where chunks are sized by the objective (core/README.md) reading takes only what decoding leaves: T, T'
// and tpot are then those of steps without prefill, and r is the mean answer. Those in the line weigh
// alike, those admitted by how long they are at work. k = 1.7 / sqrt(s0^2 + v / tokens): the less sure, the flatter,
// where s0 is the costs' own relative error (StepCost; 0.1 at the least) and v = u Xb / TPOT* the jitter that prefill
// brings to decoding (u: share of time in prefill, Xb: size-biased prefill of one prompt); dollars are the marginal
// price of the time that the device works longer (money_weight.h). One miss weighs the same in every class. m is how
// scarce time is: the mean of `own`, at the best device, over those of the model who asked last and could be refused,
// each at the shard to which it came.
// Reading as long as a prompt of the candidates' mean Xb then costs those to come 50 m^2 promises: half of one where
// one of ten is expected to miss, its own where one of seven is. What a prefix cache saves is not paid, nor what
// an idle device reads.
//
// On a device that only reads prompts for others (PoolRole::prefill) there is no TPOT in `own`, and
//   others = max(own, sum over classes of n_class (S(8 ((w + its reading) / T - 1)) - S(8 (w / T - 1))))
// with w the reading that waits there and T the TTFT objective of a mean prompt of it: the time that it takes there
// others do not have; who is expected late displaces somebody like itself. Where it only goes on (Ask::read) there is
// no TTFT in `own`, and ttft is later by the time of its move. A request that asks for no token has no TPOT, and is
// gone when its prompt is read; its TTFT is the time to its result. Ratios and probabilities are in 1/65536, slopes k
// in 1/256, times in nanoseconds, at the device's pace.
#pragma once
#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <span>

#include "scheduler/core/policy.h"
#include "scheduler/core/reading.h"
#include "scheduler/policy/money_weight.h"
#include "scheduler/policy/settings.h"

namespace yard::policy::kept_promises {

inline constexpr std::int64_t kOne = kOnePromise;                // and, of a ratio, 1
inline constexpr std::int64_t kMostShare = 55705;                // u <= 0.85
inline constexpr std::int64_t kLongest = 100'000'000'000'000;    // ns: beyond a day all waits are alike
inline constexpr std::int64_t kLongestRead = 1'000'000'000'000;  // ns

// S(x) at x = 0, 1/4, .. 8.
inline constexpr std::array<std::int64_t, 33> kLogistic = {
    32768, 36843, 40793, 44511, 47911, 50941, 53581, 55834, 57724, 59287, 60565,
    61598, 62428, 63090, 63615, 64030, 64357, 64614, 64816, 64974, 65097, 65194,
    65269, 65328, 65374, 65410, 65438, 65459, 65476, 65489, 65500, 65508, 65514};

// 1.7 / sqrt(z) in 1/256, for z in 1/65536 from 2^11 on, eight to the octave.
inline constexpr std::array<std::int64_t, 96> kSlopes = {
    2388, 2259, 2149, 2053, 1969, 1895, 1829, 1769, 1689, 1597, 1519, 1452, 1393, 1340, 1293, 1251,
    1194, 1130, 1074, 1027, 985,  948,  914,  884,  844,  799,  760,  726,  696,  670,  647,  625,
    597,  565,  537,  513,  492,  474,  457,  442,  422,  399,  380,  363,  348,  335,  323,  313,
    299,  282,  269,  257,  246,  237,  229,  221,  211,  200,  190,  181,  174,  168,  162,  156,
    149,  141,  134,  128,  123,  118,  114,  111,  106,  100,  95,   91,   87,   84,   81,   78,
    75,   71,   67,   64,   62,   59,   57,   55,   53,   50,   47,   45,   44,   42,   40,   39};

// `x` in 1/256.
inline std::int64_t logistic(std::int64_t x) {
  const std::int64_t a = std::min<std::int64_t>(x < 0 ? -x : x, 8 * 256 - 1);
  const auto at = static_cast<std::size_t>(a / 64);
  const std::int64_t s = kLogistic[at] + (kLogistic[at + 1] - kLogistic[at]) * (a % 64) / 64;
  return x < 0 ? kOne - s : s;
}

inline std::int64_t slope(std::int64_t z) {
  const auto bits = static_cast<std::uint64_t>(std::clamp<std::int64_t>(z, 2048, (std::int64_t{1} << 23) - 1));
  const int octave = static_cast<int>(std::bit_width(bits)) - 1;
  return kSlopes[static_cast<std::size_t>((octave - 11) * 8) + (bits >> (octave - 3) & 7)];
}

// The probability that what is expected to take `t` misses `objective`; nothing is missed where nothing was promised.
inline std::int64_t miss(std::int64_t t, std::int64_t objective, std::int64_t k) {
  if (objective <= 0) return 0;
  const std::int64_t over = std::min<std::int64_t>(t, kLongest) * 256 / objective - 256;  // 1/256
  return logistic(std::clamp<std::int64_t>(over, -(1 << 20), 1 << 20) * k / 256);
}

inline constexpr std::int64_t kLeastMiss = kOne - kLogistic.back();  // of what was promised, however soon it comes

// One of two promises is missed, at the most `certain`.
inline std::int64_t own_miss(std::int64_t ttft, std::int64_t tpot, std::int64_t certain) {
  return std::min(certain, kOne - (kOne - ttft) * (kOne - tpot) / kOne);
}

// What a second of reading costs those to come, 1/65536 of a miss.
inline std::int64_t price_of_reading(std::span<const std::uint32_t> eligible, const DeviceColumns& devices,
                                     const Ask& ask, const Settings& by = kSettings) {
  const std::int64_t misses = by.scarcity_price * ask.scarcity * ask.scarcity / kOne;
  if (misses == 0) return 0;
  std::int64_t sum = 0;  // us
  for (const std::uint32_t d : eligible) sum += std::min(devices.prefill_burst[d], kLongest) / 1000;
  const std::int64_t burst = std::max<std::int64_t>(1000, sum / static_cast<std::int64_t>(eligible.size()));
  return misses * 1'000'000 / burst;
}

// `own`: of who asked last, at the best device. Returns: how scarce time is now.
inline std::int32_t scarcity_after(std::int32_t scarcity, std::int64_t own, const Settings& by = kSettings) {
  return scarcity + static_cast<std::int32_t>((own - scarcity) / by.scarcity_gain);
}

struct Request {
  Request(const FleetView& fleet, const Ask& ask, std::int64_t price)
      : prompt(ask.prompt.count()),
        answers(ask.expected_output.count()),
        waited((ask.now - ask.arrival).count()),
        ttft_objective(fleet.classes[ask.slo.value].ttft_objective(ask.prompt).count()),
        tpot_objective(ask.expected_output.count() > 0 ? fleet.classes[ask.slo.value].tpot.count() : 0),
        reading_second(price),
        lengths(ask.answers),
        read(ask.read),
        certain(fleet.classes[ask.slo.value].on_overload == Overload::defer ? kOne - 1 : kOne) {}
  std::int64_t prompt, answers, waited;  // tokens, tokens, ns
  std::int64_t ttft_objective, tpot_objective;
  std::int64_t reading_second;             // what it costs those to come, 1/65536 of a miss
  std::span<const AnswerLengths> lengths;  // of others, by class
  bool read;                               // its first token is out: its KV moves to where it goes on
  // The most that its own miss counts: who is put off until it harms nobody is served where nobody is.
  std::int64_t certain;
};

// Its own miss at the least, had it its first token now, and all others at once.
inline std::int64_t least_own(const Request& q, const Settings& by = kSettings) {
  return own_miss(q.read ? 0 : miss(q.waited, q.ttft_objective, by.ttft_slope), q.tpot_objective > 0 ? kLeastMiss : 0,
                  q.certain);
}

// What the cost is made of, and what it follows from.
struct Terms {
  std::int64_t own, others, to_come, seconds, money;  // 1/65536 of a miss
  std::int64_t ttft, tpot;                            // expected, ns; waited so far included

  std::int64_t misses() const { return own + others + to_come; }
  std::int64_t total() const { return misses() + seconds + money; }
  // Its own promise is worth one: it loses more than it keeps.
  bool loses() const { return misses() >= kOne; }
};

// Those who are on a device, as the request finds them and as it would leave them; ns.
struct There {
  std::int64_t count;                   // sequences, at least one
  std::int64_t unread, then_unread;     // until what is to be read has been, if nothing else is done
  std::int64_t waits, then_waits;       // the same, a chunk a step
  std::int64_t per_token, then_beside;  // time per token; what the request adds to it once it is read
  std::int64_t spread, jitter;          // 1/65536
};

// Where prompts are only read: the TTFT of those who wait there.
[[gnu::always_inline]] inline std::int64_t others_to_be_read(const There& there, const FleetView& fleet,
                                                             const DeviceColumns& devices, std::uint32_t d,
                                                             const Settings& by) {
  const Tokens mean(std::min<std::int64_t>(devices.prefill_tokens[d] / there.count, 1 << 20));
  const std::uint32_t* count = &devices.by_class[d * fleet.classes.size()];
  std::int64_t others = 0;
  for (std::size_t c = 0; c < fleet.classes.size(); ++c) {
    if (count[c] == 0) continue;
    const std::int64_t objective = fleet.classes[c].ttft_objective(mean).count();
    others +=
        count[c] * (miss(there.then_unread, objective, by.ttft_slope) - miss(there.unread, objective, by.ttft_slope));
  }
  return others;
}

// Elsewhere: the TTFT of those in the line, and the TPOT of all.
[[gnu::always_inline]] inline std::int64_t others_to_be_served(const There& there, const PoolView& pool,
                                                               const FleetView& fleet, const DeviceColumns& devices,
                                                               std::uint32_t d, const Request& q, const Settings& by) {
  const std::int64_t waiting = devices.waiting[d], base = there.per_token;
  const Tokens mean(waiting > 0 ? std::min<std::int64_t>(devices.waiting_tokens[d] / waiting, 1 << 20) : 0);
  const std::uint32_t* count = &devices.by_class[d * fleet.classes.size()];
  std::int64_t others = 0;
  for (std::size_t c = 0; c < fleet.classes.size(); ++c) {
    if (count[c] == 0) continue;
    if (waiting > 0) {
      const std::int64_t first = fleet.classes[c].ttft_objective(mean).count();
      others += count[c] * (miss(there.then_waits, first, by.ttft_slope) - miss(there.waits, first, by.ttft_slope)) *
                waiting / there.count;
    }
    const std::int64_t objective = fleet.classes[c].tpot.count();
    if (objective <= 0) continue;
    const AnswerLengths& lengths = q.lengths[c];
    if (pool.chunk == Chunk::objective) {
      const std::int64_t k =
          slope(there.spread + there.jitter / std::max<std::int64_t>(by.least_answer, lengths.mean()));
      others += count[c] * (miss(base + there.then_beside, objective, k) - miss(base, objective, k));
      continue;
    }
    for (std::size_t i = 0; i < lengths.tokens.size(); ++i) {
      const std::int64_t r = std::max<std::int64_t>(by.least_answer, lengths.tokens[i]);
      const std::int64_t k = slope(there.spread + there.jitter / r);
      const std::int64_t now = base + there.unread / r, then = base + there.then_unread / r + there.then_beside;
      const std::int64_t weight =
          (waiting * (kOne / 4) + devices.running[d] * std::int64_t{lengths.at_work[i]}) / there.count;
      others += count[c] * (miss(then, objective, k) - miss(now, objective, k)) * weight / kOne;
    }
  }
  return others;
}

// Inlined by force: for a scan it is the loop's body, and what a scan does not use is not computed.
[[gnu::always_inline]] inline Terms terms_on(const PoolView& pool, const StepCost& cost, const FleetView& fleet,
                                             const DeviceColumns& devices, std::uint32_t d, const Request& q,
                                             const Settings& by = kSettings) {
  const std::int64_t most = pool.max_sequences, there = std::int64_t{devices.waiting[d]} + devices.running[d];
  const std::uint32_t pace = devices.pace_of(d);
  const auto paced = [pace](std::int64_t ns) { return at_pace(ns, pace); };
  const auto c0 = [&](std::int64_t n) { return cost.c0(static_cast<std::uint32_t>(std::min(n, most))).count() / 1000; };
  const std::int64_t c1 = cost.c1().count(), c2 = cost.c2().count();
  const std::int64_t queued = devices.prefill_tokens[d], kv = devices.kv_tokens[d], line = devices.waiting_tokens[d];

  std::int64_t share = there == 0 ? 0 : std::min<std::int64_t>(devices.prefill_share[d], kMostShare);
  if (q.answers <= 8) share /= 2;
  // Of the time, for decoding. Where chunks are sized by the objective, reading takes no more than decoding leaves.
  const std::int64_t rest = pool.chunk == Chunk::objective ? kOne : kOne - share;
  const std::int64_t promised = q.tpot_objective > 0 ? q.tpot_objective : 50'000'000;
  const std::int64_t jitter =
      share * std::min<std::int64_t>(devices.prefill_burst[d], 100'000'000'000) / promised * by.jitter / 256;

  const std::int64_t step = paced(c0(devices.running[d]) + c2 * kv / 1000);
  // s0^2: no costs are trusted to less than a tenth.
  const std::int64_t error = std::max<std::int64_t>(100, cost.error_permille()) * by.spread / 256;
  const std::int64_t spread = kOne * error * error / 1'000'000;
  const std::int64_t hit = devices.hit_tokens[d], reads = q.prompt - hit;
  // Its adapter is loaded before its prompt is read, and everybody waits for both.
  const std::int64_t own_reading =
      paced(cost.reading(reads, prefill_pairs(reads, hit)).count() / 1000) + devices.adapter_load[d];
  const std::int64_t ahead = paced(c1 * queued / 1000), reading = ahead + own_reading;
  const std::int64_t chunk = read_in_a_step(pool, cost, fleet, devices, d, step, own_reading, reads);
  const std::int64_t steps = (queued + reads + chunk - 1) / chunk;
  const std::int64_t held = kv + line + q.prompt;
  const std::int64_t tpot = paced(c0(there + 1) + c2 * (held + q.answers / 2) / 1000) * kOne / rest;
  std::int64_t ttft = q.waited + (devices.running[d] > 0 ? step / 2 : 0) + reading + steps * step;
  const std::int64_t capacity = std::int64_t{pool.kv_blocks.count()} * pool.block_tokens.count();
  const std::int64_t decoding = std::min<std::int64_t>(q.answers * tpot, kLongest);
  if (there + 1 > most) ttft += std::min<std::int64_t>(decoding / most * (there + 1 - most), kLongest);
  if (held > capacity)
    ttft += std::min<std::int64_t>(decoding / 1024 * ((held - capacity) * 1024 / capacity + 1), kLongest);

  const std::int64_t k_own = slope(spread + jitter / std::max<std::int64_t>(4, q.answers));
  if (q.read) ttft += std::min<std::int64_t>(devices.move_time[d], kLongest);

  // Where it only goes on its TTFT is past. Where it is only read nobody has a TPOT to lose.
  const bool reads_only = pool.role == PoolRole::prefill;
  const std::int64_t own = own_miss(q.read ? 0 : miss(ttft, q.ttft_objective, by.ttft_slope),
                                    reads_only ? 0 : miss(tpot, q.tpot_objective, k_own), q.certain);

  std::int64_t others = 0;
  if (there > 0) {
    const There on{
        .count = there,
        .unread = ahead,
        .then_unread = reading,
        .waits = ahead + (queued + chunk - 1) / chunk * step,
        .then_waits = reading + steps * step,
        .per_token = paced(c0(there) + c2 * (kv + line) / 1000) * kOne / rest,
        // Who asks for no token is gone when its prompt is read.
        .then_beside = q.answers > 0 ? paced(c0(there + 1) - c0(there) + c2 * (q.prompt + q.answers / 2) / 1000) : 0,
        .spread = spread,
        .jitter = jitter};
    others = reads_only ? std::max(own, others_to_be_read(on, fleet, devices, d, by))
                        : others_to_be_served(on, pool, fleet, devices, d, q, by);
  }
  // Who is put off is taken where nobody is, however scarce time was when he asked last.
  const std::int64_t to_come =
      there == 0 ? 0 : std::min(own_reading, kLongestRead) / 1000 * q.reading_second / 1'000'000;
  const std::int64_t seconds = (std::min<std::int64_t>(ttft, kLongest) + decoding) / 1'000'000 * by.second / 1000;
  // The device works longer by the prompt, and by what the sequence adds to each step: on an idle one, the whole step.
  const std::int64_t per_token =
      paced(c0(there + 1) - (there > 0 ? c0(there) : 0) + c2 * (q.prompt + q.answers / 2) / 1000);
  const std::int64_t longer = std::clamp<std::int64_t>(own_reading + q.answers * per_token, 0, kLongest);
  const std::int64_t money = money_weight(devices.marginal_price[d], longer);
  return {
      .own = own, .others = others, .to_come = to_come, .seconds = seconds, .money = money, .ttft = ttft, .tpot = tpot};
}

}  // namespace yard::policy::kept_promises
