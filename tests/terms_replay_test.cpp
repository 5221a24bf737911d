// A fleet with every kind of term, replayed: the same decisions jumped and walked, recorded and re-enacted; what the
// report says of contracts and power domains.
#include <string>

#include <gtest/gtest.h>

#include "scheduler/loop/sim_news.h"
#include "tests/replays.h"

namespace {

const std::string kFleet = R"(name: terms
sites:
  - {name: east, provider: azure, region: us-east}
  - {name: west, provider: coreweave, region: us-west}
pools:
  - {name: own, site: east, model: llama-3.1-8b, accelerator: h100-sxm, replicas: 2, max_sequences: 16}
  - {name: rent, site: west, model: llama-3.1-8b, accelerator: h100-sxm, replicas: 4}
  - {name: engine, site: west, model: llama-3.1-8b, accelerator: h100-sxm, replicas: 2, served: {wire_delay_ms: 1}}
contracts:
  - {name: base, provider: azure, kind: committed, pools: [own], window_hours: 1, commit_hours: 1}
  - {name: half, provider: coreweave, kind: committed, pools: [rent], replicas: 1, window_hours: 4, commit_hours: 1}
  - {name: day, provider: coreweave, kind: on_demand, pools: [rent], replicas: 1}
  - {name: cheap, provider: coreweave, kind: spot, pools: [rent], replicas: 2, usd_per_replica_hour: 1.2,
     reclaim_notice_s: 5, reclaims_per_day: 480, away_s: 60}
licences:
  - {provider: azure, models: [llama-3.1-8b]}
power_domains:
  - {name: hall, cap_w: 3000}
  - {name: row, parent: hall, cap_w: 1400, pools: [rent], caps: [{at_s: 60, cap_w: 300}, {at_s: 90, cap_w: 1900}]}
  - {name: cage, parent: hall, cap_w: 565, pools: [engine]}
mix:
  - {weight: 3, class: interactive, primary: azure}
  - {weight: 2, class: standard, regions: [us-west]}
  - {weight: 1, class: standard, tenant: law, providers: [azure]}
)";

struct TermsReplay : yard::Replays {
  switchyard::Replayed replay(const std::string& exact, const std::string& bind, const std::string& record = "") {
    return Replays::replay(kFleet, {.trace = "gen:azure-conv",
                                    .bind = bind,
                                    .exact = exact,
                                    .limit = 3000,
                                    .rate_scale = 4,
                                    .requests_csv = "",
                                    .json = "",
                                    .record = record,
                                    .progress = {}});
  }
};

TEST_F(TermsReplay, JumpedAndWalkedDecideAlike) {
  for (const char* bind : {"arrival", "room"})
    EXPECT_EQ(replay("jump", bind).decision_hash, replay("step", bind).decision_hash) << bind;
}

TEST_F(TermsReplay, ARecordingReenactsToTheSameHash) {
  const std::string path = here.at("run.rec");
  const switchyard::Replayed replayed = replay("jump", "arrival", path);
  const switchyard::Reenacted again = reenacted(path);
  EXPECT_TRUE(again.equal);
  EXPECT_EQ(again.decision_hash, replayed.decision_hash);
}

TEST_F(TermsReplay, TheReportSaysWhatEachContractCostAndEachDomainDrew) {
  const switchyard::Replayed replayed = replay("jump", "arrival");
  EXPECT_EQ(replayed.done + replayed.failed + replayed.rejected, replayed.arrived);
  for (const char* key : {"\"contracts\"", "\"paid_whole_h\"", "\"in_use_h\"", "\"beyond_commitment_h\"",
                          "\"power_domains\"", "\"peak_w\"", "\"held_by_power_s\""})
    EXPECT_NE(replayed.json.find(key), std::string::npos) << key;
  EXPECT_NE(replayed.text.find("committed"), std::string::npos);
  for (std::size_t at = 0, end; (end = replayed.text.find('\n', at)) != std::string::npos; at = end + 1)
    EXPECT_LE(end - at, 100u) << replayed.text.substr(at, end - at);
}

// ---- what befalls such a fleet --------------------------------------------------------------------------------------

yard::FleetView spot_fleet(std::uint32_t devices, std::uint32_t per_day) {
  yard::FleetView fleet;
  yard::PoolView pool;
  pool.devices = devices;
  fleet.pools.push_back(pool);
  fleet.contracts.push_back({.name = "s",
                             .kind = yard::ContractKind::spot,
                             .pool = yard::PoolId{0},
                             .first_device = 0,
                             .devices = devices,
                             .notice = yard::seconds(120),
                             .away = yard::seconds(600),
                             .reclaims_per_day = per_day});
  return fleet;
}

TEST(SimNews, ASpotDeviceIsReclaimedSoOftenADayEachTimeWithItsNotice) {
  const yard::FleetView fleet = spot_fleet(3, 5);
  yard::SimNews news(fleet, 7);
  std::vector<std::vector<std::pair<yard::Time, yard::DeviceState>>> of(3);
  while (news.next() < yard::Time() + yard::seconds(2 * 86'400)) {
    const yard::Time at = news.next();
    const auto change = std::get<yard::DeviceChanged>(news.take());
    of[change.device.value].push_back({at, change.state});
  }
  for (const auto& changes : of) {
    ASSERT_EQ(changes.size(), 30u) << "ten reclaims in two days";
    for (std::size_t k = 0; k < changes.size(); k += 3) {
      EXPECT_EQ(changes[k].second, yard::DeviceState::draining);
      EXPECT_EQ(changes[k + 1].second, yard::DeviceState::down);
      EXPECT_EQ(changes[k + 2].second, yard::DeviceState::up);
      EXPECT_EQ(changes[k + 1].first - changes[k].first, yard::seconds(120));
      EXPECT_EQ(changes[k + 2].first - changes[k + 1].first, yard::seconds(600));
    }
  }
  EXPECT_NE(of[0][0].first, of[1][0].first) << "each at its own time";
}

TEST(SimNews, CapsChangeWhenTheFleetSaysSo) {
  yard::FleetView fleet;
  fleet.domains = {{.name = "a", .parent = {}, .cap = yard::Milliwatts(9), .caps = {}},
                   {.name = "b",
                    .parent = {},
                    .cap = yard::Milliwatts(9),
                    .caps = {{yard::Time(5), yard::Milliwatts(3)}, {yard::Time(8), yard::Milliwatts(4)}}}};
  yard::SimNews news(fleet, 1);
  EXPECT_EQ(news.next(), yard::Time(5));
  EXPECT_EQ(std::get<yard::CapChanged>(news.take()).cap, yard::Milliwatts(3));
  EXPECT_EQ(news.next(), yard::Time(8));
  EXPECT_EQ(std::get<yard::CapChanged>(news.take()).domain, yard::DomainId{1});
  EXPECT_EQ(news.next(), yard::Time::never());
}

}  // namespace
