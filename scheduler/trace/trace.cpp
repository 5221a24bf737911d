#include "scheduler/trace/trace.h"

#include <cmath>
#include <numeric>

#include <fmt/format.h>

#include "scheduler/base/hash.h"
#include "scheduler/base/input_error.h"
#include "scheduler/trace/csv.h"
#include "scheduler/trace/generate.h"

namespace yard {
namespace {

constexpr std::uint64_t kMillion = 1'000'000;

// Returns: the scale in millionths. llround, since x * 1e6 + 0.5 may be contracted to one rounding on some builds.
std::uint64_t millionths(double rate_scale) {
  if (!(rate_scale > 0) || rate_scale > 1e6 || std::llround(rate_scale * 1e6) == 0)
    throw InputError("", 0, "--rate-scale", fmt::format("found {}", rate_scale),
                     "accepted: a number from 0.000001 to 1000000");
  return static_cast<std::uint64_t>(std::llround(rate_scale * 1e6));
}

// Another reader's rows, the first few of them, closer together or farther apart.
class Scaled : public TraceReader {
 public:
  Scaled(std::unique_ptr<TraceReader> from, std::uint64_t limit, std::uint64_t scale)
      : from_(std::move(from)),
        limit_(limit),
        times_(kMillion / std::gcd(kMillion, scale)),
        by_(scale / std::gcd(kMillion, scale)) {}

  std::optional<TraceRow> next() override {
    if (limit_ > 0 && taken_ == limit_) return std::nullopt;
    auto row = from_->next();
    if (!row) return row;
    ++taken_;
    const Wide arrival = static_cast<Wide>(row->arrival.ns()) * times_ / by_;
    if (arrival > static_cast<Wide>(kLastArrival.ns()))
      throw InputError("", 0, "--rate-scale", fmt::format("row {} lies beyond 146 years", taken_),
                       "accepted: a larger scale or a limit");
    row->arrival = Time(static_cast<std::int64_t>(arrival));
    return row;
  }
  std::optional<std::uint64_t> rows() const override { return from_->rows(); }  // of a generator, which limits itself
  bool has_max_output() const override { return from_->has_max_output(); }

 private:
  std::unique_ptr<TraceReader> from_;
  const std::uint64_t limit_;       // 0: none
  const std::uint64_t times_, by_;  // 1 / scale, in lowest terms
  std::uint64_t taken_ = 0;
};

}  // namespace

std::unique_ptr<TraceReader> open_trace(const std::string& name, Seed seed, std::uint64_t limit, double rate_scale) {
  const std::uint64_t scale = millionths(rate_scale);
  const bool generated = is_generated(name);
  std::unique_ptr<TraceReader> reader;
  if (generated)
    reader = std::make_unique<Generator>(parse_generate(name), seed, limit);
  else
    reader = std::make_unique<CsvReader>(name);
  if (scale == kMillion && (generated || limit == 0)) return reader;
  return std::make_unique<Scaled>(std::move(reader), generated ? 0 : limit, scale);
}

}  // namespace yard
