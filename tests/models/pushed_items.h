// What is known of items that producers push and one drains, in a model: that each comes once, whole, and in the order
// that anybody knew of.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "tests/models/model.h"

namespace yard::models {

template <std::size_t kItems>
struct PushedItems {
  std::array<RelacyAtomics::Var<int>, kItems> written;  // before its push()
  std::array<bool, kItems> pushed{}, drained{};
  std::array<std::uint32_t, kItems> behind{};  // by item: those whose pushes happened before its own began

  void begins(std::uint32_t item, std::uint32_t known) {
    written[item].set(1);
    behind[item] = known;
  }
  // Returns: those whose pushes are known to have ended now. `known`: those of which it was known before.
  std::uint32_t ends(std::uint32_t item, bool in, std::uint32_t known) {
    pushed[item] = in;
    return in ? known | 1u << item : known;
  }
  template <class Inbox>
  std::size_t drain(Inbox& inbox, std::size_t most) {
    std::array<std::uint32_t, 4> out{};
    const std::size_t n = inbox.drain(std::span(out).first(most));
    for (const std::uint32_t item : std::span(out).first(n)) {
      expect(item < kItems && !drained[item], "an item comes once, whole");
      expect(written[item].get() == 1, "what was written before push() is seen after drain() (N2)");
      for (std::size_t b = 0; b < kItems; ++b)
        expect(!(behind[item] >> b & 1) || drained[b], "who happened before another began is drained before it (N1)");
      drained[item] = true;
    }
    return n;
  }
  template <class Inbox>
  void drain_rest(Inbox& inbox) {
    while (drain(inbox, 4) > 0) {}
    for (std::size_t i = 0; i < kItems; ++i) expect(drained[i] == pushed[i], "every item that was pushed comes out");
  }
};

}  // namespace yard::models
