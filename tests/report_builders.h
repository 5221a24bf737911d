// Small fleets, ends and runs for the tests of the report.
#pragma once
#include <string>
#include <vector>

#include "scheduler/report/report.h"

namespace yard::test {

inline PoolView small_pool(std::string name, std::uint32_t first_device, std::uint32_t devices) {
  PoolView pool;
  pool.name = std::move(name);
  pool.provider = "acme";
  pool.region_name = "here";
  pool.accelerator = "h100-sxm";
  pool.model = ModelId{0};
  pool.first_device = first_device;
  pool.devices = devices;
  pool.accelerators_per_device = 2;
  pool.kv_blocks = Blocks(100);
  pool.per_hour = NanoDollars(3'600'000'000);  // a dollar per 1,000 s
  pool.idle = Milliwatts(100'000);
  pool.busy = Milliwatts(700'000);
  return pool;
}

// interactive: TTFT 1 s + 1 ms per token, TPOT 50 ms; batch: E2E 10 s; free: nothing. Pools: fast (2 replicas), slow
// (3).
inline FleetView small_fleet() {
  FleetView fleet;
  fleet.name = "small";
  fleet.pools = {small_pool("fast", 0, 2), small_pool("slow", 2, 3)};
  fleet.models = {{"llama-8b"}};
  fleet.classes.resize(3);
  fleet.classes[0] = {"interactive", 0, seconds(1), milliseconds(1), milliseconds(50), {}, {}};
  fleet.classes[1] = {"batch", 1, {}, {}, {}, seconds(10), {}};
  fleet.classes[2] = {"free", 2, {}, {}, {}, {}, {}};
  fleet.tenants = {{.name = "everyone"}};
  fleet.regions = {"here"};
  fleet.pue_thousandths = 1200;
  return fleet;
}

// A request that is done: arrived at 0 with 100 tokens, first token after `ttft`, `output` tokens `gap` apart.
inline Finish done(SloClassId slo, Duration ttft, Duration gap, int output, Time arrival = Time(0)) {
  Finish f{};
  f.outcome = Outcome::done;
  f.account.arrival = f.account.admit = arrival;
  f.account.first_token = arrival + ttft;
  f.account.last_token = f.account.finish = f.account.first_token + gap * (output - 1);
  f.account.prompt = Tokens(100);
  f.account.output = Tokens(output);
  f.account.device = DeviceId{0};
  f.account.slo = slo;
  f.account.model = ModelId{0};
  f.account.tenant = TenantId{0};
  return f;
}

// A request that got no token and no device.
inline Finish ended(SloClassId slo, Outcome outcome, Reason why, Time arrival = Time(0), Time at = Time(0)) {
  Finish f{};
  f.outcome = outcome;
  f.why = why;
  f.account.arrival = arrival;
  f.account.finish = at;
  f.account.prompt = Tokens(100);
  f.account.slo = slo;
  f.account.model = ModelId{0};
  f.account.tenant = TenantId{0};
  return f;
}

// One run of one slot, from `start` to `end`.
struct SmallRun {
  DeviceId device{0};
  Time start = {}, end = {};
  BoundBy bound_by = BoundBy::work;
  int granted = 10;  // blocks
  int prefilled = 0, generated = 0;
  Millijoules energy = {};
  std::uint32_t generation = 1, steps = 1;
};

inline void launch(Meter& meter, const SmallRun& r) {
  Slot slot{};
  slot.granted = Blocks(r.granted);
  const RunId id{r.device.value, r.generation};
  meter.on_launch({id, r.device, r.steps, r.bound_by, {&slot, 1}}, r.start);
}

inline void end_run(Meter& meter, const SmallRun& r) {
  SlotEnd end{};
  end.prefilled = Tokens(r.prefilled);
  end.generated = Tokens(r.generated);
  const RunId id{r.device.value, r.generation};
  meter.on_run_ended({id, r.device, RunEnd::slot_ended, r.steps, r.energy, {&end, 1}}, r.end);
}

inline void run(Meter& meter, const SmallRun& r) {
  launch(meter, r);
  end_run(meter, r);
}

inline Summary summary_of(const Meter& meter) {
  Summary s;
  s.meter = &meter;
  s.idle_beside_work.resize(meter.fleet().pools.size());
  s.decision_hash = 0x0123456789abcdef;
  s.seed = 7;
  s.version = "0.1.0";
  s.trace = "small.csv";
  s.policy = "expected_seconds";
  s.order = "edf";
  s.bind = "arrival";
  return s;
}

}  // namespace yard::test
