// Traces that are like real ones, made from a seed: `gen:NAME` or `gen:NAME?key=value&key=value`.
//
//   gen:azure-conv    chat: 5.53 requests a second, mean prompt 1,155 and answer 211 tokens, gamma arrivals
//                     (burst 1.05) along the traced hour's curve
//   gen:azure-code    code completion: 2.57 a second, mean prompt 2,048 and answer 28 tokens, in bursts with silences
//                     of minutes, as traced
//
//   rate    requests a second, on average: 0.001 to 10000000, at most six decimals
//   hours   how many rows: rate * hours * 3600, where no limit is given: 0.001 to 1000000, at most six decimals
//   burst   time between arrivals is gamma with this coefficient of variation instead of the preset's: 1 (Poisson) to
//           100, at most three decimals
//   adapters  each row asks for one of so many LoRA adapters, 1 to 65,536, drawn by Zipf's law: the k-th 1/k as often
//   as
//           the first; none, where it is not given
//   curve   how the rate moves about its average: flat; hour (azure-conv's 58 minutes, closed to a ring of one hour);
//           day (24 hours of a reasoning model's clients, ServeGen)
//
// Lengths come from quantile tables. In azure-conv the answer depends on the prompt (answers of short prompts are short
// or long by kind: rank correlation is 0.07, yet by eighths of prompts the median answer goes from 64 to 407 tokens),
// so its answers have one table for each eighth of prompts; in azure-code they do not (-0.02). One request does not
// depend on the one before (rank correlation of neighbours at most 0.03, but for conv's answers: 0.11).
//
// The same name, seed and limit give the same rows on every build: integers only. Streams of chance are separate for
// time, prompt and answer, so that `burst` changes no length.
//
// Threads: one. Memory: constant. Cost: 15 to 40 ns a row (bench/trace_bench.cpp).
#pragma once
#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "scheduler/trace/sample.h"
#include "scheduler/trace/trace.h"

namespace yard {

struct TracePreset;

// What a `gen:` name says, checked.
struct GenerateSpec {
  const TracePreset* preset;
  std::uint64_t rate_micro;  // requests per 10^6 s
  std::uint64_t rows;        // where no limit is given
  std::uint32_t adapters = 0;
  std::uint32_t burst_milli;             // 0: the preset's own table of gaps
  std::span<const std::uint32_t> curve;  // knots of the rate, evenly spaced on a ring; empty: flat
  std::int64_t curve_step_ns;            // from knot to knot
};

// Returns: whether `name` asks for the generator.
constexpr bool is_generated(std::string_view name) { return name.starts_with("gen:"); }

// `name`: with its `gen:`. Errors: InputError: unknown preset or key (nearest given), a value out of its range.
GenerateSpec parse_generate(std::string_view name);

// Names of the presets, without `gen:`.
std::span<const std::string_view> preset_names();

// Time that runs at a rate: turns evenly running time into the trace's. The curve is a ring of straight lines, each cut
// into 16 steps of constant rate; its mean is 1.
class RateCurve {
 public:
  RateCurve(std::span<const std::uint32_t> knots, std::int64_t step_ns);

  // Both in nanoseconds, Q16. Requires: not before the last call's.
  Wide at(Wide even);

 private:
  static constexpr std::size_t kCuts = 16, kMostKnots = 32;
  std::size_t cuts_ = 0;                                // 0: flat
  std::array<std::uint64_t, kMostKnots * kCuts> even_;  // how long each cut lasts in even time, ns Q16
  std::array<std::uint64_t, kMostKnots * kCuts> slow_;  // the trace's time per even time, Q20
  std::uint64_t cut_ = 0;                               // how long each lasts in the trace's time, ns Q16
  std::size_t now_ = 0;
  Wide even_begin_ = 0, begin_ = 0;  // of the present cut
};

class Generator : public TraceReader {
 public:
  // `limit` 0: as many rows as the spec says.
  Generator(const GenerateSpec&, Seed, std::uint64_t limit);

  std::optional<TraceRow> next() override;
  std::optional<std::uint64_t> rows() const override { return rows_; }
  bool has_adapters() const override { return !adapter_sums_.empty(); }

 private:
  Time next_arrival();

  const TracePreset& preset_;
  const std::uint64_t rows_;
  const std::uint64_t mean_gap_q16_;  // ns
  const bool gaps_by_table_;
  const GammaSampler gamma_;
  RateCurve curve_;
  Rng gaps_, prompts_, outputs_, adapters_;
  std::vector<std::uint64_t> adapter_sums_;  // of weights, 2^32 / k; by number
  std::uint64_t made_ = 0;
  Wide even_ = 0;  // evenly running time, ns Q16
};

}  // namespace yard
