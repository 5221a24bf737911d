// The answer as it comes: a Reply is a slot of the request slab, held.
#include "scheduler/scheduler_state.h"

namespace switchyard {

Reply::Reply(Reply&& other) noexcept
    : slab_(std::move(other.slab_)),
      index_(other.index_),
      generation_(other.generation_),
      at_the_door_(other.at_the_door_) {}

Reply& Reply::operator=(Reply&& other) noexcept {
  if (this == &other) return *this;
  if (slab_) slab_->drop({index_, generation_});
  slab_ = std::move(other.slab_);
  index_ = other.index_;
  generation_ = other.generation_;
  at_the_door_ = other.at_the_door_;
  return *this;
}

Reply::~Reply() {
  if (slab_) slab_->drop({index_, generation_});
}

Reply::Iterator& Reply::Iterator::operator++() {
  token_.reset();
  if (!reply_->slab_) return *this;
  if (const auto next = reply_->slab_->wait_for_token({reply_->index_, reply_->generation_}))
    token_ = AnswerToken{next->token, next->answer};
  return *this;
}

std::size_t Reply::take(std::span<Token> out) noexcept {
  if (!slab_) return 0;
  return slab_->take({index_, generation_}, out.size(),
                     [&](std::size_t k, Token token, std::uint32_t) { out[k] = token; });
}

std::size_t Reply::take(std::span<AnswerToken> out) noexcept {
  if (!slab_) return 0;
  return slab_->take({index_, generation_}, out.size(),
                     [&](std::size_t k, Token token, std::uint32_t answer) { out[k] = {token, answer}; });
}

void Reply::notify(std::function<void()> wake) {
  if (slab_) slab_->notify({index_, generation_}, std::move(wake));
}

void Reply::cancel() noexcept {
  if (slab_) slab_->cancel({index_, generation_});
}

std::optional<Outcome> Reply::outcome() const noexcept {
  if (!slab_) return at_the_door_;
  const std::optional<yard::RequestSlab::Ended> ended = slab_->ended({index_, generation_});
  if (!ended) return std::nullopt;
  return outcome_of(*ended);
}

}  // namespace switchyard
