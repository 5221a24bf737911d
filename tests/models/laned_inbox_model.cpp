// LanedInbox in every interleaving: lanes and ring are one queue to whoever knows of an order, nothing is forgotten,
// and who drains and then parks is woken. In place of lane.h's queue, which is Boost's, one with the same contract.
#include "scheduler/sync/laned_inbox.h"

#include <array>
#include <span>

#include "scheduler/sync/parking.h"
#include "tests/models/model.h"
#include "tests/models/pushed_items.h"

namespace yard::models {
namespace {

constexpr std::size_t kItems = 4;

template <class T>
class SmallLane {
 public:
  explicit SmallLane(std::size_t) {}
  bool push(const T& item) {
    const std::uint32_t at = pushed_.load(std::memory_order_relaxed);
    if (at - popped_.load(std::memory_order_acquire) == 2) return false;
    items_[at % 2].set(item);
    pushed_.store(at + 1, std::memory_order_release);
    return true;
  }
  std::size_t available() const {
    return pushed_.load(std::memory_order_acquire) - popped_.load(std::memory_order_relaxed);
  }
  T front() { return items_[popped_.load(std::memory_order_relaxed) % 2].get(); }
  template <class Take>
  void pop_by(const Take& take) {
    take(front());
    popped_.store(popped_.load(std::memory_order_relaxed) + 1, std::memory_order_release);
  }

 private:
  std::array<RelacyAtomics::Var<T>, 2> items_;
  RelacyAtomics::Atomic<std::uint32_t> pushed_{0}, popped_{0};
};

template <class Suite, int threads>
struct Lanes : rl::test_suite<Suite, threads> {
  LanedInbox<std::uint32_t, RelacyAtomics, SmallLane> inbox{2};
  PushedItems<kItems> items;

  Lanes() {
    for (const std::uint32_t lane : {0u, 1u}) inbox.make_lane(lane, 2);
  }

  // As PushedItems::ends().
  std::uint32_t through_ring(std::uint32_t item, std::uint32_t known = 0) {
    items.begins(item, known);
    return ends(item, inbox.push(item), known);
  }
  std::uint32_t through_lane(std::uint32_t lane, std::uint32_t item, std::uint32_t known = 0) {
    items.begins(item, known);
    return ends(item, inbox.push(lane, item), known);
  }
  std::size_t drain(std::size_t most = 4) { return items.drain(inbox, most); }
  void drain_rest() { items.drain_rest(inbox); }

 private:
  std::uint32_t ends(std::uint32_t item, bool in, std::uint32_t known) {
    expect(in, "there is room");
    return items.ends(item, in, known);
  }
};

// From the ring into a lane and back, by one who knows the order.
struct OneKnows : Lanes<OneKnows, 2> {
  void thread(unsigned index) {
    if (index == 0) {
      drain(1);
      drain();
    } else {
      through_ring(2, through_lane(0, 1, through_ring(0)));
    }
  }
  void after() { drain_rest(); }
};

// From a lane into the ring and back.
struct LaneFirst : Lanes<LaneFirst, 2> {
  void thread(unsigned index) {
    if (index == 0) {
      drain(1);
      drain();
    } else {
      through_lane(0, 2, through_ring(1, through_lane(0, 0)));
    }
  }
  void after() { drain_rest(); }
};

// One cancels, through the ring, what another has submitted through its lane; and one submits where another's news of
// the former tenant went through the ring.
template <bool kLaneFirst>
struct AnotherKnows : Lanes<AnotherKnows<kLaneFirst>, 3> {
  RelacyAtomics::Atomic<std::uint32_t> told{0};
  void thread(unsigned index) {
    if (index == 0) {
      this->drain(1);
      this->drain();
    } else if (index == 1) {
      told.store(kLaneFirst ? this->through_lane(0, 0) : this->through_ring(0), std::memory_order_release);
    } else {
      const std::uint32_t known = told.load(std::memory_order_acquire);
      kLaneFirst ? this->through_ring(1, known) : this->through_lane(1, 1, known);
    }
  }
  void after() { this->drain_rest(); }
};

// One that stops within its push into the ring hides no lane's item: who drains comes to it.
struct PastAStopped : Lanes<PastAStopped, 3> {
  RelacyAtomics::Atomic<std::uint32_t> told{0};
  void thread(unsigned index) {
    if (index == 0) {
      if (told.load(std::memory_order_acquire) != 0) expect(drain() > 0, "what was pushed is there");
    } else if (index == 1) {
      through_ring(0);
    } else {
      told.store(through_lane(0, 1), std::memory_order_release);
    }
  }
  void after() { drain_rest(); }
};

// Who drains until nothing is there and then parks is woken: asleep for good is a deadlock, red.
struct Parked : Lanes<Parked, 3> {
  BasicParking<RelacyAtomics> parking;
  void thread(unsigned index) {
    if (index == 0) {
      for (std::size_t n = 0; n < 3;) {
        const std::size_t some = drain();
        if (some == 0) parking.wait_until(kForever);
        n += some;
      }
    } else if (index == 1) {
      through_lane(0, 0);
      parking.ring();
      through_lane(0, 1);
      parking.ring();
    } else {
      through_ring(2);
      parking.ring();
    }
  }
  void after() { drain_rest(); }
};

}  // namespace
}  // namespace yard::models

int main() {
  using namespace yard::models;
  bool all = green<OneKnows>("laned_inbox: ring, lane, ring", {.bound = 3});
  all &= green<LaneFirst>("laned_inbox: lane, ring, lane", {.bound = 3});
  all &= green<AnotherKnows<true>>("laned_inbox: another knows of a lane's", {.bound = 1});
  all &= green<AnotherKnows<false>>("laned_inbox: another knows of the ring's", {.bound = 1});
  all &= green<PastAStopped>("laned_inbox: past one that stopped", {.bound = 2});
  all &= green<Parked>("laned_inbox: parked", {.bound = 1});
  return all ? 0 : 1;
}
