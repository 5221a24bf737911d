// What the generator knows of real traces: figures only, each with its source. Included by generate.cpp.
#pragma once
#include <cstdint>
#include <span>
#include <string_view>

#include "scheduler/trace/sample.h"

namespace yard {

#include "scheduler/trace/presets_azure.inc"

// Requests in each hour of a day, relative: DeepSeek-R1's clients, the sum of their rates per ten minutes (ServeGen,
// data/reason/deepseek-r1, Apache-2.0; Xiang et al., ServeGen, 2025). Hours of the file's own clock.
constexpr std::uint32_t kServeGenDay[] = {1206, 1389, 2034, 1788, 1064, 908, 749, 577, 596,  664,  810,  830,
                                          447,  545,  684,  704,  878,  553, 749, 587, 1240, 1621, 2194, 1181};

struct TracePreset {
  std::string_view name;
  std::uint64_t rate_micro;    // requests per 10^6 s: the trace's rows by its duration
  std::int64_t seconds_micro;  // its duration, so that the default is as many rows as it has
  std::uint32_t burst_milli;   // 0: by `gap`
  const QuantileTable* gap;    // time between arrivals as a share of its mean, Q20; or none
  std::span<const std::uint32_t> curve;
  std::int64_t curve_step_ns;
  const QuantileTable* prompt;
  std::span<const QuantileTable> output;  // by equal groups of prompts by rank
};

// conv: the coefficient of variation between arrivals is 1.094; Poisson arrivals along the curve have 1.040, and gamma
// ones of 1.05 have 1.09. Code's is 13.15, and counts per minute vary as those of independent gaps do (variance by mean
// 164 at 60 s; 13.15^2 = 173 expected), so that a table of gaps without a curve is enough.
constexpr TracePreset kPresets[] = {
    {"azure-conv", 5'530'422, 3'501'721'937, 1050, nullptr, kConvHour, 120'000'000'000, kConvPrompt, kConvOutput},
    {"azure-code", 2'566'686, 3'435'948'056, 0, kCodeGap, {}, 0, kCodePrompt, kCodeOutput},
};

}  // namespace yard
