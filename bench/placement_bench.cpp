// Decisions per core-second through Core's real tick, from a submit to its launch: by how the device is found, by
// devices and by classes of equal rates.
//
//   placement_bench --benchmark_repetitions=5 --benchmark_enable_random_interleaving=true
//
// Requests arrive evenly, so often that half of the devices of the first class's costs are in a run. Each turn of the
// loop tells the end of every run that is due, submits one request and polls: the tick says Finish for who ended and
// Launch for who was placed. Runs take what costs say. `trees`: the policy with its index. `scan`:
// the same policy without; the same decisions. `two_choice`: power_of_two. `prefix`: prompts of 8,192 tokens, each
// with its 512 blocks hashed before, one of 64 that come again and again. Counter: decisions_per_s.
#include <benchmark/benchmark.h>

#include <memory>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "scheduler/base/block_hash.h"
#include "scheduler/base/heap.h"
#include "scheduler/base/rng.h"
#include "scheduler/core/core.h"
#include "scheduler/policy/registry.h"

namespace {

using namespace yard;

constexpr std::int32_t kBlock = 16, kPromptBlocks = 512;
constexpr std::uint32_t kPrompts = 64;

struct Fleet {
  FleetView view;
  CostTables tables;

  // Class by class a percent slower than the one before.
  Fleet(std::uint32_t devices, std::uint32_t classes) {
    view.name = "bench";
    view.models = {{.name = "m", .prefix_block = Tokens(kBlock)}};
    view.tenants = {{.name = "t"}};
    view.regions = {"r"};
    view.classes = {{.name = "interactive",
                     .ttft = milliseconds(1000),
                     .ttft_per_token = microseconds(300),
                     .tpot = milliseconds(50),
                     .e2e = {},
                     .patience = {}}};
    for (std::uint32_t c = 0; c < classes; ++c) {
      PoolView pool;
      pool.model = ModelId{0}, pool.region = RegionId{0}, pool.cost = CostRow{c};
      pool.first_device = c * (devices / classes), pool.devices = devices / classes;
      pool.kv_blocks = Blocks(30'000), pool.block_tokens = Tokens(kBlock), pool.max_context = Tokens(32'768);
      pool.max_sequences = 64, pool.token_budget = Tokens(8192), pool.chunk = Chunk::objective;
      view.pools.push_back(pool);
      const std::int64_t percent = 100 + c;
      const auto c0 = [&](std::int64_t us) { return Picoseconds(us * 10'000 * percent); };
      tables.rows.push_back(StepCost({{8, c0(6500)}, {16, c0(6800)}, {32, c0(7200)}, {64, c0(8000)}},
                                     Picoseconds(130'000 * percent), Picoseconds(390 * percent), 64,
                                     Picoseconds(50 * percent)));
    }
  }
  const StepCost& cost_of(DeviceId d) const { return tables.rows[d.value / view.pools[0].devices]; }
};

class Shard {
 public:
  Shard(std::uint32_t devices, std::uint32_t classes, const PolicySet& policies, bool prefix)
      : fleet_(devices, classes),
        core_({.sequences = 4 * devices + 64, .events_per_tick = 64, .prefix_blocks = 1u << 20}, fleet_.view,
              fleet_.tables, policies, 1),
        runs_(devices),
        due_(devices),
        gap_([&] {
          const std::int64_t reads = prefix ? kPromptBlocks * kBlock : 512;  // at the most
          return nanoseconds(fleet_.tables.rows[0].step(1, reads, 0, 0).count() / 1000 * 2 / devices);
        }()),
        prefix_(prefix) {
    for (std::uint32_t i = 0; i < 4 * devices; ++i) free_.push_back({i, 0});
    Rng rng(7);
    for (std::uint32_t p = 0; p < kPrompts; ++p)
      for (std::int32_t b = 0; b < kPromptBlocks; ++b) hashes_.push_back({rng.next() | 1});
  }

  void turn() {
    now_ += gap_;
    while (due_.next() <= now_) end(due_.first());
    Submitted facts{.request = free_.back(),
                    .model = ModelId{0},
                    .tenant = TenantId{0},
                    .slo = SloClassId{0},
                    .prompt = Tokens(512),
                    .max_output = Tokens(1),
                    .regions = {},
                    .arrival = now_};
    free_.pop_back();
    if (prefix_) {
      facts.prompt = Tokens(kPromptBlocks * kBlock);
      facts.prefix = std::span(hashes_).subspan(turns_++ % kPrompts * kPromptBlocks, kPromptBlocks);
    }
    core_.apply(facts, now_);
    for (const Command& command : core_.poll(now_)) {
      if (const auto* launch = std::get_if<Launch>(&command)) opens(*launch);
      if (const auto* finish = std::get_if<Finish>(&command))
        free_.push_back({finish->request.index, finish->request.generation + 1});
    }
  }
  const Core& core() const { return core_; }

 private:
  struct Run {
    RunId run;
    std::vector<SlotEnd> ends;
  };
  void opens(const Launch& launch) {
    Run& run = runs_[launch.device.value];
    run.run = launch.run;
    run.ends.clear();
    std::int64_t read = 0, pairs = 0;
    for (const Slot& slot : launch.slots) {
      read += slot.prefill.count(), pairs += prefill_pairs(slot.prefill.count(), slot.context.count());
      run.ends.push_back({.sequence = slot.sequence,
                          .prefilled = slot.prefill,
                          .generated = Tokens(slot.samples),
                          .first_token = Time::never(),
                          .last_token = Time::never(),
                          .fate = slot.samples ? SlotFate::length : SlotFate::running});
    }
    const StepCost& cost = fleet_.cost_of(launch.device);
    const auto n = static_cast<std::uint32_t>(launch.slots.size());
    due_.set(launch.device.value, now_ + nanoseconds(cost.step(n, read, pairs, 0).count() / 1000));
  }
  void end(std::uint32_t device) {
    due_.remove(device);
    Run& run = runs_[device];
    for (SlotEnd& end : run.ends)
      if (end.generated.count() > 0) end.first_token = end.last_token = now_;
    core_.apply(RunEnded{.run = run.run,
                         .device = DeviceId{device},
                         .why = RunEnd::slot_ended,
                         .steps = 1,
                         .energy = {},
                         .slots = run.ends},
                now_);
  }

  Fleet fleet_;
  Core core_;
  std::vector<Run> runs_;  // by device
  TimeHeap due_;
  Duration gap_;
  std::vector<RequestId> free_;
  std::vector<BlockHash> hashes_;
  bool prefix_;
  std::uint64_t turns_ = 0;
  Time now_{0};
};

void decide(benchmark::State& state, const std::string& policy, bool index, bool prefix) {
  const auto devices = static_cast<std::uint32_t>(state.range(0)), classes = static_cast<std::uint32_t>(state.range(1));
  PolicySet policies = find_policies(policy, "edf", "arrival");
  if (!index) policies.indexed = nullptr;
  Shard shard(devices, classes, policies, prefix);
  for (std::uint32_t k = 0; k < devices + 256; ++k) shard.turn();
  for (auto _ : state) shard.turn();
  state.counters["decisions_per_s"] =
      benchmark::Counter(static_cast<double>(state.iterations()), benchmark::Counter::kIsRate);
}

}  // namespace

int main(int argc, char** argv) {
  struct Row {
    const char *name, *policy;
    bool index;
  };
  for (const bool prefix : {false, true})
    for (const Row& row :
         {Row{"trees/expected_cost", "expected_cost", true}, Row{"scan/expected_cost", "expected_cost", false},
          Row{"trees/expected_seconds", "expected_seconds", true},
          Row{"scan/expected_seconds", "expected_seconds", false}, Row{"two_choice", "power_of_two", false}}) {
      auto* bench = benchmark::RegisterBenchmark(
          fmt::format("{}{}", prefix ? "prefix/" : "", row.name).c_str(),
          [row, prefix](benchmark::State& state) { decide(state, row.policy, row.index, prefix); });
      bench->ArgNames({"devices", "classes"});
      for (const std::int64_t devices : {16, 256, 1024, 16'384})
        for (const std::int64_t classes : {1, 16, 64})
          if (classes <= devices && (devices < 16'384 || row.index || row.policy == std::string_view("power_of_two")))
            bench->Args({devices, classes});
    }
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
}
