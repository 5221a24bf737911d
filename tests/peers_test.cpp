// The peers' policies: one rule of a formula per test, on columns by hand, its numbers worked out beside it.
#include <gtest/gtest.h>

#include "scheduler/policy/rendezvous.h"
#include "tests/hand_columns.h"

namespace yard {
namespace {

using builders::HandColumns;

// Each of those that tie, about as often; the seed is HandColumns's.
void expect_even(const std::vector<int>& times, int each) {
  for (const int n : times) EXPECT_NEAR(n, each, each / 5);
}

// ---- llm_d ---------------------------------------------------------------------------------------------------------

TEST(LlmD, AQueueIsScoredWithinTheRangeOfTheCandidates) {
  HandColumns h(3);
  h.waiting = {4, 0, 8}, h.kv = {0, 99, 100};
  // Of 0 and 1: 2 * 0 + 2 * 1 = 2 against 2 * 1 + 2 * 0.01 = 2.02.
  EXPECT_EQ(h.choose("llm_d", {0, 1}), 1u);
  // Of all three: 2 * 0.5 + 2 = 3, 2.02 and 0.
  EXPECT_EQ(h.choose("llm_d", {0, 1, 2}), 0u);
}

TEST(LlmD, QueuesThatAreAlikeDecideNothing) {
  HandColumns h(2);
  h.waiting = {7, 7}, h.kv = {2, 1};
  EXPECT_EQ(h.choose("llm_d"), 1u);
}

TEST(LlmD, KvIsAShareOfTheDevicesOwnPool) {
  HandColumns h(2, {.kv_blocks = 100});
  h.given.fleet.pools[1].kv_blocks = Blocks(300);
  h.kv = {50, 140};  // 0.5 and 0.53 free
  EXPECT_EQ(h.choose("llm_d"), 1u);
  h.kv = {50, 160};  // 0.47
  EXPECT_EQ(h.choose("llm_d"), 0u);
}

TEST(LlmD, APrefixWeighsThreeAndKvTwo) {
  HandColumns h(2);
  h.hits = {0, 4}, h.kv = {0, 59};  // 2 against 2 * 0.41 + 3 * 0.4 = 2.02
  EXPECT_EQ(h.choose("llm_d"), 1u);
  h.kv = {0, 61};  // 1.98
  EXPECT_EQ(h.choose("llm_d"), 0u);
}

TEST(LlmD, MatchesWholeBlocksOfThePromptsFirst256) {
  HandColumns h(2, {.kv_blocks = 1000, .block_tokens = 16});
  h.ask.prompt = Tokens(47), h.hits = {16, 31};  // one block of two, both
  expect_even(h.spread("llm_d", 1000), 500);
  h.hits = {16, 32};
  EXPECT_EQ(h.choose("llm_d"), 1u);
  h.ask.prompt = Tokens(10'000), h.hits = {4096, 9'984};  // 256 blocks, both
  expect_even(h.spread("llm_d", 1000), 500);
  h.hits = {4080, 9'984};
  EXPECT_EQ(h.choose("llm_d"), 1u);
}

TEST(LlmD, APromptOfLessThanABlockMatchesNothing) {
  HandColumns h(2, {.kv_blocks = 1000, .block_tokens = 16});
  h.ask.prompt = Tokens(15), h.hits = {0, 15};
  expect_even(h.spread("llm_d", 1000), 500);
}

TEST(LlmD, OfThoseThatTieEachIsAsLikely) {
  HandColumns h(4);
  h.kv = {5, 5, 6, 5};
  const std::vector<int> times = h.spread("llm_d", 3000);
  EXPECT_EQ(times[2], 0);
  expect_even({times[0], times[1], times[3]}, 1000);
}

// ---- dynamo_kv -----------------------------------------------------------------------------------------------------

TEST(DynamoKv, AddsWhatIsToBeReadAndWhatIsHeld) {
  HandColumns h(2);
  h.ask.prompt = Tokens(50);
  // Device 0 reads 30 of its line and 70 of an open prefill, holds 10: (100 + 50) + 10 + 100 = 260.
  h.prefill = {100, 0}, h.waiting_tokens = {30, 0}, h.kv = {10, 209};  // device 1: 50 + 209
  EXPECT_EQ(h.choose("dynamo_kv"), 1u);
  h.kv[1] = 211;
  EXPECT_EQ(h.choose("dynamo_kv"), 0u);
}

TEST(DynamoKv, HoldsALineWholeThoughPartOfItIsCached) {
  HandColumns h(2);
  // To be read 20 of 100: 20 + 10 + 100 = 130.
  h.prefill = {20, 0}, h.waiting_tokens = {100, 0}, h.kv = {0, 119};
  EXPECT_EQ(h.choose("dynamo_kv"), 1u);
  h.kv[1] = 121;
  EXPECT_EQ(h.choose("dynamo_kv"), 0u);
}

TEST(DynamoKv, CreditsTheOverlapWhole) {
  HandColumns h(2);
  h.ask.prompt = Tokens(50), h.hits = {0, 40}, h.kv = {0, 39};  // 50 against 10 + 39
  EXPECT_EQ(h.choose("dynamo_kv"), 1u);
  h.kv[1] = 41;
  EXPECT_EQ(h.choose("dynamo_kv"), 0u);
}

TEST(DynamoKv, OfThoseThatTieEachIsAsLikely) {
  HandColumns h(3);
  h.prefill = {1, 0, 0}, h.kv = {0, 2, 2};  // 1 + 10 + 1, 10 + 2 and 10 + 2
  expect_even(h.spread("dynamo_kv", 3000), 1000);
}

// ---- smg_cache_aware -----------------------------------------------------------------------------------------------

TEST(SmgCacheAware, GoesWhereMoreThanThreeTenthsMatch) {
  HandColumns h(3);
  h.waiting = {0, 5, 9}, h.hits = {0, 3, 2};
  EXPECT_EQ(h.choose("smg_cache_aware"), 0u) << "3 of 10 is not more";
  h.hits = {0, 4, 2};
  EXPECT_EQ(h.choose("smg_cache_aware"), 1u);
}

TEST(SmgCacheAware, LeavesTheMatchOnlyWhereTheLoadIsUnevenByBothBounds) {
  HandColumns h(2);
  h.hits = {0, 10};
  h.running = {0, 64};
  EXPECT_EQ(h.choose("smg_cache_aware"), 1u) << "no more than 64";
  h.running = {0, 65};
  EXPECT_EQ(h.choose("smg_cache_aware"), 0u);
  h.running = {200, 300};
  EXPECT_EQ(h.choose("smg_cache_aware"), 1u) << "no more than 1.5 times";
  h.running = {200, 300}, h.waiting = {0, 1};
  EXPECT_EQ(h.choose("smg_cache_aware"), 0u);
}

TEST(SmgCacheAware, OfShortestQueuesTakesTheOneChosenLeastOften) {
  HandColumns h(3);
  for (const std::uint32_t expected : {0u, 1u, 2u, 0u, 1u}) EXPECT_EQ(h.choose("smg_cache_aware"), expected);
  h.waiting = {1, 1, 0};
  EXPECT_EQ(h.choose("smg_cache_aware"), 2u);
}

TEST(SmgCacheAware, OfEqualMatchesTakesTheLessLoadedThenTheSmallerTree) {
  HandColumns h(4);
  h.hits = {9, 9, 9, 9}, h.running = {1, 0, 0, 0}, h.cached = {1, 5, 4, 4};
  EXPECT_EQ(h.choose("smg_cache_aware"), 2u);
}

// ---- smg_power_of_two ----------------------------------------------------------------------------------------------

TEST(SmgPowerOfTwo, ComparesTheUsageOfTwoDrawnAndTakesTheFirstDrawnOnATie) {
  HandColumns h(4);
  h.given.fleet.pools[3].kv_blocks = Blocks(1000);
  h.kv = {30, 20, 30, 250};  // 0.30, 0.20, 0.30, 0.25
  const std::vector<std::uint32_t> rank = {2, 0, 2, 1};
  Rng rng(5);
  for (int k = 0; k < 200; ++k) {
    const auto first = rng.below(4), second = (first + 1 + rng.below(3)) % 4;
    EXPECT_EQ(h.choose("smg_power_of_two"), rank[first] <= rank[second] ? first : second);
  }
}

TEST(SmgPowerOfTwo, OfOneEligibleDrawsNothing) {
  HandColumns h(3);
  EXPECT_EQ(h.choose("smg_power_of_two", {2}), 2u);
  EXPECT_EQ(h.state.rng.next(), Rng(5).next());
}

// ---- smg_least_load ------------------------------------------------------------------------------------------------

constexpr builders::PoolSpec kThousand = {.kv_blocks = 1000};

TEST(SmgLeastLoad, AddsTimeToDrainAndTheBarrier) {
  HandColumns h(2, kThousand);
  h.kv = {500, 0};  // 0.15 s * 0.5 / 0.5, as long as 300 tokens at 2,000 a second
  h.prefill = {0, 301};
  EXPECT_EQ(h.choose("smg_least_load"), 0u);
  h.prefill = {0, 299};
  EXPECT_EQ(h.choose("smg_least_load"), 1u);
}

TEST(SmgLeastLoad, TakesTheFirstOnATie) {
  HandColumns h(3, kThousand);
  h.kv = {501, 500, 0}, h.prefill = {0, 0, 300};
  EXPECT_EQ(h.choose("smg_least_load"), 1u);
}

TEST(SmgLeastLoad, DrainsAtTheRateAtWhichItGenerates) {
  HandColumns h(2, kThousand);
  // Device 0's two sequences take 1 ms a step: 500 us a token. Device 1's four, 1 ms + 1 KV token * 3 ms: 1 ms a token,
  // and 0.15 s * 1 / 999 of barrier, which is 150 us.
  h.given.costs.rows[0] = StepCost({{8, Picoseconds(1'000'000'000)}}, Picoseconds(0), Picoseconds(0), 8);
  h.given.costs.rows[1] = StepCost({{8, Picoseconds(1'000'000'000)}}, Picoseconds(0), Picoseconds(3'000'000'000), 8);
  h.running = {2, 4}, h.kv = {0, 1};
  h.prefill = {201, 100};  // 100.5 ms against 100.15
  EXPECT_EQ(h.choose("smg_least_load"), 1u);
  h.prefill = {200, 100};
  EXPECT_EQ(h.choose("smg_least_load"), 0u);
}

TEST(SmgLeastLoad, AFullCacheIsTakenFor999Thousandths) {
  HandColumns h(2, kThousand);
  h.kv = {1000, 0};  // 0.15 s * 999 = 149.85 s, as long as 299,700 tokens
  h.prefill = {0, 299'701};
  EXPECT_EQ(h.choose("smg_least_load"), 0u);
  h.prefill = {0, 299'699};
  EXPECT_EQ(h.choose("smg_least_load"), 1u);
}

// ---- least_outstanding_tokens --------------------------------------------------------------------------------------

TEST(LeastOutstandingTokens, CountsWhatIsToBeReadAndWhatIsHeldAndTakesTheLowestIndexOnATie) {
  HandColumns h(3);
  h.prefill = {5, 0, 3}, h.kv = {0, 4, 1}, h.waiting = {0, 9, 0};
  EXPECT_EQ(h.choose("least_outstanding_tokens"), 1u);
  EXPECT_EQ(h.choose("least_outstanding_tokens", {0, 2}), 2u);
  h.prefill[0] = 4;
  EXPECT_EQ(h.choose("least_outstanding_tokens"), 0u);
}

// ---- hashing -------------------------------------------------------------------------------------------------------

TEST(Rendezvous, SharesKeysEvenlyAndMovesOnlyThoseOfADeviceThatGoes) {
  HandColumns h(4);
  std::vector<int> times(4);
  for (std::uint64_t key = 1; key <= 4000; ++key) {
    h.ask.session = key;
    const std::uint32_t before = h.choose("session_sticky"), after = h.choose("session_sticky", {0, 1, 3});
    ++times[before];
    EXPECT_TRUE(before == 2 || after == before) << key;
  }
  expect_even(times, 1000);
}

TEST(SessionSticky, KeepsASessionWhateverTheLoad) {
  HandColumns h(3);
  h.ask.session = 77;
  const std::uint32_t home = h.choose("session_sticky");
  h.waiting[home] = 1000, h.kv[home] = 100;
  EXPECT_EQ(h.choose("session_sticky"), home);
}

TEST(SessionSticky, WithoutASessionTakesTheFewestInFlight) {
  HandColumns h(3);
  h.waiting = {1, 0, 1}, h.running = {1, 1, 0};
  EXPECT_EQ(h.choose("session_sticky"), 1u);
}

// A head whose first device is 0.
HandColumns& at_home_on_0(HandColumns& h) {
  h.ask.prefix_head = 1;
  while (h.choose("bounded_prefix_hash") != 0) ++h.ask.prefix_head;
  return h;
}

TEST(BoundedPrefixHash, KeepsAHeadWhileItsDeviceIsWithinFiveFourthsOfTheMean) {
  HandColumns two(2);
  HandColumns& h = at_home_on_0(two);
  h.waiting = {3, 0}, h.running = {2, 2};  // 5 <= 1.25 * (7 + 1) / 2 = 5
  EXPECT_EQ(h.choose("bounded_prefix_hash"), 0u);
  h.running = {3, 2};  // 6 > 1.25 * 9 / 2 = 5.625
  EXPECT_EQ(h.choose("bounded_prefix_hash"), 1u);
}

TEST(BoundedPrefixHash, GoesDownTheHeadsOrderPastThoseThatAreTooFull) {
  HandColumns three(3);
  HandColumns& h = at_home_on_0(three);
  const auto weight = [&](std::uint32_t d) { return policy::rendezvous_weight(h.ask.prefix_head, d); };
  const std::uint32_t second = weight(1) > weight(2) ? 1 : 2;
  h.running = {100, 3, 3};
  EXPECT_EQ(h.choose("bounded_prefix_hash"), second);
  h.running[second] = 100;
  EXPECT_EQ(h.choose("bounded_prefix_hash"), 3 - second);
}

TEST(BoundedPrefixHash, DrawsAKeyForAnUnknownHead) {
  HandColumns h(4);
  expect_even(h.spread("bounded_prefix_hash", 4000), 1000);
}

}  // namespace
}  // namespace yard
