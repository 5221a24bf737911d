// Whose turn it is, where the fleet gives its tenants weights: whoever was served least for its weight.
//
// A counter per tenant of the tokens it was served, as in the virtual token counter of Sheng et al. (Fairness in
// Serving Large Language Models, OSDI 2024): charged with prompt and expected answer when a sequence leaves its line,
// corrected by what it took when it ends. Among the tenants whose first sequences have the same rank, the one with the
// least counter / weight goes first; the order of the policy holds within a tenant. Counters are the shard's, so that
// what one device cannot give a tenant another does. Who had nothing to ask for has saved nothing: when it comes back
// its counter is lifted to the least of those who wait. Exact: fractions are compared by their products.
//
// Threads: the shard's own. Cost: O(1); O(tenants) when a tenant comes back.
// W1  waiting == sequences past the door that were never served, per tenant.
#pragma once
#include <algorithm>
#include <cstdint>
#include <vector>

#include "scheduler/core/sequence.h"
#include "topology/fleet_view.h"

namespace yard {

class Shares {
 public:
  explicit Shares(const FleetView& fleet) : on_(fleet.shares()) {
    if (!on_) return;
    for (const TenantView& tenant : fleet.tenants) all_.push_back({.weight = tenant.weight});
  }

  bool on() const { return on_; }

  // Returns: below zero if a was served less for its weight than b, above if more.
  int compare(std::uint32_t a, std::uint32_t b) const {
    const Wide x = product(all_[a].served, all_[b].weight), y = product(all_[b].served, all_[a].weight);
    return x < y ? -1 : x > y;
  }

  // It passed the door.
  void waits(Sequence& s, std::uint32_t rank) {
    if (!on_) return;
    s.share_of = s.tenant.value;
    s.share_rank = rank;
    s.wants_share = true;
    if (all_[s.share_of].waiting++ == 0) come_back(s.share_of);
  }
  // It leaves its line to be served. Counts once, however often it is preempted or sent.
  void serves(Sequence& s, Tokens expected) {
    if (!s.wants_share) return;
    leaves(s);
    s.charged = std::int64_t{s.prompt} + expected.count();
    all_[s.share_of].served += s.charged;
  }
  void ended(Sequence& s) {
    if (s.wants_share) leaves(s);
    if (s.charged == 0) return;
    const std::int64_t took = s.admit == Time::never() ? 0 : std::int64_t{s.prompt} + s.generated;
    all_[s.share_of].served += took - s.charged;
    s.charged = 0;
  }

 private:
  __extension__ typedef __int128 Wide;
  struct Tenant {
    std::int64_t weight = 1;
    std::int64_t served = 0;  // tokens; below zero never for long, and above 2^63 never: a shard makes 10^8 a second
    std::uint64_t waiting = 0;
  };
  static Wide product(std::int64_t a, std::int64_t b) { return Wide{a} * b; }

  void leaves(Sequence& s) {
    s.wants_share = false;
    if (--all_[s.share_of].waiting == 0) last_ = s.share_of;
  }

  // Lifted to the least of the others who wait; where nobody does, to the one who was the last to.
  void come_back(std::uint32_t t) {
    std::uint32_t least = t;
    for (std::uint32_t other = 0; other < all_.size(); ++other)
      if (other != t && all_[other].waiting > 0 && (least == t || compare(other, least) < 0)) least = other;
    if (least == t) least = last_;
    const Wide lifted = (product(all_[least].served, all_[t].weight) + all_[least].weight - 1) / all_[least].weight;
    all_[t].served = std::max(all_[t].served, static_cast<std::int64_t>(lifted));
  }

  const bool on_;
  std::vector<Tenant> all_;
  std::uint32_t last_ = 0;
};

}  // namespace yard
