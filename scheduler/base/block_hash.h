// Names of prompt blocks: a 64-bit hash per whole block, which takes in every block before it, so that two prompts
// share their first n block hashes if (and but for chance only if) they share their first n blocks.
//
// Made by the caller's thread. What begins a chain is the key: the tenant's salt, the model, the size of a block and
// whether blocks are of tokens or of bytes; chains of unlike keys have nothing in common, so that no tenant learns from
// a hit what another asked, and text never meets tokens. The last, partial block has no name: engines keep whole ones.
//
// Not cryptographic. A collision (2^-64 a pair) makes a prefix look held which is not, and costs time, never an answer:
// whether blocks are reused is the engine's own decision. Whoever can read hashes should not know the salt.
//
// One block: words of 8 bytes by pairs into folded 64 x 64 -> 128 bit products (after wyhash: Wang Yi 2019; multipliers
// come from the key), in two lanes that do not wait for each other; then one product chains it. The same on every
// build: words are made by shifts, not by reading memory as it lies.
#pragma once
#include <algorithm>
#include <cstdint>
#include <span>
#include <string_view>
#include <type_traits>

#include "scheduler/base/check.h"
#include "scheduler/base/hash.h"
#include "scheduler/base/id.h"

namespace yard {

struct BlockHash {
  std::uint64_t bits = 0;
  constexpr auto operator<=>(const BlockHash&) const = default;
};

// One kind of chain: its beginning and its multipliers, all drawn from one word.
class BlockChain {
 public:
  constexpr explicit BlockChain(std::uint64_t key)
      : start_{key}, a_(mix64(key + 1)), b_(mix64(key + 2)), c_(mix64(key + 3)), d_(mix64(key + 4) | 1) {}

  constexpr BlockHash start() const { return start_; }

  // Writes the hashes of the whole blocks of `data` behind `before`, as far as `out` reaches. Returns: how many.
  template <class Unit>
  constexpr std::size_t go_on(BlockHash before, std::span<const Unit> data, std::size_t per_block,
                              std::span<BlockHash> out) const {
    const std::size_t blocks = std::min(data.size() / per_block, out.size());
    std::uint64_t name = before.bits;
    for (std::size_t i = 0; i < blocks; ++i) {
      const std::uint64_t content = block(data.data() + i * per_block, per_block);
      name = product(name ^ content, d_) ^ content;
      out[i] = {name};
    }
    return blocks;
  }

 private:
  static constexpr std::uint64_t word(const std::int32_t* t) {
    return std::uint64_t{static_cast<std::uint32_t>(t[0])} | std::uint64_t{static_cast<std::uint32_t>(t[1])} << 32;
  }
  static constexpr std::uint64_t word(const char* c) {
    std::uint64_t w = 0;
    for (int i = 0; i < 8; ++i) w |= std::uint64_t{static_cast<unsigned char>(c[i])} << 8 * i;
    return w;
  }
  static constexpr std::uint64_t product(std::uint64_t a, std::uint64_t b) {
    const Wide p = static_cast<Wide>(a) * b;
    return static_cast<std::uint64_t>(p) ^ static_cast<std::uint64_t>(p >> 64);
  }
  // One product per 16 bytes.
  constexpr std::uint64_t take(std::uint64_t lane, std::uint64_t x, std::uint64_t y) const {
    return product(x ^ c_, y ^ lane);
  }
  template <class Unit>
  constexpr std::uint64_t block(const Unit* u, std::size_t n) const {
    constexpr std::size_t kWord = 8 / sizeof(Unit);
    std::uint64_t even = a_, odd = b_;
    for (; n >= 4 * kWord; n -= 4 * kWord, u += 4 * kWord) {
      even = take(even, word(u), word(u + kWord));
      odd = take(odd, word(u + 2 * kWord), word(u + 3 * kWord));
    }
    for (; n >= kWord; n -= kWord, u += kWord) even = take(even, word(u), n);
    for (; n > 0; --n, ++u) odd = take(odd, static_cast<std::make_unsigned_t<Unit>>(*u), n);
    return product(even ^ c_, odd ^ d_);
  }

  BlockHash start_;
  std::uint64_t a_, b_, c_, d_;
};

class BlockHasher {
 public:
  struct Key {
    std::uint64_t salt = 0;           // the tenant's
    ModelId model;                    // KV of another model is of no use
    std::uint32_t block_tokens = 64;  // the model's; a text block has kBytesPerToken times as many bytes
  };
  static constexpr std::uint32_t kBytesPerToken = 4;  // English text by common tokenisers; only the grain of text hits

  // Requires: block_tokens > 0.
  constexpr explicit BlockHasher(const Key& key)
      : block_tokens_(key.block_tokens), tokens_(word_of(key, kTokens)), text_(word_of(key, kText)) {
    CHECK(key.block_tokens > 0);
  }

  constexpr std::size_t block_tokens() const { return block_tokens_; }
  constexpr std::size_t block_bytes() const { return std::size_t{block_tokens_} * kBytesPerToken; }

  // Writes the hashes of the whole blocks of a prompt, in order, as far as `out` reaches. Returns: how many.
  constexpr std::size_t of_tokens(std::span<const std::int32_t> tokens, std::span<BlockHash> out) const {
    return tokens_.go_on(tokens_.start(), tokens, block_tokens(), out);
  }
  // The same of what follows a block that has a name: an answer behind its prompt.
  constexpr std::size_t of_tokens_after(BlockHash before, std::span<const std::int32_t> tokens,
                                        std::span<BlockHash> out) const {
    return tokens_.go_on(before, tokens, block_tokens(), out);
  }
  // Text whose tokens nobody knows yet, by blocks of block_bytes().
  constexpr std::size_t of_text(std::string_view text, std::span<BlockHash> out) const {
    return text_.go_on(text_.start(), std::span(text), block_bytes(), out);
  }

 private:
  static constexpr std::uint64_t kTokens = 0x746f6b656e73, kText = 0x74657874;

  static constexpr std::uint64_t word_of(const Key& key, std::uint64_t kind) {
    const std::uint64_t salted = mix64(key.salt ^ 0x9e3779b97f4a7c15);
    return mix64(mix64(salted ^ (std::uint64_t{key.model.value} << 32 | key.block_tokens)) ^ kind);
  }

  std::uint32_t block_tokens_;
  BlockChain tokens_, text_;
};

}  // namespace yard
