#include "scheduler/core/summary.h"

#include <algorithm>
#include <limits>

#include "scheduler/core/state.h"

namespace yard {

void Core::summarise(ShardSummary& summary) const noexcept {
  const State& s = *state_;
  const DeviceColumns& columns = s.devices.columns();
  const std::size_t classes = s.fleet.classes.size();
  CHECK(summary.pools.size() == s.fleet.pools.size());
  summary.submitted = s.ledger.submitted;
  for (std::size_t p = 0; p < summary.pools.size(); ++p)
    summary.pools[p] = {.costs = s.corrected_by[s.fleet.pools[p].cost.value]};
  std::fill(summary.by_class.begin(), summary.by_class.end(), 0);
  for (std::size_t m = 0; m < s.fleet.models.size(); ++m) {
    const ModelId model{static_cast<std::uint32_t>(m)};
    summary.unbound[m] = s.occupancy.waiting(model);
    std::ranges::copy(s.placement.answers(model), summary.answers.begin() + static_cast<std::ptrdiff_t>(m * classes));
    for (std::size_t c = 0; c < classes; ++c)
      summary.expected_output[m * classes + c] =
          s.placement.expected_output(model, SloClassId{static_cast<std::uint32_t>(c)}).count();
  }
  for (std::uint32_t d = 0; d < s.devices.size(); ++d) {
    const std::uint32_t p = columns.pool[d];
    PoolSummary& pool = summary.pools[p];
    pool.up += s.devices.state(d) == DeviceState::up;
    pool.waiting += columns.waiting[d];
    pool.running += columns.running[d];
    pool.prefill_tokens += columns.prefill_tokens[d];
    pool.kv_tokens += columns.kv_tokens[d];
    pool.waiting_tokens += columns.waiting_tokens[d];
    pool.prefill_share += columns.prefill_share[d];
    pool.prefill_burst += std::min<std::int64_t>(columns.prefill_burst[d], 1'000'000'000'000);
    pool.marginal_price += columns.marginal_price[d];
    for (std::size_t c = 0; c < classes; ++c) summary.by_class[p * classes + c] += columns.by_class[d * classes + c];
    // Who waits in a line is bound; the rest of a model's waiting ones are not.
    summary.unbound[s.fleet.pools[p].model.value] -= columns.waiting[d];
  }
}

}  // namespace yard
