#include "scheduler/backend/request_slab.h"

#include <algorithm>
#include <new>

#include "scheduler/base/check.h"

namespace yard {
namespace {

constexpr std::size_t kKeptTokens = 4096;  // capacity that a free slot keeps for its next tenant

void empty(std::vector<RequestSlab::Token>& tokens) {
  tokens.clear();
  if (tokens.capacity() > kKeptTokens) std::vector<RequestSlab::Token>().swap(tokens);
}

RequestSlab::Ended ended_by(const Finish& f) {
  const Account& a = f.account;
  const bool some = a.first_token != Time::never();
  const Time last = f.outcome == Outcome::done && some ? a.last_token : a.finish;
  return {.outcome = f.outcome,
          .why = f.why,
          .retry_after = f.retry_after,
          .ttft = some ? a.first_token - a.arrival : Duration(),
          .e2e = last - a.arrival,
          .tokens = a.output};
}

}  // namespace

RequestSlab::RequestSlab(std::uint32_t slots, Shard& shard)
    : shard_(shard), slots_(slots), chunks_((slots + kChunk - 1) / kChunk) {
  free_.reserve(slots);
}

RequestSlab::Record& RequestSlab::at(RequestId id) const noexcept {
  Record& record = (*chunks_[id.index / kChunk])[id.index % kChunk];
  CHECK_WHY(record.generation == id.generation, "a request's slot is not given away while somebody owns it");
  return record;
}

// ---- the door ------------------------------------------------------------------------------------------------------

RequestSlab::Refusal RequestSlab::enter(std::span<const Token> prompt, bool keep, Submitted facts,
                                        RequestId& request) noexcept {
  std::uint32_t index;
  {
    const std::lock_guard lock(mutex_);
    if (closed_) return ++refused_, Refusal::closed;
    if (!free_.empty()) {
      index = free_.back();
      free_.pop_back();
    } else if (made_ < slots_) {
      if (made_ % kChunk == 0) {
        chunks_[made_ / kChunk].reset(new (std::nothrow) Chunk);
        if (!chunks_[made_ / kChunk]) return ++refused_, Refusal::no_memory;
      }
      index = made_++;
    } else {
      return ++refused_, Refusal::full;
    }
    ++entered_, ++in_flight_;
  }
  Record& record = (*chunks_[index / kChunk])[index % kChunk];
  try {
    if (keep) record.prompt.assign(prompt.begin(), prompt.end());
  } catch (const std::bad_alloc&) {
    const std::lock_guard lock(mutex_);
    free_.push_back(index);
    if (--in_flight_ == 0) idle_.notify_all();
    --entered_, ++refused_;
    return Refusal::no_memory;
  }
  request = {index, record.generation};
  const std::lock_guard lock(record.mutex);
  record.in_flight = record.held = true;
  facts.request = request;
  facts.arrival = shard_.now();
  shard_.tell(facts);  // under the mutex: before any CancelAsked of it, also one by cancel_all()
  return Refusal::none;
}

void RequestSlab::refuse() noexcept {
  const std::lock_guard lock(mutex_);
  ++refused_;
}

void RequestSlab::close() noexcept {
  const std::lock_guard lock(mutex_);
  closed_ = true;
}

bool RequestSlab::wait_until_idle(std::chrono::nanoseconds patience) noexcept {
  std::unique_lock lock(mutex_);
  // Far beyond any run of a process, and far from the end of the clock's range.
  constexpr std::chrono::nanoseconds kForever = std::chrono::hours(24 * 365 * 10);
  return idle_.wait_for(lock, std::min(patience, kForever), [this] { return in_flight_ == 0; });
}

void RequestSlab::wait_until_idle() noexcept {
  std::unique_lock lock(mutex_);
  idle_.wait(lock, [this] { return in_flight_ == 0; });
}

void RequestSlab::cancel_all() noexcept {
  std::uint32_t made;
  {
    const std::lock_guard lock(mutex_);
    made = made_;
  }
  for (std::uint32_t i = 0; i < made; ++i) {
    Record& record = (*chunks_[i / kChunk])[i % kChunk];
    const std::lock_guard lock(record.mutex);
    if (!record.in_flight || record.ended || record.cancelled) continue;
    record.cancelled = true;
    shard_.tell(CancelAsked{{i, record.generation}});
  }
}

RequestSlab::Totals RequestSlab::totals() const noexcept {
  const std::lock_guard lock(mutex_);
  return {entered_, refused_};
}

// ---- devices -------------------------------------------------------------------------------------------------------

std::span<const RequestSlab::Token> RequestSlab::read(RequestId id, Tokens from, Tokens n,
                                                      std::vector<Token>& copy) const noexcept {
  const Record& record = at(id);
  const auto begin = static_cast<std::size_t>(from.count()), size = static_cast<std::size_t>(n.count());
  const std::size_t prompt = record.prompt.size();
  CHECK_WHY(begin + size <= prompt + record.answer.size(), "Core and device count the same tokens");
  if (begin + size <= prompt) return std::span(record.prompt).subspan(begin, size);
  CHECK(copy.size() + size <= copy.capacity());
  const std::size_t at = copy.size();
  for (std::size_t i = begin; i < begin + size; ++i)
    copy.push_back(i < prompt ? record.prompt[i] : record.answer[i - prompt]);
  return std::span(copy).subspan(at, size);
}

bool RequestSlab::emit(RequestId id, Token token) noexcept {
  Record& record = at(id);
  {
    const std::lock_guard lock(record.mutex);
    try {
      record.answer.push_back(token);
    } catch (const std::bad_alloc&) {
      return false;
    }
    record.news.notify_one();
  }
  ring(record);
  return true;
}

void RequestSlab::ring(Record& record) noexcept {
  const std::lock_guard lock(record.wake_mutex);
  if (record.wake) record.wake();
}

// ---- the two owners ------------------------------------------------------------------------------------------------

void RequestSlab::finish(const Finish& finish) noexcept {
  Record& record = at(finish.request);
  // First, while the reply still waits: whoever sees the outcome may drop the reply, and the slot be somebody else's.
  const std::lock_guard waking(record.wake_mutex);
  bool held;
  {
    const std::lock_guard lock(record.mutex);
    record.ended = ended_by(finish);
    record.in_flight = false;
    held = record.held;
    record.news.notify_all();
  }
  if (held && record.wake) record.wake();
  if (!held) set_free(finish.request.index);
  const std::lock_guard lock(mutex_);
  if (--in_flight_ == 0) idle_.notify_all();
}

void RequestSlab::drop(RequestId id) noexcept {
  Record& record = at(id);
  notify(id, {});
  bool free;
  {
    const std::lock_guard lock(record.mutex);
    record.held = false;
    free = record.ended.has_value();
    if (!free && !record.cancelled) {
      record.cancelled = true;
      shard_.tell(CancelAsked{id});
    }
  }
  if (free) set_free(id.index);
}

void RequestSlab::set_free(std::uint32_t index) noexcept {
  Record& record = (*chunks_[index / kChunk])[index % kChunk];
  {
    const std::lock_guard lock(record.mutex);
    ++record.generation;
    empty(record.prompt), empty(record.answer);
    record.taken = 0;
    record.ended.reset();
    record.cancelled = false;
  }
  const std::lock_guard lock(mutex_);
  free_.push_back(index);
}

// ---- the reply -----------------------------------------------------------------------------------------------------

std::optional<RequestSlab::Token> RequestSlab::wait_for_token(RequestId id) noexcept {
  Record& record = at(id);
  std::unique_lock lock(record.mutex);
  record.news.wait(lock, [&] { return record.taken < record.answer.size() || record.ended; });
  if (record.taken == record.answer.size()) return std::nullopt;
  return record.answer[record.taken++];
}

std::size_t RequestSlab::take(RequestId id, std::span<Token> out) noexcept {
  Record& record = at(id);
  const std::lock_guard lock(record.mutex);
  const std::size_t n = std::min(out.size(), record.answer.size() - record.taken);
  std::copy_n(record.answer.begin() + static_cast<std::ptrdiff_t>(record.taken), n, out.begin());
  record.taken += n;
  return n;
}

std::optional<RequestSlab::Ended> RequestSlab::ended(RequestId id) const noexcept {
  const Record& record = at(id);
  const std::lock_guard lock(record.mutex);
  return record.ended;
}

void RequestSlab::notify(RequestId id, std::function<void()> wake) {
  Record& record = at(id);
  const std::lock_guard lock(record.wake_mutex);
  record.wake.swap(wake);
}

void RequestSlab::cancel(RequestId id) noexcept {
  Record& record = at(id);
  const std::lock_guard lock(record.mutex);
  if (record.ended || record.cancelled) return;
  record.cancelled = true;
  shard_.tell(CancelAsked{id});
}

}  // namespace yard
