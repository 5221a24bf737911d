// The prefix index at a million holdings: match by galloping beside the walk, one device's length, insert (known, new,
// new where each new block costs an old one), removal; and the hashing of prompts. Arguments: devices, prompt in
// blocks.
//
// Every device holds a system prompt of 8 blocks and conversations of its own; each prompt asked about has half of its
// blocks cached on one device and a quarter on two more. Prompts are asked in turn, thousands of them, so that the
// tables come from memory and the last-level cache as they would between other work, not from the first-level cache.
#include <benchmark/benchmark.h>

#include <memory>
#include <string>
#include <vector>

#include "scheduler/base/block_hash.h"
#include "scheduler/base/rng.h"
#include "scheduler/core/prefix_index.h"

namespace yard {
namespace {

constexpr std::uint32_t kHoldings = 1u << 20, kSystem = 8;
constexpr PrefixIndex::Source kSource = PrefixIndex::Source::placement;

struct Fleet {
  std::uint32_t devices, blocks;
  PrefixIndex index;
  std::vector<BlockHash> prompts;  // one after the other, `blocks` each
  std::vector<DeviceId> at;        // which device has half of it

  Fleet(std::uint32_t device_count, std::uint32_t prompt_blocks)
      : devices(device_count), blocks(prompt_blocks), index({.holdings = kHoldings, .devices = device_count}) {
    Rng rng(1);
    const std::uint32_t count = kHoldings / blocks * 7 / 8;  // a half, two quarters: 7/8 of the bound
    prompts.resize(std::size_t{count} * blocks);
    for (std::uint32_t p = 0; p < count; ++p) {
      for (std::uint32_t b = 0; b < blocks; ++b)
        prompts[std::size_t{p} * blocks + b].bits = b < kSystem ? mix64(b + 1) : rng.next();
      const auto d = static_cast<std::uint32_t>(rng.below(devices));
      at.push_back(DeviceId{d});
      index.insert(DeviceId{d}, prompt(p).first(blocks / 2), Time(p), kSource);
      for (const std::uint32_t other : {d + 1, d + 2})
        index.insert(DeviceId{other % devices}, prompt(p).first(blocks / 4), Time(p), kSource);
    }
  }
  std::span<const BlockHash> prompt(std::uint32_t p) const { return {&prompts[std::size_t{p} * blocks], blocks}; }
  std::uint32_t count() const { return static_cast<std::uint32_t>(at.size()); }
};

const Fleet& fleet(const benchmark::State& state) {
  static std::unique_ptr<Fleet> last;
  const auto devices = static_cast<std::uint32_t>(state.range(0)), blocks = static_cast<std::uint32_t>(state.range(1));
  if (!last || last->devices != devices || last->blocks != blocks)
    last.reset(), last = std::make_unique<Fleet>(devices, blocks);
  return *last;
}

void sizes(benchmark::internal::Benchmark* b) {
  for (const int blocks : {128, 512})
    for (const int devices : {16, 64, 256, 1024}) b->Args({devices, blocks});
}

template <class Ask>
void ask(benchmark::State& state, Ask question) {
  const Fleet& f = fleet(state);
  std::uint32_t p = 0, stride = 7919;  // neighbours in time are not neighbours in memory
  for (auto _ : state) {
    p = (p + stride) % f.count();
    benchmark::DoNotOptimize(question(f, p));
  }
}

void match_gallop(benchmark::State& state) {
  ask(state, [](const Fleet& f, std::uint32_t p) { return f.index.match(f.prompt(p)); });
}
void match_walk(benchmark::State& state) {
  ask(state, [](const Fleet& f, std::uint32_t p) { return f.index.match_by_walk(f.prompt(p)); });
}
// The same prompt again and again: the instructions alone.
void match_gallop_warm(benchmark::State& state) {
  ask(state, [](const Fleet& f, std::uint32_t) { return f.index.match(f.prompt(1)); });
}
void match_walk_warm(benchmark::State& state) {
  ask(state, [](const Fleet& f, std::uint32_t) { return f.index.match_by_walk(f.prompt(1)); });
}
void one_device(benchmark::State& state) {
  ask(state, [](const Fleet& f, std::uint32_t p) { return f.index.blocks_held(f.at[p], f.prompt(p)); });
}
BENCHMARK(match_gallop)->Apply(sizes);
BENCHMARK(match_walk)->Apply(sizes);
BENCHMARK(match_gallop_warm)->Args({64, 128});
BENCHMARK(match_walk_warm)->Args({64, 128});
BENCHMARK(one_device)->Apply(sizes);

// A prompt of which half is held, used again: nothing is new.
void insert_known(benchmark::State& state) {
  Fleet f(static_cast<std::uint32_t>(state.range(0)), static_cast<std::uint32_t>(state.range(1)));
  std::uint32_t p = 0;
  for (auto _ : state) {
    p = (p + 7919) % f.count();
    benchmark::DoNotOptimize(f.index.insert(f.at[p], f.prompt(p).first(f.blocks / 2), Time(0), kSource));
  }
  state.counters["per_block"] = benchmark::Counter(static_cast<double>(state.iterations()) * f.blocks / 2,
                                                   benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}
// Whole prompts at devices that know the system prompt only, in an index that is full: each block costs an old one.
void insert_new_when_full(benchmark::State& state) {
  Fleet f(static_cast<std::uint32_t>(state.range(0)), static_cast<std::uint32_t>(state.range(1)));
  std::vector<BlockHash> chain(f.prompt(0).begin(), f.prompt(0).end());
  Rng rng(2);
  const auto one = [&] {
    const std::uint64_t from = rng.next();
    for (std::uint32_t b = kSystem; b < f.blocks; ++b) chain[b].bits = mix64(from + b);
    const auto d = static_cast<std::uint32_t>(rng.below(f.devices));
    benchmark::DoNotOptimize(f.index.insert(DeviceId{d}, chain, Time(0), kSource));
  };
  while (f.index.counts().out_of_room < kHoldings) one();
  for (auto _ : state) one();
  state.counters["per_block"] = benchmark::Counter(static_cast<double>(state.iterations()) * f.blocks,
                                                   benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}
BENCHMARK(insert_known)->Args({64, 128})->Args({1024, 128})->Args({64, 512});
BENCHMARK(insert_new_when_full)->Args({64, 128})->Args({1024, 128})->Args({64, 512});

void hash_tokens(benchmark::State& state) {
  const BlockHasher hasher(
      {.salt = 1, .model = ModelId{0}, .block_tokens = static_cast<std::uint32_t>(state.range(1))});
  std::vector<std::int32_t> tokens(static_cast<std::size_t>(state.range(0)));
  Rng rng(3);
  for (auto& t : tokens) t = static_cast<std::int32_t>(rng.below(128'000));
  std::vector<BlockHash> out(tokens.size() / hasher.block_tokens());
  for (auto _ : state) {
    benchmark::DoNotOptimize(tokens.data());
    hasher.of_tokens(tokens, out);
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(state.iterations() * state.range(0) * 4);
}
void hash_text(benchmark::State& state) {
  const BlockHasher hasher(
      {.salt = 1, .model = ModelId{0}, .block_tokens = static_cast<std::uint32_t>(state.range(1))});
  std::string text(static_cast<std::size_t>(state.range(0)), 'x');
  std::vector<BlockHash> out(text.size() / hasher.block_bytes());
  for (auto _ : state) {
    benchmark::DoNotOptimize(text.data());
    hasher.of_text(text, out);
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(hash_tokens)->Args({8192, 64})->Args({8192, 16});
BENCHMARK(hash_text)->Args({32768, 64});

}  // namespace
}  // namespace yard

BENCHMARK_MAIN();
