// NumberRing in every interleaving, at capacities 1 and 2; and Hatch, which is made of two of them.
#include <array>

#include "scheduler/sync/hatch.h"
#include "scheduler/sync/number_ring.h"
#include "tests/models/model.h"

namespace yard::models {
namespace {

// Numbers from 1; `written` is what their pushing hands over.
template <int kNumbers, int kCapacity>
struct Ring {
  NumberRing<RelacyAtomics> ring{kCapacity};
  std::array<RelacyAtomics::Var<int>, kNumbers + 1> written;
  std::array<int, kNumbers + 1> taken{};  // the model's own bookkeeping: no step of it

  bool push(std::uint32_t number) {
    written[number].set(static_cast<int>(number));
    return ring.push(number);
  }
  std::uint32_t take() {
    std::uint32_t number = 0;
    if (!ring.take(number)) return 0;
    expect(number >= 1 && number <= kNumbers, "a number that was put in");
    expect(written[number].get() == static_cast<int>(number), "what was written before push() is seen");
    expect(taken[number]++ == 0, "a number is taken once");
    return number;
  }
  void none_left(int pushed) {
    int n = 0;
    while (take()) {}
    for (const int times : taken) n += times;
    expect(n == pushed, "a number is taken in the end");
  }
};

// Two put in, one takes.
struct TwoPut : rl::test_suite<TwoPut, 3>, Ring<2, 2> {
  void thread(unsigned index) {
    if (index < 2) {
      expect(push(index + 1), "there is room");
    } else {
      take();
      take();
    }
  }
  void after() { none_left(2); }
};

// One puts in, two take; their order is that of the puts.
struct TwoTake : rl::test_suite<TwoTake, 3>, Ring<2, 2> {
  std::array<std::uint32_t, 2> first{};
  void before() { expect(push(1), "there is room"); }
  void thread(unsigned index) {
    if (index == 0) {
      expect(push(2), "there is room");
    } else {
      const std::uint32_t one = take(), two = take();
      expect(two == 0 || one < two, "in the order of the puts");
    }
  }
  void after() { none_left(2); }
};

// Both do both, in a ring of one: a place is written again after it was taken.
struct Round : rl::test_suite<Round, 2>, Ring<4, 1> {
  std::array<int, 2> pushed{};
  void thread(unsigned index) {
    for (std::uint32_t i = 1; i <= 2; ++i) {
      pushed[index] += push(2 * index + i);
      take();
    }
  }
  void after() { none_left(pushed[0] + pushed[1]); }
};

// One thread puts in and takes out again, three times; a ring of two is never full then.
struct NeverFull : rl::test_suite<NeverFull, 2>, Ring<4, 2> {
  void thread(unsigned index) {
    if (index == 0) {
      for (std::uint32_t i = 1; i <= 3; ++i) {
        expect(push(i), "full only where so many are in it");
        take();
      }
    } else {
      expect(push(4), "full only where so many are in it");
    }
  }
  void after() { none_left(4); }
};

// The least of it. One takes and puts in, and stops before it moves the tail on, or behind that: who finds what it put
// in, or the tail that it moved, knows of its taking.
struct RoomIsSeen : rl::test_suite<RoomIsSeen, 2>, Ring<3, 2> {
  void before() { expect(push(1), "there is room"); }
  void thread(unsigned index) {
    if (index == 0) take();
    expect(push(2 + index), "full only where so many are in it");
  }
  void after() { none_left(3); }
};

// The same where another has put in what the tail then passes.
struct NeverFullByAnother : rl::test_suite<NeverFullByAnother, 3>, Ring<4, 4> {
  void before() {
    for (std::uint32_t i = 1; i <= 2; ++i) {
      push(i);
      take();
    }
  }
  void thread(unsigned index) {
    if (index == 0) {
      push(3);
      take();
    } else if (index == 1) {
      push(4);
    } else {
      take();
    }
  }
  void after() { none_left(4); }
};

// Who puts in and then looks whether somebody sleeps, and who says that it sleeps and then looks: one sees the other.
struct OneSeesTheOther : rl::test_suite<OneSeesTheOther, 2>, Ring<1, 1> {
  RelacyAtomics::Atomic<int> asleep;
  bool seen = false, found = false;
  void thread(unsigned index) {
    if (index == 0) {
      push(1);
      seen = asleep.load(std::memory_order_seq_cst) == 1;
    } else {
      asleep.fetch_add(1, std::memory_order_seq_cst);
      found = !ring.empty();
    }
  }
  void after() { expect(seen || found, "the sleeper is seen, or sees"); }
};

// A hatch: pieces in cells that go round.
template <int kThreads>
struct Pieces {
  Hatch<int, RelacyAtomics> hatch{2};
  std::array<int, 9> taken{};
  std::array<int, kThreads> pushed{};
  void take() {
    int piece = 0;
    if (hatch.take(piece)) expect(piece >= 1 && piece <= 8 && taken[static_cast<std::size_t>(piece)]++ == 0, "once");
  }
  void none_left() {
    for (int i = 0; i < 4; ++i) take();
    int in = 0, out = 0;
    for (const int n : pushed) in += n;
    for (const int n : taken) out += n;
    expect(in == out, "a piece is taken in the end");
  }
};

struct Through : rl::test_suite<Through, 2>, Pieces<2> {
  void thread(unsigned index) {
    pushed[index] += hatch.push(static_cast<int>(index) + 1);
    take();
  }
  void after() { none_left(); }
};

// More often through the same cells.
struct Again : rl::test_suite<Again, 2>, Pieces<2> {
  void thread(unsigned index) {
    for (int i = 1; i <= 4; ++i) {
      pushed[index] += hatch.push(static_cast<int>(4 * index) + i);
      take();
    }
  }
  void after() { none_left(); }
};

struct ThreeAtOnce : rl::test_suite<ThreeAtOnce, 3>, Pieces<3> {
  void thread(unsigned index) {
    if (index < 2) {
      pushed[index] += hatch.push(static_cast<int>(index) + 1);
    } else {
      take();
      pushed[index] += hatch.push(3);
    }
  }
  void after() { none_left(); }
};

}  // namespace
}  // namespace yard::models

int main() {
  using namespace yard::models;
  bool all = green<OneSeesTheOther>("number_ring: one sees the other");
  all = green<RoomIsSeen>("number_ring: room is seen") && all;
  all = green<TwoPut>("number_ring: two put in", {.bound = 3}) && all;
  all = green<TwoTake>("number_ring: two take", {.bound = 3}) && all;
  all = green<Round>("number_ring: round, capacity 1", {.bound = 3}) && all;
  all = green<NeverFull>("number_ring: never full", {.bound = 3}) && all;
  all = green<NeverFullByAnother>("number_ring: never full, three threads", {.bound = 2}) && all;
  all = green<Through>("hatch: through", {.bound = 2}) && all;
  all = green<Again>("hatch: again", {.bound = 0, .times = 100'000}) && all;
  all = green<ThreeAtOnce>("hatch: three at once", {.bound = 0, .times = 100'000}) && all;
  return all ? 0 : 1;
}
