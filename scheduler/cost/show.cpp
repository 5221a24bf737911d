#include "scheduler/cost/show.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "scheduler/base/hash.h"
#include "scheduler/cost/json.h"
#include "scheduler/cost/show_table.h"
#include "scheduler/cost/show_terms.h"

namespace yard {
namespace {

using Table = ShowTable;

std::string thousands(std::int64_t n) {
  std::string digits = fmt::format("{}", n);
  for (std::size_t at = digits.size(); at > 3;) digits.insert(at -= 3, ",");
  return digits;
}

bool has(const std::vector<std::string>& names, std::string_view name) {
  return std::ranges::find(names, name) != names.end();
}

std::string or_dash(std::int64_t n, int digits, int shown) { return n == 0 ? "-" : rounded(n, digits, shown); }

std::int64_t gib_thousandths(std::int64_t bytes) { return (bytes >> 10) * 1000 >> 20; }

struct Totals {
  std::int64_t replicas = 0, accelerators = 0, kv_tokens = 0, idle_mw = 0, busy_mw = 0;
  Wide nano_dollars = 0;  // 2^20 dear replicas go beyond 64 bits

  std::int64_t cents() const { return static_cast<std::int64_t>((nano_dollars + 5'000'000) / 10'000'000); }
};

std::int64_t kv_tokens(const PoolView& pool) {
  return std::int64_t{pool.kv_blocks.count()} * pool.block_tokens.count();
}

Totals totals_of(const FleetView& view) {
  Totals t;
  for (const PoolView& pool : view.pools) {
    const std::int64_t n = pool.devices;
    t.replicas += n;
    t.accelerators += n * pool.accelerators_per_device;
    t.kv_tokens += n * kv_tokens(pool);
    t.nano_dollars += Wide(pool.devices) * Wide(pool.per_hour.count());
    t.idle_mw += n * pool.idle.count();
    t.busy_mw += n * pool.busy.count();
  }
  return t;
}

std::string counted(std::int64_t n, std::string_view one, std::string_view many) {
  return fmt::format("{} {}", thousands(n), n == 1 ? one : many);
}

std::string sites_line(const FleetView& view) {
  std::set<std::string> providers, regions;
  for (const auto& pool : view.pools) providers.insert(pool.provider), regions.insert(pool.region_name);
  return counted(static_cast<std::int64_t>(providers.size()), "provider", "providers") + ", " +
         counted(static_cast<std::int64_t>(regions.size()), "region", "regions");
}

std::string objective(Duration d) {
  return d.count() == 0                ? "-"
         : d.count() >= 10'000'000'000 ? rounded(d.count(), 9, 0) + " s"
                                       : rounded(d.count(), 6, 0) + " ms";
}

// Whether deadlines are hard, and how surely they are then kept: only where some are.
std::string show_classes(const FleetView& view) {
  const bool hard = std::ranges::any_of(view.classes, [](const SloClass& c) { return c.sure != Quantile::none; });
  std::vector<std::string> head = {"class", "rank", "ttft", "+ per token", "tpot", "e2e", "shed after"};
  if (hard) head.emplace_back("deadline");
  Table table(1, std::move(head));
  for (const SloClass& slo : view.classes) {
    std::vector<std::string> row = {
        slo.name,
        fmt::format("{}", slo.rank),
        objective(slo.ttft),
        slo.ttft_per_token.count() == 0 ? "-" : rounded(slo.ttft_per_token.count(), 6, 3) + " ms",
        objective(slo.tpot),
        objective(slo.e2e),
        objective(slo.patience)};
    if (hard)
      row.push_back(slo.sure == Quantile::none
                        ? "soft"
                        : fmt::format("hard, {}", kQuantileNames[static_cast<std::size_t>(slo.sure)]));
    table.add(std::move(row));
  }
  return table.str();
}

std::string regions_of(RegionMask mask, const FleetView& view) {
  if (mask.anywhere()) return "anywhere";
  std::string text;
  for (std::uint32_t r = 0; r < view.regions.size(); ++r)
    if (mask.has(RegionId{r})) text += (text.empty() ? "" : ", ") + view.regions[r];
  return text;
}

std::string show_mix(const CompiledFleet& fleet) {
  const auto& entries = fleet.mix.entries();
  const bool bound = std::ranges::any_of(
      entries, [](const MixEntry& entry) { return !entry.providers.anywhere() || entry.primary.some(); });
  std::vector<std::string> head = {"mix: model", "class", "tenant", "regions"};
  if (bound) head.push_back("providers");
  const std::size_t left = head.size();
  head.push_back("share");
  Table table(left, std::move(head));
  const auto total = static_cast<std::int64_t>(fleet.mix.total_weight());
  for (const MixEntry& entry : entries) {
    std::vector<std::string> row = {fleet.view.models[entry.model.value].name, fleet.view.classes[entry.slo.value].name,
                                    fleet.view.tenants[entry.tenant.value].name, regions_of(entry.regions, fleet.view)};
    if (bound) row.push_back(providers_of(entry, fleet.view));
    row.push_back(rounded(static_cast<std::int64_t>(entry.weight) * 100'000 / total, 3, 1) + " %");
    table.add(std::move(row));
  }
  return table.str();
}

const Accelerator& chip_of(const Fleet& fleet, const PoolView& pool) {
  return *std::ranges::find(fleet.accelerators, pool.accelerator, &Accelerator::id);
}

// Does any pool serve this row of the mix?
bool served(const MixEntry& entry, const FleetView& view) {
  return std::ranges::any_of(
      view.pools, [&](const PoolView& pool) { return pool.model == entry.model && entry.regions.has(pool.region); });
}

std::string_view costs_from(const FleetPool& pool) {
  if (pool.table) return "table";
  if (!pool.profile.empty()) return "profile";
  return pool.kernels.empty() ? "physics" : "kernels";
}

// How much of the costs of `kernels` pools was measured, row by row.
std::string kernel_lines(const CompiledFleet& compiled) {
  std::string text;
  for (std::uint32_t row = 0; row < compiled.kernel_shares.size(); ++row) {
    const KernelShares& shares = compiled.kernel_shares[row];
    if (shares.measured_permille == 0) continue;
    std::string pools;
    for (const PoolView& pool : compiled.view.pools)
      if (pool.cost.value == row) pools += (pools.empty() ? "" : ", ") + pool.name;
    text += fmt::format(
        "costs of {}: {} % of a step's time by measured kernels ({} % beyond what was measured), the rest by physics; "
        "error {} %\n",
        pools, rounded(shares.measured_permille, 1, 1), rounded(shares.held_permille, 1, 1),
        rounded(compiled.tables.rows[row].error_permille(), 1, 1));
  }
  return text.empty() ? text : text + "\n";
}

}  // namespace

std::string show_fleet(const Fleet& fleet, const CompiledFleet& compiled) {
  const FleetView& view = compiled.view;
  Table table(6, {"pool", "model", "accelerator", "provider", "region", "costs", "n", "tp", "kv_tokens", "c0(1)_ms",
                  "c0(64)_ms", "c1_us", "c2_ns", "idle_w", "busy_w", "usd_h"});
  for (std::size_t p = 0; p < view.pools.size(); ++p) {
    const PoolView& pool = view.pools[p];
    const StepCost& cost = compiled.tables[pool.cost];
    const bool given = fleet.pools[p].table.has_value() || !fleet.pools[p].profile.empty();
    const auto& stand_ins = chip_of(fleet, pool).stand_ins;
    const bool price_assumed =
        has(stand_ins, "price_usd_per_hour") && fleet.pools[p].per_accelerator_hour == chip_of(fleet, pool).per_hour;
    table.add({pool.name, view.models[pool.model.value].name, pool.accelerator, pool.provider, pool.region_name,
               std::string(costs_from(fleet.pools[p])), fmt::format("{}", pool.devices),
               fmt::format("{}", pool.accelerators_per_device), thousands(kv_tokens(pool)),
               rounded(cost.c0(1).count(), 9, 2) + (given ? "" : "*"),
               rounded(cost.c0(std::min(64u, cost.max_sequences())).count(), 9, 2), rounded(cost.c1().count(), 6, 1),
               rounded(cost.c2().count(), 3, 1),
               rounded(pool.idle.count(), 3, 0) + (has(stand_ins, "idle_w") ? "*" : ""),
               rounded(pool.busy.count(), 3, 0) + (has(stand_ins, "tdp_w") ? "*" : ""),
               rounded(pool.per_hour.count(), 9, 2) + (price_assumed ? "*" : "")});
  }
  const Totals t = totals_of(view);
  std::string text = fmt::format("fleet {}: {} on {}, {}\n\n", view.name, counted(t.replicas, "replica", "replicas"),
                                 counted(t.accelerators, "accelerator", "accelerators"), sites_line(view));
  text += table.str();
  text += fmt::format(
      "\nn replicas, each: a step of b sequences takes c0(b) + c1 x prefill tokens + c2 x KV tokens; * assumed\n"
      "in all: {} KV tokens, {} to {} W (PUE {} apart), {} USD/h\n\n",
      thousands(t.kv_tokens), rounded(t.idle_mw, 3, 0), rounded(t.busy_mw, 3, 0), rounded(view.pue_thousandths, 3, 2),
      rounded(t.cents(), 2, 2));
  return text + kernel_lines(compiled) + show_classes(view) + "\n" + show_terms(fleet, view) + show_mix(compiled);
}

std::string fleet_json(const Fleet& fleet, const CompiledFleet& compiled) {
  const FleetView& view = compiled.view;
  json::List pools(",\n  "), classes, mix(",\n  ");
  for (std::size_t p = 0; p < view.pools.size(); ++p) {
    const PoolView& pool = view.pools[p];
    const StepCost& cost = compiled.tables[pool.cost];
    json::List buckets;
    for (const auto& bucket : cost.buckets())
      buckets.add(json::Object().number("up_to", bucket.up_to).number("ps", bucket.c0.count()).str());
    pools.add(json::Object()
                  .text("name", pool.name)
                  .text("model", view.models[pool.model.value].name)
                  .text("accelerator", pool.accelerator)
                  .text("provider", pool.provider)
                  .text("region", pool.region_name)
                  .number("replicas", pool.devices)
                  .number("tp", pool.accelerators_per_device)
                  .number("kv_blocks", pool.kv_blocks.count())
                  .number("block_tokens", pool.block_tokens.count())
                  .number("max_sequences", pool.max_sequences)
                  .number("token_budget", pool.token_budget.count())
                  .text("chunk", pool.chunk == Chunk::objective ? "objective" : "budget")
                  .number("max_context_tokens", pool.max_context.count())
                  .number("idle_w", pool.idle.count(), 3)
                  .number("busy_w", pool.busy.count(), 3)
                  .number("price_usd_per_hour", pool.per_hour.count(), 9)
                  .raw("c0_ps", buckets.str())
                  .number("c1_ps", cost.c1().count())
                  .number("c2_ps", cost.c2().count())
                  .number("c4_ps", cost.c4().count())
                  .text("costs_from", costs_from(fleet.pools[p]))
                  .number("cost_error_percent", cost.error_permille(), 1)
                  .known("measured_percent", compiled.kernel_shares[pool.cost.value].measured_permille, 1)
                  .known("beyond_measured_percent", compiled.kernel_shares[pool.cost.value].held_permille, 1)
                  .str());
  }
  for (const SloClass& slo : view.classes) {
    json::Object row;
    row.text("name", slo.name)
        .number("rank", slo.rank)
        .known("ttft_ms", slo.ttft.count(), 6)
        .known("ttft_per_prompt_token_ms", slo.ttft_per_token.count(), 6)
        .known("tpot_ms", slo.tpot.count(), 6)
        .known("e2e_ms", slo.e2e.count(), 6)
        .known("shed_after_ms", slo.patience.count(), 6);
    if (slo.sure != Quantile::none) row.text("hard_deadline", kQuantileNames[static_cast<std::size_t>(slo.sure)]);
    classes.add(row.str());
  }
  for (const MixEntry& entry : compiled.mix.entries()) {
    json::List regions;
    for (std::uint32_t r = 0; r < view.regions.size() && !entry.regions.anywhere(); ++r)
      if (entry.regions.has(RegionId{r})) regions.add(json::quoted(view.regions[r]));
    json::Object row;
    row.number("weight", static_cast<std::int64_t>(entry.weight))
        .text("model", view.models[entry.model.value].name)
        .text("class", view.classes[entry.slo.value].name)
        .text("tenant", view.tenants[entry.tenant.value].name);
    if (!entry.regions.anywhere()) row.raw("regions", regions.str());
    json::List providers;
    for (std::uint32_t p = 0; p < view.providers.size(); ++p)
      if (entry.providers.has(ProviderId{p})) providers.add(json::quoted(view.providers[p]));
    if (!entry.providers.anywhere()) row.raw("providers", providers.str());
    if (entry.primary.some()) row.text("primary", view.providers[entry.primary.value]);
    mix.add(row.str());
  }
  const Totals t = totals_of(view);
  const auto totals = json::Object()
                          .number("replicas", t.replicas)
                          .number("accelerators", t.accelerators)
                          .number("kv_tokens", t.kv_tokens)
                          .number("idle_w", t.idle_mw, 3)
                          .number("busy_w", t.busy_mw, 3)
                          .number("price_usd_per_hour", t.cents(), 2);
  return fmt::format(
      "{{\"name\": {}, \"pue\": {},\n \"pools\": {},\n \"slo_classes\": {},\n \"mix\": {}{},\n \"totals\": {}}}\n",
      json::quoted(view.name), json::decimal(view.pue_thousandths, 3), pools.str(), classes.str(), mix.str(),
      terms_json(fleet, view), totals.str());
}

std::string check_fleet(const Fleet& fleet, const CompiledFleet& compiled) {
  const FleetView& view = compiled.view;
  const Totals t = totals_of(view);
  const auto count = [](const auto& things, std::string_view one, std::string_view many) {
    return counted(static_cast<std::int64_t>(things.size()), one, many);
  };
  std::string text =
      fmt::format("{}: good: {} in {}, {}, {}, {}\n", fleet.file, counted(t.replicas, "replica", "replicas"),
                  count(view.pools, "pool", "pools"), count(view.models, "model", "models"),
                  count(view.classes, "class", "classes"), sites_line(view));
  const auto listed = [](const std::vector<std::string>& names) {
    std::string all;
    for (const auto& name : names) all += (all.empty() ? "" : ", ") + name;
    return all;
  };
  for (const Accelerator& chip : fleet.accelerators) {
    if (!chip.unverified.empty()) text += fmt::format("note: {}: unverified: {}\n", chip.id, listed(chip.unverified));
    if (!chip.stand_ins.empty()) text += fmt::format("note: {}: assumed: {}\n", chip.id, listed(chip.stand_ins));
  }
  for (std::uint32_t m = 0; m < view.models.size(); ++m) {
    const bool asked =
        std::ranges::any_of(compiled.mix.entries(), [&](const MixEntry& entry) { return entry.model.value == m; });
    if (!asked) text += fmt::format("note: no row of the mix asks {}\n", view.models[m].name);
  }
  for (const MixEntry& entry : compiled.mix.entries())
    if (!served(entry, view))
      text += fmt::format("note: no pool serves {} in {}: such requests are rejected (no_region)\n",
                          view.models[entry.model.value].name, regions_of(entry.regions, view));
  return text + check_terms(view, compiled.mix);
}

std::string show_accelerators(const Catalogue& catalogue) {
  Table table(3, {"accelerator", "vendor", "kind", "bf16_tflops", "fp8_tflops", "fp4_tflops", "memory_gib", "mem_gb_s",
                  "link_gb_s", "domain", "tdp_w", "idle_w", "usd_per_h"});
  for (const Accelerator& chip : catalogue.accelerators) {
    const auto cell = [&](std::string_view key, std::string text) {
      if (text == "-") return text;
      if (has(chip.stand_ins, key)) return text + "*";
      return has(chip.unverified, key) ? text + "?" : text;
    };
    table.add({chip.id, chip.vendor, chip.kind, cell("bf16_tflops", or_dash(chip.bf16_flops, 12, 0)),
               cell("fp8_tflops", or_dash(chip.fp8_flops, 12, 0)), cell("fp4_tflops", or_dash(chip.fp4_flops, 12, 0)),
               cell("memory_gib", rounded(gib_thousandths(chip.memory_bytes) + 5, 3, 1)),
               cell("memory_bandwidth_gb_s", or_dash(chip.memory_bytes_per_s, 9, 0)),
               cell("scale_up_link_gb_s", or_dash(chip.scale_up_bytes_per_s, 9, 0)),
               cell("scale_up_domain", or_dash(chip.scale_up_domain, 0, 0)),
               cell("tdp_w", or_dash(chip.tdp.count(), 3, 0)), cell("idle_w", or_dash(chip.idle.count(), 3, 0)),
               cell("price_usd_per_hour", or_dash(chip.per_hour.count(), 9, 2))});
  }
  return table.str() + "\ndense peaks of one chip; - not known, ? unverified, * assumed; sources: --json\n";
}

std::string accelerators_json(const Catalogue& catalogue) {
  json::List list(",\n  ");
  for (const Accelerator& chip : catalogue.accelerators)
    list.add(json::Object()
                 .text("id", chip.id)
                 .raw("aliases", json::list_of(chip.aliases))
                 .text("vendor", chip.vendor)
                 .text("name", chip.name)
                 .text("kind", chip.kind)
                 .known("year", chip.year)
                 .known("bf16_tflops", chip.bf16_flops, 12)
                 .known("fp8_tflops", chip.fp8_flops, 12)
                 .known("int8_tflops", chip.int8_ops, 12)
                 .known("fp4_tflops", chip.fp4_flops, 12)
                 .number("memory_bytes", chip.memory_bytes)
                 .number("memory_bandwidth_gb_s", chip.memory_bytes_per_s, 9)
                 .known("scale_up_link_gb_s", chip.scale_up_bytes_per_s, 9)
                 .known("scale_up_domain", chip.scale_up_domain)
                 .known("host_link_gb_s", chip.host_link_bytes_per_s, 9)
                 .known("scale_out_gb_s", chip.scale_out_bytes_per_s, 9)
                 .known("tdp_w", chip.tdp.count(), 3)
                 .known("idle_w", chip.idle.count(), 3)
                 .known("price_usd_per_hour", chip.per_hour.count(), 9)
                 .number("assumed_mfu", chip.mfu_thousandths, 3)
                 .number("assumed_mbu", chip.mbu_thousandths, 3)
                 .number("assumed_link_efficiency", chip.link_thousandths, 3)
                 .number("assumed_step_us", chip.per_step.count(), 3)
                 .number("assumed_layer_us", chip.per_layer.count(), 3)
                 .number("assumed_sequence_us", chip.per_sequence.count(), 3)
                 .number("assumed_allreduce_us", chip.per_allreduce.count(), 3)
                 .raw("unverified", json::list_of(chip.unverified))
                 .raw("stand_ins", json::list_of(chip.stand_ins))
                 .text("price_source", chip.price_source)
                 .text("source", chip.source)
                 .text("notes", chip.notes)
                 .str());
  return "{\"accelerators\": " + list.str() + "}\n";
}

std::string show_models(const ModelCards& cards) {
  Table table(1, {"model", "layers", "hidden", "heads", "kv_heads", "experts", "total_b", "active_b", "weights",
                  "kv_bytes/token", "context"});
  for (const ModelCard& card : cards.models) {
    const std::string weights = card.experts > 0 && card.expert_weights != card.weights
                                    ? fmt::format("{}+{}", name_of(card.weights), name_of(card.expert_weights))
                                    : std::string(name_of(card.weights));
    table.add({card.id, fmt::format("{}", card.layers), fmt::format("{}", card.hidden),
               fmt::format("{}", card.query_heads),
               card.attention == Attention::mla ? "mla" : fmt::format("{}", card.kv_heads),
               card.experts == 0 ? "-" : fmt::format("{}/{}", card.experts_per_token, card.experts),
               rounded(card.total_parameters, 9, 2), rounded(card.active_parameters, 9, 2), weights,
               thousands(card.kv_bytes_per_token), thousands(card.max_context)});
  }
  return table.str() + "\nparameters in billions; KV bytes in bf16; contexts are cut at 1,048,576 tokens here\n";
}

std::string models_json(const ModelCards& cards) {
  json::List list(",\n  ");
  for (const ModelCard& card : cards.models)
    list.add(json::Object()
                 .text("id", card.id)
                 .raw("aliases", json::list_of(card.aliases))
                 .text("kind", card.embeds ? "embedding" : "generative")
                 .number("layers", card.layers)
                 .number("hidden", card.hidden)
                 .number("q_heads", card.query_heads)
                 .known("kv_heads", card.kv_heads)
                 .known("head_dim", card.head_dim)
                 .known("kv_lora_rank", card.kv_lora_rank)
                 .known("qk_rope_head_dim", card.qk_rope_head_dim)
                 .known("experts", card.experts)
                 .known("experts_per_token", card.experts_per_token)
                 .known("sliding_window_tokens", card.sliding_window)
                 .number("total_parameters", card.total_parameters)
                 .number("active_parameters", card.active_parameters)
                 .text("weight_precision", name_of(card.weights))
                 .text("expert_weight_precision", name_of(card.expert_weights))
                 .number("kv_bytes_per_token_bf16", card.kv_bytes_per_token)
                 .number("max_context_tokens", card.max_context)
                 .raw("unverified", json::list_of(card.unverified))
                 .text("source", card.source)
                 .text("notes", card.notes)
                 .str());
  return "{\"models\": " + list.str() + "}\n";
}

}  // namespace yard
