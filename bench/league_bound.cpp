#include "bench/league_bound.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <unordered_set>
#include <vector>

namespace yard::league {
namespace {

constexpr double kNever = std::numeric_limits<double>::infinity();
constexpr std::size_t kSample = 4000;  // rows, evenly spaced over the trace

// The parts of c0[n] >= fixed + slope * n.
struct Line {
  double fixed, slope;
};
Line line_below(const StepCost& cost) {
  const std::uint32_t most = cost.max_sequences();
  const double slope = static_cast<double>((cost.c0(most) - cost.c0(1)).count()) / most;
  double fixed = kNever;
  for (std::uint32_t n = 1; n <= most; ++n)
    fixed = std::min(fixed, static_cast<double>(cost.c0(n).count()) - slope * n);
  return {fixed * 1e-12, slope * 1e-12};
}

struct Request {
  double prompt, unread, answer;
};

// The trace's rows, and how much of each prompt no earlier one begins with.
std::vector<Request> sample_of(const TraceRows& rows) {
  std::vector<Request> sample;
  std::unordered_set<std::uint64_t> seen;
  const std::size_t step = std::max<std::size_t>(1, rows.size() / kSample);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const TraceRow row = rows.row(i);
    std::size_t hit = 0;
    while (hit < row.prefix.size() && seen.contains(row.prefix[hit])) ++hit;
    seen.insert(row.prefix.begin(), row.prefix.end());
    if (i % step != 0) continue;
    const double cached = static_cast<double>(hit) * row.prefix_block.count();
    const double prompt = row.prompt.count();
    sample.push_back({prompt, std::max(1.0, prompt - cached), static_cast<double>(row.output.count())});
  }
  return sample;
}

// Seconds that a request takes at least of a device of the pool; kNever where it cannot attain there.
double least_seconds(const PoolView& pool, const StepCost& cost, const SloClass& slo, const Request& r) {
  const Line c0 = line_below(cost);
  const double tpot = static_cast<double>(slo.tpot.count()) * 1e-9;
  const double objective =
      static_cast<double>(slo.ttft_objective(Tokens(static_cast<std::int32_t>(r.prompt))).count()) * 1e-9;
  const double chunk = pool.token_budget.count();
  const double pairs = r.unread * (r.prompt - r.unread) + r.unread * (r.unread + 1) / 2;
  const double reading = static_cast<double>(cost.c1().count()) * 1e-12 * r.unread +
                         static_cast<double>(cost.c4().count()) * 1e-12 * pairs / 1024;
  if (r.prompt + r.answer > static_cast<double>(pool.max_context.count())) return kNever;
  if (reading + c0.fixed * std::ceil(r.unread / chunk) > objective) return kNever;
  const double decode_inflation = 1 / (1 - std::min(0.99, c0.fixed / (2 * tpot)));
  const double read_alone = reading + c0.fixed * r.unread / chunk, read_beside = reading * decode_inflation;
  const double steps = std::max(0.0, r.answer - 1);
  const double contexts = steps * r.prompt + steps * (steps + 1) / 2;
  const double decoding = c0.slope * steps + static_cast<double>(cost.c2().count()) * 1e-12 * contexts;
  return std::min(read_alone, read_beside) + decoding * decode_inflation;
}

struct Relaxation {
  std::vector<double> devices;               // by kind
  std::vector<std::vector<double>> seconds;  // by request, by kind
};

Relaxation relax(const Ground& g) {
  Relaxation r;
  for (const PoolView& pool : g.fleet.view.pools) r.devices.push_back(pool.devices);
  const SloClass& slo = g.fleet.view.classes[g.fleet.mix.entries()[0].slo.value];
  for (const Request& request : sample_of(*g.workload.rows)) {
    auto& of = r.seconds.emplace_back();
    for (const PoolView& pool : g.fleet.view.pools)
      of.push_back(least_seconds(pool, g.fleet.tables[pool.cost], slo, request));
  }
  return r;
}

// The dual at prices `mu` (misses per device second), as a share of what arrives; and its subgradient.
double dual(const Relaxation& r, double rate, const std::vector<double>& mu, std::vector<double>& slope) {
  const double each = 1 / static_cast<double>(r.seconds.size());
  double value = 0;
  for (std::size_t k = 0; k < mu.size(); ++k) value += mu[k] * (slope[k] = r.devices[k] / rate);
  for (const auto& seconds : r.seconds) {
    std::size_t best = mu.size();
    double gain = 0;
    for (std::size_t k = 0; k < mu.size(); ++k)
      if (seconds[k] != kNever && 1 - mu[k] * seconds[k] > gain) gain = 1 - mu[k] * seconds[k], best = k;
    if (best == mu.size()) continue;
    value += each * gain;
    slope[best] -= each * seconds[best];
  }
  return value;
}

// Exponentiated subgradient with a step that shrinks; the best value met is kept.
double least_dual(const Relaxation& r, double rate) {
  std::vector<double> mu, slope(r.devices.size());
  for (std::size_t k = 0; k < r.devices.size(); ++k) {
    std::vector<double> of;
    for (const auto& seconds : r.seconds)
      if (seconds[k] != kNever) of.push_back(seconds[k]);
    std::ranges::sort(of);
    mu.push_back(of.empty() ? 0 : 0.5 / of[of.size() * 9 / 10]);
  }
  double best = 1;
  for (int round = 0; round < 400; ++round) {
    best = std::min(best, dual(r, rate, mu, slope));
    const double step = 1.0 / std::sqrt(1.0 + round);
    for (std::size_t k = 0; k < mu.size(); ++k) {
      const double scale = r.devices[k] / rate;  // so that the step is relative to what the kind offers
      mu[k] *= std::exp(std::clamp(-step * slope[k] / scale, -0.5, 0.5));
    }
  }
  return best;
}

}  // namespace

double bound_on_attainment(const Ground& g, double rate) { return std::min(1.0, least_dual(relax(g), rate)); }

double bound_on_capacity(const Ground& g, std::uint32_t permille) {
  const Relaxation r = relax(g);
  const double share = permille / 1000.0;
  double low = g.workload.first_guess / 100, high = g.workload.first_guess;
  while (least_dual(r, high) >= share && high < 1e9) low = high, high *= 2;
  while (high / low > 1.005) {
    const double middle = std::sqrt(low * high);
    (least_dual(r, middle) >= share ? low : high) = middle;
  }
  return high;
}

}  // namespace yard::league
