// Prefill and decode pools from the command line: what the report and `explain` say of moves, and that a recording of
// them re-enacts.
#include <gtest/gtest.h>

#include <string>

#include "scheduler/report/meter.h"
#include "tests/report_builders.h"
#include "tests/run_program.h"

namespace yard::testing {
namespace {

TEST(HandoffReport, SaysWhatMovedAndReenacts) {
  const Scratch here;
  const Ran ran = switchyard({"replay", "--fleet", "builtin:handoff", "--limit", "400", "--rate-scale", "40",
                              "--record", here.at("day.rec"), "--json", here.at("day.json")});
  ASSERT_EQ(ran.code, 0) << ran;
  EXPECT_NE(ran.out.find("links    to      at once  GB/s"), std::string::npos) << ran.out;
  EXPECT_NE(ran.out.find("Without a move: "), std::string::npos) << ran.out;
  const std::string json = bytes_of(here.at("day.json"));
  for (const char* key : {"\"links\"", "\"moves\"", "\"moved_gb\"", "\"move_p99_ms\"", "\"move_mean_ms\"",
                          "\"stayed_pct\"", "\"rate_gb_per_s\": 12.139"})
    EXPECT_NE(json.find(key), std::string::npos) << key;
  const Ran again = switchyard({"replay", "--reenact", here.at("day.rec")});
  EXPECT_EQ(again.code, 0) << again;
  EXPECT_NE(again.out.find(": the same"), std::string::npos) << again;

  std::string moved;
  for (int row = 0; row < 40 && moved.empty(); ++row) {
    const Ran told = switchyard({"explain", here.at("day.rec"), "--row", std::to_string(row)});
    ASSERT_EQ(told.code, 0) << told;
    if (told.out.find("read, goes on elsewhere at ") != std::string::npos) moved = told.out;
  }
  EXPECT_NE(moved.find("placed at "), std::string::npos) << moved;
  EXPECT_NE(moved.find("its KV is expected to move in "), std::string::npos) << moved;
  EXPECT_NE(moved.find("began on decode/"), std::string::npos) << moved;
}

TEST(HandoffReport, AFleetWithoutLinksSaysNothingOfThem) {
  const Scratch here;
  const Ran ran = switchyard({"replay", "--fleet", "builtin:single", "--limit", "5", "--json", here.at("day.json")});
  ASSERT_EQ(ran.code, 0) << ran;
  EXPECT_EQ(ran.out.find("GB/s: of one move"), std::string::npos);
  EXPECT_EQ(bytes_of(here.at("day.json")).find("stayed_pct"), std::string::npos);
}

TEST(HandoffReport, AMoveIsCountedWhenItEnds) {
  FleetView fleet = test::small_fleet();
  fleet.pools[0].role = PoolRole::prefill;
  fleet.links = {{.from = PoolId{0}, .to = PoolId{1}, .at_once = 1, .latency = {}, .bytes_per_s = 1}};
  Meter meter(fleet);
  const auto move = [&](std::uint32_t sequence, std::int64_t bytes, Time at) {
    meter.on_move({.sequence = {sequence, 1},
                   .request = {},
                   .from = DeviceId{0},
                   .to = DeviceId{2},
                   .link = LinkId{0},
                   .attempt = 1,
                   .bytes = bytes},
                  at);
  };
  move(3, 100, Time(1000)), move(4, 50, Time(2000));
  meter.on_move_ended({{3, 1}, 1, MoveEnd::arrived}, Time(4000));
  meter.on_move_ended({{4, 1}, 1, MoveEnd::failed}, Time(5000));
  meter.on_move_ended({{4, 1}, 1, MoveEnd::arrived}, Time(6000));  // it has ended
  const LinkTally& link = meter.links()[0];
  EXPECT_EQ(link.arrived, 1u);
  EXPECT_EQ(link.failed, 1u);
  EXPECT_EQ(link.bytes, Wide{100});
  EXPECT_EQ(link.time.sum(), Wide{3000});

  Finish stays = test::done(SloClassId{0}, milliseconds(1), milliseconds(1), 2), moved = stays;
  moved.account.moves = 1;
  meter.on_finish(stays), meter.on_finish(moved), meter.on_finish(moved);
  EXPECT_EQ(meter.done_with_roles(), 3u);
  EXPECT_EQ(meter.stayed(), 1u);
  Meter twice(fleet);
  twice.merge(meter), twice.merge(meter);
  EXPECT_EQ(twice.links()[0].arrived, 2u);
  EXPECT_EQ(twice.stayed(), 2u);
}

}  // namespace
}  // namespace yard::testing
