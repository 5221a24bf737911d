// Rows a second: reading each format, generating each preset, and writing. Everything is made in a temporary folder, so
// that no data is needed; the machine's file cache is warm.
#include <benchmark/benchmark.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include <fmt/format.h>

#include "scheduler/base/output_file.h"
#include "scheduler/base/rng.h"
#include "scheduler/trace/stat.h"
#include "scheduler/trace/trace.h"

namespace yard {
namespace {

constexpr std::uint64_t kRows = 1'000'000;

// A file that is gone when the program ends.
class Temporary {
 public:
  Temporary(std::string_view name, std::string_view header, std::string_view row_format)
      : path_(std::filesystem::temp_directory_path() / fmt::format("switchyard-bench-{}-{}.csv", ::getpid(), name)) {
    OutputFile file(path_);
    std::string text(header);
    const auto reader = open_trace("gen:azure-conv", 1, kRows, 1.0);
    while (const auto row = reader->next()) {
      const std::int64_t us = row->arrival.ns() / 1000, s = us / 1'000'000;
      text += fmt::format(fmt::runtime(row_format), fmt::arg("day", 1 + s / 86400), fmt::arg("hour", s / 3600 % 24),
                          fmt::arg("minute", s / 60 % 60), fmt::arg("second", s % 60), fmt::arg("us", us % 1'000'000),
                          fmt::arg("ns", row->arrival.ns()), fmt::arg("prompt", row->prompt.count()),
                          fmt::arg("output", row->output.count()));
      if (text.size() > 1 << 16) file.write(text), text.clear();
    }
    file.write(text);
    file.commit();
  }
  ~Temporary() { std::filesystem::remove(path_); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// Another, of text that is at hand; or a folder of such.
class Made {
 public:
  explicit Made(std::string_view name)
      : path_(std::filesystem::temp_directory_path() / fmt::format("switchyard-bench-{}-{}", ::getpid(), name)) {}
  ~Made() { std::filesystem::remove_all(path_); }
  void write(const std::filesystem::path& file, std::string_view text) const {
    std::filesystem::create_directories(file.parent_path());
    OutputFile out(file.string());
    out.write(text);
    out.commit();
  }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

void drain(benchmark::State& state, const std::string& name, std::uint64_t limit, double rate_scale) {
  std::int64_t rows = 0;
  for (auto _ : state) {
    const auto reader = open_trace(name, 1, limit, rate_scale);
    while (const auto row = reader->next()) {
      benchmark::DoNotOptimize(row->arrival);
      ++rows;
    }
  }
  state.SetItemsProcessed(rows);
}

void read_azure(benchmark::State& state) {
  static const Temporary file("azure", "TIMESTAMP,ContextTokens,GeneratedTokens\r\n",
                              "2023-11-{day:02} {hour:02}:{minute:02}:{second:02}.{us:06}0,{prompt},{output}\r\n");
  drain(state, file.path(), 0, 1.0);
}
void read_quoted(benchmark::State& state) {
  static const Temporary file(
      "quoted", "TIMESTAMP,ContextTokens,GeneratedTokens\n",
      "\"2023-11-{day:02} {hour:02}:{minute:02}:{second:02}.{us:06}0\",\"{prompt}\",\"{output}\"\n");
  drain(state, file.path(), 0, 1.0);
}
const std::string& ours() {
  static const Temporary file("ours", "arrival_ns,prompt_tokens,output_tokens\n", "{ns},{prompt},{output}\n");
  return file.path();
}
void read_ours(benchmark::State& state) { drain(state, ours(), 0, 1.0); }
void read_ours_scaled(benchmark::State& state) { drain(state, ours(), 0, 1.7); }

// As Mooncake's conversations: 24 blocks a row, a third of them seen before. 100,000 rows, 21 MB.
const std::string& mooncake() {
  static const Made file("mooncake.jsonl");
  static const std::string path = [] {
    std::string text;
    Rng rng(1);
    std::uint64_t fresh = 0;
    for (int i = 0; i < 100'000; ++i) {
      text += fmt::format("{{\"timestamp\": {}, \"input_length\": 12288, \"output_length\": 343, \"hash_ids\": [0",
                          i * 300);
      const std::uint64_t old = rng.below(fresh + 1);
      for (std::uint64_t b = 1; b < 24; ++b) text += fmt::format(", {}", b < 8 ? old + b : ++fresh);
      text += "]}\n";
    }
    file.write(file.path(), text);
    return file.path().string();
  }();
  return path;
}
void read_mooncake(benchmark::State& state) { drain(state, mooncake(), 0, 1.0); }
void stat_mooncake(benchmark::State& state) {
  std::int64_t rows = 0;
  for (auto _ : state) rows += static_cast<std::int64_t>(stat_of(*open_trace(mooncake(), 1, 0, 1.0)).rows());
  state.SetItemsProcessed(rows);
}

// As agents': 1,000 conversations of 70 rows that grow by 25 blocks from 600 on; 1,460 blocks a row.
void read_agentic(benchmark::State& state) {
  static const Made file("agentic.csv");
  static const std::string path = [] {
    std::string text = "trace,agent,idx,t,in_tokens,out_tokens,n_blocks64,lcp_blocks_prev,seen_blocks,api_time\n";
    for (int c = 0; c < 1'000; ++c)
      for (int i = 0, before = 0; i < 70; ++i) {
        const int blocks = 600 + 25 * i;
        text += fmt::format("trace_{:04},0,{},{}.0,{},218,{},{},{},6.5\n", c, i, i * 20, blocks * 64, blocks, before,
                            before);
        before = blocks;
      }
    file.write(file.path(), text);
    return file.path().string();
  }();
  drain(state, path, 0, 1.0);
}

// 64 clients of tables as long as ServeGen's (2,000 lengths), gaps of gamma and Weibull. The files are read in each
// round: 0.1 s of it.
void generate_servegen(benchmark::State& state) {
  static const Made folder("servegen");
  static const bool made = [] {
    std::string table;
    for (int i = 1; i <= 2'000; ++i) table += fmt::format("{}{}: {}", i == 1 ? "" : ", ", i * 8, 1.0 / i);
    const std::string lengths =
        fmt::format("{{\"0\": {{\"input_tokens\": \"{{{0}}}\", \"output_tokens\": \"{{{0}}}\"}}}}", table);
    for (int c = 0; c < 64; ++c) {
      std::string rates;
      for (int w = 0; w < 144; ++w)
        rates += fmt::format("{},{},1,{},{},1\n", w * 600, 0.1 + c * 0.005, c % 5 == 0 ? "Weibull" : "Gamma",
                             0.6 + 0.02 * c);
      folder.write(folder.path() / fmt::format("chunk-{}-trace.csv", c), rates);
      folder.write(folder.path() / fmt::format("chunk-{}-dataset.json", c), lengths);
    }
    return true;
  }();
  benchmark::DoNotOptimize(made);
  drain(state, folder.path().string(), kRows, 1.0);
}

void generate_conv(benchmark::State& state) { drain(state, "gen:azure-conv", kRows, 1.0); }
void generate_code(benchmark::State& state) { drain(state, "gen:azure-code", kRows, 1.0); }
void generate_burst(benchmark::State& state) { drain(state, "gen:azure-conv?burst=3", kRows, 1.0); }

void write(benchmark::State& state) {
  const std::string path = std::filesystem::temp_directory_path() / fmt::format("switchyard-bench-{}.out", ::getpid());
  std::int64_t rows = 0;
  for (auto _ : state) {
    OutputFile out(path);  // never committed: gone at the end of the round
    rows += static_cast<std::int64_t>(write_trace(*open_trace("gen:azure-conv", 1, kRows, 1.0), out));
  }
  state.SetItemsProcessed(rows);
}

BENCHMARK(read_azure)->Unit(benchmark::kMillisecond);
BENCHMARK(read_quoted)->Unit(benchmark::kMillisecond);
BENCHMARK(read_ours)->Unit(benchmark::kMillisecond);
BENCHMARK(read_ours_scaled)->Unit(benchmark::kMillisecond);
BENCHMARK(read_mooncake)->Unit(benchmark::kMillisecond);
BENCHMARK(stat_mooncake)->Unit(benchmark::kMillisecond);
BENCHMARK(read_agentic)->Unit(benchmark::kMillisecond);
BENCHMARK(generate_servegen)->Unit(benchmark::kMillisecond);
BENCHMARK(generate_conv)->Unit(benchmark::kMillisecond);
BENCHMARK(generate_code)->Unit(benchmark::kMillisecond);
BENCHMARK(generate_burst)->Unit(benchmark::kMillisecond);
BENCHMARK(write)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace yard

BENCHMARK_MAIN();
