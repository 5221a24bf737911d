// Requests that stand on a shelf: what other shards see of them, and who has them then.
#include <mutex>

#include "scheduler/backend/request_slab.h"

namespace yard {

void RequestSlab::offer(const Shelve& c) noexcept {
  Record& record = at(c.request);
  const std::lock_guard lock(record.mutex);
  record.offer.sequence = c.sequence;
  record.offer.there = c.there, record.offer.at_stake = c.at_stake;
}

SequenceId RequestSlab::offered_as(RequestId id) const noexcept { return at(id).offer.sequence; }

std::optional<RequestSlab::Offer> RequestSlab::offered(RequestId id) const noexcept {
  guard_.check();
  const Record& record = (*chunks_[id.index / kChunk])[id.index % kChunk];
  const std::unique_lock lock(record.mutex, std::try_to_lock);
  if (!lock.owns_lock() || record.generation != id.generation) return std::nullopt;
  return record.offer;
}

void RequestSlab::hand_over(RequestId id, ShardId thief) noexcept {
  Record& record = at(id);
  const std::lock_guard lock(record.mutex);
  record.shard = thief;
}

}  // namespace yard
