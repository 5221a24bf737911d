#include "scheduler/core/deadlines.h"

#include <algorithm>

#include "scheduler/base/check.h"
#include "scheduler/core/reading.h"

namespace yard {
namespace {

bool any_hard(const FleetView& fleet) {
  return std::ranges::any_of(fleet.classes, [](const SloClass& c) { return c.sure != Quantile::none; });
}

void count(DeadlineCounts::Held& held, const std::array<Duration, kRequestLevels>& told, Duration took) {
  static_assert(kRequestLevels == kQuantiles);
  ++held.known;
  for (std::size_t l = 0; l < kRequestLevels; ++l) held.in_time[l] += took <= told[l];
}

// Of a row's error in permille, and what of it stays.
ErrorVariances variances_of(const StepCost& cost) {
  const auto square = [](std::int64_t permille) {
    const std::int64_t x = std::min<std::int64_t>(permille, 2000) * kRatioOne / 1000;
    return x * x;
  };
  const std::int64_t all = square(cost.error_permille()), common = std::min(all, square(cost.spread().common));
  return {.common = common, .independent = all - common};
}

}  // namespace

Deadlines::Deadlines(const FleetView& fleet, const CostTables& believed, std::size_t sequences)
    : fleet_(fleet),
      tables_(believed),
      lengths_(any_hard(fleet) ? static_cast<std::uint32_t>(fleet.tenants.size()) : 0,
               any_hard(fleet) ? static_cast<std::uint32_t>(fleet.models.size()) : 0),
      told_(any_hard(fleet) ? sequences : 0) {
  if (!any_hard(fleet)) return;
  times_.resize(believed.rows.size());
  row_of_.reserve(fleet.devices());
  for (const PoolView& pool : fleet.pools) row_of_.insert(row_of_.end(), pool.devices, pool.cost);
}

Deadlines::Asked Deadlines::ask(const Sequence& s, const Ask& ask) const {
  const SloClass& slo = fleet_.classes[s.slo.value];
  const Duration waited = ask.now - ask.arrival;
  Asked asked{.request = {.prompt = ask.prompt.count()},
              .first = slo.ttft_objective(Tokens(s.prompt)) - waited,
              .last = slo.e2e - waited,
              .sure = slo.sure,
              .first_due = slo.ttft.count() > 0,
              .last_due = slo.e2e.count() > 0};
  // Of those there nobody knows how far they are: one at work has, in the mean, half of its size-biased length to go.
  const AnswerLengths& others = ask.answers[s.slo.value];
  std::int64_t sum = 0, squares = 0;
  for (const std::int64_t tokens : others.tokens) sum += tokens, squares += tokens * tokens;
  asked.request.others_write = others.mean();
  asked.request.others_left = std::max<std::int64_t>(1, squares / std::max<std::int64_t>(1, 2 * sum));
  if (s.generates())
    asked.request.lengths = lengths_.likely(s.tenant, s.model, Tokens(s.generated), Tokens(s.max_output));
  for (std::int32_t& length : asked.request.lengths) length = std::max(0, length - s.generated);  // that are to come
  return asked;
}

RequestTimes::Told Deadlines::predict(const RequestNow& request, const DeviceColumns& devices, std::uint32_t d) const {
  const PoolView& pool = fleet_.pools[devices.pool[d]];
  const StepCost& cost = tables_[pool.cost];
  ReplicaNow is{.running = devices.running[d],
                .waiting = devices.waiting[d],
                .prefill_tokens = devices.prefill_tokens[d],
                .kv_tokens = devices.kv_tokens[d],
                .waiting_tokens = devices.waiting_tokens[d],
                .max_sequences = pool.max_sequences,
                .token_budget = pool.token_budget.count(),
                .kv_capacity = std::int64_t{pool.kv_blocks.count()} * pool.block_tokens.count(),
                .prefill_share = devices.prefill_share[d],
                .pace = devices.pace_of(d)};
  if (pool.chunk == Chunk::objective) {                 // reading takes only what decoding leaves
    constexpr std::int64_t kDay = 100'000'000'000'000;  // ns; beyond it all are alike
    const auto ns = [&](std::int64_t ps) { return std::min(kDay, at_pace(ps / 1000, is.pace)); };
    const std::uint32_t n = std::min(devices.running[d], cost.max_sequences());
    const std::int64_t reads = std::max<std::int64_t>(1, request.prompt - request.hit);
    const std::int64_t step = ns(cost.c0(n).count() + cost.c2().count() * is.kv_tokens);
    const std::int64_t own = ns(cost.reading(reads, prefill_pairs(reads, request.hit)).count());
    is.token_budget = is.running + read_in_a_step(pool, cost, fleet_, devices, d, step, own, reads);
    is.prefill_share = 0;
  }
  return times_[pool.cost.value].predict(cost, variances_of(cost), is, request);
}

bool Deadlines::keeps(const Asked& asked, const DeviceColumns& devices, std::uint32_t d) const {
  CHECK(asked.sure != Quantile::none);
  RequestNow request = asked.request;
  request.hit = devices.hit_tokens[d];
  const RequestTimes::Told told = predict(request, devices, d);
  const std::size_t level = place_of(asked.sure);
  const Duration load(devices.adapter_load[d]);
  if (asked.first_due && told.quantiles.first[level] + load > asked.first) return false;
  // Where it is only read, nobody knows yet where it goes on.
  const bool reads_only = fleet_.pools[devices.pool[d]].role == PoolRole::prefill;
  return !asked.last_due || (reads_only ? told.quantiles.first : told.quantiles.last)[level] + load <= asked.last;
}

void Deadlines::binds(std::uint32_t i, const Sequence& s, const Asked& asked, const DeviceColumns& devices,
                      std::uint32_t d, Time now) {
  RequestNow request = asked.request;
  request.hit = s.hit;
  told_[i] = {.of = predict(request, devices, d),
              .bound = now,
              .device = DeviceId{d},
              .some = true,
              .first_known = s.first_token != Time::never()};  // it begins anew elsewhere
}

void Deadlines::has_first_token(std::uint32_t i, const Sequence& s) {
  Told& told = told_[i];
  if (!told.some || told.first_known || s.device != told.device) return;
  told.first_known = true;
  const Duration took = s.first_token - told.bound;
  count(counts_.first, told.of.quantiles.first, took);
  times(told.device.value).first_token(told.of, took);
}

void Deadlines::ends(std::uint32_t i, const Sequence& s, Outcome outcome) {
  Told& told = told_[i];
  if (told.some && outcome == Outcome::done && s.device == told.device && s.last_token != Time::never()) {
    const Duration took = s.last_token - told.bound;
    count(counts_.last, told.of.quantiles.last, took);
    times(told.device.value).last_token(told.of, took);
  }
  told.some = false;
  if (!s.generates() || s.first_token == Time::never()) return;
  const bool of_itself = outcome == Outcome::done && s.generated < s.output_limit;
  lengths_.learn(s.tenant, s.model, Tokens(s.generated),
                 of_itself ? LengthHistory::End::of_itself : LengthHistory::End::cut_short);
}

}  // namespace yard
