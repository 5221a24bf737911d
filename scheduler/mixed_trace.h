// Arrivals from a trace: each row is given a model, a class, a tenant and a region by the fleet's mix. One that goes to
// a model that embeds asks for no token, unless the row itself says how many it asks for. A prompt of several answers
// has names of its own where the trace knows none, so that they share it.
//
// Threads: one. The fleet outlives it.
#pragma once
#include <memory>
#include <optional>
#include <utility>

#include "scheduler/base/rng.h"
#include "scheduler/cost/compile_fleet.h"
#include "scheduler/loop/sim_loop.h"
#include "scheduler/trace/prefix_blocks.h"
#include "scheduler/trace/trace.h"

namespace yard {

class MixedTrace final : public ArrivalSource {
 public:
  MixedTrace(std::unique_ptr<TraceReader> reader, const CompiledFleet& fleet, Seed seed)
      : reader_(std::move(reader)), fleet_(fleet), seed_(seed), adapters_(fleet.view.models.size()) {
    for (std::uint32_t a = 0; a < fleet.view.adapters.size(); ++a)
      adapters_[fleet.view.adapters[a].model.value].push_back({a});
  }

  std::optional<Arrival> next() override {
    const std::optional<TraceRow> row = reader_->next();
    if (!row) return std::nullopt;
    const MixEntry& of = fleet_.mix.pick(seed_, row_);
    const bool embeds = fleet_.view.models[of.model.value].embeds;
    name_blocks(row->prefix, row->prefix_block, row->prompt, fleet_.view.models[of.model.value].prefix_block,
                mix64(of.tenant.value) + of.model.value + (row->adapter > 0 ? mix64(row->adapter) : 0), prefix_);
    if (row->answers > 1 && prefix_.empty())
      name_own_blocks(row->prompt, fleet_.view.models[of.model.value].prefix_block, mix64(seed_) + row_, prefix_);
    return Arrival{.row = row_++,
                   .facts = {.request = {},
                             .model = of.model,
                             .tenant = of.tenant,
                             .slo = of.slo,
                             .prompt = row->prompt,
                             .max_output = row->max_output.value_or(embeds ? Tokens(0) : Tokens::max()),
                             .regions = of.regions,
                             .providers = of.providers,
                             .primary = of.primary,
                             .arrival = row->arrival,
                             .answers = row->answers,
                             .adapter = adapter_of(of.model, row->adapter),
                             .session = row->session,
                             .prefix = prefix_},
                   .output = row->output};
  }

 private:
  // Who names one that the model has not names one that nobody has.
  AdapterId adapter_of(ModelId model, std::uint32_t number) const {
    if (number == 0) return {};
    const std::vector<AdapterId>& all = adapters_[model.value];
    return number <= all.size() ? all[number - 1] : AdapterId{AdapterId::kNone - 1};
  }

  const std::unique_ptr<TraceReader> reader_;
  const CompiledFleet& fleet_;
  const Seed seed_;
  std::vector<std::vector<AdapterId>> adapters_;  // by model
  std::uint64_t row_ = 0;
  std::vector<BlockHash> prefix_;
};

}  // namespace yard
