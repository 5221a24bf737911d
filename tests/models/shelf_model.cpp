// Shelf in every interleaving, at capacities 1 to 4: an owner that appends, republishes and withdraws against two
// thieves, one of whom may look first. That no word is used that was overwritten, and that none is overwritten by an
// owner who does not know of its take, RelacyAtomics::Word checks in every run.
#include "scheduler/sync/shelf.h"

#include <array>
#include <optional>
#include <string>

#include "tests/models/model.h"

namespace yard::models {
namespace {

using Shelf = BasicShelf<RelacyAtomics>;
constexpr std::uint64_t kIds = 5;

// Id 1 is due after 1 tick and has 1 token, and so on: an entry made of two is recognised.
ShelfEntry entry(std::uint64_t id, std::uint64_t due) {
  return {id, Time(static_cast<std::int64_t>(due * 4096)), Tokens(static_cast<std::int32_t>(10 * id + due))};
}
bool whole(const ShelfEntry& e) {
  return e.id() >= 1 && e.id() < kIds && e == entry(e.id(), static_cast<std::uint64_t>(e.deadline().ns()) / 4096);
}

// What became of each id: the law of S1.
template <class Suite, int threads>
struct ShelfSuite : rl::test_suite<Suite, threads> {
  Shelf shelf;
  std::array<RelacyAtomics::Var<int>, kIds> written;  // before its publish()
  std::array<int, kIds> published{}, taken{}, withdrawn{}, given_back{};

  explicit ShelfSuite(std::size_t capacity, std::uint64_t places = 8) : shelf(capacity, places) {}

  void publish(std::uint64_t id, std::uint64_t due) {
    written[id].set(1);
    ++published[id];
    if (const std::optional<ShelfEntry> back = shelf.publish(entry(id, due))) {
      expect(whole(*back), "an entry is given back whole");
      ++given_back[back->id()];
    }
  }
  void withdraw(std::uint64_t id) { withdrawn[id] += shelf.withdraw(id); }
  void book(const ShelfEntry& e) {
    expect(whole(e), "an entry is taken whole");
    expect(written[e.id()].get() == 1, "what was written before publish() is seen after take() (S3)");
    ++taken[e.id()];
  }
  void take(std::size_t most = 1) {
    std::array<ShelfEntry, 2> out;
    const auto got = shelf.take(std::span(out).first(most));
    for (std::size_t i = 0; i < got.entries; ++i) book(out[i]);
    if (got.entries == 2) expect(!out[1].before(out[0]), "the most urgent come first (S2)");
  }
  void take_one() {
    ShelfEntry out;
    if (shelf.take(out) == Shelf::Answer::taken) book(out);
  }
  void look_and_take() {
    std::array<ShelfEntry, 2> out;
    const Shelf::Seen seen = shelf.look(out);
    for (std::size_t i = 0; i < seen.entries; ++i) expect(whole(out[i]), "an entry is seen whole");
    if (seen.entries == 2) expect(!out[1].before(out[0]), "the most urgent are seen first");
    if (seen.entries > 0 && shelf.take(seen, 1).answer == Shelf::Answer::taken) book(out[0]);
  }
  void after() {
    ShelfEntry last;
    for (std::array<ShelfEntry, 1> out; shelf.take(out).answer == Shelf::Answer::taken;) {
      expect(!out[0].before(last), "what is left is in order (S2)");
      last = out[0];
      book(out[0]);
    }
    for (std::uint64_t id = 1; id < kIds; ++id)
      expect(taken[id] + withdrawn[id] + given_back[id] == published[id], "taken, withdrawn or given back, once (S1)");
  }
};

// Places are written anew by appends: round and round one ring.
template <int thieves>
struct Appends : ShelfSuite<Appends<thieves>, 1 + thieves> {
  Appends() : ShelfSuite<Appends, 1 + thieves>(1) {}
  void thread(unsigned index) {
    if (index > 0) return this->take_one();
    for (std::uint64_t id = 1; id <= 3; ++id) this->publish(id, id);
  }
};

// The places of a ring are used up: the owner turns to the other, and back.
template <int thieves>
struct Turns : ShelfSuite<Turns<thieves>, 1 + thieves> {
  Turns() : ShelfSuite<Turns, 1 + thieves>(1, 1) {}
  void thread(unsigned index) {
    if (index > 0) return this->take();
    for (std::uint64_t id = 1; id <= 3; ++id) this->publish(id, id);
  }
};

// Both rings are written anew: each publication is more urgent than the one before.
template <int thieves>
struct Republications : ShelfSuite<Republications<thieves>, 1 + thieves> {
  Republications() : ShelfSuite<Republications, 1 + thieves>(2) {}
  void thread(unsigned index) {
    if (index > 0) return this->take();
    for (std::uint64_t id = 1; id <= 3; ++id) this->publish(id, 5 - id);
  }
};

// A withdrawal against takes: exactly one of them has it.
template <int thieves>
struct Withdrawals : ShelfSuite<Withdrawals<thieves>, 1 + thieves> {
  Withdrawals() : ShelfSuite<Withdrawals, 1 + thieves>(2) {}
  void before() {
    this->publish(1, 2);
    this->publish(2, 1);
  }
  void thread(unsigned index) {
    if (index > 0) return this->take(2);
    this->withdraw(1);
    this->withdraw(2);
    this->publish(3, 1);
  }
};

// As Withdrawals, of two from the same full ring: the second writes where the first had found them.
template <int thieves>
struct WithdrawalsInARow : ShelfSuite<WithdrawalsInARow<thieves>, 1 + thieves> {
  WithdrawalsInARow() : ShelfSuite<WithdrawalsInARow, 1 + thieves>(4) {}
  void before() {
    for (std::uint64_t id = 1; id <= 4; ++id) this->publish(id, id);
  }
  void thread(unsigned index) {
    if (index == 0) {
      this->withdraw(2);
      this->withdraw(3);
    } else if (index == 1) {
      this->look_and_take();
    } else {
      this->take();
    }
  }
};

// Who looks sees what was on offer at one moment, and takes just that; in the meantime others take, and places are
// written anew: of both rings,
template <int thieves>
struct Looks : ShelfSuite<Looks<thieves>, 1 + thieves> {
  Looks() : ShelfSuite<Looks, 1 + thieves>(2) {}
  void before() {
    this->publish(1, 2);
    this->publish(2, 3);
  }
  void thread(unsigned index) {
    if (index == 0) {
      this->publish(3, 1);
      this->publish(4, 4);
    } else if (index == 1) {
      this->look_and_take();
    } else {
      this->take(2);
    }
  }
};

// of one ring,
template <int thieves>
struct LooksAtAppends : ShelfSuite<LooksAtAppends<thieves>, 1 + thieves> {
  LooksAtAppends() : ShelfSuite<LooksAtAppends, 1 + thieves>(2) {}
  void before() { this->publish(1, 1); }
  void thread(unsigned index) {
    if (index == 0) {
      for (std::uint64_t id = 2; id <= 4; ++id) this->publish(id, id);
    } else if (index == 1) {
      this->look_and_take();
    } else {
      this->take();
    }
  }
};

// and by republications alone.
template <int thieves>
struct LooksAtRings : ShelfSuite<LooksAtRings<thieves>, 1 + thieves> {
  LooksAtRings() : ShelfSuite<LooksAtRings, 1 + thieves>(2) {}
  void before() { this->publish(1, 4); }
  void thread(unsigned index) {
    if (index == 0) {
      this->publish(2, 3);
      this->publish(3, 2);
      this->publish(4, 1);
    } else if (index == 1) {
      this->look_and_take();
    } else {
      this->take();
    }
  }
};

template <template <int> class Suite>
bool both(const std::string& name) {
  const bool one = green<Suite<1>>("shelf: " + name + ", one thief");
  const bool two = green<Suite<2>>("shelf: " + name + ", two thieves");
  return one && two;
}

}  // namespace
}  // namespace yard::models

int main() {
  using namespace yard::models;
  bool all = both<Appends>("appends");
  all &= both<Turns>("turns");
  all &= both<Republications>("republications");
  all &= both<Withdrawals>("withdrawals");
  all &= both<WithdrawalsInARow>("withdrawals in a row");
  all &= both<Looks>("looks");
  all &= both<LooksAtAppends>("looks at appends");
  all &= both<LooksAtRings>("looks at rings");
  return all ? 0 : 1;
}
