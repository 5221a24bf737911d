// Parking in every interleaving: a consumer that sleeps while there is something for it is a deadlock.
//
// What a producer hands over is read relaxed, so that only the bell orders it: the look after a ring must see it.
#include "scheduler/sync/parking.h"
#include "tests/models/model.h"

namespace yard::models {
namespace {

struct Yard {
  RelacyAtomics::Atomic<int> there[2];

  void produce(std::size_t i, BasicParking<RelacyAtomics>& parking) {
    there[i].store(1, std::memory_order_relaxed);
    parking.ring();
  }
};

// Two producers, one item each; the consumer goes home when it has both.
struct TwoProducers : rl::test_suite<TwoProducers, 3>, Yard {
  BasicParking<RelacyAtomics> parking;

  void thread(unsigned index) {
    if (index > 0) return produce(index - 1, parking);
    bool seen[2] = {};
    while (!seen[0] || !seen[1]) {
      for (std::size_t i = 0; i < 2; ++i) seen[i] = seen[i] || there[i].load(std::memory_order_relaxed) == 1;
      if (seen[0] && seen[1]) break;
      parking.wait_until(kForever);
    }
  }
};

// A deadline that comes while a producer rings: the ring is heard then or at the next wait.
struct AtTheDeadline : rl::test_suite<AtTheDeadline, 2>, Yard {
  BasicParking<RelacyAtomics> parking;

  void thread(unsigned index) {
    if (index > 0) return produce(0, parking);
    parking.wait_until(Deadline{});
    while (there[0].load(std::memory_order_relaxed) == 0) parking.wait_until(kForever);
  }
};

// With a spin before the sleep.
struct Spun : rl::test_suite<Spun, 2>, Yard {
  BasicSpinning<RelacyAtomics> spinning{2, 1};
  BasicParking<RelacyAtomics> parking{&spinning};

  void thread(unsigned index) {
    if (index > 0) return produce(0, parking);
    while (there[0].load(std::memory_order_relaxed) == 0) parking.wait_until(kForever);
  }
};

}  // namespace
}  // namespace yard::models

int main() {
  using namespace yard::models;
  bool all = green<TwoProducers>("parking: two producers");
  all = green<AtTheDeadline>("parking: at the deadline") && all;
  all = green<Spun>("parking: a spin first") && all;
  return all ? 0 : 1;
}
