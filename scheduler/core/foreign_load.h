// What others have on served devices, as the engines' own figures say: late, and less what we had there ourselves.
//
//   others' = max(0, the figure - the most that we had there around the time of its measurement)
//
// Around: the wire's delay on either side, in slots of 1/32 of the use-by. What an engine has of ours it was sent
// before and has not answered yet, so nothing of ours is ever taken for others'. Of KV it is what is held beyond what
// we predicted, ours included: a prediction too small is thus corrected. What is older than its use-by counts half, and
// half again with each further one; after the eighth it is forgotten.
//
// Threads: the shard's own. Owns: 64 slots for each served device.
#pragma once
#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "scheduler/core/event.h"
#include "topology/fleet_view.h"

namespace yard {

class ForeignLoad {
 public:
  // Of ours on a device: in flight; of these, without a first token; blocks predicted for them.
  struct Own {
    std::uint32_t sequences = 0, unbegun = 0;
    std::int32_t blocks = 0;
  };
  struct Others {
    std::uint32_t running = 0, waiting = 0;
    std::int32_t blocks = 0;

    std::uint32_t sequences() const { return running + waiting; }
    bool some() const { return running > 0 || waiting > 0 || blocks > 0; }
  };

  explicit ForeignLoad(const FleetView& fleet) : at_(fleet.devices(), kNone) {
    for (const PoolView& pool : fleet.pools)
      for (std::uint32_t d = pool.first_device; d < pool.first_device + pool.devices; ++d) {
        if (pool.kind != PoolKind::served) continue;
        at_[d] = static_cast<std::uint32_t>(engines_.size());
        engines_.push_back({.use_by = std::max(kLeastUseBy, pool.window.use_by), .wire = pool.wire_delay});
      }
  }

  bool any_served() const { return !engines_.empty(); }

  // What we have there from now on.
  void holds(std::uint32_t d, const Own& own, Time now) {
    Engine& e = engines_[at_[d]];
    e.advance(now);
    Own& most = e.slot(e.last);
    most = greatest(most, own);
    e.own = own;
  }

  // Returns: false, and changes nothing, where the device is not a served one, knows it better already, or where it is
  // too old to be compared with what we had there then.
  bool report(const LoadReport& report, Time now) {
    if (at_[report.device.value] == kNone) return false;
    Engine& e = engines_[at_[report.device.value]];
    const Time measured = std::min(report.measured, now);
    e.advance(now);
    if (measured < Time() || measured <= e.measured || e.number(measured - e.wire) <= e.last - kSlots) return false;
    Own own;
    for (std::int64_t k = e.number(measured - e.wire); k <= std::min(e.number(measured + e.wire), e.last); ++k)
      own = greatest(own, e.slot(k));
    const auto beyond = [](auto figure, auto ours) { return figure > ours ? figure - ours : decltype(figure){}; };
    const std::uint32_t all = beyond(sum(report.load.running, report.load.waiting), own.sequences);
    e.others.waiting = std::min(all, beyond(report.load.waiting, own.unbegun));
    e.others.running = all - e.others.waiting;
    e.others.blocks = beyond(report.load.kv_used.count(), own.blocks);
    e.measured = measured;
    return true;
  }

  Others on(std::uint32_t d, Time now) const {
    if (at_[d] == kNone) return {};
    const Engine& e = engines_[at_[d]];
    if (!e.others.some()) return {};
    const std::int64_t halvings = (now - e.measured).count() / e.use_by.count();
    if (halvings > kHalvings) return {};
    return {e.others.running >> halvings, e.others.waiting >> halvings, e.others.blocks >> halvings};
  }

  // Returns: when on() says less by itself; never where it says nothing.
  Time fades_at(std::uint32_t d, Time now) const {
    if (!on(d, now).some()) return Time::never();
    const Engine& e = engines_[at_[d]];
    return e.measured + e.use_by * ((now - e.measured).count() / e.use_by.count() + 1);
  }

  // A prompt of ours was sent there: others' prompts are taken to be like ours (mean, gain 1/16).
  void sends(std::uint32_t d, std::int64_t prompt) {
    std::int64_t& mean = engines_[at_[d]].mean_prompt;  // 1/16 tokens
    mean += prompt - mean / 16;
  }
  std::int64_t mean_prompt(std::uint32_t d) const { return at_[d] == kNone ? 0 : engines_[at_[d]].mean_prompt / 16; }

  // Of the last report: zero where there was none.
  Duration age(std::uint32_t d, Time now) const {
    if (at_[d] == kNone || engines_[at_[d]].measured == kNever) return {};
    return now - engines_[at_[d]].measured;
  }

 private:
  static constexpr std::uint32_t kNone = 0xffff'ffff;
  static constexpr std::int64_t kSlots = 64, kSlotsPerUseBy = 32, kHalvings = 8;
  static constexpr Duration kLeastUseBy = milliseconds(1);
  static constexpr Time kNever = Time(-1'000'000'000'000'000'000);

  struct Engine {
    Duration use_by, wire;
    std::array<Own, kSlots> most = {};  // that we had in each slot of time up to `last`
    std::int64_t last = 0;
    Own own = {};  // now
    Others others = {};
    Time measured = kNever;
    std::int64_t mean_prompt = 0;

    std::int64_t number(Time t) const {
      const std::int64_t width = use_by.count() / kSlotsPerUseBy;
      return t.ns() / width - (t.ns() % width < 0);
    }
    Own& slot(std::int64_t k) { return most[static_cast<std::uint64_t>(k) % kSlots]; }
    void advance(Time now) {
      const std::int64_t k = number(now);
      for (std::int64_t n = std::max(last + 1, k - kSlots + 1); n <= k; ++n) slot(n) = own;
      last = std::max(last, k);
    }
  };

  static Own greatest(const Own& a, const Own& b) {
    return {std::max(a.sequences, b.sequences), std::max(a.unbegun, b.unbegun), std::max(a.blocks, b.blocks)};
  }
  static std::uint32_t sum(std::uint32_t a, std::uint32_t b) { return std::min(a, kMost) + std::min(b, kMost); }
  static constexpr std::uint32_t kMost = 1u << 24;  // sequences that a figure is believed to count

  std::vector<std::uint32_t> at_;  // of a device, among the engines
  std::vector<Engine> engines_;
};

}  // namespace yard
