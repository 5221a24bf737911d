#include "scheduler/cost/model_card.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "scheduler/base/check.h"
#include "scheduler/base/input_error.h"
#include "scheduler/yaml/field.h"
#include "scheduler/yaml/names.h"

namespace yard {
namespace embedded {
extern const std::string_view models_yaml;
}

namespace {

using yaml::Field;

constexpr std::int32_t kMostContext = 1 << 20;  // what StepCost's bounds allow

// What the checks need beside the card.
struct Shape {
  std::int64_t q_lora_rank = 0, qk_nope_head_dim = 0, v_head_dim = 0;
  std::int64_t shared_intermediate = 0, first_dense_layers = 0;
  bool output_gate = false, tied_embeddings = false;
};

std::int32_t number(const Field& entry, std::string_view key, std::int64_t least, std::int64_t most) {
  return static_cast<std::int32_t>(entry.need(key).integer(least, most));
}

std::int32_t number_or(const Field& entry, std::string_view key, std::int32_t otherwise) {
  const auto field = entry.get(key);
  return field ? static_cast<std::int32_t>(field->integer(0, 1'000'000'000)) : otherwise;
}

bool flag_or_false(const Field& entry, std::string_view key) {
  const auto field = entry.get(key);
  return field && field->flag();
}

// A count in billions with three decimals, as a plain number.
std::int64_t billions(const Field& field) { return field.decimal(3, 1, 1'000'000'000) * 1'000'000; }

Precision precision(const Field& field) {
  constexpr std::array<std::string_view, 6> kNames = {"bf16", "fp16", "fp8", "int8", "mxfp4", "int4"};
  constexpr std::array<Precision, 6> kIs = {Precision::bf16, Precision::bf16, Precision::fp8,
                                            Precision::int8, Precision::fp4,  Precision::int4};
  return kIs[field.one_of(kNames)];
}

void read_attention(const Field& entry, ModelCard& card, Shape& shape) {
  constexpr std::array<std::string_view, 3> kNames = {"mha", "gqa", "mla"};
  card.attention = static_cast<Attention>(entry.need("attention").one_of(kNames));
  card.query_heads = number(entry, "q_heads", 1, 4096);
  if (card.attention == Attention::mla) {
    card.kv_lora_rank = number(entry, "kv_lora_rank", 1, 65536);
    card.qk_rope_head_dim = number(entry, "qk_rope_head_dim", 1, 65536);
    shape.q_lora_rank = number(entry, "q_lora_rank", 1, 65536);
    shape.qk_nope_head_dim = number(entry, "qk_nope_head_dim", 1, 65536);
    shape.v_head_dim = number(entry, "v_head_dim", 1, 65536);
  } else {
    card.kv_heads = number(entry, "kv_heads", 1, 4096);
    card.head_dim = number(entry, "head_dim", 1, 65536);
  }
  shape.output_gate = flag_or_false(entry, "attention_output_gate");
}

void read_layers(const Field& entry, ModelCard& card, Shape& shape) {
  card.layers = number(entry, "layers", 1, 10'000);
  card.hidden = number(entry, "hidden", 1, 1'000'000);
  card.vocab = number(entry, "vocab", 1, 100'000'000);
  shape.tied_embeddings = flag_or_false(entry, "tied_embeddings");
  card.sliding_window = number_or(entry, "sliding_window", 0);
  card.sliding_layers = number_or(entry, "sliding_window_layer_count", 0);
  card.full_layers = number(entry, "full_attention_layers", 0, 10'000);
  card.linear_layers = number_or(entry, "linear_attention_layers", 0);
  card.linear_state_bytes =
      std::int64_t{card.linear_layers} *
      (number_or(entry, "linear_state_bytes_per_layer", 0) + number_or(entry, "linear_conv_state_bytes_per_layer", 0));
}

void read_ffn(const Field& entry, ModelCard& card, Shape& shape) {
  card.ffn_matrices = number_or(entry, "ffn_matrices", 3);
  card.intermediate = number_or(entry, "intermediate", 0);
  card.experts = number_or(entry, "experts", 0);
  card.experts_per_token = number_or(entry, "experts_per_token", 0);
  card.shared_experts = number_or(entry, "shared_experts", 0);
  card.moe_intermediate = number_or(entry, "moe_intermediate", 0);
  card.moe_layers = number_or(entry, "moe_layers", 0);
  shape.shared_intermediate = number_or(entry, "shared_expert_intermediate", 0);
  shape.first_dense_layers = number_or(entry, "first_dense_layers", 0);
}

void read_counts(const Field& entry, ModelCard& card) {
  card.max_context = static_cast<std::int32_t>(
      std::min<std::int64_t>(entry.need("max_context").integer(1, 1'000'000'000), kMostContext));
  card.weights = precision(entry.need("native_weight_precision"));
  card.expert_weights = card.weights;
  if (const auto field = entry.get("expert_weight_precision")) card.expert_weights = precision(*field);
  card.kv_bytes_per_token = entry.need("kv_bytes_per_token_bf16").integer(1, 1'000'000'000);
  card.total_parameters = billions(entry.need("total_params_b"));
  card.active_parameters = billions(entry.need("active_params_b"));
  if (const auto field = entry.get("published_total_b")) card.published_total_parameters = billions(*field);
  if (const auto field = entry.get("published_active_b")) card.published_active_parameters = billions(*field);
}

// Projections of all layers. Hybrid models' linear layers are not described here: nothing for them.
std::int64_t attention_parameters(const ModelCard& card, const Shape& shape) {
  const std::int64_t hidden = card.hidden, heads = card.query_heads;
  if (card.attention == Attention::mla) {
    const std::int64_t query = shape.q_lora_rank * (hidden + heads * (shape.qk_nope_head_dim + card.qk_rope_head_dim));
    const std::int64_t kv = hidden * (card.kv_lora_rank + card.qk_rope_head_dim) +
                            card.kv_lora_rank * heads * (shape.qk_nope_head_dim + shape.v_head_dim);
    return card.layers * (query + kv + heads * shape.v_head_dim * hidden);
  }
  const std::int64_t query = hidden * heads * card.head_dim;
  return (card.layers - card.linear_layers) *
         (query * (shape.output_gate ? 3 : 2) + 2 * hidden * card.kv_heads * card.head_dim);
}

std::int64_t ffn_parameters(const ModelCard& card, const Shape& shape) {
  const std::int64_t hidden = card.hidden;
  const std::int64_t dense = (card.layers - card.moe_layers) * (card.ffn_matrices * hidden * card.intermediate);
  const std::int64_t shared_width = shape.shared_intermediate > 0 ? shape.shared_intermediate : card.moe_intermediate;
  const std::int64_t shared = card.shared_experts * (card.ffn_matrices * hidden * shared_width);
  return dense + card.routed_parameters() + card.moe_layers * (shared + hidden * card.experts);
}

bool within_percent(std::int64_t a, std::int64_t b, std::int64_t percent) {
  return std::abs(a - b) <= b / 100 * percent;
}

// The laws, each with the figures that break it.
void refuse_contradictions(const Field& entry, const ModelCard& card, const Shape& shape) {
  const auto law = [&](bool holds, std::string_view key, const std::string& found, const std::string& accepted) {
    if (holds) return;
    (entry.get(key) ? entry.need(key) : entry)
        .refuse(fmt::format("found a contradiction in {}: {}", card.id, found), accepted);
  };
  law(card.sliding_layers + card.full_layers + card.linear_layers == card.layers, "layers",
      fmt::format("{} sliding + {} full + {} linear layers, {} in all", card.sliding_layers, card.full_layers,
                  card.linear_layers, card.layers),
      "make them add up");
  law((card.sliding_layers > 0) <= (card.sliding_window > 0), "sliding_window_layer_count",
      fmt::format("{} layers with a window of 0", card.sliding_layers), "give sliding_window");
  const bool mla = card.attention == Attention::mla;
  law(mla || card.query_heads % card.kv_heads == 0, "kv_heads",
      fmt::format("{} query heads over {} KV heads", card.query_heads, card.kv_heads), "a divisor of q_heads");
  law(card.attention != Attention::mha || card.query_heads == card.kv_heads, "kv_heads",
      fmt::format("mha with {} query and {} KV heads", card.query_heads, card.kv_heads), "as many of both, or gqa");
  law(card.experts_per_token <= card.experts, "experts_per_token",
      fmt::format("{} of {} experts", card.experts_per_token, card.experts), "at most experts");
  const bool moe = card.experts > 0;
  law(moe == (card.moe_layers > 0) && moe == (card.moe_intermediate > 0) && moe == (card.experts_per_token > 0),
      "experts",
      fmt::format("{} experts, {} a token, of width {}, in {} layers", card.experts, card.experts_per_token,
                  card.moe_intermediate, card.moe_layers),
      "all of them or none");
  law(card.moe_layers + shape.first_dense_layers <= card.layers, "moe_layers",
      fmt::format("{} MoE layers after {} dense ones, {} in all", card.moe_layers, shape.first_dense_layers,
                  card.layers),
      "at most layers");

  const std::int64_t values = mla ? card.kv_lora_rank + card.qk_rope_head_dim : 2 * card.kv_heads * card.head_dim;
  const std::int64_t kv_bytes = 2 * (card.layers - card.linear_layers) * values;
  law(card.kv_bytes_per_token == kv_bytes, "kv_bytes_per_token_bf16",
      fmt::format("{} bytes, the shape says {}", card.kv_bytes_per_token, kv_bytes), "correct one of them");

  const std::int64_t embedding = std::int64_t{card.vocab} * card.hidden;
  const std::int64_t from_shape = attention_parameters(card, shape) + ffn_parameters(card, shape) +
                                  embedding * (shape.tied_embeddings || card.embeds ? 1 : 2);
  // 2 %: norms, biases, sinks, indexers. A hybrid's linear layers are not in the sum, up to 10 %.
  law(within_percent(card.total_parameters, from_shape, card.linear_layers > 0 ? 10 : 2), "total_params_b",
      fmt::format("{} parameters, the shape says about {}", card.total_parameters, from_shape), "correct one of them");
  const std::int64_t idle_experts =
      card.moe_layers * (card.experts - card.experts_per_token) * card.expert_parameters();
  const std::int64_t active =
      card.total_parameters - idle_experts - (shape.tied_embeddings && !card.embeds ? 0 : embedding);
  law(card.active_parameters <= card.total_parameters && within_percent(card.active_parameters, active, 2),
      "active_params_b",
      fmt::format("{} active parameters, total and experts say about {}", card.active_parameters, active),
      "correct one of them");
  // 5 %: published totals are rounded ("1 T") or count a vision tower.
  law(card.published_total_parameters == 0 || within_percent(card.published_total_parameters, card.total_parameters, 5),
      "published_total_b",
      fmt::format("{} published parameters, {} counted", card.published_total_parameters, card.total_parameters),
      "correct one of them");
}

ModelCard read_card(const Field& entry) {
  entry.only({"id",
              "aliases",
              "kind",
              "layers",
              "hidden",
              "attention",
              "q_heads",
              "kv_heads",
              "head_dim",
              "q_lora_rank",
              "kv_lora_rank",
              "qk_nope_head_dim",
              "qk_rope_head_dim",
              "v_head_dim",
              "attention_output_gate",
              "ffn_matrices",
              "intermediate",
              "experts",
              "experts_per_token",
              "shared_experts",
              "moe_intermediate",
              "shared_expert_intermediate",
              "first_dense_layers",
              "moe_layers",
              "vocab",
              "tied_embeddings",
              "sliding_window",
              "sliding_window_layer_count",
              "full_attention_layers",
              "linear_attention_layers",
              "linear_key_heads",
              "linear_value_heads",
              "linear_key_head_dim",
              "linear_value_head_dim",
              "linear_conv_kernel",
              "linear_state_bytes_per_layer",
              "linear_conv_state_bytes_per_layer",
              "sparse_index_heads",
              "sparse_index_head_dim",
              "sparse_index_topk",
              "max_context",
              "native_weight_precision",
              "expert_weight_precision",
              "kv_bytes_per_token_bf16",
              "total_params_b",
              "active_params_b",
              "published_total_b",
              "published_active_b",
              "unverified",
              "source",
              "notes"});
  ModelCard card;
  Shape shape;
  card.id = entry.need("id").name();
  card.aliases = entry.texts("aliases");
  constexpr std::array<std::string_view, 2> kKinds = {"generative", "embedding"};
  if (const auto kind = entry.get("kind")) card.embeds = kind->one_of(kKinds) == 1;
  read_layers(entry, card, shape);
  read_attention(entry, card, shape);
  read_ffn(entry, card, shape);
  read_counts(entry, card);
  card.unverified = entry.texts("unverified");
  card.source = entry.need("source").text();
  card.notes = entry.text_or_empty("notes");
  refuse_contradictions(entry, card, shape);
  return card;
}

}  // namespace

std::string_view name_of(Precision precision) {
  switch (precision) {
    case Precision::bf16: return "bf16";
    case Precision::fp8: return "fp8";
    case Precision::int8: return "int8";
    case Precision::fp4: return "mxfp4";
    case Precision::int4: return "int4";
  }
  CHECK(false);
}

std::int64_t bits_per_128_values(Precision precision) {
  switch (precision) {
    case Precision::bf16: return 128 * 16;
    case Precision::fp8:
    case Precision::int8: return 128 * 8;
    case Precision::fp4: return 128 * 4 + 4 * 8;
    case Precision::int4: return 128 * 4 + 4 * 16;
  }
  CHECK(false);
}

std::int64_t ModelCard::expert_parameters() const { return std::int64_t{ffn_matrices} * hidden * moe_intermediate; }

std::int64_t ModelCard::routed_parameters() const { return std::int64_t{moe_layers} * experts * expert_parameters(); }

const ModelCard* ModelCards::find(std::string_view name) const { return find_by_name(models, name); }

std::vector<std::string_view> ModelCards::ids() const {
  std::vector<std::string_view> all;
  for (const auto& card : models) all.push_back(card.id);
  return all;
}

ModelCards read_model_cards(const std::string& file, std::string_view text) {
  const yaml::Document document = yaml::parse(file, text);
  const Field root(document);
  root.only({"models"});
  ModelCards cards;
  for (const Field& entry : root.need("models").items(1000)) {
    ModelCard card = read_card(entry);
    const auto refuse_twice = [&](const std::string& name) {
      if (cards.find(name)) entry.refuse(fmt::format("found '{}' twice", printable(name)), "name each model once");
    };
    refuse_twice(card.id);
    for (const auto& alias : card.aliases) refuse_twice(alias);
    cards.models.push_back(std::move(card));
  }
  return cards;
}

const ModelCards& builtin_model_cards() {
  static const ModelCards cards = read_model_cards("models.yaml", embedded::models_yaml);
  return cards;
}

}  // namespace yard
