// Which devices a sequence may go to, and which of them it goes to: filter, then the policy's scorer.
//
// A device is eligible if it is up, serves the model and may (region, provider, licence), and can hold the sequence to
// its end. Where a primary provider is named, the others' devices are eligible only while none of its own is. Where a
// model has prefill pools, who reads a prompt and who goes on with it are two choices of the same scorer.
#pragma once
#include <optional>
#include <span>
#include <vector>

#include "scheduler/core/class_index.h"
#include "scheduler/core/command.h"
#include "scheduler/core/core.h"
#include "scheduler/core/deadlines.h"
#include "scheduler/core/device.h"
#include "scheduler/core/handoff.h"
#include "scheduler/core/length_mean.h"
#include "scheduler/core/policy.h"
#include "scheduler/core/power.h"
#include "scheduler/core/served.h"
#include "scheduler/core/signals.h"

namespace yard {

class Placement {
 public:
  Placement(const FleetView&, const CostTables&, const PolicySet&, Seed, Devices&, Signals&, const Served&,
            const Power&, PrefixIndex&, const Handoff&, Deadlines&);

  // Returns: why the fleet cannot ever or not now serve it; Reason::none where it is eligible somewhere.
  Reason at_the_door(const Sequence&) const;

  // Returns: the scorer's choice among the eligible devices; with `need_room` among those that have room, too. None if
  // none.
  // `refused`: the scorer would rather not have it served now, or it has a hard deadline and would keep it nowhere
  // (deadlines.h); a sequence that was ever let in is not refused.
  struct Choice {
    DeviceId device;
    bool refused = false;
  };
  Choice place(const Sequence&, Time now, bool need_room);

  const PlacementWays& ways() const { return ways_; }
  void audit() {  // class_index.h, X1. For tests.
    if (!index_) return;
    index_->note(devices_.take_changed(), devices_);
    index_->audit(devices_);
  }

  // Where a sequence that was read on a prefill device goes on: the scorer's choice among the devices to which a link
  // with a place leads, that have room, and whose blocks are free now; not one that went down and came back while its
  // run was open: what it holds goes with the run's end. None if none; `leased_ahead` hears of those that
  // have room, but whose open runs lease its blocks ahead.
  struct Takeover {
    DeviceId device;
    LinkId link;
  };
  template <class LeasedAhead>
  Takeover take_over(const Sequence&, Time now, const LeasedAhead& leased_ahead);
  // Whether any device is up on which it could go on, once it is read on a device of that pool.
  bool goes_on(std::uint32_t pool, const Sequence&) const;
  // Returns: the leading blocks of its prompt that the device keeps, which need not move.
  std::span<const BlockHash> kept(const Sequence&, std::uint32_t device) const;
  std::int64_t bytes_to_move(const Sequence&, std::size_t kept_blocks) const;
  // The most that it may generate on the device; on one that only reads, the most that it may anywhere behind it.
  std::int32_t output_limit(std::uint32_t device, const Sequence&) const;

  // It is bound to the device, which will thus hold its prompt. Returns: how many tokens of it the device is expected
  // to hold already.
  std::int32_t expects_hit(const Sequence&, std::uint32_t device, Time now);

  // Says when its tokens are expected, for Deadlines to learn what became of that. Requires: Deadlines::some(); before
  // it joins the device's line.
  void foretells(std::uint32_t i, const Sequence&, std::uint32_t device, Time now);

  // The device may have let go of prefixes since: what it is believed to hold follows.
  void recount_cached(std::uint32_t device);

  // Returns: until it would have its first token on the device, were it bound there now; an estimate (drain.h).
  Duration first_token_in(const Sequence&, std::uint32_t device, Time now);
  // Returns: how many promises it would cost there, its own and others', 1/65536.
  std::int64_t promises_on(const Sequence&, std::uint32_t device, Time now);

  // Returns: after how long somebody who is refused had better ask again (drain.h). Cost: O(devices of its model).
  Duration come_back_in(const Sequence&, Time now);

  bool eligible_anywhere(const Sequence&) const;
  // Whether the sequence may be on this device at all: the law, whatever fails elsewhere.
  bool allowed(std::uint32_t device, const Sequence& s) const {
    return allowed(fleet_.pools[devices_.pool_of(device)], s);
  }
  void device_changed(std::uint32_t device, bool up);
  void costs_changed(CostRow row) {
    if (index_) index_->costs_changed(row, devices_);
  }
  Tokens expected_output(const Sequence& s) { return mean(s).expected(Tokens(s.max_output)); }
  Tokens expected_output(ModelId m, SloClassId c) const {
    return means_[m.value * fleet_.classes.size() + c.value].expected(Tokens::max());
  }
  // Of a model, by class.
  std::span<const AnswerLengths> answers(ModelId m) const {
    return std::span(lengths_).subspan(m.value * fleet_.classes.size(), fleet_.classes.size());
  }
  // A sequence of which no token was asked says nothing about answers.
  void ended(const Sequence& s) {
    if (s.generates()) mean(s).learn(Tokens(s.generated), lengths_[row_of(s)]);
  }
  std::span<const std::uint32_t> pools_of(ModelId m) const { return models_[m.value].pools; }

 private:
  struct Model {
    std::vector<std::uint32_t> devices, pools;
    Tokens least_context = Tokens::max();  // over its pools: what fits here fits everywhere
    std::uint32_t not_up = 0;
    bool served = false;   // some of its pools are
    bool licensed = true;  // all of its pools are
    bool caches = false;   // some of its pools keep prefixes
    bool roles = false;    // some of its pools read for others
    bool adapts = true;    // all of its pools serve adapters
    Tokens block;          // of a prefix
  };
  Takeover choose_takeover(const Sequence&, Time now);  // of eligible_
  std::uint32_t choose_by_index(const Sequence&, const Ask&, bool hits);
  static bool allowed(const PoolView& pool, const Sequence& s) {
    return s.regions.has(pool.region) && s.providers.has(pool.provider_id) && pool.licensed && adapts(pool, s);
  }
  static bool adapts(const PoolView& pool, const Sequence& s) { return !s.adapter.some() || pool.adapter_slots > 0; }
  bool goes_anywhere(const Sequence&) const;
  bool can_hold(std::uint32_t pool, const Sequence&) const;
  // Which of a model's devices are meant, where its pools have roles.
  enum Part : std::uint32_t { both = 1, prefill = 2, stays = 4, decode = 8, all = both | prefill | decode };
  // What is left out of the eligible devices; every one of them is allowed, up and can hold the sequence.
  struct Filter {
    bool need_room = false;
    bool spare = true;          // what is ejected or closed, and where its last attempt failed
    bool powered = false;       // what is held by its power domain
    bool primary_only = false;  // other providers than its primary
    std::uint32_t parts = all;  // of Part: others than these
  };
  void gather(const Sequence&, Time now, Filter);
  void gather_parts(const Sequence&, Time now, Filter);
  bool stays_at(std::uint32_t device, const Sequence&) const;
  void gather_at_primary(const Sequence&, Time now, Filter);
  bool has_room(std::uint32_t device, const Sequence&, Tokens expected, Time now);
  bool gains(std::uint32_t device, const Sequence&, Time now);
  Ask ask_of(const Sequence&, Time now);
  std::int32_t hit_on(const Sequence&, std::uint32_t device) const;
  void fill_hits(const Sequence&);
  void clear_hits(ModelId);
  const DeviceColumns& seen(Time now);
  void show_loads(const Sequence&);
  void clear_loads(const Sequence&);
  std::size_t row_of(const Sequence& s) const { return s.model.value * fleet_.classes.size() + s.slo.value; }
  LengthMean& mean(const Sequence& s) { return means_[row_of(s)]; }

  const FleetView& fleet_;
  const CostTables& tables_;
  const PolicySet& policies_;
  Devices& devices_;
  Signals& signals_;
  const Served& served_;
  const Power& power_;
  PrefixIndex& prefixes_;
  const Handoff& handoff_;
  Deadlines& deadlines_;
  std::vector<Model> models_;
  std::vector<LengthMean> means_;       // by model and class
  std::vector<AnswerLengths> lengths_;  // likewise
  std::vector<std::uint32_t> round_robin_;
  std::vector<std::uint64_t> chosen_;
  std::vector<std::int32_t> scarcity_;   // by model
  std::vector<std::uint32_t> eligible_;  // scratch
  std::vector<std::uint32_t> in_time_;   // likewise: of these, where a hard deadline is kept
  PrefixMatch match_;                    // likewise
  std::optional<ClassIndex> index_;      // where the scorer has a use for it
  std::vector<std::uint32_t> short_;     // scratch: classes
  PlacementWays ways_;
  PolicyState state_;
};

template <class LeasedAhead>
Placement::Takeover Placement::take_over(const Sequence& s, Time now, const LeasedAhead& leased_ahead) {
  const Tokens expected = expected_output(s);
  eligible_.clear();
  const auto each_with_room = [&](const auto& act) {
    for (const LinkId l : handoff_.links_from(devices_.pool_of(s.device.value))) {
      const std::uint32_t p = handoff_.at(l).to.value;
      const PoolView& facts = fleet_.pools[p];
      if (!handoff_.has_place(l) || !allowed(facts, s) || !can_hold(p, s)) continue;
      for (std::uint32_t d = facts.first_device; d < facts.first_device + facts.devices; ++d)
        if (devices_[d].state == DeviceState::up && !devices_[d].lost && has_room(d, s, expected, now)) act(d, facts);
    }
  };
  each_with_room([&](std::uint32_t d, const PoolView& facts) {
    if (devices_[d].free_blocks >= blocks_for(Tokens(s.context + 1), facts.block_tokens).count())
      eligible_.push_back(d);
  });
  if (!eligible_.empty()) return choose_takeover(s, now);
  each_with_room([&](std::uint32_t d, const PoolView&) { leased_ahead(d); });
  return {};
}

}  // namespace yard
