// The smallest room: units, hashes, randomness, and what a user is told.
#include <gtest/gtest.h>

#include "scheduler/base/hash.h"
#include "scheduler/base/input_error.h"
#include "scheduler/base/rng.h"
#include "scheduler/base/units.h"

namespace yard {
namespace {

TEST(Units, AnEventCarriesTheCeilingOfItsPicoseconds) {
  EXPECT_EQ(ceil_to_ns(Picoseconds(0)).count(), 0);
  EXPECT_EQ(ceil_to_ns(Picoseconds(1)).count(), 1);
  EXPECT_EQ(ceil_to_ns(Picoseconds(1000)).count(), 1);
  EXPECT_EQ(ceil_to_ns(Picoseconds(1001)).count(), 2);
}

TEST(Units, BlocksHoldTheirTokensAndNoBlockIsEmpty) {
  for (int tokens = 0; tokens < 100; ++tokens) {
    const Blocks blocks = blocks_for(Tokens(tokens), Tokens(16));
    EXPECT_GE(blocks.count() * 16, tokens);
    EXPECT_LT((blocks.count() - 1) * 16, tokens == 0 ? 1 : tokens);
  }
}

TEST(Hash, TheOrderOfWordsMatters) {
  DecisionHash a, b;
  a.add(1), a.add(2);
  b.add(2), b.add(1);
  EXPECT_NE(a.value(), b.value());
}

TEST(Rng, IsSplitmix64) {  // first outputs for state 1234567, from the authors' reference program
  Rng rng(1234567);
  EXPECT_EQ(rng.next(), 6457827717110365317ull);
  EXPECT_EQ(rng.next(), 3203168211198807973ull);
}

TEST(Rng, BelowStaysBelow) {
  Rng rng(7);
  for (int i = 0; i < 10'000; ++i) EXPECT_LT(rng.below(13), 13u);
}

TEST(InputError, IsOneLineHoweverHostileTheInput) {
  const InputError e("a\nb.yaml", 3, "key\r", printable("x\0y\nz"), "accepted: w");
  EXPECT_EQ(std::string(e.what()).find('\n'), std::string::npos);
}

TEST(InputError, NamesTheNearestName) {
  const std::string_view names[] = {"h100-sxm", "h200-sxm", "l40s"};
  EXPECT_EQ(nearest("h100_sxm", names), "h100-sxm");
  EXPECT_EQ(nearest("l40", names), "l40s");
}

}  // namespace
}  // namespace yard
