// Names of prompt blocks: what they share and what they do not.
#include "scheduler/base/block_hash.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <bit>
#include <set>
#include <string>
#include <vector>

#include "scheduler/base/rng.h"

namespace yard {
namespace {

using Tokens32 = std::vector<std::int32_t>;
using Hashes = std::vector<BlockHash>;

Tokens32 some_tokens(std::size_t n, Seed seed = 1) {
  Rng rng(seed);
  Tokens32 tokens(n);
  for (auto& t : tokens) t = static_cast<std::int32_t>(rng.below(128'000));
  return tokens;
}

Hashes of(const BlockHasher& hasher, const Tokens32& tokens) {
  Hashes out(tokens.size() / hasher.block_tokens() + 1);
  out.resize(hasher.of_tokens(tokens, out));
  return out;
}

Hashes of(const BlockHasher& hasher, std::string_view text) {
  Hashes out(text.size() / hasher.block_bytes() + 1);
  out.resize(hasher.of_text(text, out));
  return out;
}

bool share_any(const Hashes& a, const Hashes& b) {
  const std::set<BlockHash> all(a.begin(), a.end());
  for (const BlockHash h : b)
    if (all.contains(h)) return true;
  return false;
}

constexpr BlockHasher::Key kKey{.salt = 42, .model = ModelId{3}, .block_tokens = 64};

TEST(BlockHash, NamesWholeBlocksOnly) {
  const BlockHasher hasher(kKey);
  EXPECT_EQ(of(hasher, some_tokens(63)).size(), 0u);
  EXPECT_EQ(of(hasher, some_tokens(64)).size(), 1u);
  EXPECT_EQ(of(hasher, some_tokens(8191)).size(), 127u);
  EXPECT_EQ(of(hasher, std::string(255, 'x')).size(), 0u);
  EXPECT_EQ(of(hasher, std::string(256, 'x')).size(), 1u);
}

TEST(BlockHash, WritesNoMoreThanThereIsRoomFor) {
  const BlockHasher hasher(kKey);
  Hashes out(5, BlockHash{77});
  EXPECT_EQ(hasher.of_tokens(some_tokens(640), std::span(out).first(3)), 3u);
  EXPECT_EQ(out[3], BlockHash{77});
}

TEST(BlockHash, PromptsShareExactlyTheBlocksOfTheirCommonBeginning) {
  for (const std::uint32_t size : {1u, 2u, 3u, 5u, 7u, 8u, 16u, 17u, 64u}) {
    const BlockHasher hasher({.salt = 9, .model = ModelId{0}, .block_tokens = size});
    const Tokens32 a = some_tokens(size * 6);
    for (std::size_t at = 0; at < a.size(); ++at)
      for (const std::int32_t flip : {1, 1 << 16, -1}) {
        Tokens32 b = a;
        b[at] ^= flip;
        const Hashes ha = of(hasher, a), hb = of(hasher, b);
        for (std::size_t i = 0; i < ha.size(); ++i)
          ASSERT_EQ(ha[i] == hb[i], i < at / size) << "size " << size << " token " << at << " block " << i;
      }
  }
}

TEST(BlockHash, TextsShareExactlyTheBlocksOfTheirCommonBeginning) {
  for (const std::uint32_t size : {1u, 3u, 16u}) {
    const BlockHasher hasher({.salt = 9, .model = ModelId{0}, .block_tokens = size});
    std::string a(hasher.block_bytes() * 5, 'a');
    for (std::size_t at = 0; at < a.size(); ++at) {
      std::string b = a;
      b[at] = '\xe9';
      const Hashes ha = of(hasher, a), hb = of(hasher, b);
      for (std::size_t i = 0; i < ha.size(); ++i) ASSERT_EQ(ha[i] == hb[i], i < at / hasher.block_bytes());
    }
  }
}

TEST(BlockHash, OrderWithinABlockCounts) {
  const BlockHasher hasher(kKey);
  const Tokens32 a = some_tokens(64);
  std::set<BlockHash> seen = {of(hasher, a)[0]};
  for (std::size_t i = 0; i < 64; ++i)
    for (std::size_t j = i + 1; j < 64; ++j) {
      Tokens32 b = a;
      std::swap(b[i], b[j]);
      EXPECT_TRUE(seen.insert(of(hasher, b)[0]).second) << i << ' ' << j;
    }
}

TEST(BlockHash, TheSameBlockTwiceHasTwoNames) {
  const Hashes h = of(BlockHasher(kKey), Tokens32(64 * 100, 0));
  EXPECT_EQ(std::set<BlockHash>(h.begin(), h.end()).size(), 100u);
}

TEST(BlockHash, TenantsModelsAndSizesShareNothing) {
  const Tokens32 tokens = some_tokens(64 * 64);
  const Hashes base = of(BlockHasher(kKey), tokens);
  for (BlockHasher::Key other : {BlockHasher::Key{43, kKey.model, 64},
                                 {42, ModelId{4}, 64},
                                 {42, kKey.model, 32},
                                 {42, kKey.model, 128},
                                 {42, kKey.model, 4096}})
    EXPECT_FALSE(share_any(base, of(BlockHasher(other), tokens)));
}

TEST(BlockHash, TextNeverMeetsTokens) {
  const Tokens32 tokens = some_tokens(64 * 8);
  std::string bytes;
  for (const std::int32_t t : tokens)
    for (int i = 0; i < 4; ++i) bytes.push_back(static_cast<char>(t >> 8 * i));
  EXPECT_FALSE(share_any(of(BlockHasher(kKey), tokens), of(BlockHasher(kKey), bytes)));
}

TEST(BlockHash, AnAnswerGoesOnWhereItsPromptEnded) {
  const BlockHasher hasher(kKey);
  const Tokens32 whole = some_tokens(64 * 9);
  const Hashes all = of(hasher, whole);
  Hashes rest(5);
  const std::span<const std::int32_t> answer(whole.data() + 64 * 4, 64 * 5);
  EXPECT_EQ(hasher.of_tokens_after(all[3], answer, rest), 5u);
  EXPECT_TRUE(std::equal(rest.begin(), rest.end(), all.begin() + 4));
}

TEST(BlockHash, OneBitOfAPromptTurnsHalfOfItsName) {
  std::int64_t turned = 0, least = 64, tries = 0;
  for (Seed seed = 1; seed <= 50; ++seed) {
    const BlockHasher hasher({.salt = seed, .model = ModelId{0}, .block_tokens = 16});
    Tokens32 a = some_tokens(16, seed);
    const std::uint64_t before = of(hasher, a)[0].bits;
    for (std::size_t bit = 0; bit < 16 * 32; ++bit) {
      Tokens32 b = a;
      b[bit / 32] = static_cast<std::int32_t>(static_cast<std::uint32_t>(b[bit / 32]) ^ 1u << bit % 32);
      const int n = std::popcount(before ^ of(hasher, b)[0].bits);
      turned += n, least = std::min<std::int64_t>(least, n), ++tries;
    }
  }
  EXPECT_NEAR(static_cast<double>(turned) / static_cast<double>(tries), 32.0, 0.2);
  EXPECT_GE(least, 6);
}

TEST(BlockHash, AMillionLikeBlocksAllDiffer) {
  const BlockHasher hasher({.salt = 0, .model = ModelId{0}, .block_tokens = 4});
  Hashes seen;
  for (std::int32_t a = 0; a < 32; ++a)
    for (std::int32_t b = 0; b < 32; ++b)
      for (std::int32_t c = 0; c < 32; ++c)
        for (std::int32_t d = 0; d < 32; ++d) {
          BlockHash h;
          hasher.of_tokens(std::array{a, b, c, d}, {&h, 1});
          seen.push_back(h);
        }
  std::ranges::sort(seen);
  EXPECT_TRUE(std::ranges::adjacent_find(seen) == seen.end());
}

// A decision: recordings hold these. They are made at compile time here, and must be the same at run time.
constexpr std::uint64_t golden() {
  std::array<std::int32_t, 40> tokens{};
  for (int i = 0; i < 40; ++i) tokens[static_cast<std::size_t>(i)] = i * i - 7;
  std::array<BlockHash, 2> out{};
  BlockHasher({.salt = 1, .model = ModelId{2}, .block_tokens = 19}).of_tokens(tokens, out);
  return out[1].bits;
}

TEST(BlockHash, IsTheSameOnEveryBuild) {
  constexpr std::uint64_t now = golden();
  EXPECT_EQ(now, 12641004920636195638u);
  EXPECT_EQ(golden(), now);
}

}  // namespace
}  // namespace yard
