// Where the expected number of missed promises that a request adds, its own and those of everybody there already, is
// smallest; expected seconds break ties. Refused where it would cost at least as many promises as it is worth itself:
// one. kept_promises.h has the formula. Scored in full are those of which it is not seen at once, by what it takes
// there at the least (least_times.h), that they are no better than one before.
#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <span>
#include <utility>

#include "scheduler/policy/least_times.h"
#include "scheduler/policy/scorers.h"

namespace yard::policy {
namespace {

using namespace kept_promises;

struct Scan {
  std::span<const std::uint32_t> eligible;
  const DeviceColumns& devices;
  const FleetView& fleet;
  const CostTables& tables;
  const Request& request;
  const Settings& by;

  const PoolView& pool_at(std::size_t k) const { return fleet.pools[devices.pool[eligible[k]]]; }
  // Inlined by force: with the defaults, which are known where this is called, they are constants of a loop.
  [[gnu::always_inline]] Terms score(std::size_t k) const {
    const PoolView& pool = pool_at(k);
    return terms_on(pool, tables[pool.cost], fleet, devices, eligible[k], request, by);
  }
};

struct Least {
  std::int64_t total = std::numeric_limits<std::int64_t>::max(), misses = 0, own = 0;
  std::size_t at = std::numeric_limits<std::size_t>::max();

  void offer(const Terms& t, std::size_t k) {
    if (std::pair(t.total(), k) < std::pair(total, at)) *this = {t.total(), t.misses(), t.own, k};
  }
};

// ---- each in full ---------------------------------------------------------------------------------------------------

[[gnu::always_inline]] inline Least least_of_few(const Scan& scan) {
  Least least;
  for (std::size_t k = 0; k < scan.eligible.size(); ++k) least.offer(scan.score(k), k);
  return least;
}

// ---- those that may be the best -------------------------------------------------------------------------------------

constexpr std::size_t kMany = 64, kSome = 8;  // devices
constexpr std::uint32_t kNoDevice = 0xffff'ffff;

// Times (least_times.h) from which on a score is more than `total`.
std::int64_t too_long(std::int64_t total, std::int64_t own, const Settings& by) {
  constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();
  if (total == kNever || by.second <= 0) return kNever;
  const std::int64_t ms = (std::max<std::int64_t>(0, total + 1 - own) * 1000 + by.second - 1) / by.second;
  return ms > 2 * kLongest / 1'000'000 ? kNever : ms * 1'000'000'000 / kGrain + 1;
}

// What lies side by side and is of one pool, at most kMostAtOnce at a time: act(its place in `eligible`, how many).
template <class Act>
void each_run(const Scan& scan, const Act& act) {
  const std::span<const std::uint32_t> eligible = scan.eligible;
  for (std::size_t k = 0; k < eligible.size();) {
    const std::uint32_t first = eligible[k];
    const PoolView& pool = scan.pool_at(k);
    std::size_t n = std::min<std::size_t>({eligible.size() - k, kMostAtOnce, pool.first_device + pool.devices - first});
    while (eligible[k + n - 1] != first + n - 1) n /= 2;
    act(k, n);
    k += n;
  }
}

// Of two devices of a pool, the one idle: whether a request costs the same on both.
bool idle_alike(const DeviceColumns& c, std::uint32_t a, std::uint32_t b, bool read) {
  return c.waiting[b] + c.running[b] == 0 && c.kv_tokens[b] == c.kv_tokens[a] &&
         c.prefill_tokens[b] == c.prefill_tokens[a] && c.waiting_tokens[b] == c.waiting_tokens[a] &&
         c.hit_tokens[b] == c.hit_tokens[a] && c.adapter_load[b] == c.adapter_load[a] &&
         c.marginal_price[b] == c.marginal_price[a] && c.pace_of(b) == c.pace_of(a) &&
         (!read || c.move_time[b] == c.move_time[a]);
}

Least least_of_many(const Scan& scan) {
  Least least;
  std::array<std::int64_t, kMostAtOnce> times;
  const auto times_of = [&](std::size_t k, std::size_t n) {
    const PoolView& pool = scan.pool_at(k);
    const std::span<std::int64_t> those = std::span(times).first(n);
    least_times(pool, scan.tables[pool.cost], scan.devices, scan.eligible[k], scan.request, those);
    return those;
  };
  const auto score = [&](std::size_t k) { least.offer(scan.score(k), k); };
  // A good one first: the soonest of some. Those of high index are idle more often.
  std::int64_t soonest = std::numeric_limits<std::int64_t>::max();
  std::size_t at = 0;
  each_run(scan, [&](std::size_t k, std::size_t n) {
    const std::size_t last = k + n - std::min(n, kSome);
    const std::span<std::int64_t> those = times_of(last, k + n - last);
    const auto j = std::ranges::min_element(those) - those.begin();
    if (times[j] < soonest) soonest = times[j], at = last + static_cast<std::size_t>(j);
  });
  score(at);
  each_run(scan, [&](std::size_t k, std::size_t n) {
    const bool only_reads = scan.pool_at(k).role == PoolRole::prefill;
    const std::int64_t own = only_reads ? 0 : least_own(scan.request, scan.by);
    std::int64_t most = too_long(least.total, own, scan.by);
    std::uint32_t idle = kNoDevice;  // the last that was scored
    times_of(k, n);
    for (std::size_t j = 0; j < n; ++j) {
      if (times[j] >= most) continue;
      const std::uint32_t d = scan.eligible[k + j];
      if (idle != kNoDevice && idle_alike(scan.devices, idle, d, scan.request.read)) continue;
      if (scan.devices.waiting[d] + scan.devices.running[d] == 0) idle = d;
      score(k + j);
      most = too_long(least.total, own, scan.by);
    }
  });
  return least;
}

// ---- the choice -----------------------------------------------------------------------------------------------------

[[gnu::always_inline]] inline std::uint32_t choose(const Settings& by, std::span<const std::uint32_t> eligible,
                                                   const DeviceColumns& devices, const FleetView& fleet,
                                                   const CostTables& tables, const Ask& ask,
                                                   PolicyState& state) noexcept {
  const Request request(fleet, ask, price_of_reading(eligible, devices, ask, by));
  const Scan scan{eligible, devices, fleet, tables, request, by};
  const Least least = eligible.size() < kMany ? least_of_few(scan) : least_of_many(scan);
  const auto at = static_cast<std::uint32_t>(least.at);
  if (!ask.may_refuse) return at;
  std::int32_t& scarcity = state.scarcity[ask.model.value];
  if (ask.counts) scarcity = scarcity_after(scarcity, least.own, by);
  return least.misses >= by.refused_from ? kRefused : at;
}

}  // namespace

std::uint32_t expected_cost(std::span<const std::uint32_t> eligible, const DeviceColumns& devices,
                            const FleetView& fleet, const CostTables& tables, const Ask& ask,
                            PolicyState& state) noexcept {
  return choose(kSettings, eligible, devices, fleet, tables, ask, state);
}

std::uint32_t expected_cost_by_settings(std::span<const std::uint32_t> eligible, const DeviceColumns& devices,
                                        const FleetView& fleet, const CostTables& tables, const Ask& ask,
                                        PolicyState& state) noexcept {
  return choose(*state.settings, eligible, devices, fleet, tables, ask, state);
}

}  // namespace yard::policy
