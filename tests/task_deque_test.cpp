// The task deque's rules one by one, on one thread.
#include <array>
#include <cstdint>
#include <deque>

#include <gtest/gtest.h>

#include "scheduler/base/rng.h"
#include "scheduler/sync/task_deque.h"

namespace yard {
namespace {

struct Pair {
  std::uint64_t first, second;
};

TEST(TaskDeque, PopsTheNewestAndStealsTheOldest) {
  TaskDeque<int> deque(4);
  for (int i = 1; i <= 3; ++i) ASSERT_TRUE(deque.push(i));
  int item = 0;
  ASSERT_TRUE(deque.pop(item));
  EXPECT_EQ(item, 3);
  ASSERT_EQ(deque.steal(item), Steal::item);
  EXPECT_EQ(item, 1);
  ASSERT_TRUE(deque.pop(item));
  EXPECT_EQ(item, 2);
  EXPECT_FALSE(deque.pop(item));
  EXPECT_EQ(deque.steal(item), Steal::empty);
  EXPECT_EQ(item, 2);  // nothing taken, nothing written
}

TEST(TaskDeque, RoundsItsCapacityUpToAPowerOfTwo) {
  EXPECT_EQ(TaskDeque<int>(0).capacity(), 1u);
  EXPECT_EQ(TaskDeque<int>(1).capacity(), 1u);
  EXPECT_EQ(TaskDeque<int>(5).capacity(), 8u);
}

TEST(TaskDeque, FullAnswersFalseAndLosesNothing) {
  TaskDeque<int> deque(4);
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(deque.push(i));
  EXPECT_FALSE(deque.push(99));
  int item = -1;
  ASSERT_EQ(deque.steal(item), Steal::item);
  EXPECT_EQ(item, 0);
  EXPECT_TRUE(deque.push(4));
  EXPECT_FALSE(deque.push(99));
  for (int expected = 4; expected >= 1; --expected) {
    ASSERT_TRUE(deque.pop(item));
    EXPECT_EQ(item, expected);
  }
  EXPECT_FALSE(deque.pop(item));
}

TEST(TaskDeque, SaysWhenItIsEmpty) {
  TaskDeque<int> deque(2);
  EXPECT_TRUE(deque.seems_empty());
  EXPECT_TRUE(deque.empty());
  ASSERT_TRUE(deque.push(1));
  ASSERT_TRUE(deque.push_before_look(2));
  EXPECT_FALSE(deque.push_before_look(3));
  EXPECT_FALSE(deque.seems_empty());
  EXPECT_FALSE(deque.empty());
  int item = 0;
  ASSERT_TRUE(deque.pop(item));
  EXPECT_EQ(item, 2);
  ASSERT_TRUE(deque.pop(item));
  EXPECT_TRUE(deque.seems_empty());
  EXPECT_TRUE(deque.empty());
}

TEST(TaskDeque, CarriesSixteenBytesWhole) {
  TaskDeque<Pair> deque(2);
  ASSERT_TRUE(deque.push({1, ~std::uint64_t{1}}));
  ASSERT_TRUE(deque.push({2, ~std::uint64_t{2}}));
  Pair item{};
  ASSERT_EQ(deque.steal(item), Steal::item);
  EXPECT_EQ(item.first, 1u);
  EXPECT_EQ(item.second, ~std::uint64_t{1});
  ASSERT_TRUE(deque.pop(item));
  EXPECT_EQ(item.first, 2u);
  EXPECT_EQ(item.second, ~std::uint64_t{2});
}

// Any sequence of calls by one thread gives what a std::deque gives.
TEST(TaskDeque, IsAStdDequeOnOneThread) {
  for (const std::size_t capacity : {1u, 2u, 4u, 8u}) {
    TaskDeque<std::uint32_t> deque(capacity);
    std::deque<std::uint32_t> model;
    Rng rng(capacity);
    for (std::uint32_t i = 0; i < 20000; ++i) {
      std::uint32_t item = 0;
      switch (rng.below(3)) {
        case 0:
          ASSERT_EQ(deque.push(i), model.size() < capacity);
          if (model.size() < capacity) model.push_back(i);
          break;
        case 1:
          ASSERT_EQ(deque.pop(item), !model.empty());
          if (model.empty()) break;
          ASSERT_EQ(item, model.back());
          model.pop_back();
          break;
        default:
          ASSERT_EQ(deque.steal(item), model.empty() ? Steal::empty : Steal::item);
          if (model.empty()) break;
          ASSERT_EQ(item, model.front());
          model.pop_front();
      }
      ASSERT_EQ(deque.seems_empty(), model.empty());
    }
  }
}

}  // namespace
}  // namespace yard
