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
    per_jitter_ = (std::int64_t{1} << 40) / promised;
    if (q_.answers <= 8) per_jitter_ /= 2;
  }

  Terms score(std::uint32_t d) const {
    const PoolView& pool = fleet_.pools[devices_.pool[d]];
    return terms_on(pool, tables_[pool.cost], fleet_, devices_, d, q_);
  }

  std::int64_t least(const ClassIndex::Class& k, bool run) const {
    const std::int64_t step = at_pace(run ? k.one : k.empty, k.least_pace);
    return least_own_ + weight_of({q_.waited + (run ? step / 2 : 0) + at_pace(reading_of(k), k.least_pace) + step,
                                   at_pace(k.one, k.least_pace) + at_pace(tokens_of(k), k.least_pace)});
  }

  void enter(const ClassIndex::Class& k) {
    class_ = &k;
    reading_ = reading_of(k);
    tokens_ = tokens_of(k);
    money_ = 0;
    if (const std::int64_t price = devices_.marginal_price[k.first]; price > 0) {
      const std::int64_t longer = at_pace(reading_, k.least_pace) + q_.answers * at_pace(tokens_, k.least_pace);
      money_ = money_weight(price, std::clamp<std::int64_t>(longer, 0, kLongest));
    }
  }

  bool no_cheaper(const ClassIndex::Class& a, const ClassIndex::Class& b) const {
    return a.least_pace >= b.least_pace && devices_.marginal_price[a.first] >= devices_.marginal_price[b.first];
  }

  // Seconds on every device of which so much is known, and money: what rises most from one device to the next.
  std::int64_t seconds(ClassIndex::Kind kind, const ClassIndex::Known& known) {
    const Times t = asked_ = times(kind, known);
    return weight_of(t) + money_;
  }

  // All else; where it is seen at once that it is above `much`, anything between.
  std::int64_t rest(ClassIndex::Kind kind, const ClassIndex::Known& known, std::int64_t much) {
    const Times t = asked_;
    const std::int64_t error = std::max<std::int64_t>(100, class_->error_permille) * kSettings.spread / 256;
    const std::int64_t spread = kOne * error * error / 1'000'000;
    // It rises with all of these.
    if (own_.least > much && t.ttft >= own_.ttft && t.tpot >= own_.tpot && spread >= own_.spread &&
        known.jitter >= own_.jitter)
      return own_.least;
    const std::int64_t own = own_miss(miss(t.ttft, q_.ttft_objective, kSettings.ttft_slope),
                                      least_miss(t.tpot, q_.tpot_objective, spread, known.jitter), q_.certain);
    own_ = {t.ttft, t.tpot, spread, known.jitter, own};
    if (!ClassIndex::decodes(kind) || q_.reading_second == 0) return own_.least;
    const std::int64_t reading = at_pace(reading_, class_->least_pace);
    return own_.least + std::min(reading, kLongestRead) / 1000 * q_.reading_second / 1'000'000;
  }

 private:
  struct Times {
    std::int64_t ttft, tpot;  // ns
  };
  // 1/65536 of a miss.
  std::int64_t weight_of(const Times& t) const {
    return (std::min<std::int64_t>(t.ttft, kLongest) + std::min<std::int64_t>(q_.answers * t.tpot, kLongest)) /
           1'000'000 * kSettings.second / 1000;
  }
  // ns, at the pace that costs say: of the prompt alone; of its tokens in a step.
  std::int64_t reading_of(const ClassIndex::Class& k) const { return (k.c1 * q_.prompt + k.c4 * pairs_ / 1024) / 1000; }
  std::int64_t tokens_of(const ClassIndex::Class& k) const { return k.c2 * (q_.prompt + q_.answers / 2) / 1000; }

  Times times(ClassIndex::Kind kind, const ClassIndex::Known& known) const {
    const bool decodes = ClassIndex::decodes(kind), runs = ClassIndex::runs(kind);
    const std::uint32_t pace = std::max(known.pace, class_->least_pace);
    const std::int64_t per_token = std::max(known.per_token, at_pace(class_->one, pace));
    std::int64_t step = std::max(at_pace(runs ? class_->one : class_->empty, pace), known.step);
    if (decodes) step = std::max(step, per_token - at_pace(class_->widest_step + 1, class_->most_pace) - 2);
    const std::int64_t own = at_pace(reading_, pace), reading = at_pace(class_->c1 * known.to_read / 1000, pace) + own;
    const std::int64_t steps = fewest_steps(known.to_read + q_.prompt, step, kind, own, pace);
    return {q_.waited + (runs ? step / 2 : 0) + reading + steps * step, per_token + at_pace(tokens_, pace)};
  }

  // That read so many tokens: a chunk is no more than the budget, nor than those there leave.
  std::int64_t fewest_steps(std::int64_t reads, std::int64_t step, ClassIndex::Kind kind, std::int64_t own,
                            std::uint32_t pace) const {
    std::int64_t chunk = std::max<std::int64_t>(1, class_->budget - ClassIndex::decodes(kind));
    if (const std::int64_t promised = index_.promised(kind); promised > 0 && class_->chunk == Chunk::objective) {
      const std::int64_t time = std::max<std::int64_t>(0, kept_of(promised) - step) * 1000;
      const std::int64_t prompt = std::max<std::int64_t>(1, q_.prompt);
      const std::int64_t per_token = std::max<std::int64_t>({1, at_pace(class_->c1, pace), own * 1000 / prompt});
      if (time < per_token * std::min(reads, chunk))
        chunk = std::clamp(time / per_token, std::min<std::int64_t>(kLeastRead.count(), chunk), chunk);
    }
    return reads <= chunk ? 1 : (reads + chunk - 1) / chunk;
  }

  // miss() of at least so long, however sure that is.
  std::int64_t least_miss(std::int64_t t, std::int64_t objective, std::int64_t spread, std::int64_t jitter) const {
    if (objective <= 0) return 0;
    if (t >= objective) return kOne / 2;
    return miss(
        t, objective,
        slope(spread + (jitter * per_jitter_ >> 20) * kSettings.jitter / 256 / std::max<std::int64_t>(4, q_.answers)));
  }

  const ClassIndex& index_;
  const DeviceColumns& devices_;
  const FleetView& fleet_;
  const CostTables& tables_;
  const Request& q_;
  const std::int64_t pairs_ = prefill_pairs(q_.prompt, 0);
  const std::int64_t least_own_ = least_own(q_);
  std::int64_t per_jitter_ = 0;  // 2^20 of what the index has, to 1/65536 of a TPOT objective

  // of the class
  const ClassIndex::Class* class_ = nullptr;
  std::int64_t reading_ = 0, tokens_ = 0, money_ = 0;
  Times asked_{};  // of what seconds() was asked of

  struct {
    std::int64_t ttft = 0, tpot = 0, spread = 0, jitter = 0, least = -1;
  } own_;  // of the place asked about last
};

}  // namespace

std::uint32_t expected_cost_indexed(const Shortlist& among, const DeviceColumns& devices, const FleetView& fleet,
                                    const CostTables& tables, const Ask& ask, PolicyState& state) noexcept {
  const Request request(fleet, ask, price_there(among, ask));
  CostBounds bounds(among.index, devices, fleet, tables, request);
  ClassSearch<Terms> search;
  search.run(among, bounds);
  if (!ask.may_refuse) return search.device();
  std::int32_t& scarcity = state.scarcity[ask.model.value];
  if (ask.counts) scarcity = scarcity_after(scarcity, search.found().own);
  return search.found().misses() >= kSettings.refused_from ? kRefused : search.device();
}

}  // namespace yard::policy
