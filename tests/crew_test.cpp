// A host's crew: pieces are done once, by whoever comes; nobody waits to hand one in, and nothing leaves.
#include <sys/resource.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "scheduler/sync/crew.h"

namespace yard {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

template <class Holds>
void wait_until(Holds holds) {
  while (!holds()) std::this_thread::sleep_for(microseconds(20));
}

void count(Crew::Hand&, void* on) { static_cast<std::atomic<int>*>(on)->fetch_add(1); }

TEST(Crew, DoesWhatIsHandedInAndWhatItStillFindsAtItsEnd) {
  std::atomic<int> done{0};
  {
    Crew crew({.members = 2});
    for (int i = 0; i < 1000; ++i) ASSERT_TRUE(crew.hand_in({count, &done}));
  }
  EXPECT_EQ(done, 1000);
}

// A tree of pieces: each makes two of the next depth, itself where its deque is full.
struct Node {
  std::atomic<int>* done;
  int depth;
  std::array<Node, 2>* children;
};
struct Tree {
  std::atomic<int> done{0};
  std::vector<std::array<Node, 2>> nodes{1 << 12};
  std::atomic<std::size_t> next{0};
  std::vector<Node> roots;
};
Tree* tree = nullptr;
void grow(Crew::Hand& hand, void* on) {
  const Node& node = *static_cast<Node*>(on);
  node.done->fetch_add(1);
  if (node.depth == 0) return;
  std::array<Node, 2>& children = tree->nodes[tree->next.fetch_add(1)];
  for (Node& child : children) {
    child = {node.done, node.depth - 1, nullptr};
    if (!hand.push({grow, &child})) grow(hand, &child);
  }
}

TEST(Crew, PiecesMayMakePieces) {
  for (const std::size_t deque : {1u, 64u}) {
    Tree here;
    tree = &here;
    Node root{&here.done, 10, nullptr};
    {
      Crew crew({.members = 3, .deque = deque});
      ASSERT_TRUE(crew.hand_in({grow, &root}));
      wait_until([&] { return here.done == 2047; });
    }
    EXPECT_EQ(here.done, 2047);
  }
}

// What a seat pushes is stolen while its thread is busy, and is its own to do where nobody came.
TEST(Crew, ASeatsPiecesAreStolenOrItsOwn) {
  std::atomic<int> done{0};
  Crew crew({.members = 1, .seats = 1});
  Crew::Hand& hand = crew.seat(0);
  ASSERT_TRUE(hand.push({count, &done}));
  wait_until([&] { return done == 1; });  // for ever, if nobody came
  int own = 0;
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(hand.push({count, &done}));
  while (hand.do_newest()) ++own;
  wait_until([&] { return done == 101; });
  EXPECT_LE(own, 100);
}

// Two pieces that wait for each other: both members must be at work at once.
TEST(Crew, ASecondPieceWakesASecondMember) {
  Crew crew({.members = 2});
  for (int turn = 0; turn < 200; ++turn) {
    std::atomic<int> there{0};
    const auto meet = [](Crew::Hand&, void* on) {
      auto& n = *static_cast<std::atomic<int>*>(on);
      n.fetch_add(1);
      while (n < 2) std::this_thread::sleep_for(microseconds(5));
      n.fetch_add(1);
    };
    ASSERT_TRUE(crew.hand_in({meet, &there}));
    ASSERT_TRUE(crew.hand_in({meet, &there}));
    wait_until([&] { return there == 4; });
  }
}

TEST(Crew, SaysWhatAPieceThrowsAndGoesOn) {
  std::mutex mutex;
  std::vector<std::string> said;
  std::atomic<int> done{0};
  {
    Crew crew({.members = 1, .log = [&](std::string_view line) {
                 const std::lock_guard lock(mutex);
                 said.emplace_back(line);
                 throw 1;
               }});
    ASSERT_TRUE(crew.hand_in({[](Crew::Hand&, void*) { throw std::runtime_error("broken"); }, nullptr}));
    ASSERT_TRUE(crew.hand_in({[](Crew::Hand&, void*) { throw 7; }, nullptr}));
    ASSERT_TRUE(crew.hand_in({count, &done}));
    wait_until([&] { return done == 1; });
    EXPECT_EQ(crew.thrown(), 2u);
  }
  EXPECT_EQ(said, (std::vector<std::string>{"broken", "an exception that is no std::exception"}));
}

TEST(Crew, AFullHatchRefuses) {
  std::atomic<int> open{0}, done{0};
  Crew crew({.members = 1, .hatch = 2});
  const auto hold = [](Crew::Hand&, void* on) {
    auto& gate = *static_cast<std::atomic<int>*>(on);
    gate.fetch_add(1);
    while (gate < 2) std::this_thread::sleep_for(microseconds(20));
  };
  ASSERT_TRUE(crew.hand_in({hold, &open}));
  wait_until([&] { return open == 1; });
  EXPECT_TRUE(crew.hand_in({count, &done}));
  EXPECT_TRUE(crew.hand_in({count, &done}));
  EXPECT_FALSE(crew.hand_in({count, &done}));
  open.fetch_add(1);
  wait_until([&] { return done == 2; });
  EXPECT_TRUE(crew.hand_in({count, &done}));
}

TEST(Crew, SleepsWhileNothingComes) {
  Spinning spinning(10'000, 1);
  Crew crew({.members = 3, .spinning = &spinning});
  wait_until([&] { return crew.sleepers() == 3; });
  const auto burnt = [] {
    rusage used{};
    getrusage(RUSAGE_SELF, &used);
    return static_cast<std::int64_t>(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1'000'000 + used.ru_utime.tv_usec +
           used.ru_stime.tv_usec;
  };
  const std::int64_t before = burnt();
  std::this_thread::sleep_for(milliseconds(200));
  EXPECT_LT(burnt() - before, 2000) << "1 % of a core";
  EXPECT_EQ(crew.sleepers(), 3u);
}

}  // namespace
}  // namespace yard
