// Random fleets with random tenants, stepped and served devices: quotas hold, nothing leaves its tenant's regions, and
// a recording re-enacts to the same hash. (tests/swarm_test.cpp has them under faults, jumped and walked.)
#include <gtest/gtest.h>

#include <cstdio>
#include <map>
#include <string>
#include <vector>

#include "scheduler/core/ledger.h"
#include "scheduler/core/tenants.h"
#include "tests/random_tenants.h"
#include "tests/recorded_run.h"

namespace yard {
namespace {

struct Witness final : Recording {
  using Recording::Recording;
  void finished(std::uint64_t row, const Finish& f) override { ended[row] = f; }
  std::map<std::uint64_t, Finish> ended;  // by row, which is the order of arrival
};

// What a tenant's requests took since the beginning, by the time of arrival, is never more than was there: its burst
// and what its rate brought. An answer may be longer than expected only where no length was asked for.
void expect_quotas_kept(const Case& c, const Witness& seen, std::uint64_t& felt) {
  for (std::uint32_t t = 0; t < c.fleet.tenants.size(); ++t) {
    const TenantView& tenant = c.fleet.tenants[t];
    SignedWide requests = 0, tokens = 0, dollars = 0, unexpected = 0;
    std::optional<Time> first;
    for (const auto& [row, f] : seen.ended) {
      const Account& a = f.account;
      if (a.tenant != TenantId{t}) continue;
      if (!first) first = a.arrival;
      felt += f.why == Reason::quota;
      if (!counts_as_used(f.outcome, a.admit)) continue;
      requests += 1;
      tokens += a.prompt.count() + a.output.count();
      dollars += SignedWide{a.prompt.count()} * tenant.prompt_price.count() +
                 SignedWide{a.output.count()} * tenant.output_price.count();
      if (c.requests[row].max_output == Tokens::max()) unexpected += a.output.count();
      const auto there = [&](const QuotaRate& rate) {
        const SignedWide earned = SignedWide{(a.arrival - *first).count()} * rate.per_s_thousandths / 1'000'000'000'000;
        return SignedWide{rate.burst} + earned;
      };
      ASSERT_TRUE(!tenant.requests.some() || requests <= there(tenant.requests)) << "requests of tenant " << t;
      ASSERT_TRUE(!tenant.tokens.some() || tokens - unexpected <= there(tenant.tokens)) << "tokens of tenant " << t;
      const SignedWide expected_dollars = dollars - unexpected * tenant.output_price.count();
      ASSERT_TRUE(tenant.per_day.count() == 0 || expected_dollars <= tenant.per_day.count()) << "of tenant " << t;
    }
  }
}

TEST(TenantsSwarm, QuotasAndRegionsHoldAndARecordingReenacts) {
  const Seed first_seed = number_from("SWITCHYARD_SEED", 0), cases = number_from("SWITCHYARD_SWARM", 100);
  const std::string path = testing::TempDir() + "/tenants_swarm_test.rec";
  std::uint64_t felt = 0, gave_way = 0;
  for (Seed seed = first_seed; seed < first_seed + cases; ++seed) {
    Case c = random_case(seed);
    give_tenants(c);
    if (seed % 2)
      for (PoolView& pool : c.fleet.pools) pool.kind = PoolKind::served;
    SCOPED_TRACE("again with SWITCHYARD_SEED=" + std::to_string(seed) + " SWITCHYARD_SWARM=1; " + c.text());
    RecordedRun<Witness> run(c, seed, path);
    const Reenactment again = run.reenacted();
    ASSERT_TRUE(again.equal);
    ASSERT_EQ(again.hash_reenacted, run.core.hash());
    ASSERT_EQ(run.core.ledger().in_flight, 0u);
    ASSERT_NO_FATAL_FAILURE(expect_quotas_kept(c, run.seen, felt));
    for (const auto& [row, f] : run.seen.ended) {
      gave_way += f.why == Reason::shed && f.retry_after.count() > 0;
      if (!f.account.device.some()) continue;
      for (const PoolView& pool : c.fleet.pools)
        ASSERT_TRUE(f.account.device.value - pool.first_device >= pool.devices ||
                    c.fleet.tenants[f.account.tenant.value].regions.has(pool.region))
            << "row " << row;
    }
  }
  std::remove(path.c_str());
  if (cases < 100) return;
  EXPECT_GT(felt, 100u) << "quotas were hardly felt";
  EXPECT_GT(gave_way, 10u);
}

}  // namespace
}  // namespace yard
