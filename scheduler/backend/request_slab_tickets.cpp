// Requests that were placed: their attempts, told by the shard and by their tickets.
#include <algorithm>
#include <utility>

#include "scheduler/backend/request_slab.h"
#include "scheduler/base/check.h"

namespace yard {

RequestSlab::Refusal RequestSlab::place(ShardId shard, OnPlaced&& on, Submitted facts, RequestId& request) noexcept {
  std::uint32_t index;
  if (const Refusal why = take_slot(index); why != Refusal::none) return why;
  (*chunks_[index / kChunk])[index % kChunk].placed = std::move(on);
  tell(shard, index, facts, request, {});
  return Refusal::none;
}

// ---- the shard's thread --------------------------------------------------------------------------------------------

void RequestSlab::send(const Send& c, std::string_view device) noexcept {
  Record& record = at(c.request);
  CHECK_WHY(record.placed, "only what was placed is sent");
  {
    const std::lock_guard lock(record.mutex);
    record.attempt = {.sequence = c.sequence, .number = c.attempt, .limit = c.output_limit, .open = true};
    if (record.cancelled) return;  // its end is on the way
  }
  record.placed({.device = device, .attempt = c.attempt, .end = nullptr});
}

void RequestSlab::abort(const Abort& c) noexcept {
  Record& record = at(c.request);
  const std::lock_guard lock(record.mutex);
  if (record.attempt.number == c.attempt) record.attempt.open = false;
}

// ---- the ticket ----------------------------------------------------------------------------------------------------

// Each tells under the record's mutex: after any news of that attempt that was told before, and never after its end.

bool RequestSlab::first_token(RequestId id, std::uint32_t attempt) noexcept {
  Record& record = at(id);
  {
    const std::lock_guard lock(record.mutex);
    Attempt& a = record.attempt;
    if (answers(a, attempt) && !a.began) {
      a.began = true;
      if (a.limit.count() > 0) tell(record, FirstToken{a.sequence, a.number, Tokens(0), now()});
      return true;
    }
  }
  late_call();
  return false;
}

void RequestSlab::end(RequestId id, std::uint32_t attempt, Tokens generated, Tokens cached) noexcept {
  Record& record = at(id);
  bool late;
  {
    const std::lock_guard lock(record.mutex);
    Attempt& a = record.attempt;
    late = !answers(a, attempt);
    if (!late) {
      a.open = false;
      const Tokens least(a.began ? 1 : 0);  // an engine that counts otherwise than we: Core takes 1 to the limit
      const Tokens n = std::min(std::max(generated, least), std::max(a.limit, Tokens(0)));
      const Time at = now();
      if (n.count() > 0 && !a.began) tell(record, FirstToken{a.sequence, a.number, cached, at});
      tell(record, yard::Ended{.sequence = a.sequence,
                               .attempt = a.number,
                               .fate = n == a.limit ? SlotFate::length : SlotFate::stopped,
                               .generated = n,
                               .last_token = n.count() > 0 ? at : Time::never(),
                               .cached = cached});
    }
  }
  if (late) return late_call();
  const std::lock_guard lock(mutex_);
  totals_.cached_tokens += static_cast<std::uint64_t>(cached.count());
}

void RequestSlab::fail(RequestId id, std::uint32_t attempt, Failure why, Duration retry_after) noexcept {
  Record& record = at(id);
  {
    const std::lock_guard lock(record.mutex);
    Attempt& a = record.attempt;
    if (answers(a, attempt)) {
      a.open = false;
      tell(record, Failed{.sequence = a.sequence, .attempt = a.number, .why = why, .retry_after = retry_after});
      return;
    }
  }
  late_call();
}

void RequestSlab::cancel_ticket(RequestId id) noexcept {
  if (!cancel(id)) late_call();
}

void RequestSlab::drop_ticket(RequestId id) noexcept { release(id); }

void RequestSlab::late_call() noexcept {
  const std::lock_guard lock(mutex_);
  ++totals_.late_calls;
}

}  // namespace yard
