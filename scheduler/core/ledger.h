// What became of everything that was submitted (I1), and the counted ignores. All counts are since the Core was made.
#pragma once
#include <array>
#include <cstdint>

#include "scheduler/core/command.h"

namespace yard {

struct Ledger {
  std::uint64_t submitted = 0;
  std::array<std::uint64_t, 4> ended{};           // by Outcome
  std::array<std::uint64_t, kReasons> reasons{};  // by Reason, of those not done
  std::uint64_t in_flight = 0;
  std::uint64_t given = 0, taken = 0;  // to and from other shards

  std::uint64_t ticks = 0, commands = 0, launches = 0, sends = 0, retries = 0, ejections = 0, interrupts = 0,
                preemptions = 0, moves = 0, moves_failed = 0;  // moves: said; failed: of these, also for a lost device

  std::uint64_t corrections = 0;  // of costs

  std::uint64_t offered = 0, looks = 0, takes_lost = 0;  // between shards; lost: somebody was faster

  // counted ignores: events about what is over already
  std::uint64_t late_cancels = 0;   // the request had ended, or was asked to cancel before
  std::uint64_t late_answers = 0;   // of an attempt that is over, a move among them
  std::uint64_t late_run_ends = 0;  // of a run that is not the device's present one
  std::uint64_t same_states = 0;    // a device was told the state it is in
  // of a load: older than another, too old to compare, or not of a served device; of blocks: of a device that is not
  // served, or keeps no prefixes
  std::uint64_t useless_reports = 0;

  std::uint64_t of(Outcome o) const { return ended[static_cast<std::size_t>(o)]; }
  std::uint64_t of(Reason r) const { return reasons[static_cast<std::size_t>(r)]; }
  std::uint64_t all_ended() const { return ended[0] + ended[1] + ended[2] + ended[3]; }
  bool balances() const { return submitted + taken == all_ended() + given + in_flight; }
};

// What is printed of several shards is that of all.
inline void add(Ledger& all, const Ledger& one) {
  all.submitted += one.submitted;
  all.in_flight += one.in_flight;
  all.given += one.given, all.taken += one.taken, all.offered += one.offered;
  all.looks += one.looks, all.takes_lost += one.takes_lost;
  all.launches += one.launches, all.sends += one.sends, all.retries += one.retries, all.ejections += one.ejections;
  all.corrections += one.corrections;
  all.preemptions += one.preemptions, all.late_answers += one.late_answers;
  for (std::size_t i = 0; i < all.ended.size(); ++i) all.ended[i] += one.ended[i];
  for (std::size_t i = 0; i < all.reasons.size(); ++i) all.reasons[i] += one.reasons[i];
}

}  // namespace yard
