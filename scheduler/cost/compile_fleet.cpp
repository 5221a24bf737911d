#include "scheduler/cost/compile_fleet.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "scheduler/base/check.h"
#include "scheduler/base/hash.h"
#include "scheduler/base/input_error.h"
#include "scheduler/cost/compile_handoff.h"
#include "scheduler/cost/compile_kernels.h"
#include "scheduler/cost/compile_terms.h"
#include "scheduler/cost/operator_profile.h"
#include "scheduler/cost/physics.h"
#include "scheduler/yaml/names.h"

namespace yard {
namespace {

constexpr std::int64_t kMostContext = 1 << 20;
constexpr std::int64_t kMostSteps = 256;  // of a run; Bounds::steps_per_run

[[noreturn]] void refuse(const Fleet& fleet, const FleetPool& pool, std::string_view key, std::string found,
                         std::string accepted) {
  throw InputError(fleet.file, pool.line, key.empty() ? pool.path : fmt::format("{}.{}", pool.path, key),
                   std::move(found), std::move(accepted));
}

double gib(std::int64_t bytes) { return static_cast<double>(bytes) / static_cast<double>(std::int64_t{1} << 30); }

Precision precision_of(const std::string& name, Precision native) {
  if (name == "bf16") return Precision::bf16;
  if (name == "fp8") return Precision::fp8;
  if (name == "int8") return Precision::int8;
  if (name == "mxfp4") return Precision::fp4;
  if (name == "int4") return Precision::int4;
  CHECK(name == "native");
  return native;
}

Replica replica_of(const FleetPool& pool, const ModelCard& card, const Accelerator& chip) {
  return {.model = card,
          .chip = chip,
          .tp = pool.tp,
          .weights = precision_of(pool.precision, card.weights),
          .expert_weights = precision_of(pool.precision, card.expert_weights),
          .kv = precision_of(pool.kv_precision, Precision::bf16),
          .max_sequences = pool.max_sequences,
          .memory_thousandths = pool.memory_thousandths};
}

// Compiles one pool after another into the fleet's view and tables.
class Compiler {
 public:
  Compiler(const Fleet& fleet, const ModelCards& cards) : fleet_(fleet), cards_(cards), kernels_(fleet) {}

  CompiledFleet compile() {
    view_.name = fleet_.name;
    view_.classes = fleet_.classes;
    view_.tenants = fleet_.tenants;
    view_.regions = fleet_.regions;
    view_.providers = fleet_.providers;
    view_.pue_thousandths = fleet_.pue_thousandths;
    view_.signals_age = fleet_.signals_age;
    for (const FleetPool& pool : fleet_.pools) add(pool);
    for (const FleetAdapters& adapters : fleet_.adapters) add(adapters);
    compile_terms(fleet_, cards_, view_);
    compile_handoff(fleet_, cards_, view_);
    shares_.resize(tables_.rows.size());
    Mix drawn = mix();  // reads view_, so before it leaves
    std::vector<std::vector<std::uint32_t>> by_cell, by_shard;
    for (const FleetPool& pool : fleet_.pools) by_cell.push_back(pool.by_cell), by_shard.push_back(pool.by_shard);
    std::vector<CellView> cells = cells_of(view_, fleet_.cells, by_cell);
    std::vector<CellView> shards = cells_of(view_, fleet_.shards, by_shard);
    if (fleet_.steals && shards.size() > 1) stand_apart(shards);
    return {std::move(view_),   std::move(tables_), std::move(drawn), std::move(cells),
            fleet_.control_lag, std::move(shards),  fleet_.door_lag,  std::move(shares_)};
  }

 private:
  void stand_apart(std::vector<CellView>& shards) const {
    for (std::uint32_t s = 0; s < shards.size(); ++s) {
      StealView& steal = shards[s].view.steal = fleet_.steal;
      steal.self = ShardId{s};
      steal.distance.assign(shards.size(), fleet_.shard_distance);
      steal.distance[s] = Duration();
    }
  }

  // Returns: the model's card; null where the pool says everything itself.
  const ModelCard* card_of(const FleetPool& pool) const {
    const ModelCard* card = cards_.find(pool.model);
    if (card || (pool.table && pool.kv_blocks)) return card;
    const auto ids = cards_.ids();
    refuse(fleet_, pool, "model", fmt::format("found '{}'", printable(pool.model)),
           fmt::format("accepted: a model with a card, nearest is '{}'; or any with table and kv_blocks",
                       nearest(pool.model, ids)));
  }

  [[noreturn]] void refuse_misfit(const FleetPool& pool, const Replica& replica, const MemoryFit& fit) const {
    std::string remedy = "use a chip with more memory or a narrower precision";
    for (std::uint32_t tp = pool.tp * 2; tp <= 1024; tp *= 2) {
      Replica wider = replica_of(pool, replica.model, replica.chip);
      wider.tp = tp;
      if (refusal_of(wider).any()) break;
      if (memory_fit(wider).kv_tokens < pool.block_tokens.count()) continue;
      remedy = fmt::format("accepted: tp of at least {}, a narrower precision or a larger chip", tp);
      break;
    }
    const std::string state = fit.state_bytes > 0 ? fmt::format(" and {:.2f} GiB of state for {} sequences",
                                                                gib(fit.state_bytes), pool.max_sequences)
                                                  : std::string();
    refuse(fleet_, pool, "",
           fmt::format("{} does not fit: {:.2f} GiB of weights{} on each of {} x {}, of which {:.2f} GiB may be used "
                       "({:.2f} GiB x {:.3f} - {:.2f} GiB)",
                       replica.model.id, gib(fit.weight_bytes), state, pool.tp, replica.chip.id, gib(fit.usable_bytes),
                       gib(replica.chip.memory_bytes), static_cast<double>(pool.memory_thousandths) / 1000.0,
                       gib(kReserveBytes)),
           std::move(remedy));
  }

  Blocks kv_blocks_of(const FleetPool& pool, const Replica& replica) const {
    const MemoryFit fit = memory_fit(replica);
    const std::int64_t per_block = pool.block_tokens.count();
    if (!pool.kv_blocks) {
      if (fit.kv_tokens < per_block) refuse_misfit(pool, replica, fit);
      return Blocks(std::min<std::int64_t>(fit.kv_tokens / per_block, 1'000'000'000));
    }
    // What an engine printed is believed as far as the chip can hold it at all.
    const std::int64_t whole = replica.chip.memory_bytes - fit.weight_bytes - fit.state_bytes;
    if (whole <= 0) refuse_misfit(pool, replica, fit);
    const std::int64_t most = whole / fit.kv_bytes_per_token / per_block;
    if (pool.kv_blocks->count() > most)
      refuse(fleet_, pool, "kv_blocks",
             fmt::format("found {} blocks of {} tokens, {:.2f} GiB a chip, beside {:.2f} GiB of weights in {:.2f} GiB",
                         pool.kv_blocks->count(), per_block,
                         gib(pool.kv_blocks->count() * per_block * fit.kv_bytes_per_token), gib(fit.weight_bytes),
                         gib(replica.chip.memory_bytes)),
             fmt::format("accepted: at most {}", most));
    return *pool.kv_blocks;
  }

  Tokens max_context_of(const FleetPool& pool, const ModelCard* card, Blocks kv_blocks) const {
    const std::int64_t pool_holds = std::int64_t{kv_blocks.count()} * pool.block_tokens.count() + 1;
    const std::int64_t model_reads = card ? card->max_context : kMostContext;
    if (!pool.max_context) return Tokens(std::min({pool_holds, model_reads, kMostContext}));
    const std::int64_t asked = pool.max_context->count();
    if (asked > model_reads)
      refuse(fleet_, pool, "max_context", fmt::format("found {}", asked),
             fmt::format("accepted: at most {}, what {} reads", model_reads, pool.model));
    if (asked > pool_holds)
      refuse(fleet_, pool, "max_context", fmt::format("found {}", asked),
             fmt::format("accepted: at most {}, what {} KV blocks of {} tokens hold and one", pool_holds,
                         kv_blocks.count(), pool.block_tokens.count()));
    return *pool.max_context;
  }

  // Returns: its measured kernels; null where it names none. A relative folder lies beside the fleet file.
  std::shared_ptr<const OperatorProfile> profile_of(const FleetPool& pool, const ModelCard* card) const {
    if (pool.profile.empty()) return nullptr;
    if (!card)
      refuse(fleet_, pool, "model", fmt::format("found '{}' beside profile", printable(pool.model)),
             "accepted: a model with a card, which says how many layers it has");
    if (card->experts > 0)
      refuse(fleet_, pool, "profile", fmt::format("found a profile for {}, which has experts", card->id),
             "accepted: a dense model; use table");
    const std::string folder =
        (std::filesystem::path(fleet_.file).parent_path() / pool.profile).lexically_normal().string();
    const std::string of = model_of_profile(folder);
    if (cards_.find(of) != card)
      refuse(fleet_, pool, "profile", fmt::format("found a profile of '{}' for {}", printable(of), card->id),
             "accepted: a profile of the pool's model");
    return std::make_shared<const OperatorProfile>(read_operator_profile(folder, card->layers, pool.tp));
  }

  StepCost cost_of(const FleetPool& pool, const std::optional<Replica>& replica) {
    if (!pool.kernels.empty()) return kernel_cost_of(pool, replica);
    if (!pool.table) return step_cost(*replica, pool.cost_error_permille);
    std::vector<BatchBucket> buckets;
    for (const auto& bucket : pool.table->buckets) buckets.push_back({bucket.up_to, bucket.c0});
    return StepCost(std::move(buckets), pool.table->c1, pool.table->c2, pool.max_sequences, pool.table->c4,
                    pool.cost_error_permille);
  }

  StepCost kernel_cost_of(const FleetPool& pool, const std::optional<Replica>& replica) {
    if (!replica)
      refuse(fleet_, pool, "model", fmt::format("found '{}' beside kernels", printable(pool.model)),
             "accepted: a model with a card, which says what its layers are made of");
    KernelStepCost composed = kernels_.cost_of(pool, *replica);
    shares_.resize(tables_.rows.size() + 1);
    shares_.back() = {composed.measured_permille, composed.held_permille};
    return std::move(composed.cost);
  }

  // StepCost's bounds: no run may come near 2^62 ps, whatever it is made of.
  void check_bounds(const FleetPool& pool, const StepCost& cost) const {
    std::int64_t c0 = 0;
    for (const auto& bucket : cost.buckets()) c0 = std::max(c0, bucket.c0.count());
    const bool fine = c0 <= StepCost::kMostC0 && cost.c1().count() <= StepCost::kMostC1 &&
                      cost.c2().count() <= StepCost::kMostC2 && cost.c4().count() <= StepCost::kMostC4;
    const Wide context = Wide(pool.max_sequences) * Wide(kMostContext + kMostSteps);
    const Wide run = Wide(c0) * kMostSteps + Wide(cost.c1().count()) * Wide(pool.token_budget.count()) +
                     Wide(cost.c4().count()) * Wide(pool.token_budget.count()) * Wide(kMostContext + kMostSteps) +
                     Wide(cost.c2().count()) * context * kMostSteps;
    if (!fine || run >= Wide{1} << 62)
      refuse(fleet_, pool, "",
             fmt::format("found steps of {} ps, {} ps a prefill token, {} ps a KV token, {} ps for 1,024 prefill pairs",
                         c0, cost.c1().count(), cost.c2().count(), cost.c4().count()),
             "accepted: at most 1e15, 1e12, 1e7 and 1e9");
  }

  // No two rows are of one key.
  CostKey key_of(const FleetPool& pool, const std::string& model) const {
    CostKey key{.accelerator = fleet_.accelerators[pool.accelerator].id,
                .engine = pool.kind == PoolKind::stepped ? "stepped" : "served",
                .precision = fmt::format("{}/kv-{}", pool.precision, pool.kv_precision),
                .model = model,
                .parallelism = fmt::format("tp{}", pool.tp)};
    for (std::string* part : {&key.accelerator, &key.model})
      std::ranges::replace_if(*part, [](char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }, '_');
    if (std::ranges::find(tables_.keys, key) != tables_.keys.end())
      key.parallelism += fmt::format("/row{}", tables_.rows.size());
    return key;
  }

  // Which tables, and the memory that says how far they are asked.
  static std::string kernels_key(const FleetPool& pool) {
    std::string key;
    for (const std::string& file : pool.kernels) key += fmt::format("\n{} {}", file, pool.memory_thousandths);
    return key;
  }

  CostRow row_of(const FleetPool& pool, const std::string& model, const std::optional<Replica>& replica) {
    const std::string key = fmt::format("{} {} {} {} {} {} {} {}", model, pool.accelerator, pool.tp, pool.precision,
                                        pool.kv_precision, pool.max_sequences, pool.cost_error_permille, pool.profile) +
                            kernels_key(pool);
    if (!pool.table)
      if (const auto known = rows_.find(key); known != rows_.end()) return known->second;
    auto profile = profile_of(pool, replica ? &replica->model : nullptr);
    StepCost cost = profile ? profile->believed(pool.max_sequences, pool.cost_error_permille) : cost_of(pool, replica);
    check_bounds(pool, cost);
    const CostRow row{static_cast<std::uint32_t>(tables_.rows.size())};
    tables_.rows.push_back(std::move(cost));
    tables_.profiles.push_back(std::move(profile));
    tables_.keys.push_back(key_of(pool, model));
    if (!pool.table) rows_.emplace(key, row);
    return row;
  }

  // A model makes tokens on all of its pools or on none.
  ModelId model_of(const FleetPool& pool, const std::string& name, const ModelCard* card) {
    const bool embeds = pool.embeds.value_or(card && card->embeds);
    if (card && card->embeds && !embeds)
      refuse(fleet_, pool, "serves", fmt::format("found tokens of {}, which makes none", name), "accepted: embeddings");
    for (std::uint32_t i = 0; i < view_.models.size(); ++i) {
      if (view_.models[i].name != name) continue;
      if (view_.models[i].embeds != embeds)
        refuse(fleet_, pool, "serves",
               fmt::format("found {} of {}, and {} at a pool before", embeds ? "embeddings" : "tokens", name,
                           embeds ? "tokens" : "embeddings"),
               "accepted: the same at every pool of a model");
      return ModelId{i};
    }
    view_.models.push_back({name, fleet_.prefix_block, embeds});
    return ModelId{static_cast<std::uint32_t>(view_.models.size() - 1)};
  }

  void add(const FleetPool& pool) {
    const ModelCard* card = card_of(pool);
    const Accelerator& chip = fleet_.accelerators[pool.accelerator];
    const Site& site = fleet_.sites[pool.site];
    std::optional<Replica> replica;
    if (card) {
      replica.emplace(replica_of(pool, *card, chip));
      if (const Refusal no = refusal_of(*replica); no.any() && !pool.table)
        refuse(fleet_, pool, "tp", no.found, no.remedy);
    }
    const std::string model = card ? card->id : pool.model;
    PoolView out;
    out.name = pool.name;
    out.provider = site.provider;
    out.region_name = fleet_.regions[site.region.value];
    out.accelerator = chip.id;
    out.model = model_of(pool, model, card);
    out.region = site.region;
    out.provider_id = ProviderId{
        static_cast<std::uint32_t>(std::ranges::find(fleet_.providers, site.provider) - fleet_.providers.begin())};
    out.first_device = view_.devices();
    out.devices = pool.replicas;
    out.accelerators_per_device = pool.tp;
    out.kv_blocks = replica ? kv_blocks_of(pool, *replica) : *pool.kv_blocks;
    out.cost = row_of(pool, model, replica);
    out.block_tokens = pool.block_tokens;
    out.prefix_cache = pool.prefix_cache;
    out.kind = pool.kind;
    out.window = pool.window;
    out.admission = {pool.admits_whole, pool.plans_ahead,
                     Blocks(std::int64_t{out.kv_blocks.count()} * pool.watermark_thousandths / 1000)};
    out.wire_delay = pool.wire_delay;
    out.scrape = pool.scrape, out.scrape_lag = pool.scrape_lag, out.background = pool.background;
    out.block_events = pool.block_events;
    out.max_sequences = pool.max_sequences;
    out.token_budget = pool.token_budget;
    out.chunk = pool.kind == PoolKind::stepped ? pool.chunk : Chunk::budget;
    out.max_context = max_context_of(pool, card, out.kv_blocks);
    out.per_hour = pool.per_accelerator_hour * pool.tp;
    out.idle = chip.idle * pool.tp;
    out.busy = std::max(out.idle, Milliwatts(chip.tdp.count() * kBusyThousandthsOfTdp / 1000) * pool.tp);
    out.adapter_slots = pool.adapter_slots;
    out.adapter_load = pool.adapter_load.value_or(Duration());
    out.adapter_bytes_per_s = pool.adapter_load ? 0 : pool.adapter_bytes_per_s;
    out.adapter_affinity = pool.adapter_affinity;
    view_.pools.push_back(std::move(out));
  }

  // Numbered model by model, in the file's order.
  void add(const FleetAdapters& adapters) {
    const ModelId model = served(adapters);
    if (std::ranges::none_of(view_.pools, [&](const PoolView& p) { return p.model == model && p.adapter_slots > 0; }))
      throw InputError(fleet_.file, adapters.line, adapters.path + ".model",
                       fmt::format("found '{}', of which no pool holds any", printable(adapters.model)),
                       "add adapters: {slots: n} to a pool of that model");
    for (std::uint32_t k = 0; k < adapters.count; ++k) {
      const auto of = std::ranges::count(view_.adapters, model, &AdapterView::model);
      std::string name = adapters.name.empty() ? fmt::format("{}", of + 1) : adapters.name;
      view_.adapters.push_back({std::move(name), model, adapters.bytes});
    }
  }

  // Of a row of the fleet's file that names a model.
  ModelId served(const auto& row) const {
    const ModelCard* card = cards_.find(row.model);
    const std::string& name = card ? card->id : row.model;
    std::vector<std::string_view> names;
    for (std::uint32_t i = 0; i < view_.models.size(); ++i) {
      if (view_.models[i].name == name) return ModelId{i};
      names.push_back(view_.models[i].name);
    }
    throw InputError(fleet_.file, row.line, row.path + ".model", fmt::format("found '{}'", printable(row.model)),
                     fmt::format("accepted: a model that a pool serves, nearest is '{}'", nearest(row.model, names)));
  }

  // A row without a model stands for every model in equal parts; the others are scaled up to match.
  Mix mix() const {
    const auto models = static_cast<std::uint32_t>(view_.models.size());
    std::vector<MixEntry> entries;
    for (const MixRow& row : fleet_.mix) {
      const auto entry = [&](std::uint64_t weight, ModelId model) {
        if (weight > 0)
          entries.push_back({weight, model, row.slo, row.tenant, row.regions, row.providers, row.primary});
      };
      if (!row.model.empty()) {
        entry(row.weight * models, served(row));
        continue;
      }
      for (std::uint32_t m = 0; m < models; ++m) entry(row.weight, ModelId{m});
    }
    return Mix(std::move(entries));
  }

  const Fleet& fleet_;
  const ModelCards& cards_;
  FleetView view_;
  CostTables tables_;
  std::map<std::string, CostRow> rows_;
  PoolKernels kernels_;
  std::vector<KernelShares> shares_;  // by row, as far as any has some
};

}  // namespace

CompiledFleet compile_fleet(const Fleet& fleet, const ModelCards& cards) { return Compiler(fleet, cards).compile(); }

}  // namespace yard
