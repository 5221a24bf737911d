// What happened, as counts: fed by the loop with every end of a request, launch and end of a run; read by the report.
//
// The definitions are DESIGN's (section 7); where it leaves a choice:
//   - Latencies are of requests that are done; gaps (ITL) are of every token that was made.
//   - To attain, a request must be done, and keep each objective that is not zero. TPOT is compared as a fraction, not
//     rounded. An answer of no tokens has no TTFT, TPOT or E2E; its end is held against what was promised for them. But
//     where none was asked for, its end is the result, and E2E the time to it.
//   - Of several answers to one request TTFT is that of the first token of any, E2E that of the last, TPOT the time
//     between them over the gaps of the longest.
//   - KV in use is what the slots of a run were granted at launch, from launch to end: what running sequences hold that
//     had no place in the run is not in it.
//
// Threads: one per meter; a shard has its own, and they are merged at the end. Owns: its tallies; 24 bytes per device.
// Cost: no allocation after construction, but for moves (8 bytes a sequence); integers only, so that every build
// reports the same. R1  arrived == done + cancelled + rejected + failed, per class: a request counts when it ends. R2
// busy time is split by BoundBy without rest.
#pragma once
#include <array>
#include <cstdint>
#include <numeric>
#include <vector>

#include "scheduler/base/histogram.h"
#include "scheduler/base/units.h"
#include "scheduler/core/command.h"
#include "scheduler/core/event.h"
#include "topology/fleet_view.h"

namespace yard {

inline constexpr std::size_t kOutcomes = static_cast<std::size_t>(Outcome::failed) + 1;
inline constexpr std::size_t kBounds = static_cast<std::size_t>(BoundBy::tokens) + 1;

// What became of the requests of one SLO class.
struct ClassTally {
  std::array<std::array<std::uint64_t, kReasons>, kOutcomes> ended{};
  std::uint64_t attained = 0, attained_tokens = 0;     // requests that kept all promises, and their output tokens
  std::uint64_t prompt_tokens = 0, output_tokens = 0;  // asked for by all that arrived; given to all that arrived
  std::uint64_t preemptions = 0;
  std::uint64_t admitted_prompt_tokens = 0, cached_tokens = 0;  // of all that were admitted; of these, found in a cache
  std::uint64_t several = 0, answers = 0;  // requests of several answers; answers asked for by all that arrived
  std::uint64_t no_output = 0, no_output_done = 0;  // that asked for no token; in `ended` too
  Histogram ttft, tpot, e2e;                        // ns

  std::uint64_t of(Outcome o) const {
    const auto& row = ended[static_cast<std::size_t>(o)];
    return std::accumulate(row.begin(), row.end(), std::uint64_t{0});
  }
  std::uint64_t arrived() const {
    return of(Outcome::done) + of(Outcome::cancelled) + of(Outcome::rejected) + of(Outcome::failed);
  }
  void merge(const ClassTally&);
  bool operator==(const ClassTally&) const = default;
};

// What became of the requests of one tenant, and what it took: counts_as_used() says of which.
struct TenantTally {
  std::uint64_t arrived = 0, done = 0, attained = 0, rejected = 0, over_quota = 0;  // over quota: rejected for it
  std::uint64_t prompt_tokens = 0, output_tokens = 0;                               // of those that count
  Wide nano_dollars = 0;                                                            // at its own prices

  std::uint64_t tokens() const { return prompt_tokens + output_tokens; }
  void merge(const TenantTally&);
  bool operator==(const TenantTally&) const = default;
};

// What the replicas of one pool did. Sums over devices and time are 128 bits wide.
struct PoolTally {
  std::array<Wide, kBounds> busy_ns{};  // in runs, by what kept more work out of them
  std::uint64_t runs = 0, steps = 0;
  std::uint64_t prefill_tokens = 0, output_tokens = 0;  // read and made in runs, recomputed ones included
  std::uint64_t requests = 0, preemptions = 0;          // of those that it served last
  std::uint64_t adapter_loads = 0, adapters_found = 0;  // of those admitted that want one
  Wide adapter_load_ns = 0;                             // of busy time
  Wide kv_block_ns = 0;                                 // blocks granted x time
  std::int64_t kv_peak = 0;                             // most blocks granted in one run
  Wide busy_picojoules = 0;  // measured, or busy power x time where a run's energy is 0; without PUE

  Wide busy() const { return busy_ns[0] + busy_ns[1] + busy_ns[2] + busy_ns[3]; }
  void merge(const PoolTally&);
  bool operator==(const PoolTally&) const = default;
};

// What moved over one link, from when Core said it to when it ended.
struct LinkTally {
  std::uint64_t arrived = 0, failed = 0;
  Wide bytes = 0;  // of those that arrived
  Histogram time;  // likewise, ns

  void merge(const LinkTally&);
  bool operator==(const LinkTally&) const = default;
};

class Meter {
 public:
  // Requires: the fleet outlives the meter and does not change.
  explicit Meter(const FleetView&);

  void on_finish(const Finish&) noexcept;                 // Cost: O(1)
  void on_launch(const Launch&, Time now) noexcept;       // Cost: O(slots)
  void on_run_ended(const RunEnded&, Time now) noexcept;  // Cost: O(slots). A late one is ignored.
  void on_move(const Move&, Time now) noexcept;
  void on_move_ended(const MoveEnded&, Time now) noexcept;
  void add_gaps(Duration gap, std::uint64_t count) noexcept {  // between tokens of one answer (ITL). Cost: O(1)
    itl_.add(gap.count(), count);
  }

  void add_gaps(const Histogram& gaps) noexcept { itl_.merge(gaps); }  // counted where they were made

  // What Core says of a pool of served devices, whose runs nobody hears of: device time with something in flight.
  void served_busy(PoolId pool, Duration busy) noexcept {
    pools_[pool.value].busy_ns[static_cast<std::size_t>(BoundBy::work)] += static_cast<Wide>(busy.count());
    pools_[pool.value].busy_picojoules +=
        static_cast<Wide>(busy.count()) * static_cast<Wide>(fleet_->pools[pool.value].busy.count());
  }

  // Requires: the same fleet. Runs still open in `other` stay there.
  void merge(const Meter& other);

  const FleetView& fleet() const { return *fleet_; }
  const std::vector<ClassTally>& classes() const { return classes_; }   // by SloClassId
  const std::vector<TenantTally>& tenants() const { return tenants_; }  // by TenantId
  const std::vector<PoolTally>& pools() const { return pools_; }        // by pool
  const Histogram& itl() const { return itl_; }
  const std::vector<LinkTally>& links() const { return links_; }  // by FleetView::links
  // Of models with prefill pools: requests that are done, and those of them whose KV never moved.
  std::uint64_t done_with_roles() const { return done_with_roles_; }
  std::uint64_t stayed() const { return stayed_; }
  ClassTally all() const;  // every class, merged

  // From the first arrival to the last end; zero where nothing ended.
  Duration makespan() const { return first_arrival_ > last_finish_ ? Duration() : last_finish_ - first_arrival_; }

 private:
  void count_for_tenant(const Finish&, bool attained) noexcept;

  // The run that a device is in.
  struct Open {
    Time since;
    std::int64_t blocks = 0;
    std::uint32_t generation = 0;
    BoundBy bound_by{};
    bool running = false;
  };

  // A move under way, by its sequence's place.
  struct Moving {
    Time since = Time::never();
    LinkId link;
    std::int64_t bytes = 0;
  };

  const FleetView* fleet_;
  std::vector<std::uint32_t> pool_of_;  // by device
  std::vector<Open> open_;              // by device
  std::vector<ClassTally> classes_;
  std::vector<TenantTally> tenants_;
  std::vector<PoolTally> pools_;
  std::vector<LinkTally> links_;
  std::vector<bool> has_roles_;  // by model
  std::vector<Moving> moving_;
  std::uint64_t done_with_roles_ = 0, stayed_ = 0;
  Histogram itl_;
  Time first_arrival_ = Time::max(), last_finish_{std::numeric_limits<std::int64_t>::min()};
};

// Returns: whether the request kept every promise of its class.
bool attains(const SloClass&, const Finish&) noexcept;

}  // namespace yard
