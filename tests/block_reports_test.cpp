// What engines say of their prefix caches: exact, late, and no reason to forget what was placed since.
#include "scheduler/core/block_reports.h"

#include <cstdio>

#include "tests/engines.h"
#include "tests/recorded_run.h"

namespace yard {
namespace {

using Chain = std::vector<BlockHash>;

Time at_ms(std::int64_t ms) { return Time(ms * 1'000'000); }

Chain chain_of(std::uint64_t root, std::size_t blocks) {
  Chain chain;
  for (std::size_t i = 0; i < blocks; ++i) chain.push_back({root = mix64(root + 1)});
  return chain;
}

struct Index {
  PrefixIndex index{{.holdings = 1000, .devices = 1}};
  BlockReports reports{index};

  void placed(const Chain& chain, std::int64_t ms) {
    index.insert({0}, chain, at_ms(ms), PrefixIndex::Source::placement);
    reports.note(at_ms(ms));
  }
  void said(BlocksFate fate, const Chain& blocks, std::int64_t measured_ms, std::int64_t now_ms,
            BlockHash parent = {}) {
    reports.apply({.device = {0}, .fate = fate, .parent = parent, .blocks = blocks, .measured = at_ms(measured_ms)},
                  at_ms(now_ms));
  }
  std::uint32_t held(const Chain& chain) const { return index.blocks_held({0}, chain); }
};

TEST(BlockReports, SayExactlyWhatIsThere) {
  Index i;
  const Chain a = chain_of(1, 4);
  i.said(BlocksFate::stored, {a[0], a[1]}, 10, 20);
  EXPECT_EQ(i.held(a), 2u);
  i.said(BlocksFate::stored, {a[2], a[3]}, 10, 20, a[1]);
  EXPECT_EQ(i.held(a), 4u);
  i.said(BlocksFate::removed, {a[3]}, 15, 20);
  EXPECT_EQ(i.held(a), 4u) << "it was said to be stored since";
  i.reports.note(at_ms(30));
  i.said(BlocksFate::removed, {a[3]}, 40, 50);
  EXPECT_EQ(i.held(a), 3u);
  i.said(BlocksFate::cleared, {}, 60, 60);
  EXPECT_EQ(i.held(a), 0u);
}

TEST(BlockReports, DoNotTakeBackWhatWasPlacedSinceTheirMeasurement) {
  Index i;
  const Chain a = chain_of(1, 2), b = chain_of(2, 2);
  i.placed(a, 100);
  i.placed(b, 100);
  i.placed(a, 500);
  i.said(BlocksFate::removed, {a[1]}, 400, 600);
  EXPECT_EQ(i.held(a), 2u) << "placed at 500, after the report's moment";
  i.said(BlocksFate::removed, {b[1]}, 400, 600);
  EXPECT_EQ(i.held(b), 1u);
}

TEST(BlockReports, OlderThanWhatIsRememberedRemovesNothing) {
  Index i;
  const Chain a = chain_of(1, 1);
  i.placed(a, 100);
  for (int k = 0; k < 400; ++k) i.placed(chain_of(100, 1), 200 + k * 10);
  i.said(BlocksFate::removed, a, 150, 5000);
  EXPECT_EQ(i.held(a), 1u);
  i.said(BlocksFate::removed, a, 4100, 5000);
  EXPECT_EQ(i.held(a), 0u);
}

// ---- engines that tell --------------------------------------------------------------------------------------------

// Two engines with room for little; prompts of a few beginnings, so that much is let go.
Case prefixes_come_and_go() {
  Case c = one_engine(2);
  PoolView& pool = c.fleet.pools[0];
  pool.kv_blocks = Blocks(40), pool.max_context = Tokens(600), pool.block_events = true;
  pool.wire_delay = microseconds(100);
  c.fleet.models[0].prefix_block = Tokens(16);
  for (int k = 0; k < 300; ++k) {
    ask(c, k * 3000, 16 * (3 + k % 3) + 1, 2);
    c.requests.back().prefix = chain_of(static_cast<std::uint64_t>(k * 7 % 11), static_cast<std::size_t>(3 + k % 3));
  }
  c.options.scorer = "expected_seconds";
  return c;
}

struct News final : SimObserver {
  void applied(const Event& event) override {
    const auto* e = std::get_if<BlocksChanged>(&event);
    if (e) ++(e->fate == BlocksFate::stored ? stored : removed);
  }
  std::uint64_t stored = 0, removed = 0;
};

TEST(BlockReports, EnginesTellAndJumpAndStepAgree) {
  const Case c = prefixes_come_and_go();
  EXPECT_EQ(simulate(c, Exact::jump).hash, simulate(c, Exact::step).hash);
  const Bounds bounds{.sequences = 1000, .events_per_tick = 4096};
  Core core(bounds, c.fleet, c.costs, find_policies("expected_seconds", "fcfs", "arrival"), 0);
  SimFleet devices(c.fleet, c.costs, bounds, Exact::jump);
  News news;
  SimLoop loop(core, bounds, 2, devices, news);
  Requests source(c.requests);
  loop.run(source);
  EXPECT_GT(news.stored, 50u);
  EXPECT_GT(news.removed, 50u);
  EXPECT_EQ(core.ledger().useless_reports, 0u);
}

TEST(BlockReports, ARecordingReenactsWithThem) {
  const std::string path = testing::TempDir() + "/block_reports_test.rec";
  Case c = prefixes_come_and_go();
  c.options.sequences = 1000;
  RecordedRun run(c, 3, path);
  const Reenactment again = run.reenacted();
  EXPECT_TRUE(again.equal);
  EXPECT_EQ(again.hash_reenacted, run.core.hash());
  EXPECT_GT(again.events_by_kind[Event(BlocksChanged{}).index()], 100u);
  std::remove(path.c_str());
}

}  // namespace
}  // namespace yard
