// Those who wait and were never admitted: out of whom the least important gives way when every place is taken.
//
// Least important: of the greatest rank; among these, where the fleet gives shares, of the tenant with most of them
// for its weight; of that, the one that came last, which has waited least. (Pushing out of the longest queue: Suter,
// Lakshman, Stiliadis, Choudhury, INFOCOM 1998.)
//
// Threads: the shard's own. Cost: O(1) to join and leave; O(classes x tenants) to find, when the queue is full.
#pragma once
#include <cstdint>
#include <vector>

#include "scheduler/core/sequence.h"
#include "topology/fleet_view.h"

namespace yard {

class Waiters {
 public:
  explicit Waiters(const FleetView& fleet)
      : fleet_(fleet), all_(fleet.classes.size() * fleet.tenants.size()), count_(all_.size()) {
    if (fleet.shares()) of_tenant_.resize(fleet.tenants.size());
  }

  void joins(SequencePool& pool, std::uint32_t i) {
    Sequence& s = pool[i];
    s.in_waiters = true;
    all_[index(s)].push_back(pool, i);
    ++count_[index(s)];
    if (!of_tenant_.empty()) ++of_tenant_[s.tenant.value];
  }
  void leaves(SequencePool& pool, std::uint32_t i) {
    Sequence& s = pool[i];
    if (!s.in_waiters) return;
    s.in_waiters = false;
    all_[index(s)].remove(pool, i);
    --count_[index(s)];
    if (!of_tenant_.empty()) --of_tenant_[s.tenant.value];
  }

  // Returns: whether as many as that give their places to somebody at the door. To one that needs several, those of a
  // lower rank only.
  bool give_way_to(const SequencePool& pool, const Sequence& at_door, std::uint32_t places) const {
    if (at_door.answers == 1) return gives_way_to(pool, at_door) != kNobody;
    std::uint64_t lower = 0;
    for (std::uint32_t c = 0; c < fleet_.classes.size(); ++c)
      for (std::uint32_t t = 0; t < fleet_.tenants.size(); ++t)
        if (fleet_.tenants[t].rank(fleet_.classes[c].rank) > rank_of(at_door))
          lower += count_[c * fleet_.tenants.size() + t];
    return lower >= places;
  }

  // Returns: who gives its place to somebody at the door; kNobody where all are as important: of its rank or a lower
  // one, and with shares of tenants that would have no more for their weight than its own then had.
  std::uint32_t gives_way_to(const SequencePool& pool, const Sequence& at_door) const {
    std::uint32_t least = kNobody;
    for (const WaiterList& list : all_) {
      const std::uint32_t i = list.last();
      if (i != kNobody && (least == kNobody || less_important(pool[i], pool[least]))) least = i;
    }
    if (least == kNobody) return kNobody;
    const std::uint32_t rank = rank_of(at_door), theirs = rank_of(pool[least]);
    if (theirs != rank) return theirs > rank ? least : kNobody;
    return more_for_its_weight(pool[least].tenant, at_door.tenant, 1) ? least : kNobody;
  }

 private:
  std::size_t index(const Sequence& s) const { return s.slo.value * fleet_.tenants.size() + s.tenant.value; }
  std::uint32_t rank_of(const Sequence& s) const {
    return fleet_.tenants[s.tenant.value].rank(fleet_.classes[s.slo.value].rank);
  }
  bool less_important(const Sequence& a, const Sequence& b) const {
    if (rank_of(a) != rank_of(b)) return rank_of(a) > rank_of(b);
    if (more_for_its_weight(a.tenant, b.tenant, 0)) return true;
    return !more_for_its_weight(b.tenant, a.tenant, 0) && a.number > b.number;
  }
  // Whether a has more waiting for its weight than b would have with so many more. A shard's sequences times a weight
  // are below 2^52.
  bool more_for_its_weight(TenantId a, TenantId b, std::uint64_t more_b) const {
    if (of_tenant_.empty()) return false;
    return of_tenant_[a.value] * fleet_.tenants[b.value].weight >
           (of_tenant_[b.value] + more_b) * fleet_.tenants[a.value].weight;
  }

  const FleetView& fleet_;
  std::vector<WaiterList> all_;           // by class and tenant, in the order of submission
  std::vector<std::uint32_t> count_;      // likewise
  std::vector<std::uint64_t> of_tenant_;  // with shares: how many
};

}  // namespace yard
