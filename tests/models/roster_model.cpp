// Roster in every interleaving: who sleeps while there is something to find, and nobody searches, is a deadlock.
#include <array>

#include "scheduler/sync/roster.h"
#include "tests/models/model.h"

namespace yard::models {
namespace {

// Items are flags that are taken by an exchange; what their bringer wrote is read by who takes them.
template <int kItems>
struct Crew {
  BasicRoster<RelacyAtomics> roster{1};
  std::array<RelacyAtomics::Atomic<int>, kItems> there;
  std::array<RelacyAtomics::Var<int>, kItems> written;
  RelacyAtomics::Atomic<int> closed;

  void bring(std::size_t item) {
    written[item].set(1);
    there[item].exchange(1, std::memory_order_seq_cst);
    roster.news();
  }
  void close() {
    closed.store(1, std::memory_order_release);
    roster.news_for_all();
  }

  bool something() {
    for (const auto& item : there)
      if (item.load(std::memory_order_seq_cst) == 1) return true;
    return false;
  }
  int find() {
    for (std::size_t i = 0; i < kItems; ++i) {
      if (there[i].load(std::memory_order_relaxed) != 1) continue;
      if (there[i].exchange(2, std::memory_order_acquire) != 1) continue;
      expect(written[i].get() == 1, "what was written before news() is seen");
      return static_cast<int>(i);
    }
    return -1;
  }
  // As the header says a member does. Returns: an item; -1: closed.
  int next() {
    for (bool searching = roster.search();;) {
      if (searching) {
        if (const int item = find(); item >= 0) {
          if (roster.found() && something()) roster.news();
          return item;
        }
      }
      searching ? roster.rest() : roster.lie_down();
      if (closed.load(std::memory_order_acquire) == 1) return -1;
      if (!something() || !roster.rise()) roster.sleep();
      searching = true;
    }
  }
};

// One member, one item.
struct One : rl::test_suite<One, 2>, Crew<1> {
  void thread(unsigned index) {
    if (index == 0) {
      bring(0);
    } else {
      expect(next() == 0, "the item");
    }
  }
};

// Two members, two items of two bringers: each gets one, though only one may search at a time.
struct OneEach : rl::test_suite<OneEach, 4>, Crew<2> {
  void thread(unsigned index) {
    if (index < 2) {
      bring(index);
    } else {
      expect(next() >= 0, "an item");
    }
  }
};
struct OneEachOfOne : rl::test_suite<OneEachOfOne, 3>, Crew<2> {
  void thread(unsigned index) {
    if (index == 0) {
      bring(0);
      bring(1);
    } else {
      expect(next() >= 0, "an item");
    }
  }
};

// A member that is at work brings an item for another.
struct WhileAtWork : rl::test_suite<WhileAtWork, 3>, Crew<2> {
  void thread(unsigned index) {
    if (index == 0) {
      bring(0);
    } else {
      if (next() == 0) bring(1);
    }
  }
};

// Who is told that it closes does not sleep on, and sees it.
struct Closing : rl::test_suite<Closing, 2>, Crew<1> {
  void thread(unsigned index) {
    if (index == 0) {
      close();
    } else {
      expect(next() == -1, "nothing there");
    }
  }
};
struct ClosingTwo : rl::test_suite<ClosingTwo, 3>, Crew<1> {
  void thread(unsigned index) {
    if (index == 0) {
      bring(0);
      close();
    } else {
      if (next() == 0) next();
    }
  }
};

}  // namespace
}  // namespace yard::models

int main() {
  using namespace yard::models;
  bool all = green<One>("roster: one member");
  all = green<Closing>("roster: closing") && all;
  all = green<OneEachOfOne>("roster: one each", {.bound = 2}) && all;
  all = green<WhileAtWork>("roster: while at work", {.bound = 2}) && all;
  all = green<ClosingTwo>("roster: closing, two members", {.bound = 2}) && all;
  all = green<OneEach>("roster: one each, two bringers", {.bound = 1}) && all;
  return all ? 0 : 1;
}
