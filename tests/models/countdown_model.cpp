// Countdown in every interleaving: who waits sleeps until all are done, and sees what they wrote.
#include <array>

#include "scheduler/sync/countdown.h"
#include "tests/models/model.h"

namespace yard::models {
namespace {

struct Set {
  BasicCountdown<RelacyAtomics> countdown;
  std::array<RelacyAtomics::Var<int>, 3> written;
  RelacyAtomics::Atomic<int> open;

  void act(std::size_t piece, DoneBy who) {
    written[piece].set(1);
    countdown.done(who);
  }
};

// Two pieces are others', one is the waiting thread's.
struct Three : rl::test_suite<Three, 3>, Set {
  void before() { countdown.begin(3); }
  void thread(unsigned index) {
    if (index > 0) return act(index, DoneBy::other);
    act(0, DoneBy::waiter);
    countdown.wait();
    for (const auto& w : written) expect(w.get() == 1, "what a piece wrote is seen after the wait");
  }
};

// Twice in a row, with one that is another's; a ring of the first set does not end the second.
struct Twice : rl::test_suite<Twice, 2>, Set {
  void thread(unsigned index) {
    for (int turn = 1; turn <= 2; ++turn) {
      if (index == 0) {
        countdown.begin(2);
        open.store(turn, std::memory_order_release);
        countdown.done(DoneBy::waiter);
        countdown.wait();
        expect(written[static_cast<std::size_t>(turn)].get() == 1, "what a piece wrote is seen after the wait");
      } else {
        while (open.load(std::memory_order_acquire) < turn) RelacyAtomics::pause();
        act(static_cast<std::size_t>(turn), DoneBy::other);
      }
    }
  }
};

}  // namespace
}  // namespace yard::models

int main() {
  using namespace yard::models;
  bool all = green<Three>("countdown: two others", {.bound = 3});
  all = green<Twice>("countdown: twice", {.bound = 3}) && all;
  return all ? 0 : 1;
}
