#include "scheduler/core/signals.h"

#include <algorithm>

#include "scheduler/core/drain.h"
#include "scheduler/core/reading.h"

namespace yard {
namespace {

template <class N>
void show_at_least_zero(N& column, std::int64_t n) {
  column = static_cast<N>(std::max<std::int64_t>(0, n));
}

}  // namespace

Signals::Signals(const FleetView& fleet, const CostTables& tables, const Devices& devices, const ForeignLoad& foreign)
    : fleet_(fleet),
      tables_(tables),
      devices_(devices),
      foreign_(foreign),
      age_(fleet.signals_age),
      slot_(std::max<std::int64_t>(1, (fleet.signals_age.count() + kSlotsPerAge - 1) / kSlotsPerAge)),
      differ_(age_.count() > 0 || foreign.any_served()),
      classes_(fleet.classes.size()),
      due_(fleet.devices()),
      fades_(fleet.devices()),
      forecasts_(age_),
      oldest_used_(fleet.pools.size()) {
  if (!differ_) return;
  const std::size_t n = fleet.devices();
  bound_.resize(n), known_.resize(n), bound_class_.resize(n * classes_), known_class_.resize(n * classes_);
  waiting_.resize(n), running_.resize(n), by_class_.resize(n * classes_), prefill_share_.resize(n);
  prefill_.resize(n), kv_tokens_.resize(n), waiting_tokens_.resize(n), cached_.resize(n);
  forecast_.resize(n), read_until_.resize(n);
  columns_ = devices.columns();
  columns_.waiting = waiting_, columns_.running = running_, columns_.prefill_tokens = prefill_;
  columns_.kv_tokens = kv_tokens_, columns_.waiting_tokens = waiting_tokens_, columns_.by_class = by_class_;
  columns_.prefill_share = prefill_share_, columns_.cached_tokens = cached_;
  if (!aged()) return;
  delayed_.resize(n), rows_.resize(n * kRows), due_at_.resize(n * kRows), class_rows_.resize(n * kRows * classes_);
}

// When its prompt will have been read on the device, by what is seen before it is bound there.
Time Signals::expect_read(std::uint32_t d, const Sequence& s, Tokens expected, Time now) {
  const PoolView& pool = fleet_.pools[devices_.pool_of(d)];
  const StepCost& cost = tables_[pool.cost];
  const DeviceColumns& seen = columns();
  if (pool.chunk == Chunk::budget) {
    const Duration alone = first_token_in(seen, pool, cost, d, s.rest(), expected.count());
    // Prompts read meanwhile hold it up, and so does what the estimate leaves out: a quarter (by trial, 0 to 1).
    const std::int64_t decoding = 65536 - std::min(seen.prefill_share[d], 55705u);
    return now + Duration(alone.count() / 4 * 5 / decoding * 65536);
  }
  // One after another, beside those who decode: from when the one before is read, or now where nothing waits.
  Time& until = read_until_[d];
  until = seen.prefill_tokens[d] == 0 ? now : std::clamp(until, now, now + kLatest);
  until += reading_of(pool, cost, fleet_, seen, d, s.rest(), s.to_read - s.rest());
  return until + place_in(seen, pool, cost, d, s.to_read, expected.count());
}

void Signals::bound(std::uint32_t d, Sequence& s, Tokens expected, Time now) {
  if (!aged()) return;  // noted with everything else
  read(s, now);
  s.forecast =
      forecasts_.expect({.device = d, .to_read = s.to_read, .rest = s.rest()}, expect_read(d, s, expected, now));
  ++bound_[d].waiting;
  bound_[d].prefill += s.rest();
  bound_[d].waiting_tokens += s.to_read;
  if (s.generates()) ++bound_class_[d * classes_ + s.slo.value];  // as Devices counts
  show(d, now);
}

void Signals::comes(std::uint32_t d, const Sequence& s, Time now) {
  if (!aged()) return;
  ++bound_[d].running;
  bound_[d].kv_tokens += s.context;
  if (s.generates()) ++bound_class_[d * classes_ + s.slo.value];  // as Devices counts
  show(d, now);
}

void Signals::note(std::span<const std::uint32_t> touched, Time now) {
  for (const std::uint32_t d : touched) {
    if (aged()) {
      delay(d, now);
    } else {
      read(d, known_[d], &known_class_[d * classes_]);
      show(d, now);
    }
  }
}

void Signals::others(std::uint32_t d, Time now) {
  show(d, now);
  const Time fades = foreign_.fades_at(d, now);
  fades == Time::never() ? fades_.clear(d) : fades_.set(d, fades);
}

bool Signals::hear(Time now) {
  bool heard = false;
  for (; fades_.next() <= now; heard = true) others(fades_.first(), now);
  for (; forecasts_.next() <= now; heard = true) forecast(forecasts_.take(), now);
  for (; due_.next() <= now; heard = true) {
    const std::uint32_t d = due_.first();
    Delayed& ring = delayed_[d];
    const std::size_t at = d * kRows + ring.first;
    known_[d] = rows_[at];
    std::copy_n(&class_rows_[at * classes_], classes_, &known_class_[d * classes_]);
    ring.first = (ring.first + 1) % kRows;
    --ring.size;
    ring.size > 0 ? due_.set(d, due_at_[d * kRows + ring.first]) : due_.remove(d);
    show(d, now);
  }
  return heard;
}

// What the device is, as a row.
void Signals::read(std::uint32_t d, Row& row, std::int64_t* by_class) const {
  const DeviceColumns& are = devices_.columns();
  const Row& bound = bound_[d];
  row = {.waiting = are.waiting[d] - bound.waiting,
         .running = are.running[d] - bound.running,
         .prefill = are.prefill_tokens[d] - bound.prefill,
         .kv_tokens = are.kv_tokens[d] - bound.kv_tokens,
         .waiting_tokens = are.waiting_tokens[d] - bound.waiting_tokens,
         .cached = are.cached_tokens[d],
         .prefill_share = are.prefill_share[d]};
  for (std::size_t c = 0; c < classes_; ++c)
    by_class[c] = std::int64_t{are.by_class[d * classes_ + c]} - bound_class_[d * classes_ + c];
}

// Several rows of one slot of time are one: the last, known when the slot's end is old enough.
void Signals::delay(std::uint32_t d, Time now) {
  Delayed& ring = delayed_[d];
  const std::int64_t slot = now.ns() / slot_.count();
  if (ring.size == 0 || ring.slot != slot) {
    CHECK_WHY(ring.size < kRows, "a device has a row for each slot of the signals' age");
    const std::uint32_t next = (ring.first + ring.size++) % kRows;
    ring.slot = slot;
    const Time due = Time((slot + 1) * slot_.count()) + age_;
    due_at_[d * kRows + next] = due;
    if (ring.size == 1) due_.set(d, due);
  }
  const std::size_t at = d * kRows + (ring.first + ring.size - 1) % kRows;
  read(d, rows_[at], &class_rows_[at * classes_]);
}

void Signals::forecast(const Forecasts::Change& change, Time now) {
  const Forecasts::Flight& f = change.flight;
  Row& row = forecast_[f.device];
  row.waiting -= change.read;
  row.running += change.read;
  row.prefill -= change.read * f.rest;
  row.waiting_tokens -= change.read * f.to_read;
  row.kv_tokens += change.read * f.to_read;
  show(f.device, now);
}

void Signals::show(std::uint32_t d, Time now) {
  const ForeignLoad::Others others = foreign_.on(d, now);
  const PoolView& pool = fleet_.pools[devices_.pool_of(d)];
  const std::int64_t unread = others.waiting * foreign_.mean_prompt(d);
  const Row &bound = bound_[d], &known = known_[d], &ahead = forecast_[d];
  show_at_least_zero(waiting_[d], bound.waiting + known.waiting + ahead.waiting + others.waiting);
  show_at_least_zero(running_[d], bound.running + known.running + ahead.running + others.running);
  show_at_least_zero(prefill_[d], bound.prefill + known.prefill + ahead.prefill + unread);
  show_at_least_zero(kv_tokens_[d], bound.kv_tokens + known.kv_tokens + ahead.kv_tokens +
                                        std::int64_t{others.blocks} * pool.block_tokens.count());
  show_at_least_zero(waiting_tokens_[d], bound.waiting_tokens + known.waiting_tokens + ahead.waiting_tokens + unread);
  cached_[d] = known.cached;
  prefill_share_[d] = known.prefill_share;
  for (std::size_t k = d * classes_; k < (d + 1) * classes_; ++k)
    show_at_least_zero(by_class_[k], bound_class_[k] + known_class_[k]);
}

void Signals::used(std::uint32_t d, Time now) {
  if (!differ_) return;
  Duration& oldest = oldest_used_[devices_.pool_of(d)];
  oldest = std::max({oldest, age_, foreign_.age(d, now)});
}

}  // namespace yard
