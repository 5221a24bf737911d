#include "scheduler/backend/request_slab.h"

#include <algorithm>
#include <new>
#include <utility>

#include "scheduler/base/check.h"
#include "scheduler/core/core.h"

namespace yard {
namespace {

constexpr std::uint32_t kMostAnswers = Bounds().answers;  // more are refused by the shard
constexpr std::size_t kKeptTokens = 4096;                 // capacity that a free slot keeps for its next tenant

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

RequestSlab::RequestSlab(std::uint32_t slots, std::vector<Shard*> shards)
    : shards_(std::move(shards)), slots_(slots), chunks_((slots + kChunk - 1) / kChunk) {
  free_.reserve(slots);
}

RequestSlab::Record& RequestSlab::at(RequestId id) const noexcept {
  guard_.check();
  Record& record = (*chunks_[id.index / kChunk])[id.index % kChunk];
  CHECK_WHY(record.generation == id.generation, "a request's slot is not given away while somebody owns it");
  return record;
}

std::string_view name_of(RequestSlab::Refusal why) {
  switch (why) {
    case RequestSlab::Refusal::none: return "";
    case RequestSlab::Refusal::full: return name_of(Reason::queue_full);
    case RequestSlab::Refusal::closed: return "draining";
    case RequestSlab::Refusal::no_memory: return "no_memory";
    case RequestSlab::Refusal::no_such_class: return "no_such_class";
    case RequestSlab::Refusal::no_endpoint: return "no_endpoint";
    case RequestSlab::Refusal::only_endpoints: return "only_endpoints";
  }
  return "";
}

// ---- the door ------------------------------------------------------------------------------------------------------

RequestSlab::Refusal RequestSlab::enter(ShardId shard, std::span<const Token> prompt, bool keep, Submitted facts,
                                        RequestId& request, std::uint64_t tag,
                                        std::optional<std::uint32_t> lane) noexcept {
  std::uint32_t index;
  if (const Refusal why = take_slot(index); why != Refusal::none) return why;
  Record& record = (*chunks_[index / kChunk])[index % kChunk];
  record.tag = tag;
  try {
    if (keep) record.prompt.assign(prompt.begin(), prompt.end());
    if (facts.answers > 1 && facts.answers <= kMostAnswers) {
      record.others.resize(facts.answers - 1);
      record.taken_of.resize(facts.answers);
    }
  } catch (const std::bad_alloc&) {
    return give_back_slot(index, Refusal::no_memory);
  }
  if (tell(shard, index, facts, request, lane)) return Refusal::none;
  return give_back_slot(index, Refusal::full);
}

RequestSlab::Refusal RequestSlab::take_slot(std::uint32_t& index) noexcept {
  guard_.check();
  const std::lock_guard lock(mutex_);
  const auto refuse = [this](Refusal why) { return ++totals_.refused[static_cast<std::size_t>(why)], why; };
  if (closed_) return refuse(Refusal::closed);
  if (!free_.empty()) {
    index = free_.back();
    free_.pop_back();
  } else if (made_ < slots_) {
    if (made_ % kChunk == 0) {
      chunks_[made_ / kChunk].reset(new (std::nothrow) Chunk);
      if (!chunks_[made_ / kChunk]) return refuse(Refusal::no_memory);
    }
    index = made_++;
  } else {
    return refuse(Refusal::full);
  }
  ++totals_.entered, ++in_flight_;
  return Refusal::none;
}

RequestSlab::Refusal RequestSlab::give_back_slot(std::uint32_t index, Refusal why) noexcept {
  Record& record = (*chunks_[index / kChunk])[index % kChunk];
  empty(record.prompt);
  record.others.clear(), record.taken_of.clear();
  const std::lock_guard lock(mutex_);
  free_.push_back(index);
  if (--in_flight_ == 0) idle_.notify_all();
  --totals_.entered, ++totals_.refused[static_cast<std::size_t>(why)];
  return why;
}

bool RequestSlab::tell(ShardId shard, std::uint32_t index, Submitted facts, RequestId& request,
                       std::optional<std::uint32_t> lane) noexcept {
  Record& record = (*chunks_[index / kChunk])[index % kChunk];
  const std::lock_guard lock(record.mutex);
  record.shard = shard;
  facts.request = {index, record.generation};
  facts.arrival = now();
  if (shards_.size() > 1) record.offer.facts = facts;
  // Under the mutex: before any CancelAsked of it, also one by cancel_all().
  if (!lane) tell(record, facts);
  if (lane && !shards_[shard.value]->tell_by(*lane, facts)) return false;
  record.in_flight = record.held = true;
  request = facts.request;
  return true;
}

void RequestSlab::refuse(Refusal why) noexcept {
  guard_.check();
  const std::lock_guard lock(mutex_);
  ++totals_.refused[static_cast<std::size_t>(why)];
}

void RequestSlab::close() noexcept {
  guard_.check();
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
    tell(record, CancelAsked{{i, record.generation}});
  }
}

RequestSlab::Totals RequestSlab::totals() const noexcept {
  guard_.check();
  const std::lock_guard lock(mutex_);
  return totals_;
}

// ---- devices -------------------------------------------------------------------------------------------------------

std::span<const RequestSlab::Token> RequestSlab::read(RequestId id, std::uint32_t answer, Tokens from, Tokens n,
                                                      std::vector<Token>& copy) const noexcept {
  const Record& record = at(id);
  const auto begin = static_cast<std::size_t>(from.count()), size = static_cast<std::size_t>(n.count());
  const std::size_t prompt = record.prompt.size();
  const std::vector<Token>& made = record.of(answer);
  CHECK_WHY(begin + size <= prompt + made.size(), "Core and device count the same tokens");
  if (begin + size <= prompt) return std::span(record.prompt).subspan(begin, size);
  CHECK(copy.size() + size <= copy.capacity());
  const std::size_t at = copy.size();
  for (std::size_t i = begin; i < begin + size; ++i) copy.push_back(i < prompt ? record.prompt[i] : made[i - prompt]);
  return std::span(copy).subspan(at, size);
}

bool RequestSlab::emit(RequestId id, std::uint32_t answer, Token token) noexcept {
  Record& record = at(id);
  {
    const std::lock_guard lock(record.mutex);
    try {
      if (!record.others.empty()) record.order.push_back(answer);
      record.of(answer).push_back(token);
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
  const Ended ended = ended_by(finish);
  OnPlaced placed = std::exchange(record.placed, nullptr);
  bool held;
  {
    // First, while the reply still waits: whoever sees the outcome may drop it, and the slot be somebody else's.
    const std::lock_guard waking(record.wake_mutex);
    {
      const std::lock_guard lock(record.mutex);
      record.ended = ended;
      record.in_flight = record.attempt.open = false;
      held = record.held;
      record.news.notify_all();
    }
    if (held && record.wake) record.wake();
  }
  if (!held) set_free(finish.request.index);
  if (placed) placed({.device = {}, .attempt = 0, .end = &ended});
  placed = nullptr;  // whoever waits until nothing is in flight finds it gone
  const std::lock_guard lock(mutex_);
  if (--in_flight_ == 0) idle_.notify_all();
}

void RequestSlab::drop(RequestId id) noexcept {
  notify(id, {});
  release(id);
}

void RequestSlab::release(RequestId id) noexcept {
  Record& record = at(id);
  bool free;
  {
    const std::lock_guard lock(record.mutex);
    record.held = false;
    free = record.ended.has_value();
    if (!free && !record.cancelled) {
      record.cancelled = true;
      tell(record, CancelAsked{id});
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
    record.others.clear(), record.order.clear(), record.taken_of.clear();
    record.taken = 0;
    record.ended.reset();
    record.cancelled = false;
    record.attempt = {};
  }
  const std::lock_guard lock(mutex_);
  free_.push_back(index);
}

// ---- the reply -----------------------------------------------------------------------------------------------------

std::optional<RequestSlab::AnswerToken> RequestSlab::wait_for_token(RequestId id) noexcept {
  Record& record = at(id);
  std::unique_lock lock(record.mutex);
  record.news.wait(lock, [&] { return record.taken < record.written() || record.ended; });
  if (record.taken == record.written()) return std::nullopt;
  return record.next();
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

bool RequestSlab::cancel(RequestId id) noexcept {
  Record& record = at(id);
  const std::lock_guard lock(record.mutex);
  if (record.ended || record.cancelled) return false;
  record.cancelled = true;
  tell(record, CancelAsked{id});
  return true;
}

}  // namespace yard
