// Least expected time to first token plus time to last token, from the device's own step costs and what it has to do.
//
// All in integer picoseconds; the formula stands in core/README.md. A sum that would pass 2^63 stays at its greatest
// value: such a device is as bad as any.
#include <algorithm>
#include <cstdint>
#include <limits>

#include "scheduler/policy/class_search.h"
#include "scheduler/policy/scorers.h"

namespace yard::policy {
namespace {

constexpr std::int64_t kWorst = std::numeric_limits<std::int64_t>::max();

std::int64_t times(std::int64_t a, std::int64_t b) {  // of numbers >= 0
  std::int64_t product;
  return __builtin_mul_overflow(a, b, &product) ? kWorst : product;
}
std::int64_t plus(std::int64_t a, std::int64_t b) {
  std::int64_t sum;
  return __builtin_add_overflow(a, b, &sum) ? kWorst : sum;
}

// What all devices of a pool have in common, read once per pool: eligible devices come pool by pool.
struct PoolRates {
  PoolRates(const PoolView& facts, const StepCost& step_cost)
      : cost(step_cost),
        most(facts.max_sequences),
        budget(facts.token_budget.count()),
        capacity(std::int64_t{facts.kv_blocks.count()} * facts.block_tokens.count()),
        c1(step_cost.c1().count()),
        c2(step_cost.c2().count()) {}
  const StepCost& cost;
  std::int64_t most, budget, capacity, c1, c2;
};

// A prompt of `p` tokens, `o` expected to be generated, `later` picoseconds until its KV is there.
std::int64_t cost_on(const PoolRates& pool, const DeviceColumns& devices, std::uint32_t d, std::int64_t p,
                     std::int64_t o, std::int64_t later) {
  const std::int64_t together = std::int64_t{devices.waiting[d]} + devices.running[d] + 1;
  const std::int64_t c0 = pool.cost.c0(static_cast<std::uint32_t>(std::min(together, pool.most))).count();
  const std::int64_t held = devices.kv_tokens[d] + devices.waiting_tokens[d] + p;
  const std::int64_t tpot = c0 + times(pool.c2, held + o / 2);
  const std::int64_t decoding = times(o, tpot);

  const std::int64_t to_read = devices.prefill_tokens[d] + p - devices.hit_tokens[d];
  const std::int64_t steps = to_read <= pool.budget ? 1 : (to_read + pool.budget - 1) / pool.budget;
  std::int64_t first = plus(times(pool.c1, to_read), times(steps, c0 + times(pool.c2, devices.kv_tokens[d])));
  first = plus(first, times(devices.adapter_load[d], 1000));
  if (together > pool.most) first = plus(first, times(together - pool.most, decoding / pool.most));
  if (held > pool.capacity) first = plus(first, times(held - pool.capacity, decoding / pool.capacity));
  first = plus(first, later);
  return plus(first, plus(first, decoding));
}

// The cost is exact and rises with the time per token and with what is to be read, so that the index's bounds are
// tight.
class SecondsBounds {
 public:
  struct Cost {
    std::int64_t ps = 0;
    std::int64_t total() const { return ps; }
  };
  SecondsBounds(const DeviceColumns& devices, const FleetView& fleet, const CostTables& tables, const Ask& ask)
      : devices_(devices), fleet_(fleet), tables_(tables), p_(ask.prompt.count()), o_(ask.expected_output.count()) {}

  std::int64_t least(const ClassIndex::Class& k, bool) const {
    const std::int64_t one = k.one * 1000, first = plus(times(k.c1, p_), one);
    return plus(first, plus(first, times(o_, plus(one, times(k.c2, p_ + o_ / 2)))));
  }

  void enter(const ClassIndex::Class& k) {
    class_ = &k;
    c1_ = k.c1, c2_ = k.c2, budget_ = k.budget;
    first_ = k.one * 1000;
  }
  // Whatever the pace: a class's fastest costs its constants.
  static bool no_cheaper(const ClassIndex::Class&, const ClassIndex::Class&) { return true; }
  Cost score(std::uint32_t d) const {
    const PoolView& pool = fleet_.pools[devices_.pool[d]];
    return {cost_on(PoolRates(pool, tables_[pool.cost]), devices_, d, p_, o_, 0)};
  }
  std::int64_t seconds(ClassIndex::Kind kind, const ClassIndex::Known& known) const {
    // Costs are believed as they are said, whatever the pace.
    const std::int64_t said = class_->most_pace == kPaceAsSaid
                                  ? times(known.per_token, 1000)
                                  : times(known.per_token, 1000) / class_->most_pace * kPaceAsSaid;
    const std::int64_t per_token = std::max(said, first_);
    const std::int64_t reads = known.to_read + p_;
    const std::int64_t steps = reads <= budget_ ? 1 : (reads + budget_ - 1) / budget_;
    const std::int64_t step = ClassIndex::decodes(kind) ? per_token : first_;
    const std::int64_t first = plus(times(c1_, reads), times(steps, step));
    return plus(first, plus(first, times(o_, plus(per_token, times(c2_, p_ + o_ / 2)))));
  }

  std::int64_t rest(ClassIndex::Kind, const ClassIndex::Known&, std::int64_t) const { return 0; }

 private:
  const DeviceColumns& devices_;
  const FleetView& fleet_;
  const CostTables& tables_;
  const std::int64_t p_, o_;

  // of the class
  const ClassIndex::Class* class_ = nullptr;
  std::int64_t c1_ = 0, c2_ = 0, budget_ = 1, first_ = 0;
};

}  // namespace

std::uint32_t expected_seconds_indexed(const Shortlist& among, const DeviceColumns& devices, const FleetView& fleet,
                                       const CostTables& tables, const Ask& ask, PolicyState&) noexcept {
  SecondsBounds bounds(devices, fleet, tables, ask);
  ClassSearch<SecondsBounds::Cost> search;
  search.run(among, bounds);
  return search.device();
}

std::uint32_t expected_seconds(std::span<const std::uint32_t> eligible, const DeviceColumns& devices,
                               const FleetView& fleet, const CostTables& tables, const Ask& ask,
                               PolicyState&) noexcept {
  std::uint32_t best = 0;
  std::int64_t least = kWorst;
  for (std::uint32_t k = 0; k < eligible.size();) {
    const std::uint32_t pool = devices.pool[eligible[k]];
    const PoolRates rates(fleet.pools[pool], tables[fleet.pools[pool].cost]);
    for (; k < eligible.size() && devices.pool[eligible[k]] == pool; ++k) {
      const std::int64_t later = ask.read ? times(devices.move_time[eligible[k]], 1000) : 0;
      const std::int64_t cost =
          cost_on(rates, devices, eligible[k], ask.prompt.count(), ask.expected_output.count(), later);
      if (cost < least) least = cost, best = k;
    }
  }
  return best;
}

}  // namespace yard::policy
