// EventCount in every interleaving: who sleeps while its condition holds is a deadlock.
//
// The condition is read relaxed, so that only the event count orders it.
#include "scheduler/sync/event_count.h"
#include "tests/models/model.h"

namespace yard::models {
namespace {

struct Condition {
  BasicEventCount<RelacyAtomics> events;
  RelacyAtomics::Atomic<int> there;
  RelacyAtomics::Var<int> item;

  void produce() {
    item.set(1);
    there.store(1, std::memory_order_relaxed);
    events.notify();
  }
  bool look() { return there.load(std::memory_order_relaxed) == 1; }
  // Waits at most once with a deadline, then without.
  void consume(Deadline first) {
    Deadline deadline = first;
    for (;;) {
      const auto ticket = events.prepare();
      if (look()) {
        events.cancel(ticket);
        break;
      }
      if (events.wait_until(ticket, deadline)) {
        expect(look() && item.get() == 1, "who was released sees what was written before notify()");
        break;
      }
      deadline = kForever;
    }
  }
};

// Two who wait, one who notifies once.
struct TwoWaiters : rl::test_suite<TwoWaiters, 3>, Condition {
  void thread(unsigned index) {
    if (index == 0) {
      produce();
    } else {
      consume(kForever);
    }
  }
};

// One who waits, one who notifies.
struct OneWaiter : rl::test_suite<OneWaiter, 2>, Condition {
  void thread(unsigned index) {
    if (index == 0) {
      produce();
    } else {
      consume(kForever);
    }
  }
};

// One who waits with a deadline, which may come at any time.
struct AtTheDeadline : rl::test_suite<AtTheDeadline, 2>, Condition {
  void thread(unsigned index) {
    if (index == 0) {
      produce();
    } else {
      consume(Deadline{});
    }
  }
};

// Two conditions, notified one after the other by two threads: a waiter that was released, or gave up, leaves nothing
// behind that another's wake-up is lost in.
struct Twice : rl::test_suite<Twice, 3> {
  BasicEventCount<RelacyAtomics> events;
  RelacyAtomics::Atomic<int> there[2];

  void thread(unsigned index) {
    if (index > 0) {
      there[index - 1].store(1, std::memory_order_relaxed);
      events.notify();
      return;
    }
    for (std::size_t i = 0; i < 2; ++i) {
      for (;;) {
        const auto ticket = events.prepare();
        if (there[i].load(std::memory_order_relaxed) == 1) {
          events.cancel(ticket);
          break;
        }
        events.wait(ticket);
      }
    }
  }
};

}  // namespace
}  // namespace yard::models

int main() {
  using namespace yard::models;
  bool all = green<OneWaiter>("event_count: one waiter");
  all = green<AtTheDeadline>("event_count: at the deadline") && all;
  all = green<TwoWaiters>("event_count: two waiters", {.bound = 4}) && all;
  all = green<Twice>("event_count: two conditions", {.bound = 4}) && all;
  return all ? 0 : 1;
}
