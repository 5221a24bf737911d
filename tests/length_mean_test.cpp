// What is learnt of answers' lengths.
#include <gtest/gtest.h>

#include "scheduler/base/rng.h"
#include "scheduler/core/length_mean.h"

namespace yard {
namespace {

TEST(AnswerLengths, ComeNearTheQuantilesOfWhatIsSeen) {
  Rng rng(11);
  LengthMean mean;
  AnswerLengths lengths = kUnknownAnswers;
  for (int i = 0; i < 5000; ++i) mean.learn(Tokens(static_cast<std::int32_t>(1 + rng.below(800))), lengths);
  for (std::size_t q = 0; q < 4; ++q) {
    const auto truly = static_cast<std::int32_t>(100 + 200 * q);
    EXPECT_GT(lengths.tokens[q], truly * 6 / 10) << q;
    EXPECT_LT(lengths.tokens[q], truly * 14 / 10) << q;
    if (q > 0) {
      EXPECT_GT(lengths.at_work[q], lengths.at_work[q - 1]) << "longer answers are at work longer";
    }
  }
}

TEST(AnswerLengths, AreNeverBelowOneToken) {
  LengthMean mean;
  AnswerLengths lengths = kUnknownAnswers;
  for (int i = 0; i < 1000; ++i) mean.learn(Tokens(0), lengths);
  for (const std::int32_t tokens : lengths.tokens) EXPECT_EQ(tokens, 1);
}

}  // namespace
}  // namespace yard
