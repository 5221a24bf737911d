// Terms for a case of random_case.h: providers with and without licences, requests bound to some of them and with a
// primary one, contracts, nested power domains whose caps fall and rise while the case lasts.
//
// The same seed gives the same terms on every build. Caps keep the rule of fleet files: the first and the last let any
// one device run.
#pragma once
#include <algorithm>
#include <string>
#include <vector>

#include "scheduler/base/rng.h"
#include "tests/random_case.h"

namespace yard {

class TermsMaker {
 public:
  explicit TermsMaker(Seed seed) : rng_(Rng::stream(seed, 0x7465726d73)) {}

  void add_to(Case& c) {
    add_law(c);
    add_contracts(c.fleet);
    if (chance(3)) return;
    add_domains(c);
  }

 private:
  void add_law(Case& c) {
    c.fleet.providers = {"a", "b", "c"};
    for (PoolView& pool : c.fleet.pools) {
      pool.provider_id = ProviderId{static_cast<std::uint32_t>(rng_.below(3))};
      pool.licensed = !chance(8);
    }
    for (reference::Request& r : c.requests) {
      if (chance(3)) r.primary = ProviderId{static_cast<std::uint32_t>(rng_.below(3))};
      if (chance(4)) r.providers = ProviderMask{1 + rng_.below(7)};
    }
  }

  void add_contracts(FleetView& fleet) {
    for (std::uint32_t p = 0; p < fleet.pools.size(); ++p) {
      if (chance(2)) continue;
      ContractView c;
      c.name = "contract " + std::to_string(p);
      c.kind = static_cast<ContractKind>(rng_.below(4));
      c.pool = PoolId{p};
      c.first_device = fleet.pools[p].first_device;
      c.devices = static_cast<std::uint32_t>(between(1, fleet.pools[p].devices));
      c.per_hour = c.on_demand = NanoDollars(between(0, 5'000'000'000));
      c.window = seconds(2), c.committed = seconds(1);
      fleet.contracts.push_back(c);
    }
  }

  void add_domains(Case& c) {
    FleetView& fleet = c.fleet;
    const auto n = static_cast<std::uint32_t>(between(1, 4));
    for (std::uint32_t d = 0; d < n; ++d) {
      fleet.domains.push_back({.name = "domain " + std::to_string(d), .parent = {}, .cap = {}, .caps = {}});
      if (d > 0 && !chance(3)) fleet.domains[d].parent = DomainId{static_cast<std::uint32_t>(rng_.below(d))};
    }
    std::vector<Milliwatts> idle(n), largest(n), all(n);
    for (PoolView& pool : fleet.pools) {
      pool.idle = Milliwatts(between(0, 100));
      pool.busy = pool.idle + Milliwatts(chance(8) ? 0 : between(1, 1000));
      if (chance(6)) continue;
      pool.domain = DomainId{static_cast<std::uint32_t>(rng_.below(n))};
      for (DomainId d = pool.domain; d.some(); d = fleet.domains[d.value].parent) {
        idle[d.value] += pool.idle * pool.devices;
        all[d.value] += (pool.busy - pool.idle) * pool.devices;
        largest[d.value] = std::max(largest[d.value], pool.busy - pool.idle);
      }
    }
    const std::int64_t end = c.requests.back().arrival.ns() * 3 / 2 + 10;
    for (std::uint32_t d = 0; d < n; ++d) {
      const auto some_cap = [&](Milliwatts least) {
        return idle[d] + Milliwatts(between(least.count(), std::max(least, all[d]).count()));
      };
      fleet.domains[d].cap = some_cap(largest[d]);
      std::vector<std::int64_t> times;
      for (std::uint64_t k = rng_.below(12); k > 0; --k) times.push_back(between(0, end));
      std::ranges::sort(times);
      times.erase(std::ranges::unique(times).begin(), times.end());
      for (std::size_t k = 0; k < times.size(); ++k)
        fleet.domains[d].caps.push_back({Time(times[k]), some_cap(k + 1 == times.size() ? largest[d] : Milliwatts())});
    }
  }

  std::int64_t between(std::int64_t low, std::int64_t high) {
    return low + static_cast<std::int64_t>(rng_.below(static_cast<std::uint64_t>(high - low + 1)));
  }
  bool chance(std::uint64_t one_in) { return rng_.below(one_in) == 0; }

  Rng rng_;
};

inline Case with_terms(Case c) {
  TermsMaker(c.seed).add_to(c);
  return c;
}

}  // namespace yard
