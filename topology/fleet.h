// A fleet as its owner writes it: names, and numbers in the units of units.h.
//
// A value. scheduler/cost/compile_fleet.h turns it into what Core sees (FleetView, CostTables, Mix); that needs model
// cards, which topology does not know, so model names are only checked there. `file`, `line` and `path` are kept so
// that it can say where.
//
// F1  every index (site, accelerator, region) is inside its table; names within a table differ.
// F2  at least one pool, one class; 1 <= max_sequences <= token_budget; at most 2^20 replicas.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "scheduler/base/units.h"
#include "topology/catalogue.h"
#include "topology/fleet_terms.h"
#include "topology/fleet_view.h"

namespace yard {

struct Site {
  std::string name, provider;
  RegionId region;
};

struct Link {
  std::uint32_t from = 0, to = 0;  // sites; both ways
  Duration round_trip;
  std::int64_t bytes_per_s = 0;
};

// Step costs given outright instead of computed, in the order of StepCost.
struct GivenTable {
  struct Bucket {
    std::uint32_t up_to;
    Picoseconds c0;
  };
  std::vector<Bucket> buckets;
  Picoseconds c1, c2, c4;
};

struct FleetPool {
  std::string name, model;
  std::uint32_t site = 0, accelerator = 0, replicas = 1, tp = 1;
  std::string precision = "native", kv_precision = "bf16";
  std::uint32_t max_sequences = 256;
  Tokens token_budget{2048}, block_tokens{16};
  Chunk chunk = Chunk::objective;     // of a stepped one
  std::optional<Tokens> max_context;  // the model's, or what the KV pool holds
  std::optional<Blocks> kv_blocks;    // what memory leaves
  std::int32_t memory_thousandths = 900;
  std::optional<GivenTable> table;
  std::string profile;                      // a folder of measured kernels (cost/operator_profile.h); empty: none
  std::vector<std::string> kernels;         // files of fitted kernel tables (cost/kernel_table.h), one a family
  std::uint32_t cost_error_permille = 100;  // of its step costs, relative
  bool prefix_cache = true;
  std::optional<bool> embeds;  // makes no tokens; as its model's card says
  std::uint32_t adapter_slots = 0;
  std::optional<Duration> adapter_load;  // of any
  std::int64_t adapter_bytes_per_s = 0;  // where no load is given
  bool adapter_affinity = true;
  PoolKind kind = PoolKind::stepped;
  Window window;                                   // of a served one
  bool admits_whole = false, plans_ahead = false;  // likewise: EngineAdmission
  std::uint32_t watermark_thousandths = 0;         // of its KV blocks
  Duration wire_delay;                             // likewise
  Duration scrape, scrape_lag;                     // likewise
  Background background;                           // likewise
  bool block_events = false;                       // likewise
  NanoDollars per_accelerator_hour;
  PoolRole role = PoolRole::both;
  std::optional<std::int64_t> kv_token_bytes;  // the model card's
  std::vector<std::uint32_t> by_cell;          // its replicas in each of the fleet's cells
  std::vector<std::uint32_t> by_shard;         // likewise
  int line = 0;
  std::string path;  // "pools[2]"
};

// Over which KV moves from a prefill pool; scheduler/cost/compile_handoff.h makes one rate of it.
struct FleetHandoffLink {
  // What a transfer of so many bytes comes to on one accelerator; between two of them it is interpolated.
  struct Bandwidth {
    std::int64_t transfer_bytes = 0, bytes_per_s = 0;
  };
  std::uint32_t from = 0, to = 0;              // pools
  std::uint32_t at_once = 0;                   // moves; 0: as many as the smaller pool has replicas
  std::optional<std::int64_t> transfer_bytes;  // of one transfer; none: a layer's block of KV on one accelerator
  Duration latency;
  std::vector<Bandwidth> bandwidth;  // ascending by size
  int line = 0;
  std::string path;
};

// LoRA adapters of one model: one by name, or so many by number.
struct FleetAdapters {
  std::string model, name;
  std::uint32_t count = 1;
  std::int64_t bytes = 0;
  int line = 0;
  std::string path;
};

struct MixRow {
  std::uint64_t weight = 1;
  std::string model;  // empty: every model in turn
  SloClassId slo;
  TenantId tenant;
  RegionMask regions;
  ProviderMask providers;
  ProviderId primary;  // none: all alike
  int line = 0;
  std::string path;
};

struct Fleet {
  std::string file, name;
  std::vector<std::string> providers, regions;
  std::vector<Site> sites;
  std::vector<Link> links;
  std::vector<SloClass> classes;
  std::vector<TenantView> tenants;
  std::vector<Accelerator> accelerators;  // those in use
  std::vector<FleetPool> pools;
  std::vector<FleetAdapters> adapters;
  std::vector<MixRow> mix;
  Tokens prefix_block{512};  // prompts' leading blocks of so many tokens are told apart
  std::vector<FleetContract> contracts;
  std::vector<FleetLicence> licences;
  std::vector<FleetDomain> domains;
  std::vector<FleetHandoffLink> handoff_links;
  Tokens stay_tokens{512};
  std::int64_t pue_thousandths = 1000;
  Duration signals_age;                       // as in FleetView
  std::vector<std::string> cells;             // names; none: the fleet is one cell
  Duration control_lag = milliseconds(100);   // the age that a cell's word has when others hear it
  std::vector<std::string> shards;            // names; none: the fleet is one shard
  Duration door_lag = milliseconds(10);       // so often their door hears from them
  bool steals = true;                         // they take from one another what they cannot start in time
  Duration shard_distance = microseconds(2);  // one way, between any two
  StealView steal;                            // all but who is where
};

// The classes of a fleet that names none: interactive, standard, batch.
std::vector<SloClass> default_classes();

// Errors of both: InputError, one line: file, line, key, found, accepted.
Fleet read_fleet(const std::string& file, std::string_view text);
// `name`: a path, or builtin:single, builtin:mixed, builtin:thousand, builtin:cells, builtin:handoff.
Fleet load_fleet(const std::string& name);
std::vector<std::string_view> builtin_fleets();

}  // namespace yard
