// Which links lead where, what waits to move and what is on its way (README.md, "Prefill and decode pools").
//
// Threads: the shard's own.
// H1  a sequence that is read stands in its pool's queue, in the order in which it was read, until its move begins.
// H2  a link has at most its moves at once and `queued` more under way; beyond that they wait here.
#pragma once
#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "scheduler/base/check.h"
#include "scheduler/core/sequence.h"
#include "topology/fleet_view.h"

namespace yard {

class Handoff {
 public:
  // Requires: V5. `queued`: Bounds::moves_per_link.
  Handoff(const FleetView& fleet, std::uint32_t queued)
      : fleet_(fleet), queued_(queued), from_(fleet.pools.size()), read_(fleet.pools.size()) {
    under_way_.resize(fleet.links.size());
    for (std::uint32_t l = 0; l < fleet.links.size(); ++l) {
      const LinkView& link = fleet.links[l];
      const PoolView &from = fleet.pools[link.from.value], &to = fleet.pools[link.to.value];
      CHECK_WHY(from.role == PoolRole::prefill && to.role != PoolRole::prefill && from.model == to.model &&
                    from.kind == PoolKind::stepped && to.kind == PoolKind::stepped &&
                    from.kv_token_bytes == to.kv_token_bytes && from.kv_token_bytes > 0 && link.at_once > 0 &&
                    link.bytes_per_s > 0 && link.latency.count() >= 0,
                "a link leads from a prefill pool to another one of its model and of its KV's size (V5)");
      from_[link.from.value].push_back(LinkId{l});
    }
    for (std::vector<LinkId>& links : from_) std::ranges::sort(links, {}, [&](LinkId l) { return at(l).to; });
    for (std::uint32_t p = 0; p < fleet.pools.size(); ++p)
      CHECK_WHY(fleet.pools[p].role != PoolRole::prefill || !from_[p].empty(), "a prefill pool has a link (V5)");
  }

  bool any() const { return !fleet_.links.empty(); }
  const LinkView& at(LinkId l) const { return fleet_.links[l.value]; }
  std::span<const LinkId> links_from(std::uint32_t pool) const { return from_[pool]; }  // by the other end's pool

  bool has_place(LinkId l) const { return under_way_[l.value] < std::uint64_t{at(l).at_once} + queued_; }
  void begins(LinkId l) { ++under_way_[l.value]; }
  void ends(LinkId l) {
    CHECK(under_way_[l.value] > 0);
    --under_way_[l.value];
  }

  PatientList& read(std::uint32_t pool) { return read_[pool]; }  // those whose move has not begun

 private:
  const FleetView& fleet_;
  const std::uint32_t queued_;
  std::vector<std::vector<LinkId>> from_;  // by pool
  std::vector<PatientList> read_;          // likewise
  std::vector<std::uint64_t> under_way_;   // by link
};

}  // namespace yard
