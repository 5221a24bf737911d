// What befalls a fleet by its own terms in a simulation: caps of power domains that change, spot devices that are
// reclaimed. Facts of the fleet's file and a seed, whatever Core does.
//
// A spot device is reclaimed once in each n-th of a day (n a day, from the epoch on), at a time drawn for it alone: it
// drains at the notice, is down when the notice is over, and up again after its time away.
//
// Threads: one.
#pragma once
#include <cstdint>
#include <vector>

#include "scheduler/base/heap.h"
#include "scheduler/base/rng.h"
#include "scheduler/core/event.h"
#include "topology/fleet_view.h"

namespace yard {

class SimNews {
 public:
  // Requires: the fleet outlives it.
  SimNews(const FleetView&, Seed);

  Time next() const { return due_.next(); }  // Time::never(): nothing more comes
  Event take();                              // the one of next(). Requires: there is one

 private:
  struct Spot {
    std::uint32_t device;
    const ContractView* contract;
    std::uint64_t reclaims = 0;
    DeviceState is = DeviceState::up;
    Time noticed;
  };
  Time reclaim_of(const Spot&) const;
  Event change(std::uint32_t thing, Spot&);

  const FleetView& fleet_;
  const Seed seed_;
  std::vector<Spot> spots_;
  std::vector<std::size_t> caps_said_;  // by domain
  TimeHeap due_;                        // domains, then spots
};

}  // namespace yard
