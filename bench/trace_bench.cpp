// Rows a second: reading a CSV in each form, generating each preset, and writing. Everything is made in a temporary
// folder, so that no data is needed; the machine's file cache is warm.
#include <benchmark/benchmark.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include <fmt/format.h>

#include "scheduler/base/output_file.h"
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
BENCHMARK(generate_conv)->Unit(benchmark::kMillisecond);
BENCHMARK(generate_code)->Unit(benchmark::kMillisecond);
BENCHMARK(generate_burst)->Unit(benchmark::kMillisecond);
BENCHMARK(write)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace yard

BENCHMARK_MAIN();
