// The prefix index: its rules by hand, and any history against a naive model.
#include "scheduler/core/prefix_index.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <map>
#include <vector>

#include "scheduler/base/rng.h"
#include "tests/prefix_model.h"

namespace {
std::size_t allocations = 0;
}
// operator new(std::size_t), wrapped at link time (prefix_index.cmake): sanitizers bring an operator new of their own.
extern "C" {
void* __real__Znwm(std::size_t);
void* __wrap__Znwm(std::size_t n) {
  ++allocations;
  return __real__Znwm(n);
}
}

namespace yard {
namespace {

using Chain = std::vector<BlockHash>;
using Holder = PrefixMatch::Holder;
using Source = PrefixIndex::Source;

DeviceId device(std::uint32_t d) { return DeviceId{d}; }

// A chain by letters: "abc" and "abd" share two blocks. Each hash takes in all before.
Chain chain(std::string_view letters) {
  Chain all;
  std::uint64_t h = 1;
  for (const char c : letters) all.push_back({h = mix64(h * 257 + static_cast<unsigned char>(c))});
  return all;
}

std::vector<Holder> listed(const PrefixMatch& m) { return {m.listed().begin(), m.listed().end()}; }

// An index with short words for its verbs.
struct Scene {
  PrefixIndex index;
  explicit Scene(std::uint32_t holdings = 1000, std::uint32_t devices = 40)
      : index({.holdings = holdings, .devices = devices}) {}
  ~Scene() { index.audit(); }
  std::uint32_t insert(std::uint32_t d, std::string_view letters) {
    return index.insert(device(d), chain(letters), Time(0), Source::placement);
  }
  std::uint32_t held(std::uint32_t d, std::string_view letters) { return index.blocks_held(device(d), chain(letters)); }
  std::vector<Holder> match(std::string_view letters) { return listed(index.match(chain(letters))); }
  BlockHash last(std::string_view letters) { return chain(letters).back(); }
};

// ---- matching ------------------------------------------------------------------------------------------------------

TEST(PrefixIndex, ListsTheDeepestHolderFirst) {
  Scene s;
  s.insert(0, "ab"), s.insert(1, "abcd"), s.insert(2, "abc"), s.insert(3, "x");
  EXPECT_EQ(s.match("abcde"), (std::vector<Holder>{{device(1), 4}, {device(2), 3}, {device(0), 2}}));
}

TEST(PrefixIndex, OfEqualsTheLastToComeIsFirst) {
  Scene s;
  for (const std::uint32_t d : {7u, 2u, 5u}) s.insert(d, "ab");
  s.insert(7, "ab");  // a use is no coming
  EXPECT_EQ(s.match("ab"), (std::vector<Holder>{{device(5), 2}, {device(2), 2}, {device(7), 2}}));
}

TEST(PrefixIndex, NothingHeldNothingListed) {
  Scene s;
  EXPECT_TRUE(s.match("abc").empty());
  EXPECT_TRUE(s.match("").empty());
  EXPECT_EQ(s.held(0, "abc"), 0u);
}

TEST(PrefixIndex, BeyondSixteenTheRestIsTold) {
  Scene s;
  for (std::uint32_t d = 0; d < 30; ++d) s.insert(d, "sys");
  s.insert(3, "system"), s.insert(9, "syst");
  const PrefixMatch m = s.index.match(chain("system"));
  ASSERT_EQ(m.size, 16u);
  EXPECT_EQ(m.holders[0], (Holder{device(3), 6}));
  EXPECT_EQ(m.holders[1], (Holder{device(9), 4}));
  EXPECT_EQ(m.holders[2], (Holder{device(29), 3}));
  EXPECT_EQ(m.unlisted, 14u);
  EXPECT_EQ(m.unlisted_blocks, 3u);
}

TEST(PrefixIndex, SixteenExactlyLeaveNobodyUntold) {
  Scene s;
  for (std::uint32_t d = 0; d < 16; ++d) s.insert(d, "ab");
  const PrefixMatch m = s.index.match(chain("ab"));
  EXPECT_EQ(m.size, 16u);
  EXPECT_EQ(m.unlisted, 0u);
}

TEST(PrefixIndex, ManyHoldersAreStillKnownOneByOne) {
  Scene s;
  for (std::uint32_t d = 0; d < 40; d += 2) s.insert(d, "abc");
  for (std::uint32_t d = 0; d < 40; ++d) EXPECT_EQ(s.held(d, "abc"), d % 2 ? 0u : 3u);
  EXPECT_EQ(s.index.holders(s.last("abc")), 20u);
}

TEST(PrefixIndex, GallopingFindsEveryLength) {
  Scene s(20'000, 2);
  Chain all;
  Rng rng(3);
  for (int i = 0; i < 8192; ++i) all.push_back({rng.next()});
  std::uint32_t n = 0;
  for (const std::uint32_t length :
       {0u, 1u, 2u, 3u, 7u, 8u, 9u, 63u, 64u, 65u, 127u, 128u, 129u, 1000u, 4097u, 8191u, 8192u}) {
    n += s.index.insert(device(0), {all.data(), length}, Time(0), Source::placement);
    EXPECT_EQ(s.index.blocks_held(device(0), all), length);
    EXPECT_EQ(s.index.match(all).deepest(), length);
    EXPECT_EQ(s.index.blocks_held(device(0), {all.data(), length / 2}), length / 2);
  }
  EXPECT_GT(n, 0u);
}

// ---- what goes first -----------------------------------------------------------------------------------------------

TEST(PrefixIndex, ChildrenGoBeforeParents) {
  Scene s(4);
  s.insert(0, "abcd");
  for (std::uint32_t n = 3; n > 0; --n) {
    s.insert(1, std::string_view("xyz").substr(0, 4 - n));
    EXPECT_EQ(s.held(0, "abcd"), n);
  }
}

TEST(PrefixIndex, WhenFullTheLeastRecentlyUsedOfAllDevicesGoes) {
  Scene s(6);
  s.insert(0, "ab"), s.insert(1, "cd"), s.insert(2, "ef");
  s.insert(0, "ab");  // so that 1 is the oldest
  s.insert(3, "gh");
  EXPECT_EQ(s.held(1, "cd"), 0u);
  EXPECT_EQ(s.held(0, "ab") + s.held(2, "ef") + s.held(3, "gh"), 6u);
  EXPECT_EQ(s.index.counts().out_of_room, 2u);
}

TEST(PrefixIndex, UseOfAnyBlockIsUseOfItsParents) {
  Scene s(1000, 1);
  s.index.set_capacity(device(0), 6);
  s.insert(0, "abc"), s.insert(0, "xy"), s.insert(0, "abd");  // order of use: a b d, x y, c
  s.insert(0, "q");
  EXPECT_EQ(s.held(0, "abc"), 2u) << "its own end was the oldest, its beginning was used since";
  EXPECT_EQ(s.held(0, "xy"), 2u);
  s.insert(0, "qrs");
  EXPECT_EQ(s.held(0, "xy"), 0u);
  EXPECT_EQ(s.held(0, "abd"), 3u);
}

TEST(PrefixIndex, ADeviceKeepsNoMoreThanItsPool) {
  Scene s;
  s.index.set_capacity(device(0), 3);
  s.insert(1, "abc");
  s.insert(0, "ab"), s.insert(0, "xy");
  EXPECT_EQ(s.index.held(device(0)), 3u);
  EXPECT_EQ(s.held(0, "ab"), 1u);
  EXPECT_EQ(s.held(1, "abc"), 3u) << "another device's pool is its own";
  EXPECT_EQ(s.index.counts().out_of_pool, 1u);
}

TEST(PrefixIndex, AChainLongerThanThePoolIsHeldInPart) {
  Scene s;
  s.index.set_capacity(device(0), 3);
  EXPECT_EQ(s.insert(0, "abcde"), 3u);
  EXPECT_EQ(s.held(0, "abcde"), 3u);
}

TEST(PrefixIndex, AChainLongerThanTheIndexIsHeldInPart) {
  Scene s(3);
  s.insert(1, "xy");
  EXPECT_EQ(s.insert(0, "abcde"), 3u);
  EXPECT_EQ(s.held(1, "xy"), 0u);
}

TEST(PrefixIndex, APoolThatShrinksLosesWhatIsOldest) {
  Scene s;
  s.insert(0, "ab"), s.insert(0, "xy");
  s.index.set_capacity(device(0), 2);
  EXPECT_EQ(s.held(0, "xy"), 2u);
  EXPECT_EQ(s.index.held(device(0)), 2u);
  s.index.set_capacity(device(0), 0);
  EXPECT_EQ(s.insert(0, "ab"), 0u);
}

TEST(PrefixIndex, AMatchIsNoUse) {
  Scene s(4);
  s.insert(0, "ab"), s.insert(1, "xy");
  for (int i = 0; i < 10; ++i) s.match("ab");
  s.insert(2, "q");
  EXPECT_EQ(s.held(0, "ab"), 1u);
}

// ---- exact reports -------------------------------------------------------------------------------------------------

TEST(PrefixIndex, RemovalTakesWhatLiesBehind) {
  Scene s;
  s.insert(0, "abcd"), s.insert(0, "abxy"), s.insert(1, "abcd");
  EXPECT_EQ(s.index.remove(device(0), std::vector{s.last("abc")}, Time(5), Source::report), 2u);
  EXPECT_EQ(s.held(0, "abcd"), 2u);
  EXPECT_EQ(s.held(0, "abxy"), 4u);
  EXPECT_EQ(s.held(1, "abcd"), 4u);
}

TEST(PrefixIndex, RemovalIsTheSameInAnyOrder) {
  for (const bool parents_first : {false, true}) {
    Scene s;
    s.insert(0, "abcd");
    Chain gone = chain("abcd");
    gone.erase(gone.begin());
    if (!parents_first) std::ranges::reverse(gone);
    EXPECT_EQ(s.index.remove(device(0), gone, Time(5), Source::report), 3u);
    EXPECT_EQ(s.held(0, "abcd"), 1u);
  }
}

TEST(PrefixIndex, RemovalOfWhatIsNotHeldIsCounted) {
  Scene s;
  s.insert(1, "a");
  EXPECT_EQ(s.index.remove(device(0), chain("ab"), Time(5), Source::report), 0u);
  EXPECT_EQ(s.index.counts().unknown_removed, 2u);
}

TEST(PrefixIndex, AnExtensionStandsBehindItsParentAndUsesTheWholeChain) {
  Scene s(1000, 1);
  s.insert(0, "ab"), s.insert(0, "xy");
  const Chain whole = chain("abcd");
  EXPECT_EQ(s.index.extend(device(0), whole[1], {whole.data() + 2, 2}, Time(5), Source::report), 2u);
  EXPECT_EQ(s.held(0, "abcd"), 4u);
  s.index.set_capacity(device(0), 4);
  EXPECT_EQ(s.held(0, "abcd"), 4u);
  EXPECT_EQ(s.held(0, "xy"), 0u);
}

TEST(PrefixIndex, AnExtensionOfTheUnknownIsIgnoredAndCounted) {
  Scene s;
  s.insert(1, "ab");
  const Chain whole = chain("abc");
  EXPECT_EQ(s.index.extend(device(0), whole[1], {whole.data() + 2, 1}, Time(5), Source::report), 0u);
  EXPECT_FALSE(s.index.holds(device(0), whole[2]));
  EXPECT_EQ(s.index.counts().unknown_parent, 1u);
}

TEST(PrefixIndex, ClearForgetsOneDeviceOnly) {
  Scene s;
  s.insert(0, "abc"), s.insert(1, "abd");
  s.index.clear(device(0), Time(5), Source::report);
  EXPECT_EQ(s.index.held(device(0)), 0u);
  EXPECT_EQ(s.match("abd"), (std::vector<Holder>{{device(1), 3}}));
  EXPECT_EQ(s.index.counts().blocks, 3u);
}

TEST(PrefixIndex, EachSourceHasItsAge) {
  Scene s;
  using Ages = PrefixIndex::Ages;
  EXPECT_EQ(s.index.ages(device(0)).placed, Ages::kNever);
  EXPECT_EQ(s.index.ages(device(0)).reported, Ages::kNever);
  s.index.insert(device(0), chain("ab"), Time(7), Source::placement);
  s.index.remove(device(0), chain("q"), Time(9), Source::report);
  s.index.remove(device(0), chain("q"), Time(8), Source::report);  // a report overtaken by a later one
  EXPECT_EQ(s.index.ages(device(0)).placed, Time(7));
  EXPECT_EQ(s.index.ages(device(0)).reported, Time(9));
  EXPECT_EQ(s.index.ages(device(1)).placed, Ages::kNever);
}

// ---- what no caller should do --------------------------------------------------------------------------------------

TEST(PrefixIndex, AContradictionIsCutThereAndCounted) {
  Scene s;
  const Chain a = {{1}, {2}, {3}}, b = {{9}, {2}, {4}}, c = {{7}, {8}, {7}};
  const auto insert = [&](const Chain& x) { return s.index.insert(device(0), x, Time(0), Source::report); };
  insert(a);
  EXPECT_EQ(insert(b), 1u);
  EXPECT_EQ(insert(c), 2u);
  EXPECT_EQ(s.index.counts().contradictions, 2u);
  EXPECT_EQ(s.index.blocks_held(device(0), a), 3u);
}

TEST(PrefixIndex, SurvivesChainsThatAreNone) {
  for (Seed seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(seed);
    Rng rng(seed);
    PrefixIndex index({.holdings = 50, .devices = 4});
    index.set_capacity(device(0), 9);
    for (int step = 0; step < 3000; ++step) {
      Chain junk(rng.below(12));
      for (BlockHash& b : junk) b.bits = rng.below(40);
      const DeviceId d = device(static_cast<std::uint32_t>(rng.below(4)));
      switch (rng.below(8)) {
        case 0: index.remove(d, junk, Time(step), Source::report); break;
        case 1: index.extend(d, {rng.below(40)}, junk, Time(step), Source::report); break;
        default: index.insert(d, junk, Time(step), Source::report);
      }
      EXPECT_LE(index.match(junk).size, PrefixMatch::kMost);
      if (step % 50 == 0) index.audit();
    }
    index.audit();
    EXPECT_GT(index.counts().contradictions, 0u);
  }
}

// ---- any history ---------------------------------------------------------------------------------------------------

struct World {
  Rng rng;
  std::vector<Chain> prompts;  // paths of one random tree, so that they share beginnings

  explicit World(Seed seed) : rng(seed) {
    for (int i = 0; i < 40; ++i) {
      Chain c;
      if (!prompts.empty() && rng.below(8) > 0) {
        const Chain& from = prompts[rng.below(prompts.size())];
        c.assign(from.begin(), from.begin() + static_cast<std::ptrdiff_t>(rng.below(from.size() + 1)));
      }
      for (std::uint64_t n = 1 + rng.below(rng.below(4) == 0 ? 70 : 6); n > 0; --n) c.push_back({rng.next()});
      prompts.push_back(c);
    }
  }
  Chain draw() {
    Chain c = prompts[rng.below(prompts.size())];
    if (rng.below(3) == 0) c.resize(rng.below(c.size() + 1));
    return c;
  }
};

void same(const PrefixMatch& a, const PrefixMatch& b) {
  EXPECT_EQ(listed(a), listed(b));
  EXPECT_EQ(a.unlisted, b.unlisted);
  EXPECT_EQ(a.unlisted_blocks, b.unlisted_blocks);
}

struct Size {
  std::uint32_t holdings, devices, capacity;
};

// What the histories must have met, so that agreeing with the model says something.
struct Met {
  std::uint64_t many = 0, out_of_room = 0, out_of_pool = 0, cut = 0, depths = 0, extended = 0, removed = 0;
};

void one_history(Seed seed, const Size& size, Met& met) {
  SCOPED_TRACE(testing::Message() << "seed " << seed << " holdings " << size.holdings << " devices " << size.devices
                                  << " capacity " << size.capacity);
  World w(seed);
  PrefixIndex index({.holdings = size.holdings, .devices = size.devices});
  prefix_model::Model model(size.holdings, size.devices);
  for (std::uint32_t d = 0; d < size.devices; d += 2)
    index.set_capacity(device(d), size.capacity), model.set_capacity(d, size.capacity);
  for (int step = 0; step < 800 && !testing::Test::HasFailure(); ++step) {
    const std::uint32_t d = static_cast<std::uint32_t>(w.rng.below(size.devices));
    const Chain c = w.draw();
    const std::uint64_t what = w.rng.below(100);
    if (what < 80) {
      const std::uint32_t got = index.insert(device(d), c, Time(step), Source::placement);
      EXPECT_EQ(got, model.insert(d, c));
      met.cut += got < c.size();
    } else if (what < 88 && !c.empty()) {
      // The same as the insert of the whole chain where its first part is held, and nothing where it is not.
      const std::size_t cut = 1 + w.rng.below(c.size());
      const bool known = model.blocks_held(d, c) >= cut;
      const Chain rest(c.begin() + static_cast<std::ptrdiff_t>(cut), c.end());
      const std::uint32_t got = index.extend(device(d), c[cut - 1], rest, Time(step), Source::report);
      EXPECT_EQ(got, known ? model.insert(d, c) - cut : 0);
      met.extended += got;
    } else if (what < 97 && !c.empty()) {
      const BlockHash b = c[w.rng.below(c.size())];
      const std::uint32_t got = index.remove(device(d), std::vector{b}, Time(step), Source::report);
      EXPECT_EQ(got, model.remove(d, b));
      met.removed += got > 1;
    } else if (what < 98) {
      index.clear(device(d), Time(step), Source::report), model.clear(d);
    } else {
      const auto capacity = static_cast<std::uint32_t>(w.rng.below(size.capacity + 1));
      index.set_capacity(device(d), capacity), model.set_capacity(d, capacity);
    }
    for (int q = 0; q < 3; ++q) {
      const Chain p = w.draw();
      const PrefixMatch m = index.match(p);
      same(m, model.match(p));
      met.many += m.unlisted > 0, met.depths += m.size > 1 && m.holders[m.size - 1].blocks < m.deepest();
      same(m, index.match_by_walk(p));
      const auto any = static_cast<std::uint32_t>(w.rng.below(size.devices));
      EXPECT_EQ(index.blocks_held(device(any), p), model.blocks_held(any, p));
    }
    EXPECT_EQ(index.counts().holdings, model.holdings());
    EXPECT_EQ(index.held(device(d)), model.held(d));
    if (step % 100 == 99) {
      index.audit();
      for (const Chain& p : w.prompts)
        for (const BlockHash b : p) EXPECT_EQ(index.holders(b), model.holders(b));
    }
  }
  met.out_of_room += index.counts().out_of_room, met.out_of_pool += index.counts().out_of_pool;
}

TEST(PrefixIndex, AnyHistoryIsAsInTheNaiveModel) {
  Met met;
  for (Seed seed = 1; seed <= 12; ++seed)
    for (const Size& size : {Size{40, 3, 20}, Size{300, 24, 30}, Size{2000, 40, 400}, Size{5, 2, 4}})
      one_history(seed, size, met);
  for (const std::uint64_t n :
       {met.many, met.out_of_room, met.out_of_pool, met.cut, met.depths, met.extended, met.removed})
    EXPECT_GT(n, 100u);
}

// ---- laws of the room ----------------------------------------------------------------------------------------------

std::uint64_t busy(Seed seed, PrefixIndex& index) {
  Rng rng(seed);
  std::array<BlockHash, 90> c;
  for (int step = 0; step < 2000; ++step) {
    const DeviceId d = device(static_cast<std::uint32_t>(rng.below(30)));
    const std::uint64_t family = rng.below(60), length = 1 + rng.below(c.size());
    for (std::size_t i = 0; i < length; ++i) c[i].bits = mix64(i < 20 ? i : family << 32 | i);
    const std::span<const BlockHash> chain(c.data(), length);
    if (step % 97 == 0) index.clear(d, Time(step), Source::report);
    if (step % 13 == 0) index.remove(d, chain.last(1), Time(step), Source::report);
    index.insert(d, chain, Time(step), Source::placement);
    index.extend(d, chain.front(), chain.subspan(1), Time(step), Source::report);
    index.blocks_held(d, chain);
    if (index.match(chain).size == 0) return 0;
  }
  return index.fingerprint();
}

TEST(PrefixIndex, NeverAllocatesAfterItsConstruction) {
  PrefixIndex index({.holdings = 1500, .devices = 30});
  const std::size_t before = allocations;
  EXPECT_GT(before, 0u) << "nothing is counted";
  busy(1, index);
  EXPECT_EQ(allocations, before);
  EXPECT_GT(index.counts().out_of_room, 0u);
  index.audit();
}

TEST(PrefixIndex, TheSameOperationsGiveTheSameState) {
  PrefixIndex a({.holdings = 1500, .devices = 30}), b({.holdings = 1500, .devices = 30}),
      c({.holdings = 1500, .devices = 30});
  const std::uint64_t first = busy(7, a);
  EXPECT_EQ(first, 8624764411927150212u) << "on every build";
  EXPECT_EQ(first, busy(7, b));
  EXPECT_NE(first, busy(8, c));
  EXPECT_EQ(a.counts(), b.counts());
}

// ---- the table under it --------------------------------------------------------------------------------------------

struct TestSlot {
  using Key = std::uint64_t;
  std::uint64_t key;
  std::uint64_t value;  // 0: empty
  bool empty() const { return value == 0; }
  bool is(Key k) const { return key == k; }
  std::uint64_t spread() const { return spread(key); }
  static std::uint64_t spread(Key k) { return k % 7 << 61; }  // badly: seven homes, the last ones wrap around
};

TEST(ProbeTable, IsAMapHoweverBadlyKeysSpread) {
  for (Seed seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(seed);
    Rng rng(seed);
    ProbeTable<TestSlot> table(48);
    std::map<std::uint64_t, std::uint64_t> map;
    for (int step = 0; step < 3000; ++step) {
      const std::uint64_t key = rng.below(90);
      TestSlot& slot = table.at(key);
      ASSERT_EQ(slot.empty(), !map.contains(key));
      if (!slot.empty() && rng.below(2) == 0) {
        table.erase(slot), map.erase(key);
      } else if (!slot.empty() || map.size() < 48) {
        slot = {key, 1 + rng.below(1000)};
        map[key] = slot.value;
      }
      for (std::uint64_t k = 0; k < 90; ++k) ASSERT_EQ(table.at(k).value, map.contains(k) ? map[k] : 0) << k;
    }
  }
}

}  // namespace
}  // namespace yard
