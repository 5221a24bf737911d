// Columns by hand, and whatever else a scorer is given: every device is a pool of its own.
//
//   HandColumns h(3);
//   h.waiting = {4, 0, 2};
//   h.choose("llm_d", {0, 2});  // the device chosen, or kRefused
#pragma once
#include <cstdint>
#include <numeric>
#include <string_view>
#include <vector>

#include "scheduler/policy/registry.h"
#include "tests/builders.h"

namespace yard::builders {

struct HandColumns {
  std::vector<std::uint32_t> pool, waiting, running, by_class, prefill_share;
  std::vector<std::int64_t> prefill, kv, waiting_tokens, prefill_burst, cached, price, adapter_load;
  std::vector<std::int32_t> hits;
  std::vector<std::uint32_t> next = {0, 0};
  std::vector<std::uint64_t> chosen;
  std::vector<std::int32_t> scarcity = {0, 0};
  std::vector<AnswerLengths> answers;
  Given given;
  PolicyState state{Rng(5), next, {}, scarcity};
  Ask ask{};

  explicit HandColumns(std::uint32_t devices, const PoolSpec& spec = {.kv_blocks = 100})
      : pool(devices),
        waiting(devices),
        running(devices),
        by_class(devices),
        prefill_share(devices),
        prefill(devices),
        kv(devices),
        waiting_tokens(devices),
        prefill_burst(devices),
        cached(devices),
        price(devices),
        adapter_load(devices),
        hits(devices),
        chosen(devices) {
    std::iota(pool.begin(), pool.end(), 0u);
    for (std::uint32_t d = 0; d < devices; ++d) given.pool(spec);
    state.chosen = chosen;
    ask.model = ModelId{0}, ask.slo = SloClassId{0};
    ask.prompt = Tokens(10), ask.expected_output = Tokens(1);
    ask.may_refuse = true;
  }
  HandColumns(const HandColumns&) = delete;  // its spans point into itself

  std::uint32_t choose(std::string_view name, const std::vector<std::uint32_t>& eligible) {
    answers.assign(given.fleet.classes.size(), AnswerLengths{});  // of one token
    ask.answers = answers;
    ask.scarcity = scarcity[ask.model.value];
    DeviceColumns columns;  // by name: others may follow
    columns.pool = pool, columns.waiting = waiting, columns.running = running, columns.by_class = by_class;
    columns.prefill_tokens = prefill, columns.kv_tokens = kv, columns.waiting_tokens = waiting_tokens;
    columns.prefill_share = prefill_share, columns.prefill_burst = prefill_burst;
    columns.hit_tokens = hits, columns.cached_tokens = cached, columns.marginal_price = price;
    columns.adapter_load = adapter_load;
    const std::uint32_t at =
        find_policies(name, "fcfs", "arrival").scorer(eligible, columns, given.fleet, given.costs, ask, state);
    return at == kRefused ? kRefused : eligible.at(at);
  }
  // All of them are eligible.
  std::uint32_t choose(std::string_view name) {
    std::vector<std::uint32_t> all(pool.size());
    std::iota(all.begin(), all.end(), 0u);
    return choose(name, all);
  }
  // How often each of them is chosen in `rounds`.
  std::vector<int> spread(std::string_view name, int rounds) {
    std::vector<int> times(pool.size());
    for (int k = 0; k < rounds; ++k) ++times.at(choose(name));
    return times;
  }
};

}  // namespace yard::builders
