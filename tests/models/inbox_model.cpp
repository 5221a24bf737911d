// Inbox in every interleaving, at capacities 1 and 2: producers against a consumer, who steps over places that are
// claimed and not yet written. That no item is written while it is read, RelacyAtomics::Var checks in every run.
#include "scheduler/sync/inbox.h"

#include <array>
#include <span>
#include <string>

#include "tests/models/model.h"
#include "tests/models/pushed_items.h"

namespace yard::models {
namespace {

constexpr std::size_t kItems = 6;

template <class Suite, int threads>
struct InboxSuite : rl::test_suite<Suite, threads> {
  Inbox<std::uint32_t, RelacyAtomics> inbox;
  PushedItems<kItems> items;
  RelacyAtomics::Atomic<std::uint32_t> told{0};

  explicit InboxSuite(std::size_t capacity) : inbox(capacity) {}

  // As PushedItems::ends(). `must`: by what is known, there is room.
  std::uint32_t push(std::uint32_t item, std::uint32_t known = 0, bool must = false) {
    items.begins(item, known);
    const bool in = inbox.push(item);
    expect(in || !must, "there is room where fewer than capacity() are inside (N3)");
    return items.ends(item, in, known);
  }
  std::size_t drain(std::size_t most) { return items.drain(inbox, most); }
  void drain_rest() { items.drain_rest(inbox); }
};

// Neither waits for the other, wherever that one stopped, and all comes out.
struct OneEach : InboxSuite<OneEach, 3> {
  OneEach() : InboxSuite(2) {}
  void thread(unsigned index) {
    if (index > 0) {
      push(index - 1, 0, true);
    } else {
      drain(2);
      drain(2);
    }
  }
  void after() { drain_rest(); }
};

// One place: round and round, full is said, and stays true until the item is drained.
struct OnePlace : InboxSuite<OnePlace, 3> {
  OnePlace() : InboxSuite(1) {}
  void thread(unsigned index) {
    if (index > 0) {
      push(2 * index - 1, push(2 * index - 2));
      return;
    }
    drain(1);
    drain(1);
  }
  void after() { drain_rest(); }
};

// Two places that two producers come round to: those stepped over are bound anew, and so are the spare slots.
struct Rounds : InboxSuite<Rounds, 3> {
  Rounds() : InboxSuite(2) {}
  void thread(unsigned index) {
    if (index > 0) {
      push(2 * index - 1, push(2 * index - 2));
    } else {
      for (int i = 0; i < 3; ++i) drain(2);
    }
  }
  void after() { drain_rest(); }
};

// Who knows of a drain knows of the room.
struct Room : InboxSuite<Room, 3> {
  RelacyAtomics::Atomic<int> freed{0};

  Room() : InboxSuite(2) {}
  void before() { push(0, 0, true); }
  void thread(unsigned index) {
    if (index == 0) {
      if (drain(2) > 0) freed.store(1, std::memory_order_release);
      drain(2);
    } else if (index == 1) {
      push(1, 1);
    } else {
      push(2, 1, freed.load(std::memory_order_acquire) == 1);
    }
  }
  void after() { drain_rest(); }
};

// One who knows of another's push, which may have been stepped over before it ended, comes behind it.
struct Order : InboxSuite<Order, 3> {
  Order() : InboxSuite(4) {}
  void thread(unsigned index) {
    if (index == 0) {
      drain(1);
      drain(2);
      drain(2);
    } else if (index == 1) {
      told.store(push(0), std::memory_order_release);
    } else {
      push(2, push(1, told.load(std::memory_order_acquire)) | told.load(std::memory_order_acquire));
    }
  }
  void after() { drain_rest(); }
};

}  // namespace
}  // namespace yard::models

int main() {
  using namespace yard::models;
  bool all = green<OneEach>("inbox: one item each", {.bound = 2});
  all &= green<OnePlace>("inbox: one place", {.bound = 1});
  all &= green<Rounds>("inbox: rounds", {.bound = 1});
  all &= green<Room>("inbox: room", {.bound = 1});
  all &= green<Order>("inbox: order", {.bound = 1});
  all &= green<Rounds>("inbox: rounds", {.times = 200'000});
  return all ? 0 : 1;
}
