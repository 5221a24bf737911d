// TaskDeque in every interleaving, at capacities 2 and 4: each item is taken once, and whoever takes it sees what was
// written before its push.
#include <array>

#include "scheduler/sync/task_deque.h"
#include "tests/models/model.h"

namespace yard::models {
namespace {

// Items are numbers from 1; `written` is what their pushing hands over.
template <int kItems, int kCapacity>
struct Yard {
  TaskDeque<std::uint32_t, RelacyAtomics> deque{kCapacity};
  std::array<RelacyAtomics::Var<int>, kItems + 1> written;
  std::array<int, kItems + 1> taken{};  // the model's own bookkeeping: no step of it

  bool push(std::uint32_t item) {
    written[item].set(static_cast<int>(item));
    return deque.push(item);
  }
  void take(std::uint32_t item) {
    expect(item >= 1 && item <= kItems, "an item that was pushed");
    expect(written[item].get() == static_cast<int>(item), "what was written before push() is seen");
    expect(taken[item]++ == 0, "an item is taken once");
  }
  bool pop() {
    std::uint32_t item = 0;
    if (!deque.pop(item)) return false;
    take(item);
    return true;
  }
  bool steal() {
    std::uint32_t item = 0;
    if (deque.steal(item) != Steal::item) return false;
    take(item);
    return true;
  }
  void none_left() {
    while (pop()) {}
    for (std::size_t i = 1; i <= kItems; ++i) expect(taken[i] == 1, "an item is taken in the end");
  }
};

// Two items lie there; the owner pops them and pushes another, while two thieves steal.
struct TwoThieves : rl::test_suite<TwoThieves, 3>, Yard<3, 2> {
  void before() { expect(push(1) && push(2), "there is room"); }
  void thread(unsigned index) {
    if (index == 0) {
      pop();
      pop();
      expect(push(3), "there is room");
    } else {
      steal();
    }
  }
  void after() { none_left(); }
};

// One thief steals twice: the slots go round while it does.
struct Round : rl::test_suite<Round, 2>, Yard<4, 2> {
  void thread(unsigned index) {
    if (index == 0) {
      for (std::uint32_t item = 1; item <= 4; ++item)
        while (!push(item)) pop();
      pop();
    } else {
      steal();
      steal();
    }
  }
  void after() { none_left(); }
};

// A slot that a thief emptied is written again: full is seen, and when it is not any more, the thief has read.
struct Refill : rl::test_suite<Refill, 2>, Yard<4, 2> {
  bool third = false, fourth = false;

  void thread(unsigned index) {
    if (index == 0) {
      expect(push(1) && push(2), "there is room");
      third = push(3);
      fourth = third && push(4);
    } else {
      steal();
      steal();
    }
  }
  void after() {
    if (!third) expect(push(3) || (pop() && push(3)), "there is room after a pop");
    if (!fourth) expect(push(4) || (pop() && push(4)), "there is room after a pop");
    none_left();
  }
};

// Two threads for one item: the last is taken once, and its slot is written again after it was read.
struct Last : rl::test_suite<Last, 2>, Yard<3, 1> {
  void thread(unsigned index) {
    if (index == 0) {
      for (std::uint32_t item = 1; item <= 3; ++item) {
        expect(push(item), "there is room");
        pop();
      }
    } else {
      steal();
      steal();
    }
  }
  void after() { none_left(); }
};

struct Pair {
  std::uint64_t first = 0, second = 0;
};

// Sixteen bytes travel as two words: never half of one and half of another.
struct Halves : rl::test_suite<Halves, 2> {
  TaskDeque<Pair, RelacyAtomics> deque{1};

  void thread(unsigned index) {
    Pair pair;
    if (index == 0) {
      for (std::uint64_t i = 1; i <= 2; ++i) {
        deque.push({i, i});
        if (deque.pop(pair)) expect(pair.first == pair.second, "both halves are of one item");
      }
    } else if (deque.steal(pair) == Steal::item) {
      expect(pair.first == pair.second, "both halves are of one item");
    }
  }
};

// Who pushes and then looks whether somebody sleeps, and who says that it sleeps and then looks: one sees the other.
struct OneSeesTheOther : rl::test_suite<OneSeesTheOther, 2>, Yard<1, 1> {
  RelacyAtomics::Atomic<int> asleep;
  bool seen = false, found = false;

  void thread(unsigned index) {
    if (index == 0) {
      written[1].set(1);
      expect(deque.push_before_look(1), "there is room");
      seen = asleep.load(std::memory_order_seq_cst) == 1;
    } else {
      asleep.fetch_add(1, std::memory_order_seq_cst);
      found = !deque.empty();
      if (found) steal();
    }
  }
  void after() {
    expect(seen || found, "the sleeper is seen, or sees");
    none_left();
  }
};

}  // namespace
}  // namespace yard::models

int main() {
  using namespace yard::models;
  bool all = green<OneSeesTheOther>("task_deque: one sees the other");
  all = green<TwoThieves>("task_deque: two thieves, two items") && all;
  all = green<Last>("task_deque: the last item, capacity 1") && all;
  all = green<Round>("task_deque: round, capacity 2") && all;
  all = green<Refill>("task_deque: a refilled slot") && all;
  all = green<Halves>("task_deque: halves") && all;
  return all ? 0 : 1;
}
