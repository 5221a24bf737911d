// expected_cost by the index of classes: the same choice, from bounds of its terms (kept_promises.h).
//
// Of a device in a bin, its time per token is known from below. With it tpot is, and where nobody waits to be read its
// step is, up to what one sequence more adds. Own misses, seconds and money rise with both, with what is to be read and
// with the device's pace; what others miss is at least nothing. How sure the costs are (k_own) is bounded by no jitter.
#include <algorithm>
#include <cstdint>

#include "scheduler/policy/class_search.h"
#include "scheduler/policy/kept_promises.h"
#include "scheduler/policy/scorers.h"

namespace yard::policy {
namespace {

using namespace kept_promises;

// price_of_reading of all that are up in these classes.
std::int64_t price_there(const Shortlist& among, const Ask& ask) {
  const std::int64_t misses = kSettings.scarcity_price * ask.scarcity * ask.scarcity / kOne;
  if (misses == 0) return 0;
  std::int64_t sum = 0, up = 0;
  for (const std::uint32_t c : among.classes) sum += among.index[c].burst_us, up += among.index[c].up;
  return misses * 1'000'000 / std::max<std::int64_t>(1000, sum / up);
}

class CostBounds {
 public:
  CostBounds(const ClassIndex& index, const DeviceColumns& devices, const FleetView& fleet, const CostTables& tables,
             const Request& request)
      : index_(index), devices_(devices), fleet_(fleet), tables_(tables), q_(request) {
    const std::int64_t promised = q_.tpot_objective > 0 ? q_.tpot_objective : 50'000'000;
    if (q_.answers > 8) per_jitter_ = (std::int64_t{1} << 40) / promised;  // few tokens: half the share, rounded
  }

  Terms score(std::uint32_t d) const {
    const PoolView& pool = fleet_.pools[devices_.pool[d]];
    return terms_on(pool, tables_[pool.cost], fleet_, devices_, d, q_);
  }

  void enter(const ClassIndex::Class& k) {
    class_ = &k;
    pool_ = &fleet_.pools[k.pool];
    const StepCost& cost = tables_[pool_->cost];
    own_reading_ = paced(cost.reading(q_.prompt, prefill_pairs(q_.prompt, 0)).count() / 1000);
    own_tokens_ = paced(cost.c2().count() * (q_.prompt + q_.answers / 2) / 1000);
    first_ = paced(cost.c0(1).count() / 1000);
    empty_ = paced(cost.c0(0).count() / 1000);
    c1_ = cost.c1().count();
    widest_ = at_pace(k.widest_step + 1, k.most_pace) + 2;
    const std::int64_t error = std::max<std::int64_t>(100, cost.error_permille()) * kSettings.spread / 256;
    spread_ = kOne * error * error / 1'000'000;
    to_come_ = std::min(own_reading_, kLongestRead) / 1000 * q_.reading_second / 1'000'000;
    const std::int64_t longer = std::clamp<std::int64_t>(own_reading_ + q_.answers * own_tokens_, 0, kLongest);
    money_ = money_weight(devices_.marginal_price[k.first], longer);
  }

  // Seconds on every device of which so much is known, and money: what rises most from one device to the next.
  std::int64_t seconds(ClassIndex::Kind kind, const ClassIndex::Known& known) const {
    const Times t = times(kind, known);
    return (std::min<std::int64_t>(t.ttft, kLongest) + std::min<std::int64_t>(q_.answers * t.tpot, kLongest)) /
               1'000'000 * kSettings.second / 1000 +
           money_;
  }

  // All else.
  std::int64_t rest(ClassIndex::Kind kind, const ClassIndex::Known& known) const {
    const Times t = times(kind, known);
    const std::int64_t keeps_ttft = kOne - miss(t.ttft, q_.ttft_objective, kSettings.ttft_slope);
    const std::int64_t keeps_tpot = kOne - least_miss(t.tpot, q_.tpot_objective, known.jitter);
    return kOne - keeps_ttft * keeps_tpot / kOne + (ClassIndex::decodes(kind) ? to_come_ : 0);
  }

 private:
  struct Times {
    std::int64_t ttft, tpot;  // ns
  };
  Times times(ClassIndex::Kind kind, const ClassIndex::Known& known) const {
    const bool decodes = ClassIndex::decodes(kind);
    const std::int64_t per_token = std::max(known.per_token, first_);
    const std::int64_t step = std::max({empty_, known.step, decodes ? per_token - widest_ : 0});
    const std::int64_t reading = paced(c1_ * known.to_read / 1000) + own_reading_;
    return {q_.waited + (decodes ? step / 2 : 0) + reading + steps(known.to_read + q_.prompt, step, kind) * step,
            per_token + own_tokens_};
  }

  std::int64_t paced(std::int64_t ns) const { return at_pace(ns, class_->least_pace); }

  // The fewest steps that read so many tokens: a chunk is no more than the budget, nor than those there leave.
  std::int64_t steps(std::int64_t reads, std::int64_t step, ClassIndex::Kind kind) const {
    std::int64_t chunk = std::max<std::int64_t>(1, pool_->token_budget.count() - ClassIndex::decodes(kind));
    if (const std::int64_t promised = index_.promised(kind); promised > 0 && pool_->chunk == Chunk::objective) {
      const std::int64_t per_token = std::max<std::int64_t>(
          {1, at_pace(c1_, class_->least_pace), own_reading_ * 1000 / std::max<std::int64_t>(1, q_.prompt)});
      const std::int64_t time = std::max<std::int64_t>(0, kept_of(promised) - step) * 1000;
      if (time < per_token * std::min(reads, chunk))
        chunk = std::clamp(time / per_token, std::min<std::int64_t>(kLeastRead.count(), chunk), chunk);
    }
    return reads <= chunk ? 1 : (reads + chunk - 1) / chunk;
  }

  // miss() of at least so long, however sure that is.
  std::int64_t least_miss(std::int64_t t, std::int64_t objective, std::int64_t jitter) const {
    if (objective <= 0) return 0;
    if (t >= objective) return kOne / 2;
    return miss(
        t, objective,
        slope(spread_ + (jitter * per_jitter_ >> 20) * kSettings.jitter / 256 / std::max<std::int64_t>(4, q_.answers)));
  }

  const ClassIndex& index_;
  const DeviceColumns& devices_;
  const FleetView& fleet_;
  const CostTables& tables_;
  const Request& q_;
  std::int64_t per_jitter_ = 0;  // 2^20 of what the index has, to 1/65536 of a TPOT objective

  // of the class
  const ClassIndex::Class* class_ = nullptr;
  const PoolView* pool_ = nullptr;
  std::int64_t own_reading_ = 0, own_tokens_ = 0, first_ = 0, empty_ = 0, c1_ = 0, widest_ = 0, spread_ = 0;
  std::int64_t to_come_ = 0, money_ = 0;
};

}  // namespace

std::uint32_t expected_cost_indexed(const Shortlist& among, const DeviceColumns& devices, const FleetView& fleet,
                                    const CostTables& tables, const Ask& ask, PolicyState& state) noexcept {
  const Request request(fleet, ask, price_there(among, ask));
  CostBounds bounds(among.index, devices, fleet, tables, request);
  ClassSearch<Terms> search;
  if (!search.run(among, bounds)) return kScan;
  if (!ask.may_refuse) return search.device();
  std::int32_t& scarcity = state.scarcity[ask.model.value];
  scarcity = scarcity_after(scarcity, search.found().own);
  return search.found().misses() >= kSettings.refused_from ? kRefused : search.device();
}

}  // namespace yard::policy
