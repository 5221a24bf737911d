#include "scheduler/cost/compile_handoff.h"

#include <algorithm>
#include <string>

#include <fmt/format.h>

#include "scheduler/base/check.h"
#include "scheduler/base/input_error.h"

namespace yard {
namespace {

[[noreturn]] void refuse(const Fleet& fleet, const FleetHandoffLink& link, std::string found, std::string accepted) {
  throw InputError(fleet.file, link.line, link.path, std::move(found), std::move(accepted));
}

// Both ends hold the same bytes for a token, or what arrives cannot be read.
void check_ends(const Fleet& fleet, const ModelCards& cards, const FleetView& view, const FleetHandoffLink& link) {
  const PoolView &a = view.pools[link.from], &b = view.pools[link.to];
  const FleetPool &from = fleet.pools[link.from], &to = fleet.pools[link.to];
  if (a.model != b.model)
    refuse(fleet, link,
           fmt::format("found {} at one end and {} at the other", view.models[a.model.value].name,
                       view.models[b.model.value].name),
           "accepted: ends that serve one model");
  if (from.kv_precision != to.kv_precision)
    refuse(fleet, link,
           fmt::format("found KV in {} at one end and in {} at the other", from.kv_precision, to.kv_precision),
           "accepted: one kv_precision at both ends");
  for (const FleetPool* pool : {&from, &to})
    if (kv_token_bytes(*pool, cards.find(pool->model)) == 0)
      refuse(fleet, link, fmt::format("found no size of a token's KV in {}", pool->name),
             "add kv_bytes_per_token to the pool, or name a model with a card");
  if (a.kv_token_bytes != b.kv_token_bytes)
    refuse(
        fleet, link,
        fmt::format("found {} bytes of KV a token at one end and {} at the other", a.kv_token_bytes, b.kv_token_bytes),
        "accepted: KV of one size at both ends");
  const ModelCard* card = cards.find(from.model);
  if (card && card->linear_layers > 0)
    refuse(fleet, link, fmt::format("found {}, whose linear attention keeps a state beside KV", card->id),
           "accepted: a model without linear attention");
}

}  // namespace

std::int64_t kv_token_bytes(const FleetPool& pool, const ModelCard* card) {
  if (pool.kv_token_bytes) return *pool.kv_token_bytes;
  if (!card) return 0;
  const Precision kv = pool.kv_precision == "fp8"    ? Precision::fp8
                       : pool.kv_precision == "int8" ? Precision::int8
                                                     : Precision::bf16;
  return card->kv_bytes_per_token * bits_per_128_values(kv) / (128 * 16);  // the card's figure is for bf16
}

std::int64_t bandwidth_at(const std::vector<FleetHandoffLink::Bandwidth>& points, std::int64_t bytes) {
  CHECK(!points.empty());
  const auto above = std::ranges::find_if(points, [&](const auto& point) { return point.transfer_bytes >= bytes; });
  if (above == points.end()) return points.back().bytes_per_s;
  if (above == points.begin()) return above->bytes_per_s;
  const auto below = above - 1;
  const std::int64_t rise = above->bytes_per_s - below->bytes_per_s;  // below 10^15; sizes are at most 2^30
  const Wide part = static_cast<Wide>(rise < 0 ? -rise : rise) * static_cast<Wide>(bytes - below->transfer_bytes) /
                    static_cast<Wide>(above->transfer_bytes - below->transfer_bytes);
  return below->bytes_per_s + (rise < 0 ? -1 : 1) * static_cast<std::int64_t>(part);
}

void compile_handoff(const Fleet& fleet, const ModelCards& cards, FleetView& view) {
  view.stay_tokens = fleet.stay_tokens;
  for (std::size_t p = 0; p < view.pools.size(); ++p) {
    view.pools[p].role = fleet.pools[p].role;
    view.pools[p].kv_token_bytes = kv_token_bytes(fleet.pools[p], cards.find(fleet.pools[p].model));
  }
  for (const FleetHandoffLink& link : fleet.handoff_links) {
    check_ends(fleet, cards, view, link);
    const FleetPool &from = fleet.pools[link.from], &to = fleet.pools[link.to];
    // Engines lay KV out layer by layer; each rank sends its part, and the narrower end says how many do at once.
    const ModelCard* card = cards.find(from.model);
    const std::int64_t layers = card ? card->layers : 1;
    const std::int64_t ranks = std::min(from.tp, to.tp);
    const std::int64_t own = from.block_tokens.count() * view.pools[link.from].kv_token_bytes / layers / ranks;
    const std::int64_t transfer = link.transfer_bytes.value_or(std::max<std::int64_t>(1, own));
    view.links.push_back({.from = PoolId{link.from},
                          .to = PoolId{link.to},
                          .at_once = link.at_once,
                          .latency = link.latency,
                          .bytes_per_s = bandwidth_at(link.bandwidth, transfer) * ranks});
  }
}

}  // namespace yard
