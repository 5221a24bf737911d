// The shape of a model: what a step has to read, keep and compute.
//
// Integers as the public configuration files say them (models.yaml names the sources). The reader holds the figures
// against each other and refuses what contradicts itself; see model_card.cpp for which laws.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace yard {

enum class Attention : std::uint8_t { mha, gqa, mla };

// How a weight or a KV value is stored. mxfp4 has a shared 8-bit scale per 32 values (OCP Microscaling Formats 1.0), so
// 4.25 bits; int4 likewise with a 16-bit scale per 32 (compressed-tensors), 4.5 bits.
enum class Precision : std::uint8_t { bf16, fp8, int8, fp4, int4 };
std::string_view name_of(Precision);
std::int64_t bits_per_128_values(Precision);

struct ModelCard {
  std::string id;
  std::vector<std::string> aliases;
  bool embeds = false;  // its result is a vector: no token, no LM head
  std::int32_t layers = 0, hidden = 0, vocab = 0;
  Attention attention = Attention::gqa;
  std::int32_t query_heads = 0, kv_heads = 0, head_dim = 0;  // kv_heads, head_dim: 0 for mla
  std::int32_t kv_lora_rank = 0, qk_rope_head_dim = 0;       // mla: what the cache holds per token and layer
  std::int32_t intermediate = 0, ffn_matrices = 3;           // dense FFN; 3: gated
  std::int32_t experts = 0, experts_per_token = 0, shared_experts = 0, moe_intermediate = 0, moe_layers = 0;
  std::int32_t sliding_window = 0, sliding_layers = 0, full_layers = 0, linear_layers = 0;
  std::int64_t linear_state_bytes = 0;  // fixed, per sequence: all linear-attention layers together
  std::int32_t max_context = 0;         // tokens; at most 2^20 here, whatever the model can do
  Precision weights = Precision::bf16, expert_weights = Precision::bf16;
  std::int64_t kv_bytes_per_token = 0;  // bf16, all layers that keep a growing cache, windows ignored
  std::int64_t total_parameters = 0;
  std::int64_t active_parameters = 0;  // read to decode one token alone; LM head in, input embedding out
  std::int64_t published_total_parameters = 0, published_active_parameters = 0;
  std::vector<std::string> unverified;
  std::string source, notes;

  // Of one routed expert in one layer; of all of them.
  std::int64_t expert_parameters() const;
  std::int64_t routed_parameters() const;
};

struct ModelCards {
  std::vector<ModelCard> models;  // in the file's order

  // By id or alias, letters' case ignored. Returns: null where there is none.
  const ModelCard* find(std::string_view name) const;
  std::vector<std::string_view> ids() const;
};

// Errors: InputError naming file, line and key, for contradictions too.
ModelCards read_model_cards(const std::string& file, std::string_view text);

// Those compiled in. They are read once; a fault in them is a bug.
const ModelCards& builtin_model_cards();

}  // namespace yard
