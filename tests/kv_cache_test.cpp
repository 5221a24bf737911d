// What a stepped device keeps of the prompts that it read, against the naive model: a list of blocks and their holders.
#include "scheduler/core/kv_cache.h"

#include <algorithm>
#include <vector>

#include <gtest/gtest.h>

#include "scheduler/base/rng.h"
#include "tests/builders.h"

namespace yard {
namespace {

using Chain = std::vector<BlockHash>;

// Pools of 16-token KV blocks, prefix blocks of 64 tokens: a unit is 4.
FleetView fleet_of(std::uint32_t devices) {
  FleetView fleet;
  PoolView pool;
  pool.model = ModelId{0};
  pool.devices = devices;
  pool.kv_blocks = Blocks(400);
  pool.block_tokens = Tokens(16);
  fleet.pools.push_back(pool);
  fleet.models.push_back({"m", Tokens(64)});
  return fleet;
}

Chain chain_of(std::uint64_t root, std::size_t blocks) {
  Chain chain;
  for (std::size_t i = 0; i < blocks; ++i) chain.push_back({root = mix64(root + 1)});
  return chain;
}

struct Kept {
  explicit Kept(std::uint32_t devices, std::uint32_t bound = 1000)
      : fleet(fleet_of(devices)), told({.holdings = 1000, .devices = devices}), cache(fleet, bound, evictions) {}
  FleetView fleet;
  PrefixIndex told;
  Evictions evictions{told, Duration(), 1};
  KvCache cache;
};

TEST(KvCache, KeepsAChainFromItsBeginningToTheFirstBlockThatWent) {
  Kept k(2);
  const Chain a = chain_of(1, 5);
  EXPECT_EQ(k.cache.kept(0, a), 0u);
  EXPECT_EQ(k.cache.keep(0, a, 0, Time(1)).blocks, 5u);
  EXPECT_EQ(k.cache.kept(0, a), 5u);
  EXPECT_EQ(k.cache.kept(1, a), 0u) << "another device's";
  EXPECT_EQ(k.cache.release(0, a), 5u);
  k.cache.make_room(0, 3 * 4, Time(2));
  EXPECT_EQ(k.cache.kept(0, a), 3u) << "the end of a chain goes before its beginning";
}

TEST(KvCache, WhatSomebodyHoldsNeverGoes) {
  Kept k(1);
  const Chain a = chain_of(1, 4), b = chain_of(2, 4);
  k.cache.keep(0, a, 0, Time(1));
  k.cache.keep(0, b, 0, Time(1));
  k.cache.release(0, a);
  k.cache.make_room(0, 0, Time(2));
  EXPECT_EQ(k.cache.kept(0, a), 0u);
  EXPECT_EQ(k.cache.kept(0, b), 4u);
  EXPECT_EQ(k.cache.held(0), 4u);
  EXPECT_EQ(k.cache.idle(0), 0u);
}

TEST(KvCache, WhatWasReleasedLastGoesLast) {
  Kept k(1);
  const Chain a = chain_of(1, 2), b = chain_of(2, 2);
  k.cache.keep(0, a, 0, Time(1));
  k.cache.keep(0, b, 0, Time(1));
  k.cache.release(0, a);
  k.cache.release(0, b);
  k.cache.hold(0, a);
  k.cache.release(0, a);
  k.cache.make_room(0, 2 * 4, Time(2));
  EXPECT_EQ(k.cache.kept(0, a), 2u);
  EXPECT_EQ(k.cache.kept(0, b), 0u);
}

TEST(KvCache, WhatGoesIsToldToTheIndex) {
  Kept k(1);
  const Chain a = chain_of(1, 4);
  k.told.insert(DeviceId{0}, a, Time(1), PrefixIndex::Source::placement);
  k.cache.keep(0, a, 0, Time(1));
  k.cache.release(0, a);
  k.cache.make_room(0, 4, Time(2));
  EXPECT_EQ(k.told.blocks_held(DeviceId{0}, a), 1u);
}

TEST(KvCache, BeyondItsBoundTheDevicesOwnOldestGoesAndElseItKeepsLess) {
  Kept k(2, 6);
  const Chain a = chain_of(1, 4), b = chain_of(2, 4);
  k.cache.keep(0, a, 0, Time(1));
  EXPECT_EQ(k.cache.keep(1, b, 0, Time(1)).blocks, 2u) << "nothing of its own can go";
  k.cache.release(0, a);
  const Chain c = chain_of(3, 4);
  EXPECT_EQ(k.cache.keep(0, c, 0, Time(2)).blocks, 4u);
  EXPECT_EQ(k.cache.kept(0, a), 0u);
}

TEST(KvCache, OfServedPoolsAndOfUnitsThatDoNotDivideNothingIsKept) {
  FleetView fleet = fleet_of(1);
  fleet.pools[0].kind = PoolKind::served;
  PrefixIndex index({.holdings = 10, .devices = 1});
  Evictions told(index, Duration(), 1);
  EXPECT_EQ(KvCache(fleet, 10, told).unit(0), 0);
  fleet.pools[0].kind = PoolKind::stepped;
  EXPECT_EQ(KvCache(fleet, 10, told).unit(0), 4);
  fleet.models[0].prefix_block = Tokens(40);
  EXPECT_EQ(KvCache(fleet, 10, told).unit(0), 0);
  fleet.models[0].prefix_block = Tokens(64);
  fleet.pools[0].prefix_cache = false;
  EXPECT_EQ(KvCache(fleet, 10, told).unit(0), 0);
}

TEST(Evictions, ComeAsLateAsSignalsAreAndNotForWhatWasPlacedSince) {
  PrefixIndex index({.holdings = 100, .devices = 1});
  Evictions evictions(index, seconds(1), 3);
  const Chain a = chain_of(1, 2), b = chain_of(2, 1);
  const auto at = [](std::int64_t ms) { return Time(ms * 1'000'000); };
  index.insert({0}, a, at(0), PrefixIndex::Source::placement);
  index.insert({0}, b, at(0), PrefixIndex::Source::placement);
  evictions.gone({0}, b[0], at(100));
  evictions.gone({0}, a[1], at(200));
  EXPECT_EQ(evictions.next(), at(1100));
  EXPECT_FALSE(evictions.hear(at(1099)));
  EXPECT_TRUE(index.holds({0}, b[0]));
  index.insert({0}, a, at(1099), PrefixIndex::Source::placement);
  EXPECT_TRUE(evictions.hear(at(1100)));
  EXPECT_FALSE(index.holds({0}, b[0]));
  EXPECT_TRUE(evictions.hear(at(1200)));
  EXPECT_TRUE(index.holds({0}, a[1])) << "placed again since it went";
  EXPECT_EQ(evictions.next(), Time::never());
}

TEST(Evictions, BeyondTheirRoomTheOldestComesEarly) {
  PrefixIndex index({.holdings = 100, .devices = 1});
  Evictions evictions(index, seconds(1), 2);
  const Chain a = chain_of(1, 1), b = chain_of(2, 1), c = chain_of(3, 1);
  for (const Chain* chain : {&a, &b, &c}) index.insert({0}, *chain, Time(0), PrefixIndex::Source::placement);
  for (const Chain* chain : {&a, &b, &c}) evictions.gone({0}, chain->front(), Time(5));
  EXPECT_FALSE(index.holds({0}, a[0]));
  EXPECT_TRUE(index.holds({0}, b[0]));
  EXPECT_TRUE(evictions.hear(Time(5) + seconds(1)));
  EXPECT_EQ(index.counts().holdings, 0u);
}

TEST(KvCache, WhereChainsContradictTheLaterOneIsKeptUpToThere) {
  Kept k(1);
  const Chain a = {{1}, {2}, {3}}, b = {{9}, {2}, {4}}, c = {{1}, {2}, {5}, {3}};
  EXPECT_EQ(k.cache.keep(0, a, 0, Time(1)).blocks, 3u);
  EXPECT_EQ(k.cache.keep(0, b, 0, Time(1)).blocks, 1u) << "2 stands behind 1";
  EXPECT_EQ(k.cache.kept(0, c), 2u);
  EXPECT_EQ(k.cache.keep(0, c, 0, Time(1)).blocks, 3u) << "3 stands behind 2";
  EXPECT_EQ(k.cache.release(0, std::span(c).first(3)), 1u);
  EXPECT_EQ(k.cache.release(0, a), 3u);
  EXPECT_EQ(k.cache.release(0, std::span(b).first(1)), 1u);
  k.cache.make_room(0, 0, Time(2));
  EXPECT_EQ(k.cache.held(0) + k.cache.idle(0), 0u);
}

// One device's blocks, idle ones in the order of their going.
class Naive {
 public:
  std::size_t kept(const Chain& chain) const {
    std::size_t n = 0;
    while (n < chain.size() && find(chain[n]) < blocks_.size()) ++n;
    return n;
  }
  void hold(BlockHash hash) {
    const std::size_t at = find(hash);
    if (at == blocks_.size()) blocks_.push_back({hash, 0});
    ++blocks_[find(hash)].holders;
  }
  void release(BlockHash hash) {
    const std::size_t at = find(hash);
    if (--blocks_[at].holders > 0) return;
    std::rotate(blocks_.begin() + static_cast<std::ptrdiff_t>(at),
                blocks_.begin() + static_cast<std::ptrdiff_t>(at) + 1, blocks_.end());
  }
  void shrink(std::size_t idle_at_most) {
    while (idle() > idle_at_most)
      blocks_.erase(std::find_if(blocks_.begin(), blocks_.end(), [](const Block& b) { return b.holders == 0; }));
  }
  std::size_t idle() const {
    return static_cast<std::size_t>(
        std::count_if(blocks_.begin(), blocks_.end(), [](const Block& b) { return b.holders == 0; }));
  }
  std::size_t held() const { return blocks_.size() - idle(); }

 private:
  struct Block {
    BlockHash hash;
    int holders;
  };
  std::size_t find(BlockHash hash) const {
    return static_cast<std::size_t>(
        std::find_if(blocks_.begin(), blocks_.end(), [&](const Block& b) { return b.hash == hash; }) - blocks_.begin());
  }
  std::vector<Block> blocks_;
};

TEST(KvCache, IsTheNaiveListWhateverHappens) {
  for (Seed seed = 0; seed < 200; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Rng rng = Rng::stream(seed, 0x6b76);
    Kept k(2);
    std::vector<Naive> naive(2);
    struct User {
      std::uint32_t device;
      Chain chain;
    };
    std::vector<User> users;
    for (int step = 0; step < 300; ++step) {
      const auto d = static_cast<std::uint32_t>(rng.below(2));
      if (rng.below(2) == 0) {
        // A prompt out of a small family: it finds what is kept and reads the rest.
        Chain chain = chain_of(1 + rng.below(3), 1 + rng.below(4));
        const Chain tail = chain_of(chain.back().bits + rng.below(3), rng.below(5));
        chain.insert(chain.end(), tail.begin(), tail.end());
        const std::uint32_t found = k.cache.kept(d, chain);
        ASSERT_EQ(found, naive[d].kept(chain));
        k.cache.hold(d, std::span(chain).first(found));
        ASSERT_EQ(k.cache.keep(d, chain, found, Time(step)).blocks, chain.size() - found);
        for (const BlockHash hash : chain) naive[d].hold(hash);
        users.push_back({d, chain});
      } else if (!users.empty()) {
        const std::size_t who = rng.below(users.size());
        const User user = users[who];
        users.erase(users.begin() + static_cast<std::ptrdiff_t>(who));
        k.cache.release(user.device, user.chain);
        for (std::size_t i = user.chain.size(); i-- > 0;) naive[user.device].release(user.chain[i]);
      }
      const auto room = static_cast<std::int32_t>(rng.below(12));
      k.cache.make_room(d, room * 4 + 3, Time(step));
      naive[d].shrink(static_cast<std::size_t>(room));
      for (std::uint32_t e = 0; e < 2; ++e) {
        ASSERT_EQ(k.cache.held(e), naive[e].held());
        ASSERT_EQ(k.cache.idle(e), naive[e].idle());
      }
    }
  }
}

}  // namespace
}  // namespace yard
