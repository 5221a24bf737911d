// Fleet files: every key, its unit and its bounds. What needs a model card is checked by
// scheduler/cost/compile_fleet.cpp.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "scheduler/base/input_error.h"
#include "scheduler/yaml/field.h"
#include "topology/adapters_yaml.h"
#include "topology/fleet.h"
#include "topology/fleet_cells.h"
#include "topology/fleet_names.h"
#include "topology/fleet_terms_yaml.h"
#include "topology/handoff_yaml.h"
#include "topology/served_yaml.h"
#include "topology/tenants_yaml.h"

namespace yard {
namespace {

using yaml::Field;

constexpr std::size_t kMostPools = 10'000, kMostSites = 1000, kMostLinks = 10'000, kMostMix = 1000, kMostClasses = 64;
constexpr std::size_t kMostRegions = 64, kMostProviders = 64;  // bits of a Mask
constexpr std::int64_t kMostReplicas = 1 << 20, kMostTokens = 1 << 20;
constexpr std::int64_t kMostNanoDollars = 100'000'000'000'000;  // 100,000 USD an hour

Field root_of(const yaml::Document& document) {
  if (document.root.kind == yaml::Kind::nothing)
    throw InputError(document.file, 0, "", "found no fleet", "accepted: a map with the key pools");
  return Field(document);
}

// ---- tables of names ------------------------------------------------------------------------------------------------

std::uint32_t find_or_add(const std::string& name, std::vector<std::string>& names) {
  const auto at = std::ranges::find(names, name);
  if (at != names.end()) return static_cast<std::uint32_t>(at - names.begin());
  names.push_back(name);
  return static_cast<std::uint32_t>(names.size() - 1);
}

std::vector<std::string> read_names(const Field& root, std::string_view key, std::size_t most) {
  std::vector<std::string> names;
  if (const auto list = root.get(key)) {
    for (const Field& item : list->items(most)) {
      std::string name = item.name();
      refuse_twice(item, name, views(names));
      names.push_back(std::move(name));
    }
  }
  return names;
}

// ---- where things stand ---------------------------------------------------------------------------------------------

void read_sites(const Field& root, Fleet& fleet) {
  const bool named_providers = root.get("providers").has_value(), named_regions = root.get("regions").has_value();
  fleet.providers = read_names(root, "providers", kMostProviders);
  fleet.regions = read_names(root, "regions", kMostRegions);
  if (const auto list = root.get("sites")) {
    for (const Field& entry : list->items(kMostSites)) {
      entry.only({"name", "provider", "region"});
      Site site;
      site.name = entry.need("name").name();
      refuse_twice(entry.need("name"), site.name, names_of(fleet.sites));
      const Field provider = entry.need("provider"), region = entry.need("region");
      if (named_providers) find(provider, "a provider", views(fleet.providers));
      if (named_regions) find(region, "a region", views(fleet.regions));
      site.provider = provider.name();
      find_or_add(site.provider, fleet.providers);
      site.region = RegionId{find_or_add(region.name(), fleet.regions)};
      if (fleet.regions.size() > kMostRegions)
        region.refuse("found one region more", fmt::format("accepted: at most {}", kMostRegions));
      if (fleet.providers.size() > kMostProviders)
        provider.refuse("found one provider more", fmt::format("accepted: at most {}", kMostProviders));
      fleet.sites.push_back(std::move(site));
    }
  }
  if (!fleet.sites.empty()) return;
  find_or_add("local", fleet.providers);
  fleet.sites.push_back({"local", "local", RegionId{find_or_add("local", fleet.regions)}});
}

void read_links(const Field& root, Fleet& fleet) {
  const auto list = root.get("links");
  if (!list) return;
  for (const Field& entry : list->items(kMostLinks)) {
    entry.only({"from", "to", "rtt_ms", "gb_s", "source"});
    Link link;
    link.from = find(entry.need("from"), "a site", names_of(fleet.sites));
    link.to = find(entry.need("to"), "a site", names_of(fleet.sites));
    link.round_trip = Duration(entry.need("rtt_ms").decimal(6, 0, 60'000'000'000));
    if (const auto rate = entry.get("gb_s")) link.bytes_per_s = rate->decimal(3, 1, 1'000'000'000) * 1'000'000;
    fleet.links.push_back(link);
  }
}

// ---- promises -------------------------------------------------------------------------------------------------------

Duration milliseconds_or_none(const Field& entry, std::string_view key, std::int64_t most_ms) {
  const auto field = entry.get(key);
  return field ? Duration(field->decimal(6, 0, most_ms * 1'000'000)) : Duration{};
}

// Hard: kept by nine of ten, unless it is said how surely.
void read_deadline(const Field& entry, SloClass& slo) {
  const auto deadline = entry.get("deadline"), sure = entry.get("sure_percent");
  if (deadline) {
    constexpr std::array<std::string_view, 2> kHow = {"soft", "hard"};
    if (deadline->one_of(kHow) == 1) slo.sure = Quantile::q90;
  }
  if (sure && slo.sure == Quantile::none) sure->refuse("found a soft deadline", "add deadline: hard");
  if (sure) {
    const std::int64_t percent = sure->integer(50, 99);
    if (percent != 50 && percent != 90 && percent != 99) sure->refuse_value("50, 90, 99");
    slo.sure = percent == 50 ? Quantile::q50 : percent == 90 ? Quantile::q90 : Quantile::q99;
  }
  if (slo.sure == Quantile::none) return;
  if (slo.ttft.count() == 0 && slo.e2e.count() == 0)
    deadline->refuse("nothing is due by then", "add ttft_ms or e2e_ms, or leave it soft");
  if (const auto field = entry.get("on_overload"); field && slo.on_overload != Overload::reject)
    field->refuse("beside a hard deadline", "accepted: reject, who is late is not put off");
  slo.on_overload = Overload::reject;
}

void read_classes(const Field& root, Fleet& fleet) {
  const auto list = root.get("slo_classes");
  if (!list) {
    fleet.classes = default_classes();
    return;
  }
  constexpr std::int64_t kDayMs = 86'400'000;
  for (const Field& entry : list->items(kMostClasses)) {
    entry.only({"name", "rank", "ttft_ms", "ttft_per_prompt_token_ms", "tpot_ms", "e2e_ms", "shed_after_ms",
                "on_overload", "deadline", "sure_percent"});
    SloClass slo;
    slo.name = entry.need("name").name();
    refuse_twice(entry.need("name"), slo.name, names_of(fleet.classes));
    slo.rank = static_cast<std::uint32_t>(entry.need("rank").integer(0, 255));
    slo.ttft = milliseconds_or_none(entry, "ttft_ms", kDayMs);
    slo.ttft_per_token = milliseconds_or_none(entry, "ttft_per_prompt_token_ms", 1000);
    slo.tpot = milliseconds_or_none(entry, "tpot_ms", kDayMs);
    slo.e2e = milliseconds_or_none(entry, "e2e_ms", 30 * kDayMs);
    slo.patience = milliseconds_or_none(entry, "shed_after_ms", 30 * kDayMs);
    const bool promised = slo.ttft.count() > 0 || slo.tpot.count() > 0;
    slo.on_overload = promised ? Overload::reject : Overload::defer;
    if (const auto field = entry.get("on_overload")) {
      constexpr std::array<std::string_view, 2> kWhat = {"reject", "defer"};
      slo.on_overload = field->text() == kWhat[0] ? Overload::reject : Overload::defer;
      if (field->text() != kWhat[0] && field->text() != kWhat[1]) field->refuse_name("what to do", kWhat);
    }
    read_deadline(entry, slo);
    if (slo.ttft_per_token.count() > 0 && slo.ttft.count() == 0)
      entry.need("ttft_per_prompt_token_ms").refuse("found no ttft_ms beside it", "add ttft_ms");
    fleet.classes.push_back(std::move(slo));
  }
  if (fleet.classes.empty()) list->refuse("found an empty list", "accepted: at least one class, or no slo_classes");
}

// ---- prices ---------------------------------------------------------------------------------------------------------

struct Price {
  std::string provider;
  const Accelerator* chip;
  NanoDollars per_hour;
};

const Accelerator& find_chip(const Field& field, const Catalogue& catalogue) {
  const std::string name = field.text();
  const Accelerator* chip = catalogue.find(name);
  if (!chip) field.refuse_name("a chip of the catalogue", catalogue.ids());
  return *chip;
}

std::vector<Price> read_prices(const Field& root, const Fleet& fleet, const Catalogue& catalogue) {
  std::vector<Price> prices;
  const auto list = root.get("prices");
  if (!list) return prices;
  for (const Field& entry : list->items(kMostPools)) {
    entry.only({"provider", "accelerator", "usd_per_accelerator_hour", "source"});
    Price price;
    find(entry.need("provider"), "a provider", views(fleet.providers));
    price.provider = entry.need("provider").name();
    price.chip = &find_chip(entry.need("accelerator"), catalogue);
    price.per_hour = NanoDollars(entry.need("usd_per_accelerator_hour").decimal(9, 0, kMostNanoDollars));
    for (const Price& before : prices)
      if (before.provider == price.provider && before.chip == price.chip)
        entry.refuse(fmt::format("found a second price of {} at {}", price.chip->id, price.provider),
                     "accepted: one of each");
    prices.push_back(std::move(price));
  }
  return prices;
}

// The pool's own, its provider's, the catalogue's.
NanoDollars price_of(const Field& entry, const Accelerator& chip, const std::string& provider,
                     const std::vector<Price>& prices) {
  if (const auto own = entry.get("usd_per_accelerator_hour")) return NanoDollars(own->decimal(9, 0, kMostNanoDollars));
  for (const Price& price : prices)
    if (price.provider == provider && price.chip->id == chip.id) return price.per_hour;
  if (chip.per_hour.count() > 0) return chip.per_hour;
  entry.refuse(fmt::format("found no price of {} at {}", chip.id, provider), "add usd_per_accelerator_hour");
}

// ---- pools ----------------------------------------------------------------------------------------------------------

constexpr std::array<std::string_view, 2> kOffOn = {"off", "on"};
constexpr std::array<std::string_view, 2> kChunks = {"budget", "objective"};  // as in Chunk

GivenTable read_table(const Field& entry) {
  entry.only({"c0_ps", "c1_ps", "c2_ps", "c4_ps"});
  GivenTable table;
  const Field list = entry.need("c0_ps");
  for (const Field& bucket : list.items(1024)) {
    bucket.only({"up_to", "ps"});
    const auto up_to = static_cast<std::uint32_t>(bucket.need("up_to").integer(1, 1024));
    if (!table.buckets.empty() && up_to <= table.buckets.back().up_to)
      bucket.need("up_to").refuse(fmt::format("found {} after {}", up_to, table.buckets.back().up_to),
                                  "accepted: ascending sequences");
    table.buckets.push_back({up_to, Picoseconds(bucket.need("ps").integer(0, 1'000'000'000'000'000))});
  }
  if (table.buckets.empty()) list.refuse("found an empty list", "accepted: at least one {up_to, ps}");
  table.c1 = Picoseconds(entry.need("c1_ps").integer(0, 1'000'000'000'000));
  table.c2 = Picoseconds(entry.need("c2_ps").integer(0, 10'000'000));
  if (const auto field = entry.get("c4_ps")) table.c4 = Picoseconds(field->integer(0, 1'000'000'000));
  return table;
}

void read_engine(const Field& entry, FleetPool& pool) {
  if (const auto field = entry.get("max_sequences"))
    pool.max_sequences = static_cast<std::uint32_t>(field->integer(1, 1024));
  if (const auto field = entry.get("token_budget")) pool.token_budget = Tokens(field->integer(1, kMostTokens));
  if (pool.token_budget.count() < static_cast<std::int64_t>(pool.max_sequences))
    entry.refuse(
        fmt::format("found token_budget {} below max_sequences {}", pool.token_budget.count(), pool.max_sequences),
        "accepted: token_budget of at least max_sequences");
  if (const auto field = entry.get("chunk")) pool.chunk = static_cast<Chunk>(field->one_of(kChunks));
  if (const auto field = entry.get("block_tokens")) pool.block_tokens = Tokens(field->integer(1, 4096));
  if (const auto field = entry.get("max_context")) pool.max_context = Tokens(field->integer(2, kMostTokens));
  if (const auto field = entry.get("kv_blocks")) pool.kv_blocks = Blocks(field->integer(1, 1'000'000'000));
  if (const auto field = entry.get("memory_utilization"))
    pool.memory_thousandths = static_cast<std::int32_t>(field->decimal(3, 1, 1000));
  if (const auto field = entry.get("table")) pool.table = read_table(*field);
  if (const auto field = entry.get("profile")) {
    if (pool.table) field->refuse("found it beside table", "accepted: one of both");
    pool.profile = field->text();
  }
  if (const auto field = entry.get("kernels")) {
    if (pool.table || !pool.profile.empty())
      field->refuse(fmt::format("found it beside {}", pool.table ? "table" : "profile"), "accepted: one of both");
    pool.kernels = field->is_text() ? std::vector{field->text()} : entry.texts("kernels");
    if (pool.kernels.empty())
      field->refuse("found an empty list", "accepted: files that switchyard cost fit --out wrote");
  }
  // A spread of less would trust costs more than any that were ever measured (PLACEMENT's floor).
  if (const auto field = entry.get("cost_error_percent"))
    pool.cost_error_permille = static_cast<std::uint32_t>(field->decimal(1, 100, 1000));
  if (const auto field = entry.get("prefix_cache")) pool.prefix_cache = field->one_of(kOffOn) == 1;
  constexpr std::array<std::string_view, 2> kWhat = {"tokens", "embeddings"};
  if (const auto field = entry.get("serves")) pool.embeds = field->one_of(kWhat) == 1;
}

FleetPool read_pool(const Field& entry, Fleet& fleet, const Catalogue& catalogue, const std::vector<Price>& prices) {
  entry.only({"name",          "site",
              "model",         "accelerator",
              "replicas",      "tp",
              "precision",     "kv_precision",
              "max_sequences", "token_budget",
              "chunk",         "max_context",
              "block_tokens",  "memory_utilization",
              "kv_blocks",     "table",
              "profile",       "kernels",
              "served",        "cost_error_percent",
              "prefix_cache",  "serves",
              "adapters",      "usd_per_accelerator_hour",
              "cell",          "shard",
              "role",          "kv_bytes_per_token"});
  constexpr std::array<std::string_view, 6> kPrecisions = {"native", "bf16", "fp8", "int8", "mxfp4", "int4"};
  constexpr std::array<std::string_view, 3> kKvPrecisions = {"bf16", "fp8", "int8"};
  FleetPool pool;
  pool.line = entry.line();
  pool.path = entry.path();
  pool.name = entry.need("name").name();
  refuse_twice(entry.need("name"), pool.name, names_of(fleet.pools));
  if (const auto site = entry.get("site"))
    pool.site = find(*site, "a site", names_of(fleet.sites));
  else if (fleet.sites.size() > 1)
    entry.need("site");
  pool.model = entry.need("model").name();
  const Accelerator& chip = find_chip(entry.need("accelerator"), catalogue);
  const auto known = std::ranges::find(fleet.accelerators, chip.id, &Accelerator::id);
  pool.accelerator = static_cast<std::uint32_t>(known - fleet.accelerators.begin());
  if (known == fleet.accelerators.end()) fleet.accelerators.push_back(chip);
  if (const auto field = entry.get("replicas"))
    pool.replicas = static_cast<std::uint32_t>(field->integer(1, kMostReplicas));
  if (const auto field = entry.get("tp")) pool.tp = static_cast<std::uint32_t>(field->integer(1, 1024));
  if (const auto field = entry.get("precision")) pool.precision = kPrecisions[field->one_of(kPrecisions)];
  if (const auto field = entry.get("kv_precision")) pool.kv_precision = kKvPrecisions[field->one_of(kKvPrecisions)];
  apply_preset(entry, pool);
  read_engine(entry, pool);
  if (const auto field = entry.get("served")) read_served(*field, pool);
  if (const auto field = entry.get("chunk"); field && pool.kind == PoolKind::served)
    field->refuse("found it beside served", "accepted: one of both; an engine cuts its prompts itself");
  read_role(entry, pool);
  if (const auto field = entry.get("adapters")) read_adapter_slots(*field, chip, pool);
  pool.per_accelerator_hour = price_of(entry, chip, fleet.sites[pool.site].provider, prices);
  return pool;
}

void read_pools(const Field& root, Fleet& fleet, const Catalogue& catalogue) {
  const std::vector<Price> prices = read_prices(root, fleet, catalogue);
  const Field list = root.need("pools");
  std::int64_t replicas = 0;
  for (const Field& entry : list.items(kMostPools)) {
    fleet.pools.push_back(read_pool(entry, fleet, catalogue, prices));
    replicas += fleet.pools.back().replicas;
    if (replicas > kMostReplicas)
      entry.refuse(fmt::format("found {} replicas so far", replicas),
                   fmt::format("accepted: at most {} in all", kMostReplicas));
  }
  if (fleet.pools.empty()) list.refuse("found no pool", "accepted: at least one pool");
}

// ---- the mix --------------------------------------------------------------------------------------------------------

// Where its requests may run, and where they run first.
void read_where(const Field& entry, const Fleet& fleet, MixRow& row) {
  if (const auto regions = entry.get("regions")) {
    row.regions.bits = find_bits(*regions, "a region", views(fleet.regions));
    if (row.regions.bits == 0) regions->refuse("found no region", "accepted: at least one, or no regions");
    const TenantView& tenant = fleet.tenants[row.tenant.value];
    if ((row.regions.bits & tenant.regions.bits) == 0)
      regions->refuse(fmt::format("found none of the regions of tenant '{}'", tenant.name),
                      "accepted: at least one of them, or no regions");
  }
  if (const auto providers = entry.get("providers")) {
    row.providers.bits = find_bits(*providers, "a provider", views(fleet.providers));
    if (row.providers.bits == 0) providers->refuse("found no provider", "accepted: at least one, or no providers");
  }
  if (const auto primary = entry.get("primary")) {
    row.primary = ProviderId{find(*primary, "a provider", views(fleet.providers))};
    if (!row.providers.has(row.primary)) primary->refuse_value("one of the entry's providers, or no providers");
  }
}

void read_mix(const Field& root, Fleet& fleet) {
  const bool tenants_listed = read_tenants(root, fleet);
  const auto list = root.get("mix");
  std::uint64_t sum = 0;
  if (list) {
    for (const Field& entry : list->items(kMostMix)) {
      entry.only({"weight", "model", "class", "tenant", "regions", "providers", "primary"});
      MixRow row;
      row.line = entry.line();
      row.path = entry.path();
      row.weight = static_cast<std::uint64_t>(entry.need("weight").integer(0, 1'000'000));
      sum += row.weight;
      if (const auto model = entry.get("model")) row.model = model->name();
      const auto slo = entry.get("class");
      row.slo = SloClassId{slo ? find(*slo, "an SLO class", names_of(fleet.classes)) : 0};
      row.tenant = tenant_of(entry, tenants_listed, fleet);
      read_where(entry, fleet, row);
      fleet.mix.push_back(std::move(row));
    }
    if (fleet.mix.empty()) list->refuse("found an empty list", "accepted: at least one entry, or no mix");
    if (sum == 0) list->refuse("found weights that sum to 0", "accepted: at least one weight above 0");
    return;
  }
  // Without a mix everybody asks for as much.
  if (fleet.tenants.empty()) fleet.tenants.push_back({.name = "default"});
  for (std::uint32_t t = 0; t < fleet.tenants.size(); ++t) {
    MixRow row;
    row.tenant = TenantId{t};
    row.slo = SloClassId{0};
    row.path = "mix";
    fleet.mix.push_back(std::move(row));
  }
}

}  // namespace

Fleet read_fleet(const std::string& file, std::string_view text) {
  const yaml::Document document = yaml::parse(file, text);
  const Field root = root_of(document);
  root.only({"name",           "pue",         "providers", "regions",       "sites", "links",
             "prices",         "slo_classes", "tenants",   "pools",         "mix",   "prefix_block_tokens",
             "adapters",       "contracts",   "licences",  "power_domains", "cells", "control_lag_ms",
             "signals_age_ms", "handoff",     "shards",    "door_lag_ms",   "steal"});
  Fleet fleet;
  fleet.file = file;
  const auto name = root.get("name");
  fleet.name = name ? name->name() : "fleet";
  if (const auto pue = root.get("pue")) fleet.pue_thousandths = pue->decimal(3, 1000, 5000);
  if (const auto age = root.get("signals_age_ms")) fleet.signals_age = Duration(age->decimal(6, 0, 3'600'000'000'000));
  if (const auto block = root.get("prefix_block_tokens")) fleet.prefix_block = Tokens(block->integer(1, 65536));
  read_sites(root, fleet);
  read_links(root, fleet);
  read_classes(root, fleet);
  read_pools(root, fleet, builtin_catalogue());
  read_adapters(root, fleet);
  read_mix(root, fleet);
  read_terms(root, fleet);
  read_cells(root, fleet);
  read_shards(root, fleet);
  read_handoff(root, fleet);
  return fleet;
}

}  // namespace yard
