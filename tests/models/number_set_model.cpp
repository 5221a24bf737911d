// NumberSet in every interleaving: a number is taken once for all the times it was put in, with what was written
// before.
#include <array>

#include "scheduler/sync/number_set.h"
#include "tests/models/model.h"

namespace yard::models {
namespace {

// Two put in, one of them twice; one takes.
struct TwoPut : rl::test_suite<TwoPut, 3> {
  BasicNumberSet<RelacyAtomics> set;
  std::array<RelacyAtomics::Var<int>, 2> written;
  std::uint64_t found = 0;

  void thread(unsigned index) {
    if (index < 2) {
      written[index].set(1);
      set.add(index);
      if (index == 0) set.add(index);
      return;
    }
    take();
    take();
  }
  void take() {
    const std::uint64_t taken = set.take();
    for (std::size_t i = 0; i < 2; ++i)
      if (taken >> i & 1) expect(written[i].get() == 1, "what was written before add() is seen");
    expect(taken >> 2 == 0, "a number that was put in");
    found |= taken;
  }
  void after() {
    take();
    expect(found == 3, "a number that was put in is taken");
    expect(set.take() == 0, "once");
  }
};

}  // namespace
}  // namespace yard::models

int main() { return yard::models::green<yard::models::TwoPut>("number_set: two put in") ? 0 : 1; }
