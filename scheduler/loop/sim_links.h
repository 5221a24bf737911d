// The links of a simulated fleet: KV on its way, in virtual time.
//
// A link moves so many at once (LinkView::at_once), those that come first first; each takes its latency and its bytes
// at the link's rate. Faults, for swarms: from an instant on a link is slower, or all that it is given fails.
//
// Threads: one.
#pragma once
#include <cstdint>
#include <vector>

#include "scheduler/core/command.h"
#include "scheduler/core/event.h"
#include "topology/fleet_view.h"

namespace yard {

// From `at` on, moves over the link take so many times as long, or fail when their time is over.
struct LinkFault {
  Time at;
  LinkId link;
  std::uint32_t times = 1;
  bool fails = false;
};

class SimLinks {
 public:
  // Requires: the fleet outlives it; `faults` in order of time.
  explicit SimLinks(const FleetView&, std::vector<LinkFault> faults = {});

  void move(const Move&, Time now);
  Time next() const { return due_.empty() ? Time::never() : due_.front().at; }  // when the next move ends
  // The one of next(); those of one instant by link, then in the order in which they were given. Requires: there is
  // one.
  MoveEnded take();

 private:
  struct Due {
    Time at;
    LinkId link;
    std::uint64_t number;
    MoveEnded end;
    bool operator>(const Due& other) const {
      if (at != other.at) return at > other.at;
      return link != other.link ? link > other.link : number > other.number;
    }
  };
  struct Line {
    std::vector<Time> free_at;  // of each place
    std::uint32_t times = 1;
    bool fails = false;
  };

  const FleetView& fleet_;
  std::vector<Line> lines_;  // by link
  std::vector<LinkFault> faults_;
  std::size_t faults_done_ = 0;
  std::vector<Due> due_;  // a heap, the first on top
  std::uint64_t moves_ = 0;
};

}  // namespace yard
