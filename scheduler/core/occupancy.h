// How long devices stood idle while sequences of their model waited: what I7 counts, per pool, in device-nanoseconds.
//
// Exact, and O(1) per change: a pool's sum is settled whenever its number of idle devices changes, all pools of a model
// whenever that model begins or ceases to have somebody waiting.
#pragma once
#include <vector>

#include "scheduler/base/units.h"
#include "topology/fleet_view.h"

namespace yard {

class Occupancy {
 public:
  explicit Occupancy(const FleetView& fleet) : fleet_(fleet), pools_(fleet.pools.size()), models_(fleet.models.size()) {
    for (std::size_t p = 0; p < pools_.size(); ++p) {
      pools_[p].idle = fleet.pools[p].devices;
      models_[fleet.pools[p].model.value].pools.push_back(static_cast<std::uint32_t>(p));
    }
  }

  std::int64_t waiting(ModelId m) const { return models_[m.value].waiting; }  // bound or not, not admitted
  void waits(ModelId m) { ++models_[m.value].waiting; }
  void waits_no_more(ModelId m) { --models_[m.value].waiting; }
  void idle_changes(std::uint32_t pool, int by, Time now) {
    settle(pool, now);
    pools_[pool].idle += by;
  }
  // Once per tick: who waits within an instant only has not waited.
  void end_of_tick(Time now) {
    for (Model& m : models_)
      if (m.beside_work != (m.waiting > 0)) {
        for (const std::uint32_t p : m.pools) settle(p, now);
        m.beside_work = m.waiting > 0;
      }
  }
  Duration idle(PoolId p, Time now) {
    settle(p.value, now);
    return Duration(pools_[p.value].idle_sum);
  }
  Duration idle_beside_work(PoolId p, Time now) {
    settle(p.value, now);
    return Duration(pools_[p.value].sum);
  }

 private:
  struct Pool {
    std::int64_t idle = 0, sum = 0, idle_sum = 0;
    Time settled;
  };
  struct Model {
    std::int64_t waiting = 0;
    bool beside_work = false;
    std::vector<std::uint32_t> pools;
  };
  void settle(std::uint32_t p, Time now) {
    Pool& pool = pools_[p];
    pool.idle_sum += pool.idle * (now - pool.settled).count();
    if (models_[fleet_.pools[p].model.value].beside_work) pool.sum += pool.idle * (now - pool.settled).count();
    pool.settled = now;
  }

  const FleetView& fleet_;
  std::vector<Pool> pools_;
  std::vector<Model> models_;
};

}  // namespace yard
