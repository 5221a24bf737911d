// A simulated engine behind a wire: our own batcher, first come first served, after a delay and before another.
//
// Each device is a Core of its own with one stepped device, so that an engine batches as vLLM's V1 does
// (core/README.md, "Planning one run"): chunked prefill under a token budget, newest-first preemption with recompute.
// What the outer Core is told comes `wire_delay` after it happened; what it asks for arrives as much later.
//
// An engine may have work of others' (PoolView::background), and say what its load is (PoolView::scrape).
//
// Faults, for swarms: a device that is dead answers nothing at all; one that refuses fails every send at once.
//
// Threads: one. Owns the answers' true lengths, as SimStepped does (I8).
#pragma once
#include <deque>
#include <memory>
#include <vector>

#include "scheduler/backend/sim_stepped.h"

namespace yard {

enum class EngineFault : std::uint8_t { none, silent, refuses, throttles };

class SimServed final : public SimDevices {
 public:
  // Requires: all outlive it. Engines are made for the pools of kind `served` only.
  SimServed(const FleetView&, const CostTables&, const Bounds&, Exact);
  ~SimServed() override;

  Time launch(const Launch&, Time) override { CHECK_WHY(false, "a served device is not launched"); }
  Time interrupt(const Interrupt&, Time) override { CHECK_WHY(false, "a served device is not launched"); }
  Time send(const Send&, Time now) override;
  Time abort(const Abort&, Time now) override;
  Time fire(std::uint32_t device, Time now, std::vector<Event>& said) override;
  void arrives(RequestId request, Tokens output, std::span<const BlockHash> prefix) override {
    truth_[request.index] = {output.count(), static_cast<std::uint32_t>(prefix.size()), prefix.data()};
  }

  Time starts(std::uint32_t device) override;
  bool nothing_asked() const override;

  void set_fault(std::uint32_t device, EngineFault);
  Histogram gaps() const;  // of all engines

 private:
  class Engine;
  Engine& engine(std::uint32_t device) { return *engines_[device]; }

  struct Truth {
    std::int32_t output;
    std::uint32_t prefix_blocks;
    const BlockHash* prefix;
  };
  LazyArray<Truth> truth_;                         // by RequestId.index
  std::vector<std::unique_ptr<FleetView>> views_;  // by pool: one stepped device of it
  std::vector<std::unique_ptr<Engine>> engines_;   // by device; none for stepped ones
};

// All devices of a shard, each with those of its kind.
class SimFleet final : public SimDevices {
 public:
  SimFleet(const FleetView&, const CostTables&, const Bounds&, Exact);

  Time launch(const Launch& c, Time now) override { return stepped_.launch(c, now); }
  Time interrupt(const Interrupt& c, Time now) override { return stepped_.interrupt(c, now); }
  Time send(const Send& c, Time now) override { return served_.send(c, now); }
  Time abort(const Abort& c, Time now) override { return served_.abort(c, now); }
  Time fire(std::uint32_t device, Time now, std::vector<Event>& said) override {
    return is_served_[device] ? served_.fire(device, now, said) : stepped_.fire(device, now, said);
  }
  void arrives(RequestId request, Tokens output, std::span<const BlockHash> prefix) override {
    stepped_.arrives(request, output, prefix);
    if (any_served_) served_.arrives(request, output, prefix);
  }

  Time starts(std::uint32_t device) override { return served_.starts(device); }
  bool nothing_asked() const override { return any_served_ && served_.nothing_asked(); }

  SimServed& served() { return served_; }
  Histogram gaps() const;

 private:
  SimStepped stepped_;
  SimServed served_;
  std::vector<bool> is_served_;
  bool any_served_ = false;
};

}  // namespace yard
