// Pieces, all of it together: hatch, deques, roster. Who sleeps while there is a piece for it is a deadlock.
#include <array>

#include "scheduler/sync/pieces.h"
#include "tests/models/model.h"

namespace yard::models {
namespace {

using Ours = BasicPieces<std::uint32_t, RelacyAtomics>;

// Pieces are numbers from 1; `written` is what their bringer hands over.
template <std::size_t kPieces>
struct Yard {
  Ours pieces;
  std::array<RelacyAtomics::Var<int>, kPieces + 1> written;
  std::array<int, kPieces + 1> done{};

  explicit Yard(PiecesBounds bounds, std::vector<std::vector<std::uint32_t>> victims)
      : pieces(bounds, std::move(victims)) {}

  void hand_in(std::uint32_t piece) {
    written[piece].set(1);
    expect(pieces.hand_in(piece), "there is room");
  }
  void push(std::uint32_t place, std::uint32_t piece) {
    written[piece].set(1);
    expect(pieces.push(place, piece), "there is room");
  }
  std::uint32_t next(std::uint32_t member) {
    std::uint32_t piece = 0;
    if (!pieces.next(member, piece)) return 0;
    expect(piece >= 1 && piece <= kPieces && written[piece].get() == 1, "what was written before is seen");
    expect(done[piece]++ == 0, "a piece is given out once");
    return piece;
  }
};

// One member, one who hands in.
struct HandIn : rl::test_suite<HandIn, 2>, Yard<1> {
  HandIn() : Yard({.members = 1, .seats = 0, .deque = 1, .hatch = 1, .most_searching = 1}, {{}}) {}
  void thread(unsigned index) {
    if (index == 0) {
      hand_in(1);
    } else {
      expect(next(0) == 1, "the piece");
    }
  }
};

// One member and a seat that pushes.
struct FromASeat : rl::test_suite<FromASeat, 2>, Yard<1> {
  FromASeat() : Yard({.members = 1, .seats = 1, .deque = 1, .hatch = 1, .most_searching = 1}, {{1}}) {}
  void thread(unsigned index) {
    if (index == 0) {
      push(1, 1);
    } else {
      expect(next(0) == 1, "the piece");
    }
  }
};

// A member that is at work pushes a piece and waits for it: the other member must come for it.
struct WhileAtWork : rl::test_suite<WhileAtWork, 2>, Yard<1> {
  WhileAtWork() : Yard({.members = 2, .seats = 0, .deque = 1, .hatch = 1, .most_searching = 1}, {{1}, {0}}) {}
  void thread(unsigned index) {
    if (index == 0) {
      push(0, 1);
    } else {
      expect(next(1) == 1, "the piece");
    }
  }
};

// Two pieces from one seat: two members get one each, though one at a time may search.
struct OneEach : rl::test_suite<OneEach, 3>, Yard<2> {
  OneEach() : Yard({.members = 2, .seats = 1, .deque = 2, .hatch = 1, .most_searching = 1}, {{1, 2}, {0, 2}}) {}
  void thread(unsigned index) {
    if (index == 2) {
      push(2, 1);
      push(2, 2);
    } else {
      expect(next(index) != 0, "a piece");
    }
  }
};

// Three pieces: who comes first may take one along, and then does one only; the other must get what is left, from both.
struct TakenAlong : rl::test_suite<TakenAlong, 3>, Yard<3> {
  TakenAlong() : Yard({.members = 2, .seats = 1, .deque = 4, .hatch = 1, .most_searching = 1}, {{1, 2}, {0, 2}}) {}
  void thread(unsigned index) {
    if (index == 2) {
      for (std::uint32_t piece = 1; piece <= 3; ++piece) push(2, piece);
    } else {
      for (unsigned i = 0; i <= index; ++i) expect(next(index) != 0, "a piece");
    }
  }
};

// Closed: everybody goes, and what there was is done.
struct Closing : rl::test_suite<Closing, 2>, Yard<1> {
  Closing() : Yard({.members = 1, .seats = 0, .deque = 1, .hatch = 1, .most_searching = 1}, {{}}) {}
  void thread(unsigned index) {
    if (index == 0) {
      hand_in(1);
      pieces.close();
    } else {
      expect(next(0) == 1 && next(0) == 0, "the piece, and then none");
    }
  }
};

}  // namespace
}  // namespace yard::models

int main() {
  using namespace yard::models;
  bool all = green<HandIn>("pieces: handed in", {.bound = 2});
  all = green<FromASeat>("pieces: from a seat", {.bound = 2}) && all;
  all = green<WhileAtWork>("pieces: while at work", {.bound = 2}) && all;
  all = green<Closing>("pieces: closing", {.bound = 1}) && all;
  all = green<OneEach>("pieces: one each", {.bound = 0, .times = 200'000}) && all;
  all = green<TakenAlong>("pieces: taken along", {.bound = 0, .times = 200'000}) && all;
  return all ? 0 : 1;
}
