#include "scheduler/trace/generate.h"

#include <algorithm>
#include <iterator>

#include <fmt/format.h>

#include "scheduler/base/check.h"
#include "scheduler/base/input_error.h"
#include "scheduler/trace/options.h"
#include "scheduler/trace/presets.h"

namespace yard {
namespace {

constexpr std::uint64_t kMicro = 1'000'000;

struct Curve {
  std::string_view name;
  std::span<const std::uint32_t> knots;
  std::int64_t step_ns;
};
constexpr Curve kCurves[] = {
    {"flat", {}, 0}, {"hour", kConvHour, 120'000'000'000}, {"day", kServeGenDay, 3600'000'000'000}};
constexpr std::string_view kCurveNames[] = {"flat", "hour", "day"};
constexpr std::string_view kPresetNames[] = {kPresets[0].name, kPresets[1].name};
// Those of agentic.h, servegen.h and overlay.h stand here so that messages list them.
constexpr std::string_view kAllNames[] = {kPresets[0].name, kPresets[1].name, "agentic", "servegen", "overlay"};
constexpr std::string_view kKeys[] = {"rate", "burst", "hours", "curve", "adapters"};
static_assert(std::size(kCurves) == std::size(kCurveNames) && std::size(kPresets) == std::size(kPresetNames));

template <class Named>
const Named* find_named(std::span<const Named> all, std::string_view name) {
  const auto found = std::find_if(all.begin(), all.end(), [&](const Named& n) { return n.name == name; });
  return found == all.end() ? nullptr : &*found;
}

std::uint64_t rows_for(std::uint64_t rate_micro, std::int64_t seconds_micro) {
  const Wide requests = static_cast<Wide>(rate_micro) * static_cast<std::uint64_t>(seconds_micro);
  constexpr Wide kUnit = static_cast<Wide>(kMicro) * kMicro;
  return std::max<std::uint64_t>(1, static_cast<std::uint64_t>((requests + kUnit / 2) / kUnit));
}

}  // namespace

std::span<const std::string_view> preset_names() { return kPresetNames; }

GenerateSpec parse_generate(std::string_view name) {
  const std::string_view preset_name = generator_name(name);
  const TracePreset* const preset = find_named(std::span<const TracePreset>(kPresets), preset_name);
  if (preset == nullptr) OptionPlace{"gen", ""}.unknown(preset_name, kAllNames);

  GenerateSpec spec{.preset = preset,
                    .rate_micro = preset->rate_micro,
                    .rows = 0,
                    .burst_milli = preset->burst_milli,
                    .curve = preset->curve,
                    .curve_step_ns = preset->curve_step_ns};
  std::int64_t seconds_micro = preset->seconds_micro;
  each_option(name, kKeys, [&](const OptionPlace& place, std::string_view value) {
    if (place.key == "rate") {
      spec.rate_micro = place.millionths(value, 1000, 10'000'000 * kMicro, "requests a second, 0.001 to 10000000");
    } else if (place.key == "burst") {
      const auto burst = place.millionths(value, kMicro, 100 * kMicro, "1 to 100, at most three decimals");
      if (burst % 1000 != 0) place.fail(value, "1 to 100, at most three decimals");
      spec.burst_milli = static_cast<std::uint32_t>(burst / 1000);
    } else if (place.key == "hours") {
      seconds_micro =
          static_cast<std::int64_t>(3600 * place.millionths(value, 1000, kMicro * kMicro, "0.001 to 1000000"));
    } else if (place.key == "adapters") {
      const auto adapters = place.millionths(value, kMicro, 65536 * kMicro, "a whole number from 1 to 65536");
      if (adapters % kMicro != 0) place.fail(value, "a whole number from 1 to 65536");
      spec.adapters = static_cast<std::uint32_t>(adapters / kMicro);
    } else {
      const Curve* const curve = find_named(std::span<const Curve>(kCurves), value);
      if (curve == nullptr) place.unknown(value, kCurveNames);
      spec.curve = curve->knots;
      spec.curve_step_ns = curve->step_ns;
    }
  });
  spec.rows = rows_for(spec.rate_micro, seconds_micro);
  return spec;
}

// ---- the rate -----------------------------------------------------------------------------------------------------

RateCurve::RateCurve(std::span<const std::uint32_t> knots, std::int64_t step_ns) {
  if (knots.empty()) return;
  CHECK(knots.size() <= kMostKnots && step_ns % static_cast<std::int64_t>(kCuts) == 0);
  cuts_ = knots.size() * kCuts;
  cut_ = static_cast<std::uint64_t>(step_ns) / kCuts << 16;
  std::uint64_t sum = 0;
  for (const std::uint32_t knot : knots) sum += knot * kCuts;
  Wide before = 0;  // area under the curve up to here, in units of 1 / (2 * kCuts)
  std::uint64_t even_before = 0;
  const Wide whole = static_cast<Wide>(cut_) * cuts_;  // of the ring; even time runs just as long
  for (std::size_t i = 0; i < cuts_; ++i) {
    const std::uint64_t a = knots[i / kCuts], b = knots[(i / kCuts + 1) % knots.size()], k = i % kCuts;
    CHECK(a > 0);
    before += a * (2 * kCuts - 2 * k - 1) + b * (2 * k + 1);  // twice the rate in the cut's middle, times kCuts
    const auto even_end = static_cast<std::uint64_t>(whole * before / (static_cast<Wide>(sum) * 2 * kCuts));
    even_[i] = even_end - even_before;
    slow_[i] = static_cast<std::uint64_t>((static_cast<Wide>(cut_) << 20) / even_[i]);
    even_before = even_end;
  }
  CHECK(even_before == static_cast<std::uint64_t>(whole));
}

Wide RateCurve::at(Wide even) {
  if (cuts_ == 0) return even;
  const Wide ring = static_cast<Wide>(cut_) * cuts_;
  if (even - even_begin_ >= ring) [[unlikely]] {  // whole rounds at once, so that a long silence costs no loop
    const Wide rounds = (even - even_begin_) / ring;
    even_begin_ += rounds * ring;
    begin_ += rounds * ring;
  }
  while (even - even_begin_ >= even_[now_]) {
    even_begin_ += even_[now_];
    begin_ += cut_;
    now_ = now_ + 1 == cuts_ ? 0 : now_ + 1;
  }
  return begin_ + (static_cast<Wide>(static_cast<std::uint64_t>(even - even_begin_)) * slow_[now_] >> 20);
}

// ---- rows ---------------------------------------------------------------------------------------------------------

Generator::Generator(const GenerateSpec& spec, Seed seed, std::uint64_t limit)
    : preset_(*spec.preset),
      rows_(limit > 0 ? limit : spec.rows),
      mean_gap_q16_(static_cast<std::uint64_t>((static_cast<Wide>(kMicro * 1'000'000'000) << 16) / spec.rate_micro)),
      gaps_by_table_(spec.burst_milli == 0),
      gamma_(gaps_by_table_ ? 1000 : spec.burst_milli),
      curve_(spec.curve, spec.curve_step_ns),
      gaps_(Rng::stream(seed, 0)),
      prompts_(Rng::stream(seed, 1)),
      outputs_(Rng::stream(seed, 2)),
      adapters_(Rng::stream(seed, 3)) {
  for (std::uint64_t k = 1, sum = 0; k <= spec.adapters; ++k)
    adapter_sums_.push_back(sum += (std::uint64_t{1} << 32) / k);
  CHECK(!gaps_by_table_ || preset_.gap != nullptr);
}

std::optional<TraceRow> Generator::next() {
  if (made_ == rows_) return std::nullopt;
  TraceRow row;
  row.arrival = next_arrival();
  ++made_;
  const std::uint64_t rank = prompts_.next();
  const auto group = static_cast<std::size_t>(static_cast<Wide>(rank) * preset_.output.size() >> 64);
  row.prompt = Tokens(preset_.prompt->sample(rank));
  row.output = Tokens(preset_.output[group].sample(outputs_.next()));
  if (!adapter_sums_.empty()) {
    const std::uint64_t drawn = adapters_.below(adapter_sums_.back());
    row.adapter =
        static_cast<std::uint32_t>(std::ranges::upper_bound(adapter_sums_, drawn) - adapter_sums_.begin() + 1);
  }
  return row;
}

Time Generator::next_arrival() {
  if (made_ == 0) return Time(0);
  const Q32 gap = gaps_by_table_ ? Q32{preset_.gap->sample(gaps_.next())} << 12 : gamma_.next(gaps_);
  even_ += static_cast<Wide>(gap) * mean_gap_q16_ >> 32;
  const Wide ns = curve_.at(even_) >> 16;
  if (ns > static_cast<Wide>(kLastArrival.ns()))
    throw InputError("", 0, fmt::format("gen:{}", preset_.name), fmt::format("row {} lies beyond 146 years", made_ + 1),
                     "accepted: a higher rate, fewer rows or a smaller burst");
  return Time(static_cast<std::int64_t>(ns));
}

}  // namespace yard
