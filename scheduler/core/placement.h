// Which devices a sequence may go to, and which of them it goes to: filter, then the policy's scorer.
//
// A device is eligible if it is up, serves the model and may (region, provider, licence), and can hold the sequence to
// its end. Where a primary provider is named, the others' devices are eligible only while none of its own is.
#pragma once
#include <span>
#include <vector>

#include "scheduler/core/command.h"
#include "scheduler/core/device.h"
#include "scheduler/core/policy.h"
#include "scheduler/core/power.h"
#include "scheduler/core/served.h"
#include "scheduler/core/signals.h"

namespace yard {

// What was generated so far by requests of one model and class, as an exponential mean (gain 1/64) in 1/256 tokens.
class LengthMean {
 public:
  void learn(Tokens generated) { mean_ += (256 * std::int64_t{generated.count()} - mean_) / 64; }
  Tokens expected(Tokens at_most) const { return std::min(Tokens(std::max<std::int64_t>(1, mean_ / 256)), at_most); }

 private:
  std::int64_t mean_ = 256 * 256;
};

class Placement {
 public:
  Placement(const FleetView&, const CostTables&, const PolicySet&, Seed, Devices&, Signals&, const Served&,
            const Power&, PrefixIndex&);

  // Returns: why the fleet cannot ever or not now serve it; Reason::none where it is eligible somewhere.
  Reason at_the_door(const Sequence&) const;

  // Returns: the scorer's choice among the eligible devices; with `need_room` among those that have room, too. None if
  // none.
  // `refused`: the scorer would rather not have it served now; a sequence that was ever let in is not refused.
  struct Choice {
    DeviceId device;
    bool refused = false;
  };
  Choice place(const Sequence&, Time now, bool need_room);

  // It is bound to the device, which will thus hold its prompt. Returns: how many tokens of it the device is expected
  // to hold already.
  std::int32_t expects_hit(const Sequence&, std::uint32_t device, Time now);

  // Returns: after how long somebody who is refused had better ask again (drain.h). Cost: O(devices of its model).
  Duration come_back_in(const Sequence&, Time now);

  bool eligible_anywhere(const Sequence&) const;
  // Whether the sequence may be on this device at all: the law, whatever fails elsewhere.
  bool allowed(std::uint32_t device, const Sequence& s) const {
    return allowed(fleet_.pools[devices_.pool_of(device)], s);
  }
  void device_changed(std::uint32_t device, bool up);
  Tokens expected_output(const Sequence& s) { return mean(s).expected(Tokens(s.max_output)); }
  Tokens expected_output(ModelId m, SloClassId c) const {
    return means_[m.value * fleet_.classes.size() + c.value].expected(Tokens::max());
  }
  // A sequence of which no token was asked says nothing about answers.
  void ended(const Sequence& s) {
    if (s.max_output > 0) mean(s).learn(Tokens(s.generated));
  }
  Tokens max_context(std::uint32_t device) const { return fleet_.pools[devices_.pool_of(device)].max_context; }
  std::span<const std::uint32_t> pools_of(ModelId m) const { return models_[m.value].pools; }

 private:
  struct Model {
    std::vector<std::uint32_t> devices, pools;
    Tokens least_context = Tokens::max();  // over its pools: what fits here fits everywhere
    std::uint32_t not_up = 0;
    bool served = false;   // some of its pools are
    bool licensed = true;  // all of its pools are
    bool caches = false;   // some of its pools keep prefixes
    Tokens block;          // of a prefix
  };
  static bool allowed(const PoolView& pool, const Sequence& s) {
    return s.regions.has(pool.region) && s.providers.has(pool.provider_id) && pool.licensed;
  }
  bool can_hold(const PoolView&, const Sequence&) const;
  // What is left out of the eligible devices; every one of them is allowed, up and can hold the sequence.
  struct Filter {
    bool need_room = false;
    bool spare = true;          // what is ejected, and where its last attempt failed
    bool powered = false;       // what is held by its power domain
    bool primary_only = false;  // other providers than its primary
  };
  void gather(const Sequence&, Time now, Filter);
  void gather_at_primary(const Sequence&, Time now, Filter);
  bool has_room(std::uint32_t device, const Sequence&, Tokens expected, Time now) const;
  void fill_hits(const Sequence&);
  void clear_hits(ModelId);
  DeviceColumns seen(Time now);
  LengthMean& mean(const Sequence& s) { return means_[s.model.value * fleet_.classes.size() + s.slo.value]; }

  const FleetView& fleet_;
  const CostTables& tables_;
  const PolicySet& policies_;
  Devices& devices_;
  Signals& signals_;
  const Served& served_;
  const Power& power_;
  PrefixIndex& prefixes_;
  std::vector<Model> models_;
  std::vector<LengthMean> means_;  // by model and class
  std::vector<std::uint32_t> round_robin_;
  std::vector<std::uint64_t> chosen_;
  std::vector<std::uint32_t> eligible_;  // scratch
  PrefixMatch match_;                    // likewise
  PolicyState state_;
};

}  // namespace yard
