#include "topology/served_yaml.h"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

#include "topology/fleet_names.h"

namespace yard {

using yaml::Field;

namespace {

constexpr std::int64_t kMostTokens = 1 << 20;

// An engine as it is when nobody sets anything. Other keys go over it.
//
// vllm: V1 as of 0.19 (vllm/engine/arg_utils.py, get_batch_defaults, and vllm/config/scheduler.py): 2,048 tokens a step
// and 256 sequences behind the OpenAI server (SchedulerConfig's own 128 never gets there; chips of 70 GiB and more but
// A100 get 8,192 and 1,024: say so by token_budget and max_sequences), chunked prefill, first come first served,
// newest-first preemption with recompute, blocks of 16 tokens, prefix cache on, scheduler_reserve_full_isl and
// async_scheduling on, no watermark (V0's BlockSpaceManager held back 1 %; V1 takes a `watermark` since, 0 unless
// given).
struct EnginePreset {
  std::string_view name;
  std::uint32_t max_sequences;
  Tokens token_budget, block_tokens;
  bool prefix_cache, admits_whole, plans_ahead;
  std::uint32_t watermark_thousandths;
};
constexpr std::array<EnginePreset, 1> kPresets = {{{"vllm", 256, Tokens(2048), Tokens(16), true, true, true, 0}}};

}  // namespace

void apply_preset(const Field& entry, FleetPool& pool) {
  const auto served = entry.get("served");
  if (!served || !served->is_map()) return;
  const auto named = served->get("preset");
  if (!named) return;
  const std::string name = named->text();
  const auto preset = std::ranges::find(kPresets, std::string_view(name), &EnginePreset::name);
  if (preset == kPresets.end()) named->refuse_name("a preset", names_of(kPresets));
  pool.max_sequences = preset->max_sequences;
  pool.token_budget = preset->token_budget;
  pool.block_tokens = preset->block_tokens;
  pool.prefix_cache = preset->prefix_cache;
  pool.admits_whole = preset->admits_whole;
  pool.plans_ahead = preset->plans_ahead;
  pool.watermark_thousandths = preset->watermark_thousandths;
}

// What others ask of the engine.
void read_background(const Field& entry, Background& background) {
  entry.only({"per_s", "prompt_tokens", "output_tokens"});
  background.per_s_thousandths = entry.need("per_s").decimal(3, 1, 1'000'000'000);
  if (const auto field = entry.get("prompt_tokens")) background.prompt = Tokens(field->integer(1, kMostTokens));
  if (const auto field = entry.get("output_tokens")) background.output = Tokens(field->integer(1, kMostTokens));
}

// An engine behind a wire: how far it is, when it may be sent more, and what it lets in.
void read_served(const Field& entry, FleetPool& pool) {
  entry.only({"preset", "wire_delay_ms", "window", "window_tokens", "window_sequences", "window_kv_percent",
              "start_timeout_ms", "admit", "plans_ahead", "watermark_percent", "scrape_ms", "scrape_lag_ms",
              "use_by_ms", "background", "block_events"});
  constexpr std::array<std::string_view, kWindowRules> kRules = {"tokens", "sequences", "gradient", "net_gain"};
  constexpr std::int64_t kHour = 3'600'000'000'000;
  pool.kind = PoolKind::served;
  pool.window.unread = Tokens(std::min<std::int64_t>(2 * std::int64_t{pool.token_budget.count()}, kMostTokens));
  if (const auto field = entry.get("wire_delay_ms")) pool.wire_delay = Duration(field->decimal(6, 0, kHour));
  if (const auto field = entry.get("window")) pool.window.rule = static_cast<WindowRule>(field->one_of(kRules));
  if (const auto field = entry.get("window_tokens")) pool.window.unread = Tokens(field->integer(1, kMostTokens));
  if (const auto field = entry.get("window_sequences"))
    pool.window.in_flight = static_cast<std::uint32_t>(field->integer(1, 1'000'000));
  if (const auto field = entry.get("window_kv_percent"))
    pool.window.kv_permille = static_cast<std::uint32_t>(field->decimal(1, 1, 10'000));
  if (const auto field = entry.get("start_timeout_ms"))
    pool.window.start_timeout = Duration(field->decimal(6, 1, kHour));
  constexpr std::array<std::string_view, 2> kAdmit = {"chunk", "prompt"};
  if (const auto field = entry.get("admit")) pool.admits_whole = field->one_of(kAdmit) == 1;
  if (const auto field = entry.get("plans_ahead")) pool.plans_ahead = field->flag();
  if (const auto field = entry.get("watermark_percent"))
    pool.watermark_thousandths = static_cast<std::uint32_t>(field->decimal(1, 0, 500));
  if (const auto field = entry.get("scrape_ms")) {
    pool.scrape = Duration(field->decimal(6, 1'000'000, kHour));
    pool.window.use_by = pool.scrape * 3;
  }
  if (const auto field = entry.get("scrape_lag_ms")) pool.scrape_lag = Duration(field->decimal(6, 0, kHour));
  if (const auto field = entry.get("use_by_ms")) pool.window.use_by = Duration(field->decimal(6, 1'000'000, kHour));
  if (const auto field = entry.get("block_events")) pool.block_events = field->flag();
  if (const auto field = entry.get("background")) read_background(*field, pool.background);
}

}  // namespace yard
