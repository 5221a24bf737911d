// A host's crew: threads that do pieces of CPU work without a deadline, taken from a hatch and stolen from each other.
//
//   Crew crew({.members = 2, .seats = 1});
//   crew.hand_in({.act = hash_prompt, .on = &prompt});  // from any thread; false: full
//   Crew::Hand& hand = crew.seat(0);                    // of a thread of ours that takes part
//   for (Part& part : parts)
//     if (!hand.push({do_part, &part})) do_part(hand, &part);
//   while (hand.do_newest()) {}  // what nobody has stolen
//
// Nothing is allocated for a piece, and nobody waits to hand one in: full is an answer, and who hears it does the piece
// itself, or says so to its own caller. Idle members sleep, after a look as long as `spinning` says.
//
// Threads: hand_in() from any; a Hand's calls from its own thread: a member's during a piece, a seat's from one at a
// time.
// C1  each piece that was taken in is done once, also those that the destructor finds.
// C2  what a piece throws does not leave here: it is said in the log, and counted.
// C3  no wake-up is lost, at most max(1, half) of the members search at one time, and the last one that finds something
//     wakes the next where there is more (sync/pieces.h).
// Progress: hand_in() and push() are lock-free, whoever is stopped wherever: a member that is stopped keeps the piece
// that it is at, and no other.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <thread>
#include <vector>

#include "scheduler/sync/counter.h"
#include "scheduler/sync/pieces.h"
#include "scheduler/sync/spin.h"

namespace yard {

struct CrewOptions {
  std::uint32_t members = 1, seats = 0;
  std::size_t deque = 1024, hatch = 1024;  // pieces that each holds, rounded up to powers of two
  // For each member the other places (members, then seats), nearest first; empty: the next ones first.
  std::vector<std::vector<std::uint32_t>> victims{};
  std::function<void(std::uint32_t member)> at_start{};  // on each member's thread; does not throw
  std::function<void(std::string_view)> log{};           // from any member's thread
  Spinning* spinning = nullptr;                          // outlives the crew; null: members sleep at once
};

class Crew {
 public:
  class Hand;
  struct Piece {
    void (*act)(Hand&, void* on);
    void* on;
  };

  // Who does a piece, and may push others.
  class Hand {
   public:
    Hand(Crew& crew, std::uint32_t place) noexcept : crew_(&crew), place_(place) {}
    // Onto its own deque, for itself or who steals it. Returns: false where that is full; then also for the next pieces
    // of a sixteenth of its capacity, until it has popped one.
    bool push(const Piece& piece) noexcept { return crew_->pieces_.push(place_, piece); }
    // Returns: false where its own deque is empty.
    bool do_newest() noexcept;
    std::uint32_t place() const noexcept { return place_; }

   private:
    Crew* crew_;
    std::uint32_t place_;
  };

  // Errors: std::system_error where no thread can be made, std::bad_alloc.
  explicit Crew(CrewOptions);
  ~Crew();  // does what there is, and joins. Requires: nobody hands in any more, seats' deques are empty
  Crew(const Crew&) = delete;
  Crew& operator=(const Crew&) = delete;

  // Returns: false when full: not taken.
  bool hand_in(const Piece& piece) noexcept { return pieces_.hand_in(piece); }

  // seat: below CrewOptions::seats.
  Hand& seat(std::uint32_t seat) noexcept;

  std::uint32_t members() const noexcept { return pieces_.members(); }
  std::uint32_t sleepers() const noexcept { return pieces_.sleepers(); }  // of a moment ago
  std::uint64_t thrown() const noexcept { return thrown_.count(); }       // pieces that threw, so far

 private:
  void run(std::uint32_t member) noexcept;
  void perform(Hand&, const Piece&) noexcept;

  const CrewOptions options_;
  BasicPieces<Piece> pieces_;
  std::vector<Hand> hands_;  // by place
  Counter thrown_;
  std::vector<std::thread> threads_;
};

}  // namespace yard
