#include "bench/league_trial.h"

#include <algorithm>
#include <cmath>

#include "scheduler/mixed_trace.h"
#include "scheduler/play.h"

namespace yard::league {
namespace {

Time counted_from(const Workload& w) { return Time(std::int64_t{w.warm_up_s} * 1'000'000'000); }

class Census final : public SimObserver {
 public:
  Census(const Workload& w, Outcome& out) : workload_(w), out_(out) {}
  void finished(std::uint64_t, const Finish& finish) override {
    const auto& edges = workload_.quartiles;
    const auto quartile = static_cast<std::size_t>(
        std::ranges::count_if(edges, [&](std::int32_t edge) { return finish.account.prompt.count() >= edge; }));
    add(out_.by_quartile[quartile], finish);
    add(out_.by_tenant[std::min<std::size_t>(finish.account.tenant.value, 1)], finish);
  }

 private:
  static void add(Share& share, const Finish& finish) {
    ++share.arrived;
    share.refused += finish.outcome == yard::Outcome::rejected;
  }
  const Workload& workload_;
  Outcome& out_;
};

// Thrown out of a play whose answer is known. (It leaves through the loop, between two of Core's calls.)
struct Certain {
  bool attains;
};

class Jury final : public SimObserver {
 public:
  Jury(const FleetView& fleet, std::uint64_t arrivals, std::uint32_t permille)
      : fleet_(fleet), needed_((arrivals * permille + 999) / 1000), allowed_(arrivals - needed_) {}
  void finished(std::uint64_t, const Finish& finish) override {
    if (attains(fleet_.classes[finish.account.slo.value], finish)) {
      if (++attained_ >= needed_) throw Certain{true};
    } else if (++missed_ > allowed_) {
      throw Certain{false};
    }
  }

 private:
  const FleetView& fleet_;
  const std::uint64_t needed_, allowed_;
  std::uint64_t attained_ = 0, missed_ = 0;
};

}  // namespace

Outcome play_at(const Workload& workload, const CompiledFleet& fleet, const PolicySet& policies, double rate, Seed seed,
                Beliefs beliefs) {
  Outcome out;
  Census census(workload, out);
  MixedTrace source(arrivals_of(workload, rate, seed), fleet, seed);
  const Played played = play({.fleet = fleet,
                              .policies = policies,
                              .seed = seed,
                              .believed = beliefs.tables,
                              .learns = beliefs.learns,
                              .counted_from = counted_from(workload),
                              .also = &census},
                             source);
  out.scores = scores_of(played.meter, played.idle_beside_work);
  const ClassTally all = played.meter.all();
  const auto rate_of = [&](std::uint64_t n) { return static_cast<std::int64_t>(n * 1000) / workload.measured_s; };
  out.good_requests = rate_of(all.attained);
  out.good_tokens = rate_of(all.attained_tokens);
  for (const ClassTally& of : played.meter.classes())
    out.by_class.push_back({.arrived = of.arrived(),
                            .attained = of.attained,
                            .refused = of.of(yard::Outcome::rejected),
                            .good_requests = rate_of(of.attained),
                            .good_tokens = rate_of(of.attained_tokens)});
  return out;
}

bool attains_at(const Workload& workload, const CompiledFleet& fleet, const PolicySet& policies, double rate, Seed seed,
                std::uint32_t permille) {
  std::uint64_t arrivals = 0;
  const auto count = arrivals_of(workload, rate, seed);
  while (const auto row = count->next()) arrivals += row->arrival >= counted_from(workload);
  if (arrivals == 0) return true;
  Jury jury(fleet.view, arrivals, permille);
  MixedTrace source(arrivals_of(workload, rate, seed), fleet, seed);
  try {
    play({.fleet = fleet, .policies = policies, .seed = seed, .counted_from = counted_from(workload), .also = &jury},
         source);
  } catch (const Certain& verdict) {
    return verdict.attains;
  }
  CHECK_WHY(false, "every arrival was judged");
}

double capacity(const Workload& workload, const CompiledFleet& fleet, const PolicySet& policies, Seed seed,
                std::uint32_t permille, double guess) {
  const auto holds = [&](double rate) { return attains_at(workload, fleet, policies, rate, seed, permille); };
  double low = guess, high = guess, step = 1.12;
  if (holds(guess)) {
    for (high = guess * step; holds(high); high *= step) low = high, step = std::min(step * step, 2.0);
  } else {
    for (low = guess / step; !holds(low); low /= step) {
      if (low < guess / 1000) return 0;
      high = low;
      step = std::min(step * step, 2.0);
    }
  }
  while (high / low > 1.02) {
    const double middle = std::sqrt(low * high);
    (holds(middle) ? low : high) = middle;
  }
  return low;
}

CostTables off_by(const CostTables& tables, int percent, Seed seed, std::uint32_t error_permille) {
  CostTables wrong{.rows = {}, .keys = tables.keys};
  for (std::size_t row = 0; row < tables.rows.size(); ++row) {
    const StepCost& cost = tables.rows[row];
    const bool more = Rng::stream(seed ^ 0x77726f6e67ull, row).below(2) == 1;
    const auto off = [&](Picoseconds p) {
      return Picoseconds(p.count() * (more ? 100 + percent : 100 - percent) / 100);
    };
    std::vector<BatchBucket> buckets = cost.buckets();
    for (BatchBucket& bucket : buckets) bucket.c0 = off(bucket.c0);
    wrong.rows.emplace_back(std::move(buckets), off(cost.c1()), off(cost.c2()), cost.max_sequences(), off(cost.c4()),
                            error_permille > 0 ? error_permille : cost.error_permille());
  }
  return wrong;
}

CostTables off_apart(const CostTables& tables, int percent, Seed seed) {
  CostTables wrong{.rows = tables.rows, .keys = tables.keys};
  for (std::size_t row = 0; row < tables.rows.size(); ++row) {
    Rng rng = Rng::stream(seed ^ 0x61706172740aull, row);
    CostScales scales;
    for (std::uint32_t& scale : scales)
      scale = kCostAsSaid * static_cast<std::uint32_t>(rng.below(2) ? 100 + percent : 100 - percent) / 100;
    wrong.rows[row].correct(tables.rows[row], scales, tables.rows[row].error_permille());
  }
  return wrong;
}

}  // namespace yard::league
