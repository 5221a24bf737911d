// A small fleet, a Core over it, and hands to drive it by events, one at a time.
//
//   Scene s(Given().pool({.kv_blocks = 20, .max_sequences = 2}));
//   const RequestId a = s.submit({.prompt = 10});
//   const Said said = s.poll();           // a Launch that reads 10 tokens
//   s.end_run(0);                         // it did, and made one token
#pragma once
#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "scheduler/base/check.h"
#include "scheduler/core/core.h"
#include "scheduler/core/ledger.h"
#include "scheduler/policy/registry.h"

namespace yard::builders {

struct PoolSpec {
  std::uint32_t devices = 1;
  std::int32_t kv_blocks = 1000, block_tokens = 1;
  std::uint32_t max_sequences = 8;
  std::int32_t token_budget = 64;
  std::int32_t max_context = 0;  // 0: as much as the KV pool can hold
  std::uint32_t model = 0, region = 0;
  std::int64_t c0 = 1000, c1 = 0, c2 = 0;  // picoseconds
  PoolRole role = PoolRole::both;
};

struct Given {
  FleetView fleet;
  CostTables costs;
  Bounds bounds{.sequences = 64, .events_per_tick = 64, .steps_per_run = 256};
  PolicySet policies = find_policies("round_robin", "fcfs", "arrival");
  Seed seed = 1;

  Given() {
    fleet.models = {{"m0"}, {"m1"}, {"served by nobody"}};
    fleet.tenants = {{.name = "t0"}, {.name = "t1"}};
    fleet.regions = {"r0", "r1", "r2", "r3"};
    fleet.classes.push_back(
        {.name = "standard", .ttft = {}, .ttft_per_token = {}, .tpot = {}, .e2e = {}, .patience = {}});
  }
  Given& pool(const PoolSpec& p) {
    PoolView pool;
    pool.model = ModelId{p.model};
    pool.region = RegionId{p.region};
    pool.cost = CostRow{static_cast<std::uint32_t>(costs.rows.size())};
    pool.first_device = fleet.devices();
    pool.devices = p.devices;
    pool.kv_blocks = Blocks(p.kv_blocks);
    pool.block_tokens = Tokens(p.block_tokens);
    pool.max_sequences = p.max_sequences;
    pool.role = p.role;
    pool.kv_token_bytes = 8;
    pool.token_budget = Tokens(p.token_budget);
    pool.max_context = Tokens(p.max_context ? p.max_context : p.kv_blocks * p.block_tokens + 1);
    costs.rows.push_back(StepCost({{1, Picoseconds(p.c0)}}, Picoseconds(p.c1), Picoseconds(p.c2), p.max_sequences));
    fleet.pools.push_back(pool);
    return *this;
  }
  // Of 8 bytes a token, a nanosecond each.
  Given& link(std::uint32_t from, std::uint32_t to, std::uint32_t at_once = 1, std::int64_t latency_ns = 0) {
    fleet.links.push_back({PoolId{from}, PoolId{to}, at_once, nanoseconds(latency_ns), 8'000'000'000});
    return *this;
  }
  Given& policy(std::string_view scorer, std::string_view order = "fcfs", std::string_view bind = "arrival") {
    policies = find_policies(scorer, order, bind);
    return *this;
  }
  Given& steps_per_run(std::uint32_t n) {
    bounds.steps_per_run = n;
    return *this;
  }
  Given& patience(std::int64_t ns) {
    fleet.classes[0].patience = nanoseconds(ns);
    return *this;
  }
};

// The commands of one poll, kept.
struct Said {
  struct Run {
    RunId run;
    DeviceId device;
    std::uint32_t step_limit;
    BoundBy bound_by;
    std::vector<Slot> slots;
    std::uint32_t loads = 0, found = 0;
    Duration load = {};

    std::int32_t tokens() const {
      std::int32_t sum = 0;
      for (const Slot& slot : slots) sum += std::max(1, slot.prefill.count());
      return sum;
    }
  };
  std::vector<Run> launches;
  std::vector<Interrupt> interrupts;
  std::vector<Finish> finishes;
  std::vector<Move> moves;
  std::vector<Shelve> shelves;
  std::vector<Unshelve> unshelves;
  std::vector<Look> looks;
  std::vector<Take> takes;
  std::vector<PassOn> passed_on;
  std::string order;  // one letter for each, as they were said: L, I, F, M; between shards S, U, looK, T, P

  bool empty() const { return order.empty(); }
  void add(const Command& command) {
    if (const auto* launch = std::get_if<Launch>(&command)) {
      launches.push_back({launch->run,
                          launch->device,
                          launch->step_limit,
                          launch->bound_by,
                          {launch->slots.begin(), launch->slots.end()},
                          launch->loads,
                          launch->found,
                          launch->load});
      order += 'L';
    } else if (const auto* interrupt = std::get_if<Interrupt>(&command)) {
      interrupts.push_back(*interrupt);
      order += 'I';
    } else if (const auto* move = std::get_if<Move>(&command)) {
      moves.push_back(*move);
      order += 'M';
    } else if (const auto* shelve = std::get_if<Shelve>(&command)) {
      shelves.push_back(*shelve);
      order += 'S';
    } else if (const auto* unshelve = std::get_if<Unshelve>(&command)) {
      unshelves.push_back(*unshelve);
      order += 'U';
    } else if (const auto* look = std::get_if<Look>(&command)) {
      looks.push_back(*look);
      order += 'K';
    } else if (const auto* take = std::get_if<Take>(&command)) {
      takes.push_back(*take);
      order += 'T';
    } else if (const auto* pass_on = std::get_if<PassOn>(&command)) {
      passed_on.push_back(*pass_on);
      order += 'P';
    } else {
      finishes.push_back(std::get<Finish>(command));
      order += 'F';
    }
  }
};

class Scene {
 public:
  struct Ask {
    std::int32_t prompt = 10;
    std::int32_t max_output = 5;
    std::uint32_t model = 0, slo = 0, tenant = 0;
    std::uint64_t regions = ~std::uint64_t{0}, providers = ~std::uint64_t{0};
    std::uint32_t primary = ProviderId::kNone;
    std::optional<std::int64_t> arrival = std::nullopt;  // otherwise now
    std::uint32_t answers = 1;
    std::uint32_t adapter = AdapterId::kNone;
  };
  struct Ending {
    std::int32_t steps = 1;  // of a decode run
    std::vector<RequestId> stop = {}, fail = {};
  };

  explicit Scene(const Given& setup)
      : setup_(std::make_unique<Given>(setup)),
        core_(setup_->bounds, setup_->fleet, setup_->costs, setup_->policies, setup_->seed),
        open_(setup_->fleet.devices()) {}

  void at(std::int64_t ns) { now_ = Time(ns); }
  Time now() const { return now_; }
  Core& core() { return core_; }
  const Ledger& ledger() const { return core_.ledger(); }

  RequestId submit(const Ask& ask) {
    RequestId request;
    if (free_.empty()) {
      request = {used_++, 1};
    } else {
      request = {free_.back().index, free_.back().generation + 1};
      free_.pop_back();
    }
    core_.apply(Submitted{.request = request,
                          .model = ModelId{ask.model},
                          .tenant = TenantId{ask.tenant},
                          .slo = SloClassId{ask.slo},
                          .prompt = Tokens(ask.prompt),
                          .max_output = Tokens(ask.max_output),
                          .regions = RegionMask{ask.regions},
                          .providers = ProviderMask{ask.providers},
                          .primary = ProviderId{ask.primary},
                          .arrival = ask.arrival ? Time(*ask.arrival) : now_,
                          .answers = ask.answers,
                          .adapter = AdapterId{ask.adapter}},
                now_);
    return request;
  }
  RequestId submit() { return submit(Ask{}); }
  void cancel(RequestId request) { core_.apply(CancelAsked{request}, now_); }
  void tell(const Event& event) { core_.apply(event, now_); }
  void end_move(const Move& m, MoveEnd how = MoveEnd::arrived) {
    core_.apply(MoveEnded{m.sequence, m.attempt, how}, now_);
  }
  void change(std::uint32_t device, DeviceState state) { core_.apply(DeviceChanged{{device}, state}, now_); }

  Said poll() {
    Said said;
    for (const Command& command : core_.poll(now_)) said.add(command);
    for (const Said::Run& run : said.launches) open_[run.device.value] = run;
    for (const Finish& finish : said.finishes) free_.push_back(finish.request);
    return said;
  }
  Said poll_at(std::int64_t ns) {
    at(ns);
    return poll();
  }

  bool in_run(std::uint32_t device) const { return open_[device].has_value(); }
  const Said::Run& open_run(std::uint32_t device) const { return *open_[device]; }

  // What a device that keeps its promises says at the end of its open run, now.
  RunEnded ending(std::uint32_t device, const Ending& how) {
    CHECK(open_[device]);
    const Said::Run& run = *open_[device];
    ends_.clear();
    for (const Slot& slot : run.slots) ends_.push_back(end_of(slot, how));
    return {.run = run.run,
            .device = run.device,
            .why = RunEnd::step_limit,
            .steps = static_cast<std::uint32_t>(how.steps),
            .energy = {},
            .slots = ends_};
  }
  void end_run(std::uint32_t device, const Ending& how) {
    const RunEnded end = ending(device, how);
    open_[device].reset();
    core_.apply(end, now_);
  }
  void end_run(std::uint32_t device) { end_run(device, Ending{}); }

  // Ends the run and polls, a nanosecond later.
  Said step(std::uint32_t device, const Ending& how) {
    now_ += nanoseconds(1);
    end_run(device, how);
    return poll();
  }
  Said step(std::uint32_t device) { return step(device, Ending{}); }

 private:
  SlotEnd end_of(const Slot& slot, const Ending& how) const {
    const auto among = [&](const std::vector<RequestId>& list) {
      return std::find(list.begin(), list.end(), slot.request) != list.end();
    };
    SlotEnd end{.sequence = slot.sequence,
                .prefilled = slot.prefill,
                .generated = Tokens(slot.prefill.count() > 0 ? slot.samples : how.steps),
                .first_token = Time::never(),
                .last_token = Time::never(),
                .fate = SlotFate::running};
    end.generated = std::min(end.generated, std::max(Tokens(0), slot.output_limit - slot.generated));
    if (among(how.fail)) {
      end.prefilled = end.generated = Tokens(0);
      end.fate = SlotFate::failed;
    } else if (among(how.stop)) {
      end.fate = SlotFate::stopped;
    } else if (slot.samples && slot.generated + end.generated >= slot.output_limit) {
      end.fate = SlotFate::length;
    }
    if (end.generated.count() > 0) end.first_token = end.last_token = now_;
    return end;
  }

  std::unique_ptr<Given> setup_;  // does not move: Core holds on to it
  Core core_;
  Time now_;
  std::vector<std::optional<Said::Run>> open_;  // by device
  std::vector<SlotEnd> ends_;
  std::vector<RequestId> free_;
  std::uint32_t used_ = 0;
};

}  // namespace yard::builders
