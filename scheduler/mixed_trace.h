// Arrivals from a trace: each row is given a model, a class, a tenant and a region by the fleet's mix.
//
// Threads: one. The fleet outlives it.
#pragma once
#include <memory>
#include <optional>
#include <utility>

#include "scheduler/base/rng.h"
#include "scheduler/loop/sim_loop.h"
#include "scheduler/trace/trace.h"
#include "topology/mix.h"

namespace yard {

class MixedTrace final : public ArrivalSource {
 public:
  MixedTrace(std::unique_ptr<TraceReader> reader, const Mix& mix, Seed seed)
      : reader_(std::move(reader)), mix_(mix), seed_(seed) {}

  std::optional<Arrival> next() override {
    const std::optional<TraceRow> row = reader_->next();
    if (!row) return std::nullopt;
    const MixEntry& of = mix_.pick(seed_, row_);
    return Arrival{.row = row_++,
                   .facts = {.request = {},
                             .model = of.model,
                             .tenant = of.tenant,
                             .slo = of.slo,
                             .prompt = row->prompt,
                             .max_output = row->max_output.value_or(Tokens::max()),
                             .regions = of.regions,
                             .providers = of.providers,
                             .primary = of.primary,
                             .arrival = row->arrival},
                   .output = row->output};
  }

 private:
  const std::unique_ptr<TraceReader> reader_;
  const Mix& mix_;
  const Seed seed_;
  std::uint64_t row_ = 0;
};

}  // namespace yard
