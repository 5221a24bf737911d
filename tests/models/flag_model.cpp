// Flag in every interleaving: who sees it up sees what was written before it was raised.
#include "scheduler/sync/flag.h"
#include "tests/models/model.h"

namespace yard::models {
namespace {

struct SeenBefore : rl::test_suite<SeenBefore, 3> {
  BasicFlag<RelacyAtomics> flag;
  RelacyAtomics::Var<int> written{0};

  void thread(unsigned index) {
    if (index == 0) {
      written.set(1);
      flag.raise();
    } else if (flag.up()) {
      expect(written.get() == 1, "what was written before raise() is seen after up()");
    }
  }
};

}  // namespace
}  // namespace yard::models

int main() { return yard::models::green<yard::models::SeenBefore>("flag: seen before") ? 0 : 1; }
