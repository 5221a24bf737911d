// What the report costs a replay, per call. At 1 M requests per CPU-second a request has 1,000 ns for everything.
#include <benchmark/benchmark.h>

#include <array>
#include <filesystem>
#include <string>
#include <vector>

#include "scheduler/base/rng.h"
#include "scheduler/report/meter.h"
#include "scheduler/report/rows.h"

namespace yard {
namespace {

FleetView fleet_of(std::uint32_t devices) {
  FleetView fleet;
  fleet.pools.resize(4);
  for (std::uint32_t p = 0; p < 4; ++p) {
    PoolView& pool = fleet.pools[p];
    pool.name = "pool-" + std::to_string(p);
    pool.model = ModelId{0};
    pool.first_device = p * (devices / 4);
    pool.devices = devices / 4;
    pool.kv_blocks = Blocks(100'000);
  }
  fleet.models = {{"llama-3.1-70b"}};
  fleet.classes = {{"interactive", 0, seconds(1), {}, milliseconds(50), {}, {}},
                   {"standard", 1, seconds(5), {}, milliseconds(100), {}, {}},
                   {"batch", 2, {}, {}, {}, seconds(3600), {}}};
  fleet.tenants = {{.name = "default"}};
  fleet.regions = {"here"};
  return fleet;
}

std::vector<Finish> finishes(const FleetView& fleet, std::size_t count) {
  Rng rng(1);
  std::vector<Finish> all(count);
  for (Finish& f : all) {
    Account& a = f.account;
    f.outcome = Outcome::done;
    a.arrival = Time(static_cast<std::int64_t>(rng.below(3'600'000'000'000)));
    a.admit = a.arrival + Duration(static_cast<std::int64_t>(rng.below(100'000'000)));
    a.first_token = a.admit + Duration(static_cast<std::int64_t>(rng.below(2'000'000'000)));
    a.output = Tokens(2 + static_cast<std::int32_t>(rng.below(400)));
    a.prompt = Tokens(1 + static_cast<std::int32_t>(rng.below(4000)));
    const Duration gap(10'000'000 + static_cast<std::int64_t>(rng.below(10'000'000)));
    a.last_token = a.finish = a.first_token + gap * (a.output.count() - 1);
    a.device = DeviceId{static_cast<std::uint32_t>(rng.below(fleet.devices()))};
    a.slo = SloClassId{static_cast<std::uint32_t>(rng.below(3))};
    a.model = ModelId{0};
    a.tenant = TenantId{0};
  }
  return all;
}

constexpr std::size_t kMany = 1 << 14;

void OnFinish(benchmark::State& state) {
  const FleetView fleet = fleet_of(static_cast<std::uint32_t>(state.range(0)));
  const std::vector<Finish> all = finishes(fleet, kMany);
  Meter meter(fleet);
  std::size_t i = 0;
  for (auto _ : state) meter.on_finish(all[i++ % kMany]);
  benchmark::DoNotOptimize(meter.makespan());
}
BENCHMARK(OnFinish)->ArgName("devices")->Arg(40)->Arg(1'000)->Arg(1'000'000);

// A launch and its end, by slots.
void OnRun(benchmark::State& state) {
  const FleetView fleet = fleet_of(40);
  Meter meter(fleet);
  std::vector<Slot> slots(static_cast<std::size_t>(state.range(0)));
  std::vector<SlotEnd> ends(slots.size());
  for (Slot& s : slots) s.granted = Blocks(100);
  for (SlotEnd& e : ends) e.generated = Tokens(256);
  std::uint32_t run = 0;
  for (auto _ : state) {
    const DeviceId device{++run % 40};
    const RunId id{device.value, run};
    meter.on_launch({id, device, 256, BoundBy::work, slots}, Time(run));
    meter.on_run_ended({id, device, RunEnd::step_limit, 256, {}, ends}, Time(run) + milliseconds(2));
  }
  benchmark::DoNotOptimize(meter.makespan());
}
BENCHMARK(OnRun)->ArgName("slots")->Arg(1)->Arg(16)->Arg(256);

void AddGaps(benchmark::State& state) {
  const FleetView fleet = fleet_of(40);
  Meter meter(fleet);
  Rng rng(1);
  std::array<Duration, 1024> gaps;
  for (Duration& gap : gaps) gap = Duration(10'000'000 + static_cast<std::int64_t>(rng.below(30'000'000)));
  std::size_t i = 0;
  for (auto _ : state) meter.add_gaps(gaps[i++ % gaps.size()], 3);
  benchmark::DoNotOptimize(meter.itl().count());
}
BENCHMARK(AddGaps);

void WriteRow(benchmark::State& state) {
  const FleetView fleet = fleet_of(1'000);
  const std::vector<Finish> all = finishes(fleet, kMany);
  // Not committed, so that the file goes with the writer.
  RowWriter rows((std::filesystem::temp_directory_path() / "report_bench.csv").string(), fleet);
  std::uint64_t id = 0;
  for (auto _ : state) rows.write(id, all[id % kMany]), ++id;
}
BENCHMARK(WriteRow)->Iterations(1'000'000);  // some 110 MB

}  // namespace
}  // namespace yard

BENCHMARK_MAIN();
