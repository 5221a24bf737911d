// The second way in: place() names an endpoint, a Ticket takes back how it went.
#include <algorithm>
#include <exception>
#include <utility>

#include <fmt/format.h>

#include "scheduler/embedded.h"
#include "scheduler/scheduler_state.h"

namespace switchyard {
namespace {

using Refusal = yard::RequestSlab::Refusal;
using Failure = yard::Failure;

constexpr std::size_t kBytesPerToken = 4;  // Prompt

std::size_t tokens_in(const Prompt& prompt) {
  if (const auto* text = std::get_if<std::string_view>(&prompt))
    return text->size() / kBytesPerToken + (text->size() % kBytesPerToken != 0);
  return std::get_if<std::span<const Token>>(&prompt)->size();
}

Failure failure_of(int http_status) {
  if (http_status == 429) return Failure::throttled;
  if (http_status < 400 || http_status == 408) return Failure::unreachable;
  return http_status < 500 ? Failure::bad_request : Failure::refused;
}

// The embedder's function: what it throws is no business of the shard's.
struct Announce {
  std::function<void(const Placement&)> placed;
  const std::function<void(std::string_view)>* log;  // outlives every request in flight

  void operator()(const yard::RequestSlab::Placed& news) const noexcept {
    Placement to{.device = news.device, .attempt = news.attempt, .end = std::nullopt};
    if (news.end) to.end = outcome_of(*news.end);
    call(to);
  }
  void call(const Placement& to) const noexcept {
    try {
      placed(to);
    } catch (const std::exception& e) {
      say(e.what());
    } catch (...) {
      say("an exception that is no std::exception");
    }
  }
  void say(std::string_view what) const noexcept {
    if (!*log) return;
    try {
      (*log)(fmt::format("place: what a callback threw: {}", what));
    } catch (...) {}
  }
};

}  // namespace

Ticket Scheduler::State::place(const PlaceRequest& request, std::function<void(const Placement&)> placed) noexcept {
  if (!placed) return {};
  Refusal refused;
  yard::Submitted facts = facts_of(request.model, request.slo, tokens_in(request.prompt), request.max_tokens,
                                   yard::PoolKind::served, refused);
  say_where(facts, request.tenant, request.regions, request.providers);
  if (!request.adapter.empty()) facts.adapter = yard::adapter_named(fleet, facts.model, request.adapter);
  Announce announce{std::move(placed), &log};
  yard::RequestSlab::OnPlaced on;
  try {
    on = std::move(announce);  // where there is no memory for it, it has not moved
  } catch (const std::bad_alloc&) {
    refused = Refusal::no_memory;
  }
  yard::RequestId id;
  if (refused != Refusal::none)
    slab->refuse(refused);
  else
    refused = slab->place(door(facts), std::move(on), facts, id);
  if (refused == Refusal::none) return Ticket(slab, id.index, id.generation);
  // NOLINTNEXTLINE(bugprone-use-after-move): only what is let in is moved away.
  (on ? *on.target<Announce>() : announce).call({.device = {}, .attempt = 0, .end = outcome_of(refused)});
  return {};
}

Ticket Scheduler::place(const PlaceRequest& request, std::function<void(const Placement&)> placed) noexcept {
  static const std::function<void(std::string_view)> kSilent;
  if (state_) return state_->place(request, std::move(placed));
  if (placed) Announce{std::move(placed), &kSilent}.call({.end = Outcome{.end = End::rejected, .why = "moved_from"}});
  return {};
}

Ticket::Ticket(Ticket&& other) noexcept
    : slab_(std::move(other.slab_)), index_(other.index_), generation_(other.generation_) {}

Ticket& Ticket::operator=(Ticket&& other) noexcept {
  if (this == &other) return *this;
  if (slab_) slab_->drop_ticket({index_, generation_});
  slab_ = std::move(other.slab_);
  index_ = other.index_;
  generation_ = other.generation_;
  return *this;
}

Ticket::~Ticket() {
  if (slab_) slab_->drop_ticket({index_, generation_});
}

bool Ticket::first_token(std::uint32_t attempt) noexcept {
  return slab_ && slab_->first_token({index_, generation_}, attempt);
}

void Ticket::ended(std::uint32_t completion_tokens, std::uint32_t cached_tokens, std::uint32_t attempt) noexcept {
  const auto tokens = [](std::uint32_t n) { return yard::Tokens(std::min<std::uint32_t>(n, yard::kManyTokens)); };
  if (slab_) slab_->end({index_, generation_}, attempt, tokens(completion_tokens), tokens(cached_tokens));
}

void Ticket::failed(int http_status, std::chrono::nanoseconds retry_after, std::uint32_t attempt) noexcept {
  constexpr std::chrono::nanoseconds kLongest = std::chrono::hours(24);
  const auto pause = std::clamp(retry_after, std::chrono::nanoseconds::zero(), kLongest);
  if (slab_) slab_->fail({index_, generation_}, attempt, failure_of(http_status), yard::Duration(pause.count()));
}

void Ticket::cancel() noexcept {
  if (slab_) slab_->cancel_ticket({index_, generation_});
}

}  // namespace switchyard
