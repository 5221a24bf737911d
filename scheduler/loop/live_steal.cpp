// What a live shard does at shelves, its own and others'. Nobody waits for anybody here but for one record's mutex.
#include <algorithm>
#include <bit>
#include <utility>

#include "scheduler/base/check.h"
#include "scheduler/loop/live_loop.h"

namespace yard {
namespace {

RequestId request_of(const ShelfEntry& entry) { return RequestId::of_bits(entry.id()); }

}  // namespace

void LiveLoop::lives_beside(std::vector<LiveLoop*> all, Offers& offers) {
  CHECK(!thread_.joinable() && self_.value < all.size() && all[self_.value] == this);
  saw_.resize(all.size());
  // Those of one Unshelve each, or of one Look or Take; more than that is never asked at once.
  answers_.reserve(2 * shelf_.capacity() + 2 * kOffersSeen);
  beside_ = std::move(all);
  offers_ = &offers;
}

void LiveLoop::filled(ShardId victim) noexcept {
  filled_.add(victim.value);
  parking_.ring();
}

// Returns: how many were written: what was answered, and whose shelves were filled.
std::size_t LiveLoop::drain_answers(std::span<Event> out) noexcept {
  std::size_t n = std::min(answers_.size(), out.size());
  std::copy_n(answers_.begin(), n, out.begin());
  answers_.erase(answers_.begin(), answers_.begin() + static_cast<std::ptrdiff_t>(n));
  if (out.size() - n < beside_.size()) return n;
  for (std::uint64_t left = filled_.take(); left != 0; left &= left - 1)
    out[n++] = ShelfFilled{ShardId{static_cast<std::uint32_t>(std::countr_zero(left))}};
  return n;
}

// ---- as a victim ----------------------------------------------------------------------------------------------------

void LiveLoop::perform(const Shelve& c) noexcept {
  offers_->offer(c);
  if (const auto none = shelf_.publish(ShelfEntry(c.request.bits(), c.order, c.tokens)))
    answers_.push_back(Unshelved{offers_->offered_as(request_of(*none)), false});
  // Who saw nothing there saw it before this one was published; then there is no more than this one now.
  if (shelf_.offered() > 1) return;
  for (LiveLoop* other : beside_)
    if (other != this) other->filled(self_);
}

void LiveLoop::perform(const Unshelve& c) noexcept {
  const bool said = std::ranges::any_of(answers_, [&](const Event& e) {
    const auto* back = std::get_if<Unshelved>(&e);
    return back && back->sequence == c.sequence;
  });
  if (!said) answers_.push_back(Unshelved{c.sequence, !shelf_.withdraw(c.request.bits())});
}

void LiveLoop::perform(const PassOn& c) noexcept { beside_[c.thief.value]->tell(CancelAsked{c.request}); }

// ---- as a thief -----------------------------------------------------------------------------------------------------

void LiveLoop::perform(const Look& c) noexcept {
  Shelf& shelf = beside_[c.victim.value]->shelf_;
  Saw& saw = saw_[c.victim.value];
  std::array<ShelfEntry, kOffersSeen> entries;
  saw.head = shelf.look(entries);
  std::size_t read = 0;
  for (; read < saw.head.entries; ++read) {
    saw.requests[read] = request_of(entries[read]);
    const auto offer = offers_->offered(saw.requests[read]);
    if (!offer) break;  // only the leading ones can be had
    saw.offers[read] = *offer;
    Submitted facts = offer->facts;
    facts.request = {};
    answers_.push_back(
        OfferSeen{.victim = c.victim, .there = offer->there, .facts = facts, .at_stake = offer->at_stake});
  }
  saw.head.entries = read;
  // Something is there, whatever could be read of it: it is looked at again.
  const std::size_t there = std::max(saw.head.offered, shelf.offered());
  answers_.push_back(OffersSeen{.victim = c.victim, .offered = static_cast<std::uint32_t>(there)});
}

void LiveLoop::perform(const Take& c) noexcept {
  LiveLoop& victim = *beside_[c.victim.value];
  const Saw& saw = saw_[c.victim.value];
  const Shelf::Taken taken = victim.shelf_.take(saw.head, c.offers);
  for (std::size_t i = 0; i < taken.entries; ++i) {
    const Offers::Offer& offer = saw.offers[i];
    offers_->hand_over(saw.requests[i], self_);
    victim.tell(Taken{offer.sequence, self_});
    answers_.push_back(Handed{.victim = c.victim, .facts = offer.facts});
  }
  const bool some = taken.answer == Shelf::Answer::taken;
  answers_.push_back(TakeEnded{c.victim, some ? TakeOutcome::taken : TakeOutcome::lost});
}

}  // namespace yard
