#include "scheduler/sync/crew.h"

#include <algorithm>
#include <exception>
#include <utility>

#include "scheduler/base/check.h"

namespace yard {
namespace {

// Each member begins with the place after it, so that they do not all look at one.
std::vector<std::vector<std::uint32_t>> round_the_places(std::uint32_t members, std::uint32_t places) {
  std::vector<std::vector<std::uint32_t>> victims(members);
  for (std::uint32_t m = 0; m < members; ++m)
    for (std::uint32_t i = 1; i < places; ++i) victims[m].push_back((m + i) % places);
  return victims;
}

}  // namespace

Crew::Crew(CrewOptions options)
    : options_(std::move(options)),
      pieces_({.members = options_.members,
               .seats = options_.seats,
               .deque = options_.deque,
               .hatch = options_.hatch,
               .most_searching = std::max(1u, options_.members / 2)},
              options_.victims.empty() ? round_the_places(options_.members, options_.members + options_.seats)
                                       : options_.victims,
              options_.spinning) {
  for (std::uint32_t place = 0; place < options_.members + options_.seats; ++place) hands_.emplace_back(*this, place);
  try {
    for (std::uint32_t m = 0; m < options_.members; ++m) threads_.emplace_back([this, m] { run(m); });
  } catch (...) {
    pieces_.close();
    for (std::thread& t : threads_) t.join();
    throw;
  }
}

Crew::~Crew() {
  pieces_.close();
  for (std::thread& t : threads_) t.join();
}

Crew::Hand& Crew::seat(std::uint32_t seat) noexcept {
  CHECK(seat < options_.seats);
  return hands_[options_.members + seat];
}

void Crew::run(std::uint32_t member) noexcept {
  if (options_.at_start) options_.at_start(member);
  for (Piece piece{}; pieces_.next(member, piece);) perform(hands_[member], piece);
}

bool Crew::Hand::do_newest() noexcept {
  Piece piece{};
  if (!crew_->pieces_.pop(place_, piece)) return false;
  crew_->perform(*this, piece);
  return true;
}

void Crew::perform(Hand& hand, const Piece& piece) noexcept {
  const auto say = [this](std::string_view what) {
    thrown_.add();
    if (!options_.log) return;
    try {
      options_.log(what);
    } catch (...) {  // the user's function: what it throws is no business of ours
    }
  };
  try {
    piece.act(hand, piece.on);
  } catch (const std::exception& e) {
    say(e.what());
  } catch (...) {
    say("an exception that is no std::exception");
  }
}

}  // namespace yard
