#include "scheduler/validate/closed_loop.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "scheduler/backend/sim_served.h"
#include "scheduler/base/check.h"
#include "scheduler/core/core.h"
#include "scheduler/loop/sim_loop.h"
#include "scheduler/policy/registry.h"

namespace yard {
namespace {

// Who has been answered, and what they saw.
class Clients final : public SimObserver {
 public:
  void finished(std::uint64_t, const Finish& f) override {
    ++free_;
    if (f.outcome != Outcome::done) return void(++failed_);
    const Account& a = f.account;
    ttft_.push_back((a.first_token - a.arrival).count());
    if (a.output.count() > 1) tpot_sum_ += (a.last_token - a.first_token).count() / (a.output.count() - 1), ++tpots_;
  }

  std::uint64_t take_free() { return std::exchange(free_, 0); }

  ClientTimes times() {
    ClientTimes t;
    t.failed = failed_;
    if (ttft_.empty()) return t;
    std::int64_t sum = 0;
    for (const std::int64_t ns : ttft_) sum += ns;
    const auto middle = ttft_.begin() + static_cast<std::ptrdiff_t>(ttft_.size() / 2);
    std::ranges::nth_element(ttft_, middle);
    t.ttft_mean = Duration(sum / static_cast<std::int64_t>(ttft_.size())), t.ttft_median = Duration(*middle);
    if (tpots_ > 0) t.tpot_mean = Duration(tpot_sum_ / tpots_);
    return t;
  }

 private:
  std::vector<std::int64_t> ttft_;  // ns
  std::int64_t tpot_sum_ = 0, tpots_ = 0;
  std::uint64_t free_ = 0, failed_ = 0;
};

}  // namespace

ClientTimes serve_clients(const CompiledFleet& fleet, const ClosedLoop& asked) {
  CHECK(fleet.view.devices() == 1 && fleet.view.models.size() == 1 && asked.requests >= asked.clients);
  const Bounds bounds{.sequences = asked.clients + 1, .events_per_tick = 1 << 16};
  Core core(bounds, fleet.view, fleet.tables, find_policies("round_robin", "fcfs", "arrival"), 1);
  SimFleet devices(fleet.view, fleet.tables, bounds, Exact::jump);
  Clients clients;
  SimLoop loop(core, bounds, fleet.view.devices(), devices, clients);
  Submitted facts;
  facts.model = ModelId{0}, facts.tenant = TenantId{0}, facts.slo = SloClassId{0};
  std::uint64_t row = 0, ended = 0;
  Rng rng(asked.seed);
  const auto length = [&](Tokens most) {
    const std::int64_t least =
        std::max<std::int64_t>(std::int64_t{most.count()} * asked.shortest_thousandths / 1000, 1);
    return Tokens(static_cast<std::int32_t>(
        least + static_cast<std::int64_t>(rng.below(static_cast<std::uint64_t>(most.count() - least + 1)))));
  };
  // At one instant: what ends, then whoever asks, then the poll.
  const auto ask = [&](std::uint64_t n, Time now) {
    loop.begin(now);
    facts.arrival = now;
    for (std::uint64_t i = 0; i < n && row < asked.requests; ++i) {
      facts.prompt = length(asked.prompt), facts.max_output = length(asked.output);
      loop.submit({.row = row++, .facts = facts, .output = facts.max_output}, now);
    }
    loop.end(now, {});
  };
  Time now;
  ask(asked.clients, now);
  while (ended < asked.requests) {
    const std::uint64_t answered = clients.take_free();
    ended += answered;
    if (answered == 0) now = loop.next({});
    CHECK_WHY(now != Time::never(), "a client waits for ever");
    ask(answered, now);
  }
  return clients.times();
}

}  // namespace yard
